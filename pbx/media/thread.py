"""One media thread as the reactor thread holds it: its tables, its command pipe, its ring of events."""

import contextlib
import fcntl
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from pbx.errors import PbxError
from pbx.media.layout import (
    ACKNOWLEDGED,
    BACKLOG,
    COMMAND_BYTES,
    COMMAND_PIPE,
    EPOLL,
    EVENT_DESCRIPTOR,
    EVENT_HEAD,
    EVENT_TAIL,
    EVENTS,
    NEXT_EPOCH,
    QUARANTINE,
    RELAY,
    REPORT_INTERVAL,
    Arena,
    Shared,
    tables,
)
from pbx.media.mixtables import Mix

# In Linux each thread has a policy and a nice value of its own; these need CAP_SYS_NICE, or limits
# (RLIMIT_RTPRIO, RLIMIT_NICE) that allow them.
_REAL_TIME_PRIORITY = 1
_NICE = -10
# As much as a pipe may hold without privileges: a thousand commands that the loop has not come to yet.
_PIPE_BYTES = 1 << 20
# What a pipe takes whole or not at all.
_AT_ONCE = select.PIPE_BUF // COMMAND_BYTES


def hurry() -> None:
    """Let sound not wait for its turn behind signalling: make this thread go before others, as far as it may.

    In real time it runs at once. With a nice value alone it may have to wait for the next tick of the
    kernel's clock, 4 ms at 250 Hz, while what runs on its core makes no system calls, and counts for nothing
    against other sessions. Even a thread in real time that never sleeps leaves others a twentieth of each
    second (sched(7)).
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(_REAL_TIME_PRIORITY))
    except OSError:
        # Who may not ask for this either goes on without.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class MediaThread:
    """The loop's other side; every method is called in the reactor thread."""

    def __init__(
        self,
        number: int,
        shared: Shared,
        event_descriptor: int,
        *,
        relay: bool,
        times: tuple[int, int],
        mix: Mix,
    ) -> None:
        self.arena = Arena()
        self.tables = tables(shared, self.arena)
        self.mix = mix
        self.posted = 0
        self.ended = False
        # While it is set, commands gather: what one message leads to wakes the loop once.
        self.held = False
        self._stopping = False
        self._event_descriptor = event_descriptor
        # What is not on the pipe yet.
        self.backlog: deque[Any] = deque()
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            # The user's pipes are at their limit; the usual size does, only the backlog is used earlier.
            self.backlog.clear()
        self._epoll = select.epoll()
        control = self.tables.control
        control[RELAY] = relay
        control[QUARANTINE], control[REPORT_INTERVAL] = times
        control[EPOLL] = self._epoll.fileno()
        control[COMMAND_PIPE] = self._reader
        control[EVENT_DESCRIPTOR] = event_descriptor
        # Sources are numbered apart, so that a leg that moves to another thread meets no number twice.
        control[NEXT_EPOCH] = 1 + (number << 48)
        self._thread: threading.Thread | None = None
        self._name = f"pbx-media-{number}"

    def start(self, run: Callable[..., int]) -> None:
        """Enter the loop."""
        self._thread = threading.Thread(target=self._serve, args=(run,), name=self._name, daemon=True)
        self._thread.start()

    def _serve(self, run: Callable[..., int]) -> None:
        hurry()
        try:
            run(self.tables, self.mix)
        finally:
            self.ended = True
            if not self._stopping:
                os.eventfd_write(self._event_descriptor, 1)

    def post(self, command: Any) -> None:
        """Hand a command to the loop, a record or its octets, which nobody changes any more; never waits."""
        self.posted += 1
        self.backlog.append(command)
        if not self.held:
            self.flush()

    def flush(self) -> None:
        """Write what the pipe has room for; the loop says when it has made room for the rest."""
        control = self.tables.control
        backlog = self.backlog
        while backlog:
            count = min(len(backlog), _AT_ONCE)
            commands = b"".join(islice(backlog, count))
            control[BACKLOG] = len(backlog) > count
            try:
                os.write(self._writer, commands)
            except BlockingIOError:
                if control[BACKLOG]:
                    return
                # Said before the last try, or the loop could have emptied the pipe unseen.
                control[BACKLOG] = 1
                try:
                    os.write(self._writer, commands)
                except BlockingIOError:
                    return
            for _ in range(count):
                backlog.popleft()
        control[BACKLOG] = 0

    def has_obeyed(self, posted: int) -> bool:
        """Whether the first `posted` commands were obeyed."""
        return int(self.tables.control[ACKNOWLEDGED]) >= posted

    @property
    def is_up_to_date(self) -> bool:
        """Whether every command was obeyed."""
        return int(self.tables.control[ACKNOWLEDGED]) >= self.posted

    def events(self) -> list[tuple[int, int, int, int, bytes]]:
        """What the loop has to say: (kind, row, generation, value, address) each."""
        control = self.tables.control
        head, tail = int(control[EVENT_HEAD]), int(control[EVENT_TAIL])
        if head == tail:
            return []
        places = np.arange(tail, head) % EVENTS
        events = self.tables.events[places]
        taken = list(
            zip(
                *(events[name].tolist() for name in ("kind", "row", "generation", "value")),
                map(bytes, events["address"]),
                strict=True,
            )
        )
        control[EVENT_TAIL] = head
        return taken

    def settle(self) -> None:
        """Wait until every command was obeyed, a matter of a moment. Raises PbxError when it is not."""
        pause = threading.Event()
        for _ in range(5000):
            self.flush()
            if self.is_up_to_date:
                return
            pause.wait(0.0002)
        raise PbxError("a media thread does not answer")

    def stop(self, patience: float) -> bool:
        """Leave the loop and wait for it; False when it does not come back, and keeps what it holds."""
        self._stopping = True
        os.close(self._writer)
        if self._thread is not None:
            self._thread.join(patience)
            if self._thread.is_alive():
                return False
        os.close(self._reader)
        self._epoll.close()
        return True
