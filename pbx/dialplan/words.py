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
    Include,
    Menu,
    Outcome,
    Play,
    Queue,
    Redirect,
    Reject,
    Talk,
    Voicemail,
)


def said(decision: Decision) -> str:
    """`decision` in a few words, without its reason."""
    match decision:
        case Dial():
            return _dial(decision)
        case Continue():
            return "continue" if decision.call is None else "continue with a changed call"
        case Defer():
            return f"defer for at most {_seconds(decision.deadline)}"
        case Goto():
            return f"goto {decision.chain}"
        case Include():
            return f"include {decision.chain}"
        case Queue():
            return _queue(decision)
        case Play():
            times = f", {decision.times} times" if decision.times > 1 else ""
            return f"play {', '.join(decision.sounds)}" + (" early" if decision.early else "") + times
        case Menu():
            again = f", asked {decision.attempt} times" if decision.attempt > 1 else ""
            return f"menu {decision.name}{again}"
        case Voicemail():
            return f"voicemail {decision.mailbox}"
        case Conference():
            return f"conference {decision.room}" + (" muted" if decision.muted else "")
        case Redirect():
            return f"redirect {decision.code} to {', '.join(decision.contacts)}"
        case Reject():
            return f"reject {decision.code}" + (f" {decision.phrase}" if decision.phrase else "")
        case Answer() | Echo() | Talk() | Hangup():
            return kind_of(decision)
    assert_never(decision)


def kind_of(decision: Decision) -> str:
    """The decision's name as dialplans and JSON write it."""
    return type(decision).__name__.lower()


def as_json(decision: Decision) -> dict[str, Any]:
    """`decision` as plain values; the keys are stable.

    Always `kind` and `reason`. dial: `targets`, `ring` (seconds or null), `mode`, `on` (outcome → decision),
    `rings` (one for each target in turn, or none), `stop` (final codes and outcomes as texts). queue: `name`,
    `priority`, `on`. play: `sounds`, `early`, `times`. menu: `name`, `prompt`, `max_digits`, `attempt`.
    voicemail: `mailbox`. conference: `room`, `muted`, `announce`. redirect: `contacts`, `code`. reject:
    `code`, `phrase`, `retry_after`. goto and include: `chain`. defer: `deadline`, `otherwise`.
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
                "rings": list(decision.rings),
                "stop": sorted(map(str, decision.stop)),
            }
        case Queue():
            return {"name": decision.name, "priority": decision.priority, "on": _on(decision.on)}
        case Play():
            return {"sounds": list(decision.sounds), "early": decision.early, "times": decision.times}
        case Menu():
            return {
                "name": decision.name,
                "prompt": list(decision.prompt),
                "max_digits": decision.max_digits,
                "attempt": decision.attempt,
            }
        case Voicemail():
            return {"mailbox": decision.mailbox}
        case Conference():
            return {
                "room": decision.room,
                "muted": decision.muted,
                "announce": list(decision.announce),
            }
        case Redirect():
            return {"contacts": list(decision.contacts), "code": decision.code}
        case Reject():
            return {"code": decision.code, "phrase": decision.phrase, "retry_after": decision.retry_after}
        case Goto() | Include():
            return {"chain": decision.chain}
        case Defer():
            return {"deadline": decision.deadline, "otherwise": as_json(decision.otherwise)}
        case Continue() | Answer() | Echo() | Talk() | Hangup():
            return {}
    assert_never(decision)


def _on(on: Mapping[Outcome, Decision]) -> dict[str, Any]:
    return {outcome: as_json(decision) for outcome, decision in on.items()}


def _dial(decision: Dial) -> str:
    joint = ", then " if decision.mode == "in-turn" else " and "
    rings = decision.rings
    targets = [
        f"{target} for {_seconds(ring)}"
        if index < len(rings) and (ring := rings[index]) is not None
        else str(target)
        for index, target in enumerate(decision.targets)
    ]
    words = "dial " + joint.join(targets)
    if decision.ring is not None:
        words += f" for {_seconds(decision.ring)}"
    if decision.stop and len(targets) > 1:
        words += f", stopping at {', '.join(sorted(map(str, decision.stop)))}"
    return words + _follows(decision.on)


def _queue(decision: Queue) -> str:
    first = f" with priority {decision.priority}" if decision.priority else ""
    return f"queue {decision.name}{first}{_follows(decision.on)}"


def _follows(on: Mapping[Outcome, Decision]) -> str:
    if not on:
        return ""
    return "; on " + ", on ".join(f"{outcome} {said(each)}" for outcome, each in on.items())


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"
