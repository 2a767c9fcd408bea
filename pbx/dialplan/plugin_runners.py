"""The three places where a plugin's code runs: a pool of threads, a loop of its own, a process of its own."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from inspect import isawaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Defer
from pbx.dialplan.handler import Handler
from pbx.dialplan.plugin_answers import Answer, Cause, Fault, Given, describe, finish
from pbx.dialplan.plugin_process import Child, Recipe
from pbx.dialplan.plugin_workers import MAX_TAPS, Job, LoopThread, Workers

if TYPE_CHECKING:
    from pbx.dialplan.plugin_taps import OpenTap

MAX_PROCESSES = 2
_STOP_S = 2.0


class Runner(Protocol):
    """Where one handler runs. Each method takes work and returns at once.

    Raises ResourcesExhausted when too much is under way.
    """

    def start(self) -> Job[Answer]:
        """Run the start hook."""
        ...

    def ask(self, call: Call, seconds: float) -> Job[Answer]:
        """Ask about `call`."""
        ...

    def resume(self, defer: Defer) -> Job[Answer]:
        """Wait for a deferred decision."""
        ...

    def tap(self, call: Call) -> Job[Answer]:
        """Ask what shall hear `call`."""
        ...

    def deliver(self, tap: "OpenTap") -> Job[None]:
        """Have a tap hear what waits for it."""
        ...

    def rest(self) -> None:
        """The last tap is over."""
        ...

    def stop(self) -> Job[Answer]:
        """Run the stop hook."""
        ...

    def close(self) -> None:
        """End all threads that can be ended."""
        ...


def runner_for(handler: Handler, recipe: Recipe | None) -> Runner:
    """The place for `handler`: a process when there is a recipe, else as its `decide` is written."""
    name = f"plugin {handler.name}"
    if recipe is not None:
        return ProcessRunner(recipe, name)
    if asyncio.iscoroutinefunction(handler.decide):
        return LoopRunner(handler, name)
    return ThreadRunner(handler, name)


class ThreadRunner:
    """For a `decide` that is an ordinary function: it may block, in one of a few threads."""

    def __init__(self, handler: Handler, name: str) -> None:
        self._handler = handler
        self._name = name
        self._workers = Workers(name)
        # Of their own, so that a tap that is slow keeps no call waiting for a decision.
        self._taps: Workers | None = None

    def start(self) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(lambda: _now(self._handler.start, "start"))

    def ask(self, call: Call, seconds: float) -> Job[Answer]:  # noqa: ARG002  # whoever asks looks at the clock
        """See Runner."""
        return self._workers.submit(lambda: _now(lambda: self._handler.decide(call), "exception"))

    def resume(self, defer: Defer) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(lambda: _now(lambda: defer.later, "exception"))

    def tap(self, call: Call) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(lambda: _now(lambda: self._handler.tap(call), "exception"))

    def deliver(self, tap: "OpenTap") -> Job[None]:
        """See Runner."""
        if self._taps is None:
            self._taps = Workers(f"{self._name} taps", waiting=MAX_TAPS)
        return self._taps.submit(lambda: tap.deliver_now(_run))

    def rest(self) -> None:
        """See Runner."""
        taps, self._taps = self._taps, None
        if taps is not None:
            taps.stop()

    def stop(self) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(lambda: _now(self._handler.stop, "exception"))

    def close(self) -> None:
        """See Runner."""
        self._workers.stop()
        self.rest()


class LoopRunner:
    """For a `decide` that is `async`: its loop is its own, so that blocking it harms nobody else."""

    def __init__(self, handler: Handler, name: str) -> None:
        self._handler = handler
        self._loop = LoopThread(name)

    def start(self) -> Job[Answer]:
        """See Runner."""
        return self._loop.submit(lambda: _soon(self._handler.start, "start"))

    def ask(self, call: Call, seconds: float) -> Job[Answer]:  # noqa: ARG002  # whoever asks looks at the clock
        """See Runner."""
        return self._loop.submit(lambda: finish(self._handler, call))

    def resume(self, defer: Defer) -> Job[Answer]:
        """See Runner."""
        return self._loop.submit(lambda: _soon(lambda: defer.later, "exception"))

    def tap(self, call: Call) -> Job[Answer]:
        """See Runner."""
        return self._loop.submit(lambda: _soon(lambda: self._handler.tap(call), "exception"))

    def deliver(self, tap: "OpenTap") -> Job[None]:
        """See Runner."""
        return self._loop.submit(tap.deliver_soon)

    def rest(self) -> None:
        """See Runner."""

    def stop(self) -> Job[Answer]:
        """See Runner."""
        return self._loop.submit(lambda: _soon(self._handler.stop, "exception"))

    def close(self) -> None:
        """See Runner."""
        self._loop.stop()


class ProcessRunner:
    """For `isolate: process`: a thread waits for each process, and kills the one that is late."""

    def __init__(self, recipe: Recipe, name: str) -> None:
        self._recipe = recipe
        self._workers = Workers(name, size=MAX_PROCESSES, interrupt=False)
        self._lock = threading.Lock()
        self._free: list[Child] = []
        self._closed = False

    def start(self) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(lambda: self._with_child(lambda child: child.start()))

    def ask(self, call: Call, seconds: float) -> Job[Answer]:
        """See Runner."""
        until = perf_counter() + seconds
        return self._workers.submit(lambda: self._with_child(lambda child: _ask(child, call, until)))

    def resume(self, defer: Defer) -> Job[Answer]:
        """Never asked for: a deferred decision cannot leave its process."""
        raise NotImplementedError

    def tap(self, call: Call) -> Job[Answer]:
        """Never asked for: `check` refuses taps in a process of their own."""
        raise NotImplementedError

    def deliver(self, tap: "OpenTap") -> Job[None]:
        """Never asked for, likewise."""
        raise NotImplementedError

    def rest(self) -> None:
        """See Runner."""

    def stop(self) -> Job[Answer]:
        """See Runner."""
        return self._workers.submit(self._stop)

    def close(self) -> None:
        """See Runner."""
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        self._workers.stop()
        for child in free:
            child.kill()

    def _with_child(self, act: Callable[[Child], Answer]) -> Answer:
        with self._lock:
            if self._closed:
                return Fault("stopped", "it is stopped")
            child = self._free.pop() if self._free else Child(self._recipe)
        try:
            return act(child)
        finally:
            with self._lock:
                keep = not self._closed
                if keep:
                    self._free.append(child)
            if not keep:
                child.kill()

    def _stop(self) -> Answer:
        with self._lock:
            free, self._free = self._free, []
        for child in free:
            child.stop(_STOP_S)
        return Given(None)


def _ask(child: Child, call: Call, until: float) -> Answer:
    """Ask, once there is a process; making one anew is not the plugin's time, but it is the call's."""
    started = child.start()
    if isinstance(started, Fault):
        return started
    seconds = until - perf_counter()
    return child.ask(call, seconds) if seconds > 0 else Fault("timeout", "its process was not ready in time")


def _now(act: Callable[[], object], cause: Cause) -> Answer:
    """Run `act` in this thread, to the end of what it may ask to be awaited."""
    try:
        given = act()
        return Given(_run(given) if isawaitable(given) else given)
    except BaseException as error:  # noqa: BLE001  # a handler may be anybody's code, and may raise SystemExit
        return Fault(cause, f"it raised {describe(error)}")


def _run(awaitable: Awaitable[Any]) -> object:
    async def awaited() -> Any:
        return await awaitable

    return asyncio.run(awaited())


def _soon(act: Callable[[], object], cause: Cause) -> Coroutine[Any, Any, Answer]:
    async def awaited() -> Answer:
        try:
            given = act()
            return Given(await given if isawaitable(given) else given)
        except BaseException as error:  # noqa: BLE001  # as above
            return Fault(cause, f"it raised {describe(error)}")

    return awaited()
