"""Offers and answers after the first ones: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311) in one dialog.

The bodies are not looked into. Who may offer when is the table `OFFERS`.
"""

from typing import TYPE_CHECKING, Final

from pbx.errors import MisuseError
from pbx.ids import Ids
from pbx.sip.dialog import Dialog
from pbx.sip.message import Request, Response, respond
from pbx.sip.session_events import (
    OfferAccepted,
    Offered,
    OfferRefused,
    OfferWithdrawn,
    SendAck,
    SendRequest,
    SendResponse,
    SessionOutput,
)
from pbx.sip.session_messages import Identity, sdp_of
from pbx.sip.session_resend import AwaitedAck
from pbx.sip.session_table import OFFER_ABSENT, OFFERS, Absent, OfferAction, OfferInput, OfferState
from pbx.sip.timers import Timers

if TYPE_CHECKING:
    from pbx.sip.session import InviteSession
    from pbx.sip.transaction import ServerTransaction

MAX_GLARES: Final = 5
"""How often one offer of ours may meet 491 before it is given up."""

MAX_ACKS: Final = 32
"""ACKs remembered for repeated 2xx: forks of the first INVITE, and the latest re-INVITEs."""

# What every session says: a word of an enumeration is slow to look up before Python 3.12.
_SETTLE: Final = OfferInput.SETTLE
_CLOSE: Final = OfferInput.CLOSE
_REFUSE_CLOSING: Final = OfferAction.REFUSE_CLOSING

AckKey = tuple[int, str]
"""The CSeq number of an INVITE and the To tag of its 2xx."""


class Acks(dict[AckKey, Request]):
    """The ACKs that we sent for 2xx responses, each to be sent again when its 2xx is (§13.2.2.4)."""

    __slots__ = ()

    def remember(self, key: AckKey, ack: Request) -> SendAck:
        """Keep an ACK, the oldest one making room, and send it."""
        if len(self) >= MAX_ACKS:
            del self[next(iter(self))]
        self[key] = ack
        return SendAck(ack)


class Exchange:
    """The offer/answer exchange of a session: at most one is open (RFC 3264 §4)."""

    __slots__ = (
        "_acks",
        "_asked",
        "_body",
        "_dialog",
        "_glares",
        "_identity",
        "_ids",
        "_own_call",
        "_timers",
        "awaited",
        "retry_at",
        "state",
    )

    def __init__(self, identity: Identity, ids: Ids, timers: Timers, acks: Acks, *, own_call: bool) -> None:
        """`own_call`: the Call-ID is ours, which decides who waits longer after glare (§14.1)."""
        self.state = OfferState.FIRST_SENT if own_call else OfferState.FIRST_RECEIVED
        self.awaited: AwaitedAck | None = None
        self.retry_at: float | None = None
        self._acks = acks
        self._asked: tuple[ServerTransaction, Request] | None = None
        self._dialog: Dialog | None = None
        self._body = b""
        self._glares = 0
        self._identity = identity
        self._ids = ids
        self._timers = timers
        self._own_call = own_call

    def _step(self, what: OfferInput) -> OfferAction | None:
        cell = OFFERS.get((self.state, what))
        if cell is None:
            if OFFER_ABSENT[what] is Absent.MISUSE:
                raise MisuseError(f"{what} while the exchange is {self.state}")
            return None
        self.state = cell[1]
        return cell[0]

    # The first exchange, which the session's own INVITE carries

    def settle(self) -> None:
        """The first offer has its answer."""
        self._step(_SETTLE)

    def turn(self) -> None:
        """The first INVITE had no offer: its 2xx has, so the other side owes the answer, in the ACK."""
        self._step(OfferInput.TURN)

    def close(self) -> list[SessionOutput]:
        """The session is over; a request of the peer that still waits gets 487 (§15.1.2)."""
        outputs: list[SessionOutput] = []
        if self._step(_CLOSE) is _REFUSE_CLOSING:
            outputs.append(self._refuse(487))
        self.awaited = self.retry_at = self._asked = None
        return outputs

    # Our offers

    def offer(self, dialog: Dialog, body: bytes, session: "InviteSession") -> list[SessionOutput]:
        """Send a re-INVITE."""
        self._step(OfferInput.OFFER)
        self._dialog = dialog
        self._body = body
        self._glares = 0
        return [self._invite(dialog, session)]

    def _invite(self, dialog: Dialog, session: "InviteSession") -> SendRequest:
        identity = self._identity
        request = dialog.make_request("INVITE", identity.contact, identity.in_request(self._body), self._body)
        return SendRequest(request, session)

    def receive_response(
        self, dialog: Dialog, request: Request, response: Response, now: float
    ) -> list[SessionOutput]:
        """A final response to our re-INVITE."""
        status = response.status
        if status < 300:
            return self._receive_2xx(dialog, request, response)
        if status == 491 and self._glares < MAX_GLARES:
            if self._step(OfferInput.GOT_GLARE) is OfferAction.WAIT:
                self._glares += 1
                self.retry_at = now + self._glare_pause()
            return []
        return self.refused(status)

    def refused(self, status: int) -> list[SessionOutput]:
        """Our re-INVITE got no 2xx."""
        return [OfferRefused(status)] if self._step(OfferInput.GOT_REFUSAL) is OfferAction.REFUSED else []

    def _receive_2xx(self, dialog: Dialog, request: Request, response: Response) -> list[SessionOutput]:
        key = (request.cseq.number, dialog.remote_tag)
        known = self._acks.get(key)
        if known is not None:
            return [SendAck(known)]
        action = self._step(OfferInput.GOT_2XX)
        if action is None:
            return []
        dialog.refresh(response)
        outputs: list[SessionOutput] = [self._acks.remember(key, dialog.make_ack(key[0]))]
        if action is OfferAction.ACCEPTED:
            outputs.append(OfferAccepted(sdp_of(response)))
        return outputs

    def _glare_pause(self) -> float:
        """Seconds, in units of 10 ms: 2.1 to 4 for the owner of the Call-ID, 0 to 2 for the other (§14.1)."""
        number = self._ids.number(16)
        return (210 + number % 191) / 100 if self._own_call else (number % 201) / 100

    def handle_timer(self, now: float, session: "InviteSession") -> list[SessionOutput]:
        """Send the re-INVITE that met 491 again, when it is due."""
        if self.retry_at is None or now < self.retry_at:
            return []
        self.retry_at = None
        if self._step(OfferInput.RETRY_DUE) is None or self._dialog is None:
            return []
        return [self._invite(self._dialog, session)]

    # The peer's offers

    def receive_request(
        self, dialog: Dialog, transaction: "ServerTransaction", request: Request
    ) -> list[SessionOutput]:
        """A re-INVITE, or an UPDATE with an offer."""
        invite = request.method == "INVITE"
        action = self._step(OfferInput.GOT_INVITE if invite else OfferInput.GOT_UPDATE)
        match action:
            case OfferAction.GLARE:
                return [SendResponse(transaction, respond(request, 491))]
            case OfferAction.BUSY:
                return [busy(transaction, request, self._ids)]
            case OfferAction.ASK | OfferAction.ASK_INSTEAD:
                pass
            case _:
                return [SendResponse(transaction, respond(request, 481))]
        self._dialog = dialog
        self._asked = (transaction, request)
        self.awaited = self.retry_at = None
        outputs: list[SessionOutput] = []
        if action is OfferAction.ASK_INSTEAD:
            # What we wanted to offer was made before the peer's change: the owner decides anew.
            outputs.append(OfferRefused(491))
        if invite:
            outputs += [SendResponse(transaction, respond(request, 100)), Offered(sdp_of(request), "INVITE")]
        else:
            outputs.append(Offered(sdp_of(request), "UPDATE"))
        return outputs

    def answer(self, body: bytes, now: float) -> list[SessionOutput]:
        """Accept what the peer asked, with our answer, or with our offer when it asked for one."""
        asks = self._asked is not None and sdp_of(self._asked[1]) is None
        action = self._step(OfferInput.PROPOSE if asks else OfferInput.ANSWER)
        transaction, request = self._take_asked()
        if self._dialog is not None:
            self._dialog.refresh(request)
        sent = SendResponse(transaction, self._identity.answer(request, 200, body=body))
        if action is OfferAction.ANSWER:
            self.awaited = AwaitedAck(sent, request.cseq.number, self._timers, now)
        return [sent]

    def refuse(self, status: int) -> list[SessionOutput]:
        """Refuse what the peer asked; the session is as it was."""
        if not 300 <= status <= 699:
            raise MisuseError("an offer is refused with 300 to 699")
        self._step(OfferInput.REFUSE)
        return [self._refuse(status)]

    def receive_cancel(self) -> list[SessionOutput]:
        """The peer takes its re-INVITE back."""
        if self._step(OfferInput.GOT_CANCEL) is None:
            return []
        return [self._refuse(487), OfferWithdrawn()]

    def receive_ack(self, request: Request) -> list[SessionOutput]:
        """The ACK of our 2xx to a re-INVITE; any other one is not for us."""
        if self.awaited is None or request.cseq.number != self.awaited.cseq:
            return []
        action = self._step(OfferInput.GOT_ACK)
        self.awaited = None
        return [OfferAccepted(sdp_of(request))] if action is OfferAction.PROPOSAL_ANSWERED else []

    def _refuse(self, status: int) -> SendResponse:
        transaction, request = self._take_asked()
        return SendResponse(transaction, respond(request, status))

    def _take_asked(self) -> "tuple[ServerTransaction, Request]":
        asked = self._asked
        assert asked is not None
        self._asked = None
        return asked


def busy(transaction: "ServerTransaction", request: Request, ids: Ids) -> SendResponse:
    """500 with a Retry-After of 0 to 10 s: come back when what is going on is over (§14.2, RFC 3311 §5.2)."""
    headers = [("retry-after", str(ids.number(8) % 11))]
    return SendResponse(transaction, respond(request, 500, headers=headers))
