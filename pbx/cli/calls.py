"""`pbx originate`, `hangup`, `dtmf` and `play`: what operators do with the calls of a running service."""

from pathlib import Path
from urllib.parse import quote

import click

from pbx.cli.control import call_argument, config_option, json_option, tell
from pbx.cli.output import print_json


@click.command()
@click.argument("whom", metavar="FROM")
@click.argument("to", metavar="TO")
@click.option("--ring", metavar="SECONDS", type=click.FloatRange(1, 600), help="How long FROM is rung.")
@click.option("--show", metavar="NUMBER", default="", help="The number that FROM is shown; without it TO.")
@config_option
@json_option
def originate(whom: str, to: str, ring: float | None, show: str, config: Path, as_json: bool) -> None:
    """Ring FROM; when they answer, call TO for them as if they had dialled it.

    FROM is a user (1001), or a target as a dialplan's `dial` has it: user/1001, trunk/carrier/+31201234501,
    sip:alice@example.com. The dialplan decides by its `entry` for such a caller: `users`, that trunk, or
    `anyone`. Returns at once: `pbx calls` and `pbx why` tell how it goes on. Exit code 1 when FROM is not
    there to be rung. With --json: {"id", "rings", "called"}.
    """
    query = {"from": whom, "to": to}
    if ring is not None:
        query["ring"] = f"{ring:g}"
    if show:
        query["show"] = show
    value = tell(config, "/api/calls", **query)
    if as_json:
        print_json(value)
    else:
        click.echo(f"call {value['id']}: {value['rings']} is rung, to call {value['called']}")


@click.command()
@click.argument("call_id", metavar="CALL-ID", required=False)
@click.option("--all", "every", is_flag=True, help="End every call there is.")
@config_option
@json_option
def hangup(call_id: str | None, every: bool, config: Path, as_json: bool) -> None:
    """End a call: whoever talks gets a BYE, whoever rings is given up.

    CALL-ID is as `pbx calls` shows it, or the SIP Call-ID of a leg. Exit code 1 when there is no such call.
    With --json: {"id", "state": "ending"}, with --all {"calls": [id]}.
    """
    if every == (call_id is not None):
        raise click.UsageError("name a call, or give --all")
    if call_id is None:
        value = tell(config, "/api/calls", method="DELETE")
        ended = value["calls"]
        words = "there was no call" if not ended else "\n".join(f"call {each} ends" for each in ended)
    else:
        value = tell(config, _path(call_id), method="DELETE")
        words = f"call {value['id']} ends"
    if as_json:
        print_json(value)
    else:
        click.echo(words)


@click.command()
@call_argument
@click.argument("digits", metavar="DIGITS")
@click.option(
    "--leg",
    "side",
    type=click.Choice(["caller", "callee"]),
    help="Who gets them; without it the callee, and the caller when nobody else is there.",
)
@config_option
@json_option
def dtmf(call_id: str, digits: str, side: str | None, config: Path, as_json: bool) -> None:
    """Send the keys DIGITS (0-9, *, #, A-D; 32 at most) to a phone or trunk, one after the other.

    They go as telephone-events (RFC 4733). Exit code 1 when there is no such call, or the peer takes none.
    With --json: {"id", "peer", "digits"}.
    """
    if not digits or len(digits) > 32 or set(digits.upper()) - set("0123456789*#ABCD"):
        raise click.BadParameter(f"{digits!r} is not 1 to 32 of 0-9, *, # and A-D", param_hint="DIGITS")
    query = {"digits": digits} if side is None else {"digits": digits, "side": side}
    value = tell(config, _path(call_id, "digits"), **query)
    if as_json:
        print_json(value)
    else:
        click.echo(f"{value['peer']} is sent {value['digits']}")


@click.command()
@call_argument
@click.argument("sound", metavar="SOUND")
@config_option
@json_option
def play(call_id: str, sound: str, config: Path, as_json: bool) -> None:
    """Let two who talk, or a caller who waits, hear SOUND, once; they go on talking meanwhile.

    SOUND is a name as a `play:` of a dialplan has it. Exit code 1 when there is no such call or sound, or the
    call does something else. With --json: {"id", "sound", "seconds"}.
    """
    value = tell(config, _path(call_id, "play"), sound=sound)
    if as_json:
        print_json(value)
    else:
        click.echo(f"call {value['id']} hears {value['sound']} for {value['seconds']:.1f} s")


def _path(call_id: str, what: str = "") -> str:
    return f"/api/calls/{quote(call_id, safe='')}" + (f"/{what}" if what else "")
