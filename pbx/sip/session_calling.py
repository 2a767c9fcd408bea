"""The calling side of an INVITE session: its INVITE, the ACKs of 2xx, branches that answered too late."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from pbx.errors import PeerError
from pbx.ids import Ids
from pbx.sip.dialog import Dialog, first_hop, request_uri
from pbx.sip.message import Request, Response
from pbx.sip.session_events import SendAck, SendRequest, SessionOutput
from pbx.sip.session_messages import Identity
from pbx.sip.session_offers import Acks
from pbx.sip.uri import Uri

if TYPE_CHECKING:
    from pbx.sip.session import InviteSession
    from pbx.sip.transaction import ClientTransaction

_CREDENTIALS: Final = ("authorization", "proxy-authorization")
_FIRST_CSEQ: Final = 1


class Calling:
    """The INVITE that we send, and what follows from its 2xx responses (§13.2)."""

    __slots__ = ("acks", "cseq", "offered", "request", "transaction")

    def __init__(
        self,
        *,
        target: Uri,
        from_: str,
        to: str,
        routes: Sequence[str],
        headers: Iterable[tuple[str, str]],
        body: bytes | None,
        max_forwards: int,
        identity: Identity,
        ids: Ids,
        acks: Acks,
    ) -> None:
        """`from_` and `to` have no tag; `routes` are Route values, strict routers too (§8.1.1, §8.1.2)."""
        uri = request_uri(target)
        strict = first_hop(routes)
        if strict:
            routes = (*routes[1:], f"<{uri}>")
            uri = strict
        tag, call_id = ids.tag(), ids.call_id()
        fields = [("route", route) for route in routes]
        fields += [
            ("max-forwards", str(max_forwards)),
            ("from", f"{from_};tag={tag}"),
            ("to", to),
            ("call-id", call_id),
            ("cseq", f"{_FIRST_CSEQ} INVITE"),
            ("contact", identity.contact),
        ]
        fields += identity.in_request(body)
        fields += headers
        self.request = Request.make("INVITE", uri, fields, body or b"")
        self.request.call_id = call_id
        self.cseq = _FIRST_CSEQ
        self.offered = bool(body)
        self.acks = acks
        self.transaction: ClientTransaction | None = None

    def again(self, headers: Sequence[tuple[str, str]]) -> Request:
        """The INVITE with the next CSeq and with `headers`, which replace those of the same name (§22.2)."""
        self.cseq += 1
        self.transaction = None
        replaced = {name.lower() for name, _ in headers} | {"via", "content-length"}
        fields = [
            (name, value if name != "cseq" else f"{self.cseq} INVITE")
            for name, value in self.request.headers
            if name not in replaced
        ]
        fields += headers
        self.request = Request.make("INVITE", self.request.uri, fields, self.request.body)
        return self.request

    def ack(self, dialog: Dialog, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> SendAck:
        """The ACK of the 2xx of `dialog`, with the credentials of the INVITE (§13.2.2.4, §22.1)."""
        request = self.request
        own = [(name, value) for name in _CREDENTIALS if request.has(name) for value in request.lines(name)]
        own += headers
        return self.acks.remember((self.cseq, dialog.remote_tag), dialog.make_ack(self.cseq, own, body))

    def ack_again(self, response: Response) -> SendAck | None:
        """The same ACK for the same 2xx; None for one that had none yet."""
        ack = self.acks.get((self.cseq, response.to.tag or ""))
        return None if ack is None else SendAck(ack)

    def clear_fork(self, response: Response, session: "InviteSession") -> list[SessionOutput]:
        """Acknowledge the 2xx of a branch that is not wanted, and end its dialog (§13.2.2.4)."""
        known = self.ack_again(response)
        if known is not None:
            return [known]
        try:
            dialog = Dialog.from_response(self.request, response)
        except PeerError:
            return []
        return [self.ack(dialog), SendRequest(dialog.make_request("BYE"), session)]
