"""Somebody is rung beside what a call does: an agent for a caller who waits, a supervisor for two who talk.

A summons has legs of its own among the call's branches. Whoever answers first is kept, hears what is
whispered, and then waits to be put through; or joins the two who talk, in one of the manners there are.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx.call import talking, tapping
from pbx.call.branch import new_branch
from pbx.call.causes import better, cause_of
from pbx.call.codecs import can_mix
from pbx.call.ending import abandon, release
from pbx.call.leg import Leg
from pbx.call.listeners import Listeners
from pbx.call.outputs import DigitPressed, LegAnswered, LegOpened, Progressed, Summoned
from pbx.call.plan import Manner, Summons
from pbx.call.stage import Stage
from pbx.errors import ResourcesExhausted
from pbx.media.values import LegId, SourceId
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import counterpart

if TYPE_CHECKING:
    from pbx.call.call import Call


class _Rung:
    """One summons: the legs that ring, then the one that answered, what it hears, and its part."""

    __slots__ = ("answered", "best", "legs", "plan", "stage")

    def __init__(self, plan: Summons) -> None:
        self.plan = plan
        self.legs: list[Leg] = []
        self.answered: Leg | None = None
        self.stage: Stage | None = None
        self.best = 0


class Summoning:
    """The summonses of one call that are not over."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung: dict[int, _Rung] = {}

    def ring(self, call: "Call", plan: Summons, now: float) -> None:
        """Place an INVITE to every destination."""
        rung = self._rung[plan.number] = _Rung(plan)
        status = 480
        try:
            if call.state not in {"waiting", "talking"}:
                plan = Summons(plan.number, ())
            caller = call.caller.audio
            if plan.destinations:
                caller.open()
            for destination in plan.destinations:
                leg = new_branch(destination, call.offered, caller, call.shared)
                leg.call = call
                leg.summons = plan.number
                leg.invited_at = now
                rung.legs.append(leg)
        except (ResourcesExhausted, NothingFits) as bound:
            status = 503 if isinstance(bound, ResourcesExhausted) else 488
            for leg in rung.legs:
                leg.audio.close()
            rung.legs = []
        if not rung.legs:
            self._over(call, rung, status)
            return
        placed = list(rung.legs)
        call.branches = [*call.branches, *placed]
        for leg in placed:
            call.legs.append(leg)
            call.out.append(LegOpened(leg))
        for leg in placed:
            call.absorb(leg, leg.session.start(now), now)

    def refused(self, call: "Call", leg: Leg, status: int, now: float) -> None:
        """A leg came to nothing, or was there and is gone; a 6xx speaks for all of this summons."""
        rung = self._rung.get(-1 if leg.summons is None else leg.summons)
        if rung is not None and rung.answered is leg:
            self._leave(call, rung)
        call.branches.remove(leg)
        leg.cause = cause_of(status)
        abandon(call, leg, now)
        if rung is None or leg not in rung.legs:
            return
        rung.legs.remove(leg)
        rung.best = better(rung.best, status) if rung.best else status
        if status >= 600:
            self._release(call, rung, now)
        if not rung.legs:
            self._over(call, rung, rung.best)

    def answered(self, call: "Call", leg: Leg, now: float) -> None:
        """The first who answers is kept, if it can talk with the caller."""
        rung = self._rung.get(-1 if leg.summons is None else leg.summons)
        if rung is None:
            return
        if not _fits(call, leg, mixed=rung.plan.manner is not None):
            self.refused(call, leg, 488, now)
            return
        self._release(call, rung, now, but=leg)
        rung.legs = [leg]
        rung.answered = leg
        leg.answered_at = now
        call.out.append(Summoned(call, rung.plan.number, "answered"))
        row = leg.audio.row
        if rung.plan.manner is not None:
            call.out.append(LegAnswered(leg))
            self.take_part(call, rung.plan.number, rung.plan.manner, now)
        elif row is None or not leg.audio.can_mix or not self._whisper(call, rung, leg, row):
            call.out.append(Summoned(call, rung.plan.number, "ready"))

    def _whisper(self, call: "Call", rung: _Rung, leg: Leg, row: LegId) -> bool:
        """Let whoever answered hear what is whispered; False when there is nothing, or no room for it."""
        if not rung.plan.whisper:
            return False
        leg.audio.connect(None)
        stage = Stage(call.media)
        try:
            stage.seat(row)
            source = stage.play(rung.plan.whisper, loops=False)
        except ResourcesExhausted as bound:
            call.shared.ran_out(bound)
            stage.clear()
            return False
        rung.stage = stage
        call.shared.listeners.sources[source] = call
        return True

    def sound_ended(self, call: "Call", source: SourceId) -> None:
        """What was whispered is over."""
        for rung in self._rung.values():
            if rung.stage is not None and rung.stage.source == source:
                _hush(rung, call.shared.listeners)
                call.out.append(Summoned(call, rung.plan.number, "ready"))
                return

    def dismiss(self, call: "Call", number: int, now: float) -> None:
        """Give up a summons."""
        rung = self._rung.pop(number, None)
        if rung is not None:
            self._leave(call, rung)
            self._release(call, rung, now)

    def dismiss_all(self, call: "Call", now: float) -> None:
        """Give up all of them."""
        for number in list(self._rung):
            self.dismiss(call, number, now)

    def take(self, call: "Call", number: int) -> Leg | None:
        """Whoever answered this summons, who is one of the call's branches from now on; None for nobody."""
        rung = self._rung.get(number)
        if rung is None or rung.answered is None or call.state != "waiting":
            return None
        del self._rung[number]
        _hush(rung, call.shared.listeners)
        rung.answered.summons = None
        return rung.answered

    def take_part(self, call: "Call", number: int, manner: Manner, now: float) -> None:
        """Seat whoever answered beside the two who talk, or instead of the second of them."""
        rung = self._rung.get(number)
        leg = None if rung is None else rung.answered
        other = call.other
        if rung is None or leg is None or other is None or call.state != "talking":
            return
        rows = (call.caller.audio.row, other.audio.row, leg.audio.row)
        caller, callee, joined = rows
        if caller is None or callee is None or joined is None:
            return
        stage = call.stage
        if stage is None:
            stage = call.stage = Stage(call.media)
            stage.rows = (caller, callee)
        if manner == "take-over":
            del self._rung[number]
            leg.summons = None
            call.branches.remove(leg)
            call.other = leg
            call.record.answered_by = leg.label
            talking.bridge(call)
            release(call, [other], now, "answered")
            if call.recording is not None:
                talking.record(call)
            if call.taps:
                tapping.overhear(call)
            return
        leg.audio.connect(None)
        try:
            stage.seat(caller, callee, joined, apart=_apart(manner, caller, callee, joined))
        except ResourcesExhausted as bound:
            # The two go on without whoever would have joined.
            call.shared.ran_out(bound)
            self._over(call, rung, 503)
            self._leave(call, rung)
            self._release(call, rung, now)

    def quiet(self, listeners: Listeners) -> None:
        """Nobody hears anything any more; the legs are their owner's to end."""
        for rung in self._rung.values():
            _hush(rung, listeners)
        self._rung.clear()

    def _leave(self, call: "Call", rung: _Rung) -> None:
        """Whoever joined two who talk leaves them; what is whispered ends."""
        _hush(rung, call.shared.listeners)
        stage, other = call.stage, call.other
        if rung.answered is None or rung.plan.manner is None or stage is None or other is None:
            return
        caller, callee = call.caller.audio.row, other.audio.row
        if call.state == "talking" and caller is not None and callee is not None:
            stage.seat(caller, callee)

    def _release(self, call: "Call", rung: _Rung, now: float, but: Leg | None = None) -> None:
        given_up = [leg for leg in rung.legs if leg is not but]
        rung.legs = [leg for leg in rung.legs if leg is but]
        call.branches = [leg for leg in call.branches if leg not in given_up]
        release(call, given_up, now, "cancelled")

    def _over(self, call: "Call", rung: _Rung, status: int) -> None:
        self._rung.pop(rung.plan.number, None)
        call.out.append(Summoned(call, rung.plan.number, "over", status))


def _apart(manner: Manner, caller: LegId, callee: LegId, joined: LegId) -> Sequence[tuple[LegId, LegId]]:
    """Who does not hear whom: talkers with listeners."""
    match manner:
        case "listen":
            return ((joined, caller), (joined, callee))
        case "whisper":
            return ((joined, caller),)
        case _:
            return ()


def _hush(rung: _Rung, listeners: Listeners) -> None:
    stage, rung.stage = rung.stage, None
    if stage is not None:
        if stage.source is not None:
            listeners.sources.pop(stage.source, None)
        stage.clear()


def _fits(call: "Call", leg: Leg, *, mixed: bool) -> bool:
    """Whether a leg that answered can talk with the caller, who may not have said yet what it takes."""
    far, near = leg.audio.agreed, call.caller.audio.agreed
    if far is None or near is None:
        return far is not None
    mixes = can_mix(far) and can_mix(near)
    return mixes if mixed else mixes or counterpart(far.codec, near.formats) is not None


# -- actions of the call's table -----------------------------------------------------------------------------


def tell_ringing(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """A caller who was not answered is told, once, that somebody rings."""
    if call.record.answered_at is None and call.record.progressed_at is None:
        call.record.progressed_at = now
        call.out.append(Progressed(call))
        call.absorb(call.caller, call.caller.session.ring(180, "", None, now), now)


def pick_up(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Somebody who was summoned answered."""
    if call.summoning is not None:
        call.summoning.answered(call, leg, now)


def tell_digit(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The waiting caller pressed a key."""
    assert isinstance(detail, tuple)
    if leg is call.caller:
        call.out.append(DigitPressed(call, detail[0].digit))
