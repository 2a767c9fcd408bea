"""What the matrix sends to a leg: mixed frames and digits, in the one stream that the leg hears.

`stream_timestamp` is that of the last packet and `stream_frame` how far on the next one is, so that frames
and relayed packets follow each other without a gap.
"""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import Array, Tables
from pbx.media.mixtables import (
    DIGITS,
    DIGITS_WAITING,
    FRAME_MS,
    OUTGOING,
    OUTGOING_OCTETS,
    SKIPPED_TICKS,
    Mix,
)
from pbx.media.relay import begin, end, send_packet
from pbx.media.stream import write_header

# The feeding source of a stream that the matrix feeds; sources of legs count from 1.
MATRIX: Final = -1
# A stream that paused longer than this goes on with the clock, and is marked (RFC 3551 §4.1).
PAUSED: Final = 300_000

HEADER: Final = 12
EVENT_OCTETS: Final = 4
END_PACKETS: Final = 3
EVENT_VOLUME: Final = 10
LONGEST_EVENT: Final = 0xFFFF
# Ticks of quiet behind a digit, so that two of them are told apart.
DIGIT_PAUSE: Final = 3

NO_DIGIT: Final = 0
SENDING: Final = 1
ENDING: Final = 2
QUIET: Final = ENDING + END_PACKETS


@compiled
def attach_stream(out: Any, clock: int, now: int) -> bool:
    """Let the matrix feed a leg's stream from here on; whether its next packet is a new talkspurt.

    The timestamp goes on behind the last packet, and with the clock only when that was long ago.
    """
    mark = False
    if out.stream_started == 0:
        out.stream_started = 1
        out.stream_frame = 0
        mark = True
    elif now - out.stream_at > PAUSED:
        out.stream_frame = (now - out.stream_at) * clock // 1_000_000
        mark = True
    elif out.stream_epoch != MATRIX and (out.stream_frame <= 0 or out.stream_rate != clock):
        out.stream_frame = clock * FRAME_MS // 1000
    out.stream_epoch = MATRIX
    out.stream_rate = clock
    return mark


@compiled
def emit(
    tables: Tables, row: int, payload: Array, size: int, payload_type: int, mark: bool, timestamp: int
) -> None:
    """One packet of our own making, the next in the leg's stream, built in `Tables.packet`."""
    out = tables.legs[row]
    packet = tables.packet
    out.stream_highest += 1
    write_header(packet, payload_type, mark, out.stream_highest & 0xFFFF, timestamp, out.stream_ssrc)
    for at in range(size):
        packet[HEADER + at] = payload[at]
    if send_packet(tables, out, tables.addresses[row], packet, HEADER + size):
        out.sent_packets += 1
        out.sent_octets += size
    else:
        out.send_failures += 1


@compiled
def emit_next(tables: Tables, row: int, payload: Array, size: int, kind: int, mark: bool, span: int) -> None:
    """One packet of sound that follows what was sent before; `span` is its length in the stream's clock."""
    out = tables.legs[row]
    out.stream_timestamp = (out.stream_timestamp + out.stream_frame) & 0xFFFFFFFF
    emit(tables, row, payload, size, kind, mark, out.stream_timestamp)
    out.stream_frame = span


@compiled
def send_frame(tables: Tables, mix: Mix, row: int, payload: Array, size: int, clock: int, now: int) -> None:
    """Send a leg its encoded frame of this tick, or keep it until its packet is full."""
    part = mix.parts[row]
    out = tables.legs[row]
    step = clock * FRAME_MS // 1000
    skipped = mix.scratch[0].marks[SKIPPED_TICKS] - part.sent_skips
    part.sent_skips += skipped
    part.frames += 1
    begin(out)
    if attach_stream(out, clock, now):
        part.mark = 1
    elif skipped > 0:
        out.stream_frame += skipped * step
        part.mark = 1
    out.stream_at = now
    if out.stream_busy != 0:
        # A digit takes the place of the sound, whose time goes on.
        out.stream_frame += step + part.outgoing * step // max(size, 1)
        part.outgoing = 0
    elif part.packet_ms == FRAME_MS:
        emit_next(tables, row, payload, size, part.type_out, part.mark != 0, step)
        part.mark = 0
    else:
        waiting = mix.stores[row].octets[OUTGOING : OUTGOING + OUTGOING_OCTETS]
        for at in range(size):
            waiting[part.outgoing + at] = payload[at]
        part.outgoing += size
        full = size * part.packet_ms // FRAME_MS
        sent = 0
        while part.outgoing - sent >= full:
            span = step * part.packet_ms // FRAME_MS
            emit_next(tables, row, waiting[sent:], full, part.type_out, part.mark != 0, span)
            part.mark = 0
            sent += full
        part.outgoing -= sent
        for at in range(part.outgoing):
            waiting[at] = waiting[sent + at]
    end(out)


@compiled
def pass_over(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """A tick in which a leg is sent nothing, as it is on hold: the time of its stream goes on."""
    part = mix.parts[row]
    out = tables.legs[row]
    part.plain = 0
    part.outgoing = 0
    part.mark = 1
    part.sent_skips = mix.scratch[0].marks[SKIPPED_TICKS]
    if out.stream_epoch == MATRIX and now - out.stream_at <= PAUSED:
        out.stream_frame += out.stream_rate * FRAME_MS // 1000
        out.stream_at = now


@compiled
def insert(out: Any) -> None:
    """Make room for a packet of our own in a stream that a leg feeds."""
    out.stream_start = out.stream_highest + 1 - out.stream_offset
    out.stream_offset += 1


@compiled
def begin_digit(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """Take the next digit of the queue: its timestamp is when it begins (RFC 4733 §2.2.1)."""
    part = mix.parts[row]
    out = tables.legs[row]
    queue = mix.stores[row].queue
    place = 2 * (part.digit_head % DIGITS_WAITING)
    clock = 0 | tables.clock_rates[row, part.event_type]
    part.digit_rate = clock if clock > 0 else 8000
    part.digit_code = queue[place]
    part.digit_duration = min(queue[place + 1] * part.digit_rate // 1000, LONGEST_EVENT)
    part.digit_elapsed = 0
    part.digit_state = SENDING
    step = part.digit_rate * FRAME_MS // 1000
    if out.stream_started == 0:
        out.stream_started = 1
        out.stream_at = now
        out.stream_frame = 0
        out.stream_rate = part.digit_rate
        ahead = 0
    elif out.stream_epoch == MATRIX and now - out.stream_at <= 2 * FRAME_MS * 1000:
        ahead = out.stream_frame
    else:
        ahead = max(out.stream_frame, step, (now - out.stream_at) * part.digit_rate // 1_000_000)
    part.digit_timestamp = (out.stream_timestamp + ahead) & 0xFFFFFFFF
    out.stream_busy = 1


@compiled
def send_digits(tables: Tables, mix: Mix, row: int, now: int) -> bool:
    """The event packet of this tick, if the leg is to get a digit; False: none is left (RFC 4733 §2.5.1)."""
    part = mix.parts[row]
    out = tables.legs[row]
    if part.digit_state == NO_DIGIT:
        if part.digit_head == part.digit_tail:
            return False
        if part.event_type < 0 or out.configured == 0 or out.send == 0:
            part.digit_head = part.digit_tail
            return False
        begin(out)
        begin_digit(tables, mix, row, now)
        end(out)
    if part.digit_state >= QUIET:
        part.digit_state += 1
        if part.digit_state > QUIET + DIGIT_PAUSE:
            part.digit_state = NO_DIGIT
            part.digit_head += 1
        return True
    first = part.digit_elapsed == 0
    if part.digit_state == SENDING:
        part.digit_elapsed += part.digit_rate * FRAME_MS // 1000
        if part.digit_elapsed >= part.digit_duration:
            part.digit_elapsed = part.digit_duration
            part.digit_state = ENDING
    ending = part.digit_state >= ENDING
    payload = mix.scratch[0].encoded[0]
    payload[0] = part.digit_code
    payload[1] = EVENT_VOLUME | (0x80 if ending else 0)
    payload[2] = part.digit_elapsed >> 8
    payload[3] = part.digit_elapsed & 0xFF
    begin(out)
    if out.stream_epoch != MATRIX:
        insert(out)
    emit(tables, row, payload, EVENT_OCTETS, part.event_type, first, part.digit_timestamp)
    if ending:
        part.digit_state += 1
        if part.digit_state == QUIET:
            out.stream_busy = 0
    end(out)
    return True


@compiled
def send_all_digits(tables: Tables, mix: Mix, legs: int, now: int) -> None:
    """A tick for every leg that has digits to get."""
    busy = 0
    for at in range(legs):
        row = tables.active[at]
        if mix.parts[row].digit_state != NO_DIGIT or mix.parts[row].digit_head != mix.parts[row].digit_tail:
            busy += 1 if send_digits(tables, mix, row, now) else 0
    mix.scratch[0].marks[DIGITS] = busy
