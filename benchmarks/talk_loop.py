"""The loop of the phones that talk, compiled at import; `pbx.media.cache.prepare` has to come first.

The 20 ms of a frame are cut into slots, and each leg always talks in the same one. The loop sleeps until a
slot is due, hands all its packets to the kernel with one call, reads what has come, and sleeps again. All
legs share one socket: who is spoken to is told by the address that a packet is for, who is heard by the one
that it came from. How long a packet was under way is told by the kernel's receive time, so it does not matter
when the loop reads it.
"""

import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from pbx.media.compiling import compiled
from pbx.media.libc import CLOCK_MONOTONIC, MSG_DONTWAIT, monotonic, wall_clock
from pbx.media.srtp import PROTECT, UNPROTECT, transform

_Array = npt.NDArray[Any]

FRAME_US: Final = 20_000
SLOTS: Final = 100
SLOT_US: Final = FRAME_US // SLOTS
HEADER: Final = 12
OCTETS: Final = 172
# Delay and lateness are counted in steps of 20 µs; the last step has everything beyond.
STEP_US: Final = 20
STEPS: Final = 10_000
# What is on its way when the last packet was sent may still arrive: 0.3 s, or 3 s if some of it did not.
TAIL_SLOTS: Final = 15 * SLOTS
LONG_TAIL_SLOTS: Final = 150 * SLOTS

LONGEST_US: Final = 60_000_000

# Room for a packet and what SRTP puts behind it, and how many are read at once.
ROOM: Final = 512
AT_ONCE: Final = 64
ADDRESS_OCTETS: Final = 16
# struct mmsghdr in 64-bit words: name, its length, iovec, how many, control, its length, flags, octets.
MESSAGE_WORDS: Final = 8
NAME_LENGTH: Final = 1
CONTROL_LENGTH: Final = 5
MESSAGE_OCTETS: Final = 7
# struct cmsghdr of SO_TIMESTAMPNS: two words, then seconds and nanoseconds.
CONTROL_WORDS: Final = 8
STAMPED_LENGTH: Final = 32
SECONDS: Final = 2
TIMER_ABSTIME: Final = 1

# Places in `Phones.counts`.
SENT: Final = 0
RECEIVED: Final = 1
WORST_LATE: Final = 2
WORST_DELAY: Final = 3
UNSENT: Final = 4
STRANGE: Final = 5
ANSWERS: Final = 6
COUNTS: Final = 8

_int: Any = types.int32
_address: Any = types.uintp


def _external(name: str, *arguments: Any) -> Any:
    return types.ExternalFunction(name, _int(*arguments))


sendmmsg = _external("sendmmsg", _int, _address, types.uint32, _int)
recvmmsg = _external("recvmmsg", _int, _address, types.uint32, _int, _address)
clock_nanosleep = _external("clock_nanosleep", _int, _int, _address, _address)


class Phones(NamedTuple):
    """What the loop works on; the messages point into the other arrays."""

    packets: _Array
    addresses: _Array
    outgoing: _Array
    outgoing_pieces: _Array
    rooms: _Array
    names: _Array
    controls: _Array
    incoming: _Array
    incoming_pieces: _Array
    types: _Array
    sequence: _Array
    # Packets that each leg heard, and which leg a port of the service belongs to (-1: none).
    heard: _Array
    leg_at: _Array
    # Two of libsrtp's sessions for each leg, to send and to receive with (0: plain RTP), and its functions.
    sessions: _Array
    functions: _Array
    late: _Array
    delays: _Array
    counts: _Array
    words: _Array


def phones(legs: int, functions: Sequence[int]) -> Phones:
    """Phones that say noise and are connected to nobody yet."""
    packets = np.random.default_rng(1).integers(0, 256, (legs, ROOM), np.uint8)
    packets[:, 0] = 0x80
    addresses = np.zeros((legs, ADDRESS_OCTETS), np.uint8)
    rooms = np.zeros((AT_ONCE, ROOM), np.uint8)
    names = np.zeros((AT_ONCE, ADDRESS_OCTETS), np.uint8)
    controls = np.zeros((AT_ONCE, CONTROL_WORDS), np.int64)
    incoming, incoming_pieces = _messages(rooms, names, ROOM)
    incoming[:, 4] = [row.ctypes.data for row in controls]
    return Phones(
        packets,
        addresses,
        *_messages(packets, addresses, OCTETS),
        rooms,
        names,
        controls,
        incoming,
        incoming_pieces,
        np.zeros(legs, np.uint8),
        np.zeros(legs, np.int64),
        np.zeros(legs, np.int64),
        np.full(1 << 16, -1, np.int32),
        np.zeros((legs, 2), np.int64),
        np.array(functions, np.int64),
        np.zeros(STEPS, np.int64),
        np.zeros(STEPS, np.int64),
        np.zeros(COUNTS, np.int64),
        np.zeros(4, np.int64),
    )


def _messages(rooms: _Array, names: _Array, octets: int) -> tuple[_Array, _Array]:
    """A struct mmsghdr and a struct iovec for each of the rooms."""
    pieces = np.array([(room.ctypes.data, octets) for room in rooms], np.int64)
    messages = np.zeros((len(rooms), MESSAGE_WORDS), np.int64)
    messages[:, 0] = [name.ctypes.data for name in names]
    messages[:, NAME_LENGTH] = ADDRESS_OCTETS
    messages[:, 2] = [piece.ctypes.data for piece in pieces]
    messages[:, 3] = 1
    return messages, pieces


def connect(phones: Phones, host: str, ports: Sequence[int]) -> None:
    """Say which port of the service each leg talks to."""
    phones.leg_at[:] = -1
    for leg, port in enumerate(ports):
        family = int(socket.AF_INET).to_bytes(2, "little")
        place = family + port.to_bytes(2, "big") + socket.inet_aton(host)
        phones.addresses[leg, : len(place)] = np.frombuffer(place, np.uint8)
        phones.leg_at[port] = leg


@compiled
def write_number(data: Any, at: int, size: int, value: int) -> None:
    """A number in network order."""
    for octet in range(size):
        data[at + octet] = (value >> (8 * (size - 1 - octet))) & 0xFF


@compiled
def number_in(data: Any, at: int, size: int) -> int:
    """The number that `write_number` wrote."""
    value = 0
    for octet in range(size):
        value = (value << 8) | (0 | data[at + octet])
    return value


@compiled
def sleep_until(phones: Phones, moment: int) -> None:
    """Sleep until a microsecond of the monotonic clock."""
    phones.words[0] = moment // 1_000_000
    phones.words[1] = moment % 1_000_000 * 1_000
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, phones.words.ctypes.data, 0)


@compiled
def say(phones: Phones, descriptor: int, first: int, end: int, slot: int, wall: int) -> int:
    """Send the packets of the legs from `first` to `end`; how many the kernel took."""
    for leg in range(first, end):
        packet = phones.packets[leg]
        phones.sequence[leg] += 1
        packet[0] = 0x80
        packet[1] = phones.types[leg]
        write_number(packet, 2, 2, phones.sequence[leg])
        write_number(packet, 4, 4, slot // SLOTS * 160)
        write_number(packet, 8, 4, leg + 1)
        write_number(packet, HEADER, 8, wall)
        write_number(packet, HEADER + 8, 4, slot)
        size = OCTETS
        if phones.sessions[leg, 0] != 0:
            size = transform(phones.functions[PROTECT], phones.sessions[leg, 0], packet.ctypes.data, OCTETS)
        phones.outgoing_pieces[leg, 1] = size
    at = first
    while at < end:
        taken = sendmmsg(descriptor, phones.outgoing[at:].ctypes.data, end - at, MSG_DONTWAIT)
        if taken <= 0:
            break
        at += taken
    return at - first


@compiled
def hear(phones: Phones, at: int, begin: int, end: int, begin_wall: int, end_wall: int) -> None:
    """Take one packet into account: by the slot that it was sent in, and by when it came."""
    counts = phones.counts
    room = phones.rooms[at]
    size = phones.incoming[at, MESSAGE_OCTETS] & 0xFFFFFFFF
    leg = phones.leg_at[number_in(phones.names[at], 2, 2)]
    if leg < 0:
        counts[STRANGE] += 1
        return
    came = phones.controls[at, SECONDS] * 1_000_000 + phones.controls[at, SECONDS + 1] // 1_000
    if begin_wall <= came < end_wall:
        counts[ANSWERS] += 1
        phones.heard[leg] += 1
    if phones.sessions[leg, 1] != 0:
        size = transform(phones.functions[UNPROTECT], phones.sessions[leg, 1], room.ctypes.data, size)
    if size != OCTETS:
        return
    slot = number_in(room, HEADER + 8, 4)
    delay = came - number_in(room, HEADER, 8)
    # What was mixed can look like anything.
    if begin <= slot < end and abs(delay) < LONGEST_US:
        counts[RECEIVED] += 1
        counts[WORST_DELAY] = max(counts[WORST_DELAY], delay)
        phones.delays[min(max(0, delay) // STEP_US, STEPS - 1)] += 1


@compiled
def hear_all(
    phones: Phones, descriptor: int, due: int, begin: int, end: int, begin_wall: int, end_wall: int
) -> None:
    """Read what has come, until there is nothing or the next slot is due."""
    while True:
        for at in range(AT_ONCE):
            phones.incoming[at, NAME_LENGTH] = ADDRESS_OCTETS
            phones.incoming[at, CONTROL_LENGTH] = CONTROL_WORDS * 8
        count = recvmmsg(descriptor, phones.incoming.ctypes.data, AT_ONCE, MSG_DONTWAIT, 0)
        for at in range(count):
            hear(phones, at, begin, end, begin_wall, end_wall)
        if count < AT_ONCE or monotonic(phones.words) >= due:
            return


@compiled
def talk(phones: Phones, descriptor: int, start: int, slot: int, begin: int, end: int) -> int:
    """Talk from `slot` until slot `end`, which is due `end - slot` slots after `start` (monotonic, in µs).

    What is sent from slot `begin` on is counted. Numbers of slots go on from stretch to stretch. Returns the
    slot that is next.
    """
    legs = phones.packets.shape[0]
    counts = phones.counts
    offset = wall_clock(phones.words) - monotonic(phones.words)
    begin_wall = start + offset + (begin - slot) * SLOT_US
    end_wall = start + offset + (end - slot) * SLOT_US
    due = start
    while slot < end + TAIL_SLOTS or (0 < counts[RECEIVED] < counts[SENT] and slot < end + LONG_TAIL_SLOTS):
        now = monotonic(phones.words)
        while now < due:
            sleep_until(phones, due)
            now = monotonic(phones.words)
        if slot < end:
            turn = slot % SLOTS
            first, behind = turn * legs // SLOTS, (turn + 1) * legs // SLOTS
            taken = say(phones, descriptor, first, behind, slot, now + offset)
            if slot >= begin:
                late = now - due
                counts[SENT] += taken
                counts[UNSENT] += behind - first - taken
                counts[WORST_LATE] = max(counts[WORST_LATE], late)
                phones.late[min(late // STEP_US, STEPS - 1)] += taken
        slot += 1
        due += SLOT_US
        hear_all(phones, descriptor, due, begin, end, begin_wall, end_wall)
    return slot
