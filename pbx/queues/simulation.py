"""A queue on a virtual clock: callers come, wait, lose patience and are served, by the machine itself.

What is given is when each caller comes, how long its conversation would take and how long it would wait;
from a model, or as it happened. What is got is what became of each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf, log
from typing import Literal

from pbx.queues.queues import Queues
from pbx.queues.settings import NO_SKILLS, QueueOutcome, QueueSettings
from pbx.queues.statistics import Interval, Tally
from pbx.queues.strategies import Draw, Strategy
from pbx.queues.values import Abandoned, Handled, Offer, Output, Overflow, Served, WithdrawOffer

Uniform = Callable[[], float]
"""A random number from 0 up to, but not, 1."""

# An event that is due together with another is handled in this order: a conversation ends before a phone is
# picked up, before patience ends, before somebody comes.
_Kind = Literal["0-ends", "1-picks-up", "2-gives-up", "3-comes"]


@dataclass(frozen=True, slots=True)
class SimulatedCaller:
    """Somebody who comes at `at` seconds, would wait for `patience_s` and would talk for `handle_s`."""

    name: str
    at: float
    handle_s: float
    patience_s: float = inf
    priority: int = 0
    needs: Mapping[str, int] = field(default_factory=lambda: NO_SKILLS)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a caller, after how long a wait; `agent` and `ended_at` of one who was answered."""

    caller: str
    outcome: Literal["answered", "abandoned"] | QueueOutcome
    waited_s: float
    agent: str = ""
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Simulation:
    """The fates, in the order in which they were sealed, and what the queue counted."""

    fates: tuple[Fate, ...]
    tally: Tally
    intervals: tuple[Interval, ...]
    ended_at: float


def simulate(
    settings: QueueSettings,
    callers: Iterable[SimulatedCaller],
    draw: Draw,
    *,
    answer_s: float = 0.0,
    strategies: Mapping[str, Strategy] | None = None,
) -> Simulation:
    """Run callers through a queue whose agents are all logged in and pick up after `answer_s` seconds."""
    return _Run(settings, callers, draw, answer_s, strategies).run()


def modelled(
    uniform: Uniform,
    *,
    callers: int,
    over_s: float,
    handle_s: float,
    patience_s: float = inf,
    needs: Mapping[str, int] = NO_SKILLS,
) -> list[SimulatedCaller]:
    """So many callers at random moments within `over_s`; handle times and patience exponential, by means."""
    moments = sorted(uniform() * over_s for _ in range(callers))
    return [
        SimulatedCaller(
            f"caller-{number}",
            at,
            _exponential(uniform, handle_s),
            inf if patience_s == inf else _exponential(uniform, patience_s),
            needs=needs,
        )
        for number, at in enumerate(moments, 1)
    ]


def _exponential(uniform: Uniform, mean: float) -> float:
    return -mean * log(1.0 - uniform())


class _Run:
    def __init__(
        self,
        settings: QueueSettings,
        callers: Iterable[SimulatedCaller],
        draw: Draw,
        answer_s: float,
        strategies: Mapping[str, Strategy] | None,
    ) -> None:
        self._name = settings.name
        self._queues = Queues([settings], draw, strategies=strategies)
        self._answer_s = answer_s
        self._callers = {each.name: each for each in callers}
        self._events: list[tuple[float, _Kind, str, int]] = [
            (each.at, "3-comes", each.name, 0) for each in self._callers.values()
        ]
        heapify(self._events)
        self._fates: list[Fate] = []
        self._serving: dict[str, str] = {}
        self._now = 0.0

    def run(self) -> Simulation:
        queues, events = self._queues, self._events
        while True:
            due = queues.next_deadline()
            event = events[0] if events else None
            if event is not None and (due is None or event[0] <= due):
                heappop(events)
                self._now = event[0]
                self._happen(event)
            elif due is not None and (queues.waiting(self._name) or event is not None):
                self._now = due
                self._take(queues.handle_timer(due))
            else:
                break
        total = queues.statistics(self._name)
        return Simulation(tuple(self._fates), total, queues.intervals(self._name), self._now)

    def _happen(self, event: tuple[float, _Kind, str, int]) -> None:
        now, kind, name, number = event
        queues = self._queues
        caller = self._callers[name]
        match kind:
            case "3-comes":
                joined = queues.join(
                    name, self._name, now, priority=caller.priority, needs=caller.needs or None
                )
                self._take(joined)
                if caller.patience_s < inf:
                    self._later(now + caller.patience_s, "2-gives-up", name)
            case "2-gives-up":
                view = queues.caller(name)
                if view is not None and view.state != "served":
                    self._take(queues.hang_up(name, now))
            case "1-picks-up":
                self._take([*queues.picked_up(number, now), *queues.connected(number, now)])
            case "0-ends":
                self._take(queues.agent_free(self._serving.pop(name), name, now))

    def _later(self, at: float, kind: _Kind, name: str, number: int = 0) -> None:
        heappush(self._events, (at, kind, name, number))

    def _take(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Offer(number, caller):
                    self._later(self._now + self._answer_s, "1-picks-up", caller, number)
                case Served(caller, agent, _, waited_s):
                    ended_at = self._now + self._callers[caller].handle_s
                    self._serving[caller] = agent
                    self._later(ended_at, "0-ends", caller)
                    self._fates.append(Fate(caller, "answered", waited_s, agent, ended_at))
                case Abandoned(caller, _, waited_s):
                    self._fates.append(Fate(caller, "abandoned", waited_s))
                case Overflow(caller, _, outcome, waited_s):
                    self._fates.append(Fate(caller, outcome, waited_s))
                case WithdrawOffer() | Handled():
                    pass
                case _:
                    pass
