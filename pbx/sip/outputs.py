"""What the transaction layer gives back: bytes to send, and news for the transaction users (RFC 3261 §17)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response

if TYPE_CHECKING:
    from pbx.sip.transaction import ClientTransaction, ServerTransaction

# These are made for every message, so they are slotted but not frozen; nobody changes one.


@dataclass(slots=True)
class Transmit:
    """Send `data`, a whole message, along `flow`; an edge that cannot calls `transport_failed(flow, now)`."""

    flow: Flow
    data: bytes


@dataclass(slots=True)
class RequestReceived:
    """A new request (never ACK or CANCEL); its user owes `transaction` a final response."""

    transaction: "ServerTransaction"
    request: Request
    flow: Flow


@dataclass(slots=True)
class CancelReceived:
    """The INVITE was cancelled (§9.2); its CANCEL is answered already, it waits for its 487."""

    transaction: "ServerTransaction"


@dataclass(slots=True)
class AckReceived:
    """An ACK that ends no transaction: it belongs to a 2xx (§13.2.2.4), or to nothing."""

    request: Request
    flow: Flow


@dataclass(slots=True)
class ResponseReceived:
    """A provisional or final response, or a repeated 2xx to an INVITE."""

    user: object
    transaction: "ClientTransaction"
    response: Response
    flow: Flow


@dataclass(slots=True)
class TransactionFailed:
    """No final response came and none will: as a 408 for "timeout", a 503 for "transport" (§8.1.3.1)."""

    user: object
    transaction: "ClientTransaction"
    cause: Literal["timeout", "transport"]


@dataclass(slots=True)
class ResponseUndelivered:
    """A response to an INVITE could not be sent, or a final one got no ACK before timer H (§17.2.1, §17.2.4).

    After timer H the transaction is Terminated. After a transport error it stays as it was (RFC 6026 §7.1):
    one in Proceeding still waits for a final response.
    """

    transaction: "ServerTransaction"


Output = (
    Transmit
    | RequestReceived
    | CancelReceived
    | AckReceived
    | ResponseReceived
    | TransactionFailed
    | ResponseUndelivered
)
