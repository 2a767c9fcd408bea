"""Deciding again, under another dialplan, what was decided about a call: what replay and shadowing share."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Decision, Outcome
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.outside import Answers, Given, answer_from, answered, answers_of, give
from pbx.dialplan.recorded import UnreadableRecord, call_from
from pbx.errors import MisuseError
from pbx.store.calls import ROUTING_VERSION, in_words
from pbx.store.entries import Decided

ENDS = "the call ends"
"""In words, when the dialplan says nothing about an outcome."""


class Unknown(Exception):
    """What a candidate would do rests on an answer that nobody recorded; says which."""


@dataclass(frozen=True, slots=True)
class Step:
    """One decision as it was made: what followed what, on which facts, and what it came to in words.

    `call` is what the first handler saw.
    """

    outcome: str
    digits: str
    words: str
    call: Call | None
    facts: Mapping[str, Any]
    answers: Answers


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a call goes another way: at the step `index`, after `outcome` when it is not the first."""

    index: int
    call: Call
    outcome: str
    was: str
    would_be: str


def steps_of(decided: Iterable[Decided]) -> list[Step]:
    """The steps of a call that is being routed."""
    steps: list[Step] = []
    for each in decided:
        verdict = each.verdict
        if verdict is None:
            steps.append(Step(each.outcome, each.digits, ENDS, None, {}, {}))
            continue
        first = verdict.path[0].call if verdict.path else verdict.call
        answers = answers_of(verdict.path)
        steps.append(Step(each.outcome, each.digits, in_words(verdict), first, verdict.facts, answers))
    return steps


def steps_from(routing: Mapping[str, Any]) -> list[Step]:
    """The steps of a recorded call; raises Unknown when this version cannot read it."""
    if routing.get("version") != ROUTING_VERSION:
        raise Unknown(f"its record has version {routing.get('version')!r}")
    try:
        return [_step_from(each) for each in routing["decided"]]
    except (KeyError, TypeError, AttributeError, UnreadableRecord) as error:
        raise Unknown(f"its record cannot be read: {error}") from None


def _step_from(values: Mapping[str, Any]) -> Step:
    if values["verdict"] is None:
        return Step(values["outcome"], values["digits"], ENDS, None, {}, {})
    call, _ = call_from(values["verdict"])
    answers: dict[str, Decision] = {}
    for question, recorded in values["answers"].items():
        answer = answer_from(recorded)
        if answer is not None:
            answers[question] = answer
    given = values["verdict"]["inputs"]["facts"]
    return Step(values["outcome"], values["digits"], values["words"], call, given, answers)


class Redecider:
    """Decides calls again under a candidate, and says where the first difference is."""

    def __init__(self, candidate: Generation) -> None:
        self.candidate = answered(candidate)

    def compare(self, steps: Sequence[Step]) -> Difference | None:
        """The first step that would be another one; None when there is none. Raises Unknown.

        From there on the call would have gone another way, so that what follows cannot be compared.
        """
        if not steps or steps[0].call is None:
            raise Unknown("nothing was decided about it")
        call = steps[0].call
        before: Verdict | None = None
        for index, step in enumerate(steps):
            facts, given = Facts(None, step.facts), Given(step.answers)
            before = self._decide(call, before, step, facts, given)
            # A dialplan that rests on the hour or on who is registered is decided by what was true then.
            asked = sorted({*given.missing, *(f"fact {each}" for each in facts.assumed)})
            if asked:
                raise Unknown(asked[0])
            would_be = ENDS if before is None else in_words(before)
            if would_be != step.words:
                return Difference(index, call, step.outcome, step.words, would_be)
            if before is None:
                return None
        return None

    def _decide(
        self, call: Call, before: Verdict | None, step: Step, facts: Facts, given: Given
    ) -> Verdict | None:
        give(given)
        try:
            if before is None:
                return decide_now(self.candidate.decide(call, facts=facts))
            outcome = cast("Outcome", step.outcome)
            return decide_now(self.candidate.after(before, outcome, digits=step.digits, facts=facts))
        except MisuseError as error:
            raise Unknown(str(error)) from None
