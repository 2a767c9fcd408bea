"""The transaction layer: finds each message its transaction, and keeps their due times (RFC 3261 §17, §18).

One layer serves all flows of a service. Every call returns outputs; `next_deadline` says when
`handle_timer` is due. What is dropped is counted in `counters`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from pbx.deadlines import Deadlines
from pbx.errors import PeerError
from pbx.ids import Ids
from pbx.sip.derived import cancel_of
from pbx.sip.flow import Address, Flow
from pbx.sip.headers import Via
from pbx.sip.hops import own_via, receive_by, return_port
from pbx.sip.matching import ack_key, merge_key, request_key, response_key
from pbx.sip.message import Request, Response
from pbx.sip.message import respond as make_response
from pbx.sip.outputs import AckReceived, Output, RequestReceived, Transmit
from pbx.sip.timers import Timers
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from pbx.sip.transaction_base import NEVER, Key
from pbx.sip.transaction_tables import (
    INVITE_CLIENT_TABLE,
    INVITE_SERVER_TABLE,
    NON_INVITE_CLIENT_TABLE,
    NON_INVITE_SERVER_TABLE,
    State,
)

AnyTransaction = ClientTransaction | ServerTransaction

_TERMINATED: Final = State.TERMINATED
_LINGERING: Final = frozenset({State.COMPLETED, State.CONFIRMED, State.ACCEPTED, State.TERMINATED})
_TABLES: Final = (INVITE_CLIENT_TABLE, NON_INVITE_CLIENT_TABLE, INVITE_SERVER_TABLE, NON_INVITE_SERVER_TABLE)
# What only lingers may linger a little longer: what is over within one step is cleared away at one waking.
_LINGER_STEP_S: Final = 0.25
_CANCEL: Final = object()
"""The user of our own CANCELs, whose outcome nobody is told."""


@dataclass(slots=True)
class Counters:
    """How often the layer dropped, absorbed or refused something since the start."""

    malformed: int = 0
    """Messages without a readable Via, CSeq and the like that got past validation."""
    unmatched_responses: int = 0
    """Responses to no transaction of ours (§18.1.2)."""
    foreign_vias: int = 0
    """Responses with a second Via, meant for somebody behind us (§8.1.3.3)."""
    absorbed: int = 0
    """Messages that matched a transaction and changed nothing: repetitions, and what came too late."""
    merged: int = 0
    """Requests answered 482 because they arrived by another path already (§8.2.2.2)."""
    unmatched_cancels: int = 0
    """CANCELs answered 481 (§9.2)."""
    refused: int = 0
    """Requests answered without a transaction: 503 at the bound, and what `refuse` was asked for."""
    over_bound: int = 0
    """Those of them that were answered 503 because there were too many transactions."""
    shed: int = 0
    """Those of them that were answered 503 because we had too much to do."""
    refused_acks: int = 0
    """ACKs of such answers."""
    refused_sends: int = 0
    """Requests of ours that failed because of the bound."""
    discarded_responses: int = 0
    """Responses of ours that came after the final one (§17.2.1, §17.2.2)."""


class TransactionLayer:
    """All transactions of a service.

    `sent_by` gives "host:port" for our Via on a flow. At `max_transactions` new requests outside a dialog get
    a 503; those within one, which mostly free something, may use a tenth more. A CANCEL of an INVITE is
    always honoured. A new request of ours past the bound fails as if its transport had.
    """

    __slots__ = (
        "_by_remote", "_clients", "_counts", "_deadlines", "_ended", "_ids", "_live", "_max", "_merge",
        "_refused_headers", "_refused_tag", "_reserve", "_sent_by", "_servers", "_timers", "counters",
    )  # fmt: skip

    def __init__(
        self,
        timers: Timers,
        ids: Ids,
        *,
        max_transactions: int = 100_000,
        retry_after: int = 5,
        sent_by: Callable[[Flow], str],
    ) -> None:
        self._timers = timers
        self._ids = ids
        self._sent_by = sent_by
        self._max = max_transactions
        self._reserve = max_transactions // 10
        self._refused_headers = (("retry-after", str(retry_after)),)
        self._refused_tag = ids.token(4)
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        self._merge: dict[Key, ServerTransaction] = {}
        self._by_remote: dict[Address, dict[AnyTransaction, None]] = {}
        self._deadlines: Deadlines[AnyTransaction] = Deadlines()
        self._ended: list[AnyTransaction] = []
        self._live = 0
        self._counts = {table.name: 0 for table in _TABLES}
        self.counters = Counters()

    def __len__(self) -> int:
        return self._live

    @property
    def counts(self) -> dict[str, int]:
        """Transactions that have not terminated, by kind ("INVITE client", …)."""
        return dict(self._counts)

    # From the wire

    def receive(
        self, message: Request | Response, flow: Flow, now: float, *, sheds: bool = False
    ) -> list[Output]:
        """Take a valid message that came along `flow`; a request gets `received` and `rport` (§18.2.1).

        With `sheds` a new INVITE outside a dialog gets a stateless 503, everything else what it always gets.
        """
        if self._ended:
            self._shed()
        try:
            if isinstance(message, Response):
                return self._receive_response(message, flow, now)
            return self._receive_request(message, flow, now, sheds)
        except PeerError:
            self.counters.malformed += 1
            return []

    def _receive_response(self, response: Response, flow: Flow, now: float) -> list[Output]:
        key = response_key(response)
        transaction = None if key is None else self._clients.get(key)
        if transaction is None:
            self.counters.unmatched_responses += 1
            return []
        if len(response.vias) > 1:
            self.counters.foreign_vias += 1
            return []
        outputs = transaction.receive(response, flow, now)
        if not outputs:
            self.counters.absorbed += 1
            return outputs
        outputs = self._settle(transaction, outputs)
        if transaction.cancel_headers is not None and transaction.cancel(now):
            outputs += self._send_cancel(transaction, now)
        return outputs

    def _receive_request(self, request: Request, flow: Flow, now: float, sheds: bool) -> list[Output]:
        via = request.top_via
        method = request.method
        is_ack = method == "ACK"
        key = request_key(request, via, "INVITE" if is_ack else method)
        known = self._servers.get(key)
        if known is not None:
            outputs = known.receive_ack(request, flow, now) if is_ack else known.receive_again(now)
            if not outputs:
                self.counters.absorbed += 1
            return self._settle(known, outputs)
        if is_ack:
            tag = request.to.tag
            if tag is not None and tag.startswith(self._refused_tag):
                self.counters.refused_acks += 1
                return []
            return [AckReceived(request, flow)]
        if method == "CANCEL":
            return self._receive_cancel(request, flow, via, key, now)
        merge = merge_key(request)
        if self._live >= (self._max if merge is not None else self._max + self._reserve):
            self.counters.over_bound += 1
            return self.refuse(request, flow, 503, headers=self._refused_headers)
        if sheds and merge is not None and method == "INVITE":
            self.counters.shed += 1
            return self.refuse(request, flow, 503, headers=self._refused_headers)
        transaction = self._add_server(request, flow, via, key, merge)
        if merge is not None and self._merge.setdefault(merge, transaction) is not transaction:
            self.counters.merged += 1
            return self.respond(transaction, make_response(request, 482, to_tag=self._ids.tag()), now)
        return [RequestReceived(transaction, request, flow)]

    def _receive_cancel(self, request: Request, flow: Flow, via: Via, key: Key, now: float) -> list[Output]:
        """Answer a CANCEL at once; an INVITE it finds without a final response is told (§9.2)."""
        invite = self._servers.get(request_key(request, via, "INVITE"))
        status, tag = 200, ""
        if invite is None:
            self.counters.unmatched_cancels += 1
            status = 481
        elif invite.last is not None:
            tag = invite.last.to.tag or ""
        outputs: list[Output] = []
        if self._live >= self._max + self._reserve:
            outputs += self.refuse(request, flow, status)
        else:
            transaction = self._add_server(request, flow, via, key, None)
            response = make_response(request, status, to_tag=tag or self._ids.tag())
            outputs += self.respond(transaction, response, now)
        if invite is not None:
            outputs += invite.receive_cancel(now)
        return outputs

    # From the transaction users

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> list[Output]:
        """Send a response to where the request came from; one that is too late is discarded and counted."""
        outputs = transaction.respond(response, now)
        if not outputs:
            self.counters.discarded_responses += 1
            return outputs
        if response.status >= 300 and transaction.method == "INVITE":
            other_key = ack_key(transaction.key, response)
            if other_key is not None:
                transaction.ack_key = other_key
                self._servers.setdefault(other_key, transaction)
        return self._settle(transaction, outputs)

    def refuse(
        self,
        request: Request,
        flow: Flow,
        status: int,
        reason: str = "",
        headers: Iterable[tuple[str, str]] = (),
    ) -> list[Output]:
        """Answer without a transaction (§8.2.7): at the bound, or a request too malformed for more.

        The same request gets the same answer, the ACK of it is dropped. An ACK, and a request whose top Via
        cannot be read, get none.
        """
        if request.method == "ACK":
            return []
        try:
            via = request.top_via
        except PeerError:
            self.counters.malformed += 1
            return []
        self.counters.refused += 1
        number = hash((via.branch, request.get("call-id"), request.get("cseq"))) & 0xFFFFFFFF
        back = receive_by(flow, request, via)
        tag = f"{self._refused_tag}{number:08x}"
        return [Transmit(back, make_response(request, status, reason, to_tag=tag, headers=headers).encode())]

    def send_request(
        self, request: Request, flow: Flow, user: object, now: float, *, fallback: Flow | None = None
    ) -> tuple[ClientTransaction, list[Output]]:
        """Send a request (not ACK or CANCEL) by `flow`, or by `fallback` if `flow` fails without a response.

        The request is the transaction's from here on: its Via is put on, replacing what it had.
        """
        branch = self._ids.branch()
        request.put_via(own_via(flow, self._sent_by(flow), branch))
        transaction = ClientTransaction(request, flow, user, self._timers, branch=branch, fallback=fallback)
        if self._live >= self._max and (request.to.tag is None or self._live >= self._max + self._reserve):
            self.counters.refused_sends += 1
            return transaction, transaction.transport_failed(now)
        return transaction, self._start(transaction, now)

    def send_ack(self, request: Request, flow: Flow) -> list[Output]:
        """Send the ACK of a 2xx (§13.2.2.4), which is a transaction of its own without any state."""
        request.put_via(own_via(flow, self._sent_by(flow), self._ids.branch()))
        return [Transmit(flow, request.encode())]

    def cancel(
        self, transaction: ClientTransaction, now: float, headers: Sequence[tuple[str, str]] = ()
    ) -> list[Output]:
        """Cancel an INVITE of ours (§9.1); nothing happens after a final response, or for other requests.

        The CANCEL, with `headers` such as a Reason added, waits for the first provisional response. Its own
        outcome is told to nobody. Without a final response 64*T1 after it the INVITE fails with "timeout".
        """
        return self._send_cancel(transaction, now) if transaction.cancel(now, headers) else []

    def _send_cancel(self, invite: ClientTransaction, now: float) -> list[Output]:
        self._settle(invite, [])
        request = cancel_of(invite.request, invite.cancel_headers or ())
        cancel = ClientTransaction(request, invite.flow, _CANCEL, self._timers, branch=invite.branch)
        return self._start(cancel, now)

    # From the edge

    def transport_failed(self, flow: Flow, now: float) -> list[Output]:
        """`flow` cannot be used (any more): everything that is sent or answered along it moves or fails."""
        self._shed()
        outputs: list[Output] = []
        for transaction in list(self._by_remote.get(flow.remote, ())):
            if not _goes_by(transaction, flow):
                continue
            self._forget_remote(transaction)
            if isinstance(transaction, ClientTransaction) and (other := transaction.fallback) is not None:
                transaction.request.put_via(own_via(other, self._sent_by(other), transaction.branch))
                news = transaction.move(now)
            else:
                news = transaction.transport_failed(now)
            self._note_remote(transaction, _way(transaction))
            outputs += self._settle(transaction, news)
        return outputs

    def next_deadline(self) -> float | None:
        """When `handle_timer` is due, or None."""
        return self._deadlines.next()

    def handle_timer(self, now: float) -> list[Output]:
        """Do what is due at `now`: however late that is, each transaction sends at most once."""
        self._shed()
        outputs: list[Output] = []
        for transaction, _ in self._deadlines.expire(now):
            transaction.armed = NEVER
            outputs += self._settle(transaction, transaction.handle_timer(now))
        return outputs

    # Keeping track

    def _start(self, transaction: ClientTransaction, now: float) -> list[Output]:
        self._clients[transaction.key] = transaction
        self._enter(transaction, transaction.flow)
        return self._settle(transaction, transaction.start(now))

    def _add_server(
        self, request: Request, flow: Flow, via: Via, key: Key, merge: Key | None
    ) -> ServerTransaction:
        reply_flow = receive_by(flow, request, via)
        transaction = ServerTransaction(
            request,
            flow,
            self._timers,
            reply_flow=reply_flow,
            return_port=return_port(flow, via) if flow.reliable else 0,
            key=key,
            merge_key=merge,
        )
        self._servers[key] = transaction
        self._enter(transaction, reply_flow)
        return transaction

    def _settle(self, transaction: AnyTransaction, outputs: list[Output]) -> list[Output]:
        """Bring the layer's books in line with a transaction that was called; what its user is to hear."""
        due, expires_at, state = transaction.resend_at, transaction.expires_at, transaction.state
        due = min(due, expires_at)
        if state in _LINGERING:
            if transaction._request is not None:
                self._ended.append(transaction)
            if state is _TERMINATED:
                self._remove(transaction)
            elif due == expires_at != NEVER:
                due = ceil(due / _LINGER_STEP_S) * _LINGER_STEP_S
        if due != transaction.armed:
            transaction.armed = due
            if due == NEVER:
                self._deadlines.cancel(transaction)
            else:
                self._deadlines.set(transaction, due)
        if transaction.user is _CANCEL:
            return [output for output in outputs if isinstance(output, Transmit)]
        return outputs

    def _remove(self, transaction: AnyTransaction) -> None:
        if isinstance(transaction, ClientTransaction):
            del self._clients[transaction.key]
        else:
            del self._servers[transaction.key]
            if transaction.ack_key is not None and self._servers.get(transaction.ack_key) is transaction:
                del self._servers[transaction.ack_key]
            if transaction.merge_key is not None and self._merge.get(transaction.merge_key) is transaction:
                del self._merge[transaction.merge_key]
        self._live -= 1
        self._counts[transaction.table.name] -= 1
        self._forget_remote(transaction)

    def _enter(self, transaction: AnyTransaction, way: Flow) -> None:
        self._live += 1
        self._counts[transaction.table.name] += 1
        self._note_remote(transaction, way)

    def _note_remote(self, transaction: AnyTransaction, way: Flow) -> None:
        known = self._by_remote.get(way.remote)
        if known is None:
            self._by_remote[way.remote] = {transaction: None}
        else:
            known[transaction] = None

    def _forget_remote(self, transaction: AnyTransaction) -> None:
        remote = _way(transaction).remote
        known = self._by_remote.get(remote)
        if known is not None:
            known.pop(transaction, None)
            if not known:
                del self._by_remote[remote]

    def _shed(self) -> None:
        """Lighten what ended in earlier calls, whose outputs have been handled by now."""
        for transaction in self._ended:
            transaction.shed()
        self._ended.clear()


def _way(transaction: AnyTransaction) -> Flow:
    return transaction.flow if isinstance(transaction, ClientTransaction) else transaction.reply_flow


def _goes_by(transaction: AnyTransaction, flow: Flow) -> bool:
    """Whether a transaction uses `flow`; one whose stream is still to be opened uses any to that address."""
    own = _way(transaction)
    return own == flow or (
        own.reliable and own.connection == 0 and own.transport == flow.transport and own.remote == flow.remote
    )
