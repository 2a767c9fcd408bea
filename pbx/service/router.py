"""The router: asks the dialplan where calls go, and turns its decisions into plans."""

import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from pbx.call.call import Call
from pbx.call.causes import CAUSE_OF_OUTCOME, STATUS_OF_OUTCOME, Outcome
from pbx.call.plan import Attend, Collect, Join, Plan, PlaySounds, Refuse, Wait
from pbx.call.plan import Echo as EchoPlan
from pbx.call.recording import Recording
from pbx.dialplan import decisions
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.live import Facts
from pbx.errors import OperatorError
from pbx.media.values import Sound
from pbx.service.desk import Desk
from pbx.service.destinations import Addresses, Destinations, Dialled
from pbx.service.live import LiveFacts
from pbx.service.taps import CallTaps
from pbx.store.entries import Decided

log = logging.getLogger("pbx")

Resolve = Callable[[set[str]], Awaitable[Addresses]]
FindSound = Callable[[str], Awaitable[Sound]]
"""The sound of a name, read or made. Raises OperatorError."""

# Of a call that is decided again and again (a menu), so many decisions are remembered.
MAX_DECIDED = 64


class Router:
    """Keeps the live generation; a call keeps the one it started with, by its verdict."""

    def __init__(
        self,
        generation: Generation,
        destinations: Destinations,
        resolve: Resolve,
        find_sound: FindSound,
        live: LiveFacts,
    ) -> None:
        self._generation = generation
        self._desk: Desk | None = None
        self._find_sound = find_sound
        self._live = live
        self._destinations = destinations
        self._resolve = resolve
        self._verdicts: dict[str, tuple[Generation, Verdict]] = {}
        self._decided: dict[str, list[Decided]] = {}
        self.observer: Callable[[Sequence[Decided]], None] | None = None
        self._asked: defaultdict[int, int] = defaultdict(int)
        self._taps: CallTaps | None = None

    @property
    def generation(self) -> Generation:
        """The live one."""
        return self._generation

    @generation.setter
    def generation(self, generation: Generation) -> None:
        self._generation = generation
        if self._desk is not None:
            self._desk.configure(generation.queues)

    def serve_queues(self, desk: Desk) -> None:
        """Let callers wait at this desk, in the queues of the live generation."""
        self._desk = desk
        desk.configure(self._generation.queues)

    def serve_taps(self, taps: CallTaps) -> None:
        """Let plugins hear calls."""
        self._taps = taps

    async def route(self, call: Call, routed: RoutedCall, now: Callable[[], float]) -> Plan:
        """The first plan of a new call."""
        generation = self.generation
        self._asked[generation.number] += 1
        try:
            verdict = await generation.decide(routed, facts=self._facts(call, now), stopwatch=now)
        finally:
            self._asked[generation.number] -= 1
            if not self._asked[generation.number]:
                del self._asked[generation.number]
        self._note(call, Decided(verdict))
        return await self._plan(call, generation, verdict, now)

    async def follow(
        self, call: Call, outcome: Outcome, status: int, now: Callable[[], float], digits: str = ""
    ) -> Plan:
        """What follows a plan that ended in `outcome`: as the dialplan says, else the end with `status`."""
        known = self._verdicts.get(call.record.id)
        following = None
        if known is not None:
            generation, verdict = known
            facts = self._facts(call, now)
            following = await generation.after(verdict, outcome, digits=digits, facts=facts, stopwatch=now)
            self._note(call, Decided(following, outcome, digits))
            if following is not None:
                return await self._plan(call, generation, following, now)
        if outcome in {"played", "digits"}:
            # That it ends here is how it was meant.
            return Refuse(status)
        return Refuse(status, cause="not-found" if status == 404 else CAUSE_OF_OUTCOME[outcome])

    def used(self, generation: Generation) -> bool:
        """Whether a call is decided by `generation`, or may still ask it."""
        if generation is self.generation or generation.number in self._asked:
            return True
        if self._taps is not None and self._taps.needs(generation):
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
        if self._taps is not None:
            self._taps.forget(call.record.id)
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
            self._change_agent(call, verdict, now())
            self._verdicts[call.record.id] = (generation, verdict)
            self._live.call_entered(call.record.id, {visit.chain for visit in verdict.path})
            self._record(call, verdict)
            if self._taps is not None:
                self._taps.decided(call, verdict)
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
            case decisions.Play(sounds, early, times):
                return PlaySounds(await self._sounds(sounds) * times, early)
            case decisions.Menu():
                return Collect(
                    await self._sounds(decision.prompt),
                    decision.max_digits,
                    decision.first_s,
                    decision.between_s,
                    decision.terminator,
                    decision.complete,
                    decision.barge,
                )
            case decisions.Conference(room):
                return Join(room, decision.muted, await self._sounds(decision.announce))
            case decisions.Answer():
                return Wait()
            case decisions.Queue():
                if self._desk is None:
                    return Refuse(501)
                joined = self._desk.join(call, decision, verdict.call, now())
                if isinstance(joined, Wait):
                    return joined
                return await self.follow(call, joined, STATUS_OF_OUTCOME[joined], now)
            case decisions.Talk():
                tap = None if self._taps is None else await self._taps.attending(call, verdict)
                if tap is not None:
                    return Attend(tap)
                return await self.follow(call, "played", 480, now)
            case decisions.Voicemail():
                # `check` refuses dialplans that lead here; only a plugin can still ask for it.
                return Refuse(501)
            case _:
                assert_never(decision)

    def _change_agent(self, call: Call, verdict: Verdict, now: float) -> None:
        """Do what an `agent` step asked for, once."""
        before = self._verdicts.get(call.record.id)
        change, user = verdict.call.agent, verdict.call.user
        if change is None or user is None or self._desk is None:
            return
        if before is None or before[1].call.agent != change:
            self._desk.change_agent(user, change, now)

    def _facts(self, call: Call, now: Callable[[], float]) -> Facts:
        return Facts(self._live.beside(call.record.id, now()))

    async def _sounds(self, names: Sequence[str]) -> list[Sound]:
        """The sounds of these names; one that cannot be had is passed over, and the call goes on."""
        found: list[Sound] = []
        for name in names:
            try:
                found.append(await self._find_sound(name))
            except OperatorError as error:
                log.error("%s", error)
        return found

    @staticmethod
    def _record(call: Call, verdict: Verdict) -> None:
        wanted = verdict.record
        recording = None if wanted is None else Recording(wanted.name, wanted.what, wanted.format)
        if recording != call.recording:
            call.record_as(recording)
