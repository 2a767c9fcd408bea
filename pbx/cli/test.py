"""`pbx test`: run the `tests:` of dialplans, and say which rules no test reached."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import click

from pbx.cli.dialplans import Loaded, loaded_dialplans
from pbx.cli.output import place_json, print_json, print_problems, problem_json
from pbx.errors import OperatorError

if TYPE_CHECKING:
    from pbx.dialplan.trials import Coverage, Part, Trial


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path))
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where users and trunks are; ./pbx.yaml when it is there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit report."
)
def test(files: tuple[Path, ...], config: Path | None, as_json: bool, junit: Path | None) -> None:
    """Run the tests of dialplans; without FILE, of the dialplan that the configuration names.

    The compiled tree is asked, as for real calls, without sockets; how targets answer and what time it is
    stand in the tests. Rules that no test reached are listed after them.

    Exit code 0 when every test passed, 1 when one did not or a dialplan is not sound.

    With --json: {"ok": bool, "files": [{"file", "ok", "problems": […], "tests": [{"name", "file", "line",
    "column", "passed", "error", "failures": [text], "path": text}], "coverage": {"reached", "total",
    "missed": [{"chain", "position", "handler", "rule", "what", "file", "line", "column"}]}}]}.
    """
    from pbx.dialplan.trials import coverage, run_cases

    results = []
    for loaded in loaded_dialplans(files, config):
        trials = [] if loaded.generation is None else run_cases(loaded.generation)
        results.append((loaded, trials))
    sound = all(
        loaded.generation is not None and all(trial.passed for trial in trials) for loaded, trials in results
    )
    if junit is not None:
        _write_junit(junit, results)
    if as_json:
        print_json({"ok": sound, "files": [_as_json(loaded, trials) for loaded, trials in results]})
    else:
        for loaded, trials in results:
            print_problems(loaded.problems)
            if loaded.generation is not None:
                print_trials(loaded, trials)
                _print_coverage(loaded, trials, coverage(loaded.generation, trials))
    raise SystemExit(0 if sound else 1)


def print_trials(loaded: Loaded, trials: "list[Trial]") -> None:
    """Print the tests that failed, each with the way the call took, on stderr."""
    assert loaded.generation is not None
    for trial in trials:
        if not trial.passed:
            verdict = "cannot be judged" if trial.error else "failed"
            click.echo(f"{trial.case.place}: the test {trial.case.name!r} {verdict}", err=True)
            for failure in trial.failures:
                click.echo(f"    {failure}", err=True)
            for line in trial.path(loaded.generation).splitlines():
                click.echo(f"    | {line}", err=True)


def _print_coverage(loaded: Loaded, trials: "list[Trial]", found: "Coverage") -> None:
    passed = sum(trial.passed for trial in trials)
    click.echo(f"{loaded.file}: {passed} of {len(trials)} tests passed, {found}")
    for part in found.missed:
        click.echo(f"{part.place}: no test reached {_named(part)}")


def _named(part: "Part") -> str:
    where = f"{part.chain}: {part.position} {part.handler}"
    return where if part.rule is None else f"{where}, {part.what}"


def _as_json(loaded: Loaded, trials: "list[Trial]") -> dict[str, Any]:
    from pbx.dialplan.trials import coverage

    report: dict[str, Any] = {
        "file": loaded.file,
        "ok": loaded.generation is not None and all(trial.passed for trial in trials),
        "problems": [problem_json(problem) for problem in loaded.problems],
        "tests": [],
        "coverage": None,
    }
    if loaded.generation is None:
        return report
    report["tests"] = [
        {
            "name": trial.case.name,
            **place_json(trial.case.place),
            "passed": trial.passed,
            "error": trial.error,
            "failures": trial.failures,
            "path": trial.path(loaded.generation),
        }
        for trial in trials
    ]
    found = coverage(loaded.generation, trials)
    report["coverage"] = {
        "reached": len(found.reached),
        "total": len(found.reached) + len(found.missed),
        "missed": [
            {
                "chain": part.chain,
                "position": part.position,
                "handler": part.handler,
                "rule": part.rule,
                "what": part.what,
                **place_json(part.place),
            }
            for part in found.missed
        ],
    }
    return report


def _write_junit(path: Path, results: "list[tuple[Loaded, list[Trial]]]") -> None:
    from pbx.dialplan.trials import coverage

    root = ElementTree.Element("testsuites")
    for loaded, trials in results:
        bad = [trial for trial in trials if not trial.passed]
        broken = sum(trial.error for trial in bad) + bool(loaded.problems)
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=loaded.file,
            tests=str(len(trials) + bool(loaded.problems)),
            failures=str(sum(not trial.error for trial in bad)),
            errors=str(broken),
        )
        if loaded.generation is None:
            case = ElementTree.SubElement(
                suite, "testcase", classname=loaded.file, name="the dialplan is sound"
            )
            error = ElementTree.SubElement(case, "error", message="the dialplan is not sound")
            error.text = _xml("\n".join(map(str, loaded.problems)))
            continue
        for trial in trials:
            case = ElementTree.SubElement(
                suite, "testcase", classname=loaded.file, name=_xml(trial.case.name), time="0"
            )
            if not trial.passed:
                kind = "error" if trial.error else "failure"
                fault = ElementTree.SubElement(case, kind, message=_xml(trial.failures[0]))
                fault.text = _xml("\n".join((*trial.failures, trial.path(loaded.generation))))
        found = coverage(loaded.generation, trials)
        output = ElementTree.SubElement(suite, "system-out")
        missed = "\n".join(f"{part.place}: no test reached {_named(part)}" for part in found.missed)
        output.text = _xml(f"{found}\n{missed}")
    ElementTree.indent(root)
    try:
        ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise OperatorError(f"{path} cannot be written ({reason})", "name another --junit") from None


def _xml(text: str) -> str:
    """`text` without what XML 1.0 cannot say."""
    return "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
