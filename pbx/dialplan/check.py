"""Checking a dialplan: everything that would keep it from being loaded, and a summary of what it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pbx.dialplan.compiler import compile_with_build
from pbx.dialplan.generation import Generation
from pbx.dialplan.handlers.routing import RoutingHandler
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import run_cases
from pbx.documents import Document, load, shown
from pbx.errors import DocumentError, Problem

if TYPE_CHECKING:
    from pbx.dialplan.lint import Finding


@dataclass(frozen=True, slots=True)
class Summary:
    """How much there is in a sound dialplan."""

    chains: int
    handlers: int
    rules: int
    tests: int

    def __str__(self) -> str:
        counts: tuple[tuple[int, str], ...] = (
            (self.chains, "chain"),
            (self.handlers, "handler"),
            (self.rules, "rule"),
        )
        if self.tests:
            counts += ((self.tests, "test"),)
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


@dataclass(frozen=True, slots=True)
class Checked:
    """A dialplan that compiles: what is in it, what is wrong with it, and the warnings of `lint`."""

    summary: Summary
    problems: tuple[Problem, ...]
    warnings: tuple["Finding", ...]


def check_file(path: Path, known: KnownNames | None = None) -> list[Problem]:
    """The problems of the dialplan at `path`, in file order; raises OperatorError when it cannot be read."""
    try:
        return list(check_document(load(path), known, path.parent).problems)
    except DocumentError as error:
        return list(error.problems)


def load_checked(path: Path, known: KnownNames | None = None, number: int = 1) -> Generation:
    """The dialplan at `path` as generation `number`, if it may go live.

    Raises OperatorError when it cannot be read, and DocumentError with every problem: of its form, its tests
    and the errors of `lint`. A test that cannot be judged, because a plugin is not running yet, is none.
    """
    from pbx.dialplan.lint import errors

    generation, build = compile_with_build(load(path), known, number, path.parent)
    problems = [finding.advised for finding in errors(generation, build)]
    problems += failing_tests(generation, unjudged=False)
    if problems:
        raise DocumentError(tuple(problems))
    return generation


def check_document(document: Document, known: KnownNames | None, directory: Path) -> Checked:
    """Compile `document`, run its tests, lint it, and count what is in it.

    Raises DocumentError with every problem when it does not compile.
    """
    from pbx.dialplan.lint import lint

    generation, build = compile_with_build(document, known, directory=directory)
    findings = lint(generation, build)
    problems = [finding.advised for finding in findings if finding.level == "error"]
    problems += failing_tests(generation)
    warnings = tuple(finding for finding in findings if finding.level == "warning")
    return Checked(summary_of(generation), tuple(problems), warnings)


def failing_tests(generation: Generation, *, unjudged: bool = True) -> list[Problem]:
    """A problem for each test of the dialplan that does not pass, or, with `unjudged`, cannot be judged."""
    return [
        Problem(
            trial.case.place,
            f"the test {shown(trial.case.name)} {'cannot be judged' if trial.error else 'failed'}: "
            + "; ".join(trial.failures),
        )
        for trial in run_cases(generation)
        if not trial.passed and (unjudged or not trial.error)
    ]


def summary_of(generation: Generation) -> Summary:
    """Count what is in a generation."""
    handlers = [link.handler for chain in generation.chains.values() for link in chain.links]
    rules = sum(len(handler.options.rules) for handler in handlers if isinstance(handler, RoutingHandler))
    return Summary(len(generation.chains), len(handlers), rules, len(generation.cases))
