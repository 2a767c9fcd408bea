"""The called side of an INVITE session: the peer's INVITE and our responses to it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from pbx.errors import MisuseError
from pbx.sip.dialog import Dialog
from pbx.sip.message import Request, Response, respond
from pbx.sip.session_events import SendResponse
from pbx.sip.session_messages import Identity, sdp_of
from pbx.sip.session_resend import AwaitedAck
from pbx.sip.timers import Timers

if TYPE_CHECKING:
    from pbx.sip.transaction import ServerTransaction

RING_AGAIN_SECONDS: Final = 60.0
"""Proxies give up an INVITE that is silent for three minutes; one minute is asked for (§13.3.1.1)."""


class Called:
    """The INVITE that we received, as long as it has no final response (§13.3)."""

    __slots__ = ("_identity", "_provisional", "dialog", "offered", "repeat_at", "request", "transaction")

    def __init__(
        self, transaction: "ServerTransaction", request: Request, dialog: Dialog, identity: Identity
    ) -> None:
        self.transaction: ServerTransaction | None = transaction
        self.request = request
        self.dialog = dialog
        self.offered = sdp_of(request) is not None
        self.repeat_at: float | None = None
        self._identity = identity
        self._provisional: Response | None = None

    def trying(self) -> SendResponse:
        """100, without a tag (§8.2.6.1)."""
        return self._send(respond(self.request, 100))

    def ring(self, status: int, reason: str, body: bytes | None, now: float) -> SendResponse:
        """A provisional response; it comes again every minute."""
        self._provisional = response = self._identity.answer(
            self.request, status, reason, to_tag=self.dialog.local_tag, body=body
        )
        self.repeat_at = now + RING_AGAIN_SECONDS
        return self._send(response)

    def ring_again(self, now: float) -> list[SendResponse]:
        """The last provisional response once more; the next due time follows from when it was due."""
        if self._provisional is None or self.repeat_at is None:
            return []
        while self.repeat_at <= now:
            self.repeat_at += RING_AGAIN_SECONDS
        return [self._send(self._provisional)]

    def accept(
        self, body: bytes, headers: Iterable[tuple[str, str]], timers: Timers, now: float
    ) -> AwaitedAck:
        """200; it is sent until the ACK comes."""
        self.dialog.state = "confirmed"
        response = self._identity.answer(
            self.request, 200, to_tag=self.dialog.local_tag, body=body, headers=headers
        )
        sent = self._send(response)
        self._finish()
        return AwaitedAck(sent, self.request.cseq.number, timers, now)

    def refuse(self, status: int, reason: str, headers: Iterable[tuple[str, str]]) -> SendResponse:
        """A final response other than 2xx."""
        own = [("server", self._identity.server), *headers]
        sent = self._send(respond(self.request, status, reason, to_tag=self.dialog.local_tag, headers=own))
        self._finish()
        return sent

    def _send(self, response: Response) -> SendResponse:
        if self.transaction is None:
            raise MisuseError("the INVITE has its final response")
        return SendResponse(self.transaction, response)

    def _finish(self) -> None:
        self.transaction = None  # it may know the session: no cycle keeps them both
        self._provisional = self.repeat_at = None
