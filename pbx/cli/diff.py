"""`pbx diff OLD NEW`: which calls go elsewhere, each kind with a witness."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli.dialplans import loaded_dialplan, settings_of
from pbx.cli.output import print_json
from pbx.errors import DocumentError

if TYPE_CHECKING:
    from pbx.dialplan.call import Call

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--config", metavar="FILE", type=_FILE, help="Where users and trunks are; ./pbx.yaml if there.")
@click.option(
    "--start",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The year that begins here is looked at; today when left out.",
)
@click.option("--all", "shows_all", is_flag=True, help="Print a witness of every kind of call that differs.")
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def diff(
    old: Path, new: Path, config: Path | None, start: datetime | None, shows_all: bool, as_json: bool
) -> None:
    """Show which calls go elsewhere under the dialplan NEW than under OLD.

    Calls of every kind that the patterns, lists and calendars of the two tell apart are decided under both;
    those that went and go the same ways are one line, with a witness that `pbx explain` confirms.
    Regular expressions only divide the numbers that are tried for the other patterns.

    Exit code 0 when every call goes the same way, 1 when not, or when a dialplan is not sound.

    With --json: {"same": bool, "complete": bool, "calls": number of calls tried, "differences": [{"from",
    "to", "source", "at", "old", "new", "kinds", "witnesses": [{"from", "to", "source", "at"} for each
    kind]}]}. "complete" is false when there were too many kinds.
    """
    from pbx.dialplan.diff import compare, default_start, presented

    settings = settings_of(config)
    before, after = loaded_dialplan(old, settings), loaded_dialplan(new, settings)
    if before.generation is None or after.generation is None:
        raise DocumentError((*before.problems, *after.problems))
    zone = after.generation.zone
    moment = default_start(datetime.now(zone)) if start is None else start.replace(tzinfo=zone)
    found = compare(before.generation, after.generation, moment)
    if as_json:
        print_json(
            {
                "same": not found.differences,
                "complete": found.complete,
                "calls": found.calls,
                "differences": [
                    {
                        **_witness(each.witness),
                        "old": each.old,
                        "new": each.new,
                        "kinds": each.kinds,
                        "witnesses": [_witness(call) for call in each.witnesses],
                    }
                    for each in found.differences
                ],
            }
        )
    else:
        for each in found.differences:
            click.echo(_plain(str(each)))
            for call in each.witnesses[1:] if shows_all else ():
                click.echo(_plain(f"  {presented(call)}"))
        if not found.differences:
            click.echo("every call goes the same way")
        if not found.complete:
            click.echo(f"there are too many kinds of calls: {found.calls} calls were tried", err=True)
    raise SystemExit(1 if found.differences else 0)


def _witness(call: "Call") -> dict[str, str]:
    return {
        "from": call.caller.number,
        "to": call.called,
        "source": call.source,
        "at": call.at.isoformat(),
    }


def _plain(line: str) -> str:
    return line if line.isprintable() else repr(line)[1:-1]
