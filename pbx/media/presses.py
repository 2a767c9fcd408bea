"""Keys pressed on a leg, told by telephone-event packets: one event a press (RFC 4733 §2.5)."""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import EVENT_DIGIT, SIGNALLED, Tables
from pbx.media.mixtables import Mix
from pbx.media.reception import octet, word16, word32
from pbx.media.relay import push_event

HIGHEST_EVENT: Final = 16
# A press whose end was lost is over when nothing has come for so long.
SILENCE: Final = 200_000
# A segment is as long as 16 bits of duration can say (§2.5.1.3); some senders end them a little earlier.
LONG_SEGMENT: Final = 0xF000
# How far behind the newest press a packet is late, not of a clock that was set anew.
LATE_S: Final = 10
INBAND: Final = 1 << 8


@compiled
def tell_press(tables: Tables, mix: Mix, row: int) -> None:
    """Say that the press which is open is over."""
    part = mix.parts[row]
    part.event_open = 0
    duration = part.event_earlier + part.event_duration
    value = part.event_code | ((duration * 1000 // max(part.event_clock, 1)) << 16)
    push_event(tables, EVENT_DIGIT, row, part.generation, value, tables.addresses[row, SIGNALLED])


@compiled
def follows(part: Any, code: int, timestamp: int, epoch: int) -> bool:
    """Whether a packet belongs to the next segment of the press that is open."""
    step = (timestamp - part.event_timestamp) & 0xFFFFFFFF
    return bool(
        part.event_open != 0
        and part.event_code == code
        and part.event_epoch == epoch
        and part.event_duration >= LONG_SEGMENT
        and LONG_SEGMENT <= step <= 0x10000
    )


@compiled
def take_event(tables: Tables, mix: Mix, row: int, start: int, size: int, clock: int, now: int) -> None:
    """The telephone-event in `Tables.packet`; repeated, late and unknown ones change nothing."""
    if size < 4:
        return
    part = mix.parts[row]
    leg = tables.legs[row]
    data = tables.packet
    code = octet(data, start)
    if code > HIGHEST_EVENT:
        return
    ending = octet(data, start + 1) >= 0x80
    duration = word16(data, start + 2)
    timestamp = word32(data, 4)
    step = (timestamp - part.event_timestamp) & 0xFFFFFFFF
    if part.event_epoch == leg.epoch and step == 0:
        if part.event_open == 0 or part.event_code != code:
            return
    elif part.event_epoch == leg.epoch and (1 << 32) - step < LATE_S * clock:
        return
    elif follows(part, code, timestamp, leg.epoch):
        part.event_earlier += step
        part.event_duration = 0
        part.event_timestamp = timestamp
    else:
        if part.event_open != 0:
            tell_press(tables, mix, row)
        part.event_open = 1
        part.event_epoch = leg.epoch
        part.event_code = code
        part.event_timestamp = timestamp
        part.event_duration = 0
        part.event_earlier = 0
        part.event_clock = clock
        part.events += 1
    part.event_duration = max(part.event_duration, duration)
    part.event_at = now
    if ending:
        tell_press(tables, mix, row)


@compiled
def end_press(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """Say a press whose end never came."""
    part = mix.parts[row]
    if part.event_open != 0 and now - part.event_at >= SILENCE:
        tell_press(tables, mix, row)
