"""What the cells of the session table mean: messages, events, dialogs opened and closed.

`take` is the only code that changes a session's state, and only as the table says. How the world talks to
the machine is session.py.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pbx.errors import MisuseError, PeerError
from pbx.ids import Ids
from pbx.sip.dialog import Dialog
from pbx.sip.message import Request, Response, respond
from pbx.sip.session_called import Called
from pbx.sip.session_calling import Calling
from pbx.sip.session_events import (
    Acknowledged,
    Answered,
    Cancelled,
    CancelRequest,
    Cause,
    DialogClosed,
    DialogOpened,
    Ended,
    InfoReceived,
    Progressed,
    Refused,
    SendRequest,
    SendResponse,
    SessionOutput,
)
from pbx.sip.session_messages import Identity, sdp_of
from pbx.sip.session_offers import Acks, Exchange
from pbx.sip.session_resend import AwaitedAck
from pbx.sip.session_table import ABSENT, SESSION, Absent, Action, Input, OfferState, State
from pbx.sip.timers import Timers

if TYPE_CHECKING:
    from pbx.sip.session import InviteSession
    from pbx.sip.transaction import ServerTransaction

MAX_EARLY_DIALOGS: Final = 16
"""Branches of a forked INVITE whose early dialogs are kept; a 2xx wins from whichever branch it comes."""

Outputs = list[SessionOutput]


@dataclass(slots=True)
class Cue:
    """An input with what came along; which fields are set depends on the input."""

    now: float
    transaction: "ServerTransaction | None" = None
    request: Request | None = None
    response: Response | None = None
    dialog: Dialog | None = None
    status: int = 0
    reason: str = ""
    body: bytes | None = None
    headers: Iterable[tuple[str, str]] = ()
    cause: Cause = "error"


class SessionMachine:
    """The state of a session and all that goes with it."""

    __slots__ = (
        "_acks",
        "_awaited",
        "_bye_headers",
        "_called",
        "_calling",
        "_dialogs",
        "_identity",
        "_ids",
        "_offers",
        "_timers",
        "dialog",
        "state",
    )

    def __init__(self, state: State, identity: Identity, ids: Ids, timers: Timers) -> None:
        self.state = state
        self.dialog: Dialog | None = None
        """The dialog of the session; for an outgoing one from the 2xx on."""
        self._identity = identity
        self._ids = ids
        self._timers = timers
        self._acks = Acks()
        self._offers = Exchange(identity, ids, timers, self._acks, own_call=state is State.IDLE)
        self._calling: Calling | None = None
        self._called: Called | None = None
        self._dialogs: dict[str, Dialog] = {}
        """The open dialogs by remote tag."""
        self._awaited: AwaitedAck | None = None
        self._bye_headers: tuple[tuple[str, str], ...] = ()

    def _session(self) -> "InviteSession":
        raise NotImplementedError

    def take(self, what: Input, cue: Cue) -> Outputs:
        """Take the cell for an input; where there is none, its rule (`ABSENT`). Raises MisuseError."""
        cell = SESSION.get((self.state, what))
        if cell is not None:
            self.state = cell[1]
            return _ACTIONS[cell[0]](self, cue)
        rule = ABSENT[what]
        if rule is Absent.MISUSE:
            raise MisuseError(f"{what} while the session is {self.state}")
        if rule is Absent.NO_DIALOG and cue.transaction is not None and cue.request is not None:
            return [SendResponse(cue.transaction, respond(cue.request, 481))]
        return []

    # Dialogs

    def _open(self, dialog: Dialog) -> Outputs:
        if dialog.remote_tag in self._dialogs:
            return []
        self._dialogs[dialog.remote_tag] = dialog
        return [DialogOpened(dialog.id)]

    def _win(self, found: Dialog) -> Outputs:
        """The dialog of the first 2xx is the session's; other branches lose theirs (§13.2.2.4)."""
        self._side().transaction = None  # it knows the session: no cycle keeps them both
        outputs = self._open(found)
        self.dialog = dialog = self._dialogs[found.remote_tag]
        dialog.confirm(found)
        outputs += [DialogClosed(other.id) for other in self._dialogs.values() if other is not dialog]
        self._dialogs = {dialog.remote_tag: dialog}
        return outputs

    def _close_dialogs(self) -> Outputs:
        outputs: Outputs = [DialogClosed(dialog.id) for dialog in self._dialogs.values()]
        self._dialogs = {}
        return outputs

    def _finish(self, *outcome: SessionOutput) -> Outputs:
        """Say the outcome, close everything, and let go of the transaction."""
        outputs = [*self._offers.close(), *outcome, *self._close_dialogs()]
        self._awaited = None
        if self._calling is not None:
            self._calling.transaction = None
        return outputs

    # Shared steps

    def _side(self) -> Calling:
        assert self._calling is not None
        return self._calling

    def _other_side(self) -> Called:
        assert self._called is not None
        return self._called

    @staticmethod
    def _answer(cue: Cue, status: int) -> SendResponse:
        assert cue.transaction is not None
        assert cue.request is not None
        return SendResponse(cue.transaction, respond(cue.request, status))

    def _bye(self) -> Outputs:
        """End the dialog, and first what still waits in it (§15.1.1)."""
        outputs = self._offers.close()
        self._awaited = None
        assert self.dialog is not None
        outputs.append(
            SendRequest(self.dialog.make_request("BYE", headers=self._bye_headers), self._session())
        )
        return outputs

    # Actions: the calling side

    def _send_invite(self, _: Cue) -> Outputs:
        return [SendRequest(self._side().request, self._session())]

    def _send_invite_again(self, cue: Cue) -> Outputs:
        return [SendRequest(self._side().again(tuple(cue.headers)), self._session())]

    def _progress(self, cue: Cue) -> Outputs:
        response = cue.response
        assert response is not None
        outputs: Outputs = []
        tag = response.to.tag
        if tag and tag not in self._dialogs and len(self._dialogs) < MAX_EARLY_DIALOGS:
            # From a Contact that nothing can be sent to there is no dialog yet, and none is needed.
            with suppress(PeerError):
                outputs += self._open(Dialog.from_response(self._side().request, response))
        outputs.append(Progressed(response.status, response.reason, sdp_of(response), response))
        return outputs

    def _answered(self, cue: Cue) -> Outputs:
        assert cue.dialog is not None
        assert cue.response is not None
        outputs = self._win(cue.dialog)
        self._offers.settle()
        return [*outputs, self._side().ack(cue.dialog), Answered(sdp_of(cue.response), cue.response)]

    def _answered_with_offer(self, cue: Cue) -> Outputs:
        assert cue.dialog is not None
        assert cue.response is not None
        outputs = self._win(cue.dialog)
        self._offers.turn()
        return [*outputs, Answered(sdp_of(cue.response), cue.response)]

    def _acknowledge(self, cue: Cue) -> Outputs:
        assert self.dialog is not None
        self._offers.settle()
        headers = [("content-type", "application/sdp")] if cue.body else []
        return [self._side().ack(self.dialog, headers, cue.body or b"")]

    def _acknowledge_and_bye(self, cue: Cue) -> Outputs:
        return [*self._acknowledge(cue), *self._send_bye(cue)]

    def _challenged(self, cue: Cue) -> Outputs:
        return [Refused(cue.status, cue.reason, cue.response), *self._close_dialogs()]

    def _refused(self, cue: Cue) -> Outputs:
        return self._finish(Refused(cue.status, cue.reason, cue.response))

    def _cancel(self, _: Cue) -> Outputs:
        transaction = self._side().transaction
        assert transaction is not None
        return [CancelRequest(transaction)]

    def _cancelled(self, _: Cue) -> Outputs:
        return self._finish(Cancelled())

    def _clear_cancelled(self, cue: Cue) -> Outputs:
        assert cue.dialog is not None
        outputs = self._win(cue.dialog)
        return [*outputs, self._side().ack(cue.dialog), *self._bye(), Cancelled()]

    def _ack_again(self, cue: Cue) -> Outputs:
        assert cue.response is not None
        ack = self._side().ack_again(cue.response)
        if ack is None and self.dialog is not None:
            ack = self._side().ack(self.dialog)
        return [] if ack is None else [ack]

    def _clear_fork(self, cue: Cue) -> Outputs:
        assert cue.response is not None
        return self._side().clear_fork(cue.response, self._session())

    def _drop_early(self, cue: Cue) -> Outputs:
        assert cue.dialog is not None
        del self._dialogs[cue.dialog.remote_tag]
        return [self._answer(cue, 200), DialogClosed(cue.dialog.id)]

    # Actions: the called side

    def _try(self, _: Cue) -> Outputs:
        return [self._other_side().trying()]

    def _ring(self, cue: Cue) -> Outputs:
        called = self._other_side()
        return [*self._open(called.dialog), called.ring(cue.status, cue.reason, cue.body, cue.now)]

    def _ring_again(self, cue: Cue) -> Outputs:
        return [*self._other_side().ring_again(cue.now)]

    def _accept(self, cue: Cue) -> Outputs:
        called = self._other_side()
        outputs = self._open(called.dialog)
        if called.offered:
            self._offers.settle()
        else:
            self._offers.turn()
        self._awaited = called.accept(cue.body or b"", cue.headers, self._timers, cue.now)
        return [*outputs, self._awaited.sent]

    def _refuse(self, cue: Cue) -> Outputs:
        return self._finish(self._other_side().refuse(cue.status, cue.reason, cue.headers))

    def _refuse_cancelled(self, _: Cue) -> Outputs:
        return self._finish(self._other_side().refuse(487, "", ()), Cancelled())

    def _lost(self, _: Cue) -> Outputs:
        # The transaction still wants a final response, though this one too may not arrive (RFC 6026 §7.1).
        return self._finish(self._other_side().refuse(500, "", ()), Ended("error"))

    def _bye_before_answer(self, cue: Cue) -> Outputs:
        refusal = self._other_side().refuse(487, "", ())
        return self._finish(self._answer(cue, 200), refusal, Ended("bye", cue.request))

    def _acknowledged(self, cue: Cue) -> Outputs:
        self._awaited = None
        self._offers.settle()
        return [Acknowledged(sdp_of(cue.request) if cue.request is not None else None)]

    def _resend(self, cue: Cue) -> Outputs:
        awaited = self._awaited or self._offers.awaited
        if awaited is None:
            return []
        awaited.advance(cue.now)
        return [awaited.sent]

    def _bye_no_ack(self, _: Cue) -> Outputs:
        return [*self._bye(), Ended("no-ack")]

    def _leave(self, cue: Cue) -> Outputs:
        self._bye_headers = tuple(cue.headers)
        return self._offers.close()

    # Actions: both sides

    def _send_bye(self, cue: Cue) -> Outputs:
        self._bye_headers = self._bye_headers or tuple(cue.headers)
        return self._bye()

    def _send_offer(self, cue: Cue) -> Outputs:
        assert self.dialog is not None
        return self._offers.offer(self.dialog, cue.body or b"", self._session())

    def _serve(self, cue: Cue) -> Outputs:
        """A request within the dialog that is neither BYE, ACK nor CANCEL, checked already."""
        transaction, request, dialog = cue.transaction, cue.request, cue.dialog
        assert transaction is not None
        assert request is not None
        assert dialog is not None
        outputs: Outputs = []
        match request.method:
            case "INVITE":
                if self._awaited is not None and self._offers.state is OfferState.STABLE:
                    # No second INVITE is sent before the first is answered: our 2xx came, the ACK was lost.
                    outputs = self.take(Input.GOT_ACK, Cue(cue.now))
                return outputs + self._offers.receive_request(dialog, transaction, request)
            case "UPDATE" if request.body:
                return self._offers.receive_request(dialog, transaction, request)
            case "UPDATE":
                dialog.refresh(request)
                return [SendResponse(transaction, self._identity.answer(request, 200))]
            case "INFO":
                outputs.append(self._answer(cue, 200))
                if request.body:
                    outputs.append(InfoReceived(request.body, request.content_type or ""))
                return outputs
            case _:
                return [SendResponse(transaction, self._identity.options(request))]

    def _bye_gone(self, cue: Cue) -> Outputs:
        return [*self._bye(), Ended(cue.cause)]

    def _ended(self, _: Cue) -> Outputs:
        return self._finish(Ended("bye"))

    def _ended_by_peer(self, cue: Cue) -> Outputs:
        return [self._answer(cue, 200), *self._finish(Ended("bye", cue.request))]

    def _closed_by_peer(self, cue: Cue) -> Outputs:
        return [self._answer(cue, 200), *self._finish()]

    def _close(self, _: Cue) -> Outputs:
        return self._finish()

    def _nothing(self, _: Cue) -> Outputs:
        return []


_M = SessionMachine
_ACTIONS: Final[dict[Action, Callable[[SessionMachine, Cue], Outputs]]] = {
    Action.ACCEPT: _M._accept,
    Action.ACKNOWLEDGE: _M._acknowledge,
    Action.ACKNOWLEDGE_AND_BYE: _M._acknowledge_and_bye,
    Action.ACKNOWLEDGED: _M._acknowledged,
    Action.ACK_AGAIN: _M._ack_again,
    Action.ANSWERED: _M._answered,
    Action.ANSWERED_WITH_OFFER: _M._answered_with_offer,
    Action.BYE_BEFORE_ANSWER: _M._bye_before_answer,
    Action.BYE_GONE: _M._bye_gone,
    Action.BYE_NO_ACK: _M._bye_no_ack,
    Action.CANCEL: _M._cancel,
    Action.CANCELLED: _M._cancelled,
    Action.CHALLENGED: _M._challenged,
    Action.CLEAR_CANCELLED: _M._clear_cancelled,
    Action.CLEAR_FORK: _M._clear_fork,
    Action.CLOSE: _M._close,
    Action.CLOSED_BY_PEER: _M._closed_by_peer,
    Action.DROP_EARLY: _M._drop_early,
    Action.ENDED: _M._ended,
    Action.ENDED_BY_PEER: _M._ended_by_peer,
    Action.LEAVE: _M._leave,
    Action.LOST: _M._lost,
    Action.NOTHING: _M._nothing,
    Action.PROGRESS: _M._progress,
    Action.REFUSE: _M._refuse,
    Action.REFUSE_CANCELLED: _M._refuse_cancelled,
    Action.REFUSED: _M._refused,
    Action.RESEND: _M._resend,
    Action.RING: _M._ring,
    Action.RING_AGAIN: _M._ring_again,
    Action.SEND_BYE: _M._send_bye,
    Action.SEND_INVITE: _M._send_invite,
    Action.SEND_INVITE_AGAIN: _M._send_invite_again,
    Action.SEND_OFFER: _M._send_offer,
    Action.SERVE: _M._serve,
    Action.TRY: _M._try,
}
