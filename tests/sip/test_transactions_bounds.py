"""The transaction layer at its bounds, when flows fail, and what it keeps of what has ended."""

from collections.abc import Callable

import pytest

from pbx.errors import MisuseError
from pbx.sip.flow import Flow
from pbx.sip.message import Response
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    Output,
    ResponseReceived,
    ResponseUndelivered,
    TransactionFailed,
    Transmit,
)
from pbx.sip.transaction_tables import State
from pbx.sip.transactions import TransactionLayer
from tests.sip.layers import USER, accept, assert_empty, data, kinds, make_layer, reply, send
from tests.sip.wire import (
    ALICE,
    OUT_TCP,
    PBX,
    TCP,
    UDP,
    answer,
    outgoing,
    read_request,
    read_response,
    request,
)
from tests.support import advance_to


@pytest.fixture
def layer() -> TransactionLayer:
    return make_layer()


# Bounds


def fill(layer: TransactionLayer, count: int, to_tag: str = "") -> None:
    for number in range(count):
        via = f"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKfill{to_tag}{number}"
        accept(layer, request("OPTIONS", via=via, call_id=f"fill-{number}", to_tag=to_tag))


def test_a_layer_that_sheds_refuses_new_invites_and_nothing_else(layer: TransactionLayer) -> None:
    invite = request("INVITE")
    (output,) = layer.receive(invite, UDP, 0.0, sheds=True)
    assert isinstance(output, Transmit)
    response = read_response(output.data)
    assert (response.status, response.get("retry-after")) == (503, "5")
    assert (len(layer), layer.counters.shed) == (0, 1)
    assert layer.receive(request("ACK", to_tag=response.to.tag or ""), UDP, 0.1, sheds=True) == []
    transaction = accept(layer, invite, now=0.2)
    outputs = layer.receive(request("CANCEL"), UDP, 0.3, sheds=True)
    assert CancelReceived(transaction) in outputs
    assert layer.counters.shed == 1


def test_what_lingers_is_cleared_away_together(layer: TransactionLayer) -> None:
    """At hundreds of calls a second each would be a waking of its own."""
    for number in range(1, 10):
        call = request(
            "OPTIONS", via=f"SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{number}", call_id=str(number)
        )
        reply(layer, accept(layer, call, now=number / 100), 200, now=number / 100)
    due = layer.next_deadline()
    assert due == 32.25
    layer.handle_timer(due)
    assert_empty(layer)


def test_at_the_bound_a_new_request_gets_a_stateless_503() -> None:
    layer = make_layer(20)
    fill(layer, 20)
    (output,) = layer.receive(request(), UDP, 0.0)
    assert isinstance(output, Transmit)
    response = read_response(output.data)
    assert (response.status, response.get("retry-after"), output.flow) == (503, "5", UDP)
    assert response.to.tag
    assert layer.receive(request(), UDP, 0.5) == [output]  # §8.2.7: the same tag each time
    assert layer.receive(request("ACK", to_tag=response.to.tag), UDP, 0.6) == []
    assert (layer.counters.refused, layer.counters.refused_acks) == (2, 1)
    assert len(layer) == 20


def test_at_the_bound_what_is_known_goes_on() -> None:
    layer = make_layer(20)
    invite = accept(layer, request())
    reply(layer, invite, 180)
    fill(layer, 19)
    assert kinds(layer.receive(request(), UDP, 0.5)) == [Transmit]
    reply(layer, invite, 200)
    ack = request("ACK", via="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKack", to_tag="ours")
    assert kinds(layer.receive(ack, UDP, 0.6)) == [AckReceived]


def test_requests_within_a_dialog_may_use_a_tenth_more() -> None:
    layer = make_layer(20)
    fill(layer, 20)
    fill(layer, 2, to_tag="dialog")
    late = request("BYE", to_tag="dialog")
    assert read_response(data(layer.receive(late, UDP, 0.0))).status == 503


def test_past_every_bound_a_cancel_is_still_honoured() -> None:
    layer = make_layer(20)
    invite = accept(layer, request())
    reply(layer, invite, 180)
    fill(layer, 19)
    fill(layer, 2, to_tag="dialog")
    outputs = layer.receive(request("CANCEL"), UDP, 0.0)
    assert kinds(outputs) == [Transmit, CancelReceived]
    assert read_response(data(outputs)).status == 200
    assert len(layer) == 22


def test_past_the_bound_a_request_of_ours_fails() -> None:
    layer = make_layer(20)
    fill(layer, 20)
    transaction, outputs = layer.send_request(outgoing(), UDP, USER, 0.0)
    assert outputs == [TransactionFailed(USER, transaction, "transport")]
    send(layer, "BYE", to_tag="dialog")
    send(layer, "BYE", to_tag="dialog")
    transaction, outputs = layer.send_request(outgoing("BYE", to_tag="dialog"), UDP, USER, 0.0)
    assert kinds(outputs) == [TransactionFailed]
    assert layer.counters.refused_sends == 2


def test_after_the_bound_there_is_room_again() -> None:
    layer = make_layer(1)
    reply(layer, accept(layer, request("OPTIONS")), 200)
    other = "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKother"
    assert kinds(layer.receive(request(via=other, call_id="other"), UDP, 1.0)) == [Transmit]
    advance_to(layer, 40.0)
    accept(layer, request(via=other, call_id="other"), now=40.0)


def test_refusing_without_a_transaction(layer: TransactionLayer) -> None:
    broken = request(via="SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bKx", cseq_method="OPTIONS")
    (output,) = layer.refuse(broken, UDP, 400, "CSeq Method Mismatch", [("Server", "pbx")])
    assert isinstance(output, Transmit)
    assert output.flow == Flow("udp", PBX, ("192.0.2.1", 5070))
    response = read_response(output.data)
    assert (response.status, response.reason, response.get("server")) == (400, "CSeq Method Mismatch", "pbx")
    assert response.top_via.received == "192.0.2.1"
    assert layer.refuse(request("ACK"), UDP, 400) == []
    unreadable = request()
    unreadable.set("via", "nonsense")
    assert layer.refuse(unreadable, UDP, 400) == []
    assert_empty(layer)


# Flows that fail


def test_a_big_request_falls_back_to_datagrams(layer: TransactionLayer) -> None:
    transaction, sent = send(layer, flow=OUT_TCP, fallback=UDP)
    (output,) = layer.transport_failed(OUT_TCP, 0.5)
    assert isinstance(output, Transmit)
    assert output.flow == UDP
    assert read_request(output.data).lines("via") == [
        f"SIP/2.0/UDP 192.0.2.9:5060;branch={transaction.branch};rport"
    ]
    assert read_request(output.data).call_id == read_request(sent).call_id
    assert [when for when, _ in advance_to(layer, 2.0)] == [1.0, 2.0]
    assert kinds(layer.receive(answer(output.data, 180), UDP, 2.5)) == [ResponseReceived]
    assert layer.transport_failed(UDP, 3.0) == [TransactionFailed(USER, transaction, "transport")]
    assert_empty(layer)


def test_there_is_no_fallback_after_a_response(layer: TransactionLayer) -> None:
    transaction, sent = send(layer, flow=OUT_TCP, fallback=UDP)
    opened = Flow("tcp", PBX, OUT_TCP.remote, 3)
    layer.receive(answer(sent, 100), opened, 0.1)
    assert layer.transport_failed(opened, 0.5) == [TransactionFailed(USER, transaction, "transport")]


def test_a_stream_that_was_opened_meanwhile_and_failed_is_the_flow(layer: TransactionLayer) -> None:
    transaction, _ = send(layer, flow=OUT_TCP)
    opened = Flow("tcp", PBX, OUT_TCP.remote, 3)
    assert layer.transport_failed(opened, 0.5) == [TransactionFailed(USER, transaction, "transport")]


def test_only_what_uses_the_flow_fails(layer: TransactionLayer) -> None:
    failing, _ = send(layer)
    other_socket, _ = send(layer, flow=Flow("udp", ("192.0.2.9", 5070), ALICE))
    stream, _ = send(layer, flow=OUT_TCP)
    assert layer.transport_failed(UDP, 0.5) == [TransactionFailed(USER, failing, "transport")]
    assert (other_socket.state, stream.state) == (State.CALLING, State.CALLING)
    assert layer.transport_failed(Flow("udp", PBX, ("192.0.2.99", 5060)), 0.5) == []


def test_after_its_connection_closed_a_response_goes_by_a_new_one(layer: TransactionLayer) -> None:
    invite = accept(layer, request(via="SIP/2.0/TCP 10.0.0.1:5075;branch=z9hG4bKx"), TCP)
    reply(layer, invite, 180)
    assert layer.transport_failed(TCP, 1.0) == []
    (output,) = reply(layer, invite, 486, 2.0)
    assert isinstance(output, Transmit)
    assert output.flow == Flow("tcp", PBX, ("192.0.2.1", 5075), 0)
    assert layer.transport_failed(output.flow, 3.0) == [ResponseUndelivered(invite)]
    assert advance_to(layer, 100.0) == [(34.0, ResponseUndelivered(invite))]
    assert_empty(layer)


def test_a_datagram_response_that_cannot_be_sent_is_told(layer: TransactionLayer) -> None:
    invite = accept(layer, request())
    reply(layer, invite, 180)
    assert layer.transport_failed(UDP, 1.0) == [ResponseUndelivered(invite)]
    assert kinds(reply(layer, invite, 503, 2.0)) == [Transmit]


def test_the_failure_of_a_cancels_flow_is_told_for_the_invite_only(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    layer.receive(answer(sent, 180), UDP, 0.1)
    layer.cancel(transaction, 1.0)
    assert layer.transport_failed(UDP, 2.0) == [TransactionFailed(USER, transaction, "transport")]
    assert_empty(layer)


# What lingers


@pytest.mark.parametrize(
    "next_call",
    [
        lambda layer: layer.receive(request("OPTIONS"), UDP, 0.2),
        lambda layer: layer.handle_timer(0.2),
        lambda layer: layer.transport_failed(TCP, 0.2),
    ],
    ids=["receive", "handle_timer", "transport_failed"],
)
def test_what_ended_is_lightened_with_the_next_call(
    layer: TransactionLayer, next_call: Callable[[TransactionLayer], list[Output]]
) -> None:
    transaction, sent = send(layer, "OPTIONS")
    served = accept(layer, request("OPTIONS"))
    served.user = USER
    layer.receive(answer(sent, 200), UDP, 0.1)
    reply(layer, served, 200, 0.1)
    assert transaction.request.method == served.request.method == "OPTIONS"  # while the outputs are handled
    next_call(layer)
    for ended in (transaction, served):
        assert ended.user is None
        with pytest.raises(MisuseError):
            _ = ended.request


def test_a_late_wake_sends_each_transaction_once(layer: TransactionLayer) -> None:
    send(layer)
    send(layer, "OPTIONS")
    reply(layer, accept(layer, request()), 486)
    assert kinds(layer.handle_timer(20.0)) == [Transmit, Transmit, Transmit]
    assert layer.next_deadline() == 23.5


def test_responses_keep_their_bytes(layer: TransactionLayer) -> None:
    """Encoded once: a repeated response is the same object."""
    served = accept(layer, request("OPTIONS"))
    first = data(reply(layer, served, 200))
    assert data(layer.receive(request("OPTIONS"), UDP, 0.1)) is first


def test_responses_are_read_as_responses(layer: TransactionLayer) -> None:
    stray = Response.make(
        200, "OK", [("Via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx"), ("CSeq", "1 INVITE")]
    )
    assert layer.receive(stray, UDP, 0.0) == []
    assert layer.counters.unmatched_responses == 1
