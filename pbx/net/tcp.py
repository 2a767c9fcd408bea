"""SIP over TCP (RFC 3261 §18.3): connections, framing by Content-Length, keep-alives (RFC 5626 §3.5.1)."""

import socket
from collections.abc import Sequence
from typing import Any
from typing import Protocol as TypingProtocol

from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.sip.flow import Address, Flow
from pbx.sip.framing import Framed, FramingError, KeepAlive, StreamFraming

# What a peer may leave unread before it is cut off.
MAX_UNSENT_BYTES = 1 << 20
# Connections that say nothing for so long are closed; phones keep theirs alive more often (RFC 5626 §4.4.1).
IDLE_S = 3600.0
# A message has to be whole in this time after its first octet, and a peer that connects has to send its first
# one in it: whoever holds connections without using them holds them only so long. It is 64*T1.
MESSAGE_S = 32.0
# What waits to be sent when a connection is closed has so long to leave.
CLOSE_S = 2.0
# A peer that acknowledges nothing of what was sent for so long is gone (RFC 5482).
_UNACKNOWLEDGED_MS = 32_000


class Streams(TypingProtocol):
    """What owns connections."""

    def admits(self, source: str) -> bool:
        """Whether one more connection of the peer at this IP address may be opened."""
        ...

    def limit_reached(self, bound: str) -> None:
        """A connection ends because it went past a bound, by its name in docs/bounds.md."""
        ...

    def number(self) -> int:
        """A number no connection has had."""
        ...

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
    """One TCP connection: the peer's, or ours to `remote`."""

    def __init__(self, owner: Streams, reactor: Any, local: Address, remote: Address | None) -> None:
        self._owner = owner
        self._reactor = reactor
        self._framing = StreamFraming()
        self._blocked_bytes: int | None = None
        self._timer: Any = None
        # Whether the timer runs for a message that has begun, or for the peer's first.
        self._waits = remote is None
        self._heard = remote is not None
        # Twisted types `transport` by a zope interface, which says less than a TCP transport can do.
        self._stream: Any = None
        self._ours = remote is not None
        self.closing = False
        self.flow = Flow("tcp", local, remote or ("", 0), owner.number())

    def connectionMade(self) -> None:
        """The connection is up."""
        stream: Any = self.transport
        self._stream = stream
        if not self._ours:
            peer = stream.getPeer()
            self.flow = Flow("tcp", self.flow.local, (peer.host, peer.port), self.flow.connection)
        stream.setTcpNoDelay(True)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)
            stream.getHandle().setsockopt(*option)
        stream.registerProducer(self, True)
        self._wait(MESSAGE_S if self._waits else IDLE_S)
        self._owner.stream_opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Some octets of the stream; what comes after the end was decided is read and forgotten."""
        if self.closing:
            return
        items = self._framing.receive(data)
        if not self._take(items):
            return
        # A lone CRLF, which may become a ping, is no message that has begun.
        waits = self._framing.kept > 3 or not self._heard
        if not waits or not self._waits or (items and self._heard):
            self._waits = waits
            self._wait(MESSAGE_S if waits else IDLE_S)

    def _take(self, items: Sequence[Framed]) -> bool:
        """Give messages to the owner, answer pings with one CRLF; False when the connection ends by it."""
        pinged = False
        for item in items:
            if self.closing:
                return False
            match item:
                case KeepAlive():
                    pinged = True
                case FramingError():
                    self._owner.stream_unframed(item, self)
                    self._close_ours()
                case _:
                    self._heard = True
                    self._owner.stream_received(item, self)
        if pinged:
            self.send(b"\r\n")
        return not self.closing

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.closing = True
        if self._timer.active():
            self._timer.cancel()
        self._owner.stream_closed(self)

    def send(self, data: bytes) -> bool:
        """Queue octets; False when the connection ends, or ends by this: too much piled up unread."""
        if self.closing:
            return False
        if self._blocked_bytes is not None:
            self._blocked_bytes += len(data)
            if self._blocked_bytes > MAX_UNSENT_BYTES:
                self._owner.limit_reached("unread-octets")
                self._abort()
                return False
        self._stream.write(data)
        return True

    @property
    def is_ours(self) -> bool:
        """Whether we opened it."""
        return self._ours

    @property
    def unparsed_octets(self) -> int:
        """What waits for the rest of its message."""
        return self._framing.kept

    def close(self) -> None:
        """Close when everything is sent, or when the peer has not taken it in CLOSE_S."""
        if not self.closing:
            self._ends()
            self._stream.loseConnection()

    def _close_ours(self) -> None:
        """Close our direction and read on: closing over unread octets could take the last answer with it."""
        if not self.closing:
            self._ends()
            self._stream.loseWriteConnection()

    def _ends(self) -> None:
        self.closing = True
        # With a producer the transport would wait for it to finish.
        self._stream.unregisterProducer()
        self._wait(CLOSE_S)

    def _abort(self) -> None:
        self.closing = True
        self._stream.abortConnection()

    def _wait(self, seconds: float) -> None:
        """Have the one timer of the connection run out in `seconds`."""
        if self._timer is not None and self._timer.active():
            self._timer.reset(seconds)
        else:
            self._timer = self._reactor.callLater(seconds, self._waited)

    def _waited(self) -> None:
        if self.closing:
            self._abort()
        else:
            if self._waits:
                self._owner.limit_reached("slow-messages")
            self.close()

    def pauseProducing(self) -> None:
        """The peer does not read as fast as we send. Twisted says so again at every write."""
        if self._blocked_bytes is None:
            self._blocked_bytes = 0

    def resumeProducing(self) -> None:
        """The peer has caught up."""
        self._blocked_bytes = None

    def stopProducing(self) -> None:
        """The connection is going away."""


class ConnectionFactory(Factory):
    """Makes the connections that peers open to one listener, or our one connection to `remote`."""

    noisy = False

    def __init__(self, owner: Streams, reactor: Any, local: Address, remote: Address | None = None) -> None:
        self._owner = owner
        self._reactor = reactor
        self._local = local
        self._remote = remote

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:
        """A new connection, or None when a peer's is not admitted: Twisted closes it at once."""
        if self._remote is None and not self._owner.admits(getattr(addr, "host", "")):
            return None
        return Connection(self._owner, self._reactor, self._local, self._remote)
