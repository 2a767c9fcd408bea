"""The one RTP stream that we send to a leg, whoever it is fed by (RFC 3550 §5.1, §8).

Its SSRC never changes, its sequence numbers go on without a gap of our making and its timestamps go on with
the clock, over bridge changes, new sources and holds. What was lost on the way to us stays visible as a gap.
"""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import Array

SEND: Final = 1
TOO_LATE: Final = 0
HANDED_OVER: Final = 100_000


@compiled
def follow(out: Any, epoch: int, extended: int, timestamp: int, rate: int, resumed: bool, now: int) -> bool:
    """Join the stream to a source at this packet; whether that is a new talkspurt, to be marked.

    `resumed`: packets of the same source were withheld by us before this one.
    """
    if out.stream_epoch == epoch and out.stream_started != 0:
        if not resumed:
            return False
        out.stream_offset = out.stream_highest + 1 - extended
        out.stream_start = extended
        return True
    if out.stream_started != 0:
        elapsed = now - out.stream_at
        # What the matrix sent last is followed at once by what it had not sent yet.
        step = 0 if out.stream_epoch < 0 and elapsed < HANDED_OVER else elapsed * rate // 1_000_000
        frame = out.stream_frame if out.stream_frame > 0 and out.stream_rate == rate else rate // 50
        out.stream_timestamp_offset = (out.stream_timestamp + max(step, frame) - timestamp) & 0xFFFFFFFF
    else:
        # A stream that has sent nothing holds its random first timestamp, and one before its first number.
        out.stream_timestamp_offset = (out.stream_timestamp - timestamp) & 0xFFFFFFFF
        out.stream_started = 1
    out.stream_offset = out.stream_highest + 1 - extended
    out.stream_start = extended
    out.stream_epoch = epoch
    out.stream_frame = 0
    return True


@compiled
def place(
    out: Any, epoch: int, extended: int, timestamp: int, rate: int, in_order: bool, resumed: bool, now: int
) -> tuple[int, int, int, bool]:
    """Give a packet of a source its place in the stream: (SEND or TOO_LATE, sequence, timestamp, mark)."""
    mark = False
    if resumed or out.stream_epoch != epoch or out.stream_started == 0:
        if not in_order:
            return TOO_LATE, 0, 0, False
        mark = follow(out, epoch, extended, timestamp, rate, resumed, now)
    if extended < out.stream_start:
        return TOO_LATE, 0, 0, False
    sequence = extended + out.stream_offset
    stamp = (timestamp + out.stream_timestamp_offset) & 0xFFFFFFFF
    if sequence > out.stream_highest:
        if sequence == out.stream_highest + 1 and not mark:
            frame = (stamp - out.stream_timestamp) & 0xFFFFFFFF
            if 0 < frame <= rate:
                out.stream_frame = frame
        out.stream_highest = sequence
        out.stream_timestamp = stamp
        out.stream_rate = rate
        out.stream_at = now
    return SEND, sequence & 0xFFFF, stamp, mark


@compiled
def leave_out(out: Any, epoch: int, extended: int) -> None:
    """A packet of the source that feeds the stream is not for it: close the gap that it would leave."""
    if out.stream_epoch == epoch and out.stream_started != 0:
        out.stream_offset -= 1
        out.stream_start = extended + 1


@compiled
def write_header(
    data: Array, payload_type: int, mark: bool, sequence: int, timestamp: int, ssrc: int
) -> None:
    """A plain header of twelve octets: no padding, no extension, no contributing sources."""
    data[0] = 0x80
    data[1] = payload_type | (0x80 if mark else 0)
    data[2] = sequence >> 8
    data[3] = sequence & 0xFF
    data[4] = timestamp >> 24
    data[5] = (timestamp >> 16) & 0xFF
    data[6] = (timestamp >> 8) & 0xFF
    data[7] = timestamp & 0xFF
    data[8] = ssrc >> 24
    data[9] = (ssrc >> 16) & 0xFF
    data[10] = (ssrc >> 8) & 0xFF
    data[11] = ssrc & 0xFF
