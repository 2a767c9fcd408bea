"""What an INVITE session gives back: messages to send, and news for its owner.

A session tells its outcome once: `Refused`, `Cancelled` or `Ended`. It comes as soon as the session knows and
the owner does not, for a BYE of the owner when that is answered. A `Refused` with 401 or 407 is an outcome
unless the owner sends the INVITE again. `DialogClosed` for the last open dialog says that no more is to come
from the peer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pbx.errors import PeerError
from pbx.sip.dialog import DialogId
from pbx.sip.message import Request, Response

if TYPE_CHECKING:
    from pbx.sip.session import InviteSession
    from pbx.sip.transaction import ClientTransaction, ServerTransaction

# These are made for every message, so they are slotted but not frozen; nobody changes one.


@dataclass(slots=True)
class SendRequest:
    """Send a request with `session` as its user, then tell the session: `session.sent(transaction)`."""

    request: Request
    session: "InviteSession"


@dataclass(slots=True)
class SendAck:
    """Send the ACK of a 2xx; the same one again for each repeated 2xx (§13.2.2.4)."""

    request: Request


@dataclass(slots=True)
class SendResponse:
    """Answer a request; a 2xx to an INVITE comes again until its ACK (§13.3.1.4)."""

    transaction: "ServerTransaction"
    response: Response


@dataclass(slots=True)
class CancelRequest:
    """Cancel our INVITE (§9.1)."""

    transaction: "ClientTransaction"


@dataclass(slots=True)
class DialogOpened:
    """Requests of the peer with this id belong to the session from now on."""

    id: DialogId


@dataclass(slots=True)
class DialogClosed:
    """Requests with this id are answered 481 from now on."""

    id: DialogId


@dataclass(slots=True)
class Progressed:
    """A provisional response to our INVITE, 100 and 199 left out; `body` is SDP (early media)."""

    status: int
    reason: str
    body: bytes | None
    response: Response


@dataclass(slots=True)
class Answered:
    """A 2xx to our INVITE. `body` is the answer, or, when the INVITE had no offer, the offer: then the owner
    gives the answer with `acknowledge`.
    """

    body: bytes | None
    response: Response


@dataclass(slots=True)
class Refused:
    """A final response to our INVITE other than 2xx; 408 or 503 without `response` when none came."""

    status: int
    reason: str
    response: Response | None


@dataclass(slots=True)
class Acknowledged:
    """The ACK of our 2xx; `body` answers the offer that the 2xx carried. None too when a later INVITE showed
    that the 2xx had arrived.
    """

    body: bytes | None


@dataclass(slots=True)
class Cancelled:
    """The call ended before it began: the peer's CANCEL came in time, or ours took effect."""


@dataclass(slots=True)
class Offered:
    """The peer's re-INVITE or UPDATE; the owner owes `answer` or `refuse_offer`. None asks for our offer."""

    body: bytes | None
    method: Literal["INVITE", "UPDATE"]


@dataclass(slots=True)
class OfferWithdrawn:
    """The peer cancelled its re-INVITE; nothing is owed any more and nothing changed."""


@dataclass(slots=True)
class OfferAccepted:
    """The answer to our offer, from a 2xx, or from the ACK of a re-INVITE that had asked for the offer."""

    body: bytes | None


@dataclass(slots=True)
class OfferRefused:
    """Our offer was refused; the session is as it was (§14.1). 503: it could not be sent."""

    status: int


@dataclass(slots=True)
class InfoReceived:
    """A digit in the peer's INFO: `content_type` is application/dtmf-relay or application/dtmf."""

    body: bytes
    content_type: str


Cause = Literal["bye", "no-ack", "gone", "timeout", "error"]


@dataclass(slots=True)
class Ended:
    """The session is over.

    "bye": one side said so; `request` is the peer's BYE, None for ours. "no-ack": our 2xx was never
    acknowledged. "gone": the peer answered 481. "timeout": it answered 408, or not at all. "error": our
    response to its INVITE could not be sent.
    """

    cause: Cause
    request: Request | None = None


SessionEvent = (
    Progressed
    | Answered
    | Refused
    | Acknowledged
    | Cancelled
    | Offered
    | OfferWithdrawn
    | OfferAccepted
    | OfferRefused
    | InfoReceived
    | Ended
    | DialogOpened
    | DialogClosed
)

SessionOutput = SendRequest | SendAck | SendResponse | CancelRequest | SessionEvent


class UnacceptableError(PeerError):
    """A request that is refused before anything is done; `headers` go into the answer (§8.2)."""

    def __init__(self, status: int, reason: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(status, reason)
        self.headers = tuple(headers)
