"""What is heard of one leg: its header, its sequence, its jitter (RFC 3550 §5.1, A.1, A.3, A.8).

A leg is one record of the table `layout.LEG`; all arithmetic is in 64-bit integers.
"""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import Array

MAX_DROPOUT: Final = 3000
MAX_MISORDER: Final = 100
WINDOW: Final = 64

IN_ORDER: Final = 0
REORDERED: Final = 1
DUPLICATE: Final = 2
LATE: Final = 3
JUMPED: Final = 4

MALFORMED: Final = -1


@compiled
def octet(data: Array, at: int) -> int:
    """One octet as a signed 64-bit integer: mixed with an unsigned one it would become a float."""
    value: int = 0 | data[at]
    return value


@compiled
def word16(data: Array, at: int) -> int:
    """Two octets in network order."""
    return (octet(data, at) << 8) | octet(data, at + 1)


@compiled
def word32(data: Array, at: int) -> int:
    """Four octets in network order."""
    return (word16(data, at) << 16) | word16(data, at + 2)


@compiled
def payload_of(data: Array, length: int) -> tuple[int, int]:
    """Where the payload of an RTP packet starts and how long it is, or (MALFORMED, 0) (RFC 3550 §5.1, A.1).

    `length` is what the kernel said, which may be more than there was room for.
    """
    if length < 12 or length > data.shape[0] or (data[0] >> 6) != 2:
        return MALFORMED, 0
    start = 12 + 4 * (octet(data, 0) & 0x0F)
    if data[0] & 0x10:
        if start + 4 > length:
            return MALFORMED, 0
        start += 4 + 4 * word16(data, start + 2)
    if start > length:
        return MALFORMED, 0
    size = length - start
    if data[0] & 0x20:
        padding = octet(data, length - 1)
        if padding == 0 or padding > size:
            return MALFORMED, 0
        size -= padding
    return start, size


@compiled
def begin_source(leg: Any, ssrc: int, sequence: int, epoch: int) -> None:
    """A new source is heard on the leg: a first one, another SSRC, or the same that began anew (A.1)."""
    if leg.has_source != 0:
        leg.expected_before += leg.highest - leg.base + 1
        leg.received_before += leg.source_received
        if leg.ssrc != ssrc:
            leg.ssrc_changes += 1
    leg.has_source = 1
    leg.epoch = epoch
    leg.ssrc = ssrc
    leg.base = sequence
    leg.highest = sequence
    leg.history = 1
    leg.bad_sequence = -1
    leg.source_received = 1
    leg.report_expected = 0
    leg.report_received = 0
    leg.sender_report_at = 0
    leg.transit_rate = 0
    leg.jitter = 0
    leg.jitter_samples = 0


@compiled
def fill_run(leg: Any, behind: int) -> None:
    """A packet came after all, `behind` the highest: the run of losses it was in ends, shrinks or splits."""
    older = (leg.history >> (behind + 1)) & 1
    newer = (leg.history >> (behind - 1)) & 1
    if older == 1 and newer == 1:
        leg.loss_runs -= 1
    elif older == 0 and newer == 0:
        leg.loss_runs += 1


@compiled
def note_sequence(leg: Any, ssrc: int, sequence: int, epoch: int) -> tuple[int, int]:
    """Take a packet's place into account (RFC 3550 A.1): how it came, and its extended sequence number.

    A source that is new, or that began anew, is known by `epoch` from here on; `leg.epoch` tells.
    """
    if leg.has_source == 0 or leg.ssrc != ssrc:
        begin_source(leg, ssrc, sequence, epoch)
        return IN_ORDER, sequence
    ahead = (sequence - leg.highest) & 0xFFFF
    if ahead == 0:
        leg.source_received += 1
        return DUPLICATE, leg.highest
    if ahead < MAX_DROPOUT:
        leg.highest += ahead
        if ahead > 1:
            leg.loss_runs += 1
        leg.history = (leg.history << ahead) | 1 if ahead < WINDOW else 1
        leg.source_received += 1
        leg.bad_sequence = -1
        return IN_ORDER, leg.highest
    behind = 0x10000 - ahead
    if behind > MAX_MISORDER:
        if sequence != leg.bad_sequence:
            leg.bad_sequence = (sequence + 1) & 0xFFFF
            return JUMPED, sequence
        begin_source(leg, ssrc, sequence, epoch)
        return IN_ORDER, sequence
    leg.source_received += 1
    extended = leg.highest - behind
    if behind >= WINDOW:
        return LATE, extended
    if (leg.history >> behind) & 1:
        return DUPLICATE, extended
    if extended > leg.base and behind < WINDOW - 1:
        fill_run(leg, behind)
    leg.history |= 1 << behind
    return REORDERED, extended


@compiled
def note_jitter(leg: Any, timestamp: int, rate: int, now: int) -> None:
    """Interarrival jitter (RFC 3550 A.8), kept as A.8 keeps it: in timestamp units times 16."""
    if rate <= 0:
        return
    transit = (now * rate // 1_000_000 - timestamp) & 0xFFFFFFFF
    if leg.transit_rate == rate:
        if timestamp == leg.transit_timestamp:
            return
        difference = (transit - leg.transit) & 0xFFFFFFFF
        if difference >= 0x80000000:
            difference = 0x100000000 - difference
        leg.jitter += difference - ((leg.jitter + 8) >> 4)
        leg.jitter_samples += 1
    elif leg.transit_rate > 0:
        leg.jitter = leg.jitter * rate // leg.transit_rate
    leg.transit = transit
    leg.transit_rate = rate
    leg.transit_timestamp = timestamp


@compiled
def same_address(one: Array, other: Array, length: int) -> bool:
    """Whether two sockaddrs name the same address and port (an IPv6 flow label does not matter)."""
    if one[0] != other[0] or one[1] != other[1] or one[2] != other[2] or one[3] != other[3]:
        return False
    first, end = (4, 8) if length == 16 else (8, 28)
    for at in range(first, end):  # noqa: SIM110 - generators are not compiled
        if one[at] != other[at]:
            return False
    return True
