"""`pbx explain`: the decision path of one imagined call."""

import json
from dataclasses import replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pbx.cli.output import print_json
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from pbx.config.settings import Settings
    from pbx.dialplan.call import Call
    from pbx.dialplan.generation import Generation
    from pbx.dialplan.live import Switched
    from pbx.dialplan.queue_rehearsal import AgentMood
    from pbx.dialplan.rehearsal import Givens


@click.command()
@click.option("--from", "from_", required=True, metavar="NUMBER", help="Who calls: a user, or a number.")
@click.option("--to", required=True, metavar="NUMBER", help="What was dialled.")
@click.option("--via", metavar="TRUNK", default="", help="The trunk that the call comes by.")
@click.option("--at", metavar="TIME", default="", help="When, such as 2026-11-23 10:00; now when left out.")
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The configuration; ./pbx.yaml when it is there.",
)
@click.option(
    "--dialplan",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="This dialplan instead of the configuration's.",
)
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    metavar="TARGET=OUTCOME",
    help="How a target or queue/NAME answers: busy, no-answer, …, answered; again for each time.",
)
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="AGENT=STATE",
    help="What an agent of a queue does: available (as the others are), no-answer, busy, paused, offline.",
)
@click.option("--waiting", multiple=True, metavar="QUEUE=N", help="So many callers wait in a queue already.")
@click.option("--digits", multiple=True, metavar="DIGITS", help="What is dialled in the menus, in turn.")
@click.option("--switch", "switches", multiple=True, metavar="NAME=closed", help="What a switch says.")
@click.option("--http", "answers", multiple=True, metavar="ID=JSON", help="What a web service answers.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header of the INVITE.")
@click.option("--json", "as_json", is_flag=True, help="Print path and decision as JSON.")
def explain(
    from_: str,
    to: str,
    via: str,
    at: str,
    config: Path | None,
    dialplan: Path | None,
    outcomes: tuple[str, ...],
    agents: tuple[str, ...],
    waiting: tuple[str, ...],
    digits: tuple[str, ...],
    switches: tuple[str, ...],
    answers: tuple[str, ...],
    headers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show how one imagined call would be decided: every handler asked, what it saw, said, and why.

    Without --via, a configured user calls as that user (users), and anybody else as anyone. --at is in the
    dialplan's time zone unless it says another. Exit code 0 whatever the decision is.

    The service is taken to be idle, and no web service is asked: --outcome, --digits, --switch and --http say
    how things answer, and what follows is shown too.

    With --json: {"dialplan", "call": {"from", "name", "user", "to", "source", "via", "at"}, "entry":
    {"source", "chain", "file", "line", "column"} or null, "path": [{"chain", "position", "handler", "rule",
    "file", "line", "column", "saw", "said", "reason", "decision"}], "decision": {"kind", …, "reason"},
    "then": [{"asked", "digits", "path", "decision"}], "queued": [{"queue", "offered", "answered", "outcome",
    "ended_s"}]}. What a decision has by its kind:
    pbx.dialplan.words.as_json.
    """
    from pbx.dialplan.compiler import load_dialplan
    from pbx.dialplan.explain import explain_all, explanation_json, followed, ladder

    settings = settings_of(config, dialplan)
    path = dialplan or (settings.dialplan if settings else Path())
    generation = load_dialplan(path, settings.known if settings else None)
    call = _call(settings, generation, from_, to, via, at)
    if headers:
        call = replace(call, headers=_named(headers, ":", "--header"))
    given = replace(
        _givens(outcomes, digits, switches, answers),
        agents=_agents(agents) if agents or waiting else None,
        waiting=_waiting(waiting),
    )
    rehearsal = explain_all(generation, call, given)
    verdict, *after = rehearsal.verdicts
    if settings is not None and settings.known.plugins is not None:
        settings.known.plugins.host.stop_blocking()
    if as_json:
        print_json(explanation_json(generation, call, verdict, after, rehearsal.queued))
    else:
        lines = [ladder(generation, call, verdict), *followed(after), *map(str, rehearsal.queued)]
        click.echo("\n".join(lines))


def _agents(texts: tuple[str, ...]) -> "dict[str, AgentMood]":
    from pbx.dialplan.queue_rehearsal import MOODS

    found: dict[str, AgentMood] = {}
    for agent, text in _named(texts, "=", "--agent").items():
        mood = next((each for each in MOODS if each == text), None)
        if mood is None:
            raise click.BadParameter(
                f"found {text!r}, expected one of {', '.join(MOODS)}", param_hint="--agent"
            )
        found[agent] = mood
    return found


def _waiting(texts: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for queue, text in _named(texts, "=", "--waiting").items():
        if not text.isdecimal():
            raise click.BadParameter(f"found {text!r}, expected a number", param_hint="--waiting")
        found[queue] = int(text)
    return found


def _givens(
    outcomes: tuple[str, ...], digits: tuple[str, ...], switches: tuple[str, ...], answers: tuple[str, ...]
) -> "Givens":
    from pbx.dialplan.decisions import OUTCOMES, QUEUE_OUTCOMES
    from pbx.dialplan.rehearsal import ANSWERED, Givens

    by_target: dict[str, tuple[str, ...]] = {}
    for text in outcomes:
        target, outcome = _pair(text, "=", "--outcome")
        if outcome not in (*OUTCOMES, *QUEUE_OUTCOMES, ANSWERED):
            known = ", ".join(dict.fromkeys((*OUTCOMES, *QUEUE_OUTCOMES, ANSWERED)))
            raise click.BadParameter(f"found {outcome!r}, expected one of {known}", param_hint="--outcome")
        by_target[target] = (*by_target.get(target, ()), outcome)
    said: dict[str, Switched] = {}
    for name, value in _named(switches, "=", "--switch").items():
        if value not in ("open", "closed"):
            raise click.BadParameter(f"found {value!r}, expected open or closed", param_hint="--switch")
        said[name] = "open" if value == "open" else "closed"
    replies: dict[str, Any] = {}
    for name, value in _named(answers, "=", "--http").items():
        try:
            replies[f"http/{name}"] = {"error": value} if value == "error" else json.loads(value)
        except ValueError:
            raise click.BadParameter(
                f"found {value!r}, expected JSON, or error", param_hint="--http"
            ) from None
    return Givens(None, by_target, digits or None, replies, switches=said)


def _named(texts: tuple[str, ...], separator: str, option: str) -> dict[str, str]:
    pairs = (_pair(text, separator, option) for text in texts)
    return {name.lower() if option == "--header" else name: value for name, value in pairs}


def _pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not name.strip() or not found:
        raise click.BadParameter(f"found {text!r}, expected NAME{separator}VALUE", param_hint=option)
    return name.strip(), value.strip()


def settings_of(config: Path | None, dialplan: Path | None) -> "Settings | None":
    """The configuration that is named, or is here; None when a dialplan is all there is."""
    from pbx.config.settings import DEFAULT_FILE, Settings

    if config is None:
        if not DEFAULT_FILE.is_file():
            if dialplan is None:
                raise OperatorError(f"there is no {DEFAULT_FILE} here", "name a --config or a --dialplan")
            return None
        config = DEFAULT_FILE
    return Settings.load(config, secrets=False)


def _call(
    settings: "Settings | None", generation: "Generation", from_: str, to: str, via: str, at: str
) -> "Call":
    from pbx.dialplan.call import Call, Caller, normalised
    from pbx.documents import nearest

    user = settings.users.get(from_) if settings and not via else None
    trunk = via.removeprefix("trunk/")
    if trunk and settings and trunk not in settings.trunks:
        guess = nearest(trunk, settings.trunks)
        raise OperatorError(
            f"there is no trunk {trunk!r} in the configuration", f"did you mean {guess}?" if guess else ""
        )
    caller = Caller(normalised(from_)) if user is None else Caller(from_, user.name, from_)
    source = f"trunk/{trunk}" if trunk else "anyone" if user is None else "users"
    when = _when(at, generation.zone)
    return Call("explain", caller, normalised(to), source, when, user=caller.user, trunk=trunk or None)


def _when(text: str, zone: tzinfo) -> datetime:
    if not text:
        return datetime.now(zone)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"found {text!r}, expected a time such as 2026-11-23 10:00", param_hint="--at"
        ) from None
    return when.replace(tzinfo=zone) if when.tzinfo is None else when.astimezone(zone)
