"""`pbx status`, `pbx calls`, `pbx registrations`: what a running service says on its control socket."""

import json
import socket
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from pbx.cli.output import print_json
from pbx.errors import OperatorError

_PATIENCE_S = 5.0

# What the verbs that ask a running service have in common.
config_option = click.option(
    "--config",
    metavar="FILE",
    default="pbx.yaml",
    type=click.Path(path_type=Path),
    help="The configuration of the service; it says where the control socket is.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
call_argument = click.argument("call_id", metavar="CALL-ID")


class _Control(HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path, patience_s: float) -> None:
        super().__init__("localhost", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class NoService(OperatorError):
    """Nobody answers on the control socket."""


def exchange(config: Path, method: str, path: str, *, patience_s: float = _PATIENCE_S) -> tuple[int, Any]:
    """Status and value of the service's answer. Raises NoService when there is no service to ask."""
    from pbx.config.settings import Settings

    state = Settings.load(config, secrets=False).directories.state
    control = _Control(state / "pbx.sock", patience_s)
    try:
        control.request(method, path)
        answer = control.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, HTTPException, ValueError) as error:
        raise NoService(
            f"no service answers at {state / 'pbx.sock'}", "start it with `pbx run`, as the same user"
        ) from error
    finally:
        control.close()


def tell(config: Path, path: str, *, method: str = "POST", **query: str) -> Any:
    """What the service answers to a request that changes something. Raises OperatorError when it refuses."""
    status, value = exchange(config, method, f"{path}?{urlencode(query)}" if query else path)
    if status >= 300:
        said = value if isinstance(value, dict) else {}
        raise OperatorError(said.get("error") or f"the service answered {status}", said.get("hint") or "")
    return value


def ask(config: Path, path: str) -> Any:
    """What the service answers to GET `path`. Raises OperatorError when it does not."""
    status, value = exchange(config, "GET", path)
    if status != 200:
        said = value.get("error", "") if isinstance(value, dict) else ""
        raise OperatorError(f"the service answered {status}", str(said))
    return value


@click.command()
@config_option
@json_option
def status(config: Path, as_json: bool) -> None:
    """Show how a running service is doing."""
    value = ask(config, "/api/status")
    if as_json:
        print_json(value)
        return
    ports = value["media_ports"]
    click.echo(
        f"pbx {value['version']} at {value['domain']}: {value['state']} for {value['uptime_seconds']:.0f} s"
    )
    for listener in value["listeners"]:
        click.echo(f"  listens on     {listener['transport']}:{listener['host']}:{listener['port']}")
    click.echo(f"  dialplan       generation {value['generation']}")
    legs = "1 leg" if value["legs"] == 1 else f"{value['legs']} legs"
    click.echo(f"  calls          {value['calls']} ({legs})")
    click.echo(f"  registrations  {value['registrations']}")
    click.echo(f"  media ports    {ports['in_use']} of {ports['limit']} pairs")


@click.command()
@click.option(
    "--since",
    metavar="TIME",
    help="List calls that have ended: in the last 30m, 1h or 7d, or since 2026-11-23 10:00. "
    "Read from the store, also when no service runs.",
)
@click.option("--limit", metavar="N", default=1000, type=click.IntRange(1), help="At most so many; 1000.")
@config_option
@json_option
def calls(config: Path, since: str | None, limit: int, as_json: bool) -> None:
    """List the calls of a running service, oldest first; with --since, those that have ended.

    mos is the worst of all legs, both directions; - when it was not measured. With ! `pbx why` has something
    to tell.
    """
    if since is not None:
        from pbx.cli.records import show_ended

        show_ended(config, since, limit, as_json=as_json)
        return
    value = ask(config, "/api/calls")
    if as_json:
        print_json(value)
        return
    rows = [
        [
            call["id"],
            call["state"],
            f"{call['duration_seconds']:.0f} s",
            call["caller"],
            call["called"],
            lowest(
                [mos for leg in call["legs"] for mos in (leg.get("mos"), leg.get("peer_mos"))],
                bool(call.get("notes")),
            ),
            " - ".join(map(_leg, call["legs"])),
        ]
        for call in value["calls"]
    ]
    table(["call", "state", "since", "from", "to", "mos", "legs"], rows, value["total"])


def _leg(leg: dict[str, Any]) -> str:
    words = f"{leg['peer']} {leg['codec'] or ''}".strip()
    troubles = ", ".join([*(["holds"] if leg.get("holds") else []), *leg.get("troubles", ())])
    return f"{words} ({troubles})" if troubles else words


def lowest(scores: Iterable[float | None], noted: bool) -> str:
    """The worst MOS of a call, with a mark when `pbx why` has something to tell about it."""
    known = [score for score in scores if score is not None]
    return (f"{min(known):.1f}" if known else "-") + ("!" if noted else "")


@click.command()
@config_option
@json_option
def registrations(config: Path, as_json: bool) -> None:
    """List who is registered at a running service."""
    value = ask(config, "/api/registrations")
    if as_json:
        print_json(value)
        return
    rows = [
        [
            each["user"],
            each["contact"],
            f"{each['transport']}:{each['address']}",
            f"{each['expires_in_seconds']:.0f} s",
            each["user_agent"],
        ]
        for each in value["registrations"]
    ]
    table(["user", "contact", "flow", "expires", "phone"], rows, value["total"])


def table(header: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> None:
    """Print columns, of `total` rows these; control characters, which a phone may have sent, are escaped."""
    shown = [[plain(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(header))]
    for row in shown:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if total > len(rows):
        click.echo(f"and {total - len(rows)} more")


def plain(text: str) -> str:
    """`text` with what could draw on a terminal written out."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
