"""Where plugins run: bounded pools of threads, and an asyncio loop in a thread of its own.

Both take work and give a job at once; nobody who asks ever waits here. A job whose time is up is given up:
nobody hears of it any more, what can be stopped of it is stopped, and until it really ends it counts
against the bound. All threads are daemons, so that code that never returns cannot keep a process alive.
"""

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from pbx.errors import ResourcesExhausted

T = TypeVar("T")

MAX_THREADS = 8
MAX_WAITING = 64
MAX_TASKS = 256
MAX_TAPS = 200
"""How many calls one step of a chain hears at once."""

# How long a loop may take to show that it still turns, after one of its jobs ran out of time.
_SIGN_OF_LIFE_S = 0.2


class Interrupted(BaseException):
    """Raised inside code whose time is up; whoever catches it only makes the thread wait for its end."""


class Job(Protocol[T]):
    """Work that was taken."""

    @property
    def future(self) -> "Future[T]":
        """What it comes to."""
        ...

    def give_up(self) -> None:
        """Its time is up."""
        ...


def _interrupt(thread: int) -> None:
    """Raise `Interrupted` in a thread at its next bytecode; a blocking system call ends first."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Interrupted))


class _ThreadJob(Generic[T]):
    __slots__ = ("_pool", "act", "future", "interrupted", "thread")

    def __init__(self, pool: "Workers", act: Callable[[], T]) -> None:
        self.future: Future[T] = Future()
        self.act = act
        self.thread: int | None = None
        self.interrupted = False
        self._pool = pool

    def give_up(self) -> None:
        self._pool.give_up(self)


class Workers:
    """Threads that are made when they are needed, `size` at most.

    `waiting` is how many jobs may wait for a thread. With `interrupt`, a job that is given up is interrupted
    at its next bytecode, so that a busy loop ends; its thread ends with it.
    """

    def __init__(
        self, name: str, *, size: int = MAX_THREADS, waiting: int = MAX_WAITING, interrupt: bool = True
    ) -> None:
        self._name = name
        self._size = size
        self._waiting = waiting
        self._interrupt = interrupt
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_ThreadJob[Any] | None] = SimpleQueue()
        self._queued = 0
        self._idle = 0
        self._stopped = False
        self.threads = 0

    def submit(self, act: Callable[[], T]) -> Job[T]:
        """Take work. Raises ResourcesExhausted when every thread is taken and enough waits already."""
        job = _ThreadJob(self, act)
        with self._lock:
            if self._stopped or self._queued >= self._waiting + self._idle:
                raise ResourcesExhausted("threads for this plugin")
            self._queued += 1
            self._queue.put(job)
            self._enough_threads()
        return job

    def give_up(self, job: _ThreadJob[Any]) -> None:
        """See `Job.give_up`."""
        with self._lock:
            if job.thread is None:
                job.future.cancel()
            elif self._interrupt and not job.future.done():
                job.interrupted = True
                _interrupt(job.thread)

    def stop(self) -> None:
        """Take nothing any more; threads end when what they do has ended."""
        with self._lock:
            self._stopped = True
            for _ in range(self.threads):
                self._queue.put(None)

    def _enough_threads(self) -> None:
        """Have a thread for what waits; with the lock held."""
        if self._queued > self._idle and self.threads < self._size:
            self.threads += 1
            threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._work()
        except Interrupted:
            pass
        finally:
            with self._lock:
                self.threads -= 1
                if not self._stopped:
                    self._enough_threads()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            job = self._queue.get()
            with self._lock:
                self._idle -= 1
                if job is None:
                    return
                self._queued -= 1
                if not job.future.set_running_or_notify_cancel():
                    continue
                job.thread = threading.get_ident()
            # An `Interrupted` that comes after the work has ended ends the thread, and nothing else.
            result: Any = None
            failure: BaseException | None = None
            try:
                result = job.act()
            except BaseException as error:  # noqa: BLE001  # whatever a plugin raises belongs to its caller
                failure = error
            with self._lock:
                if failure is None:
                    job.future.set_result(result)
                else:
                    job.future.set_exception(failure)
                if job.interrupted:
                    return
            del job, result, failure


class _TaskJob(Generic[T]):
    __slots__ = ("_loop", "future", "task")

    def __init__(self, loop: "LoopThread") -> None:
        self.future: Future[T] = Future()
        self.task: asyncio.Task[None] | None = None
        self._loop = loop

    def give_up(self) -> None:
        self._loop.give_up(self)


class LoopThread:
    """An asyncio loop in a thread of its own; `tasks` is how many jobs it takes at once."""

    def __init__(self, name: str, *, tasks: int = MAX_TASKS) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._taken = 0
        self._watched = False
        self._stopped = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, act: Callable[[], Coroutine[Any, Any, T]]) -> Job[T]:
        """Take work. Raises ResourcesExhausted when there is too much already."""
        job: _TaskJob[T] = _TaskJob(self)
        with self._lock:
            if self._stopped or self._taken >= self._tasks:
                raise ResourcesExhausted("tasks for this plugin")
            self._taken += 1
            self._loop.call_soon_threadsafe(self._begin, job, act)
        return job

    def give_up(self, job: _TaskJob[Any]) -> None:
        """See `Job.give_up`."""
        with self._lock:
            if self._stopped:
                return
            self._loop.call_soon_threadsafe(self._cancel, job)
            if self._watched:
                return
            self._watched = True
        threading.Thread(target=self._watch, name="plugin watch", daemon=True).start()

    def stop(self) -> None:
        """Take nothing any more, and end the loop; one that does not turn any more is left behind."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._loop.run_forever()
            except Interrupted:
                continue
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=_SIGN_OF_LIFE_S))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _begin(self, job: _TaskJob[T], act: Callable[[], Coroutine[Any, Any, T]]) -> None:
        if job.future.set_running_or_notify_cancel():
            job.task = self._loop.create_task(self._do(job, act))
        else:
            self._ended()

    async def _do(self, job: _TaskJob[T], act: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            job.future.set_result(await act())
        except BaseException as error:  # noqa: BLE001  # whatever a plugin raises belongs to its caller
            job.future.set_exception(error)
        finally:
            self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._taken -= 1

    def _cancel(self, job: _TaskJob[Any]) -> None:
        if job.task is not None:
            job.task.cancel()

    def _watch(self) -> None:
        """See that the loop still turns; code that blocks it is interrupted."""
        turns = threading.Event()
        with self._lock:
            if not self._stopped:
                self._loop.call_soon_threadsafe(turns.set)
        alive = turns.wait(_SIGN_OF_LIFE_S)
        with self._lock:
            self._watched = False
            if not alive and not self._stopped and self._thread.ident is not None:
                _interrupt(self._thread.ident)
