"""The loop's own steps in a time of the test's making: minutes of media in moments, and every frame exact.

Legs send into the steps that a datagram goes through; what they are sent comes out of socket pairs. There are
no threads and no clocks: a trace says when each datagram comes, and ticks are 20 ms apart.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pbx.media import addresses, bridges, layout, mixtables
from pbx.media.arrival import take_datagram
from pbx.media.compiling import compiled
from pbx.media.libc import MSG_DONTWAIT, recv
from pbx.media.loop import begin_tick, look_at_all, mix_some
from pbx.media.reports import read_compound
from tests.media.support import header

TICK = 20_000
BEGINNING = 1_000_000_000
_ROOM = 1500
_PEER = addresses.pack(("127.0.0.1", 4000))
_STRANGER = addresses.pack(("127.0.0.2", 4000))

# What a datagram is: RTP that the kernel lets through from the leg's source alone, RTP of which the address
# is looked at and is a stranger's or the source's, or RTCP.
KNOWN, STRANGER, REPORT, LOOKED_AT = 0, 1, 2, 3


@compiled
def drive(
    tables: Any,
    mix: Any,
    trace: Any,
    octets: Any,
    senders: Any,
    ends: Any,
    ticks: int,
    told: Any,
    sent: Any,
) -> int:
    """Go through so many ticks of a trace of (time, row, size, kind); how many packets were sent."""
    marks = mix.scratch[0].marks
    due = marks[mixtables.DUE]
    at = 0
    count = 0
    for _ in range(ticks):
        while at < trace.shape[0] and trace[at, 0] <= due:
            now, row, size, kind = trace[at, 0], trace[at, 1], trace[at, 2], trace[at, 3]
            for place in range(min(size, octets.shape[1])):
                tables.packet[place] = octets[at, place]
            if kind == REPORT:
                read_compound(tables.legs[row], tables.packet, size, now, now)
            else:
                for place in range(senders.shape[1]):
                    tables.sender[place] = senders[0 if kind == STRANGER else 1, place]
                take_datagram(tables, mix, row, size, kind == KNOWN, now)
            at += 1
        now = due
        due = begin_tick(tables, mix, due, now)
        while marks[mixtables.CURSOR] >= 0:
            mix_some(tables, mix, now)
        if marks[mixtables.TICKS] % layout.SCAN_TICKS == 0:
            look_at_all(tables, mix, now)
        for row in range(ends.shape[0]):
            length = recv(ends[row], sent[count].ctypes.data, sent.shape[1], MSG_DONTWAIT)
            while length >= 0:
                if count < told.shape[0] - 1:
                    told[count, 0] = now
                    told[count, 1] = row
                    told[count, 2] = length
                    count += 1
                length = recv(ends[row], sent[count].ctypes.data, sent.shape[1], MSG_DONTWAIT)
    return count


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet that a leg was sent, and when."""

    at: int
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    payload: bytes


class Stage:
    """Legs in one bridge, all that the loop has of them, and a trace that is being made."""

    def __init__(self, legs: int) -> None:
        self.count = legs
        self.arena = layout.Arena()
        self.shared = layout.share(legs)
        self.tables = layout.tables(self.shared, self.arena)
        self.mix = mixtables.mix_tables(mixtables.share_mix(legs))
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(legs)]
        for pair in self._pairs:
            for end in pair:
                end.setblocking(False)
        control = self.tables.control
        control[layout.NEXT_EPOCH] = 1
        control[layout.RELAY] = 1
        control[layout.QUARANTINE] = 1
        self.mix.scratch["marks"][0, mixtables.DUE] = BEGINNING
        self.mix.scratch["marks"][0, mixtables.CURSOR] = -1
        self.now = BEGINNING
        self._sources: dict[int, tuple[int, int, int, int]] = {}
        self._waiting: list[tuple[int, int, int, int, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pair in self._pairs:
            for end in pair:
                end.close()
        assert self.arena.intact()

    def leg(
        self, row: int, codec: int = mixtables.PCMU, payload_type: int = 0, *, settled: bool = True
    ) -> Any:
        """Fill in a leg, as commands of the reactor would."""
        leg = self.tables.legs[row]
        descriptor = self._pairs[row][0].fileno()
        for name, value in {
            "generation": 1,
            "state": layout.OPEN,
            "rtp_descriptor": descriptor,
            "rtcp_descriptor": -1,
            "address_length": layout.SOCKADDR_IN,
            "configured": 1,
            "proven": 1,
            "connected": 1,
            "settled": 1,
            "receive": 1,
            "send": 1,
            "peer": layout.NOBODY,
            "active_index": row,
            "heard_at": BEGINNING,
            "stream_at": BEGINNING,
            "stream_ssrc": 77 + row,
        }.items():
            leg[name] = value
        for place in (layout.SIGNALLED, layout.PROVEN):
            self.tables.addresses[row, place] = np.frombuffer(_PEER, np.uint8)
        self.tables.active[row] = row
        self.tables.control[layout.ACTIVE] = max(row + 1, self.tables.control[layout.ACTIVE])
        self.tables.clock_rates[row, [payload_type, 13, 101]] = 8000
        self.tables.payload_map[row, [payload_type, 101]] = [payload_type, 101]
        octets = self.mix.stores[row]["octets"]
        octets[mixtables.DECODE + np.array([payload_type, 13, 101])] = [
            codec,
            mixtables.COMFORT_NOISE,
            mixtables.TELEPHONE_EVENT,
        ]
        part = mixtables.fresh_part(mixtables.LEG_PART, 1)
        for name, value in {
            "audio": 1,
            "codec_out": codec,
            "type_out": payload_type,
            "rate_out": 8000,
            "packet_ms": 20,
            "event_type": 101,
        }.items():
            part[name] = value
        self.mix.parts[row] = part
        return leg

    def join(self, *rows: int, must_mix: bool = True) -> None:
        """Put legs into the bridge, which is mixed even when it could be relayed."""
        for row in rows:
            bridges.enter(self.tables, self.mix, 0, 1, row, 0, self.now)
        self.mix.bridges[0]["must_mix"] = must_mix
        self.settle()

    def gain(self, talker: int, listener: int, value: int) -> None:
        """In 1/256."""
        bridges.set_gain(self.mix, 1, talker, listener, value)
        self.settle()

    def settle(self) -> None:
        bridges.settle_bridge(self.tables, self.mix, 0, self.now)

    def datagram(self, row: int, at: int, data: bytes, kind: int = KNOWN) -> None:
        """A datagram of the trace; `at` counts microseconds from the beginning."""
        self._waiting.append((BEGINNING + at, row, len(data), kind, data))

    def say(
        self, row: int, number: int, payload: bytes, *, late: int = 0, payload_type: int = 0, span: int = 160
    ) -> None:
        """The frame of this number of a leg, sent on time and here so late."""
        first, ssrc, sequence, timestamp = self._sources.get(row, (0, 0x1000 + row, 0, 0))
        at = number - first
        head = header(sequence + at, timestamp + at * span, ssrc, payload_type)
        self.datagram(row, number * TICK + late, head + payload)

    def event(
        self,
        row: int,
        number: int,
        timestamp: int,
        payload: bytes,
        *,
        payload_type: int = 101,
        mark: bool = False,
    ) -> None:
        """A packet in the place of a frame that has a timestamp of its own."""
        code = payload_type | (0x80 if mark else 0)
        self.datagram(row, number * TICK, header(number, timestamp, 0x1000 + row, code) + payload)

    def restart(self, row: int, *, first: int, ssrc: int, sequence: int, timestamp: int) -> None:
        """From this frame on the leg's source is another one."""
        self._sources[row] = (first, ssrc, sequence, timestamp)

    def run(self, ticks: int, packets: int = 0) -> list[list[Sent]]:
        """Go on with the trace; what each leg was sent."""
        told, sent = self.run_raw(ticks, packets)
        heard: list[list[Sent]] = [[] for _ in range(self.count)]
        for (at, row, length), data in zip(told.tolist(), sent, strict=True):
            octets = data[:length].tobytes()
            heard[row].append(
                Sent(
                    at - BEGINNING,
                    octets[1] >= 0x80,
                    octets[1] & 0x7F,
                    int.from_bytes(octets[2:4], "big"),
                    int.from_bytes(octets[4:8], "big"),
                    octets[12:],
                )
            )
        return heard

    def run_raw(self, ticks: int, packets: int = 0) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """The same as arrays: (time, row, size), and octets."""
        self._waiting.sort(key=lambda each: each[0])
        end = self.now + (ticks - 1) * TICK
        coming = [each for each in self._waiting if each[0] <= end]
        self._waiting = self._waiting[len(coming) :]
        trace = np.array([each[:4] for each in coming], np.int64).reshape(-1, 4)
        octets = np.zeros((len(coming), max((each[2] for each in coming), default=1)), np.uint8)
        for at, (*_, size, _kind, data) in enumerate(coming):
            octets[at, :size] = np.frombuffer(data, np.uint8)
        return self.run_trace(trace, octets, ticks, packets)

    def run_trace(
        self, trace: npt.NDArray[np.int64], octets: npt.NDArray[np.uint8], ticks: int, packets: int = 0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
        """Go through a trace that was made elsewhere."""
        room = packets or (ticks + 8) * self.count * 2
        told, sent = np.zeros((room, 3), np.int64), np.zeros((room, _ROOM), np.uint8)
        senders = np.stack([np.frombuffer(each, np.uint8) for each in (_STRANGER, _PEER)])
        ends = np.array([pair[1].fileno() for pair in self._pairs], np.int32)
        count = drive(self.tables, self.mix, trace, octets, senders, ends, ticks, told, sent)
        self.now += ticks * TICK
        return told[:count], sent[:count]

    def digits(self) -> list[tuple[int, int]]:
        """Every digit that was said: (row, event)."""
        control = self.tables.control
        head, tail = int(control[layout.EVENT_HEAD]), int(control[layout.EVENT_TAIL])
        events = [self.tables.events[number % layout.EVENTS] for number in range(tail, head)]
        control[layout.EVENT_TAIL] = head
        return [
            (int(event["row"]), int(event["value"]) & 0xFF)
            for event in events
            if event["kind"] == layout.EVENT_DIGIT
        ]


def everyone(stage: Stage, rows: Sequence[int]) -> None:
    """Legs of PCMU that all hear each other."""
    for row in rows:
        stage.leg(row)
    stage.join(*rows)
