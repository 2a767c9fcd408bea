"""`pbx`, the command. Verbs are loaded when they are used, so that `pbx --help` and `pbx check` stay quick.

Each verb is a click command. `VERBS` says where it is, as `module:attribute`, and gives the line that
`pbx --help` shows, which therefore imports no verb.

Exit codes: 0 fine, 1 the answer is no or something has to be mended first, 2 wrong use. An OperatorError is
printed on stderr as it is (one line, or one for each problem of a document), without a traceback.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from pbx.errors import DocumentError, OperatorError


@dataclass(frozen=True, slots=True)
class Verb:
    """Where a verb's command is, and what it does in one line."""

    location: str
    summary: str


VERBS: Mapping[str, Verb] = {
    "run": Verb("pbx.cli.run:run", "Run the service."),
    "check": Verb("pbx.cli.check:check", "Validate configuration and dialplans; changes nothing."),
    "test": Verb("pbx.cli.test:test", "Run the tests of dialplans, with coverage of their rules."),
    "lint": Verb("pbx.cli.lint:lint", "Find dead rules, chains without an end, hours that never open."),
    "explain": Verb("pbx.cli.explain:explain", "Show how one imagined call would be decided, and why."),
    "diff": Verb("pbx.cli.diff:diff", "Show which calls go elsewhere under another dialplan."),
    "why": Verb("pbx.cli.why:why", "Show how a call that really happened was decided, and why."),
    "replay": Verb("pbx.cli.replay:replay", "Decide recorded calls again under another dialplan."),
    "shadow": Verb("pbx.cli.shadow:shadow", "Let another dialplan decide beside the live one."),
    "reload": Verb("pbx.cli.generations:reload", "Load the dialplan anew; a bad one changes nothing."),
    "generations": Verb("pbx.cli.generations:generations", "List the dialplans that were live."),
    "rollback": Verb("pbx.cli.generations:rollback", "Go back to a dialplan that was live."),
    "schema": Verb("pbx.cli.schema:schema", "Print the JSON Schema of a file, for editors."),
    "status": Verb("pbx.cli.control:status", "Show how a running service is doing."),
    "calls": Verb("pbx.cli.control:calls", "List the calls that go on, or with --since those that ended."),
    "registrations": Verb("pbx.cli.control:registrations", "List who is registered at a running service."),
    "queues": Verb(
        "pbx.cli.queues:queues", "Show who waits and who serves; agents, supervisors, simulation."
    ),
    "originate": Verb("pbx.cli.calls:originate", "Ring somebody, and call somebody else for them."),
    "hangup": Verb("pbx.cli.calls:hangup", "End a call, or all of them."),
    "dtmf": Verb("pbx.cli.calls:dtmf", "Send keys to one side of a call."),
    "play": Verb("pbx.cli.calls:play", "Let the two of a call, or a caller who waits, hear a sound."),
    "record": Verb("pbx.cli.record:record", "Pause the recording of a call, and go on with it."),
    "sipp": Verb("pbx.cli.sipp:sipp", "Run the SIPp suite against a PBX that it starts."),
    "bench": Verb("pbx.cli.bench:bench", "Measure calls and packets on this machine."),
}


class Verbs(click.Group):
    """A group whose commands come from `VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # the same in every context
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # the same in every context
        """The command of a verb, imported now; None when there is no such verb."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        location, _, attribute = verb.location.partition(":")
        try:
            module = import_module(location)
        except ModuleNotFoundError as error:
            if error.name != location:
                raise
            raise OperatorError(f"this version of pbx has no {cmd_name} yet") from None
        command: click.Command = getattr(module, attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, but an unknown verb is answered with the nearest one."""
        name = args[0]
        if name not in VERBS and not name.startswith("-"):
            close = get_close_matches(name, VERBS, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; the verbs are {', '.join(VERBS)}"
            ctx.fail(f"there is no verb {name!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # the same in every context
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error for the operator is said on stderr and exits with 1."""
        try:
            return super().invoke(ctx)
        except OperatorError as error:
            click.echo(str(error) if isinstance(error, DocumentError) else f"pbx: {error}", err=True)
            ctx.exit(1)


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    try:
        click.echo(f"pbx {version('pbx')}")
    except PackageNotFoundError:
        click.echo("pbx, from a source tree that is not installed")
    ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
def main() -> None:
    """Run and ask a programmable PBX.

    Each verb has --help. Exit codes: 0 fine, 1 the answer is no, 2 wrong use.
    """
