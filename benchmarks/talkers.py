"""Phones that talk: one compiled loop, in a process of its own, sends and receives the audio of all calls.

Every packet carries the time at which it was sent, so that loss and delay are counted where they are felt.
"""

import os
import select
import socket
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks import machine
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.errors import OperatorError

OCTETS = 172
# Delay is counted in steps of a tenth of a millisecond.
STEP_US = 100
_MEMORY = 2 * machine.GIB
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Talk:
    """What the phones said and heard in one stretch; times in milliseconds."""

    sent: int
    received: int
    half_ms: float
    most_ms: float
    worst_ms: float
    generator_late_ms: float

    @property
    def lost(self) -> int:
        """Packets that never arrived."""
        return self.sent - self.received


class Talkers:
    """The process; a context manager. Socket 2n is the caller of call n, socket 2n + 1 its callee."""

    def __init__(self, calls: int, core: int | None, cache_directory: Path) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, 2 * calls, core, str(cache_directory)), daemon=True
        )

    def __enter__(self) -> Self:
        self._process.start()
        assert self._process.pid is not None
        machine.limit_memory(self._process.pid, _MEMORY)
        self.ports: list[int] = self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join(5)

    def connect(self, ports: list[int]) -> None:
        """Say where each socket sends to."""
        self._ours.send(ports)
        self._answer()

    def talk(self, seconds: float) -> Talk:
        """Everybody talks for so long: 50 packets a second each."""
        self._ours.send(seconds)
        sent, received, late, worst, steps = self._answer()
        at = np.cumsum(steps)
        half, most = (
            (float(np.searchsorted(at, share * received)) + 1) * STEP_US / 1e3 for share in (0.5, 0.99)
        )
        return Talk(sent, received, half, most, worst / 1e3, late / 1e3)

    def _answer(self) -> Any:
        if not self._ours.poll(_PATIENCE_S):
            raise OperatorError("the generator of packets does not answer", "see what else this machine does")
        try:
            return self._ours.recv()
        except EOFError:
            raise OperatorError("the generator of packets has ended", "its message is above") from None


def _serve(connection: Connection, count: int, core: int | None, cache_directory: str) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    machine.raise_descriptors()
    from pbx.media import cache

    # The media plane's own cache keeps the compiled loop between runs; it has to be named before the import.
    cache.prepare(Path(cache_directory))
    from benchmarks.talk_loop import STEPS, generate

    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    epoll = select.epoll()
    for each in sockets:
        each.bind((HOST, 0))
        epoll.register(each.fileno(), select.EPOLLIN)
    descriptors = np.array([each.fileno() for each in sockets], np.int32)
    sequence = np.zeros(count, np.int64)
    steps = np.zeros(STEPS, np.int64)
    packet = np.full(OCTETS, 0xD5, np.uint8)
    scratch = (np.zeros(1024, np.uint32), np.zeros(2, np.int64), np.zeros(2048, np.uint8))
    connection.send([each.getsockname()[1] for each in sockets])
    while True:
        order = connection.recv()
        if isinstance(order, list):
            for each, port in zip(sockets, order, strict=True):
                each.connect((HOST, port))
            connection.send(None)
        else:
            steps[:] = 0
            told = generate(epoll.fileno(), descriptors, int(order * 1e6), sequence, packet, steps, *scratch)
            connection.send((*told, steps))
