"""Phones that talk: one compiled loop, in a process of its own, sends and receives the audio of all legs.

Each says when it is late itself, how much it was, and what was lost at its own socket, so that a figure which
the load has spoilt can be told from one of the service.
"""

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from benchmarks import machine
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.errors import OperatorError
from pbx.sdp.crypto import KEY_OCTETS, Security, Suite

FRAME_S: Final = 0.02
# Of the packets that the phones send, 99 in 100 leave no later than this, or the load was not what it says.
PUNCTUAL_MS: Final = 1.0
# A meter that is read later than this has measured another stretch.
METER_PUNCTUAL_MS: Final = 50.0
# Sources are proven, sockets connected, buffers filled: not counted.
WARM_S: Final = 1.5
# For all of them to hear of a stretch before it begins.
_NOTICE_S: Final = 0.05
_ROOM_OCTETS: Final = 16 << 20
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_SO_MEMINFO: Final = 55
_MEMORY: Final = 2 * machine.GIB
_PATIENCE_S: Final = 180.0


@dataclass(frozen=True, slots=True)
class Talk:
    """What the phones said and heard in one stretch; times in milliseconds.

    `received` are those of the packets sent that came back, as a relay passes them on, and delays are theirs,
    from before they were sent until the kernel had them again. `answers` is all that came in the time of
    the stretch, `fewest` what the leg heard that heard least. `dropped` had no room in the phones' socket,
    `unsent` the kernel did not take, `stolen` is the share of the time in which the phones' core was not this
    machine's, `busy` that in which they used it, and `read_late_ms` how late the meter was read at worst.
    """

    sent: int
    received: int
    answers: int
    fewest: int
    half_ms: float
    most_ms: float
    nearly_all_ms: float
    worst_ms: float
    late_most_ms: float
    late_worst_ms: float
    dropped: int
    unsent: int
    stolen: float
    read_late_ms: float
    busy: float

    @property
    def lost(self) -> int:
        """Packets that never came back."""
        return self.sent - self.received

    @property
    def lost_by_load(self) -> int:
        """Packets that the phones could not send, or had no room for."""
        return self.dropped + self.unsent

    def beside(self) -> str:
        """How far the load itself can be trusted, in a few words."""
        lost = f", {self.lost_by_load} LOST BY THE LOAD" if self.lost_by_load else ""
        sound = "" if self.sound else "NOT SOUND, "
        return (
            f"{sound}99 % sent within {self.late_most_ms:.2f} ms, all within {self.late_worst_ms:.1f}{lost}"
        )

    @property
    def sound(self) -> bool:
        """Whether the load was what it says it is."""
        return (
            self.late_most_ms <= PUNCTUAL_MS
            and not self.lost_by_load
            and self.read_late_ms <= METER_PUNCTUAL_MS
        )


class Talkers:
    """The process; a context manager. Leg 2n is the caller of call n, leg 2n + 1 its callee.

    All legs have the same address, `port`: the service tells them apart by its own ports.
    """

    def __init__(self, legs: int, core: int | None, cache_directory: Path) -> None:
        context = get_context("spawn")
        self.legs = legs
        self._core = core
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, legs, core, str(cache_directory)), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        assert self._process.pid is not None
        machine.limit_memory(self._process.pid, _MEMORY)
        self.port: int = self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join(5)

    def connect(self, ports: Sequence[int]) -> None:
        """Say which port of the service each leg talks to."""
        self._ask("connect", list(ports))

    def speak(self, types: Sequence[int]) -> None:
        """Give each leg the payload type of what it says; 0 (PCMU) before."""
        self._ask("speak", list(types))

    def secure(self, suite: Suite | None) -> None:
        """Make all that follows SRTP of this suite (see `security`), or plain."""
        self._ask("secure", suite)

    def talk(
        self, seconds: float, *, warm: float = WARM_S, meter: Callable[[], object] = lambda: None
    ) -> Talk:
        """Everybody says 50 packets a second, for `warm` and then for so many seconds, which are counted.

        `meter` is called when what is counted begins and when it ends.
        """
        start = time.monotonic() + _NOTICE_S
        self._ours.send(("talk", (round(start * 1e6), warm, seconds)))
        late = _sleep_until(start + warm)
        stolen = machine.stolen_s(self._core)
        meter()
        late = max(late, _sleep_until(start + warm + seconds))
        meter()
        stolen = machine.stolen_s(self._core) - stolen
        return Talk(
            **self._answer(),
            stolen=stolen / seconds,
            read_late_ms=1e3 * late,
        )

    def _ask(self, *order: object) -> None:
        self._ours.send(order)
        self._answer()

    def _answer(self) -> Any:
        if not self._ours.poll(_PATIENCE_S):
            raise OperatorError("the generator of packets does not answer", "see what else this machine does")
        try:
            return self._ours.recv()
        except EOFError:
            raise OperatorError("the generator of packets has ended", "its message is above") from None


def security(suite: Suite) -> Security:
    """What every leg of a run over SRTP uses; only its cost is of interest."""
    key = bytes(range(KEY_OCTETS[suite]))
    return Security(suite, key, key)


def _sleep_until(moment: float) -> float:
    """Sleep; how much too long it was."""
    threading.Event().wait(max(0.0, moment - time.monotonic()))
    return time.monotonic() - moment


@contextlib.contextmanager
def _ahead_of_all() -> Iterator[None]:
    """What has to be sent in time does not wait for other work on this core."""
    from pbx.media.thread import hurry

    hurry()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM_OCTETS)
    except OSError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_OCTETS)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    made.bind((HOST, 0))
    return made


def _dropped(ours: socket.socket) -> int:
    """Datagrams that this socket had no room for so far (sock_diag(7): SK_MEMINFO_DROPS, the ninth word)."""
    try:
        words = ours.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
    except OSError:
        return 0  # older kernels do not tell
    return int.from_bytes(words[32:36], sys.byteorder)


def _empty(ours: socket.socket) -> None:
    """Throw away what came while nobody talked."""
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.recv(1, socket.MSG_DONTWAIT)


def _serve(connection: Connection, legs: int, core: int | None, cache_directory: str) -> None:
    if core is not None:
        machine.keep_to({core})
    from pbx.media import cache

    # The media plane's own cache keeps the compiled loop between runs; it has to be named before the import.
    cache.prepare(Path(cache_directory))
    from benchmarks import talk_loop
    from pbx.media.srtp_sessions import SrtpSessions, function_addresses

    with contextlib.suppress(OSError):
        Path("/proc/self/timerslack_ns").write_text("1", encoding="ascii")
    phones = talk_loop.phones(legs, function_addresses())
    sessions = SrtpSessions()
    slot = 0
    with _socket() as ours:
        # Compiled before anything is measured.
        talk_loop.talk(phones, ours.fileno(), 0, 0, -talk_loop.TAIL_SLOTS, -talk_loop.TAIL_SLOTS)
        connection.send(ours.getsockname()[1])
        while True:
            what, order = connection.recv()
            answer: Any = None
            match what:
                case "connect":
                    talk_loop.connect(phones, HOST, order)
                case "speak":
                    phones.types[:] = order
                case "secure":
                    for leg in range(legs):
                        sessions.change(leg, None)
                        changed = sessions.change(leg, security(order)) if order else None
                        phones.sessions[leg] = (0, 0) if changed is None else (changed[1], changed[0])
                case "talk":
                    slot, answer = _talk(phones, ours, slot, *order)
                case _:
                    raise ValueError(what)
            connection.send(answer)


def _talk(phones: Any, ours: socket.socket, slot: int, start: int, warm: float, seconds: float) -> Any:
    from benchmarks import talk_loop

    for each in (phones.heard, phones.late, phones.delays, phones.counts):
        each[:] = 0
    begin = slot + round(warm / FRAME_S * talk_loop.SLOTS)
    end = begin + round(seconds / FRAME_S * talk_loop.SLOTS)
    _empty(ours)
    dropped = _dropped(ours)
    began, used = time.monotonic(), time.thread_time()
    with _ahead_of_all():
        slot = talk_loop.talk(phones, ours.fileno(), start, slot, begin, end)
    busy = (time.thread_time() - used) / (time.monotonic() - began)

    def count(place: int) -> int:
        return int(phones.counts[place])

    def share_ms(steps: Any, share: float) -> float:
        at = np.cumsum(steps)
        return (float(np.searchsorted(at, share * at[-1])) + 1) * talk_loop.STEP_US / 1e3

    return slot, {
        "sent": count(talk_loop.SENT),
        "received": count(talk_loop.RECEIVED),
        "answers": count(talk_loop.ANSWERS),
        "fewest": int(phones.heard.min()),
        "half_ms": share_ms(phones.delays, 0.5),
        "most_ms": share_ms(phones.delays, 0.99),
        "nearly_all_ms": share_ms(phones.delays, 0.999),
        "worst_ms": count(talk_loop.WORST_DELAY) / 1e3,
        "late_most_ms": share_ms(phones.late, 0.99),
        "late_worst_ms": count(talk_loop.WORST_LATE) / 1e3,
        "dropped": _dropped(ours) - dropped,
        "unsent": count(talk_loop.UNSENT),
        "busy": busy,
    }
