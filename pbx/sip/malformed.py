"""The error of a message that breaks RFC 3261's grammar or rules, with what an answer needs."""

from typing import TYPE_CHECKING

from pbx.errors import PeerError

if TYPE_CHECKING:
    from pbx.sip.message import Request


class MalformedMessage(PeerError):
    """A message that is answered with `status` and `reason`, or dropped.

    `request` is as much of the request as could be read, fit for `respond`; None when no answer may be sent:
    a response, an ACK, or a request whose top Via cannot be read.
    """

    def __init__(self, status: int, reason: str, request: "Request | None" = None) -> None:
        super().__init__(status, reason)
        self.request = request
