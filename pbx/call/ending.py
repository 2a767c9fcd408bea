"""How a call ends: refused, given up, or said goodbye to; nothing of it goes on playing or listening."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pbx.call import tapping
from pbx.call.causes import Cause, cause_of
from pbx.call.leg import Leg
from pbx.call.outputs import Finished
from pbx.call.plan import Attend, Refuse, Wait
from pbx.errors import ResourcesExhausted

if TYPE_CHECKING:
    from pbx.call.call import Call


def refuse_caller(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """As was decided."""
    assert isinstance(detail, Refuse)
    refuse(call, detail.status, detail.headers, now, detail.reason, detail.cause)


def refuse_exhausted(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """There are no media ports for what was decided."""
    assert isinstance(detail, ResourcesExhausted)
    call.shared.ran_out(detail)
    refuse(call, 503, (("Retry-After", str(detail.retry_after)),), now, cause="resources")


def run_out(call: "Call", bound: ResourcesExhausted, now: float) -> None:
    """What had been begun cannot be done for want of something in the media plane: the call ends."""
    call.shared.ran_out(bound)
    if call.state not in {"ending", "ended"}:
        refuse(call, 503, (("Retry-After", str(bound.retry_after)),), now, cause="resources")
        call.happen("hang-up", call.caller, None, now)


def refuse(
    call: "Call",
    status: int,
    headers: Sequence[tuple[str, str]],
    now: float,
    reason: str = "",
    cause: Cause | None = None,
) -> None:
    """Refuse the caller, or end its call when it was answered already."""
    record = call.record
    quiet(call)
    if record.answered_at is not None:
        record.cause = record.cause or ("resources" if cause == "resources" else "answered")
        release(call, [call.caller], now, "answered")
        return
    record.status = status
    record.cause = record.cause or cause or cause_of(status)
    call.absorb(call.caller, call.caller.session.refuse(status, reason, now, headers), now)
    call.caller.audio.close()


def release_branches(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The caller is gone: give up everybody who rings."""
    record = call.record
    quiet(call)
    if record.cause is None:
        record.cause = "answered" if record.answered_at is not None else "cancelled"
    if record.answered_at is None:
        record.status = 487
    release(call, call.branches, now, "cancelled")
    call.branches = []


def release_other(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """One of the two that talk is gone."""
    quiet(call)
    call.record.cause = call.record.cause or "answered"
    other = call.other if leg is call.caller and call.other else call.caller
    release(call, [other], now, "answered")
    release(call, call.branches, now, "cancelled")
    call.branches = []


def release_all(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """We end it."""
    quiet(call)
    answered = call.record.answered_at is not None
    call.record.cause = call.record.cause or ("answered" if answered else "error")
    if not answered:
        call.record.status = 480
    release(call, call.legs, now, "cancelled")
    call.branches = []


def release(call: "Call", legs: Sequence[Leg], now: float, cause: Cause) -> None:
    """End these legs."""
    for leg in list(legs):
        leg.cause = leg.cause or cause
        abandon(call, leg, now)


def abandon(call: "Call", leg: Leg, now: float) -> None:
    """End a leg by whatever its state asks for (§9, §15); its ports are free from now on."""
    leg.audio.close()
    call.absorb(leg, leg.session.end(now), now)


def quiet(call: "Call") -> None:
    """Nothing plays, listens or is recorded any more; the caller is in no room and is not listened to."""
    if call.plan is None:
        return
    call.due = None
    row = call.caller.audio.row
    if call.gathering is not None or isinstance(call.plan, Wait | Attend):
        call.gathering = None
        if row is not None:
            call.shared.listeners.legs.pop(row, None)
    if call.summoning is not None:
        call.summoning.quiet(call.shared.listeners)
    tapping.end(call)
    stage = call.stage
    if stage is not None:
        if stage.sink is not None:
            call.shared.recorder.end(stage.sink)
        if stage.source is not None:
            call.shared.listeners.sources.pop(stage.source, None)
        stage.clear()
        call.stage = None
    if call.room is not None:
        if row is not None:
            call.shared.rooms.leave(call.room, row)
        call.room = None


def finish(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Every leg is gone."""
    call.due = None
    call.record.ended_at = now
    call.out.append(Finished(call))
    # The two that talked know the call, which knows them: no cycle keeps all three.
    for each in (call.caller, call.other):
        if each is not None:
            each.call = None
