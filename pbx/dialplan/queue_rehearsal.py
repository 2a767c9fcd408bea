"""What becomes of one imagined caller of a queue: who is rung, when, and when it overflows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pbx.dialplan.queue_settings import (
    agent_name,
    agent_settings,
    plugin_strategies,
    queue_settings,
    target_of,
)
from pbx.dialplan.queues import QueuePlan
from pbx.queues import Offer, Output, Overflow, QueueOutcome, Queues, Served

AgentMood = Literal["available", "no-answer", "busy", "paused", "offline"]
"""What an agent does: answers at once, lets it ring, or is not there to be rung."""

MOODS: tuple[AgentMood, ...] = ("available", "no-answer", "busy", "paused", "offline")

_CALLER = "caller"
_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class QueueRehearsal:
    """Who was offered the caller, as targets with the seconds waited by then, and how it ended, when.

    `answered` is the target that took the call, "" for nobody; `outcome` is None for a caller who is
    answered, or waits for ever.
    """

    queue: str
    offered: tuple[tuple[str, float], ...]
    answered: str
    outcome: QueueOutcome | None
    ended_s: float

    def __str__(self) -> str:
        rung = [f"{target} after {at:g} s" for target, at in self.offered]
        end = (
            f"{self.answered} answers after {self.ended_s:g} s"
            if self.answered
            else f"{self.outcome} after {self.ended_s:g} s"
            if self.outcome
            else "waits on"
        )
        return f"queue {self.queue}: " + ", ".join([*(f"rings {each}" for each in rung), end])


def rehearse(
    plan: QueuePlan,
    agents: Mapping[str, AgentMood],
    *,
    ahead: int = 0,
    user: str = "",
    number: str = "",
    priority: int = 0,
) -> QueueRehearsal:
    """Have a caller wait behind `ahead` others; `agents` by target or user, available if not named."""
    return _Rehearsal(plan, agents).run(ahead, user, number, priority)


class _Rehearsal:
    def __init__(self, plan: QueuePlan, agents: Mapping[str, AgentMood]) -> None:
        self._name = plan.name
        self._moods = {agent_name(target): mood for target, mood in agents.items()}
        settings = queue_settings(plan)
        strategies = plugin_strategies([plan])
        self._queues = Queues([settings], lambda _: 0, agents=agent_settings([plan]), strategies=strategies)
        self._now = 0.0
        self._offered: list[tuple[str, float]] = []
        self._answered = ""
        self._outcome: QueueOutcome | None = None
        for view in self._queues.agents():
            self._set(view.agent)

    def _set(self, agent: str) -> None:
        queues = self._queues
        mood = self._moods.get(agent)
        if mood is not None and mood != "offline":
            queues.log_in(agent, 0.0)
        match mood:
            case "busy":
                for number in range(20):
                    queues.agent_busy(agent, f"another-{number}", 0.0)
            case "paused":
                queues.pause(agent, 0.0)
            case "offline":
                queues.log_out(agent, 0.0)
            case "available" | "no-answer" | None:
                pass

    def run(self, ahead: int, user: str, number: str, priority: int) -> QueueRehearsal:
        """From the first caller to the last one's fate."""
        queues = self._queues
        for each in range(ahead):
            self._take(queues.join(f"ahead-{each}", self._name, 0.0))
        self._take(queues.join(_CALLER, self._name, 0.0, priority=priority, user=user, number=number))
        while not self._answered and self._outcome is None:
            due = queues.next_deadline()
            if due is None or due > _LONGEST_S:
                break
            self._now = due
            self._take(queues.handle_timer(due))
        return QueueRehearsal(
            self._name,
            tuple((target_of(agent), at) for agent, at in self._offered),
            target_of(self._answered) if self._answered else "",
            self._outcome,
            self._now,
        )

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Offer(number, caller, agent):
                    if caller == _CALLER:
                        self._offered.append((agent, self._now))
                    if self._moods.get(agent, "available") == "available":
                        self._take(self._queues.picked_up(number, self._now))
                        self._take(self._queues.connected(number, self._now))
                case Served(caller, agent) if caller == _CALLER:
                    self._answered = agent
                case Overflow(caller, _, outcome) if caller == _CALLER:
                    self._outcome = outcome
                case _:
                    pass
