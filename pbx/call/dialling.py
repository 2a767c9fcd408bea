"""Finding somebody who answers: groups one after another, the destinations of a group at once."""

from typing import TYPE_CHECKING

from pbx.call import answering, talking, tapping
from pbx.call.branch import new_branch
from pbx.call.causes import better, cause_of, outcome_of
from pbx.call.ending import abandon, refuse, release
from pbx.call.leg import Leg
from pbx.call.outputs import DecisionNeeded, LegAnswered, LegOpened, Progressed
from pbx.call.plan import Connect
from pbx.errors import PeerError, ResourcesExhausted
from pbx.sdp.description import parse
from pbx.sdp.errors import NothingFits
from pbx.sip import session_events as events

if TYPE_CHECKING:
    from pbx.call.call import Call


def answered(call: "Call", leg: Leg, body: bytes | None, now: float) -> None:
    """A branch answered; an answer that does not fit our offer is worth as much as a refusal."""
    if leg not in call.branches:
        return
    if leg.answered_at is not None:
        return
    try:
        if body is not None:
            leg.audio.take_answer(parse(body))
        elif not leg.audio.keep_early_answer():
            raise PeerError(488, "No Answer To The Offer")
    except PeerError as fault:
        refused(call, leg, 488 if fault.status == 488 else 500, now)
        return
    call.happen("answered", leg, None, now)


def refused(call: "Call", leg: Leg, status: int, now: float) -> None:
    """A branch came to nothing, or the caller did."""
    if leg is call.caller:
        call.happen("caller-ended", leg, None, now)
    elif leg in call.branches and call.summoning is not None and leg.summons is not None:
        call.summoning.refused(call, leg, status, now)
    elif leg in call.branches:
        call.branches.remove(leg)
        leg.cause = cause_of(status)
        # A challenge leaves the session open for credentials, and we have none for callees.
        abandon(call, leg, now)
        stop = call.plan.stop if isinstance(call.plan, Connect) else ()
        stops = bool(stop) and (status in stop or outcome_of(status) in stop)
        call.best = better(call.best, status) if call.best and not stops else status
        if status >= 600 or stops:
            # RFC 3261 §16.7 step 5: a 6xx speaks for every place the callee can be reached.
            call.groups = []
            release(call, call.branches, now, "cancelled")
            call.branches = []
        if stops:
            call.happen("stopped", leg, None, now)
        elif call.branches:
            call.happen("branch-refused", leg, None, now)
        else:
            call.happen("group-refused" if call.groups else "all-refused", leg, None, now)


def ring_first_group(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Begin to dial."""
    assert isinstance(detail, Connect)
    call.plan = detail
    call.groups = [group for group in detail.groups if group]
    call.rung = 0
    call.best = 0 if call.groups else detail.nobody
    _ring_group(call, leg, now)


def _ring_group(call: "Call", leg: Leg, now: float) -> None:
    """Place an INVITE to every destination of the next group."""
    if not call.groups:
        call.happen("all-refused", leg, None, now)
        return
    plan = call.plan
    assert isinstance(plan, Connect)
    group = call.groups.pop(0)
    call.due = now + (plan.rings_s[call.rung] if plan.rings_s else plan.ring_s)
    call.rung += 1
    placed: list[Leg] = []
    try:
        caller = call.caller.audio
        caller.open()
        for destination in group:
            branch = new_branch(destination, call.offered, caller, call.shared)
            branch.call = call
            branch.invited_at = now
            placed.append(branch)
    except ResourcesExhausted as bound:
        _close_all(placed)
        call.happen("exhausted", leg, bound, now)
        return
    except NothingFits:
        _close_all(placed)
        call.best, call.groups = 488, []
        call.happen("all-refused", leg, None, now)
        return
    if caller.agreed is not None:
        answering.ring_back(call)
    call.branches = placed
    for branch in placed:
        call.legs.append(branch)
        call.out.append(LegOpened(branch))
    for branch in placed:
        call.absorb(branch, branch.session.start(now), now)


def ring_over(call: "Call", now: float) -> None:
    """Nobody of the present group has answered in time."""
    assert isinstance(call.plan, Connect)
    last = not call.groups or "no-answer" in call.plan.stop
    call.happen("all-timeout" if last else "group-timeout", call.caller, None, now)


def ring_next_group(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Give up the present group."""
    release(call, call.branches, now, "no-answer")
    call.branches = []
    _ring_group(call, leg, now)


def pass_progress(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Tell the caller of ringing, and let it hear early media when a single branch sends it."""
    assert isinstance(detail, events.Progressed)
    first = call.record.progressed_at is None
    if first:
        call.record.progressed_at = now
        call.out.append(Progressed(call))
    if call.record.answered_at is not None:
        return  # it hears our ringback
    body = None
    if detail.body is not None and call.offered is not None and len(call.branches) == 1 and not call.groups:
        body = _early_answer(call, leg, detail.body)
    status = 183 if body is not None or detail.status == 183 else 180
    if first or body is not None or status == 180:
        call.absorb(call.caller, call.caller.session.ring(status, "", body, now), now)


def _early_answer(call: "Call", leg: Leg, body: bytes) -> bytes | None:
    try:
        leg.audio.take_early_answer(parse(body))
        return talking.introduce(call, leg)
    except PeerError:
        return None  # its early media is not heard; the final answer may be better
    except ResourcesExhausted as bound:
        call.shared.ran_out(bound)
        return None


def connect(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The first answer wins: the others are cancelled, the two legs hear each other."""
    call.due = None
    release(call, [branch for branch in call.branches if branch is not leg], now, "cancelled")
    call.branches, call.other = [], leg
    try:
        body = talking.introduce(call, leg)
    except PeerError:
        refuse(call, 488, (), now)
        release(call, [leg], now, "unacceptable")
        call.happen("hang-up", leg, None, now)
        return
    call.record.answered_by = leg.label
    if leg.answered_at is None:
        leg.answered_at = now
    if call.record.answered_at is None:
        answering.accept(call, body, now)
    else:
        call.out.append(LegAnswered(leg))
    if call.recording is not None:
        talking.record(call)
    if call.taps:
        tapping.overhear(call)


def drop_branch(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """The others go on ringing; what it answered is remembered in `best`."""


def ask_again(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Nobody answered."""
    call.due = None
    status = call.settings.final_codes.final_code(call.best)
    call.out.append(DecisionNeeded(call, outcome_of(call.best), status))


def ask_after_timeout(call: "Call", leg: Leg, detail: object, now: float) -> None:
    """Nobody answered in time."""
    release(call, call.branches, now, "no-answer")
    call.branches = []
    call.due = None
    call.out.append(DecisionNeeded(call, "no-answer", 480))


def _close_all(legs: list[Leg]) -> None:
    for leg in legs:
        leg.audio.close()
