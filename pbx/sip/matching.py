"""What tells which transaction a message belongs to (RFC 3261 §8.2.2.2, §17.1.3, §17.2.3)."""

from typing import Final

from pbx.ids import MAGIC_COOKIE
from pbx.sip.headers import Via
from pbx.sip.message import Request, Response
from pbx.sip.transaction_base import Key

_COOKIE: Final = MAGIC_COOKIE.lower()
_OLD: Final = ""


def request_key(request: Request, via: Via, method: str) -> Key:
    """The key of the server transaction that a request with `via` on top belongs to (§17.2.3).

    `via` is the top Via as received; `method` is the transaction's: INVITE for an ACK, and for the INVITE
    that a CANCEL looks for. Without the magic cookie, or with nothing after it, the rules of RFC 2543 count.
    Raises PeerError when a header that is needed cannot be read.
    """
    branch = via.parameters.get("branch")
    if branch is not None and len(branch) > len(_COOKIE):
        branch = branch.lower()
        if branch.startswith(_COOKIE):
            return (branch, via.host, via.port, method)
    return (
        _OLD,
        request.call_id,
        request.from_.tag,
        request.cseq.number,
        request.uri,
        str(via),
        method,
        request.to.tag,
    )


def ack_key(key: Key, response: Response) -> Key | None:
    """The key of the ACK of `response` to an INVITE of RFC 2543; None when the branch tells (§17.2.3).

    Such an ACK has the INVITE's Via, but the To tag of the response.
    """
    return (*key[:-1], response.to.tag) if key[0] == _OLD else None


def merge_key(request: Request) -> Key | None:
    """What a request has in common with its copies by other paths (§8.2.2.2); None within a dialog."""
    if request.to.tag is not None:
        return None
    return (request.call_id, request.from_.tag, request.cseq.number, request.method)


def response_key(response: Response) -> Key | None:
    """The key of the client transaction that a response belongs to: branch and CSeq method (§17.1.3)."""
    branch = response.top_via.parameters.get("branch")
    return None if branch is None else (branch.lower(), response.cseq.method)
