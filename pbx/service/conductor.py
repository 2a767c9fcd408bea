"""The conductor: stands between the endpoint and the switch, and asks the router for what calls need."""

import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, ParamSpec, assert_never

from twisted.internet.defer import Deferred

from pbx.call.call import Call
from pbx.call.outputs import CallOutput, DigitPressed, Ending, Summoned
from pbx.call.plan import Plan, Refuse, Summons
from pbx.call.record import CallRecord
from pbx.media.values import DigitHeard, SourceEnded
from pbx.metrics.metrics import Metrics
from pbx.queues import Offer
from pbx.registrar.binding import BindingEvent
from pbx.service.at_once import at_once
from pbx.service.desk import AgentWanted, Desk
from pbx.service.outputs import BindingsChanged, CallEnded, OutcomeNeeded, Output, RouteNeeded
from pbx.service.router import Router
from pbx.service.switch import Switch
from pbx.sip.flow import Flow
from pbx.sip.framing import FramingError
from pbx.sip.outputs import Transmit
from pbx.store.entries import Decided

log = logging.getLogger("pbx")

GATHERING_S: Final = 0.005
"""The longest that the media plane waits for what is asked of it while many messages come at once."""

_Asked = ParamSpec("_Asked")


class Conductor:
    """The core that the endpoint feeds.

    A decision that is made at once is carried out within the same call; one that takes time is carried out
    when it comes, by `send`. What is asked of the media plane gathers while `hold_media(True)` holds: until
    all messages that were there have been served, GATHERING_S at most.
    A fault of our own costs the message it happened with, never the service: it is
    logged with its traceback and counted.
    """

    def __init__(
        self,
        switch: Switch,
        router: Router,
        metrics: Metrics,
        clock: Callable[[], float],
        send: Callable[[Sequence[Transmit]], None],
        bindings_changed: Callable[[Sequence[BindingEvent], float], None],
        hold_media: Callable[[bool], object] = bool,
        call_ended: Callable[[CallRecord, int, Sequence[Decided]], None] | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._switch = switch
        self._router = router
        self._metrics = metrics
        self._clock = clock
        self._send = send
        self._bindings_changed = bindings_changed
        self._call_ended = call_ended
        self._hold_media = hold_media
        # Since when the media plane's orders gather; None: they do not.
        self._gathering: float | None = None
        self._desk = desk
        self.faults = 0

    # -- the endpoint's side ---------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float, late_s: float | None = None) -> Sequence[Transmit]:
        """One message from the wire."""
        return self._guarded(now, self._switch.receive, data, flow, now, late_s)

    def receive_unframed(self, error: FramingError, flow: Flow, now: float) -> Sequence[Transmit]:
        """A stream that cannot be read on."""
        return self._guarded(now, self._switch.receive_unframed, error, flow, now)

    def transport_failed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        """Nothing can be sent along `flow`."""
        return self._guarded(now, self._switch.transport_failed, flow, now)

    def flow_closed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        """A stream is gone."""
        return self._guarded(now, self._switch.flow_closed, flow, now)

    def next_deadline(self) -> float | None:
        """When something is due."""
        due = self._switch.next_deadline()
        queues = None if self._desk is None else self._desk.next_deadline()
        return due if queues is None or (due is not None and due <= queues) else queues

    def served(self) -> None:
        """What was asked of the media plane goes to it."""
        if self._gathering is not None:
            self._gathering = None
            self._hold_media(False)

    def woke(self, late_s: float) -> None:
        """How late the reactor was."""
        self._metrics.loop_late(late_s)

    def handle_timer(self, now: float) -> Sequence[Transmit]:
        """Do what is due."""
        sent = self._guarded(now, self._switch.handle_timer, now)
        desk = self._desk
        if desk is not None:
            sent += self._guarded(now, desk.handle_timer, now)
        return sent

    # -- the media plane's side ------------------------------------------------------------------------------

    def media_happened(self, event: SourceEnded | DigitHeard) -> None:
        """A sound is over, or a key was pressed."""
        now = self._clock()
        self._say(self._guarded(now, self._switch.media_happened, event, now))

    # -- the operator's side ---------------------------------------------------------------------------------

    def hang_up(self, call_id: str) -> None:
        """End a call."""
        now = self._clock()
        self._say(self._guarded(now, self._switch.hang_up, call_id, now))

    def tell(self, call_id: str, act: Callable[[Call, float], Iterable[CallOutput]]) -> None:
        """Ask something of a call; one that is gone already is no error."""
        now = self._clock()
        self._say(self._guarded(now, self._switch.tell, call_id, lambda call: act(call, now), now))

    def operate(self, act: Callable[[float], Sequence[Output | AgentWanted]]) -> None:
        """Do what an operator asked for, and carry out what follows. What `act` raises passes."""
        now = self._clock()
        outputs = act(now)
        self._say(self._guarded(now, lambda: outputs))

    def _say(self, sent: Sequence[Transmit]) -> None:
        """Send what follows from something that was no message."""
        self._send(sent)
        # The endpoint says so itself once it is up, and until it ends.
        self.served()

    # -- carrying out ----------------------------------------------------------------------------------------

    def _guarded(
        self,
        now: float,
        act: Callable[_Asked, Sequence[Output | AgentWanted]],
        *args: _Asked.args,
        **kwargs: _Asked.kwargs,
    ) -> list[Transmit]:
        sent: list[Transmit] = []
        self._gather(now)
        try:
            self._carry_out(act(*args, **kwargs), now, sent)
            desk = self._desk
            if desk is not None:
                while desk.pending:
                    self._carry_out(desk.tend(now), now, sent)
        except Exception:
            self.faults += 1
            log.exception("a fault of our own; the message it happened with is lost")
        return sent

    def _gather(self, now: float) -> None:
        """Let orders of the media plane gather: to wake its thread costs as much as a small message."""
        if self._gathering is not None:
            if now - self._gathering < GATHERING_S:
                return
            self._hold_media(False)
        self._gathering = now
        self._hold_media(True)

    def _carry_out(self, outputs: Sequence[Output | AgentWanted], now: float, sent: list[Transmit]) -> None:
        for output in outputs:
            if isinstance(output, Transmit):
                sent.append(output)
                continue
            match output:
                case RouteNeeded():
                    call = output.call
                    self._ask(call, self._router.route(call, output.routed, self._clock), now, sent)
                case CallEnded():
                    call = output.call
                    generation, decided = self._router.forget(call)
                    if self._desk is not None:
                        self._desk.call_ended(call, now)
                    if self._call_ended is not None:
                        self._call_ended(call.record, generation, decided)
                case OutcomeNeeded(call, outcome, status, digits):
                    follows = self._router.follow(call, outcome, status, self._clock, digits)
                    self._ask(call, follows, now, sent)
                case BindingsChanged(events):
                    self._bindings_changed(events, now)
                    if self._desk is not None:
                        self._desk.bindings_changed(events)
                case Summoned() | DigitPressed() | Ending():
                    if self._desk is not None:
                        self._desk.happened(output, now)
                case AgentWanted(offer, call):
                    if self._desk is not None:
                        self._summon(offer, self._desk.summons(offer, call, now), now, sent)
                case _:
                    assert_never(output)

    def _ask(
        self, call: Call, question: Coroutine[Deferred[Any], Any, Plan], now: float, sent: list[Transmit]
    ) -> None:
        """Carry out the plan at once when it is there at once, else when it comes."""
        plan = at_once(question, self._undecided)
        if isinstance(plan, Deferred):
            plan.addCallback(lambda later: self._decided(call, later))
        else:
            self._route(call, plan, now, sent)

    def _summon(
        self, offer: Offer, question: Coroutine[Deferred[Any], Any, Summons], now: float, sent: list[Transmit]
    ) -> None:
        """Ring an agent at once when it is known at once where, else when it is."""
        desk = self._desk
        assert desk is not None
        found = at_once(question, lambda error: self._unreachable(error, offer))
        if isinstance(found, Deferred):
            found.addCallback(lambda summons: self.operate(lambda later: desk.ring(offer, summons, later)))
        else:
            self._carry_out(desk.ring(offer, found, now), now, sent)

    def _unreachable(self, error: BaseException, offer: Offer) -> Summons:
        self.faults += 1
        log.error("agent %s cannot be rung", offer.agent, exc_info=error)
        return Summons(offer.number, ())

    def _decided(self, call: Call, plan: Plan) -> None:
        now = self._clock()
        sent: list[Transmit] = []
        self._route(call, plan, now, sent)
        self._say(sent)

    def _route(self, call: Call, plan: Plan, now: float, sent: list[Transmit]) -> None:
        """Carry out a plan; when that breaks, the caller is told at once instead of waiting for nothing."""
        faults = self.faults
        sent += self._guarded(now, self._switch.route, call, plan, now)
        if self.faults != faults:
            sent += self._guarded(now, self._switch.hang_up, call.record.id, now)

    def _undecided(self, error: BaseException) -> Plan:
        self.faults += 1
        log.error("a decision failed; the call is refused with 500", exc_info=error)
        return Refuse(500)
