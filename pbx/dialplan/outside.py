"""Answers from outside, by plugins and web services: kept with a call, to decide it again without asking.

An answer is looked up by who was asked and what it saw of the call.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from pbx.dialplan.call import Call
from pbx.dialplan.chain import Visit
from pbx.dialplan.decisions import (
    Answer,
    Conference,
    Continue,
    Decision,
    Defer,
    Dial,
    Echo,
    Goto,
    Hangup,
    Include,
    Play,
    Queue,
    Redirect,
    Reject,
    Voicemail,
)
from pbx.dialplan.generation import Generation
from pbx.dialplan.handler import Handler
from pbx.dialplan.plugin_step import PluginStep
from pbx.dialplan.recorded import call_from_json, call_json
from pbx.dialplan.words import as_json
from pbx.errors import PbxError

Answers = Mapping[str, Decision]
"""By `question_of`."""


def asks_outside(handler: Handler) -> bool:
    """Whether what `handler` says comes from somewhere else than the dialplan."""
    return isinstance(handler, PluginStep) or handler.name == "http"


def question_of(name: str, saw: str) -> str:
    """What was asked: the handler's `id:` or name, and what it saw."""
    return f"{name}: {saw}"


def answers_of(path: tuple[Visit, ...]) -> dict[str, Decision]:
    """The answers from outside on the way of a verdict."""
    return {
        question_of(visit.handler, visit.saw): visit.decision
        for visit in path
        if asks_outside(visit.link.handler) and not isinstance(visit.decision, Defer)
    }


def answer_json(decision: Decision) -> dict[str, Any]:
    """An answer as plain values: {"decision", "call"}; `call` is the changed one, or null."""
    changed = decision.call if isinstance(decision, Continue | Goto | Include) else None
    return {"decision": as_json(decision), "call": None if changed is None else call_json(changed)}


def answer_from(values: Mapping[str, Any]) -> Decision | None:
    """An answer that was recorded; None when it cannot be made again from what is recorded of it."""
    try:
        call = None if values["call"] is None else call_from_json(values["call"])
        return _decision(values["decision"], call)
    except (KeyError, TypeError, ValueError, PbxError):
        return None


def _decision(values: Mapping[str, Any], call: Call | None = None) -> Decision | None:
    reason = str(values["reason"])
    match values["kind"]:
        case "continue":
            return Continue(reason, call)
        case "goto":
            return Goto(values["chain"], reason, call)
        case "include":
            return Include(values["chain"], reason, call)
        case "dial":
            return Dial(
                values["targets"],
                ring=values["ring"],
                mode=values["mode"],
                on=_on(values["on"]),
                reason=reason,
                rings=tuple(values["rings"]),
                stop=frozenset(int(each) if str(each).isdigit() else each for each in values["stop"]),
            )
        case "queue":
            return Queue(values["name"], _on(values["on"]), reason, priority=values["priority"])
        case "play":
            return Play(values["sounds"], values["early"], reason, times=values["times"])
        case "voicemail":
            return Voicemail(values["mailbox"], reason)
        case "conference":
            return Conference(
                values["room"], reason, muted=values["muted"], announce=tuple(values["announce"])
            )
        case "redirect":
            return Redirect(tuple(values["contacts"]), values["code"], reason)
        case "reject":
            return Reject(values["code"], reason, values["phrase"], values["retry_after"])
        case "answer":
            return Answer(reason)
        case "echo":
            return Echo(reason)
        case "hangup":
            return Hangup(reason)
        case _:
            return None


def _on(values: Mapping[str, Any]) -> dict[Any, Decision]:
    found = {outcome: _decision(each) for outcome, each in values.items()}
    if None in found.values():
        raise ValueError("an outcome is not recorded whole")
    return {outcome: each for outcome, each in found.items() if each is not None}


@dataclass(slots=True)
class Given:
    """The answers there are for one decision, and the questions that none of them answers."""

    answers: Answers
    missing: set[str] = field(default_factory=set)


_GIVEN: ContextVar[Given | None] = ContextVar("given_answers", default=None)


def give(given: Given) -> None:
    """Have the handlers of an `answered` generation that are asked from here on find these answers."""
    _GIVEN.set(given)


class _FromRecord(Handler):
    """Says what a handler said when it was asked the same; `Continue` when it never was."""

    def __init__(self, name: str, inner: Handler) -> None:
        super().__init__(inner.options)
        self._name = name
        self._inner = inner

    def decide(self, call: Call) -> Decision:
        """Look the answer up."""
        question = question_of(self._name, self.saw(call))
        given = _GIVEN.get()
        answer = None if given is None else given.answers.get(question)
        if answer is None:
            if given is not None:
                given.missing.add(question)
            return Continue("nobody recorded what it would say")
        return answer

    def saw(self, call: Call) -> str:
        """What the handler would have looked at."""
        return self._inner.saw(call)


def answered(generation: Generation) -> Generation:
    """`generation` with answers from records where it would ask outside; nothing of it has to be started."""
    chains = {
        name: replace(
            chain,
            links=tuple(
                replace(link, handler=_FromRecord(link.name, link.handler))
                if asks_outside(link.handler)
                else link
                for link in chain.links
            ),
        )
        for name, chain in generation.chains.items()
    }
    return replace(generation, chains=chains)
