"""What any request outside a dialog has to pass before its meaning matters (RFC 3261 §8.2)."""

from pbx.sip.message import Request
from pbx.sip.session_events import UnacceptableError
from pbx.sip.session_messages import SDP, check_request

PRODUCT = "pbx"
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, REGISTER"
DIALOG_ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"

# Methods that RFCs define and we do not serve: 405. What nobody has defined is 501 (§21.5.2).
_KNOWN = frozenset({"MESSAGE", "NOTIFY", "PRACK", "PUBLISH", "REFER", "SUBSCRIBE"})
_ONLY_IN_DIALOGS = frozenset({"BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"})
_SCHEMES = frozenset({"sip", "sips", "tel"})


def screen(request: Request) -> None:
    """Raise UnacceptableError unless the request may be looked at further.

    481 for what only makes sense within a dialog, 405 or 501 for methods we do not serve, 416 for a foreign
    scheme, 483 when no hop is left, 420, 415 and 406 for what INVITE demands and we cannot do.
    """
    method = request.method
    if method in _ONLY_IN_DIALOGS:
        raise UnacceptableError(481, "")
    if method not in {"INVITE", "REGISTER", "OPTIONS"}:
        raise UnacceptableError(405 if method in _KNOWN else 501, "", [("allow", ALLOW)])
    if request.uri.partition(":")[0].lower() not in _SCHEMES:
        raise UnacceptableError(416, "")
    if request.has("require") and method == "OPTIONS":
        raise UnacceptableError(420, "", [("unsupported", ", ".join(request.all("require")))])
    if method == "INVITE":
        if request.max_forwards == 0:
            raise UnacceptableError(483, "")
        check_request(request, DIALOG_ALLOW)
        if request.has("accept") and not _accepts_sdp(request.all("accept")):
            raise UnacceptableError(406, "")


def _accepts_sdp(ranges: list[str]) -> bool:
    """Whether a media range of an Accept header covers SDP (§20.1)."""
    for one in ranges:
        kind = one.partition(";")[0].strip().lower()
        if kind in {SDP, "application/*", "*/*"}:
            return True
    return False
