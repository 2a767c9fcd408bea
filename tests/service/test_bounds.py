"""docs/bounds.md, row by row as far as the switch answers: what a stranger gets, and that it is counted."""

import pytest

from pbx.service.overload import EASY_S, LATE_S, STANDING_S
from pbx.sip.flow import Flow
from pbx.sip.limits import MAX_BODY, MAX_HEADER_LINES, MAX_HEADER_SECTION, MAX_MESSAGE
from pbx.sip.message import Response, parse
from tests.service.house import OURS, House

PEER = ("192.0.2.77", 5060)
UDP = Flow("udp", OURS, PEER)


def options(*more: str, body: bytes = b"", number: int = 1, method: str = "OPTIONS") -> bytes:
    lines = [
        f"{method} sip:pbx.example SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK{number};rport",
        "Max-Forwards: 70",
        "From: <sip:x@192.0.2.77>;tag=1",
        "To: <sip:pbx.example>",
        f"Call-ID: {number}",
        f"CSeq: 1 {method}",
        *more,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answered(house: House, data: bytes, flow: Flow = UDP) -> tuple[int, str]:
    house.sent.clear()
    house.receive(data, flow)
    (sent,) = house.sent
    assert sent.flow == flow
    response = parse(sent.data)
    assert isinstance(response, Response)
    return response.status, response.reason


@pytest.mark.parametrize(
    ("data", "answer", "bound"),
    [
        (options(*["X-Y: 1"] * MAX_HEADER_LINES), (513, "Too Many Header Lines"), "header-lines"),
        (options("X-Y: " + "y" * MAX_HEADER_SECTION), (513, "Header Section Too Large"), "header-octets"),
        (options(body=bytes(MAX_BODY + 1)), (413, "Request Entity Too Large"), "body-octets"),
        (options(body=bytes(MAX_MESSAGE)), (513, "Message Too Large"), "message-octets"),
    ],
)
def test_a_message_that_is_too_large_is_answered_and_counted(
    data: bytes, answer: tuple[int, str], bound: str
) -> None:
    house = House()
    assert answered(house, data) == answer
    assert house.switch.reached == {bound: 1, "transactions": 0, "lateness": 0}
    assert len(house.layer) == 0


def test_an_ack_that_is_too_large_is_counted_and_not_answered() -> None:
    house = House()
    house.receive(options(*["X-Y: 1"] * MAX_HEADER_LINES, method="ACK"), UDP)
    assert house.sent == []
    assert house.switch.reached["header-lines"] == 1


def test_transactions_past_the_bound_are_refused_and_counted() -> None:
    house = House(max_transactions=3)
    assert [answered(house, options(number=each))[0] for each in range(5)] == [200, 200, 200, 503, 503]
    assert house.switch.reached == {"transactions": 2, "lateness": 0}
    assert len(house.layer) == 3
    house.assert_nothing_left()
    assert answered(house, options(number=9))[0] == 200


def test_calls_past_the_bound_are_refused_and_counted() -> None:
    house = House(max_calls=0)
    carrier = Flow("udp", OURS, ("198.51.100.7", 5060))
    assert answered(house, options(method="INVITE"), carrier)[0] == 503
    assert house.switch.reached["calls"] == 1
    house.switch.draining = True
    house.receive(options(method="INVITE", number=2), carrier)
    assert house.switch.reached["calls"] == 1


def invite(number: int = 1, *, to_tag: str = "") -> bytes:
    return options(number=number, method="INVITE").replace(
        b"To: <sip:pbx.example>", b"To: <sip:pbx.example>" + to_tag.encode()
    )


def late_house() -> House:
    """A house where everything has been read late for as long as it takes."""
    house = House()
    house.switch.receive(options(number=99), UDP, house.now - STANDING_S, 10 * LATE_S)
    house.sent.clear()
    return house


def test_an_invite_that_waited_too_long_is_refused_and_counted() -> None:
    house = late_house()
    known = len(house.layer)
    house.carry_out(house.switch.receive(invite(), UDP, house.now, LATE_S + 0.01))
    (sent,) = house.sent
    response = parse(sent.data)
    assert isinstance(response, Response)
    assert (response.status, response.get("retry-after")) == (503, "5")
    assert house.switch.reached["lateness"] == 1
    assert len(house.layer) == known
    assert not house.switch.calls


def test_what_is_not_a_new_call_is_served_however_late_it_is_read() -> None:
    house = late_house()
    for data, status in (
        (options(), 200),
        (invite(2, to_tag=";tag=known-to-nobody"), 481),
    ):
        house.sent.clear()
        house.carry_out(house.switch.receive(data, UDP, house.now, 10 * LATE_S))
        response = parse(house.sent[0].data)
        assert isinstance(response, Response)
        assert response.status == status
    assert house.switch.reached["lateness"] == 0


def test_an_invite_that_was_taken_is_not_refused_when_it_comes_again_late() -> None:
    house = late_house()
    house.receive(invite(), UDP)
    first = house.sent[-1].data
    house.sent.clear()
    house.carry_out(house.switch.receive(invite(), UDP, house.now, 10 * LATE_S))
    assert [each.data for each in house.sent] == [first]
    assert house.switch.reached["lateness"] == 0


def test_the_later_invites_are_read_the_more_of_them_are_refused() -> None:
    for late_s, refused in ((EASY_S, 0), ((EASY_S + LATE_S) / 2, 10), (LATE_S, 20)):
        house = late_house()
        for number in range(20):
            house.switch.receive(invite(number), UDP, house.now, late_s)
        assert house.switch.reached["lateness"] == pytest.approx(refused, abs=1)


def test_a_stall_that_is_caught_up_with_costs_nobody_a_call() -> None:
    house = House()
    for number, late_s in enumerate((0.3, 0.2, 0.0, 0.3)):
        house.now += STANDING_S * 0.9
        house.switch.receive(invite(number), UDP, house.now, late_s)
    assert house.switch.reached["lateness"] == 0


def test_two_stalls_with_silence_between_them_cost_nobody_a_call() -> None:
    house = House()
    for number in range(2):
        house.switch.receive(invite(number), UDP, house.now, 2 * LATE_S)
        house.now += 2 * LATE_S + STANDING_S + 0.1
    assert house.switch.reached["lateness"] == 0


def test_a_stream_says_nothing_of_how_late_datagrams_are() -> None:
    house = late_house()
    house.carry_out(house.switch.receive(options(number=50), UDP, house.now))
    house.carry_out(house.switch.receive(invite(51), UDP, house.now, LATE_S))
    assert house.switch.reached["lateness"] == 1
