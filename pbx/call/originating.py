"""A call that we make for somebody: whoever is to be its caller is rung first.

Its phones ring at once, and the first to answer is the caller of everything that follows, as one who was
answered before: what is decided then rings somebody, plays or joins as after a menu. Nobody who answers, or
nobody in time, is the end of it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx.call.branch import new_branch
from pbx.call.causes import Cause, cause_of
from pbx.call.ending import release
from pbx.call.leg import Leg
from pbx.call.outputs import Established, LegAnswered, LegOpened, PickedUp
from pbx.call.plan import Destination
from pbx.call.settings import Shared
from pbx.errors import ResourcesExhausted

if TYPE_CHECKING:
    from pbx.call.call import Call


def phones_of(destinations: Sequence[Destination], shared: Shared, now: float) -> list[Leg]:
    """A leg with ports and an offer of ours for each. Raises ResourcesExhausted, with nothing left open."""
    legs: list[Leg] = []
    try:
        for destination in destinations:
            leg = new_branch(destination, None, None, shared)
            leg.invited_at = now
            legs.append(leg)
    except ResourcesExhausted:
        for leg in legs:
            leg.audio.close()
        raise
    return legs


def ring(call: "Call", ring_s: float, now: float) -> None:
    """Place an INVITE to every phone."""
    call.due = now + ring_s
    for leg in list(call.branches):
        leg.call = call
        call.out.append(LegOpened(leg))
    for leg in list(call.branches):
        call.absorb(leg, leg.session.start(now), now)


def take_up(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The first who answers is the caller; what follows is to be decided."""
    call.due = None
    release(call, [branch for branch in call.branches if branch is not leg], now, "cancelled")
    call.branches, call.caller = [], leg
    leg.answered_at = now
    call.record.answered_at = now
    call.record.status = 200
    call.out.append(LegAnswered(leg))
    call.out.append(Established(call))
    call.out.append(PickedUp(call))


def give_up(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Nobody would be the caller."""
    _end(call, call.settings.final_codes.final_code(call.best), cause_of(call.best), now)


def give_up_in_time(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Nobody has answered in time."""
    _end(call, 480, "no-answer", now)


def call_off(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """It is not wanted any more."""
    _end(call, 487, "cancelled", now)


def _end(call: "Call", status: int, cause: Cause, now: float) -> None:
    call.due = None
    record = call.record
    record.status = status
    record.cause = record.cause or cause
    release(call, call.branches, now, cause)
    call.branches = []
