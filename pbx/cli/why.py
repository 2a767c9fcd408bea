"""`pbx why`: the decision path of one call that really happened, or is happening."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pbx.cli.control import NoService, exchange, plain
from pbx.cli.output import print_json
from pbx.cli.records import configuration, no_such_call, opened, row_json
from pbx.config.settings import DEFAULT_FILE
from pbx.errors import OperatorError


@click.command()
@click.argument("name", metavar="CALL-ID")
@click.option(
    "--config",
    metavar="FILE",
    default=DEFAULT_FILE,
    type=click.Path(path_type=Path),
    help="The configuration of the service; it says where the store and the control socket are.",
)
@click.option("--json", "as_json", is_flag=True, help="Print call and routing as JSON.")
def why(name: str, config: Path, as_json: bool) -> None:
    """Show how a call was decided: every handler asked, what it saw, said, and why, in which generation.

    CALL-ID is ours, as `pbx calls` shows it, or the SIP Call-ID of any leg. Finished calls are read from the
    store, also when no service runs; those that go on are asked of the service.

    Exit code 0, or 1 when nobody knows the call.

    With --json: {"active": bool, "call": {as the store has it}, "routing": {"version": 1, "decided":
    [{"outcome", "digits", "words", "verdict", "answers"}]}}. A verdict: pbx.dialplan.recorded.
    """
    found = _stored(name, config) or _asked(name, config)
    if found is None:
        raise no_such_call(name)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(map(plain, _lines(found))))


def _stored(name: str, config: Path) -> dict[str, Any] | None:
    from pbx.store.calls import find_call

    settings = configuration(config)
    if not settings.store.path.is_file():
        return None
    with opened(settings) as store:
        found = find_call(store, name)
    if found is None:
        return None
    row, routing = found
    return {"active": False, "call": row_json(row), "routing": routing}


def _asked(name: str, config: Path) -> dict[str, Any] | None:
    try:
        status, value = exchange(config, "GET", f"/api/routing/{quote(name, safe='')}")
    except NoService:
        return None
    if status == 404:
        return None
    if status != 200:
        raise OperatorError(f"the service answered {status}", str(value.get("error", "")))
    routing = value.pop("routing")
    active = value.pop("active")
    return {"active": active, "call": value, "routing": routing}


def _lines(found: dict[str, Any]) -> list[str]:
    call = found["call"]
    started = datetime.fromisoformat(call["started_at"]).astimezone(UTC).astimezone()
    whose = f"from {call['caller'] or 'nobody'} to {call['called']}, coming from {call['source']}"
    lines = [f"call     {call['id']} {whose}, at {started:%Y-%m-%d %H:%M:%S %Z}"]
    for leg in call.get("legs", ()):
        lines.append(f"leg      {leg['label']}  {leg['call_id']}")
        lines += _quality(leg)
    decided = found["routing"].get("decided", ())
    for step in decided:
        lines += _step(step)
    if not decided:
        why_not = found["routing"].get("error", "it ended before the dialplan had decided")
        lines.append(f"decision none: {why_not}")
    for note in call.get("notes", ()):
        seconds = (datetime.fromisoformat(note["at"]) - datetime.fromisoformat(call["started_at"])).seconds
        lines.append(f"noted    after {seconds} s, {note['label'] or 'the call'}: {note['words']}")
    if found["active"]:
        lines.append("end      it goes on")
    else:
        lines.append(f"end      {call['cause']} {call['status'] or ''}".rstrip())
    return lines


def _quality(leg: dict[str, Any]) -> list[str]:
    """What a leg's media came to, each direction in a line; what was not measured is left out."""
    sides = (
        ("heard", leg.get("packets_received"), "packets_lost", "jitter_ms", "mos", "worst_mos"),
        (
            "sent",
            leg.get("packets_sent"),
            "peer_packets_lost",
            "peer_jitter_ms",
            "peer_mos",
            "peer_worst_mos",
        ),
    )
    lines: list[str] = []
    for side, packets, lost, jitter, mos, worst in sides:
        if not packets:
            continue
        words = [f"{packets} packets"]
        words += [f"{leg[lost]} lost"] if leg.get(lost) is not None else []
        words += [f"jitter {leg[jitter]:.1f} ms"] if leg.get(jitter) is not None else []
        words += [f"MOS {leg[mos]:.2f}"] if leg.get(mos) is not None else []
        words += [f"at worst {leg[worst]:.2f}"] if leg.get(worst) is not None else []
        lines.append(f"         {side:<5} {', '.join(words)}")
    if leg.get("round_trip_ms") is not None:
        lines.append(f"         round trip {leg['round_trip_ms']:.0f} ms")
    return lines


def _step(step: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if step["outcome"]:
        digits = f" {step['digits']}" if step["digits"] else ""
        lines.append(f"then     {step['outcome']}{digits}")
    verdict = step["verdict"]
    if verdict is None:
        return [*lines, "decision none: the dialplan does not say what follows"]
    generation = verdict["generation"]
    if not step["outcome"]:
        name = f" ({generation['name']})" if generation.get("name") else ""
        lines.append(f"dialplan generation {generation['number']}{name}")
    for visit in verdict["path"]:
        place = f"{visit['file']}:{visit['line']}:{visit['column']}"
        lines.append(f"{visit['chain']}: {visit['position']} {visit['handler']}    {place}")
        lines.append(f"         saw   {visit['saw']}")
        lines.append(f"         said  {visit['said']}    {visit['ms']:.3f} ms")
        lines.append(f"         why   {visit['reason']}")
    facts = verdict["inputs"]["facts"]
    lines += [f"fact     {question} = {answer}" for question, answer in facts.items()]
    reason = verdict["decision"]["reason"]
    lines.append(f"decision {verdict['said']}" + (f" ({reason})" if reason else ""))
    return lines
