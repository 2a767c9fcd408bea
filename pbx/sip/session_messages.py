"""What the messages of an INVITE session say, whatever its state: headers, bodies, refusals."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pbx.errors import PeerError
from pbx.sip.fields import Checked
from pbx.sip.message import Message, Request, Response, respond
from pbx.sip.session_events import UnacceptableError

SDP: Final = "application/sdp"
METHODS: Final = frozenset({"INVITE", "UPDATE", "BYE", "OPTIONS", "INFO"})
"""The requests that a session serves; ACK and CANCEL have their own ways in."""
DTMF: Final = ("application/dtmf-relay", "application/dtmf")

_OFFERING: Final = frozenset({"INVITE", "UPDATE"})


@dataclass(frozen=True, slots=True)
class Identity:
    """What we say of ourselves: the Contact value, the Allow list, the product for User-Agent and Server."""

    contact: str
    allow: str
    server: str
    _in_answers: Checked = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = Checked([("contact", self.contact), ("allow", self.allow), ("server", self.server)])
        object.__setattr__(self, "_in_answers", own)

    @staticmethod
    @lru_cache(64)
    def of(contact: str, allow: str, server: str) -> "Identity":
        """The identity that all sessions have who say the same of themselves."""
        return Identity(contact, allow, server)

    def in_request(self, body: bytes | None) -> list[tuple[str, str]]:
        """Headers of an INVITE, next to its Contact."""
        headers = [("allow", self.allow), ("user-agent", self.server)]
        if body:
            headers.append(("content-type", SDP))
        return headers

    def answer(
        self,
        request: Request,
        status: int,
        reason: str = "",
        *,
        to_tag: str = "",
        body: bytes | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> Response:
        """A response that says where we are: 101 to 299 to an INVITE or UPDATE (§12.1.1, RFC 3311 §5.2)."""
        own = [*self._in_answers, *headers] if headers else self._in_answers
        content_type = SDP if body else ""
        return respond(
            request, status, reason, to_tag=to_tag, headers=own, body=body or b"", content_type=content_type
        )

    def options(self, request: Request) -> Response:
        """The answer to OPTIONS within a dialog (§11.2)."""
        headers = [("allow", self.allow), ("accept", SDP), ("server", self.server)]
        return respond(request, 200, headers=headers)


def sdp_of(message: Message) -> bytes | None:
    """The body when it is SDP, else None."""
    return message.body if message.body and message.content_type == SDP else None


def check_request(request: Request, allow: str) -> None:
    """Raise UnacceptableError unless a session can serve the request (§8.2.1 to §8.2.3).

    405 with Allow; 420 with Unsupported, as no option tag is supported (100rel neither); 415 with Accept.
    """
    if request.method not in METHODS:
        raise UnacceptableError(405, "", [("allow", allow)])
    if request.has("require"):
        wanted = request.all("require")
        if wanted:
            raise UnacceptableError(420, "", [("unsupported", ", ".join(wanted))])
    if not request.body:
        return
    if request.method in _OFFERING and request.content_type != SDP:
        raise UnacceptableError(415, "", [("accept", SDP)])
    if request.method == "INFO" and request.content_type not in DTMF:
        raise UnacceptableError(415, "", [("accept", ", ".join(DTMF))])
    if request.has("content-encoding") and any(
        coding.lower() != "identity" for coding in request.all("content-encoding")
    ):
        raise UnacceptableError(415, "", [("accept-encoding", "identity")])


def refusal(request: Request, error: PeerError, to_tag: str = "") -> Response:
    """The response that an error asks for, with its headers when it is `UnacceptableError`."""
    headers = error.headers if isinstance(error, UnacceptableError) else ()
    return respond(request, error.status, error.reason, to_tag=to_tag, headers=headers)
