"""A chain: handlers in order, each asked until one decides; every question is remembered as a visit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from inspect import isawaitable

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import DECISIONS, Continue, Decision, Defer, Reject, Rule
from pbx.dialplan.handler import Handler
from pbx.dialplan.live import Facts, use
from pbx.dialplan.words import said
from pbx.errors import Place

Wait = Callable[[Defer], Awaitable[Decision]]
"""Gives the deferred decision, or `otherwise` at the deadline; whoever owns a clock provides it."""

Stopwatch = Callable[[], float]
"""Seconds that only grow."""

_DECISIONS = frozenset(DECISIONS)


@dataclass(frozen=True, slots=True)
class Link:
    """A handler at its position (from 1) in a chain; `name` is its `id:`, or the handler's own name."""

    chain: str
    position: int
    name: str
    handler: Handler
    place: Place


@dataclass(slots=True)
class Visit:
    """One handler that was asked: what it saw of which call, what it said, and in how many milliseconds.

    `note` is what it saw when that was something else than the call, such as digits.
    """

    link: Link
    call: Call
    decision: Decision
    ms: float = 0.0
    note: str = ""

    @property
    def chain(self) -> str:
        """The chain's name."""
        return self.link.chain

    @property
    def position(self) -> int:
        """The handler's position in the chain, from 1."""
        return self.link.position

    @property
    def handler(self) -> str:
        """The handler's `id:`, or its name."""
        return self.link.name

    @property
    def rule(self) -> Rule | None:
        """The rule of the handler that decided, when there is one."""
        return self.decision.rule

    @property
    def place(self) -> Place:
        """Where in the file the rule, or else the handler, stands."""
        rule = self.decision.rule
        return self.link.place if rule is None else rule.place

    @property
    def saw(self) -> str:
        """What the handler looked at."""
        return self.note or self.link.handler.saw(self.call)

    @property
    def said(self) -> str:
        """What it decided, in a few words."""
        return said(self.decision)

    @property
    def reason(self) -> str:
        """Why."""
        return self.decision.reason


@dataclass(slots=True)
class Walk:
    """One walk through chains on its way: whom to ask, what they are told, and what they said so far."""

    facts: Facts
    wait: Wait | None = None
    stopwatch: Stopwatch | None = None
    path: list[Visit] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chain:
    """The composite of handlers that a name in `chains:` stands for."""

    name: str
    links: tuple[Link, ...]

    async def walk(self, call: Call, walk: Walk, start: int = 0) -> tuple[Decision, Call, int]:
        """Ask each handler in order, from the one at `start` (from 0) on; add the visits to the path.

        Gives the first decision that is not `Continue`, the call as its handler saw it, and where the next
        handler stands; `Continue` when the chain ran out. A handler that raises, or gives something that is
        no decision, costs its own call a 500 and nobody else anything.
        """
        path, wait, stopwatch = walk.path, walk.wait, walk.stopwatch
        links = self.links if not start else self.links[start:]
        visited = path.append
        begun = 0.0 if stopwatch is None else stopwatch()
        for link in links:
            try:
                given = link.handler.decide(call)
                if type(given) in _DECISIONS:
                    decision: Decision = given  # type: ignore[assignment]  # a cast costs as much as a look-up
                else:
                    decision = await _checked(given)
                    use(walk.facts)
                while type(decision) is Defer:
                    path.append(Visit(link, call, decision))
                    decision = decision.otherwise if wait is None else await wait(decision)
                    use(walk.facts)
            except Exception as error:  # noqa: BLE001  # a handler may be anybody's code
                decision = Reject(500, f"the handler {link.name} failed: {type(error).__name__}: {error}")
            if stopwatch is None:
                visited(Visit(link, call, decision))
            else:
                ended = stopwatch()
                visited(Visit(link, call, decision, (ended - begun) * 1000))
                begun = ended
            if type(decision) is not Continue:
                return decision, call, link.position
            if decision.call is not None:
                call = decision.call
        return Continue(f"the chain {self.name} has no more handlers"), call, len(self.links)


async def _checked(given: object) -> Decision:
    decision = await given if isawaitable(given) else given
    if isinstance(decision, DECISIONS):
        return decision
    raise TypeError(f"it gave {type(decision).__name__}, expected a decision")
