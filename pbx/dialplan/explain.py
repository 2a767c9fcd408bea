"""The decision path of one call, as a ladder for people and as JSON for programs."""

from collections.abc import Iterable, Iterator
from typing import Any

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.queue_rehearsal import QueueRehearsal
from pbx.dialplan.rehearsal import Givens, Rehearsal
from pbx.dialplan.words import as_json, said
from pbx.errors import Place


def explain(generation: Generation, call: Call, given: Givens | None = None) -> Verdict:
    """What `call` would come to; the same tree decides that decides real calls."""
    return decide_now(generation.decide(call, facts=(given or Givens()).facts()))


def explain_all(generation: Generation, call: Call, given: Givens) -> Rehearsal:
    """What `call` would come to, one after another, when targets, callers and services answer as is given."""
    rehearsal = Rehearsal(generation, call, given)
    follows = given.registered_users is not None or bool(given.outcomes) or given.agents is not None
    rehearsal.run(follows=follows)
    return rehearsal


def ladder(generation: Generation, call: Call, verdict: Verdict) -> str:
    """The path of `call` to `verdict`, a line for each handler that was asked."""
    called = f"from {_presented(call.caller)} to {call.called}"
    lines = [f"call     {called}, coming from {call.source}, at {call.at:%Y-%m-%d %H:%M %Z}".rstrip()]
    entry = generation.entry(call.source)
    if entry is None:
        lines.append(f"entry    none takes calls from {call.source}")
    else:
        lines.append(f"entry    {entry.source} → chain {entry.chain}    {entry.place}")
    lines.extend(_visits(verdict))
    reason = verdict.decision.reason
    lines.append(f"decision {said(verdict.decision)}" + (f" ({reason})" if reason else ""))
    return "\n".join(map(_printable, lines))


def followed(verdicts: Iterable[Verdict]) -> list[str]:
    """What came after a first verdict, a line for each handler that was asked and each decision."""
    lines: list[str] = []
    for verdict in verdicts:
        asked = f"digits {verdict.digits or 'none'}" if verdict.asked == "digits" else verdict.asked
        lines.append(f"after    {asked or 'that'}")
        lines.extend(_visits(verdict))
        reason = verdict.decision.reason
        lines.append(f"then     {said(verdict.decision)}" + (f" ({reason})" if reason else ""))
    return [_printable(line) for line in lines]


def _visits(verdict: Verdict) -> Iterator[str]:
    for visit in verdict.path:
        yield f"{visit.chain}: {visit.position} {visit.handler}    {visit.place}"
        yield f"         saw   {visit.saw}"
        yield f"         said  {visit.said}"
        yield f"         why   {visit.reason}"


def explanation_json(
    generation: Generation,
    call: Call,
    verdict: Verdict,
    after: Iterable[Verdict] = (),
    queued: Iterable[QueueRehearsal] = (),
) -> dict[str, Any]:
    """The path and the decision as plain values; the keys are stable.

    `call`: `from`, `name`, `user`, `to`, `source`, `via`, `at` (ISO 8601). `entry`: `source`, `chain`,
    `file`, `line`, `column`, or null when no entry takes the call. `path`: a list of `chain`, `position`
    (from 1), `handler` (its id or name), `rule` (from 1, or null), `file`, `line`, `column`, `saw`,
    `said`, `reason`, `decision`. `decision`: see `pbx.dialplan.words.as_json`. `then`: what came `after` it,
    a list of `asked` (an outcome), `digits`, `path` and `decision`. `queued`: what queues did, a list of
    `queue`, `offered` (`target`, `after_s`), `answered`, `outcome` and `ended_s`. `dialplan`: the file.
    """
    entry = generation.entry(call.source)
    return {
        "dialplan": generation.name,
        "call": {
            "from": call.caller.number,
            "name": call.caller.name,
            "user": call.user,
            "to": call.called,
            "source": call.source,
            "via": call.trunk,
            "at": call.at.isoformat(),
        },
        "entry": None
        if entry is None
        else {"source": entry.source, "chain": entry.chain, **_place(entry.place)},
        "path": _path(verdict),
        "decision": as_json(verdict.decision),
        "then": [
            {
                "asked": each.asked,
                "digits": each.digits,
                "path": _path(each),
                "decision": as_json(each.decision),
            }
            for each in after
        ],
        "queued": [
            {
                "queue": each.queue,
                "offered": [{"target": target, "after_s": at} for target, at in each.offered],
                "answered": each.answered,
                "outcome": each.outcome,
                "ended_s": each.ended_s,
            }
            for each in queued
        ],
    }


def _path(verdict: Verdict) -> list[dict[str, Any]]:
    return [
        {
            "chain": visit.chain,
            "position": visit.position,
            "handler": visit.handler,
            "rule": None if visit.rule is None else visit.rule.number,
            **_place(visit.place),
            "saw": visit.saw,
            "said": visit.said,
            "reason": visit.reason,
            "decision": as_json(visit.decision),
        }
        for visit in verdict.path
    ]


def _printable(line: str) -> str:
    """`line` with what a caller could draw on a terminal with written out."""
    if line.isprintable():
        return line
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in line)


def _place(place: Place) -> dict[str, Any]:
    return {"file": place.file, "line": place.line, "column": place.column}


def _presented(caller: Caller) -> str:
    return f"{caller.name} <{caller.number}>" if caller.name else caller.number
