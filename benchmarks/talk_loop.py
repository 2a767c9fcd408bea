"""The loop of the phones that talk, compiled at import; `pbx.media.cache.prepare` has to come first."""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.libc import EVENT_TAG, EVENT_WORDS, MSG_DONTWAIT, epoll_wait, monotonic, recv, send

FRAME_US: Final = 20_000
HEADER: Final = 12
OCTETS: Final = 172
# Delay is counted in steps of a tenth of a millisecond; the last step has everything beyond.
STEP_US: Final = 100
STEPS: Final = 2_000
# What is on its way when the last packet was sent may still arrive.
TAIL_US: Final = 300_000


@compiled
def generate(
    epoll: int,
    descriptors: Any,
    microseconds: int,
    sequence: Any,
    packet: Any,
    steps: Any,
    ready: Any,
    words: Any,
    room: Any,
) -> tuple[int, int, int, int]:
    """Talk for so many microseconds; packets sent and received, the worst lateness and delay in microseconds.

    `sequence` goes on from stretch to stretch, `steps` counts packets by delay, the last three are scratch.
    """
    legs = descriptors.shape[0]
    start = monotonic(words)
    sent = received = late = worst = 0
    now = start
    # The legs take turns, evenly spread over the 20 ms, each always at the same moment of them.
    while now < start + microseconds + TAIL_US:
        burst = 0
        while burst < 32 and now < start + microseconds and now >= start + sent * FRAME_US // legs:
            late = max(late, now - (start + sent * FRAME_US // legs))
            leg = sent % legs
            count = sequence[leg]
            sequence[leg] += 1
            packet[0], packet[1] = 0x80, 0
            packet[2], packet[3] = (count >> 8) & 0xFF, count & 0xFF
            for octet in range(4):
                packet[4 + octet] = ((count * 160) >> (24 - 8 * octet)) & 0xFF
                packet[8 + octet] = ((leg + 1) >> (24 - 8 * octet)) & 0xFF
            now = monotonic(words)
            for octet in range(8):
                packet[HEADER + octet] = (now >> (56 - 8 * octet)) & 0xFF
            send(descriptors[leg], packet.ctypes.data, OCTETS, MSG_DONTWAIT)
            sent += 1
            burst += 1
        count = epoll_wait(epoll, ready.ctypes.data, 256, 0 if burst else 1)
        now = monotonic(words)
        for at in range(count):
            descriptor = 0 | ready[at * EVENT_WORDS + EVENT_TAG]
            if recv(descriptor, room.ctypes.data, 2048, MSG_DONTWAIT) == OCTETS:
                stamp = 0
                for octet in range(8):
                    stamp = (stamp << 8) | int(room[HEADER + octet])
                # What is left of an earlier stretch is not counted.
                if stamp >= start:
                    received += 1
                    worst = max(worst, now - stamp)
                    steps[min(max(0, now - stamp) // STEP_US, STEPS - 1)] += 1
    return sent, received, late, worst
