"""A generation: one compiled dialplan, immutable, that running calls keep when another takes its place."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from operator import is_
from typing import Any, Literal, TypeVar

from pbx.dialplan.calendars import Calendar
from pbx.dialplan.call import Call, Record
from pbx.dialplan.cases import Case
from pbx.dialplan.chain import Chain, Link, Stopwatch, Visit, Wait, Walk
from pbx.dialplan.decisions import (
    Continue,
    Decision,
    Defer,
    Dial,
    Final,
    Goto,
    Include,
    Menu,
    Outcome,
    Play,
    Queue,
    Reject,
    Talk,
)
from pbx.dialplan.handlers.menu import MenuHandler, chosen
from pbx.dialplan.handlers.routing import Extension, RoutingHandler
from pbx.dialplan.lists import NumberList
from pbx.dialplan.live import Facts, use
from pbx.dialplan.plugin_host import blocking
from pbx.dialplan.queues import QueuePlan
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.targets import Target, TrunkTarget, UserTarget
from pbx.dialplan.targets import complete as complete_target
from pbx.errors import MisuseError, Place

T = TypeVar("T")

_NOT_FINAL = (Goto, Include, Defer)

# How many chains one decision may pass through, and how many outcomes of one call may be followed.
MAX_GOTOS = 32
MAX_OUTCOMES = 32
# How many chains it may include, and how many sounds and menus one call may hear, which takes it time.
MAX_INCLUDES = 256
MAX_TURNS = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """Where calls from `source` enter; "anyone" takes every call, "trunk" those of every trunk."""

    source: str
    chain: str
    place: Place

    def takes(self, source: str) -> bool:
        """Whether a call from `source` enters here."""
        wanted = self.source
        return wanted in ("anyone", source) or (wanted == "trunk" and source.startswith("trunk/"))


@dataclass(slots=True)
class Verdict:
    """What a call comes to, the handlers visited on the way, and the call as the last of them left it.

    Treated as immutable.

    `outcomes` counts how often an outcome of this call was followed; `went_round` is True when a bound on
    gotos or outcomes ended it. `link` is the handler in which the decision stands, and `resume` where the
    chain goes on when the decision is carried out: chains with the position of the next handler (from 0),
    the last of them first, the ones before it those that included it. `facts` are the answers it rests on.
    `asked` is "" for the first verdict about a call, else the outcome it follows, with `digits`.
    """

    decision: Final
    path: tuple[Visit, ...]
    call: Call
    generation: int
    outcomes: int = 0
    went_round: bool = False
    link: Link | None = None
    resume: tuple[tuple[str, int], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    asked: Outcome | Literal[""] = ""
    digits: str = ""
    turns: int = 0

    @property
    def record(self) -> Record | None:
        """What of the call is to be recorded."""
        return self.call.record


@dataclass(frozen=True, slots=True)
class Generation:
    """A compiled dialplan; `decide` is the only thing calls need of it."""

    number: int
    name: str
    zone: tzinfo
    entries: tuple[Entry, ...]
    chains: Mapping[str, Chain]
    known: KnownNames
    lists: Mapping[str, NumberList] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    cases: tuple[Case, ...] = ()
    menus: Mapping[str, MenuHandler] = field(default_factory=dict)
    queues: Mapping[str, QueuePlan] = field(default_factory=dict)

    def entry_for(self, source: str) -> str | None:
        """The chain in which a call from `source` enters, or None when no entry takes it."""
        for entry in self.entries:
            if entry.source == source or entry.takes(source):
                return entry.chain
        return None

    def entry(self, source: str) -> Entry | None:
        """The first entry that takes a call from `source`."""
        return next((entry for entry in self.entries if entry.takes(source)), None)

    async def decide(
        self,
        call: Call,
        chain: str | None = None,
        *,
        wait: Wait | None = None,
        facts: Facts | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> Verdict:
        """Walk `chain`, or the one the call enters, to a decision; never raises.

        A chain that runs out rejects with 404. Without `wait`, a deferred decision is its `otherwise`;
        without `facts`, the service is taken to be idle; without `stopwatch`, visits take no time.
        """
        chain = chain or self.entry_for(call.source)
        course = _Course(self, Walk(facts or Facts(), wait, stopwatch))
        if chain is None:
            return course.verdict(Reject(403, f"no entry takes calls from {call.source}"), call)
        return await course.go(call, chain)

    async def after(
        self,
        verdict: Verdict,
        outcome: Outcome,
        *,
        digits: str = "",
        wait: Wait | None = None,
        facts: Facts | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> Verdict | None:
        """What follows when that which `verdict` asked for ended in `outcome`.

        "played" after a play or a talk asks the next handler of its chain, "digits" after a menu does what
        `digits` stand for. None when the dialplan does not say what follows: the call then ends with the
        outcome's code.
        """
        decision = verdict.decision
        course = _Course(self, Walk(facts or Facts(), wait, stopwatch), verdict, outcome, digits)
        match decision:
            case Dial() | Queue():
                following = decision.on.get(outcome)
                if following is None:
                    return None
            case Play() | Talk():
                return course.exhausted() or await course.resume(verdict.call)
            case Menu():
                return course.exhausted() or await course.choose(decision)
            case _:
                raise MisuseError(f"{type(decision).__name__} has no outcomes")
        return course.exhausted() or await course.follow(following, verdict.call)

    def extensions(self, source: str) -> tuple[Extension, ...]:
        """The rules with an `about:` in the chain that calls from `source` enter."""
        chain = self.chains.get(self.entry_for(source) or "")
        if chain is None:
            return ()
        handlers = (link.handler for link in chain.links)
        return tuple(
            extension
            for handler in handlers
            if isinstance(handler, RoutingHandler)
            for extension in handler.extensions
        )

    def reachable(self, dial: Dial, call: Call) -> Final:
        """`dial` with every target made complete; a refusal when none of them may or can be called."""
        refusal: Reject | None = None
        targets: list[Target] = []
        rings: list[float | None] = []
        for index, target in enumerate(dial.targets):
            found = complete_target(target, call)
            refused = self._refused(found, call)
            if refused is None:
                targets.append(found)
                rings.append(dial.rings[index] if index < len(dial.rings) else None)
            elif refusal is None or refused.code == 403:
                refusal = refused
        if not targets:
            return refusal or Reject(404, "there is nobody to dial")
        complete = tuple(targets)
        if len(complete) == len(dial.targets) and all(map(is_, complete, dial.targets)):
            return dial
        return Dial(
            complete,
            ring=dial.ring,
            mode=dial.mode,
            on=dial.on,
            reason=dial.reason,
            rule=dial.rule,
            rings=rings if dial.rings else (),
            stop=dial.stop,
        )

    def _refused(self, target: Target, call: Call) -> Reject | None:
        known = self.known
        if isinstance(target, UserTarget):
            if known.users is not None and target.user not in known.users:
                return Reject(404, f"there is no user {target.user!r}")
        elif isinstance(target, TrunkTarget):
            if call.user is None and call.trunk is None:
                return Reject(403, "an unauthenticated call never reaches a trunk")
            if known.trunks is not None and target.trunk not in known.trunks:
                return Reject(404, f"there is no trunk {target.trunk!r}")
        return None


class _Course:
    """One decision on its way through the chains of a generation; follows a verdict, or is the first."""

    def __init__(
        self,
        generation: Generation,
        walk: Walk,
        before: Verdict | None = None,
        asked: Outcome | Literal[""] = "",
        digits: str = "",
    ) -> None:
        self._generation = generation
        self._walk = walk
        self._asked: Outcome | Literal[""] = asked
        self._digits = digits
        self._link = None if before is None else before.link
        self._rest: list[tuple[str, int]] = [] if before is None else list(before.resume)
        waited = asked in ("played", "digits")
        self._outcomes = 0 if before is None else before.outcomes + (not waited)
        self._turns = 0 if before is None else before.turns + waited
        self._before = before
        use(walk.facts)

    def exhausted(self) -> Verdict | None:
        """The verdict on a call that has followed too many outcomes."""
        assert self._before is not None
        if self._outcomes <= MAX_OUTCOMES and self._turns <= MAX_TURNS:
            return None
        most = MAX_OUTCOMES if self._outcomes > MAX_OUTCOMES else MAX_TURNS
        reject = Reject(482, f"more than {most} outcomes were followed: the dialplan goes in circles")
        return self.verdict(reject, self._before.call, went_round=True)

    async def follow(self, decision: Decision, call: Call) -> Verdict:
        """Do what follows an outcome."""
        if isinstance(decision, Goto):
            self._rest.clear()
            return await self.go(decision.call or call, decision.chain)
        if isinstance(decision, Include):
            return await self.go(decision.call or call, decision.chain)
        if isinstance(decision, Continue):
            return await self.resume(decision.call or call)
        return self.verdict(decision, call)

    async def choose(self, menu: Menu) -> Verdict:
        """Do what the digits stand for in `menu`."""
        assert self._before is not None
        call = self._before.call
        handler = self._generation.menus.get(menu.key)
        if handler is not None:
            decision, call = handler.choose(call, self._digits, menu)
        else:
            decision, call = chosen(menu, call, self._digits)
        if self._link is not None:
            note = f"digits {self._digits}" if self._digits else "no digits in time"
            self._walk.path.append(Visit(self._link, call, decision, 0.0, note))
        return await self.follow(decision, call)

    async def resume(self, call: Call) -> Verdict:
        """Ask the next handler."""
        if not self._rest:
            return self.verdict(Continue("there is nothing left to do"), call)
        chain, start = self._rest.pop()
        return await self.go(call, chain, start)

    async def go(self, call: Call, chain: str, start: int = 0) -> Verdict:
        """Walk `chain` from the handler at `start` on to a decision, and the chains it leads to."""
        chains, rest = self._generation.chains, self._rest
        gotos = includes = 0
        while gotos < MAX_GOTOS and includes < MAX_INCLUDES:
            walked = chains.get(chain)
            if walked is None:
                return self.verdict(Reject(500, f"there is no chain {chain!r}"), call)
            decision, call, position = await walked.walk(call, self._walk, start)
            start = 0
            if type(decision) is Continue and rest:
                chain, start = rest.pop()
            elif type(decision) is Include:
                rest.append((chain, position))
                includes += 1
                chain, call = decision.chain, decision.call or call
            elif type(decision) is Goto:
                rest.clear()
                gotos += 1
                chain, call = decision.chain, decision.call or call
            else:
                rest.append((chain, position))
                self._link = self._walk.path[-1].link if self._walk.path else None
                return self.verdict(decision, call)
        most = MAX_GOTOS if gotos >= MAX_GOTOS else MAX_INCLUDES
        reject = Reject(482, f"more than {most} chains were passed: the dialplan goes in circles")
        return self.verdict(reject, call, went_round=True)

    def verdict(self, decision: Decision, call: Call, *, went_round: bool = False) -> Verdict:
        """The end of this course."""
        final: Final
        if isinstance(decision, Dial):
            final = self._generation.reachable(decision, call)
        elif isinstance(decision, Continue):
            final = Reject(404, decision.reason)
        elif isinstance(decision, _NOT_FINAL):
            final = Reject(500, f"{type(decision).__name__} cannot be followed here")
        else:
            final = decision
        return Verdict(
            final,
            tuple(self._walk.path),
            call,
            self._generation.number,
            self._outcomes,
            went_round,
            self._link,
            tuple(self._rest),
            self._walk.facts.answers,
            self._asked,
            self._digits,
            self._turns,
        )


def decide_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never has to wait, or may block instead; raises MisuseError when it does wait."""
    try:
        with blocking():
            coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise MisuseError("a handler has to wait here, which only a running service can")
