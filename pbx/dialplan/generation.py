"""A generation: one compiled dialplan, immutable, that running calls keep when another takes its place."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, TypeVar

from pbx.dialplan.calendars import Calendar
from pbx.dialplan.call import Call
from pbx.dialplan.cases import Case
from pbx.dialplan.chain import Chain, Visit, Wait
from pbx.dialplan.decisions import (
    Continue,
    Decision,
    Defer,
    Dial,
    Final,
    Goto,
    Outcome,
    Queue,
    Reject,
)
from pbx.dialplan.handlers.routing import Extension, RoutingHandler
from pbx.dialplan.lists import NumberList
from pbx.dialplan.plugin_host import blocking
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.targets import Target, TrunkTarget, UserTarget
from pbx.errors import MisuseError, Place

T = TypeVar("T")

# How many chains one decision may pass through, and how many outcomes of one call may be followed.
MAX_GOTOS = 32
MAX_OUTCOMES = 32


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a call comes to, the handlers visited on the way, and the call as the last of them left it.

    `outcomes` counts how often an outcome of this call was followed; `went_round` is True when a bound on
    gotos or outcomes ended it.
    """

    decision: Final
    path: tuple[Visit, ...]
    call: Call
    generation: int
    outcomes: int = 0
    went_round: bool = False


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

    def entry_for(self, source: str) -> str | None:
        """The chain in which a call from `source` enters, or None when no entry takes it."""
        for entry in self.entries:
            if entry.source == source or entry.takes(source):
                return entry.chain
        return None

    def entry(self, source: str) -> Entry | None:
        """The first entry that takes a call from `source`."""
        return next((entry for entry in self.entries if entry.takes(source)), None)

    async def decide(self, call: Call, chain: str | None = None, *, wait: Wait | None = None) -> Verdict:
        """Walk `chain`, or the one the call enters, to a decision; never raises.

        A chain that runs out rejects with 404. Without `wait`, a deferred decision is its `otherwise`.
        """
        return await self._decide(call, chain or self.entry_for(call.source), wait, 0)

    async def after(self, verdict: Verdict, outcome: Outcome, *, wait: Wait | None = None) -> Verdict | None:
        """What follows when the dial or queue of `verdict` ended in `outcome`.

        None when the dialplan does not say: the call then ends with the outcome's code.
        """
        decision = verdict.decision
        if not isinstance(decision, Dial | Queue):
            raise MisuseError(f"{type(decision).__name__} has no outcomes")
        following = decision.on.get(outcome)
        if following is None:
            return None
        outcomes = verdict.outcomes + 1
        if outcomes > MAX_OUTCOMES:
            reject = Reject(
                482, f"more than {MAX_OUTCOMES} outcomes were followed: the dialplan goes in circles"
            )
            return Verdict(reject, (), verdict.call, self.number, outcomes, went_round=True)
        if isinstance(following, Goto):
            return await self._decide(following.call or verdict.call, following.chain, wait, outcomes)
        return self._verdict(following, verdict.call, (), outcomes)

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

    async def _decide(self, call: Call, chain: str | None, wait: Wait | None, outcomes: int) -> Verdict:
        path: list[Visit] = []
        if chain is None:
            reject = Reject(403, f"no entry takes calls from {call.source}")
            return Verdict(reject, (), call, self.number, outcomes)
        for _ in range(MAX_GOTOS):
            walked = self.chains.get(chain)
            if walked is None:
                return self._verdict(Reject(500, f"there is no chain {chain!r}"), call, tuple(path), outcomes)
            decision, call = await walked.walk(call, path, wait)
            if type(decision) is not Goto:
                return self._verdict(decision, call, tuple(path), outcomes)
            chain = decision.chain
            call = decision.call or call
        reject = Reject(482, f"more than {MAX_GOTOS} chains were passed: the dialplan goes in circles")
        return Verdict(reject, tuple(path), call, self.number, outcomes, went_round=True)

    def _verdict(self, decision: Decision, call: Call, path: tuple[Visit, ...], outcomes: int) -> Verdict:
        final: Final
        if isinstance(decision, Dial):
            final = self._reachable(decision, call)
        elif isinstance(decision, Continue):
            final = Reject(404, decision.reason)
        elif isinstance(decision, (Goto, Defer)):
            final = Reject(500, f"{type(decision).__name__} cannot be followed here")
        else:
            final = decision
        return Verdict(final, path, call, self.number, outcomes)

    def _reachable(self, dial: Dial, call: Call) -> Final:
        """`dial` with every target made complete; a refusal when none of them may or can be called."""
        refusal: Reject | None = None
        targets: list[Target] = []
        for target in dial.targets:
            found = _complete(target, call)
            refused = self._refused(found, call)
            if refused is None:
                targets.append(found)
            elif refusal is None or refused.code == 403:
                refusal = refused
        if not targets:
            return refusal or Reject(404, "there is nobody to dial")
        complete = tuple(targets)
        if complete == dial.targets:
            return dial
        return Dial(complete, ring=dial.ring, mode=dial.mode, on=dial.on, reason=dial.reason, rule=dial.rule)

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


def _complete(target: Target, call: Call) -> Target:
    if isinstance(target, UserTarget) and not target.user:
        return UserTarget(call.called)
    if isinstance(target, TrunkTarget) and not target.number:
        return TrunkTarget(target.trunk, call.called)
    return target


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
