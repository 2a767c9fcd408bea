"""The jitter buffer of a leg: packets in as they come, a frame of 20 ms out at each tick.

Packets lie by extended sequence number; time is the source's own, as extended timestamps. `play_timestamp` is
what is heard next. What is not there when its turn comes is made up (concealed); when it comes after all, and
nothing behind it was heard yet, it is heard late instead of not at all, and the buffer is that much longer.
It becomes shorter again by a frame at a time, best in silence.
"""

from typing import Any, Final

from pbx.media.codecs import append_decoded, append_made_up, append_noise, append_silence, clear_fifo
from pbx.media.compiling import compiled
from pbx.media.layout import Array, Tables
from pbx.media.mixtables import (
    CODECS,
    COMFORT_NOISE,
    DECODE,
    DUE,
    FIFO,
    FRAME,
    FRAME_MS,
    L16,
    NO_CODEC,
    PACKETS_AT,
    SKIPPED_TICKS,
    SLOT_OCTETS,
    SLOT_SEQUENCE,
    SLOT_SIZE,
    SLOT_TIMESTAMP,
    SLOT_TYPE,
    SLOTS,
    TELEPHONE_EVENT,
    TICKS,
    Mix,
)
from pbx.media.reception import octet, word32

TICK: Final = 20_000
# How long the first packet of a source waits, and the shortest and longest that one is held back.
FIRST_TARGET: Final = 20_000
LEAST_TARGET: Final = 10_000
MOST_TARGET: Final = 200_000
# What is left to the packet that comes last of all, when the buffer is made shorter or a source begins anew.
SAFETY: Final = 6_000
# Waiting longer than this for nothing, a frame is dropped even in the middle of a sound.
TOO_DEEP: Final = 80_000
# So much waiting at once is what a stall left behind: it is skipped.
OVERFLOW_MS: Final = 280
# Packets by which the margin is judged.
WINDOW: Final = 100
# After so many frames without a packet the source is over, and its next packet waits for `target` again.
DRY_FRAMES: Final = 10
# Frames that are made up before it is silence.
CONCEALED_FRAMES: Final = 5
# Loudest sample of a frame that nobody misses.
QUIET: Final = 200
# Between two frames that are added for packets that came too late.
GROWING: Final = 40_000
NO_MARGIN: Final = 1 << 40
# A timestamp this far away is not of the same clock.
RESTART_S: Final = 5

NO_PAUSE: Final = 0
SILENT_PAUSE: Final = 1
NOISE_PAUSE: Final = 2


@compiled
def reset_buffer(part: Any) -> None:
    """Forget what is held: another source begins, or the leg is heard in another way."""
    part.stored = 0
    part.playing = 0
    part.pause = NO_PAUSE
    part.dry = 0
    part.lost_run = 0
    part.grow = 0
    part.shrink = 0
    part.margin_low = NO_MARGIN
    part.margin_before = NO_MARGIN
    part.margin_count = 0
    if part.target == 0:
        part.target = FIRST_TARGET
    clear_fifo(part)


@compiled
def units_of(part: Any, milliseconds: int) -> int:
    """Milliseconds in the source's clock."""
    return int(part.clock * milliseconds // 1000)


@compiled
def duration_of(codec: int, size: int, clock: int) -> int:
    """How long a payload sounds, in the source's clock (RFC 3551 §4.5)."""
    if codec == L16:
        return size // 2
    if codec < L16:
        return size * clock // 8000
    return 0


@compiled
def note_margin(part: Any, margin: int) -> None:
    """How long before its turn a packet came; judged over WINDOW packets."""
    part.delay = part.delay + ((margin - part.delay) >> 4) if part.delayed != 0 else margin
    part.delayed = 1
    part.margin_low = min(part.margin_low, margin)
    part.margin_count += 1
    if part.margin_count < WINDOW:
        return
    least = min(part.margin_low, part.margin_before)
    if part.margin_before != NO_MARGIN:
        needed = part.delay - least + SAFETY
        part.target = min(max(needed, LEAST_TARGET), MOST_TARGET)
        if least >= TICK + SAFETY:
            part.shrink = 2 if least >= TOO_DEEP else 1
    part.margin_before = part.margin_low
    part.margin_low = NO_MARGIN
    part.margin_count = 0


@compiled
def come_late(part: Any, extended: int, timestamp: int, now: int) -> bool:
    """Whether a packet whose turn has passed can still be heard: nothing behind it was."""
    if extended >= part.next_sequence and timestamp >= part.real_end:
        part.play_timestamp = timestamp
        part.lost_run = 0
        return True
    part.late += 1
    if now - part.grown_at >= GROWING and part.delay < MOST_TARGET:
        part.grow = 1
        part.grown_at = now
    return False


@compiled
def store(tables: Tables, mix: Mix, row: int, start: int, size: int, extended: int, now: int) -> None:
    """Put the packet in `Tables.packet` into its leg's buffer."""
    part = mix.parts[row]
    leg = tables.legs[row]
    data = tables.packet
    code = octet(data, 1) & 0x7F
    codec = 0 | mix.stores[row].octets[DECODE + code]
    if codec == NO_CODEC or size > SLOT_OCTETS:
        leg.payload_type += 1
        codec = NO_CODEC
    stamp = word32(data, 4)
    clock = 0 | tables.clock_rates[row, code]
    if part.epoch != leg.epoch or (codec < CODECS and codec != NO_CODEC and clock != part.clock):
        reset_buffer(part)
        part.epoch = leg.epoch
    if part.stored == 0:
        part.stored = 1
        part.clock = clock if clock > 0 else 8000
        part.first_at = now
        part.next_sequence = extended
        part.newest_sequence = extended
        timestamp = stamp + (1 << 32)
        part.newest_timestamp = timestamp
    else:
        step = (stamp - part.newest_timestamp) & 0xFFFFFFFF
        timestamp = part.newest_timestamp + (step - (1 << 32) if step >= 1 << 31 else step)
    audio = NO_CODEC < codec < CODECS
    away = timestamp - part.play_timestamp
    if audio and part.playing != 0 and not -RESTART_S * part.clock < away < RESTART_S * part.clock:
        # The source set its clock anew.
        reset_buffer(part)
        part.stored = 1
        part.first_at = now
        part.next_sequence = extended
        part.newest_sequence = extended
        part.newest_timestamp = timestamp
    if part.playing == 0:
        if extended < part.next_sequence:
            if part.newest_sequence - extended >= SLOTS:
                return
            part.next_sequence = extended
    elif audio:
        due = mix.scratch[0].marks[DUE] - (TICK if part.tick != mix.scratch[0].marks[TICKS] else 0)
        margin = (timestamp - part.play_timestamp) * 1_000_000 // part.clock + due - now
        if timestamp < part.play_timestamp and not come_late(part, extended, timestamp, now):
            return
        if -1_000_000 < margin < 1_000_000:
            note_margin(part, max(margin, 0))
    elif extended < part.next_sequence:
        return
    if extended > part.newest_sequence:
        part.newest_sequence = extended
        part.newest_timestamp = timestamp
    place = extended % SLOTS
    slot = mix.stores[row].slots[place]
    slot[SLOT_SEQUENCE] = extended
    slot[SLOT_TIMESTAMP] = timestamp
    slot[SLOT_SIZE] = size if codec != NO_CODEC else 0
    slot[SLOT_TYPE] = octet(data, 1) | (codec << 8)
    if codec in (NO_CODEC, TELEPHONE_EVENT):
        return
    room = mix.stores[row].octets[PACKETS_AT + place * SLOT_OCTETS : PACKETS_AT + (place + 1) * SLOT_OCTETS]
    for at in range(size):
        room[at] = data[start + at]


@compiled
def head(mix: Mix, row: int) -> int:
    """The extended sequence number of the packet whose turn is next, or -1."""
    part = mix.parts[row]
    if part.stored == 0:
        return -1
    first = max(part.next_sequence, part.newest_sequence - SLOTS + 1)
    for extended in range(first, part.newest_sequence + 1):
        if mix.stores[row].slots[extended % SLOTS, SLOT_SEQUENCE] == extended:
            return int(extended)
    return -1


@compiled
def is_primed(part: Any, due: int) -> bool:
    """Whether the first packet of a source has waited long enough to be heard at this tick."""
    return bool(part.stored != 0 and due - part.first_at >= part.target)


@compiled
def start_playing(mix: Mix, row: int) -> None:
    """From here on the buffer is played."""
    part = mix.parts[row]
    found = head(mix, row)
    if found < 0:
        part.stored = 0
        return
    timestamp = mix.stores[row].slots[found % SLOTS, SLOT_TIMESTAMP]
    part.playing = 1
    part.play_timestamp = timestamp
    part.real_end = timestamp
    part.next_sequence = found
    part.dry = 0
    part.pause = NO_PAUSE
    part.margin_low = NO_MARGIN
    part.margin_before = NO_MARGIN
    part.margin_count = 0


@compiled
def fill_gap(mix: Mix, row: int, samples: int, lost: bool) -> None:
    """So many samples without a packet: noise or silence in a pause, made up when one is missing."""
    part = mix.parts[row]
    if part.pause == NOISE_PAUSE:
        append_noise(mix, row, samples)
        part.comfort_noise += 1
    elif part.pause == SILENT_PAUSE or part.dry > CONCEALED_FRAMES:
        append_silence(mix, row, samples)
    else:
        append_made_up(mix, row, samples, part.lost_run)
        part.lost_run += 1
        part.concealed += 1 if lost else 0


@compiled
def play_packet(mix: Mix, row: int, extended: int, rate: int) -> None:
    """Take the packet of this number out of the buffer, at the rate of the bridge."""
    part = mix.parts[row]
    slot = mix.stores[row].slots[extended % SLOTS]
    codec = slot[SLOT_TYPE] >> 8
    size = slot[SLOT_SIZE]
    place = PACKETS_AT + (extended % SLOTS) * SLOT_OCTETS
    payload: Array = mix.stores[row].octets[place : place + size]
    part.next_sequence = extended + 1
    if codec == COMFORT_NOISE:
        part.pause = NOISE_PAUSE
        part.noise_level = (0 | payload[0]) & 0x7F if size > 0 else 127
        part.real_end = max(part.real_end, slot[SLOT_TIMESTAMP])
        return
    if codec in (NO_CODEC, TELEPHONE_EVENT):
        part.pause = SILENT_PAUSE
        return
    part.pause = NO_PAUSE
    append_decoded(mix, row, codec, payload, part.clock, rate)
    part.lost_run = 0
    part.played += 1
    part.play_timestamp = slot[SLOT_TIMESTAMP] + duration_of(codec, size, part.clock)
    part.real_end = part.play_timestamp


@compiled
def fill(mix: Mix, row: int, need: int, rate: int) -> bool:
    """Have so many samples in the FIFO; whether a packet was there for any of them."""
    part = mix.parts[row]
    real = part.fifo > 0
    passed = 0
    while part.fifo < need and passed < 2 * SLOTS:
        passed += 1
        missing = need - part.fifo
        extended = head(mix, row)
        if extended < 0:
            fill_gap(mix, row, missing, True)
            part.play_timestamp += missing * part.clock // rate
            break
        slot = mix.stores[row].slots[extended % SLOTS]
        codec = slot[SLOT_TYPE] >> 8
        ahead = slot[SLOT_TIMESTAMP] - part.play_timestamp
        audio = NO_CODEC < codec < CODECS
        if (audio or codec == COMFORT_NOISE) and units_of(part, 1) < ahead <= 10 * part.clock:
            gap = min(missing, max(1, ahead * rate // part.clock))
            lost = extended > part.next_sequence
            if not lost and part.pause == NO_PAUSE:
                part.pause = SILENT_PAUSE
            fill_gap(mix, row, gap, lost)
            part.play_timestamp += gap * part.clock // rate
            continue
        real = real or audio
        play_packet(mix, row, extended, rate)
    if part.fifo < need:
        append_silence(mix, row, need - part.fifo)
    return bool(real)


@compiled
def take(mix: Mix, row: int, size: int) -> None:
    """The oldest samples of the FIFO become the frame."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    for at in range(size):
        samples[at] = samples[FIFO + at]
    left = part.fifo - size
    for at in range(left):
        samples[FIFO + at] = samples[FIFO + size + at]
    part.fifo = left


@compiled
def blend(mix: Mix, row: int, size: int) -> None:
    """Two frames of the FIFO become one, the first fading into the second."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    for at in range(size):
        first = 0 | samples[FIFO + at]
        second = 0 | samples[FIFO + size + at]
        samples[FIFO + size + at] = (first * (size - at) + second * at) // size
    left = part.fifo - size
    for at in range(left):
        samples[FIFO + at] = samples[FIFO + size + at]
    part.fifo = left


@compiled
def loudest(samples: Array, first: int, size: int) -> int:
    """The largest magnitude of so many samples."""
    most = 0
    for at in range(first, first + size):
        value = 0 | samples[at]
        most = max(most, value if value >= 0 else -value)
    return most


@compiled
def shorten(mix: Mix, row: int, size: int, rate: int) -> None:
    """Drop a frame when the buffer is longer than it need be: in silence, or much longer."""
    part = mix.parts[row]
    held = part.newest_timestamp - part.play_timestamp
    if held < units_of(part, FRAME_MS) or head(mix, row) < 0:
        return
    samples = mix.stores[row].samples
    if part.shrink < 2 and loudest(samples, FIFO, size) > QUIET:
        return
    fill(mix, row, 2 * size, rate)
    blend(mix, row, size)
    part.shrink = 0
    part.dropped_frames += 1
    part.margin_low = NO_MARGIN
    part.margin_before = NO_MARGIN
    part.margin_count = 0


@compiled
def skip_overflow(mix: Mix, row: int) -> None:
    """After a stall: what is too old by far is not heard any more."""
    part = mix.parts[row]
    depth = part.newest_timestamp - part.play_timestamp
    if depth <= units_of(part, OVERFLOW_MS):
        return
    keep = part.newest_timestamp - units_of(part, part.target // 1000)
    extended = head(mix, row)
    while extended >= 0 and mix.stores[row].slots[extended % SLOTS, SLOT_TIMESTAMP] < keep:
        part.next_sequence = extended + 1
        part.overflowed += 1
        extended = head(mix, row)
    if extended >= 0:
        part.play_timestamp = mix.stores[row].slots[extended % SLOTS, SLOT_TIMESTAMP]
        part.real_end = part.play_timestamp


@compiled
def skip_passed(mix: Mix, row: int) -> None:
    """Packets whose turn has gone by while the loop stood still."""
    part = mix.parts[row]
    extended = head(mix, row)
    while extended >= 0 and mix.stores[row].slots[extended % SLOTS, SLOT_TIMESTAMP] < part.play_timestamp:
        part.next_sequence = extended + 1
        part.overflowed += 1
        extended = head(mix, row)
    if extended >= 0:
        timestamp = mix.stores[row].slots[extended % SLOTS, SLOT_TIMESTAMP]
        part.play_timestamp = min(part.play_timestamp, timestamp)


@compiled
def is_silence(samples: Array, size: int) -> bool:
    """Whether a frame is nothing but zeros."""
    return loudest(samples, 0, size) == 0


@compiled
def no_frame(mix: Mix, row: int) -> None:
    """A frame of silence without looking at the buffer."""
    part = mix.parts[row]
    if part.silent == 0:
        samples = mix.stores[row].samples
        for at in range(FRAME):
            samples[at] = 0
        part.silent = 1


@compiled
def pull(mix: Mix, row: int, rate: int, due: int) -> None:
    """The leg's frame of this tick into `Mix.samples[row]`, at the rate of its bridge."""
    part = mix.parts[row]
    size = rate * FRAME_MS // 1000
    marks = mix.scratch[0].marks
    part.tick = marks[TICKS]
    skipped = marks[SKIPPED_TICKS] - part.skips
    part.skips = marks[SKIPPED_TICKS]
    if part.fifo_rate != rate:
        part.fifo_rate = rate
        clear_fifo(part)
    if part.playing == 0:
        if not is_primed(part, due):
            no_frame(mix, row)
            return
        start_playing(mix, row)
    elif skipped > 0:
        # Ticks that the loop left out: what would have been heard then is over.
        part.play_timestamp += skipped * units_of(part, FRAME_MS)
        part.real_end = part.play_timestamp
        part.skipped += skipped
        skip_passed(mix, row)
    skip_overflow(mix, row)
    if part.grow != 0:
        part.grow = 0
        part.added_frames += 1
        append_made_up(mix, row, size, part.lost_run)
    real = fill(mix, row, size, rate)
    if real:
        part.dry = 0
        if part.shrink != 0:
            shorten(mix, row, size, rate)
    elif part.pause != NOISE_PAUSE and head(mix, row) < 0:
        part.dry += 1
        if part.dry >= DRY_FRAMES:
            part.playing = 0
            part.stored = 0
    take(mix, row, size)
    part.silent = is_silence(mix.stores[row].samples, size)
