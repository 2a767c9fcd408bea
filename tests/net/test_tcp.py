"""Connections over streams in memory: framing, keep-alives, time-outs, slow readers."""

import pytest

from pbx.net.tcp import CLOSE_S, IDLE_S, MAX_UNSENT_BYTES, MESSAGE_S
from pbx.sip.flow import Flow
from pbx.sip.outputs import Transmit
from tests.net.fakes import TWISTED_BUFFER_BYTES, Edge, FakeStream, message

PEER = ("192.0.2.9", 40000)
PAST_TWISTED = 2 * TWISTED_BUFFER_BYTES


@pytest.fixture
def edge() -> Edge:
    made = Edge()
    made.listen("tcp")
    return made


@pytest.fixture
def stream(edge: Edge) -> FakeStream:
    return edge.opened(PEER)


class TestFraming:
    def test_two_messages_in_one_segment_are_two(self, edge: Edge, stream: FakeStream) -> None:
        edge.core.answer = lambda data, flow: [Transmit(flow, data[8:13] + b"\n")]
        stream.receive(message("one", "12345") + message("two"))
        assert [data for data, _ in edge.core.received] == [message("one", "12345"), message("two")]
        assert edge.core.received[0][1] == Flow("tcp", ("192.0.2.1", 5060), PEER, 1)
        assert stream.sent == b"sip:o\nsip:t\n"

    def test_a_message_octet_by_octet_is_one(self, edge: Edge, stream: FakeStream) -> None:
        for octet in message("one", "12345"):
            stream.receive(bytes([octet]))
        assert [data for data, _ in edge.core.received] == [message("one", "12345")]

    def test_what_cannot_be_framed_is_answered_and_the_stream_ends(
        self, edge: Edge, stream: FakeStream
    ) -> None:
        stream.receive(message("fine") + message().replace(b"Content-Length: 0\r\n", b"") + message("lost"))
        assert [data for data, _ in edge.core.received] == [message("fine")]
        assert len(edge.core.unframed) == 1
        assert stream.sent == b"SIP/2.0 400 Bad\r\n\r\n"
        assert "half-closed" in stream.ended
        assert "aborted" not in stream.ended
        stream.receive(message("more"))
        assert len(edge.core.received) == 1
        edge.turn(CLOSE_S)
        assert "aborted" in stream.ended
        assert edge.endpoint.connections == 0
        assert edge.reactor.getDelayedCalls() == []

    def test_a_peer_that_closes_after_that_answer_ends_it_at_once(
        self, edge: Edge, stream: FakeStream
    ) -> None:
        stream.receive(message().replace(b"Content-Length: 0\r\n", b""))
        stream.lose()
        assert edge.endpoint.connections == 0
        assert edge.reactor.getDelayedCalls() == []

    def test_messages_after_the_end_in_the_same_segment_are_forgotten(
        self, edge: Edge, stream: FakeStream
    ) -> None:
        edge.core.answer = lambda _, flow: [Transmit(flow, bytes(MAX_UNSENT_BYTES + PAST_TWISTED))]
        stream.stalled = True
        stream.receive(message("one") + message("two") + message("three"))
        assert len(edge.core.received) == 2
        assert "aborted" in stream.ended


class TestKeepAlives:
    def test_a_ping_gets_a_pong(self, edge: Edge, stream: FakeStream) -> None:
        stream.receive(message() + b"\r\n\r\n")
        assert stream.sent == b"\r\n"
        assert len(edge.core.received) == 1

    def test_many_pings_at_once_get_one(self, stream: FakeStream) -> None:
        stream.receive(b"\r\n\r\n" * 1000)
        assert stream.sent == b"\r\n"

    def test_a_single_crlf_is_a_pong_and_gets_nothing(self, edge: Edge, stream: FakeStream) -> None:
        stream.receive(message())
        stream.receive(b"\r\n")
        assert stream.sent == b""
        edge.turn(MESSAGE_S + 1)
        assert "closing" not in stream.ended
        stream.receive(message("next"))
        assert len(edge.core.received) == 2


class TestTimeouts:
    def test_the_first_message_has_to_come_soon(self, edge: Edge, stream: FakeStream) -> None:
        edge.turn(MESSAGE_S - 1)
        stream.receive(b"\r\n\r\n")
        edge.turn(1)
        assert "lost" in stream.ended

    def test_a_message_has_to_be_whole_soon(self, edge: Edge, stream: FakeStream) -> None:
        stream.receive(message())
        edge.turn(IDLE_S - 1)
        assert "closing" not in stream.ended
        stream.receive(message("slow")[:4])
        for octet in message("slow")[4 : 4 + int(MESSAGE_S)]:
            assert "lost" not in stream.ended
            stream.receive(bytes([octet]))
            edge.turn(1)
        assert "lost" in stream.ended
        assert edge.endpoint.reached == {"slow-messages": 1}

    def test_one_that_begins_right_after_another_has_its_own_time(
        self, edge: Edge, stream: FakeStream
    ) -> None:
        stream.receive(message())
        stream.receive(message("two")[:50])
        edge.turn(MESSAGE_S - 1)
        stream.receive(message("two")[50:] + message("three")[:50])
        edge.turn(MESSAGE_S - 1)
        assert "lost" not in stream.ended
        edge.turn(1)
        assert "lost" in stream.ended

    @pytest.mark.parametrize("data", [message("again"), b"\r\n\r\n", b"\r\n"])
    def test_silence_ends_it_and_anything_said_does_not(
        self, edge: Edge, stream: FakeStream, data: bytes
    ) -> None:
        stream.receive(message())
        edge.turn(IDLE_S - 1)
        stream.receive(data)
        edge.turn(IDLE_S - 1)
        assert "lost" not in stream.ended
        edge.turn(1)
        assert "lost" in stream.ended
        assert edge.core.closed == [Flow("tcp", ("192.0.2.1", 5060), PEER, 1)]

    def test_our_own_connection_need_not_be_spoken_to_soon(self, edge: Edge) -> None:
        edge.send(Flow("tcp", ("192.0.2.1", 5060), ("192.0.2.9", 5060)))
        stream = edge.complete()
        edge.turn(IDLE_S - 1)
        assert "lost" not in stream.ended
        edge.turn(1)
        assert "lost" in stream.ended

    def test_a_peer_that_acknowledges_nothing_is_given_up_by_the_kernel(self, stream: FakeStream) -> None:
        assert [value for _, _, value in stream.options] == [32_000]

    def test_a_lost_connection_leaves_no_timer(self, edge: Edge, stream: FakeStream) -> None:
        stream.lose()
        assert edge.reactor.getDelayedCalls() == []


class TestSlowReaders:
    def test_it_is_cut_off_when_too_much_has_piled_up(self, edge: Edge, stream: FakeStream) -> None:
        stream.receive(message())
        stream.stalled = True
        flow = edge.core.received[0][1]
        sent = 0
        while "aborted" not in stream.ended:
            edge.send(flow, bytes(10_000))
            sent += 10_000
            assert sent < 2 * MAX_UNSENT_BYTES
        assert sent > MAX_UNSENT_BYTES
        assert edge.endpoint.reached == {"unread-octets": 1}
        edge.turn()
        assert edge.core.failed == [flow]
        assert edge.core.closed == [flow]
        assert edge.endpoint.connections == 0

    def test_one_that_catches_up_is_not(self, edge: Edge, stream: FakeStream) -> None:
        stream.receive(message())
        flow = edge.core.received[0][1]
        for _ in range(5):
            stream.stalled = True
            for _ in range(60):
                edge.send(flow, bytes(10_000))
            stream.unstall()
        assert "aborted" not in stream.ended
        assert len(stream.sent) == 5 * 60 * 10_000

    def test_what_is_queued_has_a_moment_to_leave(self, edge: Edge, stream: FakeStream) -> None:
        stream.stalled = True
        edge.send(Flow("tcp", ("192.0.2.1", 5060), PEER, 1), b"LAST")
        edge.turn(MESSAGE_S)
        assert "closing" in stream.ended
        assert "lost" not in stream.ended
        stream.unstall()
        edge.turn()
        assert stream.sent == b"LAST"
        assert "lost" in stream.ended
        assert "aborted" not in stream.ended

    def test_but_no_longer(self, edge: Edge, stream: FakeStream) -> None:
        stream.stalled = True
        edge.send(Flow("tcp", ("192.0.2.1", 5060), PEER, 1), b"LAST")
        edge.turn(MESSAGE_S)
        edge.turn(CLOSE_S)
        assert "aborted" in stream.ended
        assert "lost" in stream.ended
