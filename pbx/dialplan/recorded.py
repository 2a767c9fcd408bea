"""A verdict as plain values: all that it rested on, the way it took, and what it came to.

The schema has a version, and what is recorded under one version can be read by every later pbx.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pbx.dialplan.call import Call, Caller, CallerId, Record
from pbx.dialplan.chain import Visit
from pbx.dialplan.generation import Verdict
from pbx.dialplan.live import Facts
from pbx.dialplan.words import as_json, said
from pbx.errors import PbxError

SCHEMA = 1


class UnreadableRecord(PbxError):
    """What was recorded is not what this version can read."""


def recorded(verdict: Verdict, asked_about: Call | None = None, name: str = "") -> dict[str, Any]:
    """`verdict` about the call `asked_about`, as JSON has it; `name` is the generation's.

    `schema`. `generation`: `number`, `name`. `after`: null, or the `outcome` that it follows, with `digits`.
    `inputs`: `call` (see `call_json`) as it came to the first handler that was asked, and `facts` by
    question. `path`: a list of `chain`, `position` (from 1), `handler`, `rule` (from 1, or null), `file`,
    `line`, `column`, `saw`, `said`, `reason`, `ms`. `decision`: see `pbx.dialplan.words.as_json`, and `said`.
    `left`: the call as the last handler left it.
    """
    first = asked_about or (verdict.path[0].call if verdict.path else verdict.call)
    came, left = call_json(first), verdict.call
    return {
        "schema": SCHEMA,
        "generation": {"number": verdict.generation, "name": name},
        "after": None if not verdict.asked else {"outcome": verdict.asked, "digits": verdict.digits},
        "inputs": {"call": came, "facts": dict(verdict.facts)},
        "path": [_visit(each) for each in verdict.path],
        "decision": as_json(verdict.decision),
        "said": said(verdict.decision),
        "left": came if left is first else call_json(left),
    }


def call_json(call: Call) -> dict[str, Any]:
    """Everything a handler can see of a call, as JSON has it; `at` is ISO 8601 and `zone` an IANA name."""
    shown, record, zone = call.shown, call.record, call.at.tzinfo
    return {
        "id": call.id,
        "from": call.caller.number,
        "name": call.caller.name,
        "caller_user": call.caller.user,
        "to": call.called,
        "source": call.source,
        "at": call.at.isoformat(),
        "zone": zone.key if isinstance(zone, ZoneInfo) else "",
        "user": call.user,
        "via": call.trunk,
        "headers": dict(call.headers),
        "variables": dict(call.variables),
        "shown": None
        if shown is None
        else {"number": shown.number, "name": shown.name, "hidden": shown.hidden},
        "sent_headers": [list(each) for each in call.sent_headers],
        "record": None
        if record is None
        else {"what": record.what, "format": record.format, "name": record.name},
    }


def call_from(values: Mapping[str, Any]) -> tuple[Call, Facts]:
    """The call and the facts of a recorded verdict, to decide it again; raises UnreadableRecord."""
    schema = values.get("schema")
    if schema != SCHEMA:
        raise UnreadableRecord(f"this decision is recorded in version {schema!r}, this pbx reads {SCHEMA}")
    try:
        inputs = values["inputs"]
        return call_from_json(inputs["call"]), Facts(None, dict(inputs["facts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableRecord(f"this decision is not recorded as it should be: {error!r}") from None


def call_from_json(values: Mapping[str, Any]) -> Call:
    """The call that `call_json` wrote; raises KeyError, TypeError or ValueError when it did not."""
    at = datetime.fromisoformat(values["at"])
    if values["zone"]:
        at = at.astimezone(ZoneInfo(values["zone"]))
    shown, record = values["shown"], values["record"]
    return Call(
        values["id"],
        Caller(values["from"], values["name"], values["caller_user"]),
        values["to"],
        values["source"],
        at,
        values["user"],
        values["via"],
        dict(values["headers"]),
        dict(values["variables"]),
        None if shown is None else CallerId(shown["number"], shown["name"], shown["hidden"]),
        tuple((str(name), str(value)) for name, value in values["sent_headers"]),
        None if record is None else Record(record["what"], record["format"], record["name"]),
    )


def _visit(visit: Visit) -> dict[str, Any]:
    place = visit.place
    return {
        "chain": visit.chain,
        "position": visit.position,
        "handler": visit.handler,
        "rule": None if visit.rule is None else visit.rule.number,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "saw": visit.saw,
        "said": visit.said,
        "reason": visit.reason,
        "ms": round(visit.ms, 4),
    }
