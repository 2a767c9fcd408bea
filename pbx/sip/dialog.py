"""Dialogs (RFC 3261 §12): what two user agents remember of each other from one request to the next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pbx.errors import PeerError
from pbx.ids import MAGIC_COOKIE
from pbx.sip.fields import collect
from pbx.sip.headers import ADDRESSES, NameAddr
from pbx.sip.message import Message, Request, Response
from pbx.sip.uri import Uri

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag (§12); a peer without a tag (RFC 2543) has "" as its tag."""

MAX_FORWARDS = 70


@dataclass(slots=True)
class Dialog:
    """One side of a dialog.

    `local_uri` and `remote_uri` are the From and To values of requests that we send in it, tags included.
    `route_set` holds Route values as they were written, in the order in which we send them. `strict_target`
    is the first of them as a Request-URI when that is a strict router (no lr parameter, §12.2.1.1), else "".
    """

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    remote_target: Uri
    route_set: tuple[str, ...]
    strict_target: str
    local_cseq: int
    remote_cseq: int | None
    state: Literal["early", "confirmed"]
    secure: bool

    @property
    def id(self) -> DialogId:
        """What the dialog is found by."""
        return (self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def from_request(cls, request: Request, local_tag: str) -> "Dialog":
        """The called side's dialog (§12.1.1), early. Raises PeerError 400 unless one SIP Contact says where
        to send our requests; a client of RFC 2543 may leave it to its From.
        """
        target = contact_of(request) or _sender_of_old(request)
        routes, strict = _route_set(request, backwards=False)
        return cls(
            request.call_id,
            local_tag,
            request.from_.tag or "",
            f"{request.get('to') or ''};tag={local_tag}",
            request.get("from") or "",
            target,
            routes,
            strict,
            0,
            request.cseq.number,
            "early",
            request.request_uri.scheme == "sips",
        )

    @classmethod
    def from_response(cls, request: Request, response: Response) -> "Dialog":
        """The calling side's dialog (§12.1.2): early from a provisional response, confirmed from a 2xx.

        A response without a Contact leaves the Request-URI as remote target. Raises PeerError when the
        Contact is no SIP address.
        """
        routes, strict = _route_set(response, backwards=True)
        return cls(
            request.call_id,
            request.from_.tag or "",
            response.to.tag or "",
            request.get("from") or "",
            response.get("to") or "",
            contact_of(response) or request.request_uri,
            routes,
            strict,
            request.cseq.number,
            None,
            "early" if response.status < 200 else "confirmed",
            request.request_uri.scheme == "sips",
        )

    def confirm(self, confirmed: "Dialog") -> None:
        """Take over from the dialog that the 2xx made what an early one may have had wrong (§13.2.2.4)."""
        self.route_set = confirmed.route_set
        self.strict_target = confirmed.strict_target
        self.remote_target = confirmed.remote_target
        self.remote_uri = confirmed.remote_uri
        self.state = "confirmed"

    def make_request(
        self, method: str, contact: str = "", headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Request:
        """The next request in the dialog (§12.2.1.1); its Via comes later. `contact` goes into requests that
        refresh the target (INVITE, UPDATE).
        """
        self.local_cseq += 1
        own = [("contact", contact), *headers] if contact else headers
        return self._make(method, self.local_cseq, own, body)

    def make_ack(self, cseq: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """The ACK of a 2xx to the INVITE numbered `cseq` (§13.2.2.4); `headers` brings its credentials."""
        return self._make("ACK", cseq, headers, body)

    def _make(self, method: str, cseq: int, headers: Iterable[tuple[str, str]], body: bytes) -> Request:
        target = request_uri(self.remote_target)
        uri, routes = target, self.route_set
        if self.strict_target:
            uri, routes = self.strict_target, (*routes[1:], f"<{target}>")
        # All that the dialog knows of was read from messages or checked when our first was made.
        names = ["max-forwards", "from", "to", "call-id", "cseq"]
        values = [str(MAX_FORWARDS), self.local_uri, self.remote_uri, self.call_id, f"{cseq} {method}"]
        if routes:
            names[:0] = ["route"] * len(routes)
            values[:0] = routes
        if headers:
            own_names, own_values = collect(headers)
            names += own_names
            values += own_values
        request = Request(method, uri, names, values, body)
        request.to = ADDRESSES[self.remote_uri, "To"]
        if not routes:
            request.routes = []
        return request

    def receive_request(self, request: Request) -> bool:
        """Whether a request of the peer, no ACK or CANCEL, is in order: no lower CSeq (§12.2.2)."""
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def refresh(self, message: Message) -> None:
        """Send to the Contact of `message` from now on: a target refresh request of the peer that we accepted
        with a 2xx, or the 2xx to one of ours (§12.2.1.2, §12.2.2). No SIP Contact, no change.
        """
        try:
            target = contact_of(message)
        except PeerError:
            return
        if target is not None:
            self.remote_target = target


def received_id(request: Request) -> DialogId:
    """The id of the dialog that a request of the peer belongs to: To is our side, From theirs (§12.2.2)."""
    return (request.call_id, request.to.tag or "", request.from_.tag or "")


def contact_of(message: Message) -> Uri | None:
    """The first Contact, None without one. Raises PeerError 400 unless it is a SIP or SIPS URI (§12.1.1)."""
    if not message.has("contact"):
        return None
    contacts = message.contacts
    if not contacts or contacts[0].uri.scheme not in {"sip", "sips"}:
        raise PeerError(400, "Malformed Contact")
    return contacts[0].uri


def _sender_of_old(request: Request) -> Uri:
    """The From URI of a request without Contact by the rules of RFC 2543 (no magic cookie, RFC 4475 §3.4.1).

    Raises PeerError 400 for any other.
    """
    uri = request.from_.uri
    branch = request.top_via.branch or ""
    if uri.scheme not in {"sip", "sips"} or branch.lower().startswith(MAGIC_COOKIE.lower()):
        raise PeerError(400, "Missing Contact")
    return uri


def request_uri(uri: Uri) -> str:
    """`uri` without what a Request-URI may not have: headers and the method parameter (§19.1.1, table 1)."""
    if uri.headers or "method" in uri.parameters:
        parameters = {name: value for name, value in uri.parameters.items() if name != "method"}
        uri = replace(uri, headers="", parameters=parameters)
    return str(uri)


def first_hop(routes: Sequence[str]) -> str:
    """The first of some Route values as a Request-URI when it is a strict router, else "" (§12.2.1.1)."""
    if not routes:
        return ""
    first = NameAddr.parse(routes[0], "Route").uri
    return "" if "lr" in first.parameters else request_uri(first)


def _route_set(message: Message, *, backwards: bool) -> tuple[tuple[str, ...], str]:
    if not message.has("record-route"):
        return (), ""
    routes = message.all("record-route")
    if backwards:
        routes.reverse()
    return tuple(routes), first_hop(routes)
