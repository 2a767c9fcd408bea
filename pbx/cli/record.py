"""`pbx record`: recordings of a running service that are paused, and go on."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from pbx.cli.control import call_argument, config_option, exchange, json_option
from pbx.cli.output import print_json
from pbx.errors import OperatorError


@click.group()
def record() -> None:
    """Pause the recording of a call, as for the digits of a card, and go on with it.

    CALL-ID is as `pbx calls` shows it. Exit code 1 when there is no such call, or it is not recorded. What
    was paused, and when, is noted: `pbx why CALL-ID` tells.
    """


@record.command()
@call_argument
@click.option(
    "--leave-out", is_flag=True, help="Leave out what is said meanwhile, instead of silence in its place."
)
@config_option
@json_option
def pause(call_id: str, leave_out: bool, config: Path, as_json: bool) -> None:
    """Record nothing of what is said from now on.

    With --json: {"id", "state": "paused"}.
    """
    _change(config, call_id, f"pause?silence={'false' if leave_out else 'true'}", as_json=as_json)


@record.command()
@call_argument
@config_option
@json_option
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
