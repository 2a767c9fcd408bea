"""The switch: the user agent core behind all sockets (RFC 3261 §5, "UAC core", "UAS core").

Pure: bytes, verdicts and due times in; bytes to send and questions out. It joins the transaction layer, the
registrar, the dialogs of all calls and the media plane; the edge gives it the network and the dialplan.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol, assert_never

from pbx.call import outputs as from_call
from pbx.call.audio import Audio
from pbx.call.call import Call
from pbx.call.digits import DIGITS, Press
from pbx.call.leg import Leg
from pbx.call.media import Media
from pbx.call.originating import phones_of
from pbx.call.plan import Destination, Plan
from pbx.call.record import CallRecord, Note
from pbx.call.recording import Recorder
from pbx.call.settings import CallSettings, Shared
from pbx.deadlines import Deadlines
from pbx.dialplan.call import Call as RoutedCall
from pbx.errors import OperatorError, PeerError, ResourcesExhausted
from pbx.ids import Ids
from pbx.media.values import DigitHeard, SourceEnded
from pbx.registrar.binding import BindingEvent
from pbx.registrar.registrar import Registrar
from pbx.sdp.crypto import LocalKeys
from pbx.sdp.description import parse as parse_sdp
from pbx.service.admission import Admission, Source
from pbx.service.counting import Counting
from pbx.service.live import LiveFacts
from pbx.service.network import Network, OwnAddress
from pbx.service.outputs import BindingsChanged, CallEnded, OutcomeNeeded, Output, RouteNeeded
from pbx.service.overload import Overload
from pbx.service.quality import QualityRounds
from pbx.service.screening import ALLOW, DIALOG_ALLOW, PRODUCT, screen
from pbx.service.security_log import SecurityLog
from pbx.sip import outputs as from_layer
from pbx.sip import session_events as from_session
from pbx.sip.authentication import Challenge, Failure
from pbx.sip.dialog import DialogId, received_id
from pbx.sip.flow import Flow, Transport
from pbx.sip.framing import FramingError
from pbx.sip.limits import BOUND_OF_PHRASE
from pbx.sip.malformed import MalformedMessage
from pbx.sip.message import Request, Response, parse, respond, validate_request, validate_response
from pbx.sip.outputs import Transmit
from pbx.sip.session import InviteSession
from pbx.sip.session_messages import SDP, refusal
from pbx.sip.transaction import ServerTransaction
from pbx.sip.transactions import TransactionLayer

# RFC 3261 §18.1.1: a request within 200 bytes of the path MTU goes by a congestion controlled transport.
_LARGE_BYTES = 1300
# Below this many octets of body no request of ours comes near that size.
_LARGE_BODY_BYTES = 500


class Switch:
    """All state of the signalling side; `legs`, `calls` and `dialogs` are bounded by `max_calls`."""

    def __init__(
        self,
        *,
        layer: TransactionLayer,
        registrar: Registrar,
        admission: Admission,
        network: Network,
        own: OwnAddress,
        media: Media,
        settings: CallSettings,
        ids: Ids,
        observer: Counting,
        wall_clock: "WallClock",
        max_calls: int,
        recorder: Recorder,
    ) -> None:
        self.layer = layer
        self.registrar = registrar
        self.calls: dict[str, Call] = {}
        self.dialogs: dict[DialogId, Leg] = {}
        self.legs = 0
        self.draining = False
        self._admission = admission
        self._network = network
        self._own = own
        self._media = media
        self._settings = settings
        self._ids = ids
        self._observer = observer
        self._wall_clock = wall_clock
        self._max_calls = max_calls
        self.live = LiveFacts(registrar)
        self.shared = Shared(settings, media, ids, recorder)
        self.quality = QualityRounds(media, settings.quality, observer)
        self._security = SecurityLog()
        self._deadlines: Deadlines[Leg | Call | SecurityLog] = Deadlines()
        self._reached: Counter[str] = Counter()
        # What calls of ours are to be once somebody is their caller, by their ids.
        self._origins: dict[str, RoutedCall] = {}
        self._overload = Overload()

    # -- from the edge ---------------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow, now: float, late_s: float | None = None) -> list[Output]:
        """One message from the wire, `late_s` at most after it came; when that is late, it may be refused."""
        out: list[Output] = []
        try:
            message = parse(data)
            if isinstance(message, Request):
                self._observer.received(message.method, flow.transport)
                validate_request(message)
            else:
                self._observer.answered(message.status, flow.transport)
                validate_response(message)
        except MalformedMessage as fault:
            self._malformed(fault, flow, now, out)
            return out
        sheds = late_s is not None and self._overload.sheds(message, late_s, now)
        self._handle(self.layer.receive(message, flow, now, sheds=sheds), now, out)
        return out

    def receive_unframed(self, error: FramingError, flow: Flow, now: float) -> list[Output]:
        """A stream that cannot be read on: answer what can be answered, then it is closed."""
        out: list[Output] = []
        self._malformed(error.fault, flow, now, out)
        return out

    def transport_failed(self, flow: Flow, now: float) -> list[Output]:
        """Nothing can be sent along `flow`."""
        out: list[Output] = []
        self._handle(self.layer.transport_failed(flow, now), now, out)
        return out

    def flow_closed(self, flow: Flow, now: float) -> list[Output]:
        """A stream is gone, and with it the bindings that were reached by it (RFC 5626 §5.3)."""
        out = self.transport_failed(flow, now)
        self._bindings(self.registrar.flow_closed(flow, now), out)
        return out

    def originate(
        self, routed: RoutedCall, destinations: Sequence[Destination], ring_s: float, now: float
    ) -> tuple[str, list[Output]]:
        """Make a call: who answers first is the caller of `routed`, which is then decided. Gives its id.

        Raises OperatorError when we take no more calls, and changes nothing then.
        """
        if self.draining:
            raise OperatorError(
                "the service is being drained, and takes no new calls", "it ends; start it again afterwards"
            )
        try:
            if len(self.calls) >= self._max_calls:
                self._reached["calls"] += 1
                raise OperatorError(
                    "there are as many calls as there may be", "`limits: {calls}` says how many"
                )
            legs = phones_of(destinations, self.shared, now)
        except ResourcesExhausted as bound:
            self.shared.ran_out(bound)
            raise OperatorError(
                f"the call cannot be made: {bound}", "try again when other calls have ended"
            ) from None
        out: list[Output] = []
        record = CallRecord(
            self._ids.token(8), routed.caller.number, routed.called, routed.source, now, originated=True
        )
        record.note(Note(now, "", "originated"))
        call = Call.originated(legs, record, self.shared)
        self.calls[record.id] = call
        self._origins[record.id] = routed
        self._observer.call_started(record)
        # The counts of users and trunks are those of its legs.
        self.live.call_started(record, None, None)
        self._from_call(call, call.ring(ring_s, now), now, out)
        return record.id, out

    def route(self, call: Call, plan: Plan, now: float) -> list[Output]:
        """Carry out what was decided for a call."""
        out: list[Output] = []
        self._from_call(call, call.route(plan, now), now, out)
        return out

    def tell(
        self, call_id: str, act: Callable[[Call], Iterable[from_call.CallOutput]], now: float
    ) -> list[Output]:
        """Ask something of a call; one that is gone already is no error."""
        out: list[Output] = []
        call = self.calls.get(call_id)
        if call is not None:
            self._from_call(call, act(call), now, out)
        return out

    def hang_up(self, call_id: str, now: float) -> list[Output]:
        """End a call; one that is gone already is no error."""
        out: list[Output] = []
        call = self.calls.get(call_id)
        if call is not None:
            self._from_call(call, call.hang_up(now), now, out)
        return out

    def media_happened(self, event: SourceEnded | DigitHeard, now: float) -> list[Output]:
        """A sound is over, or a key was pressed; what concerns no call is nobody's."""
        out: list[Output] = []
        match event:
            case SourceEnded(source):
                call = self.shared.listeners.sources.get(source)
                if call is not None:
                    self._from_call(call, call.sound_ended(source, now), now, out)
            case DigitHeard(leg, digit, duration_ms):
                call = self.shared.listeners.legs.get(leg)
                if call is not None and digit in DIGITS:
                    press = Press(digit, duration_ms)
                    self._from_call(call, call.digit_heard(press, "media", now), now, out)
            case _:
                assert_never(event)
        return out

    @property
    def reached(self) -> dict[str, int]:
        """How often each bound was reached, by its name in docs/bounds.md."""
        counters = self.layer.counters
        return {
            **self._reached,
            **self.shared.reached,
            "transactions": counters.over_bound + counters.refused_sends,
            "lateness": counters.shed,
        }

    def next_deadline(self) -> float | None:
        """The earliest due time of everything here."""
        earliest: float | None = None
        for due in (
            self.layer.next_deadline(),
            self._deadlines.next(),
            self.registrar.next_deadline(),
            self.quality.next_deadline(),
        ):
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def handle_timer(self, now: float) -> list[Output]:
        """Do what is due."""
        out: list[Output] = []
        self._handle(self.layer.handle_timer(now), now, out)
        for due, _ in self._deadlines.expire(now):
            if isinstance(due, Leg):
                self._from_session(due, due.session.handle_timer(now), now, out)
            elif isinstance(due, Call):
                self._from_call(due, due.handle_timer(now), now, out)
            else:
                due.handle_timer()
        self._bindings(self.registrar.handle_timer(now), out)
        for leg in self.quality.handle_timer(now):
            call = leg.call
            if isinstance(call, Call) and self.shared.settings.on_rtp_timeout == "hangup":
                self._from_call(call, call.media_lost(leg, now), now, out)
        return out

    # -- from the transaction layer --------------------------------------------------------------------------

    def _handle(self, outputs: Iterable[from_layer.Output], now: float, out: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Transmit):
                out.append(output)
                continue
            match output:
                case from_layer.ResponseReceived():
                    user = output.user
                    if isinstance(user, Leg):
                        events = user.session.receive_response(output.transaction, output.response, now)
                        self._from_session(user, events, now, out)
                case from_layer.RequestReceived():
                    self._request(output.transaction, output.request, output.flow, now, out)
                case from_layer.AckReceived():
                    leg = self.dialogs.get(received_id(output.request))
                    if leg is None:
                        self._observer.dropped("no-dialog", output.flow.transport)
                    else:
                        self._from_session(leg, leg.session.receive_ack(output.request, now), now, out)
                case from_layer.CancelReceived(transaction):
                    user = transaction.user
                    if isinstance(user, Leg):
                        self._from_session(user, user.session.receive_cancel(now), now, out)
                case from_layer.TransactionFailed(user, failed, cause):
                    if isinstance(user, Leg):
                        events = user.session.transaction_failed(failed, cause, now)
                        self._from_session(user, events, now, out)
                case from_layer.ResponseUndelivered(transaction):
                    user = transaction.user
                    if isinstance(user, Leg):
                        events = user.session.response_undelivered(transaction, now)
                        self._from_session(user, events, now, out)
                case _:
                    assert_never(output)

    def _malformed(self, fault: MalformedMessage, flow: Flow, now: float, out: list[Output]) -> None:
        """Answer what can be answered, statelessly; the rest is dropped (RFC 3261 §8.2, §18.3)."""
        self._observer.malformed(flow.transport)
        bound = BOUND_OF_PHRASE.get(fault.reason)
        if bound is not None:
            self._reached[bound] += 1
        if fault.request is None:
            self._observer.dropped("malformed", flow.transport)
            return
        self._handle(self.layer.refuse(fault.request, flow, fault.status, fault.reason), now, out)

    def _request(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now: float, out: list[Output]
    ) -> None:
        try:
            if request.to.tag is not None:
                leg = self.dialogs.get(received_id(request))
                if leg is None:
                    raise PeerError(481, "")
                transaction.user = leg
                if leg.pinned:
                    # A phone that reconnects, or whose NAT gave it another port, is where it was heard last.
                    leg.flow = flow
                self._from_session(leg, leg.session.receive_request(transaction, request, now), now, out)
                return
            screen(request)
            match request.method:
                case "INVITE":
                    response = self._invite(transaction, request, flow, now, out)
                case "REGISTER":
                    response = self._register(request, flow, now, out)
                case _:
                    response = respond(request, 200, to_tag=self._ids.tag(), headers=_CAPABILITIES)
        except PeerError as error:
            response = refusal(request, error, self._ids.tag())
        if response is not None:
            self._handle(self.layer.respond(transaction, response, now), now, out)

    def _register(self, request: Request, flow: Flow, now: float, out: list[Output]) -> Response:
        user = self._admission.registering(request, now)
        if isinstance(user, Challenge):
            return self._challenge(request, user, flow, now)
        if request.to.uri.username != user:
            self._observer.impersonated()
            self._failed(request, flow, "registers another user", user, now)
            raise PeerError(403, "")  # nobody registers for somebody else
        reply = self.registrar.receive(user, request, flow, now)
        self._bindings(reply.events, out)
        return respond(request, reply.status, reply.reason, to_tag=self._ids.tag(), headers=reply.headers)

    def _challenge(self, request: Request, challenge: Challenge, flow: Flow, now: float) -> Response:
        self._observer.challenged(challenge.failure)
        reason = _FAILED.get(challenge.failure)
        if reason is not None:
            if challenge.failure == "credentials" and not self._admission.knows(challenge.user):
                reason = "unknown user"
            self._failed(request, flow, reason, challenge.user, now)
        return respond(request, 401, to_tag=self._ids.tag(), headers=challenge.headers)

    def _failed(self, request: Request, flow: Flow, reason: str, user: str, now: float) -> None:
        due = self._security.failed(request.method, flow, reason, user, now)
        if due is not None:
            self._deadlines.set(self._security, due)

    # -- new calls -------------------------------------------------------------------------------------------

    def _invite(
        self, transaction: ServerTransaction, request: Request, flow: Flow, now: float, out: list[Output]
    ) -> Response | None:
        """Make a call of an INVITE, or return what refuses it."""
        source = self._admission.source(request, flow, now)
        if isinstance(source, Challenge):
            return self._challenge(request, source, flow, now)
        if self.draining or len(self.calls) >= self._max_calls:
            if not self.draining:
                self._reached["calls"] += 1
            return respond(request, 503, to_tag=self._ids.tag(), headers=[("retry-after", "5")])
        offered = parse_sdp(request.body) if request.body else None
        session = InviteSession.incoming(
            transaction,
            request,
            contact=self._own.contact(flow),
            ids=self._ids,
            timers=self._settings.timers,
            allow=DIALOG_ALLOW,
            server=PRODUCT,
        )
        keys = LocalKeys(source.srtp or self._settings.srtp, self._ids.octets)
        audio = Audio(self._media, self._own.address(flow), self._ids.number(48), keys)
        label = source.name if source.caller.user is None else f"user/{source.caller.user}"
        leg = Leg(session, audio, flow=flow, label=label, trunk=source.trunk, pinned=source.trunk is None)
        transaction.user = leg
        called = request.request_uri.username
        record = CallRecord(self._ids.token(8), source.caller.number, called, source.name, now)
        call = Call(leg, record, self.shared, offered)
        call.hops_left = (70 if request.max_forwards is None else request.max_forwards) - 1
        leg.call = call
        self.calls[record.id] = call
        self.legs += 1
        self._observer.call_started(record)
        self.live.call_started(record, source.caller.user, source.trunk)
        self._from_session(leg, session.trying(now), now, out)
        out.append(RouteNeeded(call, self._routed(record, source, called, request)))
        return None

    def _routed(self, record: CallRecord, source: Source, called: str, request: Request) -> RoutedCall:
        return RoutedCall(
            record.id,
            source.caller,
            called,
            source.name,
            self._wall_clock(),
            source.caller.user,
            source.trunk,
            {name: value for name in _SHOWN_TO_HANDLERS if (value := request.get(name)) is not None},
        )

    # -- from sessions and calls -----------------------------------------------------------------------------

    def _from_session(
        self, leg: Leg, outputs: Sequence[from_session.SessionOutput], now: float, out: list[Output]
    ) -> None:
        call = leg.call
        if isinstance(call, Call):
            if outputs:
                self._from_call(call, call.receive(leg, outputs, now), now, out, leg)
                return
        else:
            # Its call is over: what the peer repeats still gets its answer, a 2xx its ACK (§13.2.2.4).
            for output in outputs:
                if isinstance(output, from_call.SIGNALS):
                    self._signal(leg, output, now, out)
        self._arm(leg, leg.session.next_deadline())

    def _from_call(
        self,
        call: Call,
        outputs: Iterable[from_call.CallOutput],
        now: float,
        out: list[Output],
        heard: Leg | None = None,
    ) -> None:
        """Carry out what a call wants; `heard` is the leg whose session had news, if one had."""
        changed = [] if heard is None else [heard]
        for output in outputs:
            match output:
                case (leg, signal):
                    self._signal(leg, signal, now, out)
                    if leg not in changed:
                        changed.append(leg)
                case from_call.LegClosed():
                    leg = output.leg
                    self.legs -= 1
                    self.quality.end(leg)
                    self._observer.leg_finished(leg, now)
                    self.live.leg_closed(call.record.id, leg, call.legs)
                    if leg not in changed:
                        changed.append(leg)
                case from_call.LegOpened():
                    leg = output.leg
                    self.legs += 1
                    self._observer.leg_started(leg.trunk)
                    first = next((each for each in call.legs if each.label == leg.label), leg) is leg
                    self.live.leg_opened(call.record.id, leg, first=first)
                case from_call.Progressed():
                    self._observer.call_progressed(call.record)
                case from_call.Established():
                    self._observer.call_established(call.record)
                    self.quality.begin(call.caller, now)
                    if call.other is not None:
                        self._observer.leg_answered(call.other)
                        self.quality.begin(call.other, now)
                case from_call.Finished():
                    self.calls.pop(call.record.id, None)
                    self._origins.pop(call.record.id, None)
                    self._observer.call_finished(call.record)
                    self.live.call_finished(call.record.id)
                    out.append(CallEnded(call))
                case from_call.DecisionNeeded(_, outcome, status, digits):
                    out.append(OutcomeNeeded(call, outcome, status, digits))
                case from_call.LegAnswered(leg):
                    self._observer.leg_answered(leg)
                    self.quality.begin(leg, now)
                case from_call.Summoned() | from_call.DigitPressed() | from_call.Ending():
                    out.append(output)
                case from_call.PickedUp():
                    routed = self._origins.pop(call.record.id)
                    out.append(RouteNeeded(call, replace(routed, id=call.record.id, at=self._wall_clock())))
                case _:
                    assert_never(output)
        for leg in changed:
            self._arm(leg, leg.session.next_deadline())
        self._arm(call, call.next_deadline())

    def _arm(self, key: Leg | Call, due: float | None) -> None:
        deadlines = self._deadlines
        if due is None:
            deadlines.cancel(key)
        elif deadlines.due(key) != due:
            deadlines.set(key, due)

    def _signal(self, leg: Leg, signal: from_call.SignalOutput, now: float, out: list[Output]) -> None:
        match signal:
            case from_session.SendResponse():
                self._handle(self.layer.respond(signal.transaction, signal.response, now), now, out)
            case from_session.DialogOpened():
                self.dialogs[signal.id] = leg
            case from_session.DialogClosed():
                self.dialogs.pop(signal.id, None)
            case from_session.SendRequest():
                request = signal.request
                flow, fallback = self._by_size(request, self._flow(leg, request))
                transaction, sent = self.layer.send_request(request, flow, leg, now, fallback=fallback)
                signal.session.sent(transaction)
                self._handle(sent, now, out)
            case from_session.SendAck():
                self._handle(self.layer.send_ack(signal.request, self._flow(leg, signal.request)), now, out)
            case from_session.CancelRequest():
                self._handle(self.layer.cancel(signal.transaction, now), now, out)
            case _:
                assert_never(signal)

    def _flow(self, leg: Leg, request: Request) -> Flow:
        """Where a request goes: the leg's flow, else the first route or the remote target (§12.2.1.1)."""
        if leg.pinned or request.to.tag is None:
            return leg.flow
        routes = request.routes
        hop = routes[0].uri if routes else request.request_uri
        near = leg.flow
        if hop.host == near.remote[0] and (near.reliable or (hop.port or 5060) == near.remote[1]):
            return near
        if hop.scheme == "sips" or hop.transport not in _SPOKEN:
            return near  # never in the clear to where TLS was asked for
        transport: Transport = "tcp" if hop.transport == "tcp" else "udp"
        # A host that is a name was resolved when the leg was made; its requests stay on that flow.
        return self._network.flow_to(transport, (hop.host, hop.port or 5060)) or near

    def _by_size(self, request: Request, flow: Flow) -> tuple[Flow, Flow | None]:
        """A large request goes by TCP, and by UDP after all when TCP is refused (RFC 3261 §18.1.1)."""
        if flow.reliable or len(request.body) < _LARGE_BODY_BYTES or len(request.encode()) < _LARGE_BYTES:
            return flow, None
        stream = self._network.flow_to("tcp", flow.remote)
        return (flow, None) if stream is None else (stream, flow)

    def _bindings(self, events: Sequence[BindingEvent], out: list[Output]) -> None:
        if events:
            out.append(BindingsChanged(events))


class WallClock(Protocol):
    """The time of day."""

    def __call__(self) -> datetime:
        """Now, with a zone."""
        ...


# What is worth a line: a stale nonce, or one that is used again, is how a phone learns of a new one.
_FAILED: Mapping[Failure, str] = {
    "credentials": "wrong password",
    "qop": "no qop in the answer",
    "algorithm": "another algorithm",
}

_SPOKEN = frozenset({None, "udp", "tcp"})

# What a routing rule or a plugin may look at.
_SHOWN_TO_HANDLERS = ("user-agent", "subject", "diversion", "p-asserted-identity", "x-pbx-account")

_CAPABILITIES = (
    ("allow", ALLOW),
    ("accept", SDP),
    ("supported", "path"),
    ("server", PRODUCT),
)
