"""Decisions in words for people, and as plain values for JSON."""

from collections.abc import Mapping
from typing import Any, assert_never

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
    Menu,
    Outcome,
    Play,
    Queue,
    Redirect,
    Reject,
    Voicemail,
)


def said(decision: Decision) -> str:
    """`decision` in a few words, without its reason."""
    match decision:
        case Continue():
            return "continue" if decision.call is None else "continue with a changed call"
        case Defer():
            return f"defer for at most {_seconds(decision.deadline)}"
        case Goto():
            return f"goto {decision.chain}"
        case Dial():
            return _dial(decision)
        case Queue():
            return f"queue {decision.name}"
        case Play():
            return f"play {decision.name}" + (" early" if decision.early else "")
        case Menu():
            return f"menu {decision.name}"
        case Voicemail():
            return f"voicemail {decision.mailbox}"
        case Conference():
            return f"conference {decision.room}"
        case Redirect():
            return f"redirect {decision.code} to {', '.join(decision.contacts)}"
        case Reject():
            return f"reject {decision.code}" + (f" {decision.phrase}" if decision.phrase else "")
        case Answer() | Echo() | Hangup():
            return kind_of(decision)
    assert_never(decision)


def kind_of(decision: Decision) -> str:
    """The decision's name as dialplans and JSON write it."""
    return type(decision).__name__.lower()


def as_json(decision: Decision) -> dict[str, Any]:
    """`decision` as plain values; the keys are stable.

    Always `kind` and `reason`. dial: `targets`, `ring` (seconds or null), `mode`, `on` (outcome → decision).
    queue: `name`, `on`. play: `name`, `early`. menu: `name`. voicemail: `mailbox`. conference: `room`.
    redirect: `contacts`, `code`. reject: `code`, `phrase`, `retry_after`. goto: `chain`. defer: `deadline`,
    `otherwise`.
    """
    return {"kind": kind_of(decision), **_fields(decision), "reason": decision.reason}


def _fields(decision: Decision) -> dict[str, Any]:
    match decision:
        case Dial():
            return {
                "targets": [str(target) for target in decision.targets],
                "ring": decision.ring,
                "mode": decision.mode,
                "on": _on(decision.on),
            }
        case Queue():
            return {"name": decision.name, "on": _on(decision.on)}
        case Play():
            return {"name": decision.name, "early": decision.early}
        case Menu():
            return {"name": decision.name}
        case Voicemail():
            return {"mailbox": decision.mailbox}
        case Conference():
            return {"room": decision.room}
        case Redirect():
            return {"contacts": list(decision.contacts), "code": decision.code}
        case Reject():
            return {"code": decision.code, "phrase": decision.phrase, "retry_after": decision.retry_after}
        case Goto():
            return {"chain": decision.chain}
        case Defer():
            return {"deadline": decision.deadline, "otherwise": as_json(decision.otherwise)}
        case Continue() | Answer() | Echo() | Hangup():
            return {}
    assert_never(decision)


def _on(on: Mapping[Outcome, Decision]) -> dict[str, Any]:
    return {outcome: as_json(decision) for outcome, decision in on.items()}


def _dial(decision: Dial) -> str:
    joint = ", then " if decision.mode == "in-turn" else " and "
    words = "dial " + joint.join(str(target) for target in decision.targets)
    if decision.ring is not None:
        words += f" for {_seconds(decision.ring)}"
    if decision.on:
        words += "; on " + ", on ".join(f"{outcome} {said(each)}" for outcome, each in decision.on.items())
    return words


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"
