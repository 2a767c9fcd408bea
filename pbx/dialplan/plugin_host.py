"""What plugins need of whoever runs them: a way to wait, a clock, somebody who counts.

By default a decision waits by blocking, which is right for `check`, `explain` and tests. A service gives a
bridge that waits without blocking its reactor.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from pbx.dialplan.plugin_answers import Cause, FrameKind

if TYPE_CHECKING:
    from pbx.dialplan.plugin_step import PluginStep
    from pbx.dialplan.plugin_strategies import AskedStrategy

Bridge = Callable[["Future[Any]", float], Awaitable[Any]]
"""Gives the result of a future that another thread completes; raises TimeoutError after so many seconds."""

_BLOCKING: ContextVar[bool] = ContextVar("blocking", default=False)
_STATES = {"closed": 0, "trying": 1, "open": 2}


async def block(future: "Future[Any]", seconds: float) -> Any:
    """The bridge of a program without a reactor."""
    return future.result(seconds)


class blocking:  # noqa: N801  # used as a function; a generator would cost three times as much
    """Have every decision that begins inside wait by blocking, whatever the host's bridge is."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _BLOCKING.set(True)

    def __exit__(self, *_: object) -> None:
        _BLOCKING.reset(self._token)


def run_blocking(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that waits for nothing but plugins, by blocking."""
    with blocking(), suppress(StopIteration):
        coroutine.send(None)


class Observer(Protocol):
    """Counts what plugins do; called in the thread that asked for the decision."""

    def plugin_decided(self, plugin: str, kind: str, seconds: float) -> None:
        """It gave a decision of this kind."""
        ...

    def plugin_failed(self, plugin: str, cause: Cause, seconds: float | None) -> None:
        """It gave none; without seconds it was not asked, or a tap of it failed."""
        ...

    def plugin_frames(self, plugin: str, kind: FrameKind, frames: int) -> None:
        """So many frames of 20 ms were heard by its taps, lost for them, or said by them; in any thread."""
        ...


@dataclass(slots=True)
class Host:
    """Shared by the plugins of all generations of one service."""

    waiting: Bridge = block
    clock: Callable[[], float] = perf_counter
    observer: Observer | None = None
    steps: "set[PluginStep]" = field(default_factory=set)
    choices: "list[AskedStrategy]" = field(default_factory=list)

    @property
    def bridge(self) -> Bridge:
        """How to wait here and now."""
        return block if _BLOCKING.get() else self.waiting

    def stop_blocking(self) -> None:
        """Stop every plugin, in a program without a reactor."""
        for step in list(self.steps):
            run_blocking(step.stop())
        for choice in self.choices:
            choice.close()

    def tapping(self) -> Mapping[str, int]:
        """By plugin, how many calls it hears."""
        taps: dict[str, int] = {}
        for step in self.steps:
            if step.taps:
                taps[step.name] = taps.get(step.name, 0) + step.tapping
        return taps

    def breakers(self) -> Mapping[str, int]:
        """By plugin, the worst state of its steps' breakers: 0 closed, 1 being tried, 2 open."""
        states = {choice.name: _STATES[choice.breaker.state] for choice in self.choices}
        for step in self.steps:
            state = _STATES[step.breaker.state]
            states[step.name] = max(state, states.get(step.name, 0))
        return states
