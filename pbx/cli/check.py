"""`pbx check`: everything that is wrong with configuration and dialplans, before anything uses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pbx.cli.output import print_json, print_problems, problem_json
from pbx.errors import DocumentError, OperatorError, Problem

if TYPE_CHECKING:
    from pbx.config.settings import Settings
    from pbx.dialplan.lint import Finding
    from pbx.dialplan.scope import KnownNames
    from pbx.documents import Document

Kind = Literal["dialplan", "configuration", "unknown"]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one file."""

    file: str
    kind: Kind
    problems: Sequence[Problem]
    summary: str = ""
    warnings: "Sequence[Finding]" = ()


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where users and trunks are; ./pbx.yaml when it is there. Without one, only their form is checked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the reports as JSON.")
def check(files: tuple[Path, ...], config: Path | None, as_json: bool) -> None:
    """Validate configuration and dialplans; change nothing.

    A file's kind is known by its top-level keys. Without FILE, the configuration and the dialplan it names
    are checked; a configuration among the FILEs brings its dialplan along. Problems are printed on stderr as
    file:line:column, what was found, what was expected, and the nearest spelling; so are the warnings of
    `pbx lint`, with which a dialplan is still sound.

    Exit code 0 when everything is sound, 1 when it is not.

    With --json: {"ok": bool, "files": [{"file", "kind": "dialplan" | "configuration" | "unknown", "ok",
    "summary", "problems": [{"file", "line", "column", "message", "suggestion"}],
    "warnings": [{"code", and the same}]}]}.
    """
    reports = _reports(files, config)
    sound = not any(report.problems for report in reports)
    if as_json:
        print_json({"ok": sound, "files": [_as_json(report) for report in reports]})
    else:
        for report in reports:
            print_problems(report.problems)
            for finding in report.warnings:
                click.echo(str(finding), err=True)
            if not report.problems:
                click.echo(f"{report.file}: ok ({report.kind}: {report.summary})")
    raise SystemExit(0 if sound else 1)


def _reports(files: Sequence[Path], config: Path | None) -> list[Report]:
    from pbx.config.settings import DEFAULT_FILE

    named = config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    if not files:
        if named is None:
            raise OperatorError(f"there is no {DEFAULT_FILE} here", "name a FILE, or a --config")
        files = (named,)
    reports: list[Report] = []
    known: KnownNames | None = None
    if named is not None and named not in files:
        report, settings = _check_configuration(named)
        known = None if settings is None else settings.known
        if report.problems:
            reports.append(report)
    done: set[Path] = set()
    for file in files:
        if file.resolve() not in done:
            done.add(file.resolve())
            reports.extend(_check(file, known, done))
    return reports


def _check(file: Path, known: "KnownNames | None", done: set[Path]) -> list[Report]:
    """The report of `file`, and of the dialplan that it names when it is a configuration."""
    from pbx.config.candidates import kind_of
    from pbx.documents import load

    try:
        document = load(file)
    except DocumentError as error:
        return [Report(str(file), "unknown", error.problems)]
    kind = kind_of(document)
    if kind == "dialplan":
        return [_check_dialplan(file, document, known)]
    if kind == "unknown":
        message = "found neither a dialplan (entry, chains) nor a configuration (listen, users, dialplan, …)"
        return [Report(str(file), kind, (Problem(document.place(()), message),))]
    report, settings = _check_configuration(file, secrets=True)
    if settings is None or settings.dialplan.resolve() in done:
        return [report]
    done.add(settings.dialplan.resolve())
    return [report, _check_named_dialplan(settings, document)]


def _check_named_dialplan(settings: "Settings", configuration: "Document") -> Report:
    from pbx.documents import load

    file = settings.dialplan
    try:
        return _check_dialplan(file, load(file), settings.known)
    except DocumentError as error:
        return Report(str(file), "dialplan", error.problems)
    except OperatorError as error:
        problem = Problem(configuration.place(("dialplan",)), str(error))
        return Report(str(file), "dialplan", (problem,))


def _check_dialplan(file: Path, document: "Document", known: "KnownNames | None") -> Report:
    from pbx.dialplan.check import check_document

    try:
        checked = check_document(document, known, file.parent)
    except DocumentError as error:
        return Report(str(file), "dialplan", error.problems)
    summary = "" if checked.problems else str(checked.summary)
    return Report(str(file), "dialplan", checked.problems, summary, checked.warnings)


def _check_configuration(file: Path, *, secrets: bool = False) -> "tuple[Report, Settings | None]":
    from pbx.config.settings import Settings

    try:
        settings = Settings.load(file, secrets=secrets)
        plugins = settings.known.plugins or ()
    except DocumentError as error:
        return Report(str(file), "configuration", error.problems), None
    problems = _sound_problems(settings, file)
    if problems:
        return Report(str(file), "configuration", problems), settings
    users, trunks = len(settings.users), len(settings.trunks)
    summary = f"{users} user{'' if users == 1 else 's'}, {trunks} trunk{'' if trunks == 1 else 's'}"
    if plugins:
        summary += f", {len(plugins)} plugin{'' if len(plugins) == 1 else 's'}"
    return Report(str(file), "configuration", (), summary), settings


def _sound_problems(settings: "Settings", file: Path) -> tuple[Problem, ...]:
    """What is wrong with the operator's sounds: better said now than when a caller should hear them."""
    from pbx.documents import load
    from pbx.media.wav import read_wav

    said: list[str] = []
    for path in sorted(settings.directories.sounds.rglob("*.wav")):
        try:
            read_wav(path)
        except OperatorError as error:
            said.append(str(error))
    if not said:
        return ()
    place = load(file).place(("directories", "sounds"))
    return tuple(Problem(place, each) for each in said)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "file": report.file,
        "kind": report.kind,
        "ok": not report.problems,
        "summary": report.summary,
        "problems": [problem_json(problem) for problem in report.problems],
        "warnings": [{"code": each.code, **problem_json(each.advised)} for each in report.warnings],
    }
