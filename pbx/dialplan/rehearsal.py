"""One imagined call from beginning to end: targets answer, callers choose and services reply as is given.

The tree of real calls decides. Nothing waits, and nobody outside is asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pbx.call.causes import STATUS_OF_OUTCOME
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import OUTCOMES, QUEUE_OUTCOMES, Dial, Menu, Outcome, Play, Queue, Reject
from pbx.dialplan.live import Counted, Facts, Switched
from pbx.dialplan.queue_rehearsal import AgentMood, QueueRehearsal, rehearse
from pbx.dialplan.queues import QueuePlan

if TYPE_CHECKING:
    from pbx.dialplan.generation import Generation, Verdict

ANSWERED = "answered"

# Of several targets that rang together, the first of these that happened is the outcome (RFC 3261 §16.7).
_BEST: tuple[Outcome, ...] = ("rejected", "busy", "no-answer", "unavailable", "timeout", "failed")


@dataclass(frozen=True, slots=True)
class Givens:
    """What is given with a call; a `Live` too, that of a service which is otherwise idle.

    `registered` are the users with a phone on, None for everybody. `outcomes` are the answers of targets and
    queues, one for each time and the last for all times after. `digits` are those of the menus in turn, None
    for a caller who is never asked. `answers` are facts by question. `agents` say what agents of queues do,
    and `waiting` how many callers wait in a queue already; None leaves queues to `outcomes`.
    """

    registered_users: frozenset[str] | None = None
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    digits: tuple[str, ...] | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)
    active: Mapping[str, int] = field(default_factory=dict)
    tried: int = 1
    switches: Mapping[str, Switched] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    agents: Mapping[str, AgentMood] | None = None
    waiting: Mapping[str, int] = field(default_factory=dict)

    def facts(self) -> Facts:
        """The facts of such a service."""
        return Facts(self, self.answers, offline=True)

    def active_calls(self, kind: Counted, name: str) -> int:  # noqa: ARG002  # whoever it is
        """See Live."""
        return self.active.get(kind, 0)

    def attempts(self, key: str, window_s: float) -> int:  # noqa: ARG002  # whatever is counted
        """See Live."""
        return self.tried

    def switch(self, name: str) -> Switched | None:
        """See Live."""
        return self.switches.get(name)

    def registered(self, user: str) -> bool:
        """See Live."""
        return self.registered_users is None or user in self.registered_users

    def uses(self, target: str) -> int:
        """See Live."""
        return self.used.get(target, 0)

    def queue(self, name: str) -> Mapping[str, int]:
        """See Live."""
        return {"waiting": self.waiting.get(name, 0), "agents": 1, "free": 1}


class Rehearsal:
    """One call on its way. `verdicts` are what it came to, one after another; `passed` the targets tried."""

    def __init__(self, generation: "Generation", call: Call, given: Givens) -> None:
        self._generation = generation
        self._call = call
        self._given = given
        self._left = {target: list(outcomes) for target, outcomes in given.outcomes.items()}
        self._digits = list(given.digits or ())
        self._asks = given.digits is not None
        self.answered = ""
        self.verdicts: list[Verdict] = []
        self.queued: list[QueueRehearsal] = []

    def run(
        self,
        *,
        follows: bool,
        heard: "Callable[[Verdict], None]" = lambda _: None,
        tried: Callable[[str], None] = lambda _: None,
    ) -> "Verdict":
        """Go on until nothing follows; outcomes of dials are followed with `follows` only.

        `heard` is told each verdict, and `tried` each target as it is rung.
        """
        from pbx.dialplan.generation import decide_now

        verdict = decide_now(self._generation.decide(self._call, facts=self._given.facts()))
        self.verdicts.append(verdict)
        heard(verdict)
        while True:
            decision = verdict.decision
            outcome: Outcome | None = None
            digits = ""
            if isinstance(decision, Dial | Queue) and follows:
                outcome = self._ring(decision, tried)
            elif isinstance(decision, Play):
                if not verdict_goes_on(self._generation, verdict):
                    return verdict
                for sound in decision.sounds:
                    tried(f"play/{sound}")
                outcome = "played"
            elif isinstance(decision, Menu) and self._asks:
                outcome, digits = "digits", self._digits.pop(0) if self._digits else ""
            if outcome is None:
                return verdict
            following = decide_now(
                self._generation.after(verdict, outcome, digits=digits, facts=self._given.facts())
            )
            if following is None:
                reject = Reject(STATUS_OF_OUTCOME[outcome], f"nothing follows {outcome}")
                verdict = replace(verdict, decision=reject, path=())
                self.verdicts.append(verdict)
                return verdict
            verdict = following
            self.verdicts.append(verdict)
            heard(verdict)

    def _ring(self, decision: Dial | Queue, tried: Callable[[str], None]) -> Outcome | None:
        """The outcome of a dial; None when somebody answers."""
        if isinstance(decision, Queue):
            return self._wait(decision, tried)
        in_turn = decision.mode == "in-turn"
        outcomes: list[Outcome] = []
        for target in map(str, decision.targets):
            tried(target)
            outcome = self._outcome(target)
            if outcome is None:
                self.answered = self.answered or target
                if in_turn:
                    return None
            else:
                outcomes.append(outcome)
                if in_turn and decision.stops(outcome):
                    return outcome
        if self.answered:
            return None
        return next(outcome for outcome in _BEST if outcome in outcomes)

    def _wait(self, decision: Queue, tried: Callable[[str], None]) -> Outcome | None:
        queue, given = f"queue/{decision.name}", self._given
        plan = self._generation.queues.get(decision.name)
        if plan is not None and given.agents is not None and queue not in given.outcomes:
            return self._rehearse(plan, decision, given.agents, tried)
        tried(queue)
        outcome = self._outcome(queue)
        if outcome is None:
            self.answered = self.answered or queue
        return outcome

    def _rehearse(
        self,
        plan: QueuePlan,
        decision: Queue,
        agents: Mapping[str, AgentMood],
        tried: Callable[[str], None],
    ) -> Outcome | None:
        """Let the queue itself say who is rung, and how it ends."""
        call = self.verdicts[-1].call
        found = rehearse(
            plan,
            agents,
            ahead=self._given.waiting.get(plan.name, 0),
            user=call.user or "",
            number=call.caller.number,
            priority=decision.priority,
        )
        self.queued.append(found)
        tried(f"queue/{plan.name}")
        for target, _ in found.offered:
            tried(target)
        self.answered = self.answered or found.answered
        return found.outcome

    def _outcome(self, target: str) -> Outcome | None:
        keys = [key for key in self._left if key == target or target.startswith(f"{key}/")]
        if keys:
            left = self._left[max(keys, key=len)]
            text = left.pop(0) if len(left) > 1 else left[0]
            return next((each for each in (*OUTCOMES, *QUEUE_OUTCOMES) if each == text), None)
        kind, _, user = target.partition("/")
        if kind == "user" and not self._given.registered(user):
            return "unavailable"
        return None


def verdict_goes_on(generation: "Generation", verdict: "Verdict") -> bool:
    """Whether a handler is left to be asked when the sounds of `verdict` are over."""
    return any(
        chain in generation.chains and start < len(generation.chains[chain].links)
        for chain, start in verdict.resume
    )
