"""Audio ends: sockets that speak a tone as RTP and keep what they are sent (RFC 3550, RFC 3551 PCMU).

SIPp announces an end's port in its SDP; the end learns where to send from the SDP that SIPp receives.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from os import urandom
from select import poll
from threading import Event, Thread
from typing import Self

import numpy as np

from pbx.cli.interop.audio import (
    FRAME,
    LEVEL,
    RATE,
    Samples,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
    sine,
)
from pbx.cli.interop.clock import now
from pbx.cli.interop.ports import IPV4, family_of
from pbx.cli.interop.trace import Window

_HEADER = struct.Struct("!BBHII")  # RFC 3550 §5.1
_TICK = 0.02
_VERSION, _EVENTS = 0x80, 101
_EVENT_FRAMES, _END_FRAMES, _PAUSE_FRAMES = 5, 3, 6
_KEYS = "0123456789*#ABCD"
# An end that was stopped by a busy machine catches up with at most this many frames at once.
_CATCH_UP = 10
_PORT_TRIES = 100
# An end that comes later than this was kept from its work by the machine.
STALL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Codec:
    """What a phone says and hears: its payload type, its name in an rtpmap, and the two ways."""

    payload_type: int
    name: str
    encode: Callable[[Samples], bytes]
    decode: Callable[[bytes], Samples]


PCMU = Codec(0, "PCMU", encode_ulaw, decode_ulaw)
PCMA = Codec(8, "PCMA", encode_alaw, decode_alaw)
CODECS = {"pcmu": PCMU, "pcma": PCMA}


@dataclass(slots=True)
class Received:
    """One packet as it came: when (seconds of `clock.now`), from whom, and its RTP header's fields."""

    at: float
    source: tuple[str, int]
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read_packet(data: bytes, at: float, source: tuple[str, int]) -> Received | None:
    """Read an RTP packet; None when it is not one of version 2 (RFC 3550 §5.1)."""
    if len(data) < _HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    start = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4])
    end = len(data) - (data[-1] if first & 0x20 else 0)
    return Received(at, source, second & 0x7F, sequence, timestamp, ssrc, data[start:end])


def bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """An even port and the next one, as RTP and RTCP want them (RFC 3550 §11)."""
    for _ in range(_PORT_TRIES):
        rtp = socket.socket(family_of(host), socket.SOCK_DGRAM)
        rtp.bind((host, 0))
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            rtcp = socket.socket(family_of(host), socket.SOCK_DGRAM)
            try:
                rtcp.bind((host, port + 1))
            except OSError:
                rtcp.close()
            else:
                return rtp, rtcp
        rtp.close()
    raise OSError(f"no even port free on {host}")


@dataclass(slots=True)
class AudioEnd:
    """One end of a call's sound: it says one tone without a break, to `remote` once that is known.

    Instead of the tone it says `keys` as telephone-events (RFC 4733), from the frame number `keys_at` on.
    """

    name: str
    frequency: float
    rtp: socket.socket
    rtcp: socket.socket
    remote: tuple[str, int] | None = None
    received: list[Received] = field(default_factory=list)
    reports: int = 0
    malformed: int = 0
    sent: int = 0
    ssrc: int = field(default_factory=lambda: int.from_bytes(urandom(4)))
    _sequence: int = field(default_factory=lambda: int.from_bytes(urandom(2)))
    _timestamp: int = field(default_factory=lambda: int.from_bytes(urandom(4)))
    codec: Codec = PCMU
    keys: str = ""
    keys_at: int = 0
    _tone: bytes = b""

    @classmethod
    def open(
        cls,
        name: str,
        frequency: float,
        host: str = IPV4,
        *,
        codec: Codec = PCMU,
        keys: str = "",
        keys_at: int = 0,
    ) -> "AudioEnd":
        """An end on a port pair of its own; the tone has to be a multiple of 10 Hz."""
        rtp, rtcp = bind_pair(host)
        rtp.setblocking(False)
        rtcp.setblocking(False)
        # A tone of whole tens of Hz repeats after 100 ms, so a tenth of a second of it is all there is.
        tone = codec.encode(sine(frequency, RATE // 10, level=LEVEL))
        return cls(name, frequency, rtp, rtcp, codec=codec, keys=keys, keys_at=keys_at, _tone=tone)

    @property
    def port(self) -> int:
        """The RTP port."""
        return int(self.rtp.getsockname()[1])

    def close(self) -> None:
        """Give the ports back."""
        self.rtp.close()
        self.rtcp.close()

    def speak(self) -> None:
        """Send the next 20 ms, if it is known where to."""
        remote = self.remote
        if remote is None:
            return
        events = self._events()
        if events:
            for marker, timestamp, payload in events:
                self._send(marker | _EVENTS, timestamp, payload, remote)
        else:
            start = self.sent * FRAME % len(self._tone)
            marker = 0x80 if self.sent == 0 else 0
            payload = self._tone[start : start + FRAME]
            self._send(marker | self.codec.payload_type, self._timestamp, payload, remote)
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        self.sent += 1

    def skip(self, frames: int) -> None:
        """Say nothing for so many frames, in which time goes on: what follows is not late (RFC 3550 §5.1)."""
        self._timestamp = (self._timestamp + frames * FRAME) & 0xFFFFFFFF

    def _events(self) -> list[tuple[int, int, bytes]]:
        """The packets of a key that is held in this frame: marker, the press's timestamp, event (§2.3)."""
        length = _EVENT_FRAMES + _PAUSE_FRAMES
        pressed, frame = divmod(self.sent - self.keys_at, length)
        if not 0 <= pressed < len(self.keys) or frame >= _EVENT_FRAMES:
            return []
        key = _KEYS.index(self.keys[pressed])
        began = (self._timestamp - frame * FRAME) & 0xFFFFFFFF
        last = frame == _EVENT_FRAMES - 1
        event = struct.pack("!BBH", key, (0x80 if last else 0) | 10, (frame + 1) * FRAME)
        return [(0x80 if frame == 0 else 0, began, event)] * (_END_FRAMES if last else 1)

    def _send(self, second: int, timestamp: int, payload: bytes, remote: tuple[str, int]) -> None:
        header = _HEADER.pack(_VERSION, second, self._sequence, timestamp, self.ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        try:
            self.rtp.sendto(header + payload, remote)
        except OSError:
            return  # the far port is gone (ICMP); what was not heard is found by the one who listens

    def listen(self) -> None:
        """Keep everything that has arrived."""
        for received in _drain(self.rtp):
            packet = read_packet(received[0], now(), received[1])
            if packet is None:
                self.malformed += 1
            else:
                self.received.append(packet)
        self.reports += len(_drain(self.rtcp))


def _drain(source: socket.socket) -> list[tuple[bytes, tuple[str, int]]]:
    packets: list[tuple[bytes, tuple[str, int]]] = []
    while True:
        try:
            data, sender = source.recvfrom(2048)
        except BlockingIOError:
            return packets
        except OSError:
            continue  # an ICMP error that an earlier send brought back
        packets.append((data, sender[:2]))  # an IPv6 address has a flow label and a scope, too


class AudioThread:
    """The thread in which a case's ends speak every 20 ms and listen in between."""

    def __init__(self, ends: list[AudioEnd]) -> None:
        # When it came after its time: for so long the machine had nothing for it.
        self.stalls: list[Window] = []
        self._ends = ends
        self._stop = Event()
        self._thread = Thread(target=self._run, name="audio ends", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for end in self._ends:
            end.listen()
            end.close()

    def _run(self) -> None:
        waiting = poll()
        by_descriptor = {}
        for end in self._ends:
            for source in (end.rtp, end.rtcp):
                waiting.register(source, 1)
                by_descriptor[source.fileno()] = end
        due = now() + _TICK
        while not self._stop.is_set():
            for descriptor, _ in waiting.poll(max(0.0, (due - now()) * 1000)):
                by_descriptor[descriptor].listen()
            behind = now()
            if behind - due > STALL_SECONDS:
                self.stalls.append(Window(due, behind))
            frames = 0
            while due <= behind:
                due += _TICK
                frames += 1
            for end in self._ends:
                end.skip(max(0, frames - _CATCH_UP))
                for _ in range(min(frames, _CATCH_UP)):
                    end.speak()


def sound_of(packets: list[Received], codec: Codec = PCMU) -> Samples:
    """The sound in packets of one source, in the order of their timestamps; what is missing is silence."""
    if not packets:
        return np.zeros(0)
    first = packets[0].timestamp
    offsets = [_difference(packet.timestamp, first, 32) for packet in packets]
    start = min(offsets)
    size = max(offsets) - start + FRAME
    # A timestamp that jumps must not make a huge array: past twice the packets' own length, nothing is kept.
    sound = np.zeros(min(size, 2 * FRAME * len(packets)))
    for offset, packet in zip(offsets, packets, strict=True):
        piece = codec.decode(packet.payload)
        room = sound[offset - start : offset - start + len(piece)]
        room[:] = piece[: len(room)]
    return sound


def _difference(value: int, reference: int, bits: int) -> int:
    """`value` - `reference` in wrapping arithmetic, between -2^(bits-1) and 2^(bits-1)."""
    half = 1 << (bits - 1)
    return ((value - reference + half) & ((1 << bits) - 1)) - half


def stream_faults(
    packets: list[Received], seconds: float, announced: set[tuple[str, int]], codec: Codec = PCMU
) -> list[str]:
    """What is wrong with a stream as such: source, type, loss, order, timestamps, synchronisation source.

    `seconds` is how long it was listened to; `announced` has the addresses in the SDP that the phone got.
    """
    wrong: list[str] = []
    sources = {packet.source for packet in packets}
    if sources - announced:
        wrong.append(f"sound came from {_names(sources)}, the SDP says {_names(announced)}")
    agreed = codec.payload_type
    if types := {packet.payload_type for packet in packets} - {agreed}:
        wrong.append(f"payload types {sorted(types)} where only {agreed} was agreed")
    if len({packet.ssrc for packet in packets}) > 1:
        wrong.append(f"{len({packet.ssrc for packet in packets})} synchronisation sources in one stream")
    expected = int(seconds / _TICK)
    if len(packets) < 0.95 * expected - 2:
        wrong.append(f"{len(packets)} packets in {seconds:.1f} s, where {expected} were expected")
    steps = [
        (_difference(b.sequence, a.sequence, 16), _difference(b.timestamp, a.timestamp, 32))
        for a, b in pairwise(packets)
        if a.ssrc == b.ssrc
    ]
    if lost := sum(step - 1 for step, _ in steps if step > 1):
        wrong.extend([f"{lost} of {len(packets) + lost} packets lost"] if lost > 0.02 * len(packets) else [])
    if disorder := sum(1 for step, _ in steps if step < 1):
        wrong.append(f"{disorder} packets repeated or out of order")
    if uneven := sum(1 for step, time in steps if time != FRAME * step):
        wrong.append(f"{uneven} timestamps that do not go with their sequence numbers")
    return wrong


def _names(addresses: set[tuple[str, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in sorted(addresses)) or "nothing"
