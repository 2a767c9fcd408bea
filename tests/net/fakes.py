"""Sockets, streams and a core in memory, for an endpoint on Twisted's memory reactor."""

import errno
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from pbx.net.addresses import Routes
from pbx.net.endpoint import Endpoint
from pbx.net.sockets import SO_TIMESTAMPNS
from pbx.sip.flow import Address, Flow, Transport
from pbx.sip.framing import FramingError
from pbx.sip.outputs import Transmit

# What Twisted keeps for a stream before it asks its producer to pause.
TWISTED_BUFFER_BYTES = 65536


def message(name: str = "x", body: str = "") -> bytes:
    """An OPTIONS, framed; `name` tells it from others."""
    return (
        f"OPTIONS sip:{name}@pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK{name}\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:{name}@pbx.example>\r\nCall-ID: {name}\r\n"
        f"CSeq: 1 OPTIONS\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _failure(error: Exception) -> Failure:
    return Failure(error)  # type: ignore[no-untyped-call]  # Twisted left it untyped


class FakeBound:
    """A bound socket: datagrams are put into `arrived`, what is sent is in `sent`.

    `came_at` is the time of day that the kernel has stamped them with, when it does.
    """

    def __init__(self, transport: Transport, local: tuple[Any, ...]) -> None:
        self.transport = transport
        self.family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self.arrived: list[tuple[bytes, tuple[Any, ...]] | OSError] = []
        self.sent: list[tuple[bytes, tuple[Any, ...]]] = []
        self.fault: int | None = None
        self.came_at: float | None = None
        self.closed = False
        self._local = local

    def fileno(self) -> int:
        return -1 if self.closed else 7

    def getsockname(self) -> tuple[Any, ...]:
        return self._local

    def recvfrom_into(self, room: memoryview) -> tuple[int, tuple[Any, ...]]:
        if not self.arrived:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        item = self.arrived.pop(0)
        if isinstance(item, OSError):
            raise item
        data = item[0][: len(room)]
        room[: len(data)] = data
        return len(data), item[1]

    def recvmsg_into(
        self, rooms: list[memoryview], _: int
    ) -> tuple[int, list[tuple[int, int, bytes]], int, tuple[Any, ...]]:
        size, address = self.recvfrom_into(rooms[0])
        if self.came_at is None:
            return size, [], 0, address
        stamp = struct.pack("@qq", int(self.came_at), int(self.came_at % 1 * 1e9))
        return size, [(socket.SOL_SOCKET, SO_TIMESTAMPNS, stamp)], 0, address

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> None:
        if self.fault is not None:
            raise OSError(self.fault, os.strerror(self.fault))
        self.sent.append((data, address))

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FakeStream:
    """A TCP transport with Twisted's manners; a `stalled` peer reads nothing."""

    def __init__(self, clock: Any, peer: Address, *, stalled: bool = False) -> None:
        self.clock = clock
        self.peer = peer
        self.stalled = stalled
        self.sent = b""
        self.unsent = b""
        self.options: list[tuple[int, int, int]] = []
        # "half-closed", "closing" and "aborted" by us, "lost" in the end.
        self.ended: set[str] = set()
        self.producer: Any = None
        self.protocol: Any = None

    def connect(self, protocol: Any) -> "FakeStream":
        self.protocol = protocol
        protocol.makeConnection(self)
        return self

    def receive(self, data: bytes) -> None:
        if not self.ended & {"closing", "aborted", "lost"}:
            self.protocol.dataReceived(data)

    def lose(self) -> None:
        """The connection is gone, whoever ended it."""
        if "lost" not in self.ended:
            self.ended.add("lost")
            self.protocol.connectionLost(_failure(ConnectionDone()))

    def unstall(self) -> None:
        self.stalled = False
        self.sent += self.unsent
        self.unsent = b""
        if self.producer is not None:
            self.producer.resumeProducing()
        if "closing" in self.ended:
            self.loseConnection()

    def write(self, data: bytes) -> None:
        if self.ended & {"lost", "aborted", "half-closed"}:
            return
        if self.stalled:
            self.unsent += data
            if self.producer is not None and len(self.unsent) > TWISTED_BUFFER_BYTES:
                self.producer.pauseProducing()
        else:
            self.sent += data

    def loseConnection(self) -> None:  # noqa: N802  # Twisted's name
        self.ended.add("closing")
        if not self.unsent and self.producer is None:
            self.clock.callLater(0, self.lose)

    def loseWriteConnection(self) -> None:  # noqa: N802  # Twisted's name
        self.ended.add("half-closed")

    def abortConnection(self) -> None:  # noqa: N802  # Twisted's name
        if "aborted" not in self.ended:
            self.ended.add("aborted")
            self.clock.callLater(0, self.lose)

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802  # Twisted's name
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802  # Twisted's name
        self.producer = None

    def getPeer(self) -> Any:  # noqa: N802  # Twisted's name
        kind = IPv6Address if ":" in self.peer[0] else IPv4Address
        return kind("TCP", *self.peer)

    def getHandle(self) -> "FakeStream":  # noqa: N802  # Twisted's name
        return self

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802  # Twisted's name
        assert enabled

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self.options.append((level, option, value))


class FakeCore:
    """Remembers what it is told; `answer` and `on_failure` give what it returns."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Flow]] = []
        self.unframed: list[tuple[FramingError, Flow]] = []
        self.failed: list[Flow] = []
        self.closed: list[Flow] = []
        self.woken: list[float] = []
        self.late: list[float | None] = []
        self.handled: list[float] = []
        self.due: float | None = None
        # How many messages had come each time that all had been served.
        self.served_after: list[int] = []
        self.answer: Callable[[bytes, Flow], Sequence[Transmit]] = lambda _data, _flow: ()
        self.on_failure: Callable[[Flow], Sequence[Transmit]] = lambda _flow: ()

    def receive(self, data: bytes, flow: Flow, now: float, late_s: float | None = None) -> Sequence[Transmit]:
        self.received.append((data, flow))
        self.late.append(late_s)
        return self.answer(data, flow)

    def receive_unframed(self, error: FramingError, flow: Flow, now: float) -> Sequence[Transmit]:
        self.unframed.append((error, flow))
        return [Transmit(flow, b"SIP/2.0 400 Bad\r\n\r\n")]

    def transport_failed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        self.failed.append(flow)
        return self.on_failure(flow)

    def flow_closed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        self.closed.append(flow)
        return ()

    def served(self) -> None:
        self.served_after.append(len(self.received))

    def next_deadline(self) -> float | None:
        return self.due

    def woke(self, late_s: float) -> None:
        self.woken.append(late_s)

    def handle_timer(self, now: float) -> Sequence[Transmit]:
        self.handled.append(now)
        self.due = None
        return ()


class FixedRoutes(Routes):
    """The kernel's routes by a table, whatever this machine has."""

    def __init__(self, sources: dict[str, str], external_address: str | None = None) -> None:
        super().__init__(external_address)
        self._table = sources

    def source(self, host: str) -> str | None:
        return self._table.get(host)


class Edge:
    """An endpoint with its fakes around it."""

    def __init__(
        self,
        *,
        max_connections: int = 10,
        max_per_source: int = 10,
        routes: Routes | None = None,
        attach: bool = True,
    ) -> None:
        self.reactor: Any = MemoryReactorClock()  # type: ignore[no-untyped-call]  # Twisted left it untyped
        self.core = FakeCore()
        self.wall = 1_800_000_000.0
        self.bound: list[FakeBound] = []
        self.endpoint = Endpoint(
            self.reactor,
            routes or FixedRoutes({}),
            max_connections,
            max_per_source,
            wall=lambda: self.wall,
            bound=cast("Any", self._bind),
        )
        if attach:
            self.endpoint.attach(self.core)

    def _bind(self, transport: Transport, host: str, port: int) -> FakeBound:
        bound = FakeBound(transport, (host, port, 0, 0) if ":" in host else (host, port))
        self.bound.append(bound)
        return bound

    def listen(self, transport: Transport, host: str = "192.0.2.1", port: int = 5060) -> FakeBound:
        self.endpoint.listen(transport, host, port)
        return self.bound[-1]

    def datagram(self, bound: FakeBound, data: bytes, *remote: Any) -> None:
        """A datagram arrives, and the reactor sees it."""
        bound.arrived.append((data, remote))
        self.wake()

    def wake(self) -> None:
        for reader in list(self.reactor.readers):
            reader.doRead()

    def accept(self, peer: Address, *, listener: int = 0, stalled: bool = False) -> FakeStream | None:
        """A peer connects; None when it is turned away."""
        factory = self.reactor.adoptedPorts[listener][2]
        kind = IPv6Address if ":" in peer[0] else IPv4Address
        protocol = factory.buildProtocol(kind("TCP", *peer))
        return None if protocol is None else FakeStream(self.reactor, peer, stalled=stalled).connect(protocol)

    def opened(self, peer: Address) -> FakeStream:
        """As `accept`, of a peer that is let in."""
        stream = self.accept(peer)
        assert stream is not None
        return stream

    def complete(self, attempt: int = -1) -> FakeStream:
        """The peer that we connect to accepts."""
        host, port, factory, *_ = self.reactor.tcpClients[attempt]
        return FakeStream(self.reactor, (host, port)).connect(factory.buildProtocol(None))

    def refuse(self, attempt: int = -1) -> None:
        """The peer that we connect to refuses."""
        factory = self.reactor.tcpClients[attempt][2]
        factory.clientConnectionFailed(None, _failure(TimeoutError()))

    def send(self, flow: Flow, data: bytes = b"REQUEST") -> None:
        self.endpoint.carry_out([Transmit(flow, data)])

    def turn(self, seconds: float = 0) -> None:
        """The reactor goes on: what is due happens, and what that makes due at once."""
        self.reactor.advance(seconds)
        self.reactor.advance(0)

    def assert_nothing_left(self) -> None:
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.getReaders() == []
        assert self.endpoint.connections == 0
        assert all(each.closed for each in self.bound)
