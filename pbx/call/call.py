"""A call: the caller's leg, the legs it rings, and the bridge between the two that talk.

The B2BUA of RFC 3261 §6: a user agent server towards the caller and a user agent client towards each callee,
joined by the events of their sessions and nothing else. What may happen in which state is `table.TABLE`.
"""

from collections.abc import Callable, Sequence
from typing import assert_never

from pbx.call.branch import new_branch
from pbx.call.causes import Cause, better, cause_of, outcome_of
from pbx.call.leg import Leg
from pbx.call.media import Media
from pbx.call.outputs import (
    CallOutput,
    DecisionNeeded,
    Established,
    Finished,
    LegClosed,
    LegOpened,
    Progressed,
    Signal,
)
from pbx.call.plan import Connect, Destination, Echo, Plan, Refuse
from pbx.call.record import CallRecord, LegTotals
from pbx.call.reoffer import OfferRelay, Steps
from pbx.call.settings import CallSettings
from pbx.call.table import TABLE, Action, Input, State
from pbx.errors import PeerError, ResourcesExhausted
from pbx.ids import Ids
from pbx.sdp.description import Description, parse
from pbx.sdp.errors import NothingFits
from pbx.sip import session_events as events
from pbx.sip.session_table import State as SessionState


class Call:
    """One call from its INVITE to its last BYE; every method that is given `now` returns outputs."""

    __slots__ = (
        "_best",
        "_groups",
        "_offer",
        "_offers",
        "_out",
        "_ring_due",
        "_ring_s",
        "branches",
        "caller",
        "hops_left",
        "ids",
        "legs",
        "media",
        "offered",
        "other",
        "record",
        "settings",
        "state",
    )

    def __init__(
        self,
        caller: Leg,
        record: CallRecord,
        settings: CallSettings,
        media: Media,
        ids: Ids,
        offered: Description | None,
    ) -> None:
        self.state: State = "deciding"
        self.caller = caller
        self.record = record
        self.settings = settings
        self.media = media
        self.ids = ids
        # The caller's offer; None when the INVITE had no body and the offer is left to us (RFC 3261 §13.2.1).
        self.offered = offered
        # What Max-Forwards its outgoing INVITEs carry, so that calls that come back to us end (§20.22).
        self.hops_left = 69
        self.legs: list[Leg] = [caller]
        self.branches: list[Leg] = []
        self.other: Leg | None = None
        self._groups: list[Sequence[Destination]] = []
        self._ring_s = 0.0
        self._ring_due: float | None = None
        self._best = 0
        self._offers = OfferRelay()
        self._out: list[CallOutput] = []

    # -- what the owner asks ---------------------------------------------------------------------------------

    def route(self, plan: Plan, now: float) -> list[CallOutput]:
        """Do what was decided. A plan for a call that ended meanwhile changes nothing."""
        match plan:
            case Connect(groups, ring_s, nobody):
                if self.state == "deciding":
                    self._groups = [group for group in groups if group]
                    self._ring_s = ring_s
                    self._best = 0 if self._groups else nobody
                    self._happen("dial", self.caller, None, now)
            case Echo():
                self._happen("echo", self.caller, None, now)
            case Refuse():
                self._happen("refuse", self.caller, plan, now)
            case _:
                assert_never(plan)
        return self._taken()

    def hang_up(self, now: float) -> list[CallOutput]:
        """End the call whatever its state."""
        self._happen("hang-up", self.caller, None, now)
        return self._taken()

    def receive(self, leg: Leg, outputs: Sequence[events.SessionOutput], now: float) -> list[CallOutput]:
        """What a leg's session wants sent, and what it says has happened."""
        self._absorb(leg, outputs, now)
        return self._taken()

    def next_deadline(self) -> float | None:
        """When nobody has answered for long enough."""
        return self._ring_due

    def handle_timer(self, now: float) -> list[CallOutput]:
        """The ring time of the present group is over."""
        if self._ring_due is not None and now >= self._ring_due:
            # Nobody rings any more in a call that waits for its end: what is due must not stay due.
            self._ring_due = None
            self._happen("group-timeout" if self._groups else "all-timeout", self.caller, None, now)
        return self._taken()

    # -- events ----------------------------------------------------------------------------------------------

    def _taken(self) -> list[CallOutput]:
        out, self._out = self._out, []
        return out

    def _absorb(self, leg: Leg, outputs: Sequence[events.SessionOutput], now: float) -> None:
        for output in outputs:
            match output:
                case (
                    events.SendRequest()
                    | events.SendAck()
                    | events.SendResponse()
                    | events.CancelRequest()
                    | events.DialogOpened()
                    | events.DialogClosed()
                ):
                    self._out.append(Signal(leg, output))
                case events.Progressed():
                    if leg in self.branches:
                        self._happen("progressed", leg, output, now)
                case events.Answered(body):
                    self._answered(leg, body, now)
                case events.Refused(status):
                    self._refused(leg, status, now)
                case events.Acknowledged(body):
                    if leg is self.caller:
                        self._acknowledged(body, now)
                case events.Cancelled():
                    if leg is self.caller:
                        self._happen("caller-cancelled", leg, None, now)
                case events.Ended(cause):
                    self._ended(leg, cause, now)
                case events.Offered():
                    self._happen("offered", leg, output, now)
                case events.OfferAccepted():
                    self._happen("offer-accepted", leg, output, now)
                case events.OfferRefused():
                    self._happen("offer-refused", leg, output, now)
                case events.OfferWithdrawn():
                    self._offers.withdrawn(leg)
                case events.InfoReceived():
                    pass  # answered by the session; digits cross the bridge as telephone-events
                case _:
                    assert_never(output)
        if leg.session.state is SessionState.ENDED and leg in self.legs:
            self._close(leg)
        if not self.legs:
            self._happen("over", leg, None, now)

    def _answered(self, leg: Leg, body: bytes | None, now: float) -> None:
        if leg not in self.branches:
            return
        try:
            if body is not None:
                leg.audio.take_answer(parse(body))
            elif not leg.audio.keep_early_answer():
                raise PeerError(488, "No Answer To The Offer")
        except PeerError as fault:
            self._refused(leg, 488 if fault.status == 488 else 500, now)
            return
        self._happen("answered", leg, None, now)

    def _refused(self, leg: Leg, status: int, now: float) -> None:
        if leg is self.caller:
            self._happen("caller-ended", leg, None, now)
        elif leg in self.branches:
            self.branches.remove(leg)
            leg.cause = cause_of(status)
            # A challenge leaves the session open for credentials, and we have none for callees.
            self._abandon(leg, now)
            self._best = better(self._best, status) if self._best else status
            if status >= 600:
                # RFC 3261 §16.7 step 5: a 6xx speaks for every place the callee can be reached.
                self._groups = []
                self._release(self.branches, now, "cancelled")
                self.branches = []
            if self.branches:
                self._happen("branch-refused", leg, None, now)
            else:
                self._happen("group-refused" if self._groups else "all-refused", leg, None, now)

    def _ended(self, leg: Leg, cause: str, now: float) -> None:
        if leg is self.caller:
            if cause == "no-ack" and self.record.cause is None:
                self.record.cause = "no-ack"
            self._happen("caller-ended", leg, None, now)
        elif leg is self.other:
            self._happen("callee-ended", leg, None, now)
        elif leg in self.branches:
            self._refused(leg, 480, now)

    def _acknowledged(self, body: bytes | None, now: float) -> None:
        if self.caller.audio.agreed is not None:
            return
        try:
            if body is None:
                raise PeerError(488, "No Answer To The Offer")
            self.caller.audio.take_answer(parse(body))
        except PeerError:
            self._happen("unanswerable", self.caller, None, now)
        else:
            self._happen("acknowledged", self.caller, None, now)

    def _happen(self, what: Input, leg: Leg, detail: object, now: float) -> None:
        """The one place that changes the state."""
        cell = TABLE.get((self.state, what))
        if cell is None:
            return
        action, self.state = cell
        _ACTIONS[action](self, leg, detail, now)

    # -- setting up ------------------------------------------------------------------------------------------

    def _ring_group(self, leg: Leg, detail: object, now: float) -> None:
        """Place an INVITE to every destination of the next group."""
        if not self._groups:
            self._happen("all-refused", leg, None, now)
            return
        group = self._groups.pop(0)
        self._ring_due = now + self._ring_s
        placed: list[Leg] = []
        try:
            caller = self.caller.audio
            caller.open()
            for destination in group:
                branch = new_branch(destination, self.offered, caller, self.settings, self.media, self.ids)
                branch.call = self
                branch.invited_at = now
                placed.append(branch)
        except ResourcesExhausted as bound:
            _close_all(placed)
            self._happen("exhausted", leg, bound, now)
            return
        except NothingFits:
            _close_all(placed)
            self._best, self._groups = 488, []
            self._happen("all-refused", leg, None, now)
            return
        self.branches = placed
        for branch in placed:
            self.legs.append(branch)
            self._out.append(LegOpened(branch))
        for branch in placed:
            self._absorb(branch, branch.session.start(now), now)

    def _ring_next_group(self, leg: Leg, detail: object, now: float) -> None:
        self._release(self.branches, now, "no-answer")
        self.branches = []
        self._ring_group(leg, detail, now)

    def _pass_progress(self, leg: Leg, detail: object, now: float) -> None:
        """Tell the caller of ringing, and let it hear early media when a single branch sends it."""
        assert isinstance(detail, events.Progressed)
        body = None
        if (
            detail.body is not None
            and self.offered is not None
            and len(self.branches) == 1
            and not self._groups
        ):
            body = self._early_answer(leg, detail.body)
        status = 183 if body is not None or detail.status == 183 else 180
        first = self.record.progressed_at is None
        if first:
            self.record.progressed_at = now
            self._out.append(Progressed(self))
        if first or body is not None or status == 180:
            self._absorb(self.caller, self.caller.session.ring(status, "", body, now), now)

    def _early_answer(self, leg: Leg, body: bytes) -> bytes | None:
        try:
            leg.audio.take_early_answer(parse(body))
            return self._join(leg)
        except PeerError:
            return None  # its early media is not heard; the final answer may be better

    def _connect(self, leg: Leg, detail: object, now: float) -> None:
        """The first answer wins: the others are cancelled, the two legs hear each other."""
        self._ring_due = None
        self._release([branch for branch in self.branches if branch is not leg], now, "cancelled")
        self.branches, self.other = [], leg
        try:
            body = self._join(leg)
        except PeerError:
            self._refuse(488, (), now)
            self._release([leg], now, "unacceptable")
            self._happen("hang-up", leg, None, now)
            return
        self.record.answered_by = leg.label
        leg.answered_at = now
        self._accept(body, now)

    def _join(self, leg: Leg) -> bytes:
        """Bridge the caller with a leg that answered; the body for the caller: answer or late offer."""
        far = leg.audio.agreed
        assert far is not None
        audio = self.caller.audio
        if self.offered is None:
            return audio.offer(far.formats)
        if audio.agreed is None:
            body = audio.answer(self.offered, far.formats, far)
        else:
            assert audio.sent is not None
            body = audio.sent.encode()
        self._bridge(leg)
        return body

    def _bridge(self, leg: Leg) -> None:
        caller = self.caller.audio
        caller.connect(leg.audio.agreed)
        leg.audio.connect(caller.agreed)
        if caller.row is not None and leg.audio.row is not None:
            self.media.bridge(caller.row, leg.audio.row)

    def _accept(self, body: bytes, now: float) -> None:
        self.record.answered_at = now
        self.record.status = 200
        self._absorb(self.caller, self.caller.session.accept(body, now), now)
        self._out.append(Established(self))

    def _answer_echo(self, leg: Leg, detail: object, now: float) -> None:
        audio = self.caller.audio
        try:
            audio.open()
            if self.offered is None:
                body = audio.offer(self.settings.formats)
            else:
                body = audio.answer(self.offered, None, None)
            self._start_echo()
        except ResourcesExhausted as bound:
            self._happen("exhausted", leg, bound, now)
            return
        except PeerError:
            self._happen("refuse", leg, Refuse(488), now)
            return
        self.record.answered_by = "echo"
        self._accept(body, now)

    def _start_echo(self) -> None:
        audio = self.caller.audio
        if audio.row is not None and audio.agreed is not None:
            audio.connect(None)
            self.media.echo(audio.row)

    def _complete_late_offer(self, leg: Leg, detail: object, now: float) -> None:
        try:
            if self.other is None:
                self._start_echo()
            else:
                self._bridge(self.other)
        except PeerError:
            self._happen("unanswerable", leg, None, now)

    # -- offers within the call ------------------------------------------------------------------------------

    def _relay_offer(self, leg: Leg, detail: object, now: float) -> None:
        assert isinstance(detail, events.Offered)
        other = self.other if leg is self.caller else self.caller
        self._carry_out(self._offers.offered(leg, other, detail.body, now), now)

    def _relay_answer(self, leg: Leg, detail: object, now: float) -> None:
        assert isinstance(detail, events.OfferAccepted)
        self._carry_out(self._offers.accepted(leg, detail.body, now), now)

    def _relay_refusal(self, leg: Leg, detail: object, now: float) -> None:
        assert isinstance(detail, events.OfferRefused)
        self._carry_out(self._offers.refused(leg, detail.status, now), now)

    def _carry_out(self, steps: Steps, now: float) -> None:
        for leg, outputs in steps:
            self._absorb(leg, outputs, now)

    # -- failing ---------------------------------------------------------------------------------------------

    def _drop_branch(self, leg: Leg, detail: object, now: float) -> None:
        pass  # the others go on ringing; what it answered is remembered in `_best`

    def _ask_again(self, leg: Leg, detail: object, now: float) -> None:
        self._ring_due = None
        status = self.settings.final_codes.final_code(self._best)
        self._out.append(DecisionNeeded(self, outcome_of(self._best), status))

    def _ask_after_timeout(self, leg: Leg, detail: object, now: float) -> None:
        self._release(self.branches, now, "no-answer")
        self.branches = []
        self._ring_due = None
        self._out.append(DecisionNeeded(self, "no-answer", 480))

    def _refuse_caller(self, leg: Leg, detail: object, now: float) -> None:
        assert isinstance(detail, Refuse)
        self.record.cause = self.record.cause or detail.cause
        self._refuse(detail.status, detail.headers, now, detail.reason)

    def _refuse_exhausted(self, leg: Leg, detail: object, now: float) -> None:
        assert isinstance(detail, ResourcesExhausted)
        self.record.cause = "resources"
        self._refuse(503, (("Retry-After", str(detail.retry_after)),), now)

    def _refuse(self, status: int, headers: Sequence[tuple[str, str]], now: float, reason: str = "") -> None:
        self.record.status = status
        if self.record.cause is None:
            self.record.cause = cause_of(status)
        self._absorb(self.caller, self.caller.session.refuse(status, reason, now, headers), now)
        self.caller.audio.close()

    # -- ending ----------------------------------------------------------------------------------------------

    def _release_branches(self, leg: Leg, detail: object, now: float) -> None:
        """The caller is gone: give up everybody who rings."""
        if self.record.cause is None:
            self.record.cause = "answered" if self.record.answered_at is not None else "cancelled"
        if self.record.answered_at is None:
            self.record.status = 487
        self._release(self.branches, now, "cancelled")
        self.branches = []

    def _release_other(self, leg: Leg, detail: object, now: float) -> None:
        self.record.cause = self.record.cause or "answered"
        other = self.other if leg is self.caller and self.other else self.caller
        self._release([other], now, "answered")

    def _release_all(self, leg: Leg, detail: object, now: float) -> None:
        answered = self.record.answered_at is not None
        self.record.cause = self.record.cause or ("answered" if answered else "error")
        if not answered:
            self.record.status = 480
        self._release(self.legs, now, "cancelled")
        self.branches = []

    def _release(self, legs: Sequence[Leg], now: float, cause: Cause) -> None:
        for leg in list(legs):
            leg.cause = leg.cause or cause
            self._abandon(leg, now)

    def _abandon(self, leg: Leg, now: float) -> None:
        """End a leg by whatever its state asks for (§9, §15); its ports are free from now on."""
        leg.audio.close()
        self._absorb(leg, leg.session.end(now), now)

    def _close(self, leg: Leg) -> None:
        self.legs.remove(leg)
        leg.audio.close()
        audio = leg.audio
        codec = None if audio.agreed is None else audio.agreed.codec.encoding
        self.record.legs.append(LegTotals(leg.label, leg.trunk, codec, audio.statistics, leg.session.call_id))
        self._out.append(LegClosed(leg))

    def _finish(self, leg: Leg, detail: object, now: float) -> None:
        self._ring_due = None
        self.record.ended_at = now
        self._out.append(Finished(self))
        # The two that talked know the call, which knows them: no cycle keeps all three.
        for each in (self.caller, self.other):
            if each is not None:
                each.call = None


def _close_all(legs: Sequence[Leg]) -> None:
    for leg in legs:
        leg.audio.close()


_ACTIONS: dict[Action, Callable[[Call, Leg, object, float], None]] = {
    "ring_group": Call._ring_group,
    "ring_next_group": Call._ring_next_group,
    "pass_progress": Call._pass_progress,
    "connect": Call._connect,
    "drop_branch": Call._drop_branch,
    "ask_again": Call._ask_again,
    "ask_after_timeout": Call._ask_after_timeout,
    "answer_echo": Call._answer_echo,
    "refuse_caller": Call._refuse_caller,
    "refuse_exhausted": Call._refuse_exhausted,
    "release_branches": Call._release_branches,
    "release_other": Call._release_other,
    "release_all": Call._release_all,
    "complete_late_offer": Call._complete_late_offer,
    "relay_offer": Call._relay_offer,
    "relay_answer": Call._relay_answer,
    "relay_refusal": Call._relay_refusal,
    "finish": Call._finish,
}
