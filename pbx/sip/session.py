"""The INVITE session: one leg's signalling (RFC 3261 §13 to §15), as a pure machine.

The owner gives it what the wire brings and what the user wants, sends what comes back and reads the events
among it, in order. Bodies are SDP that nobody here looks into. The states are in session_table.py, what they
mean in session_machine.py.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from pbx.errors import MisuseError, PeerError
from pbx.ids import Ids
from pbx.sip.dialog import MAX_FORWARDS, Dialog, DialogId, contact_of
from pbx.sip.message import Request, Response, respond
from pbx.sip.session_called import Called
from pbx.sip.session_calling import Calling
from pbx.sip.session_events import SendResponse, SessionOutput
from pbx.sip.session_machine import Cue, SessionMachine
from pbx.sip.session_messages import Identity, check_request, refusal, sdp_of
from pbx.sip.session_offers import busy
from pbx.sip.session_table import SESSION, Input, OfferState, State
from pbx.sip.timers import Timers
from pbx.sip.uri import Uri

if TYPE_CHECKING:
    from pbx.sip.transaction import ClientTransaction, ServerTransaction

Headers = Iterable[tuple[str, str]]


class InviteSession(SessionMachine):
    """An INVITE and the dialog that it makes. Made by `incoming` or `outgoing`.

    The imperatives and `receive_…` return outputs. The imperatives raise MisuseError when the state forbids
    them, which it never does for `end`, once `sent` told the transaction of the INVITE. `now` is monotonic
    seconds.
    """

    __slots__ = ()

    # Making one

    @classmethod
    def incoming(
        cls,
        transaction: "ServerTransaction",
        request: Request,
        *,
        contact: str,
        ids: Ids,
        timers: Timers,
        allow: str,
        server: str,
    ) -> "InviteSession":
        """The session of a received INVITE that is in no dialog; the owner goes on with `trying`.

        `contact` is our Contact value, `allow` our Allow list, `server` our product. Raises PeerError for an
        INVITE that is answered at once (`session_messages.refusal` builds the answer): 400 without a usable
        Contact, 415, 420, 481.
        """
        check_request(request, allow)
        if request.to.tag is not None:
            raise PeerError(481, "")
        dialog = Dialog.from_request(request, ids.tag())
        identity = Identity.of(contact, allow, server)
        session = cls(State.RECEIVED, identity, ids, timers)
        session.dialog = dialog
        session._called = Called(transaction, request, dialog, identity)
        return session

    @classmethod
    def outgoing(
        cls,
        *,
        target: Uri,
        from_: str,
        to: str,
        contact: str,
        ids: Ids,
        timers: Timers,
        allow: str,
        server: str,
        routes: Sequence[str] = (),
        headers: Headers = (),
        body: bytes | None = None,
        max_forwards: int = MAX_FORWARDS,
    ) -> "InviteSession":
        """A session to be started. `from_` and `to` are header values without tag, `routes` Route values,
        `headers` more of the INVITE's headers. Without `body` the 2xx brings the offer (§13.2.1).
        """
        identity = Identity.of(contact, allow, server)
        session = cls(State.IDLE, identity, ids, timers)
        session._calling = Calling(
            target=target,
            from_=from_,
            to=to,
            routes=routes,
            headers=headers,
            body=body,
            max_forwards=max_forwards,
            identity=identity,
            ids=ids,
            acks=session._acks,
        )
        return session

    def _session(self) -> "InviteSession":
        return self

    @property
    def request(self) -> Request:
        """The INVITE, received or as last sent."""
        return self._called.request if self._called is not None else self._side().request

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.request.call_id

    @property
    def dialog_id(self) -> DialogId | None:
        """The id of `dialog`; None while an outgoing session has no 2xx."""
        return None if self.dialog is None else self.dialog.id

    @property
    def offer_state(self) -> OfferState:
        """Whose offer is open."""
        return self._offers.state

    @property
    def may_offer(self) -> bool:
        """Whether `offer` is allowed now."""
        return self.state is State.ESTABLISHED and self._offers.state is OfferState.STABLE

    # What the owner of an outgoing session wants

    def start(self, now: float) -> list[SessionOutput]:
        """Send the INVITE."""
        return self.take(Input.START, Cue(now))

    def sent(self, transaction: "ClientTransaction") -> None:
        """The transaction of a request that was just sent for this session."""
        calling = self._calling
        if calling is not None and self.state is State.CALLING and transaction.method == "INVITE":
            calling.transaction = transaction

    def retry(self, headers: Headers, now: float) -> list[SessionOutput]:
        """After `Refused` with 401 or 407: the INVITE again with the next CSeq and these headers (§22.2)."""
        return self.take(Input.RETRY, Cue(now, headers=headers))

    def authorize(self, header_name: str, header_value: str, now: float) -> list[SessionOutput]:
        """`retry` with one header, Authorization or Proxy-Authorization."""
        return self.retry([(header_name, header_value)], now)

    def cancel(self, now: float) -> list[SessionOutput]:
        """Give up before the final response; `Cancelled` follows, also when a 2xx crosses the CANCEL."""
        self._check_sent()
        return self.take(Input.CANCEL, Cue(now))

    def acknowledge(self, body: bytes, now: float) -> list[SessionOutput]:
        """Give the answer to the offer that `Answered` brought, because the INVITE had none (§13.2.2.4)."""
        return self.take(Input.ACKNOWLEDGE, Cue(now, body=body))

    # What the owner of an incoming session wants

    def trying(self, now: float) -> list[SessionOutput]:
        """Send 100."""
        return self.take(Input.TRY, Cue(now))

    def ring(self, status: int, reason: str, body: bytes | None, now: float) -> list[SessionOutput]:
        """Send 180, 181, 182 or 183, perhaps with SDP; it is repeated every minute (§13.3.1.1)."""
        if not 101 <= status <= 198:
            raise MisuseError("ringing is said with 101 to 198")
        return self.take(Input.RING, Cue(now, status=status, reason=reason, body=body))

    def accept(self, body: bytes, now: float, headers: Headers = ()) -> list[SessionOutput]:
        """Send 200 with our answer, or our offer when the INVITE had none; `Acknowledged` follows."""
        return self.take(Input.ACCEPT, Cue(now, body=body, headers=headers))

    def refuse(self, status: int, reason: str, now: float, headers: Headers = ()) -> list[SessionOutput]:
        """Send a final response from 300 to 699; no event follows but `DialogClosed`."""
        if not 300 <= status <= 699:
            raise MisuseError("an INVITE is refused with 300 to 699")
        return self.take(Input.REFUSE, Cue(now, status=status, reason=reason, headers=headers))

    # What the owner of either wants

    def bye(self, now: float, headers: Headers = ()) -> list[SessionOutput]:
        """End an answered call; before the ACK of our 2xx came, the BYE waits for it (§15). `Ended` follows.

        With an offer in the 2xx that was not answered by `acknowledge`, the ACK goes without an answer.
        """
        return self.take(Input.BYE, Cue(now, headers=headers))

    def end(self, now: float, status: int = 480, reason: str = "") -> list[SessionOutput]:
        """End in whatever way the state has: refuse with `status`, cancel, bye, or nothing."""
        self._check_sent()
        return self.take(Input.END, Cue(now, status=status, reason=reason))

    def offer(self, body: bytes, now: float) -> list[SessionOutput]:
        """Send a re-INVITE; `OfferAccepted` or `OfferRefused` follows. A 491 is retried (§14.1)."""
        if not self.may_offer:
            raise MisuseError(f"offer while the session is {self.state}, the exchange {self._offers.state}")
        return self.take(Input.OFFER, Cue(now, body=body))

    def answer(self, body: bytes, now: float) -> list[SessionOutput]:
        """Accept what `Offered` brought: 200 with our answer, or our offer when it brought None."""
        return self._offers.answer(body, now)

    def refuse_offer(self, status: int, now: float) -> list[SessionOutput]:  # noqa: ARG002 - as all imperatives
        """Refuse what `Offered` brought (488 when nothing fits); the session goes on as it was."""
        return self._offers.refuse(status)

    def _check_sent(self) -> None:
        if self.state is State.CALLING and self._side().transaction is None:
            raise MisuseError("the INVITE was not sent: `sent` tells the session its transaction")

    # What the wire brings

    def receive_request(
        self, transaction: "ServerTransaction", request: Request, now: float
    ) -> list[SessionOutput]:
        """A request within a dialog of the session (§12.2.2), neither ACK nor CANCEL."""
        what = Input.GOT_BYE if request.method == "BYE" else Input.GOT_REQUEST
        dialog = self._dialogs.get(request.from_.tag or "")
        if dialog is None:
            return [SendResponse(transaction, respond(request, 481))]
        if (self.state, what) in SESSION:
            if not dialog.receive_request(request):
                return [busy(transaction, request, self._ids)]
            try:
                check_request(request, self._identity.allow)
                if request.method in {"INVITE", "UPDATE"}:
                    contact_of(request)
            except PeerError as error:
                return [SendResponse(transaction, refusal(request, error))]
        return self.take(what, Cue(now, transaction=transaction, request=request, dialog=dialog))

    def receive_ack(self, request: Request, now: float) -> list[SessionOutput]:
        """An ACK of a 2xx. One that acknowledges nothing (late, repeated) is ignored."""
        if self._awaited is not None and request.cseq.number == self._awaited.cseq:
            return self.take(Input.GOT_ACK, Cue(now, request=request))
        return self._offers.receive_ack(request)

    def receive_cancel(self, now: float) -> list[SessionOutput]:
        """A CANCEL of the INVITE, or of a re-INVITE that waits for its answer."""
        return self.take(Input.GOT_CANCEL, Cue(now)) or self._offers.receive_cancel()

    def receive_response(
        self, transaction: "ClientTransaction", response: Response, now: float
    ) -> list[SessionOutput]:
        """A response to a request of this session."""
        request = transaction.request
        if request.method == "INVITE":
            if self._is_first(request):
                return self._receive_first_response(response, now)
            return self._receive_offer_response(request, response, now)
        if response.status >= 200:
            return self._bye_done(request, now)
        return []

    def transaction_failed(
        self, transaction: "ClientTransaction", cause: Literal["timeout", "transport"], now: float
    ) -> list[SessionOutput]:
        """A request of this session got no final response."""
        request = transaction.request
        timeout = cause == "timeout"
        if request.method != "INVITE":
            return self._bye_done(request, now)
        if self._is_first(request):
            cue = Cue(now, status=503, reason="Service Unavailable")
            if timeout:
                cue.status, cue.reason = 408, "Request Timeout"
            return self.take(Input.INVITE_FAILED, cue)
        if timeout:
            return self.take(Input.DIALOG_GONE, Cue(now, cause="timeout"))
        return self._offers.refused(503)

    def response_undelivered(self, transaction: "ServerTransaction", now: float) -> list[SessionOutput]:
        """A response of ours to an INVITE could not be sent, or a refusal was never acknowledged."""
        if self._called is not None and self._called.transaction is transaction:
            return self.take(Input.UNDELIVERED, Cue(now))
        return []

    def _is_first(self, request: Request) -> bool:
        return self._calling is not None and request.cseq.number <= self._calling.cseq

    def _receive_first_response(self, response: Response, now: float) -> list[SessionOutput]:
        status = response.status
        if status < 200:
            if status in {100, 199}:
                return []
            return self.take(Input.GOT_PROVISIONAL, Cue(now, response=response))
        cue = Cue(now, response=response, status=status, reason=response.reason)
        if status >= 300:
            return self.take(Input.GOT_CHALLENGE if status in {401, 407} else Input.GOT_FAILURE, cue)
        calling = self._side()
        if self.dialog is not None:
            same = (response.to.tag or "") == self.dialog.remote_tag
            return self.take(Input.GOT_2XX if same else Input.GOT_OTHER_2XX, cue)
        try:
            cue.dialog = Dialog.from_response(calling.request, response)
        except PeerError:
            # A 2xx that no ACK can be sent to is worth no more than a refusal by a broken gateway.
            cue.status, cue.reason = 502, "Bad Gateway"
            return self.take(Input.GOT_FAILURE, cue)
        offered = not calling.offered and sdp_of(response) is not None
        return self.take(Input.GOT_2XX_OFFER if offered else Input.GOT_2XX, cue)

    def _receive_offer_response(
        self, request: Request, response: Response, now: float
    ) -> list[SessionOutput]:
        status = response.status
        if status < 200 or self.dialog is None:
            return []
        if status in {408, 481}:
            return self.take(Input.DIALOG_GONE, Cue(now, cause="timeout" if status == 408 else "gone"))
        return self._offers.receive_response(self.dialog, request, response, now)

    def _bye_done(self, request: Request, now: float) -> list[SessionOutput]:
        """Only the BYE of our own dialog ends the session, not those of branches that lost."""
        if self.dialog is None or (request.to.tag or "") != self.dialog.remote_tag:
            return []
        return self.take(Input.BYE_DONE, Cue(now))

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timer` is due, or None."""
        awaited = self._awaited or self._offers.awaited
        due = None if awaited is None else awaited.next_deadline()
        retry_at = self._offers.retry_at
        if retry_at is not None and (due is None or retry_at < due):
            due = retry_at
        repeat_at = None if self._called is None else self._called.repeat_at
        if repeat_at is not None and (due is None or repeat_at < due):
            due = repeat_at
        return due

    def handle_timer(self, now: float) -> list[SessionOutput]:
        """Do what is due: our 2xx again, give up on its ACK, ring again, a re-INVITE again."""
        outputs: list[SessionOutput] = []
        awaited = self._awaited or self._offers.awaited
        if awaited is not None and now >= awaited.late_at:
            outputs += self.take(Input.ACK_LATE, Cue(now))
        elif awaited is not None and now >= awaited.due:
            outputs += self.take(Input.RESEND_DUE, Cue(now))
        if self._called is not None and self._called.repeat_at is not None and now >= self._called.repeat_at:
            outputs += self.take(Input.RING_AGAIN, Cue(now))
        outputs += self._offers.handle_timer(now, self)
        return outputs
