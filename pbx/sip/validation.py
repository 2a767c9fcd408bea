"""Whether a parsed message keeps the rules that everything above relies on (RFC 3261 §8.1.1, §8.2, §20).

Afterwards none of the properties of the message raises, so the machines above need not expect it
(Content-Length was read when the message was parsed).
"""

from typing import TYPE_CHECKING, Final

from pbx.errors import PeerError
from pbx.sip.fields import Fields, is_call_id, read_call_id, read_content_type, read_max_forwards
from pbx.sip.grammar import malformed
from pbx.sip.header_names import SINGLES, printed
from pbx.sip.headers import ADDRESSES, CSEQS, Via
from pbx.sip.limits import MAX_MAX_FORWARDS
from pbx.sip.malformed import MalformedMessage
from pbx.sip.uri import Uri

if TYPE_CHECKING:
    from pbx.sip.message import Request, Response

# What a value nearly always is needs no closer look.
_HOPS_LEFT: Final = {str(hops): hops for hops in range(MAX_MAX_FORWARDS + 1)}
_OUR_SCHEMES: Final = frozenset({"sip", "sips", "tel"})


def answerable(request: "Request") -> "Request | None":
    """`request` when it may be answered: it is no ACK (§17.1.1.3) and its top Via can be read."""
    if request.method == "ACK":
        return None
    try:
        _ = request.top_via
    except PeerError:
        return None
    return request


def validate_request(request: "Request") -> None:
    """Raise MalformedMessage unless the request is one that we can act on.

    400: a header missing, doubled or malformed; CSeq with another method (§8.1.1.5); headers in the
    Request-URI (§19.1.1); more than one Contact in an INVITE (§8.1.1.8), "*" outside REGISTER.
    416: a Request-URI of an unknown scheme (§8.2.2.1).
    A missing Max-Forwards, From tag, magic cookie or Contact is accepted: RFC 2543 clients have none.
    """
    method = request.method
    try:
        present = _validate(request)
        if request.cseq.method != method:
            raise PeerError(400, "CSeq Method Mismatch")
        request.request_uri = uri = Uri.parse(request.uri)
        if uri.scheme not in _OUR_SCHEMES:
            raise PeerError(416, "Unsupported URI Scheme")
        if uri.headers:
            raise PeerError(400, "Headers in Request-URI")
        if "contact" in present:
            count = len(request.contacts)
            if not count and method != "REGISTER":
                raise malformed("Contact")  # "*"
            if count != 1 and method == "INVITE":
                raise PeerError(400, "More Than One Contact")
    except PeerError as error:
        raise MalformedMessage(error.status, error.reason, answerable(request)) from error


def validate_response(response: "Response") -> None:
    """Raise MalformedMessage, without a request, unless the response is one that we can act on."""
    try:
        _validate(response)
    except PeerError as error:
        raise MalformedMessage(error.status, error.reason) from error


def _validate(message: Fields) -> dict[str, str]:
    """Read the values that every message has, and whatever else is there; a value of each name."""
    names = message._names
    present = message.first
    try:
        via, from_, to = present["via"], present["from"], present["to"]
        call_id, cseq = present["call-id"], present["cseq"]
    except KeyError as missing:
        raise PeerError(400, f"Missing {printed(missing.args[0])}") from None
    single = len(present) == len(names)
    if not single:
        for name in SINGLES:
            if names.count(name) > 1:
                raise PeerError(400, f"More Than One {printed(name)}")
    if single and "," not in via:
        message.top_via = top = Via.parse(via)
        message.vias = [top]
    else:
        _ = message.vias
    message.from_ = ADDRESSES[from_, "From"]
    message.to = ADDRESSES[to, "To"]
    message.cseq = CSEQS[cseq,]
    message.call_id = call_id if is_call_id(call_id) else read_call_id(call_id)
    if "max-forwards" in present:
        hops = present["max-forwards"]
        message.max_forwards = _HOPS_LEFT[hops] if hops in _HOPS_LEFT else read_max_forwards(hops)
    if "contact" in present:
        contact = present["contact"].strip(" \t")
        if single and "," not in contact:
            message.contacts = [] if contact == "*" else [ADDRESSES[contact, "Contact"]]
        else:
            _ = message.contacts
    if "route" in present:
        _ = message.routes
    if "record-route" in present:
        _ = message.record_routes
    if "expires" in present:
        _ = message.expires
    if "content-type" in present:
        content_type = present["content-type"]
        plain = content_type == "application/sdp"
        message.content_type = content_type if plain else read_content_type(content_type)
    return present
