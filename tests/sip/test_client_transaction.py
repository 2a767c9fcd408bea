"""Client transactions: what they send, pass up and schedule (RFC 3261 §17.1, RFC 6026 §7.2)."""

import pytest

from pbx.sip.flow import Flow
from pbx.sip.outputs import (
    ResponseReceived,
    TransactionFailed,
    Transmit,
)
from pbx.sip.transaction_tables import (
    State,
)
from tests.sip.machines import USER, client, kinds, sent, times
from tests.sip.wire import OUT_TCP, PBX, TCP, UDP, answer, read_request
from tests.support import advance_to

# INVITE client


def test_invite_is_sent_again_at_the_times_of_the_schedule_then_times_out() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    outputs = advance_to(machine, 100.0)
    assert times(outputs) == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert {output.data for _, output in outputs if isinstance(output, Transmit)} == {first}
    assert outputs[-1] == (32.0, TransactionFailed(USER, machine, "timeout"))


def test_invite_over_a_stream_is_sent_once() -> None:
    machine = client(flow=TCP)
    machine.start(0.0)
    assert advance_to(machine, 100.0) == [(32.0, TransactionFailed(USER, machine, "timeout"))]


def test_a_phone_may_ring_for_an_hour() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 180), UDP, 0.1)
    assert machine.next_deadline() is None
    assert advance_to(machine, 3600.0) == []
    outputs = machine.receive(answer(first, 200), UDP, 3600.0)
    assert kinds(outputs) == [ResponseReceived]


def test_100_stops_timers_a_and_b_too() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 100), UDP, 0.1)
    assert machine.next_deadline() is None


@pytest.mark.parametrize("late", [0.6, 1.4, 4.0, 20.0, 31.9])
def test_a_late_wake_sends_one_invite_and_keeps_to_the_schedule(late: float) -> None:
    machine = client()
    machine.start(0.0)
    assert kinds(machine.handle_timer(late)) == [Transmit]
    later = [time for time in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5) if time > late]
    assert times(advance_to(machine, 31.99)) == later


def test_a_wake_after_timer_b_sends_nothing_more() -> None:
    machine = client()
    machine.start(0.0)
    assert machine.handle_timer(40.0) == [TransactionFailed(USER, machine, "timeout")]


def test_a_wake_that_is_early_does_nothing() -> None:
    machine = client()
    machine.start(0.0)
    assert machine.handle_timer(0.4) == []
    assert machine.next_deadline() == 0.5


def test_ack_of_a_refusal() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    outputs = machine.receive(answer(first, 486, to_tag="xyz"), UDP, 0.2)
    assert kinds(outputs) == [Transmit, ResponseReceived]
    invite, ack = read_request(first), read_request(sent(outputs))
    assert (ack.method, ack.uri, ack.body) == ("ACK", invite.uri, b"")
    assert ack.lines("via") == invite.lines("via")
    assert len(ack.vias) == 1
    assert ack.lines("route") == ["<sip:edge.example;lr>", "<sip:core.example;lr>"]
    assert (ack.get("from"), ack.call_id) == (invite.get("from"), invite.call_id)
    assert ack.to.tag == "xyz"
    assert str(ack.cseq) == "1 ACK"
    assert ack.max_forwards == 70


def test_a_repeated_refusal_gets_the_same_ack_and_is_not_passed_up() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    ack = sent(machine.receive(answer(first, 486), UDP, 0.2))
    again = machine.receive(answer(first, 486), UDP, 0.7)
    assert again == [Transmit(UDP, ack)]
    assert machine.next_deadline() == 32.2
    assert advance_to(machine, 100.0) == []
    assert machine.state is State.TERMINATED


def test_over_a_stream_a_refusal_ends_at_once() -> None:
    machine = client(flow=TCP)
    first = sent(machine.start(0.0))
    assert kinds(machine.receive(answer(first, 486), TCP, 0.2)) == [Transmit, ResponseReceived]
    assert machine.state is State.TERMINATED
    assert machine.next_deadline() is None


@pytest.mark.parametrize("flow", [UDP, TCP], ids=str)
def test_every_2xx_is_passed_up_until_timer_m(flow: Flow) -> None:
    machine = client(flow=flow)
    first = sent(machine.start(0.0))
    for now in (1.0, 1.5, 2.5, 32.9):
        assert kinds(machine.receive(answer(first, 200), flow, now)) == [ResponseReceived]
    assert machine.next_deadline() == 33.0
    assert machine.handle_timer(33.0) == []
    assert machine.receive(answer(first, 200), flow, 33.1) == []


def test_cancel_waits_for_the_first_provisional_response() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    assert machine.cancel(0.1, [("Reason", "SIP;cause=200")]) is False
    assert times(advance_to(machine, 1.6)) == [0.5, 1.5]
    machine.receive(answer(first, 100), UDP, 2.0)
    assert machine.cancel(2.0) is True
    assert machine.cancel_headers == (("Reason", "SIP;cause=200"),)
    assert machine.cancel(2.1) is False
    assert machine.next_deadline() == 34.0
    assert machine.handle_timer(34.0) == [TransactionFailed(USER, machine, "timeout")]


def test_a_provisional_response_after_cancel_does_not_prolong_the_wait() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 180), UDP, 1.0)
    machine.cancel(2.0)
    machine.receive(answer(first, 180), UDP, 20.0)
    assert machine.next_deadline() == 34.0


def test_another_flow_starts_the_schedule_again() -> None:
    other = Flow("udp", PBX, ("192.0.2.1", 5060))
    machine = client(flow=OUT_TCP, fallback=other)
    machine.start(0.0)
    outputs = machine.move(3.0)
    assert [output.flow for output in outputs if isinstance(output, Transmit)] == [other]
    assert times(advance_to(machine, 5.0)) == [3.5, 4.5]
    assert advance_to(machine, 100.0)[-1] == (35.0, TransactionFailed(USER, machine, "timeout"))


def test_a_response_ends_the_wish_for_another_flow() -> None:
    machine = client(flow=OUT_TCP, fallback=UDP)
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 100), TCP, 0.1)
    assert machine.fallback is None


def test_an_opened_stream_becomes_the_flow() -> None:
    opened = Flow("tcp", PBX, OUT_TCP.remote, 12)
    machine = client(flow=OUT_TCP)
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 180), opened, 0.1)
    assert machine.flow == opened


def test_a_response_by_somebody_elses_stream_does_not_become_the_flow() -> None:
    machine = client(flow=OUT_TCP)
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 180), TCP, 0.1)
    assert machine.flow == OUT_TCP


# Other client transactions


def test_other_requests_are_sent_again_at_intervals_up_to_t2() -> None:
    machine = client("OPTIONS")
    machine.start(0.0)
    outputs = advance_to(machine, 100.0)
    assert times(outputs) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert outputs[-1] == (32.0, TransactionFailed(USER, machine, "timeout"))


def test_in_proceeding_other_requests_are_sent_again_every_t2() -> None:
    machine = client("OPTIONS")
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 100), UDP, 0.2)
    assert times(advance_to(machine, 100.0)) == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize(("late", "then"), [(9.0, 11.5), (3.5, 7.5), (30.0, 31.5)])
def test_a_late_wake_sends_one_request(late: float, then: float) -> None:
    machine = client("OPTIONS")
    machine.start(0.0)
    assert kinds(machine.handle_timer(late)) == [Transmit]
    assert machine.next_deadline() == then


@pytest.mark.parametrize(("flow", "ends"), [(UDP, 5.2), (TCP, None)], ids=["udp", "tcp"])
def test_repeated_final_responses_are_absorbed_for_timer_k(flow: Flow, ends: float | None) -> None:
    machine = client("OPTIONS", flow)
    first = sent(machine.start(0.0))
    assert kinds(machine.receive(answer(first, 200), flow, 0.2)) == [ResponseReceived]
    assert machine.next_deadline() == ends
    assert machine.receive(answer(first, 200), flow, 0.7) == []
    assert advance_to(machine, 100.0) == []
    assert machine.state is State.TERMINATED


def test_cancel_of_another_request_does_nothing() -> None:
    machine = client("OPTIONS")
    machine.start(0.0)
    assert machine.cancel(0.1) is False
