"""`pbx record`: recordings of a running service that are paused, and go on."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pbx.cli.control import exchange
from pbx.cli.output import print_json
from pbx.errors import OperatorError

_config = click.option(
    "--config",
    metavar="FILE",
    default="pbx.yaml",
    type=click.Path(path_type=Path),
    help="The configuration of the service; it says where the control socket is.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print the API's answer as JSON.")
_call = click.argument("call_id", metavar="CALL-ID")


@click.group()
def record() -> None:
    """Pause the recording of a call, as for the digits of a card, and go on with it.

    CALL-ID is as `pbx calls` shows it. Exit code 1 when there is no such call, or it is not recorded. What
    was paused, and when, is noted: `pbx why CALL-ID` tells.
    """


@record.command()
@_call
@click.option(
    "--leave-out", is_flag=True, help="Leave out what is said meanwhile, instead of silence in its place."
)
@_config
@_json
def pause(call_id: str, leave_out: bool, config: Path, as_json: bool) -> None:
    """Record nothing of what is said from now on.

    With --json: {"id", "state": "paused"}.
    """
    _change(config, call_id, f"pause?silence={'false' if leave_out else 'true'}", as_json=as_json)


@record.command()
@_call
@_config
@_json
def resume(call_id: str, config: Path, as_json: bool) -> None:
    """Record what is said again.

    With --json: {"id", "state": "recording"}.
    """
    _change(config, call_id, "resume", as_json=as_json)


def _change(config: Path, call_id: str, change: str, *, as_json: bool) -> None:
    path = f"/api/calls/{quote(call_id, safe='')}/recording/{change}"
    status, value = exchange(config, "POST", path)
    if status >= 300:
        raise _refusal(status, value)
    if as_json:
        print_json(value)
    else:
        click.echo(
            f"the recording of call {call_id} {'is paused' if value['state'] == 'paused' else 'goes on'}"
        )


def _refusal(status: int, value: Any) -> OperatorError:
    said = value if isinstance(value, dict) else {}
    return OperatorError(said.get("error") or f"the service answered {status}", said.get("hint") or "")
