import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from pbx.media import layout, mixtables
from pbx.media.plane import MediaPlane
from pbx.media.thread import MediaThread
from pbx.media.values import Address, LegId, MediaEvent

PATIENCE = 20.0
_STEP = 0.002
_pause = threading.Event()
_ranges = itertools.count(os.getpid() * 37)


def wait_until(condition: Callable[[], bool], what: str = "the condition") -> None:
    for _ in range(round(PATIENCE / _STEP)):
        if condition():
            return
        _pause.wait(_STEP)
    raise AssertionError(f"{what} did not come about")


def pause(seconds: float) -> None:
    assert seconds <= 0.05
    _pause.wait(seconds)


def free_range(pairs: int = 32) -> range:
    """Ports below the kernel's own, where nobody else is listening just now."""
    for number in _ranges:
        first = 10_000 + number * 2 * pairs % 20_000
        if all(_is_free(port) for port in range(first, first + 2 * pairs)):
            return range(first, first + 2 * pairs)
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def new_plane(**options: Any) -> MediaPlane:
    settings: dict[str, Any] = {"ports": free_range(), "pool": 4, "quarantine": 0.1, "report_interval": 0.0}
    running = MediaPlane(**{**settings, **options})
    running.start()
    return running


def media_thread(event_descriptor: int) -> MediaThread:
    """A thread of one leg that has not begun."""
    return MediaThread(
        0,
        layout.share(1),
        event_descriptor,
        relay=True,
        times=(0, 0),
        mix=mixtables.mix_tables(mixtables.share_mix(1)),
    )


def obeyed(plane: MediaPlane) -> None:
    """The loop has done all that it was told."""
    wait_until(lambda: all(thread.is_up_to_date for thread in plane._threads), "obedience")


class Heard(NamedTuple):
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    source: Address


def header(sequence: int, timestamp: int, ssrc: int, payload_type: int = 0, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)


class Phone:
    """One RTP end; its packets go on where the last one ended."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.settimeout(PATIENCE)
        self.host = host
        self.ssrc = 0x1234
        self.sequence = 1000
        self.timestamp = 50_000
        self.target: Address = (host, 9)
        self.rtcp: socket.socket | None = None

    def bind_rtcp(self) -> bool:
        """Take the port next to the one for RTP, if it is free."""
        other = socket.socket(self.socket.family, socket.SOCK_DGRAM)
        try:
            other.bind((self.host, self.address[1] + 1))
        except OSError:
            other.close()
            return False
        other.settimeout(PATIENCE)
        self.rtcp = other
        return True

    def close(self) -> None:
        self.socket.close()
        if self.rtcp is not None:
            self.rtcp.close()

    @property
    def address(self) -> Address:
        host, port = self.socket.getsockname()[:2]
        return host, port

    def send_raw(self, data: bytes) -> None:
        self.socket.sendto(data, self.target)

    def send(self, payload: bytes = b"\xd5" * 160, payload_type: int = 0, marker: bool = False) -> None:
        head = header(self.sequence, self.timestamp, self.ssrc, payload_type | (0x80 if marker else 0))
        self.sequence += 1
        self.timestamp += 160
        self.send_raw(head + payload)

    def skip(self, packets: int) -> None:
        """Packets that are lost on the way."""
        self.sequence += packets
        self.timestamp += 160 * packets

    def hear(self) -> Heard:
        data, source = self.socket.recvfrom(4096)
        first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
        assert first == 0x80
        return Heard(second >= 0x80, second & 0x7F, sequence, timestamp, ssrc, data[12:], source[:2])

    def hears_nothing(self) -> bool:
        self.socket.settimeout(0.05)
        try:
            self.socket.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE)
        return False


class Phones:
    def __init__(self) -> None:
        self._made: list[Phone] = []

    def new(self, host: str = "127.0.0.1") -> Phone:
        phone = Phone(host)
        self._made.append(phone)
        return phone

    def pair(self) -> Phone:
        """A phone with a port for RTCP too."""
        for _ in range(100):
            phone = self.new()
            if phone.bind_rtcp():
                return phone
        raise AssertionError("no two free ports in a row")

    def close(self) -> None:
        for phone in self._made:
            phone.close()


def configure(plane: MediaPlane, leg: LegId, remote: Address, **changes: Any) -> None:
    settings: dict[str, Any] = {
        "remote": remote,
        "receive": True,
        "send": True,
        "payload_map": {0: 0, 101: 101},
        "clock_rates": {0: 8000, 101: 8000},
    }
    plane.configure(leg, **{**settings, **changes})


def leg_for(plane: MediaPlane, phone: Phone, **changes: Any) -> LegId:
    leg, port = plane.open(6 if ":" in phone.host else 4)
    configure(plane, leg, phone.address, **changes)
    phone.target = (phone.host, port)
    obeyed(plane)
    return leg


def bridged(plane: MediaPlane, one: Phone, other: Phone) -> tuple[LegId, LegId]:
    a, b = leg_for(plane, one), leg_for(plane, other)
    plane.bridge(a, b)
    obeyed(plane)
    return a, b


def next_event(plane: MediaPlane, kind: type[MediaEvent]) -> Any:
    found: list[MediaEvent] = []

    def look() -> bool:
        found.extend(event for event in plane.events() if isinstance(event, kind))
        return bool(found)

    wait_until(look, kind.__name__)
    return found[0]


def looked_at(plane: MediaPlane) -> None:
    """The loop has gone through its legs a few times since."""
    before = sum(plane.loop_statistics.lateness)
    wait_until(lambda: sum(plane.loop_statistics.lateness) >= before + 20, "ticks")


def free_pairs(plane: MediaPlane) -> int:
    """How many pairs the pool has, after taking back those that have rested."""
    plane._collect()
    return plane._pool.free(4)
