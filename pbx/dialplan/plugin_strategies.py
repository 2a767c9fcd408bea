"""Strategies of plugins beside a running queue: asked in a thread of their own, for a moment and no longer.

A queue cannot wait for its strategy as a call waits for a plugin of a chain: whom to ring is decided at once.
So the answer has to come within `BUDGET_S`, and what fails again and again is not asked for a while.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from itertools import islice

from pbx.dialplan.plugin_answers import Answer, Fault, Given, describe
from pbx.dialplan.plugin_breaker import Breaker
from pbx.dialplan.plugin_host import Host
from pbx.dialplan.plugin_workers import Workers
from pbx.dialplan.strategy import Strategy
from pbx.documents import nearest, shown
from pbx.errors import ResourcesExhausted
from pbx.queues import STRATEGY_NAMES, Standing, StrategyFault, Wanted, plugin_strategy
from pbx.queues import Strategy as QueueStrategy

BUDGET_S = 0.1
"""How long a strategy may take to name somebody; the thread that serves calls waits for it."""

# One that is stuck in a system call is left behind once.
_THREADS = 2
# What it may name in vain.
_MOST_NAMES = 10_000


class AskedStrategy:
    """A strategy of a plugin as queues ask it. Raises StrategyFault when it names nobody who can be rung."""

    def __init__(self, inner: Strategy, host: Host) -> None:
        self.name = inner.name
        self.breaker = Breaker()
        self._inner = inner
        self._host = host
        self._workers = Workers(f"strategy {inner.name}", size=_THREADS, waiting=1)

    def __call__(self, caller: Wanted, agents: Sequence[Standing]) -> Sequence[str]:
        """The names that it gives, with at least one of `agents` among them."""
        host = self._host
        now = host.clock()
        if not self.breaker.allows(now):
            return self._failed(Fault("switched-off", "it keeps failing and is switched off"), None)
        answer = self._answer(caller, agents)
        seconds = max(0.0, host.clock() - now)
        if isinstance(answer, Given):
            value = answer.value
            if isinstance(value, tuple):
                self.breaker.succeeded()
                if host.observer is not None:
                    host.observer.plugin_decided(self.name, "choice", seconds)
                return value
            answer = Fault("decision", str(value))
        self.breaker.failed(host.clock())
        return self._failed(answer, seconds)

    def close(self) -> None:
        """Ask it no more."""
        self._workers.stop()

    def _answer(self, caller: Wanted, agents: Sequence[Standing]) -> Answer:
        try:
            job = self._workers.submit(lambda: _ask(self._inner, caller, agents))
        except ResourcesExhausted:
            return Fault("overload", "what it was asked before has not ended yet")
        try:
            return job.future.result(BUDGET_S)
        except TimeoutError:
            job.give_up()
            return Fault("timeout", f"it took longer than {BUDGET_S:g} s")
        except (CancelledError, Exception) as error:  # noqa: BLE001  # a job that was cancelled
            return Fault("stopped", f"it was stopped: {type(error).__name__}")

    def _failed(self, fault: Fault, seconds: float | None) -> Sequence[str]:
        if self._host.observer is not None:
            self._host.observer.plugin_failed(self.name, fault.cause, seconds)
        raise StrategyFault(fault.text)


def _ask(strategy: Strategy, caller: Wanted, agents: Sequence[Standing]) -> Answer:
    """The names it gives as a tuple, or as text what is wrong with them."""
    try:
        chosen: object = strategy.choose(caller, agents)
        if chosen is None:
            return Given("it named nobody")
        if not isinstance(chosen, str | Iterable):
            return Given(f"it gave {shown(repr(chosen))}, expected the name of an agent, or several")
        names: tuple[object, ...] = (
            (chosen,) if isinstance(chosen, str) else tuple(islice(chosen, _MOST_NAMES))
        )
    except BaseException as error:  # noqa: BLE001  # a plugin is anybody's code, and may raise SystemExit
        return Fault("exception", f"it raised {describe(error)}")
    if not names:
        return Given("it named nobody")
    known = {each.agent for each in agents}
    if not any(isinstance(name, str) and name in known for name in names):
        return Given(f"it named {shown(str(names[0]))}, who is not free or no agent of this queue")
    return Given(tuple(name for name in names if isinstance(name, str)))


def asked(kind: type[Strategy], host: Host) -> tuple[AskedStrategy, QueueStrategy]:
    """A strategy of the class as queues take it; raises whatever making one raises."""
    guarded = AskedStrategy(kind(), host)
    return guarded, plugin_strategy(kind.name, guarded, everyone=kind.everyone)


def strategy_names(found: Mapping[str, object]) -> list[str]:
    """Every name that `strategy:` may have."""
    return [*STRATEGY_NAMES, *found]


def unknown_strategy(name: str, found: Mapping[str, object]) -> tuple[str, str]:
    """What is wrong with `name`, and a name that may have been meant."""
    names = strategy_names(found)
    return f"there is no strategy {shown(name)}, expected one of {', '.join(names)}", nearest(name, names)


def fault_of_strategy(kind: type[Strategy]) -> str:
    """What keeps the class from being a strategy; "" when nothing does."""
    title = kind.__name__
    if kind.name in STRATEGY_NAMES:
        return f"{kind.name} is a strategy of pbx itself; give {title} another name"
    everyone: object = kind.everyone
    if not isinstance(everyone, bool):
        return f"everyone of {title} is {shown(repr(everyone))}, expected True or False"
    if kind.choose is Strategy.choose:
        return f"{title} has no choose; write def choose(self, caller, agents)"
    if inspect.iscoroutinefunction(kind.choose):
        return f"choose of {title} is async, expected an ordinary function: the caller is rung for at once"
    try:
        inspect.signature(kind.choose).bind(None, None, None)
    except (TypeError, ValueError):
        return f"choose of {title} takes other arguments, expected def choose(self, caller, agents)"
    try:
        kind()
    except BaseException as error:  # noqa: BLE001  # a plugin is anybody's code, and may raise SystemExit
        return f"{title} cannot be made: it raised {describe(error)}"
    return ""
