"""`pbx lint`: what a sound dialplan still says wrongly."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pbx.cli.dialplans import loaded_dialplans
from pbx.cli.output import place_json, print_json, print_problems, problem_json

if TYPE_CHECKING:
    from pbx.dialplan.lint import Finding


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where users and trunks are; ./pbx.yaml when it is there.",
)
@click.option("--strict", is_flag=True, help="Warnings are an answer of no, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def lint(files: tuple[Path, ...], config: Path | None, strict: bool, as_json: bool) -> None:
    """Find rules and handlers that no call reaches, chains that can end undecided, hours that never open.

    Without FILE, in the dialplan that the configuration names. Every finding is an error, a warning or a
    note, and has a code that stays the same; where there is one, a call that shows what is meant.

    Exit code 0 without errors (with --strict: and without warnings), 1 with them or when a dialplan is not
    sound.

    With --json: {"ok": bool, "files": [{"file", "problems": […], "findings": [{"code", "level", "file",
    "line", "column", "message", "suggestion", "witness": {"from", "to", "source", "at", "chain"} or
    null}]}]}.
    """
    from datetime import UTC, datetime

    from pbx.dialplan.lint import lint as linted

    today = datetime.now(UTC).date()
    bad = {"error", "warning"} if strict else {"error"}
    sound = True
    reports: list[dict[str, Any]] = []
    for loaded in loaded_dialplans(files, config):
        findings: list[Finding] = []
        if loaded.generation is not None and loaded.build is not None:
            findings = linted(loaded.generation, loaded.build, today)
        sound = sound and not loaded.problems and not any(each.level in bad for each in findings)
        reports.append(
            {
                "file": loaded.file,
                "problems": [problem_json(problem) for problem in loaded.problems],
                "findings": [_as_json(finding) for finding in findings],
            }
        )
        if not as_json:
            print_problems(loaded.problems)
            for finding in findings:
                click.echo(str(finding))
            if loaded.generation is not None and not findings:
                click.echo(f"{loaded.file}: nothing to say")
    if as_json:
        print_json({"ok": sound, "files": reports})
    raise SystemExit(0 if sound else 1)


def _as_json(finding: "Finding") -> dict[str, Any]:
    problem, witness = finding.problem, finding.witness
    return {
        "code": finding.code,
        "level": finding.level,
        **place_json(problem.place),
        "message": problem.message,
        "suggestion": problem.suggestion,
        "advice": finding.advice,
        "witness": None
        if witness is None
        else {
            "from": witness.call.caller.number,
            "to": witness.call.called,
            "source": witness.call.source,
            "at": witness.call.at.isoformat(),
            "chain": witness.chain or None,
        },
    }
