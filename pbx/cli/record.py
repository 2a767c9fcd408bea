"""`pbx record`: recordings of a running service that are paused, and go on."""

from pathlib import Path
from urllib.parse import quote

import click

from pbx.cli.control import call_argument, config_option, json_option, tell
from pbx.cli.output import print_json


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
    _change(config, call_id, "pause", as_json=as_json, silence="false" if leave_out else "true")


@record.command()
@call_argument
@config_option
@json_option
def resume(call_id: str, config: Path, as_json: bool) -> None:
    """Record what is said again.

    With --json: {"id", "state": "recording"}.
    """
    _change(config, call_id, "resume", as_json=as_json)


def _change(config: Path, call_id: str, change: str, *, as_json: bool, **query: str) -> None:
    value = tell(config, f"/api/calls/{quote(call_id, safe='')}/recording/{change}", **query)
    if as_json:
        print_json(value)
    else:
        click.echo(
            f"the recording of call {call_id} {'is paused' if value['state'] == 'paused' else 'goes on'}"
        )
