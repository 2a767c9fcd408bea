"""SIP over TCP (RFC 3261 §18.3): connections, framing by Content-Length, keep-alives (RFC 5626 §3.5.1)."""

from typing import Any
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.sip.flow import Address, Flow
from pbx.sip.framing import FramingError, KeepAlive, StreamFraming

# What a peer may leave unread before it is cut off.
MAX_UNSENT_BYTES = 1 << 20


class Streams(TypingProtocol):
    """What a connection tells its owner."""

    def stream_opened(self, connection: "Connection") -> None:
        """It is up."""
        ...

    def stream_received(self, data: bytes, connection: "Connection") -> None:
        """One whole message came."""
        ...

    def stream_unframed(self, error: FramingError, connection: "Connection") -> None:
        """What came cannot be split into messages; the connection closes after this."""
        ...

    def stream_closed(self, connection: "Connection") -> None:
        """It is gone."""
        ...


@implementer(IPushProducer)
class Connection(Protocol):
    """One TCP connection, ours or the peer's."""

    def __init__(self, owner: Streams, local: Address, number: int) -> None:
        self._owner = owner
        self._local = local
        self._number = number
        self._framing = StreamFraming()
        self._blocked_bytes: int | None = None
        self._idle: Any = None
        self._idle_s = 0.0
        # Twisted types `transport` by a zope interface, which says less than a TCP transport can do.
        self._stream: Any = None
        self.flow = Flow("tcp", local, ("", 0), number)

    def connectionMade(self) -> None:
        """The connection is up."""
        stream: Any = self.transport
        self._stream = stream
        peer = stream.getPeer()
        self.flow = Flow("tcp", self._local, (peer.host, peer.port), self._number)
        stream.setTcpNoDelay(True)
        stream.registerProducer(self, True)
        self._owner.stream_opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Some octets of the stream."""
        if self._idle is not None:
            self._idle.reset(self._idle_s)
        for item in self._framing.receive(data):
            match item:
                case KeepAlive():
                    self.send(b"\r\n")
                case FramingError():
                    self._owner.stream_unframed(item, self)
                    self.close()
                case _:
                    self._owner.stream_received(item, self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._idle is not None and self._idle.active():
            self._idle.cancel()
        self._owner.stream_closed(self)

    def watch(self, reactor: Any, idle_s: float) -> None:
        """Close by itself when nothing comes for `idle_s` seconds."""
        self._idle_s = idle_s
        self._idle = reactor.callLater(idle_s, self.close)

    def send(self, data: bytes) -> None:
        """Queue octets; a peer that does not read them is cut off when too much has piled up."""
        if self._blocked_bytes is not None:
            self._blocked_bytes += len(data)
            if self._blocked_bytes > MAX_UNSENT_BYTES:
                self._stream.abortConnection()
                return
        self._stream.write(data)

    def close(self) -> None:
        """Close when everything is sent."""
        self._stream.unregisterProducer()
        self._stream.loseConnection()

    def pauseProducing(self) -> None:
        """The peer does not read as fast as we send."""
        self._blocked_bytes = 0

    def resumeProducing(self) -> None:
        """The peer has caught up."""
        self._blocked_bytes = None

    def stopProducing(self) -> None:
        """The connection is going away."""


class ConnectionFactory(Factory):
    """Makes the connections of one listener, or of one attempt to connect."""

    noisy = False

    def __init__(self, owner: Streams, local: Address, numbers: "Numbers", limit: int) -> None:
        self._owner = owner
        self.local = local
        self._numbers = numbers
        self._limit = limit

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:
        """A new connection, or None at the bound: Twisted closes it at once."""
        if self._numbers.open >= self._limit:
            self._numbers.refused += 1
            return None
        return Connection(self._owner, self.local, self._numbers.take())


class Numbers:
    """Connection numbers, from 1 on, and how many connections are open."""

    def __init__(self) -> None:
        self._last = 0
        self.open = 0
        self.refused = 0

    def take(self) -> int:
        """The next number."""
        self._last += 1
        return self._last
