"""`pbx sipp`: the interop suite, with SIPp as the phones and a PBX that it starts."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.errors import OperatorError

if TYPE_CHECKING:
    from pbx.cli.interop.case import Case
    from pbx.cli.interop.runner import Outcome

JOBS = 4


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--target", metavar="HOST:PORT", default="", help="Call this PBX and start none.")
@click.option("--metrics", metavar="HOST:PORT", default="", help="With --target: where its /metrics are.")
@click.option(
    "--cases", metavar="DIR", type=click.Path(path_type=Path), help="The suite; else sipp/ is found."
)
@click.option("--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write a JUnit report.")
@click.option("--keep", is_flag=True, help="Keep the traces of cases that passed, too.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 16),
    help=f"Cases at a time, a PBX for each: {JOBS}, or 1 with --target, if not given.",
)
@click.option("--list", "only_list", is_flag=True, help="Name the cases and what they are for.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--no-relay", is_flag=True, hidden=True, help="Switch relaying off: cases with audio must fail."
)
def sipp(
    names: tuple[str, ...],
    target: str,
    metrics: str,
    cases: Path | None,
    junit: Path | None,
    keep: bool,
    jobs: int | None,
    only_list: bool,
    as_json: bool,
    no_relay: bool,
) -> None:
    """Run the SIPp suite, or the cases NAMED, against a PBX that is started for it.

    Exit code 0 when no case failed, 1 when one did, 2 when they could not be run.
    """
    from pbx.cli.interop import report
    from pbx.cli.interop.actors import find_sipp
    from pbx.cli.interop.case import find_suite
    from pbx.cli.interop.runner import Options, run_all

    outcomes: list[Outcome] = []
    try:
        _check(target, metrics, jobs)
        suite = find_suite(cases)
        chosen = suite.select(names)
        if only_list:
            _list(chosen, as_json)
            return
        find_sipp()
        options = Options(target, metrics, relay=not no_relay, keep=keep)
        for outcome in run_all(suite, chosen, options, 1 if target else jobs or JOBS):
            outcomes.append(outcome)
            if not as_json:
                click.echo(report.line(outcome))
        if junit is not None:
            report.write_junit(outcomes, junit)
    except OperatorError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(f"{error.filename or 'the system'}: {error.strerror}", err=True)
        sys.exit(2)
    click.echo(json.dumps(report.to_json(outcomes), indent=2) if as_json else report.summary(outcomes))
    if any(outcome.faults for outcome in outcomes):
        sys.exit(1)


def _check(target: str, metrics: str, jobs: int | None) -> None:
    for option, value in (("--target", target), ("--metrics", metrics)):
        host, colon, port = value.rpartition(":")
        if value and not (host and colon and port.isdigit() and 0 < int(port) < 65536):
            raise OperatorError(f"{option} {value!r} is not HOST:PORT", "for instance 127.0.0.1:5060")
    if target and (jobs or 1) > 1:
        raise OperatorError(
            "--jobs does not go with --target", "cases that run at the same time need a PBX each"
        )
    if metrics and not target:
        raise OperatorError("--metrics goes with --target", "the PBX started here says where its own are")


def _list(chosen: "list[Case]", as_json: bool) -> None:
    if as_json:
        shown = [
            {"name": case.name, "summary": case.shape.summary, "intent": case.shape.intent} for case in chosen
        ]
        click.echo(json.dumps(shown, indent=2))
        return
    for case in chosen:
        click.echo(f"{case.name:<24} {case.shape.summary}")
