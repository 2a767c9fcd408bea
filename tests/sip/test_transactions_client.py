"""The transaction layer as a client: Vias, matching of responses, ACK and CANCEL of ours."""

import pytest

from pbx.sip.outputs import (
    ResponseReceived,
    TransactionFailed,
    Transmit,
)
from pbx.sip.transaction_tables import State
from pbx.sip.transactions import TransactionLayer
from tests.sip.layers import USER, assert_empty, data, kinds, make_layer, send
from tests.sip.wire import (
    OUT_TCP,
    UDP,
    answer,
    outgoing,
    read_request,
    request,
)
from tests.support import advance_to


@pytest.fixture
def layer() -> TransactionLayer:
    return make_layer()


# Requests of ours


def test_a_request_gets_one_via(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    assert read_request(sent).lines("via") == [
        f"SIP/2.0/UDP 192.0.2.9:5060;branch={transaction.branch};rport"
    ]
    assert sent.split(b"\r\n")[1].startswith(b"Via: ")
    assert transaction.branch.startswith("z9hG4bK")
    assert (transaction.user, transaction.flow, transaction.request.method) == (USER, UDP, "INVITE")


def test_a_request_that_is_sent_again_gets_a_new_branch(layer: TransactionLayer) -> None:
    made = outgoing()
    first, _ = layer.send_request(made, UDP, USER, 0.0)
    second, outputs = layer.send_request(made, UDP, USER, 0.0)
    assert len(read_request(data(outputs)).vias) == 1
    assert first.branch != second.branch


def test_over_a_stream_rport_is_not_asked_for(layer: TransactionLayer) -> None:
    transaction, sent = send(layer, flow=OUT_TCP)
    assert read_request(sent).lines("via") == [f"SIP/2.0/TCP 192.0.2.9:5060;branch={transaction.branch}"]


def test_responses_find_their_transaction(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    other, _ = send(layer, "OPTIONS")
    response = answer(sent, 180)
    assert layer.receive(response, UDP, 0.1) == [ResponseReceived(USER, transaction, response, UDP)]
    assert other.state is State.TRYING


def test_responses_to_nothing_are_dropped_and_counted(layer: TransactionLayer) -> None:
    _, sent = send(layer)
    other_branch = answer(sent, 200)
    other_branch.set("via", "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKother")
    other_method = answer(sent, 200)
    other_method.set("cseq", "1 BYE")
    no_branch = answer(sent, 200)
    no_branch.set("via", "SIP/2.0/UDP 192.0.2.9:5060")
    for response in (other_branch, other_method, no_branch):
        assert layer.receive(response, UDP, 0.1) == []
    assert layer.counters.unmatched_responses == 3


def test_a_response_with_a_second_via_is_dropped_and_counted(layer: TransactionLayer) -> None:
    _, sent = send(layer)
    response = answer(sent, 200)
    response.add("via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKbroadcast")
    assert layer.receive(response, UDP, 0.1) == []
    assert layer.counters.foreign_vias == 1


def test_what_cannot_be_read_is_dropped_and_counted(layer: TransactionLayer) -> None:
    _, sent = send(layer)
    unreadable = answer(sent, 200)
    unreadable.set("cseq", "one INVITE")
    bad = request("OPTIONS")
    bad.set("via", "nonsense")
    no_to = request("OPTIONS")
    no_to.remove("to")
    for message in (unreadable, bad, no_to):
        assert layer.receive(message, UDP, 0.1) == []
    assert layer.counters.malformed == 3
    assert len(layer) == 1


def test_a_refused_invite_is_acknowledged_by_the_layer(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    refusal = answer(sent, 404)
    outputs = layer.receive(refusal, UDP, 0.1)
    assert kinds(outputs) == [Transmit, ResponseReceived]
    assert read_request(data(outputs)).method == "ACK"
    assert layer.receive(refusal, UDP, 0.2) == [outputs[0]]
    assert transaction.state is State.COMPLETED
    advance_to(layer, 100.0)
    assert_empty(layer)


def test_the_ack_of_a_2xx_is_sent_without_a_transaction(layer: TransactionLayer) -> None:
    _, sent = send(layer)
    layer.receive(answer(sent, 200), UDP, 0.1)
    (output,) = layer.send_ack(outgoing("ACK", to_tag="peer"), UDP)
    assert isinstance(output, Transmit)
    ack = read_request(output.data)
    assert ack.top_via.branch != read_request(sent).top_via.branch
    assert ack.top_via.branch
    assert layer.counts == {
        "INVITE client": 1,
        "non-INVITE client": 0,
        "INVITE server": 0,
        "non-INVITE server": 0,
    }


# CANCEL of ours (§9.1)


def test_cancel_goes_out_after_a_provisional_response(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    layer.receive(answer(sent, 180), UDP, 0.1)
    cancel = read_request(data(layer.cancel(transaction, 1.0, [("Reason", "SIP;cause=200")])))
    invite = read_request(sent)
    assert (cancel.method, cancel.uri) == ("CANCEL", invite.uri)
    assert cancel.lines("via") == invite.lines("via")
    for name in ("from", "to", "call-id"):
        assert cancel.get(name) == invite.get(name)
    assert str(cancel.cseq) == "1 CANCEL"
    assert cancel.get("reason") == "SIP;cause=200"
    assert layer.cancel(transaction, 1.1) == []


def test_cancel_waits_for_a_provisional_response(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    assert layer.cancel(transaction, 0.1) == []
    outputs = layer.receive(answer(sent, 100), UDP, 0.2)
    assert kinds(outputs) == [ResponseReceived, Transmit]
    assert read_request(data(outputs)).method == "CANCEL"
    assert kinds(layer.receive(answer(sent, 180), UDP, 0.3)) == [ResponseReceived]


@pytest.mark.parametrize("status", [200, 486])
def test_a_cancel_that_is_too_late_is_not_sent(layer: TransactionLayer, status: int) -> None:
    transaction, sent = send(layer)
    layer.cancel(transaction, 0.1)
    outputs = layer.receive(answer(sent, status), UDP, 0.2)
    assert b"CANCEL" not in b"".join(output.data for output in outputs if isinstance(output, Transmit))
    assert layer.cancel(transaction, 0.3) == []


def test_the_outcome_of_a_cancel_is_told_to_nobody(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    layer.receive(answer(sent, 180), UDP, 0.1)
    cancel = data(layer.cancel(transaction, 1.0))
    assert layer.receive(answer(cancel, 200), UDP, 1.1) == []
    final = layer.receive(answer(sent, 487), UDP, 1.2)
    assert kinds(final) == [Transmit, ResponseReceived]
    advance_to(layer, 100.0)
    assert_empty(layer)


def test_a_cancel_that_nobody_answers_ends_the_invite(layer: TransactionLayer) -> None:
    transaction, sent = send(layer)
    layer.receive(answer(sent, 180), UDP, 0.1)
    cancel = data(layer.cancel(transaction, 1.0))
    outputs = advance_to(layer, 100.0)
    assert [output for _, output in outputs if isinstance(output, Transmit)] == [Transmit(UDP, cancel)] * 10
    assert [(when, output) for when, output in outputs if not isinstance(output, Transmit)] == [
        (33.0, TransactionFailed(USER, transaction, "timeout"))
    ]
    assert_empty(layer)
