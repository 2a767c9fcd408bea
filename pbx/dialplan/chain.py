"""A chain: handlers in order, each asked until one decides; every question is remembered as a visit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import cast

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import DECISIONS, Continue, Decision, Defer, Reject, Rule
from pbx.dialplan.handler import Handler
from pbx.dialplan.words import said
from pbx.errors import Place

Wait = Callable[[Defer], Awaitable[Decision]]
"""Gives the deferred decision, or `otherwise` at the deadline; whoever owns a clock provides it."""

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
    """One handler that was asked: what it saw of which call, and what it said."""

    link: Link
    call: Call
    decision: Decision

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
        return self.link.handler.saw(self.call)

    @property
    def said(self) -> str:
        """What it decided, in a few words."""
        return said(self.decision)

    @property
    def reason(self) -> str:
        """Why."""
        return self.decision.reason


@dataclass(frozen=True, slots=True)
class Chain:
    """The composite of handlers that a name in `chains:` stands for."""

    name: str
    links: tuple[Link, ...]

    async def walk(self, call: Call, path: list[Visit], wait: Wait | None = None) -> tuple[Decision, Call]:
        """Ask each handler in order; add the visits to `path`.

        Gives the first decision that is not `Continue`, and the call as its handler saw it; `Continue` when
        the chain ran out. A handler that raises, or gives something that is no decision, costs its own call
        a 500 and nobody else anything.
        """
        for link in self.links:
            try:
                given = link.handler.decide(call)
                if type(given) in _DECISIONS:
                    decision = cast("Decision", given)
                else:
                    decision = await _checked(given)
                while type(decision) is Defer:
                    path.append(Visit(link, call, decision))
                    decision = decision.otherwise if wait is None else await wait(decision)
            except Exception as error:  # noqa: BLE001  # a handler may be anybody's code
                decision = Reject(500, f"the handler {link.name} failed: {type(error).__name__}: {error}")
            path.append(Visit(link, call, decision))
            if type(decision) is not Continue:
                return decision, call
            if decision.call is not None:
                call = decision.call
        return Continue(f"the chain {self.name} has no more handlers"), call


async def _checked(given: object) -> Decision:
    decision = await given if isawaitable(given) else given
    if isinstance(decision, DECISIONS):
        return decision
    raise TypeError(f"it gave {type(decision).__name__}, expected a decision")
