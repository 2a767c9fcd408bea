"""Server transactions: what they send, pass up and schedule (RFC 3261 §17.2, RFC 6026 §7.1)."""

import pytest

from pbx.sip.flow import Flow
from pbx.sip.outputs import (
    ResponseUndelivered,
    Transmit,
)
from pbx.sip.transaction_tables import (
    State,
)
from tests.sip.machines import kinds, sent, server, times
from tests.sip.wire import PBX, TCP, UDP, answer, request
from tests.support import advance_to

# INVITE server


def test_a_repeated_invite_gets_the_last_provisional_response() -> None:
    machine = server()
    assert machine.receive_again(0.1) == []
    machine.respond(answer(machine.request, 100), 0.2)
    ringing = sent(machine.respond(answer(machine.request, 180), 0.3))
    assert machine.receive_again(0.5) == [Transmit(UDP, ringing)]
    assert ringing.startswith(b"SIP/2.0 180 ")


def test_a_refusal_is_sent_again_until_timer_h() -> None:
    machine = server()
    final = sent(machine.respond(answer(machine.request, 486), 0.0))
    outputs = advance_to(machine, 100.0)
    assert times(outputs) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert {output.data for _, output in outputs if isinstance(output, Transmit)} == {final}
    assert outputs[-1] == (32.0, ResponseUndelivered(machine))


def test_a_refusal_over_a_stream_waits_for_its_ack_only() -> None:
    machine = server(flow=TCP)
    machine.respond(answer(machine.request, 486), 0.0)
    assert advance_to(machine, 100.0) == [(32.0, ResponseUndelivered(machine))]


@pytest.mark.parametrize(("flow", "ends"), [(UDP, 6.0), (TCP, None)], ids=["udp", "tcp"])
def test_ack_ends_the_repetitions(flow: Flow, ends: float | None) -> None:
    machine = server(flow=flow)
    machine.respond(answer(machine.request, 486), 0.0)
    assert machine.receive_ack(request("ACK"), flow, 1.0) == []
    assert machine.next_deadline() == ends
    assert machine.receive_ack(request("ACK"), flow, 1.5) == []
    assert advance_to(machine, 100.0) == []
    assert machine.state is State.TERMINATED


@pytest.mark.parametrize("late", [0.6, 9.0, 31.0])
def test_a_late_wake_sends_one_response(late: float) -> None:
    machine = server()
    machine.respond(answer(machine.request, 486), 0.0)
    assert kinds(machine.handle_timer(late)) == [Transmit]
    assert kinds(machine.handle_timer(late)) == []


@pytest.mark.parametrize("flow", [UDP, TCP], ids=str)
def test_after_a_2xx_repeated_invites_are_absorbed(flow: Flow) -> None:
    machine = server(flow=flow)
    ok = answer(machine.request, 200)
    machine.respond(ok, 0.0)
    assert machine.receive_again(0.5) == []
    assert kinds(machine.respond(ok, 1.0)) == [Transmit]
    assert machine.data is None
    assert advance_to(machine, 31.9) == []
    assert machine.next_deadline() == 32.0
    machine.handle_timer(32.0)
    assert machine.state is State.TERMINATED


def test_a_closed_connection_is_replaced_once() -> None:
    machine = server(flow=TCP)
    final = sent(machine.respond(answer(machine.request, 486), 0.0))
    back = Flow("tcp", PBX, ("192.0.2.1", 5060), 0)
    assert machine.transport_failed(1.0) == [Transmit(back, final)]
    assert machine.transport_failed(2.0) == [ResponseUndelivered(machine)]
    assert machine.state is State.COMPLETED


# Other server transactions


def test_a_repeated_request_gets_the_last_response_again() -> None:
    machine = server("OPTIONS")
    assert machine.receive_again(0.1) == []
    trying = sent(machine.respond(answer(machine.request, 100), 0.2))
    assert machine.receive_again(0.3) == [Transmit(UDP, trying)]
    final = sent(machine.respond(answer(machine.request, 200), 0.4))
    for now in (0.5, 1.0, 32.3):
        assert machine.receive_again(now) == [Transmit(UDP, final)]
    assert machine.next_deadline() == 32.4
    machine.handle_timer(32.4)
    assert machine.state is State.TERMINATED


def test_over_a_stream_a_response_ends_the_transaction() -> None:
    machine = server("OPTIONS", TCP)
    assert kinds(machine.respond(answer(machine.request, 200), 0.4)) == [Transmit]
    assert machine.state is State.TERMINATED
    assert machine.data is None
