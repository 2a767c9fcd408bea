"""A UDP listener over a socket in memory."""

import errno

import pytest

from pbx.sip.flow import Flow
from pbx.sip.outputs import Transmit
from tests.net.fakes import Edge, message

PEER = ("192.0.2.9", 5070)


def test_a_datagram_reaches_the_core_and_its_answer_the_peer() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    edge.core.answer = lambda _, flow: [Transmit(flow, b"ANSWER")]
    edge.datagram(bound, message(), *PEER)
    assert edge.core.received == [(message(), Flow("udp", ("192.0.2.1", 5060), PEER))]
    assert bound.sent == [(b"ANSWER", PEER)]


def test_all_that_has_come_is_read_in_order() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.arrived += [(message(str(number)), PEER) for number in range(5)]
    edge.wake()
    assert [data for data, _ in edge.core.received] == [message(str(number)) for number in range(5)]


def test_a_flood_lets_others_have_their_turn() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.arrived += [(message(), PEER)] * 250
    edge.wake()
    assert len(edge.core.received) == 100
    edge.wake()
    edge.wake()
    assert len(edge.core.received) == 250


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
def test_what_keeps_a_nat_open_says_nothing(data: bytes) -> None:
    edge = Edge()
    bound = edge.listen("udp")
    edge.datagram(bound, data, *PEER)
    assert edge.core.received == []
    assert bound.sent == []


def test_a_link_local_peer_is_answered_by_its_zone() -> None:
    edge = Edge()
    bound = edge.listen("udp", "::")
    edge.core.answer = lambda _, flow: [Transmit(flow, b"ANSWER")]
    edge.datagram(bound, message(), "fe80::9", 5060, 0, 1)
    flow = edge.core.received[0][1]
    assert flow.remote[0].startswith("fe80::9%")
    assert bound.sent == [(b"ANSWER", ("fe80::9", 5060, 0, 1))]


@pytest.mark.parametrize(
    "fault", [errno.EMSGSIZE, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EPERM]
)
def test_what_cannot_be_sent_is_told_in_a_turn_of_its_own(fault: int) -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.fault = fault
    flow = Flow("udp", ("192.0.2.1", 5060), PEER)
    edge.send(flow)
    edge.send(flow)
    assert edge.core.failed == []
    edge.turn()
    assert edge.core.failed == [flow]


@pytest.mark.parametrize("fault", [errno.EAGAIN, errno.ENOBUFS, errno.ECONNREFUSED])
def test_a_full_buffer_is_a_lost_datagram(fault: int) -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.fault = fault
    edge.send(Flow("udp", ("192.0.2.1", 5060), PEER))
    edge.turn()
    assert edge.core.failed == []


def test_what_follows_a_failure_may_fail_and_still_the_reactor_goes_on() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.fault = errno.ENETUNREACH
    flow = Flow("udp", ("192.0.2.1", 5060), PEER)
    edge.core.on_failure = lambda each: [Transmit(each, b"AGAIN")] if len(edge.core.failed) < 3 else ()
    edge.send(flow)
    (call,) = edge.reactor.getDelayedCalls()
    assert call.getTime() == 0
    edge.turn()
    assert len(edge.core.failed) == 3
    assert edge.reactor.getDelayedCalls() == []


def test_an_error_that_waits_in_the_socket_costs_nothing() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.arrived += [OSError(errno.ECONNREFUSED, "refused"), (message(), PEER)]
    edge.wake()
    edge.wake()
    assert len(edge.core.received) == 1


def test_a_fault_of_our_own_costs_one_datagram(caplog: pytest.LogCaptureFixture) -> None:
    edge = Edge()
    bound = edge.listen("udp")

    def break_down(data: bytes, flow: Flow) -> list[Transmit]:
        if b"bad" in data:
            raise ValueError("ours")
        return []

    edge.core.answer = break_down
    bound.arrived += [(message("bad"), PEER), (message("good"), PEER)]
    edge.wake()
    assert [b"good" in data for data, _ in edge.core.received] == [False, True]
    assert "a datagram is lost" in caplog.text


def test_flows_are_remembered_within_bounds() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    for number in range(9000):
        edge.datagram(bound, message(), f"10.0.{number // 250}.{number % 250}", 5060)
    (listener,) = edge.reactor.readers
    assert len(listener._flows) <= 8192
    assert len(edge.core.received) == 9000


def test_the_timer_is_armed_once_for_all_datagrams_that_were_there() -> None:
    edge = Edge()
    bound = edge.listen("udp")
    asked: list[int] = []

    def next_deadline() -> float | None:
        asked.append(len(edge.core.received))
        return 5.0

    edge.core.next_deadline = next_deadline  # type: ignore[method-assign]  # it counts
    bound.arrived += [(message("a"), PEER), (message("b"), PEER), (message("c"), PEER)]
    edge.wake()
    assert asked == edge.core.served_after == [3]
    assert edge.reactor.getDelayedCalls()[0].getTime() == 5.0


def test_a_fault_after_the_last_datagram_does_not_end_the_listener(caplog: pytest.LogCaptureFixture) -> None:
    edge = Edge()
    bound = edge.listen("udp")

    def broken() -> float | None:
        raise RuntimeError("a fault of our own")

    whole = edge.core.next_deadline
    edge.core.next_deadline = broken  # type: ignore[method-assign]  # the fake breaks for one datagram
    edge.datagram(bound, message("a"), *PEER)
    assert "what is due may be late" in caplog.text
    edge.core.next_deadline = whole  # type: ignore[method-assign]  # and is whole again
    edge.datagram(bound, message("b"), *PEER)
    assert [data for data, _ in edge.core.received] == [message("a"), message("b")]


def test_before_a_core_is_there_datagrams_are_lost() -> None:
    edge = Edge(attach=False)
    bound = edge.listen("udp")
    edge.datagram(bound, message(), *PEER)
    edge.endpoint.attach(edge.core)
    edge.datagram(bound, message("later"), *PEER)
    assert [data for data, _ in edge.core.received] == [message("later")]


def test_how_long_a_datagram_waited_is_told() -> None:
    """The kernel says when the first came; those behind it came later, and waited less."""
    edge = Edge()
    bound = edge.listen("udp")
    bound.came_at = edge.wall - 0.5

    def take_a_while(_data: bytes, _flow: Flow) -> list[Transmit]:
        edge.reactor.rightNow += 0.25
        return []

    edge.core.answer = take_a_while
    bound.arrived += [(message("1"), PEER), (message("2"), PEER)]
    edge.wake()
    assert edge.core.late == [0.5, 0.75]


@pytest.mark.parametrize("came_at", [None, 1_800_000_060.0])
def test_a_clock_that_was_set_back_makes_nothing_late(came_at: float | None) -> None:
    edge = Edge()
    bound = edge.listen("udp")
    bound.came_at = came_at
    edge.datagram(bound, message(), *PEER)
    assert edge.core.late == [0.0]
