"""From a document to a generation, with every problem found on the way."""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from pbx.dialplan.calendars import compile_calendars
from pbx.dialplan.cases import compile_cases
from pbx.dialplan.chain import Chain, Link
from pbx.dialplan.generation import Entry, Generation
from pbx.dialplan.joined import joined
from pbx.dialplan.lists import compile_lists
from pbx.dialplan.queues import check_overflows, compile_queues
from pbx.dialplan.schema import DialplanFile, EntryShape
from pbx.dialplan.scope import Build, KnownNames, Scope, variables_in
from pbx.dialplan.steps import compile_step
from pbx.documents import Document, load, nearest, shown, validate
from pbx.errors import DocumentError, Problem

NOT_YET = ("menus",)
"""Top-level keys that dialplans may come to use and this version does not read."""

_NAME = re.compile(r"[\w][\w .-]{0,63}")


def load_dialplan(path: Path, known: KnownNames | None = None, number: int = 1) -> Generation:
    """Read and compile the dialplan at `path`.

    Users and trunks are checked against `known`. Raises OperatorError when the file cannot be read, and
    DocumentError with every problem that was found.
    """
    return compile_dialplan(load(path), known, number, path.parent)


def compile_dialplan(
    document: Document, known: KnownNames | None = None, number: int = 1, directory: Path | None = None
) -> Generation:
    """Compile `document`; raises DocumentError with every problem that was found, in file order."""
    return compile_with_build(document, known, number, directory)[0]


def compile_with_build(
    document: Document, known: KnownNames | None = None, number: int = 1, directory: Path | None = None
) -> tuple[Generation, Build]:
    """As `compile_dialplan`, with what was learnt on the way."""
    from pbx.dialplan.loops import find_loops

    directory = directory or Path()
    build = Build(joined(document, directory), directory, known or KnownNames())
    generation = _compile(build, number)
    if generation is not None and not build.problems:
        build.problems.extend(find_loops(generation, build))
    if generation is None or build.problems:
        raise DocumentError(_in_order(build.problems))
    return generation, build


def _compile(build: Build, number: int) -> Generation | None:
    document, problems = build.document, build.problems
    value = document.value
    if not isinstance(value, dict):
        problems.append(
            Problem(document.place(()), "found no keys, expected a dialplan with entry and chains")
        )
        return None
    for key in NOT_YET:
        if key in value:
            problems.append(Problem(document.key_place((key,)), f"{key} is not available yet"))
    known = {key: each for key, each in value.items() if key not in NOT_YET}
    shape = validate(DialplanFile, known, document, problems)
    raw_chains = value.get("chains")
    if isinstance(raw_chains, dict):
        build.chains = tuple(raw_chains)
        build.variables = sorted(variables_in(raw_chains))
    zone = shape.timezone if shape is not None else ZoneInfo("UTC")
    build.emergency = frozenset(shape.emergency) if shape is not None else frozenset()
    build.zone = zone
    build.lists = compile_lists(value.get("lists"), document, build.directory_of, problems)
    build.calendars = compile_calendars(value.get("calendars"), document, zone, problems, build.directory_of)
    build.queues = compile_queues(build, value.get("queues"))
    check_overflows(build)
    entries = _entries(build, value.get("entry"))
    chains = _chains(build, raw_chains)
    cases = compile_cases(build, value.get("tests"), zone)
    if shape is None:
        return None
    return Generation(
        number,
        document.name,
        zone,
        entries,
        chains,
        build.known,
        build.lists,
        build.calendars,
        cases,
        build.menus,
        build.queues,
    )


def _entries(build: Build, values: Any) -> tuple[Entry, ...]:
    """The entries; what has the wrong form was reported with the file's shape, and is passed over."""
    entries: list[Entry] = []
    for index, value in enumerate(values if isinstance(values, list) else ()):
        try:
            shape = EntryShape.model_validate(value)
        except ValidationError:
            continue
        scope = Scope(build, "", ("entry", index))
        kind, _, trunk = shape.from_.partition("/")
        if trunk:
            scope.check_trunk(trunk, "from")
        elif kind not in ("users", "anyone", "trunk"):
            _report_source(scope, shape.from_)
            continue
        scope.check_chain(shape.chain, "chain")
        above = next(
            (entry for entry in entries if entry.takes(shape.from_) or entry.source == shape.from_), None
        )
        if above is not None:
            scope.problem(
                f"this entry is never reached: {above.source} at {above.place} takes its calls", "from"
            )
        entries.append(Entry(shape.from_, shape.chain, scope.place()))
    return tuple(entries)


def _report_source(scope: Scope, source: str) -> None:
    trunks = [f"trunk/{name}" for name in scope.build.known.trunks or ()]
    suggestion = f"trunk/{source}" if f"trunk/{source}" in trunks else ""
    scope.problem(
        f"found {shown(source)}, expected users, anyone, trunk or trunk/NAME",
        "from",
        suggestion=suggestion or nearest(source, ["users", "anyone", "trunk", *trunks]),
    )


def _chains(build: Build, values: Any) -> dict[str, Chain]:
    """The chains; as for the entries."""
    chains = values.items() if isinstance(values, dict) else ()
    return {name: _chain(build, name, steps) for name, steps in chains if isinstance(steps, list)}


def _chain(build: Build, name: str, steps: list[Any]) -> Chain:
    if not _NAME.fullmatch(name):
        place = build.document.key_place(("chains", name))
        build.problems.append(
            Problem(place, f"found the name {shown(name)}, expected letters, digits, - and _")
        )
    links: list[Link] = []
    for index, step in enumerate(steps):
        if build.full:
            break
        scope = Scope(build, name, ("chains", name, index))
        handler = compile_step(scope, step, also=("id",))
        identity = step.get("id") if isinstance(step, dict) else None
        if identity is not None and not isinstance(identity, str):
            scope.problem("expected a name as id", "id")
        if handler is None:
            continue
        handler.identity = str(identity or handler.name)
        links.append(Link(name, index + 1, handler.identity, handler, scope.place()))
    return Chain(name, tuple(links))


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(unique, key=lambda problem: (problem.place.file, problem.place.line, problem.place.column))
    )
