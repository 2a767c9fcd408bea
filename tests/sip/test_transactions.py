"""The transaction layer as a server: matching, merged requests, Vias, CANCEL, responses."""

import pytest

from pbx.sip.flow import Flow
from pbx.sip.message import Request, respond
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    RequestReceived,
    ResponseUndelivered,
    Transmit,
)
from pbx.sip.transaction_tables import State
from pbx.sip.transactions import TransactionLayer
from tests.sip.layers import USER, accept, assert_empty, data, kinds, make_layer, reply
from tests.sip.wire import (
    PBX,
    TCP,
    UDP,
    read_response,
    request,
)
from tests.support import advance_to


@pytest.fixture
def layer() -> TransactionLayer:
    return make_layer()


# Requests: matching (§17.2.3)


def test_a_new_request_is_passed_up_and_its_copies_are_not(layer: TransactionLayer) -> None:
    transaction = accept(layer, request())
    assert (transaction.method, transaction.state, transaction.flow) == ("INVITE", State.PROCEEDING, UDP)
    assert layer.receive(request(), UDP, 0.5) == []
    ringing = data(reply(layer, transaction, 180, 0.6))
    assert layer.receive(request(), UDP, 1.0) == [Transmit(UDP, ringing)]
    assert layer.counters.absorbed == 1
    assert layer.counts["INVITE server"] == 1


@pytest.mark.parametrize(
    ("via", "method", "same"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKone", "OPTIONS", True),
        ("SIP/2.0/UDP 192.0.2.1:5060;branch=Z9HG4BKONE", "OPTIONS", True),
        ("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKtwo", "OPTIONS", False),
        ("SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKone", "OPTIONS", False),
        ("SIP/2.0/UDP 192.0.2.2:5060;rport;branch=z9hG4bKone", "OPTIONS", False),
        ("SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKone", "INFO", False),
    ],
    ids=["same", "case of the branch", "branch", "port of sent-by", "host of sent-by", "method"],
)
def test_branch_sent_by_and_method_tell(layer: TransactionLayer, via: str, method: str, same: bool) -> None:
    first = accept(layer, request("OPTIONS"))
    final = data(reply(layer, first, 200))
    outputs = layer.receive(request(method, via=via, to_tag="dialog" if not same else ""), UDP, 0.1)
    assert (outputs == [Transmit(UDP, final)]) is same
    assert (kinds(outputs) == [RequestReceived]) is not same


def test_the_other_headers_do_not_matter_when_the_branch_tells(layer: TransactionLayer) -> None:
    first = accept(layer, request("OPTIONS"))
    final = data(reply(layer, first, 200))
    copy = request("OPTIONS", uri="sip:other@pbx.example", from_tag="x", call_id="y", cseq=9)
    assert layer.receive(copy, UDP, 0.1) == [Transmit(UDP, final)]


def test_the_ack_of_a_refusal_finds_its_invite(layer: TransactionLayer) -> None:
    transaction = accept(layer, request())
    reply(layer, transaction, 486)
    assert layer.receive(request("ACK", to_tag="ours"), UDP, 0.1) == []
    assert transaction.state is State.CONFIRMED


def test_the_ack_of_a_2xx_has_a_branch_of_its_own_and_is_passed_up(layer: TransactionLayer) -> None:
    reply(layer, accept(layer, request()), 200)
    ack = request("ACK", via="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKack", to_tag="ours")
    assert layer.receive(ack, UDP, 0.1) == [AckReceived(ack, UDP)]


def test_the_ack_of_a_2xx_with_the_branch_of_the_invite_is_passed_up_too(layer: TransactionLayer) -> None:
    reply(layer, accept(layer, request()), 200)
    ack = request("ACK", to_tag="ours")
    assert layer.receive(ack, UDP, 0.1) == [AckReceived(ack, UDP)]


OLD_VIAS = [
    "SIP/2.0/UDP 192.0.2.1:5060",
    "SIP/2.0/UDP 192.0.2.1:5060;branch=1",
    "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK",
]


@pytest.mark.parametrize("via", OLD_VIAS, ids=["no branch", "no cookie", "nothing but the cookie"])
class TestRfc2543:
    def test_a_copy_is_answered_again(self, layer: TransactionLayer, via: str) -> None:
        transaction = accept(layer, request(via=via))
        ringing = data(reply(layer, transaction, 180))
        assert layer.receive(request(via=via), UDP, 0.5) == [Transmit(UDP, ringing)]

    @pytest.mark.parametrize(
        "other",
        [
            {"uri": "sip:carol@pbx.example"},
            {"from_tag": "other"},
            {"to_tag": "other"},
            {"call_id": "other"},
            {"cseq": 2},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_anything_else_is_new(
        self, layer: TransactionLayer, via: str, other: dict[str, str | int]
    ) -> None:
        accept(layer, request(via=via, to_tag="t"))
        accept(layer, request(via=via, **{"to_tag": "t", **other}))  # type: ignore[arg-type] # one of the keywords
        assert len(layer) == 2

    def test_the_ack_has_the_to_tag_of_the_response(self, layer: TransactionLayer, via: str) -> None:
        transaction = accept(layer, request(via=via))
        reply(layer, transaction, 486)
        stray = request("ACK", via=via, to_tag="another")
        assert layer.receive(stray, UDP, 0.1) == [AckReceived(stray, UDP)]
        assert layer.counters.absorbed == 0
        assert layer.receive(request("ACK", via=via, to_tag="ours"), UDP, 0.2) == []
        assert transaction.state is State.CONFIRMED
        advance_to(layer, 100.0)
        assert_empty(layer)

    def test_the_ack_of_a_2xx_is_passed_up(self, layer: TransactionLayer, via: str) -> None:
        reply(layer, accept(layer, request(via=via)), 200)
        ack = request("ACK", via=via, to_tag="ours")
        assert layer.receive(ack, UDP, 0.1) == [AckReceived(ack, UDP)]

    def test_a_cancel_finds_its_invite(self, layer: TransactionLayer, via: str) -> None:
        transaction = accept(layer, request(via=via))
        outputs = layer.receive(request("CANCEL", via=via), UDP, 0.1)
        assert outputs[1:] == [CancelReceived(transaction)]


# Merged requests (§8.2.2.2)


def test_a_request_that_came_by_two_paths_is_answered_482_once(layer: TransactionLayer) -> None:
    first = accept(layer, request())
    outputs = layer.receive(request(via="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKtwo"), UDP, 0.1)
    response = read_response(data(outputs))
    assert (response.status, kinds(outputs)) == (482, [Transmit])
    assert response.to.tag
    assert layer.counters.merged == 1
    assert first.state is State.PROCEEDING
    layer.receive(
        request("ACK", via="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKtwo", to_tag="t"), UDP, 0.2
    )
    advance_to(layer, 10.0)
    assert layer.counts["INVITE server"] == 1
    outputs = layer.receive(request(via="SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKsix"), UDP, 10.1)
    assert read_response(data(outputs)).status == 482  # the end of a merged copy did not forget the first


@pytest.mark.parametrize(
    "second",
    [
        request(cseq=2),
        request(from_tag="other"),
        request(call_id="other"),
        request("OPTIONS"),
        request(to_tag="in"),
    ],
    ids=["cseq", "from tag", "call-id", "method", "within a dialog"],
)
def test_requests_that_are_not_merged(layer: TransactionLayer, second: Request) -> None:
    accept(layer, request())
    second.set("via", "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKtwo")
    accept(layer, second)


# received, rport and the way back (§18.2.1, §18.2.2, RFC 3581)


@pytest.mark.parametrize(
    ("sent_by", "source", "written", "back"),
    [
        ("192.0.2.1:5060", ("192.0.2.1", 5060), "192.0.2.1:5060;branch=z9hG4bKx", ("192.0.2.1", 5060)),
        ("192.0.2.1", ("192.0.2.1", 5060), "192.0.2.1;branch=z9hG4bKx", ("192.0.2.1", 5060)),
        ("192.0.2.1", ("192.0.2.1", 9), "192.0.2.1;branch=z9hG4bKx", ("192.0.2.1", 5060)),
        (
            "10.1.1.1:5070",
            ("192.0.2.1", 9),
            "10.1.1.1:5070;branch=z9hG4bKx;received=192.0.2.1",
            ("192.0.2.1", 5070),
        ),
        ("phone.lan", ("192.0.2.1", 9), "phone.lan;branch=z9hG4bKx;received=192.0.2.1", ("192.0.2.1", 5060)),
        (
            "192.0.2.1:5060;rport",
            ("192.0.2.1", 9),
            "192.0.2.1:5060;rport=9;branch=z9hG4bKx;received=192.0.2.1",
            ("192.0.2.1", 9),
        ),
        (
            "10.1.1.1:5060;rport=1;received=198.51.100.7",
            ("192.0.2.1", 9),
            "10.1.1.1:5060;rport=9;received=192.0.2.1;branch=z9hG4bKx",
            ("192.0.2.1", 9),
        ),
        (
            "192.0.2.1:5060;received=198.51.100.7",
            ("192.0.2.1", 5060),
            "192.0.2.1:5060;received=192.0.2.1;branch=z9hG4bKx",
            ("192.0.2.1", 5060),
        ),
        (
            "192.0.2.1:5060;maddr=198.51.100.7",
            ("192.0.2.1", 5060),
            "192.0.2.1:5060;maddr=198.51.100.7;branch=z9hG4bKx",
            ("192.0.2.1", 5060),
        ),
        (
            "[2001:DB8:0::1]:5061",
            ("2001:db8::1", 5061),
            "[2001:DB8:0::1]:5061;branch=z9hG4bKx",
            ("2001:db8::1", 5061),
        ),
        (
            "[2001:db8::2]:5061",
            ("2001:db8::1", 9),
            "[2001:db8::2]:5061;branch=z9hG4bKx;received=2001:db8::1",
            ("2001:db8::1", 5061),
        ),
    ],
)
def test_a_response_goes_back(
    layer: TransactionLayer, sent_by: str, source: tuple[str, int], written: str, back: tuple[str, int]
) -> None:
    flow = Flow("udp", PBX, source)
    asked = request(
        "OPTIONS", via=f"SIP/2.0/UDP {sent_by};branch=z9hG4bKx", more=("Via: SIP/2.0/UDP 10.9.9.9",)
    )
    (output,) = reply(layer, accept(layer, asked, flow), 200)
    assert isinstance(output, Transmit)
    assert output.flow == Flow("udp", PBX, back)
    assert read_response(output.data).lines("via") == [f"SIP/2.0/UDP {written}", "SIP/2.0/UDP 10.9.9.9"]


def test_a_via_that_ends_with_rport_comes_back_in_its_own_words(layer: TransactionLayer) -> None:
    via = "SIP/2.0/UDP PHONE.lan:5060 ;Own=A;branch=z9hG4bKx;rport"
    flow = Flow("udp", PBX, ("192.0.2.1", 9))
    (output,) = reply(layer, accept(layer, request("OPTIONS", via=via), flow), 200)
    assert isinstance(output, Transmit)
    assert output.flow == flow
    assert read_response(output.data).lines("via") == [f"{via}=9;received=192.0.2.1"]


def test_over_a_stream_a_response_goes_by_the_connection(layer: TransactionLayer) -> None:
    asked = request("OPTIONS", via="SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKx")
    (output,) = reply(layer, accept(layer, asked, TCP), 200)
    assert isinstance(output, Transmit)
    assert output.flow == TCP
    assert_empty(layer)


# CANCEL received (§9.2)


def test_cancel_is_answered_and_told_once(layer: TransactionLayer) -> None:
    invite = accept(layer, request())
    reply(layer, invite, 180)
    outputs = layer.receive(request("CANCEL"), UDP, 1.0)
    assert kinds(outputs) == [Transmit, CancelReceived]
    assert outputs[1] == CancelReceived(invite)
    ok = read_response(data(outputs))
    assert (ok.status, ok.to.tag, ok.cseq.method) == (200, "ours", "CANCEL")
    assert layer.receive(request("CANCEL"), UDP, 1.5) == [outputs[0]]
    reply(layer, invite, 487, 2.0)
    layer.receive(request("ACK", to_tag="ours"), UDP, 2.1)
    advance_to(layer, 100.0)
    assert_empty(layer)


def test_cancel_before_any_response_is_answered_with_a_tag(layer: TransactionLayer) -> None:
    accept(layer, request())
    assert read_response(data(layer.receive(request("CANCEL"), UDP, 1.0))).to.tag


@pytest.mark.parametrize("status", [200, 486])
def test_cancel_after_a_final_response_has_no_effect(layer: TransactionLayer, status: int) -> None:
    invite = accept(layer, request())
    reply(layer, invite, status)
    outputs = layer.receive(request("CANCEL"), UDP, 1.0)
    assert kinds(outputs) == [Transmit]
    assert read_response(data(outputs)).status == 200


def test_cancel_of_nothing_is_answered_481(layer: TransactionLayer) -> None:
    outputs = layer.receive(request("CANCEL"), UDP, 0.0)
    assert kinds(outputs) == [Transmit]
    assert read_response(data(outputs)).status == 481
    assert layer.counters.unmatched_cancels == 1
    advance_to(layer, 100.0)
    assert_empty(layer)


# Responses of ours that come too late


def test_a_second_final_response_is_discarded_and_counted(layer: TransactionLayer) -> None:
    invite = accept(layer, request())
    asked = invite.request
    reply(layer, invite, 486)
    for status in (180, 200, 603):
        assert layer.respond(invite, respond(asked, status, to_tag="ours"), 0.1) == []
    assert layer.counters.discarded_responses == 3
    advance_to(layer, 100.0)
    assert layer.respond(invite, respond(asked, 200, to_tag="ours"), 101.0) == []


def test_a_2xx_is_repeated_by_its_user(layer: TransactionLayer) -> None:
    invite = accept(layer, request())
    ok = respond(invite.request, 200, to_tag="ours")
    first = layer.respond(invite, ok, 0.0)
    assert layer.respond(invite, ok, 0.5) == first
    assert layer.receive(request(), UDP, 0.6) == []


def test_a_refusal_without_ack_is_undelivered(layer: TransactionLayer) -> None:
    invite = accept(layer, request())
    invite.user = USER
    reply(layer, invite, 486)
    assert advance_to(layer, 100.0)[-1] == (32.0, ResponseUndelivered(invite))
    assert invite.user is USER
    assert_empty(layer)
