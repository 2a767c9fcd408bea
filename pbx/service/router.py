"""The router: asks the dialplan where calls go, and turns its decisions into plans."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from pbx.call.call import Call
from pbx.call.causes import CAUSE_OF_OUTCOME, Outcome
from pbx.call.plan import Echo as EchoPlan
from pbx.call.plan import Plan, Refuse
from pbx.dialplan import decisions
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.generation import Generation, Verdict
from pbx.service.destinations import Addresses, Destinations, Dialled
from pbx.store.entries import Decided

Resolve = Callable[[set[str]], Awaitable[Addresses]]

# Of a call that is decided again and again (a menu), so many decisions are remembered.
MAX_DECIDED = 64


class Router:
    """Keeps the live generation; a call keeps the one it started with, by its verdict."""

    def __init__(self, generation: Generation, destinations: Destinations, resolve: Resolve) -> None:
        self.generation = generation
        self._destinations = destinations
        self._resolve = resolve
        self._verdicts: dict[str, tuple[Generation, Verdict]] = {}
        self._decided: dict[str, list[Decided]] = {}
        self.observer: Callable[[Sequence[Decided]], None] | None = None
        self._asked: Counter[int] = Counter()

    async def route(self, call: Call, routed: RoutedCall, now: Callable[[], float]) -> Plan:
        """The first plan of a new call."""
        generation = self.generation
        self._asked[generation.number] += 1
        try:
            verdict = await generation.decide(routed, stopwatch=now)
        finally:
            self._asked[generation.number] -= 1
            if not self._asked[generation.number]:
                del self._asked[generation.number]
        self._note(call, Decided(verdict))
        return await self._plan(call, generation, verdict, now)

    async def follow(self, call: Call, outcome: Outcome, status: int, now: Callable[[], float]) -> Plan:
        """What follows a dial that ended in `outcome`: as the dialplan says, else the end with `status`."""
        known = self._verdicts.get(call.record.id)
        following = None
        if known is not None:
            generation, verdict = known
            following = await generation.after(verdict, outcome, stopwatch=now)
            self._note(call, Decided(following, outcome))
            if following is not None:
                return await self._plan(call, generation, following, now)
        return Refuse(status, cause="not-found" if status == 404 else CAUSE_OF_OUTCOME[outcome])

    def used(self, generation: Generation) -> bool:
        """Whether a call is decided by `generation`, or may still ask it."""
        if generation is self.generation or self._asked[generation.number]:
            return True
        return any(kept is generation for kept, _ in self._verdicts.values())

    def calls_by_generation(self) -> Counter[int]:
        """How many calls each generation has decided, by its number."""
        return Counter(kept.number for kept, _ in self._verdicts.values())

    def verdict(self, call_id: str) -> Verdict | None:
        """How the call was routed last."""
        known = self._verdicts.get(call_id)
        return None if known is None else known[1]

    def decided(self, call_id: str) -> Sequence[Decided]:
        """Every decision about the call so far, the first MAX_DECIDED of them."""
        return tuple(self._decided.get(call_id, ()))

    def forget(self, call: Call) -> tuple[int, Sequence[Decided]]:
        """The call is over; gives the number of its generation, and what was decided about it."""
        known = self._verdicts.pop(call.record.id, None)
        number = (self.generation if known is None else known[0]).number
        return number, self._decided.pop(call.record.id, ())

    def _note(self, call: Call, decided: Decided) -> None:
        if call.state == "ended":
            return
        history = self._decided.setdefault(call.record.id, [])
        if len(history) < MAX_DECIDED:
            history.append(decided)
            if self.observer is not None:
                self.observer(history)

    async def _plan(
        self, call: Call, generation: Generation, verdict: Verdict, now: Callable[[], float]
    ) -> Plan:
        if call.state != "ended":
            self._verdicts[call.record.id] = (generation, verdict)
        decision = verdict.decision
        match decision:
            case decisions.Dial():
                names = self._destinations.host_names(decision)
                addresses = await self._resolve(names) if names else {}
                dialled = Dialled(verdict.call, call.hops_left, ())
                return self._destinations.plan(decision, dialled, addresses, now())
            case decisions.Echo():
                return EchoPlan()
            case decisions.Reject(code):
                after = decision.retry_after
                headers = () if after is None else (("retry-after", str(after)),)
                return Refuse(code, decision.phrase, headers)
            case decisions.Redirect(contacts, code):
                return Refuse(code, headers=[("contact", f"<{contact}>") for contact in contacts])
            case decisions.Hangup():
                return Refuse(480)
            case (
                decisions.Answer()
                | decisions.Queue()
                | decisions.Play()
                | decisions.Menu()
                | decisions.Voicemail()
                | decisions.Conference()
            ):
                # `check` refuses dialplans that lead here; only a plugin can still ask for it.
                return Refuse(501)
            case _:
                assert_never(decision)
