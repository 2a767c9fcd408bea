"""Calls and dialplans for the tests of this package."""

from datetime import UTC, datetime
from pathlib import Path

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.compiler import compile_dialplan, load_dialplan
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.errors import DocumentError

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KNOWN = KnownNames(frozenset({"1001", "1002", "1003"}), frozenset({"carrier", "backup"}))


def call(
    to: str,
    *,
    from_: str = "1001",
    user: str | None = "1001",
    trunk: str | None = None,
    source: str = "users",
    variables: dict[str, str] | None = None,
) -> Call:
    """A call by a user, unless said otherwise."""
    caller = Caller(from_, "Alice", user)
    return Call("id", caller, to, source, NOON, user=user, trunk=trunk, variables=variables or {})


def stranger(to: str, from_: str = "anonymous") -> Call:
    """A call by nobody we know."""
    return call(to, from_=from_, user=None, source="anyone")


def generation(
    chains: str, *, entry: str = "[{from: anyone, chain: main}]", known: KnownNames = KNOWN
) -> Generation:
    """Compile the text of `chains:`, which is indented by two spaces or more."""
    return compile_dialplan(loads(f"entry: {entry}\nchains:\n{chains}", "d.yaml"), known)


def rules(*lines: str, known: KnownNames = KNOWN) -> Generation:
    """Compile a chain `main` of one `routing` with these rules."""
    listed = "".join(f"        - {line}\n" for line in lines)
    return generation(f"  main:\n    - routing:\n{listed}  night:\n    - reject: 480\n", known=known)


def decide(tree: Generation, asked: Call) -> Verdict:
    """What the dialplan decides; fails the test when it would have to wait."""
    return decide_now(tree.decide(asked))


def problems(text: str, known: KnownNames = KNOWN) -> list[str]:
    """The problems of a dialplan, as they are printed."""
    try:
        compile_dialplan(loads(text, "d.yaml"), known)
    except DocumentError as error:
        return [str(problem) for problem in error.problems]
    return []


def rule_problems(*lines: str, known: KnownNames = KNOWN) -> list[str]:
    """The problems of `rules`, whose first line is line 5 of the file, with the rule at column 11."""
    try:
        rules(*lines, known=known)
    except DocumentError as error:
        return [str(problem) for problem in error.problems]
    return []


def pairs(table: str) -> list[tuple[str, str]]:
    """What is written, and under it, indented, what is said about it."""
    lines = table.strip("\n").split("\n")
    return [(lines[index], lines[index + 1].strip()) for index in range(0, len(lines), 2)]


def with_problems(path: Path, known: KnownNames = KNOWN) -> tuple[Generation | None, list[str]]:
    """The dialplan at `path`, or its problems as they are printed."""
    try:
        return load_dialplan(path, known), []
    except DocumentError as error:
        return None, [str(problem) for problem in error.problems]
