"""A transaction layer and shorthands for its tests."""

from collections.abc import Sequence

from pbx.sip.flow import Flow
from pbx.sip.message import Request, respond
from pbx.sip.outputs import (
    Output,
    RequestReceived,
    Transmit,
)
from pbx.sip.timers import Timers
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from pbx.sip.transactions import TransactionLayer
from tests.sip.wire import (
    UDP,
    outgoing,
)
from tests.support import seeded_ids

USER = object()


def make_layer(max_transactions: int = 1000) -> TransactionLayer:
    return TransactionLayer(
        Timers(),
        seeded_ids(),
        max_transactions=max_transactions,
        sent_by=lambda flow: f"{flow.local[0]}:{flow.local[1]}",
    )


def kinds(outputs: Sequence[Output]) -> list[type[Output]]:
    return [type(output) for output in outputs]


def data(outputs: Sequence[Output]) -> bytes:
    (output,) = [output for output in outputs if isinstance(output, Transmit)]
    return output.data


def accept(
    layer: TransactionLayer, message: Request, flow: Flow = UDP, now: float = 0.0
) -> ServerTransaction:
    """Receive a request that must be new."""
    (output,) = layer.receive(message, flow, now)
    assert isinstance(output, RequestReceived)
    assert output.request is message
    assert output.flow == flow
    return output.transaction


def reply(
    layer: TransactionLayer, transaction: ServerTransaction, status: int, now: float = 0.0
) -> list[Output]:
    return layer.respond(transaction, respond(transaction.request, status, to_tag="ours"), now)


def send(
    layer: TransactionLayer,
    method: str = "INVITE",
    flow: Flow = UDP,
    *,
    fallback: Flow | None = None,
    to_tag: str = "",
) -> tuple[ClientTransaction, bytes]:
    transaction, outputs = layer.send_request(
        outgoing(method, to_tag=to_tag), flow, USER, 0.0, fallback=fallback
    )
    return transaction, data(outputs)


def assert_empty(layer: TransactionLayer) -> None:
    """Nothing is left over anywhere."""
    assert len(layer) == 0
    assert layer.next_deadline() is None
    assert set(layer.counts.values()) == {0}
    assert not layer._clients
    assert not layer._servers
    assert not layer._merge
    assert not layer._by_remote
    assert len(layer._deadlines) == 0
