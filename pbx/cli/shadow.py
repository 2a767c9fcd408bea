"""`pbx shadow`: a candidate dialplan beside the live one."""

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pbx.cli.control import exchange, plain
from pbx.cli.generations import raise_refusal
from pbx.cli.output import print_json
from pbx.config.settings import DEFAULT_FILE

_PATIENCE_S = 120.0


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--off", is_flag=True, help="End it, and show what it came to.")
@click.option(
    "--config",
    metavar="FILE",
    default=DEFAULT_FILE,
    type=click.Path(path_type=Path),
    help="The configuration of the service; it says where the control socket is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
def shadow(file: Path | None, off: bool, config: Path, as_json: bool) -> None:
    """Have the dialplan FILE decide every new call beside the live one; without FILE, show what it said.

    Nothing comes of its decisions but counts and the last calls that it would have sent elsewhere. It is
    told what the live dialplan was told: facts, and the answers of plugins and web services. FILE may also
    be a configuration that names a dialplan. It lasts until --off, another FILE, or the end of the service.

    Exit code 0 when there are no differences so far, 1 when there are some.

    With --json: {"dialplan", "since", "decisions": {"same", "different", "unknown", "skipped"},
    "differences": [{"call", "at", "caller", "called", "source", "after", "was", "would_be"}]}.
    """
    if off and file is not None:
        raise click.UsageError("either FILE or --off")
    if file is not None:
        path = f"/api/shadow?file={quote(str(file.absolute()))}"
        status, value = exchange(config, "PUT", path, patience_s=_PATIENCE_S)
        if as_json and status != 200:
            print_json(value)
            raise SystemExit(1)
        raise_refusal(status, value, "nothing has changed")
    else:
        status, value = exchange(config, "DELETE" if off else "GET", "/api/shadow")
        raise_refusal(status, value, "nothing has changed")
    if as_json:
        print_json(value)
    else:
        _show(value, begun=file is not None, ended=off)
    raise SystemExit(1 if value["decisions"].get("different") else 0)


def _show(value: Any, *, begun: bool, ended: bool) -> None:
    if not value["dialplan"]:
        click.echo("no dialplan shadows the live one")
        return
    if begun:
        click.echo(f"{value['dialplan']} shadows the live dialplan; `pbx shadow` shows how it goes")
        return
    since = datetime.fromisoformat(value["since"]).astimezone()
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(value["decisions"].items()))
    verb = "shadowed" if ended else "shadows"
    click.echo(f"{value['dialplan']} {verb} the live dialplan since {since:%Y-%m-%d %H:%M:%S}")
    click.echo(f"decisions: {counts or 'none yet'}")
    for each in value["differences"]:
        at = datetime.fromisoformat(each["at"]).astimezone()
        after = f", after {each['after']}" if each["after"] else ""
        whose = f"from {each['caller'] or 'nobody'} to {each['called']}, coming from {each['source']}"
        line = f"{at:%H:%M:%S} {each['call']} {whose}{after}: {each['was']} → {each['would_be']}"
        click.echo(plain(line))
