"""Where a handler is compiled: which names exist, and at which place of the file its options stand."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pbx.dialplan.joined import Joined
from pbx.dialplan.patterns import MAX_REGEX_SIZE, Pattern, compile_pattern
from pbx.dialplan.placeholders import Template, compile_template
from pbx.documents import Document, nearest, shown
from pbx.documents.reader import MAX_PROBLEMS
from pbx.errors import Place, Problem

if TYPE_CHECKING:
    from pbx.dialplan.calendars import Calendar
    from pbx.dialplan.handlers.menu import MenuHandler
    from pbx.dialplan.lists import NumberList
    from pbx.dialplan.plugins import Plugins
    from pbx.dialplan.queues import QueuePlan

T = TypeVar("T")

Location = tuple[str | int, ...]

MAX_OVERFLOWS = 5000
"""How often, all in all, what follows when nobody came is compiled for those who are led to a queue."""
MAX_MENU_STEPS = 250_000
"""How many digits of menus are followed to find out after which of them nothing can come."""


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Users, trunks, sounds and music of the service, None when no configuration says which; its plugins."""

    users: frozenset[str] | None = None
    trunks: frozenset[str] | None = None
    plugins: "Plugins | None" = None
    sounds: frozenset[str] | None = None
    music: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A `goto` from one chain to another; with `returns`, an `include`, which comes back."""

    origin: str
    chain: str
    place: Place
    returns: bool = False


@dataclass(slots=True)
class Build:
    """What all scopes of one compilation share."""

    document: Document
    directory: Path
    known: KnownNames
    chains: Collection[str] = ()
    variables: Collection[str] = ()
    problems: list[Problem] = field(default_factory=list)
    lists: Mapping[str, "NumberList"] = field(default_factory=dict)
    calendars: Mapping[str, "Calendar"] = field(default_factory=dict)
    emergency: frozenset[str] = frozenset()
    queues: Mapping[str, "QueuePlan"] = field(default_factory=dict)
    menus: "dict[str, MenuHandler]" = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    edges: list[Edge] = field(default_factory=list)
    patterns: dict[str, list[Pattern]] = field(default_factory=dict)
    zone: tzinfo = UTC
    regex_size: int = 0
    menu_steps: int = MAX_MENU_STEPS
    overflows: list[str] = field(default_factory=list)
    overflows_left: int = MAX_OVERFLOWS

    @property
    def full(self) -> bool:
        """Whether so much is wrong that nothing more is looked for."""
        return len(self.problems) >= MAX_PROBLEMS

    def directory_of(self, path: Location) -> Path:
        """The directory of the file in which something stands."""
        document = self.document
        return document.directory_of(path) if isinstance(document, Joined) else self.directory


class Scope:
    """The options of one handler in the file; locations are relative to them, as pydantic gives them.

    Problems are added, never raised, so that one check finds them all. `groups` is how many groups of a
    regular expression the placeholders here may use.
    """

    __slots__ = ("_beside", "_inner", "_path", "_shorthand", "build", "chain", "groups")

    def __init__(
        self,
        build: Build,
        chain: str,
        path: Location,
        *,
        inner: str = "",
        shorthand: str = "",
        beside: Collection[str] = (),
        groups: int = 0,
    ) -> None:
        self.build = build
        self.chain = chain
        self.groups = groups
        self._path = path
        self._inner: Location = (inner,) if inner else ()
        self._shorthand = shorthand
        self._beside = beside

    def full(self, location: Location) -> Location:
        """The path in the document of what the options have at `location`."""
        if not location:
            return self._path + self._inner
        if location[0] in self._beside:
            return self._path + location
        if location[0] == self._shorthand:
            return self._path + self._inner + location[1:]
        return self._path + self._inner + location

    def at(self, *location: str | int, groups: int | None = None) -> "Scope":
        """The scope of something inside these options."""
        found = self.groups if groups is None else groups
        return Scope(self.build, self.chain, self.full(location), groups=found)

    def options(self, name: str, shorthand: str, beside: Collection[str]) -> "Scope":
        """The scope of the options of the handler `name` in the step that this scope is at."""
        return Scope(
            self.build,
            self.chain,
            self._path + self._inner,
            inner=name,
            shorthand=shorthand,
            beside=beside,
            groups=self.groups,
        )

    def place(self, *location: str | int) -> Place:
        """Where the value at `location` stands."""
        return self.build.document.place(self.full(location))

    def key_place(self, *location: str | int) -> Place:
        """Where the key at `location` stands."""
        return self.build.document.key_place(self.full(location))

    def problem(self, message: str, *location: str | int, suggestion: str = "") -> None:
        """Report what is wrong at `location`."""
        self.build.problems.append(Problem(self.place(*location), message, suggestion))

    def report(self, place: Place, message: str, suggestion: str = "") -> None:
        """Report what is wrong at a place."""
        self.build.problems.append(Problem(place, message, suggestion))

    def check_chain(self, name: str, *location: str | int, goto: bool = False, include: bool = False) -> None:
        """Report when there is no chain `name`; what leads there is remembered for the search for loops."""
        if name not in self.build.chains:
            suggestion = nearest(name, self.build.chains)
            self.problem(f"there is no chain {shown(name)}", *location, suggestion=suggestion)
        elif goto or include:
            self.build.edges.append(Edge(self.chain, name, self.place(*location), include))

    def check_sound(self, name: str, *location: str | int) -> None:
        """Report when it is known which sounds there are, and `name` is none."""
        self._check_played("sound", self.build.known.sounds, name, location)

    def check_music(self, name: str, *location: str | int) -> None:
        """Report when it is known which music there is, and `name` is none."""
        self._check_played("music", self.build.known.music, name, location)

    def _check_played(self, kind: str, known: Collection[str] | None, name: str, location: Location) -> None:
        if known is not None and name not in known:
            self.problem(f"there is no {kind} {shown(name)}", *location, suggestion=nearest(name, known))

    def queue(self, name: str, *location: str | int) -> "QueuePlan | None":
        """The queue `name`, or None after reporting that there is none."""
        return self._named("queue", self.build.queues, name, location)

    def list(self, name: str, *location: str | int) -> "NumberList | None":
        """The list `name`, or None after reporting that there is none."""
        return self._named("list", self.build.lists, name, location)

    def calendar(self, name: str, *location: str | int) -> "Calendar | None":
        """The calendar `name`, or None after reporting that there is none."""
        return self._named("calendar", self.build.calendars, name, location)

    def _named(self, kind: str, known: Mapping[str, T], name: str, location: Location) -> T | None:
        self.build.used.add((kind, name))
        if name not in known:
            suggestion = nearest(name, known)
            self.problem(f"there is no {kind} {shown(name)}", *location, suggestion=suggestion)
        return known.get(name)

    def check_user(self, name: str, *location: str | int) -> None:
        """Report when the configuration is known and has no user `name`."""
        _check_name(self, self.build.known.users, "user", name, location)

    def check_trunk(self, name: str, *location: str | int) -> None:
        """Report when the configuration is known and has no trunk `name`."""
        _check_name(self, self.build.known.trunks, "trunk", name, location)

    def pattern(self, text: str, *location: str | int) -> Pattern | None:
        """Compile a pattern, or report why it is none."""
        if self.build.regex_size > MAX_REGEX_SIZE and text.startswith("/"):
            return None
        try:
            pattern = compile_pattern(text)
        except ValueError as error:
            self.problem(str(error), *location)
            return None
        self.build.regex_size += pattern.size
        if self.build.regex_size > MAX_REGEX_SIZE and pattern.size:
            self.problem("from here on, the regular expressions are too large together", *location)
            return None
        self.build.patterns.setdefault(self.chain, []).append(pattern)
        return pattern

    def template(self, text: str, *location: str | int, more: Collection[str] = ()) -> Template | None:
        """Compile a text with placeholders (`more` are known here only), or report why it is none."""
        try:
            return compile_template(text, (*more, *self.build.variables), self.groups)
        except ValueError as error:
            self.problem(str(error), *location)
            return None


def _check_name(
    scope: Scope, known: Collection[str] | None, kind: str, name: str, location: Location
) -> None:
    if known is not None and name not in known:
        guess = nearest(name, known)
        message = f"there is no {kind} {shown(name)} in the configuration"
        scope.problem(message, *location, suggestion=f"{kind}/{guess}" if guess else "")


def variables_in(chains: Mapping[str, object]) -> set[str]:
    """The names that `set` and `http` steps anywhere in these chains (as the file has them) give."""
    names: set[str] = set()
    for steps in chains.values():
        for step in steps if isinstance(steps, list) else ():
            options = step.get("set") if isinstance(step, dict) else None
            variables = options.get("variables") if isinstance(options, dict) else None
            if isinstance(variables, dict):
                names.update(variables)
            for options in (step, step.get("http")) if isinstance(step, dict) and "http" in step else ():
                sets = options.get("sets") if isinstance(options, dict) else None
                if isinstance(sets, list):
                    names.update(each for each in sets if isinstance(each, str))
    return names
