"""One transaction: what the cells of its table mean in bytes and due times (RFC 3261 §17, RFC 6026).

Pure machines: every call takes `now` (monotonic seconds) where time matters and returns outputs. Matching,
Vias and the one set of deadlines belong to the layer (transactions.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import assert_never

from pbx.sip.derived import ack_of
from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    Output,
    ResponseReceived,
    ResponseUndelivered,
    TransactionFailed,
    Transmit,
)
from pbx.sip.timers import Timers
from pbx.sip.transaction_base import NEVER, Key, Transaction
from pbx.sip.transaction_tables import (
    INVITE_CLIENT_TABLE,
    INVITE_SERVER_TABLE,
    NON_INVITE_CLIENT_TABLE,
    NON_INVITE_SERVER_TABLE,
    ClientAction,
    Input,
    ServerAction,
    State,
)


class ClientTransaction(Transaction[ClientAction]):
    """A request of ours and the responses to it (§17.1). Made by `TransactionLayer.send_request`."""

    __slots__ = ("branch", "cancel_headers", "cancel_sent", "fallback")

    def __init__(
        self,
        request: Request,
        flow: Flow,
        user: object,
        timers: Timers,
        *,
        branch: str,
        fallback: Flow | None = None,
    ) -> None:
        table = INVITE_CLIENT_TABLE if request.method == "INVITE" else NON_INVITE_CLIENT_TABLE
        super().__init__(table, request, flow, user, timers, (branch.lower(), request.method))
        self.branch = branch
        self.fallback = fallback
        self.cancel_headers: Sequence[tuple[str, str]] | None = None
        """Headers of the CANCEL that was asked for; None when none was."""
        self.cancel_sent = False

    def start(self, now: float) -> list[Output]:
        """Send the request by `flow`; timers A and B, or E and F, run from here (§17.1.1.2, §17.1.2.2)."""
        data = self.request.encode()
        self.expires_at = now + self.timers.timer_b  # timer F is as long
        self.resend_at = NEVER
        if not self.flow.reliable:
            self.data = data
            self._start_resending(now)
        return [Transmit(self.flow, data)]

    def receive(self, response: Response, flow: Flow, now: float) -> list[Output]:
        """Take a response that matches this transaction."""
        action = self.step(self.table.responses[response.status // 100])
        if action is None:
            return []
        self.fallback = None
        if self.flow.connection == 0 and flow.connection and flow.remote == self.flow.remote:
            self.flow = flow  # the stream that was still to be opened
        return self._perform(action, now, ResponseReceived(self.user, self, response, flow))

    def cancel(self, now: float, headers: Iterable[tuple[str, str]] = ()) -> bool:
        """Want the INVITE cancelled (§9.1); whether the CANCEL is to be sent now.

        Before the first provisional response it waits for that one: ask again after each response.
        """
        if self.cancel_sent:
            return False
        if self.cancel_headers is None:
            self.cancel_headers = tuple(headers)
        action = self.step(Input.CANCEL)
        if action is not None:
            self._perform(action, now, None)
        return self.cancel_sent

    def move(self, now: float) -> list[Output]:
        """Send the request by `fallback`, for which its Via was rewritten: the flow failed (§18.1.1)."""
        action = self.step(Input.OTHER_FLOW)
        return [] if action is None else self._perform(action, now, None)

    def transport_failed(self, now: float) -> list[Output]:
        """The flow failed, and there is no other (§17.1.4)."""
        action = self.step(Input.TRANSPORT_ERROR)
        return [] if action is None else self._perform(action, now, None)

    def handle_timer(self, now: float) -> list[Output]:
        """Send once more, or end the waiting, if that is due."""
        if self.expires_at <= now:
            action = self.step(self.table.expiry[self.state])
        elif self.resend_at <= now:
            action = self.step(self.table.repeat[self.state])
        else:
            return []
        return [] if action is None else self._perform(action, now, None)

    def shed(self) -> None:
        """Let go of what a transaction that only lingers has no use for."""
        if self.state is not State.ACCEPTED:  # there responses are still passed up
            self._request = None
            self.user = None

    def _perform(self, action: ClientAction, now: float, arrived: ResponseReceived | None) -> list[Output]:
        outputs: list[Output] = [] if arrived is None else [arrived]
        # What each call has comes first: a word of an enumeration is slow to look up before Python 3.12.
        match action:
            case ClientAction.PROCEED:
                self._stop()
                self.data = None
            case ClientAction.ACCEPT:
                self.data = None
                self._linger(now, self.timers.timer_m)
            case ClientAction.DELIVER_FINAL:
                self.data = None
                self._linger(now, 0.0 if self.flow.reliable else self.timers.timer_k)
            case ClientAction.DELIVER | ClientAction.HOLD_CANCEL:
                pass
            case ClientAction.ACKNOWLEDGE:
                if arrived is not None:
                    self.data = ack_of(self.request, arrived.response).encode()
                outputs = [*self._resend(), *outputs]
                self._linger(now, 0.0 if self.flow.reliable else self.timers.timer_d)
            case ClientAction.RESEND_ACK:
                outputs = self._resend()
            case ClientAction.RESEND_REQUEST:
                self._plan_request(now)
                outputs = self._resend()
            case ClientAction.MOVE_REQUEST:
                if self.fallback is not None:
                    self.flow, self.fallback = self.fallback, None
                outputs = self.start(now)
            case ClientAction.SEND_CANCEL:
                self.cancel_sent = True
                self.expires_at = now + self.timers.timer_b
            case ClientAction.TIME_OUT:
                self._end()
                outputs = [TransactionFailed(self.user, self, "timeout")]
            case ClientAction.FAIL:
                self._end()
                outputs = [TransactionFailed(self.user, self, "transport")]
            case ClientAction.END:
                self._end()
            case _:
                assert_never(action)
        return outputs

    def _plan_request(self, now: float) -> None:
        """When to send after this: timer A doubles, timer E up to T2 (§17.1.1.2, §17.1.2.2)."""
        if self.table is INVITE_CLIENT_TABLE:
            self._plan_resending(now, NEVER)
            return
        if self.state is State.PROCEEDING:
            self.interval = self.timers.t2
        self._plan_resending(now, self.timers.t2)

    def _resend(self) -> list[Output]:
        return [] if self.data is None else [Transmit(self.flow, self.data)]


class ServerTransaction(Transaction[ServerAction]):
    """A request received and the responses we give to it (§17.2). Made by `TransactionLayer.receive`."""

    __slots__ = ("ack_key", "last", "merge_key", "reply_flow", "return_port")

    def __init__(
        self,
        request: Request,
        flow: Flow,
        timers: Timers,
        *,
        reply_flow: Flow,
        return_port: int = 0,
        key: Key = (),
        merge_key: Key | None = None,
    ) -> None:
        table = INVITE_SERVER_TABLE if request.method == "INVITE" else NON_INVITE_SERVER_TABLE
        super().__init__(table, request, flow, None, timers, key)
        self.reply_flow = reply_flow
        self.return_port = return_port
        """Where a new stream goes when the one that the request came by has closed (§18.2.2); 0: nowhere."""
        self.ack_key: Key | None = None
        self.merge_key = merge_key
        self.last: Response | None = None
        """The last response of an INVITE that has not ended."""

    def respond(self, response: Response, now: float) -> list[Output]:
        """Send a response. One that the state does not allow is discarded (§17.2.1, §17.2.2): no outputs."""
        action = self.step(self.table.responses[response.status // 100])
        if action is None:
            return []
        self.last = response
        self.data = response.encode()
        return self._perform(action, now)

    def receive_again(self, now: float) -> list[Output]:
        """The request came once more."""
        action = self.step(Input.REQUEST)
        return [] if action is None else self._perform(action, now)

    def receive_ack(self, ack: Request, flow: Flow, now: float) -> list[Output]:
        """An ACK with the branch of this INVITE."""
        action = self.step(Input.ACK)
        if action is ServerAction.DELIVER_ACK:
            return [AckReceived(ack, flow)]
        return [] if action is None else self._perform(action, now)

    def receive_cancel(self, now: float) -> list[Output]:
        """A CANCEL of this INVITE (§9.2)."""
        action = self.step(Input.CANCEL)
        return [] if action is None else self._perform(action, now)

    def transport_failed(self, now: float) -> list[Output]:
        """The flow of the responses failed: answer by a new stream if there can be one."""
        what = Input.TRANSPORT_ERROR
        if self.return_port:
            what = Input.OTHER_FLOW
            host = self.reply_flow.remote[0]
            self.reply_flow = replace(self.reply_flow, remote=(host, self.return_port), connection=0)
            self.return_port = 0
        action = self.step(what)
        return [] if action is None else self._perform(action, now)

    def handle_timer(self, now: float) -> list[Output]:
        """Send once more, or end the waiting, if that is due."""
        if self.expires_at <= now:
            action = self.step(self.table.expiry[self.state])
        elif self.resend_at <= now:
            action = self.step(self.table.repeat[self.state])
            self._plan_resending(now, self.timers.t2)
        else:
            return []
        return [] if action is None else self._perform(action, now)

    def shed(self) -> None:
        """Let go of what a transaction that only lingers has no use for."""
        self._request = None
        self.last = None
        if self.table is NON_INVITE_SERVER_TABLE:
            self.user = None

    def _perform(self, action: ServerAction, now: float) -> list[Output]:
        outputs: list[Output] = []
        match action:
            case ServerAction.SEND_RESPONSE:
                outputs = self._resend()
                if self.state is State.ACCEPTED:
                    self.data = self.last = None  # a 2xx is repeated by its session
            case ServerAction.SEND_SUCCESS:
                outputs = self._resend()
                self.data = None
                self._linger(now, self.timers.timer_l)
            case ServerAction.SEND_FINAL:
                outputs = self._resend()
                self._linger(now, 0.0 if self.flow.reliable else self.timers.timer_j)
            case ServerAction.SEND_FAILURE:
                outputs = self._resend()
                self.expires_at = now + self.timers.timer_h
                if not self.flow.reliable:
                    self._start_resending(now)
            case ServerAction.RESEND_RESPONSE | ServerAction.MOVE_RESPONSE:
                outputs = self._resend()
            case ServerAction.MOVE:
                pass
            case ServerAction.CONFIRM:
                self.data = self.user = None
                self._linger(now, 0.0 if self.flow.reliable else self.timers.timer_i)
            case ServerAction.DELIVER_ACK:
                pass
            case ServerAction.DELIVER_CANCEL:
                outputs = [CancelReceived(self)]
            case ServerAction.UNDELIVERED:
                if self.state is State.TERMINATED:
                    self._end()
                outputs = [ResponseUndelivered(self)]
            case ServerAction.END:
                self._end()
            case _:
                assert_never(action)
        return outputs

    def _resend(self) -> list[Output]:
        return [] if self.data is None else [Transmit(self.reply_flow, self.data)]
