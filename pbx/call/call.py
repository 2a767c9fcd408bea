"""A call: the caller's leg, the legs it rings, and who hears whom.

The B2BUA of RFC 3261 §6: a user agent server towards the caller and a user agent client towards each callee,
joined by the events of their sessions and nothing else. What may happen in which state is `table.TABLE`; what
is then done is in `dialling` (finding somebody who answers), `answering` (what we do with a caller
ourselves), `talking` (what crosses between the two legs) and `ending`.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from pbx.call import announcing, answering, dialling, ending, originating, summoning, talking, tapping
from pbx.call.digits import Gathering, Press, Presses, Way, parse_info
from pbx.call.leg import Leg
from pbx.call.outputs import SIGNALS, CallOutput, Ending, LegClosed
from pbx.call.plan import (
    Attend,
    Collect,
    Connect,
    Destination,
    Echo,
    Join,
    Manner,
    Plan,
    PlaySounds,
    Refuse,
    Summons,
    Wait,
)
from pbx.call.record import CallRecord, LegTotals
from pbx.call.recording import Recording
from pbx.call.reoffer import OfferRelay
from pbx.call.settings import Shared
from pbx.call.stage import Stage
from pbx.call.summoning import Summoning
from pbx.call.table import TABLE, Action, Input, State
from pbx.call.tapping import Tap
from pbx.errors import PeerError, ResourcesExhausted
from pbx.media.values import Sound, SourceId
from pbx.sdp.description import Description, parse
from pbx.sip import session_events as events
from pbx.sip.session_table import State as SessionState


class Call:
    """One call from its INVITE to its last BYE; every method that is given `now` returns outputs.

    Its attributes are for the modules of this package; an owner reads `record`, `state`, `caller`, `other`
    and `legs`.
    """

    __slots__ = (
        "best",
        "branches",
        "caller",
        "due",
        "gathering",
        "groups",
        "hops_left",
        "legs",
        "media",
        "offered",
        "offers",
        "other",
        "out",
        "plan",
        "presses",
        "record",
        "recording",
        "room",
        "rung",
        "settings",
        "shared",
        "stage",
        "state",
        "summoning",
        "tapped",
        "taps",
    )

    def __init__(self, caller: Leg, record: CallRecord, shared: Shared, offered: Description | None) -> None:
        self.state: State = "deciding"
        self.caller = caller
        self.record = record
        self.shared = shared
        self.settings = shared.settings
        self.media = shared.media
        # The caller's offer; None when the INVITE had no body and the offer is left to us (RFC 3261 §13.2.1).
        self.offered = offered
        # What Max-Forwards its outgoing INVITEs carry, so that calls that come back to us end (§20.22).
        self.hops_left = 69
        self.legs: list[Leg] = [caller]
        self.branches: list[Leg] = []
        self.other: Leg | None = None
        # What is being carried out; None before the first decision.
        self.plan: Plan | None = None
        # When the ring time of the present group is over, or no further digit is waited for.
        self.due: float | None = None
        self.groups: list[Sequence[Destination]] = []
        self.rung = 0
        self.best = 0
        self.offers = OfferRelay()
        self.stage: Stage | None = None
        self.room: str | None = None
        self.gathering: Gathering | None = None
        self.presses: Presses | None = None
        self.recording: Recording | None = None
        self.summoning: Summoning | None = None
        # Who wants to hear two who talk, and who hears the call at present.
        self.taps: tuple[Tap, ...] = ()
        self.tapped: tuple[Tap, ...] = ()
        self.out: list[CallOutput] = []

    @classmethod
    def originated(cls, legs: Sequence[Leg], record: CallRecord, shared: Shared) -> "Call":
        """A call that we make: one of these `originating.phones_of` is to be its caller. `ring` begins it."""
        call = cls(legs[0], record, shared, None)
        call.state = "originating"
        call.legs, call.branches = list(legs), list(legs)
        return call

    # -- what the owner asks ---------------------------------------------------------------------------------

    def ring(self, ring_s: float, now: float) -> list[CallOutput]:
        """Ring whoever is to be the caller of a call that we make, for so long; `PickedUp` says who it is."""
        originating.ring(self, ring_s, now)
        return self._taken()

    def route(self, plan: Plan, now: float) -> list[CallOutput]:
        """Do what was decided. A plan for a call that ended meanwhile changes nothing."""
        what: Input
        if self.summoning is not None and not isinstance(plan, Wait) and self.state == "waiting":
            self.summoning.dismiss_all(self, now)
        match plan:
            case Connect():
                what = "dial"
            case PlaySounds():
                what = "play"
            case Collect():
                what = "collect"
            case Wait():
                what = "wait"
            case Join():
                what = "join"
            case Echo():
                what = "echo"
            case Attend():
                what = "attend"
            case Refuse():
                what = "refuse"
            case _:
                assert_never(plan)
        self.happen(what, self.caller, plan, now)
        return self._taken()

    def summon(self, summons: Summons, now: float) -> list[CallOutput]:
        """Ring somebody for a caller who waits, or to join two who talk; `Summoned` tells how it goes."""
        if self.summoning is None:
            self.summoning = Summoning()
        self.summoning.ring(self, summons, now)
        return self._taken()

    def dismiss(self, number: int, now: float) -> list[CallOutput]:
        """Give up a summons, whatever came of it; one that is over is no error."""
        if self.summoning is not None:
            self.summoning.dismiss(self, number, now)
        return self._taken()

    def put_through(self, number: int, now: float) -> list[CallOutput]:
        """Let the waiting caller talk with whoever answered this summons; all others are given up."""
        leg = None if self.summoning is None else self.summoning.take(self, number)
        if leg is not None and self.summoning is not None:
            self.summoning.dismiss_all(self, now)
            answering.unlisten(self)
            self.happen("connected", leg, None, now)
        return self._taken()

    def take_part(self, number: int, manner: Manner, now: float) -> list[CallOutput]:
        """Let whoever joined by this summons take part in another manner."""
        if self.summoning is not None:
            try:
                self.summoning.take_part(self, number, manner, now)
            except ResourcesExhausted as bound:
                ending.run_out(self, bound, now)
        return self._taken()

    def record_as(self, recording: Recording | None) -> None:
        """Record the call from when two legs talk, or it is in a room, at once if they do; None: no more."""
        self.recording = recording
        talking.record(self)

    def announce(self, sounds: Sequence[Sound]) -> bool:
        """Let everybody hear these, once, over what is said; False when nothing can be played."""
        return announcing.announce(self, sounds)

    def tap(self, tap: Tap) -> list[CallOutput]:
        """Let somebody hear two who talk, at once if they do."""
        self.taps = (*self.taps, tap)
        tapping.overhear(self)
        return self._taken()

    def tap_left(self, number: int, now: float) -> list[CallOutput]:
        """Who heard the call hears it no more; after a plugin that talked, a decision is needed."""
        if isinstance(self.plan, Attend) and self.plan.tap.number == number:
            self.happen("left", self.caller, None, now)
        else:
            tapping.leave(self, number)
        return self._taken()

    def hang_up(self, now: float) -> list[CallOutput]:
        """End the call whatever its state."""
        self.happen("hang-up", self.caller, None, now)
        return self._taken()

    def media_lost(self, leg: Leg, now: float) -> list[CallOutput]:
        """A leg is not heard of any more: the call ends, or the part of somebody who had joined it."""
        if leg.summons is not None and leg is not self.other:
            return self.dismiss(leg.summons, now)
        if self.state not in {"ending", "ended"}:
            self.record.cause = self.record.cause or "media"
        return self.hang_up(now)

    def receive(self, leg: Leg, outputs: Sequence[events.SessionOutput], now: float) -> list[CallOutput]:
        """What a leg's session wants sent, and what it says has happened."""
        self.absorb(leg, outputs, now)
        return self._taken()

    def sound_ended(self, source: SourceId, now: float) -> list[CallOutput]:
        """A source of this call has played everything."""
        if self.stage is not None and self.stage.source == source:
            answering.silence(self)
            self.happen("played", self.caller, None, now)
        elif self.summoning is not None:
            self.summoning.sound_ended(self, source)
        return self._taken()

    def digit_heard(self, press: Press, way: Way, now: float) -> list[CallOutput]:
        """The caller pressed a key; a press that was told before, the other way, changes nothing."""
        self._pressed(self.caller, press, way, now)
        return self._taken()

    def next_deadline(self) -> float | None:
        """When nobody has answered, or pressed a key, for long enough."""
        return self.due

    def handle_timer(self, now: float) -> list[CallOutput]:
        """The ring time of the present group is over, or the time for a digit."""
        if self.due is not None and now >= self.due:
            # Nobody rings any more in a call that waits for its end: what is due must not stay due.
            self.due = None
            if self.state == "collecting":
                self.happen("digits-due", self.caller, None, now)
            elif self.state == "originating":
                self.happen("all-timeout", self.caller, None, now)
            else:
                dialling.ring_over(self, now)
        return self._taken()

    # -- events ----------------------------------------------------------------------------------------------

    def _taken(self) -> list[CallOutput]:
        out, self.out = self.out, []
        return out

    def absorb(self, leg: Leg, outputs: Sequence[events.SessionOutput], now: float) -> None:
        """Take what a session of this call gave."""
        for output in outputs:
            if isinstance(output, SIGNALS):
                self.out.append((leg, output))
                continue
            match output:
                case events.Progressed():
                    if leg in self.branches:
                        self.happen("progressed", leg, output, now)
                case events.Answered():
                    dialling.answered(self, leg, output.body, now)
                case events.Ended():
                    self._ended(leg, output.cause, now)
                case events.Acknowledged():
                    if leg is self.caller:
                        self._acknowledged(output.body, now)
                case events.Refused():
                    dialling.refused(self, leg, output.status, now)
                case events.Cancelled():
                    if leg is self.caller:
                        self.happen("caller-cancelled", leg, None, now)
                case events.Offered():
                    self.happen("offered", leg, output, now)
                case events.OfferAccepted():
                    self.happen("offer-accepted", leg, output, now)
                case events.OfferRefused():
                    self.happen("offer-refused", leg, output, now)
                case events.OfferWithdrawn():
                    self.offers.withdrawn(leg)
                case events.InfoReceived(body, content_type):
                    press = parse_info(content_type, body)
                    if press is not None:
                        self._pressed(leg, press, "info", now)
                case _:
                    assert_never(output)
        if leg.session.state is _ENDED and leg in self.legs:
            self._close(leg)
        if not self.legs:
            self.happen("over", leg, None, now)

    def _ended(self, leg: Leg, cause: str, now: float) -> None:
        if leg in self.branches:
            dialling.refused(self, leg, 480, now)
        elif leg is self.caller:
            if cause == "no-ack" and self.record.cause is None:
                self.record.cause = "no-ack"
            self.happen("caller-ended", leg, None, now)
        elif leg is self.other:
            self.happen("callee-ended", leg, None, now)

    def _acknowledged(self, body: bytes | None, now: float) -> None:
        if self.caller.audio.agreed is not None:
            return
        try:
            if body is None:
                raise PeerError(488, "No Answer To The Offer")
            self.caller.audio.take_answer(parse(body))
        except PeerError:
            self.happen("unanswerable", self.caller, None, now)
        else:
            self.happen("acknowledged", self.caller, None, now)

    def _pressed(self, leg: Leg, press: Press, way: Way, now: float) -> None:
        if leg is self.caller:
            if self.presses is None:
                self.presses = Presses()
            if not self.presses.is_new(press.digit, way, now):
                return
        self.happen("digit", leg, (press, way), now)

    def happen(self, what: Input, leg: Leg, detail: object, now: float) -> None:
        """The one place that changes the state."""
        cell = TABLE.get((self.state, what))
        if cell is None:
            return
        action, after = cell
        if after == "ending" and self.summoning is not None and self.state != "ending":
            self.out.append(Ending(self))
        self.state = after
        try:
            ACTIONS[action](self, leg, detail, now)
        except ResourcesExhausted as bound:
            ending.run_out(self, bound, now)

    def totals(self, leg: Leg) -> LegTotals:
        """What a leg of this call has come to, up to now or to its end."""
        audio, watch = leg.audio, leg.watch
        last = audio.statistics if audio.row is None else self.media.statistics(audio.row)
        codec = None if audio.agreed is None else audio.agreed.codec.encoding
        quality = None if watch is None or last is None else watch.totals(last)
        return LegTotals(leg.label, leg.trunk, codec, last, leg.session.call_id, quality)

    def _close(self, leg: Leg) -> None:
        self.legs.remove(leg)
        leg.audio.close()
        self.record.legs.append(self.totals(leg))
        self.out.append(LegClosed(leg))


# To look it up in its class takes as long as a function call.
_ENDED: Final = SessionState.ENDED

ACTIONS: dict[Action, Callable[[Call, Leg, object, float], None]] = {
    "take_up": originating.take_up,
    "give_up": originating.give_up,
    "give_up_in_time": originating.give_up_in_time,
    "call_off": originating.call_off,
    "ring_group": dialling.ring_first_group,
    "ring_next_group": dialling.ring_next_group,
    "pass_progress": dialling.pass_progress,
    "connect": dialling.connect,
    "drop_branch": dialling.drop_branch,
    "ask_again": dialling.ask_again,
    "ask_after_timeout": dialling.ask_after_timeout,
    "play": answering.play,
    "ask_after_sounds": answering.ask_after_sounds,
    "collect": answering.collect,
    "await_digits": answering.await_digits,
    "take_digit": answering.take_digit,
    "ask_after_digits": answering.ask_after_digits,
    "hold_on": answering.hold_on,
    "resume": answering.resume,
    "tell_ringing": summoning.tell_ringing,
    "pick_up": summoning.pick_up,
    "tell_digit": summoning.tell_digit,
    "join_room": answering.join_room,
    "enter_room": answering.enter_room,
    "answer_echo": answering.answer_echo,
    "attend": answering.attend,
    "hear_digit": answering.hear_digit,
    "ask_after_talk": answering.ask_after_talk,
    "complete_late_offer": answering.complete_late_offer,
    "relay_offer": talking.relay_offer,
    "relay_answer": talking.relay_answer,
    "relay_refusal": talking.relay_refusal,
    "pass_digit": talking.pass_digit,
    "go_on": talking.go_on,
    "refuse_caller": ending.refuse_caller,
    "refuse_exhausted": ending.refuse_exhausted,
    "release_branches": ending.release_branches,
    "release_other": ending.release_other,
    "release_all": ending.release_all,
    "finish": ending.finish,
}
