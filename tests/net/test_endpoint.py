"""The endpoint: which flow, which connection, what fails, the one timer, and the end."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pbx.net.endpoint import CONNECT_TIMEOUT_S, MAX_WAITING
from pbx.net.tcp import CLOSE_S
from pbx.sip.flow import Flow, Transport
from tests.net.fakes import Edge, FixedRoutes, message

OURS = ("192.0.2.1", 5060)
PEER = ("192.0.2.9", 5060)
TO_PEER = Flow("tcp", OURS, PEER)


def stopped(edge: Edge) -> "list[Any]":
    """Stop; the list gets an item when it has ended."""
    done: list[Any] = []
    Deferred.fromCoroutine(edge.endpoint.stop()).addBoth(done.append)
    return done


class TestFlows:
    @pytest.mark.parametrize("transport", ["udp", "tcp"])
    def test_a_family_has_its_own_listener(self, transport: Transport) -> None:
        edge = Edge()
        edge.listen(transport, "0.0.0.0")
        edge.listen(transport, "::")
        six = ("2001:db8::9", 5060)
        assert edge.endpoint.flow_to(transport, PEER) == Flow(transport, ("0.0.0.0", 5060), PEER)
        assert edge.endpoint.flow_to(transport, six) == Flow(transport, ("::", 5060), six)

    def test_what_no_listener_speaks_cannot_be_reached(self) -> None:
        edge = Edge()
        edge.listen("udp")
        assert edge.endpoint.flow_to("udp", ("2001:db8::9", 5060)) is None
        assert edge.endpoint.flow_to("tcp", PEER) is None
        assert edge.endpoint.reaches("198.51.100.1")
        assert not edge.endpoint.reaches("2001:db8::9")
        assert not edge.endpoint.reaches("name.example")

    @pytest.mark.parametrize(
        "remote", [("name.example", 5060), ("192.0.2.9", 0), ("192.0.2.9", 65536), ("", 1)]
    )
    def test_names_and_ports_that_are_none_have_no_flow(self, remote: tuple[str, int]) -> None:
        edge = Edge()
        edge.listen("udp", "0.0.0.0")
        edge.listen("tcp", "0.0.0.0")
        assert edge.endpoint.flow_to("udp", remote) is None
        assert edge.endpoint.flow_to("tcp", remote) is None

    def test_an_address_is_written_in_one_way(self) -> None:
        edge = Edge()
        edge.listen("udp", "::")
        flow = edge.endpoint.flow_to("udp", ("2001:DB8:0:0::9", 5060))
        assert flow is not None
        assert flow.remote == ("2001:db8::9", 5060)

    def test_of_several_the_one_that_the_route_leads_through(self) -> None:
        edge = Edge(routes=FixedRoutes({PEER[0]: "192.0.2.1", "203.0.113.5": "203.0.113.1"}))
        edge.listen("udp", "127.0.0.1")
        edge.listen("udp", "192.0.2.1")
        edge.listen("udp", "0.0.0.0", 5070)
        near = edge.endpoint.flow_to("udp", PEER)
        far = edge.endpoint.flow_to("udp", ("203.0.113.5", 5060))
        assert near is not None
        assert near.local == ("192.0.2.1", 5060)
        assert far is not None
        assert far.local == ("0.0.0.0", 5070)

    def test_our_address_is_the_listeners_or_the_kernels(self) -> None:
        edge = Edge(routes=FixedRoutes({PEER[0]: "192.0.2.1"}))
        edge.listen("udp", "192.0.2.77")
        assert edge.endpoint.address_to(Flow("udp", ("192.0.2.77", 5060), PEER)) == "192.0.2.77"
        assert edge.endpoint.address_to(Flow("udp", ("0.0.0.0", 5060), PEER)) == "192.0.2.1"

    def test_a_flow_of_a_listener_that_is_not_there_fails(self) -> None:
        edge = Edge()
        flow = Flow("udp", OURS, PEER)
        edge.send(flow)
        edge.turn()
        assert edge.core.failed == [flow]


class TestConnecting:
    def test_what_is_sent_meanwhile_goes_out_in_order_by_one_connection(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        edge.send(TO_PEER, b"one")
        edge.send(TO_PEER, b"two")
        assert len(edge.reactor.tcpClients) == 1
        host, port, _, timeout, source = edge.reactor.tcpClients[0]
        assert (host, port, timeout, source) == (*PEER, CONNECT_TIMEOUT_S, ("192.0.2.1", 0))
        stream = edge.complete()
        edge.send(TO_PEER, b"three")
        assert stream.sent == b"onetwothree"
        assert len(edge.reactor.tcpClients) == 1
        assert edge.endpoint.flow_to("tcp", PEER) == Flow("tcp", OURS, PEER, 1)

    def test_a_wildcard_leaves_the_source_to_the_kernel(self) -> None:
        edge = Edge()
        edge.listen("tcp", "0.0.0.0")
        edge.send(Flow("tcp", ("0.0.0.0", 5060), PEER))
        assert edge.reactor.tcpClients[0][4] is None

    def test_a_peers_connection_is_used_for_its_address(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        stream = edge.opened(("192.0.2.9", 40000))
        flow = edge.endpoint.flow_to("tcp", ("192.0.2.9", 40000))
        assert flow == Flow("tcp", OURS, ("192.0.2.9", 40000), 1)
        edge.send(flow, b"hello")
        assert stream.sent == b"hello"

    def test_a_refusal_fails_the_flow_once(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        edge.send(TO_PEER)
        edge.send(TO_PEER)
        edge.refuse()
        assert edge.core.failed == []
        edge.turn()
        assert edge.core.failed == [TO_PEER]
        assert edge.reactor.getDelayedCalls() == []
        edge.send(TO_PEER)
        assert len(edge.reactor.tcpClients) == 2

    def test_what_waits_is_bounded(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        for _ in range(MAX_WAITING + 1):
            edge.send(TO_PEER, b"x")
        edge.turn()
        assert edge.core.failed == [TO_PEER]
        assert edge.complete().sent == b"x" * MAX_WAITING
        assert edge.endpoint.reached == {"waiting-messages": 1}

    def test_half_open_connections_count(self) -> None:
        edge = Edge(max_connections=2)
        edge.listen("tcp")
        assert edge.accept(("192.0.2.9", 40000)) is not None
        edge.send(TO_PEER)
        assert edge.accept(("192.0.2.9", 40001)) is None
        other = Flow("tcp", OURS, ("192.0.2.10", 5060))
        edge.send(other)
        edge.turn()
        assert edge.core.failed == [other]
        assert len(edge.reactor.tcpClients) == 1
        assert edge.endpoint.reached == {"connections": 2}
        # The one that was under way is admitted, as its place was kept.
        assert edge.complete().sent == b"REQUEST"
        assert edge.endpoint.connections == 2

    def test_a_place_comes_free_again(self) -> None:
        edge = Edge(max_connections=1)
        edge.listen("tcp")
        stream = edge.opened(("192.0.2.9", 40000))
        assert edge.accept(("192.0.2.9", 40001)) is None
        stream.lose()
        assert edge.accept(("192.0.2.9", 40002)) is not None

    @pytest.mark.parametrize(
        ("same", "other"),
        [
            (["192.0.2.9", "192.0.2.9", "192.0.2.9"], "192.0.2.10"),
            (["2001:db8:0:1::9", "2001:db8:0:1::a", "2001:db8:0:1:ffff::"], "2001:db8:0:2::9"),
        ],
    )
    def test_one_source_has_a_share_of_the_connections(self, same: list[str], other: str) -> None:
        """A host on IPv6 has a /64 of addresses to itself."""
        edge = Edge(max_per_source=2)
        edge.listen("tcp")
        first = edge.opened((same[0], 40000))
        edge.opened((same[1], 40001))
        assert edge.accept((same[2], 40002)) is None
        assert edge.endpoint.reached == {"connections-per-source": 1}
        assert edge.accept((other, 40003)) is not None
        first.lose()
        assert edge.accept((same[2], 40004)) is not None

    def test_connections_of_ours_are_not_the_peers(self) -> None:
        edge = Edge(max_per_source=1)
        edge.listen("tcp")
        edge.send(TO_PEER)
        edge.complete()
        stream = edge.accept((PEER[0], 40000))
        assert stream is not None
        stream.lose()
        assert edge.accept((PEER[0], 40001)) is not None

    def test_what_is_kept_of_unfinished_messages_is_known(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        edge.opened(("192.0.2.9", 40000)).receive(message("one")[:50])
        edge.opened(("192.0.2.9", 40001)).receive(message("two") + message("three")[:30])
        assert edge.endpoint.unparsed_octets == 80

    def test_without_a_core_nobody_is_let_in(self) -> None:
        edge = Edge(attach=False)
        edge.listen("tcp")
        assert edge.accept(PEER) is None

    def test_an_answer_by_a_connection_that_is_gone_fails(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        stream = edge.opened(("192.0.2.9", 40000))
        flow = Flow("tcp", OURS, ("192.0.2.9", 40000), 1)
        stream.lose()
        assert edge.core.closed == [flow]
        edge.send(flow)
        edge.turn()
        assert edge.core.failed == [flow]
        assert edge.reactor.tcpClients == []

    def test_one_that_is_closing_is_not_used_again(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        stream = edge.opened(PEER)
        stream.receive(message().replace(b"Content-Length: 0\r\n", b""))
        assert edge.endpoint.flow_to("tcp", PEER) == TO_PEER
        edge.send(TO_PEER)
        assert len(edge.reactor.tcpClients) == 1

    def test_the_older_of_two_connections_to_a_peer_may_go(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        old, _ = edge.opened(PEER), edge.opened(PEER)
        old.lose()
        assert edge.endpoint.flow_to("tcp", PEER) == Flow("tcp", OURS, PEER, 2)


class TestTimer:
    def test_one_call_for_the_earliest(self) -> None:
        edge = Edge()
        for due in (9.0, 5.0, 7.0):
            edge.core.due = due
            edge.endpoint.carry_out([])
        (call,) = edge.reactor.getDelayedCalls()
        assert call.getTime() == 5.0

    def test_it_fires_says_how_late_and_asks_again(self) -> None:
        edge = Edge()
        edge.core.due = 2.0
        edge.endpoint.carry_out([])
        edge.reactor.advance(2.5)
        assert edge.core.handled == [2.5]
        assert edge.core.woken == [0.5]
        assert edge.reactor.getDelayedCalls() == []

    def test_one_that_was_called_off_fires_for_nothing(self) -> None:
        edge = Edge()
        edge.core.due = 2.0
        edge.endpoint.carry_out([])
        edge.core.due = None
        edge.endpoint.carry_out([])
        edge.turn(2)
        assert edge.reactor.getDelayedCalls() == []

    def test_what_is_due_already_is_due_now(self) -> None:
        edge = Edge()
        edge.reactor.advance(10)
        edge.core.due = 3.0
        edge.endpoint.carry_out([])
        assert [call.getTime() for call in edge.reactor.getDelayedCalls()] == [10.0]


class TestStop:
    def test_nothing_is_left(self) -> None:
        edge = Edge()
        edge.listen("udp")
        edge.listen("tcp")
        edge.core.due = 100.0
        edge.endpoint.carry_out([])
        edge.opened(("192.0.2.9", 40000)).receive(message()[:20])
        edge.opened(("192.0.2.9", 40001))
        edge.send(Flow("udp", ("192.0.2.99", 1), PEER))  # fails, and would be told
        done = stopped(edge)
        edge.turn()
        assert done == [None]
        edge.assert_nothing_left()
        assert edge.core.failed == []
        assert edge.core.closed == []

    def test_it_waits_for_what_is_queued_but_not_for_ever(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        stream = edge.accept(PEER, stalled=True)
        assert stream is not None
        edge.send(Flow("tcp", OURS, PEER, 1))
        done = stopped(edge)
        edge.turn(CLOSE_S - 0.1)
        assert done == []
        edge.turn(0.1)
        assert done == [None]
        assert "aborted" in stream.ended
        edge.assert_nothing_left()

    def test_a_connection_under_way_is_given_up(self) -> None:
        edge = Edge()
        edge.listen("tcp")
        edge.send(TO_PEER)
        done = stopped(edge)
        edge.turn()
        assert done == [None]
        assert edge.reactor.connectors[0].stoppedConnecting
        assert edge.core.failed == []
        edge.assert_nothing_left()

    def test_afterwards_nothing_is_done(self) -> None:
        edge = Edge()
        bound = edge.listen("udp")
        stopped(edge)
        edge.core.due = 5.0
        edge.send(Flow("udp", OURS, PEER))
        edge.turn()
        assert bound.sent == []
        edge.assert_nothing_left()

    def test_twice_is_once(self) -> None:
        edge = Edge()
        edge.listen("udp")
        edge.listen("tcp")
        assert stopped(edge) == [None]
        assert stopped(edge) == [None]
