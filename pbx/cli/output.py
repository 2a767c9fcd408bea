"""What verbs print: JSON for programs, problems and plain lines for people."""

import json
from collections.abc import Iterable
from typing import Any

import click

from pbx.errors import Place, Problem


def print_json(value: Any) -> None:
    """Print `value` as one JSON document, keys in the order they were given."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def print_problems(problems: Iterable[Problem]) -> None:
    """Print a line for each problem on stderr: file:line:column, what is wrong, the nearest spelling."""
    for problem in problems:
        click.echo(str(problem), err=True)


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem as plain values: `file`, `line`, `column`, `message`, `suggestion` (empty when none)."""
    return {
        **place_json(problem.place),
        "message": problem.message,
        "suggestion": problem.suggestion,
    }


def place_json(place: Place) -> dict[str, Any]:
    """A place as plain values."""
    return {"file": place.file, "line": place.line, "column": place.column}
