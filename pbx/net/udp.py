"""SIP over UDP (RFC 3261 §18): one socket a listener, a message a datagram."""

import errno
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from pbx.net.addresses import from_kernel, to_kernel
from pbx.net.sockets import SO_TIMESTAMPNS
from pbx.sip.flow import Address, Flow
from pbx.sip.message import is_keepalive

log = logging.getLogger("pbx")

# No datagram is larger (RFC 768; jumbograms are no SIP).
_MAX_DATAGRAM = 65536
# Datagrams that are read at once before timers and streams have their turn.
_AT_ONCE = 100
_REMEMBERED_FLOWS = 8192
# struct timespec: when a datagram came, by the time of day.
_came = struct.Struct("@qq")
_CAME_OCTETS = socket.CMSG_SPACE(_came.size)
# What a datagram that was not sent is like one that was lost on the way: it will be sent again, or not.
_LOST = frozenset(
    {errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.ENOMEM, errno.EINTR, errno.ECONNREFUSED}
)


@implementer(IReadDescriptor)
class UdpListener:
    """A bound socket that the reactor watches: gives every datagram with its flow to `received`, and sends.

    `received` is also told since when, in the reactor's seconds, a datagram may have waited in the socket;
    `served` follows when it has got all that were there. `wall` is the time of day, which the kernel stamps
    them with. Twisted's own datagram port would lose the zone of a link-local peer, and no answer would reach
    it.
    """

    def __init__(
        self,
        reactor: Any,
        bound: socket.socket,
        received: Callable[[bytes, Flow, float], None],
        served: Callable[[], None],
        wall: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._wall = wall
        self._socket = bound
        self._received = received
        self._served = served
        # Every datagram is read into the same place, which stays in the caches.
        self._room = memoryview(bytearray(_MAX_DATAGRAM))
        self._flows: dict[Any, Flow] = {}
        self.local: Address = from_kernel(bound.getsockname())
        reactor.addReader(self)

    def fileno(self) -> int:
        """The descriptor to watch; -1 when closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Names it in the reactor's log."""
        return f"udp:{self.local[0]}:{self.local[1]}"

    def connectionLost(self, reason: object) -> None:
        """The reactor does not watch the socket any more, and that was not our wish."""
        log.critical("%s is not read any more: %s", self.logPrefix(), reason)

    def doRead(self) -> None:
        """Datagrams are there. An error that another datagram left behind is gone once it has been read."""
        since = 0.0
        for number in range(_AT_ONCE):
            try:
                if number:
                    size, address = self._socket.recvfrom_into(self._room)
                else:
                    # Those behind the first came after it.
                    size, stamps, _, address = self._socket.recvmsg_into([self._room], _CAME_OCTETS)
                    since = self._reactor.seconds() - self._waited(stamps)
            except OSError:
                break
            try:
                self._take(bytes(self._room[:size]), address, since)
            except Exception:
                # Raised into the reactor, it would end the listener.
                log.exception("a fault of our own; a datagram is lost")
        try:
            self._served()
        except Exception:
            # As above; the next datagram arms the timer.
            log.exception("a fault of our own; what is due may be late")

    def _waited(self, stamps: list[tuple[int, int, bytes]]) -> float:
        """Seconds since a datagram came; 0 when the kernel does not say."""
        for level, kind, stamp in stamps:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(stamp) == _came.size:
                seconds, nanoseconds = _came.unpack(stamp)
                waited: float = self._wall() - seconds - nanoseconds / 1e9
                return max(0.0, waited)
        return 0.0

    def _take(self, datagram: bytes, address: Any, since: float) -> None:
        """One datagram; empty ones and CRLF keep NAT bindings open and say nothing (RFC 5626 §4.4)."""
        if is_keepalive(datagram):
            return
        flow = self._flows.get(address)
        if flow is None:
            if len(self._flows) >= _REMEMBERED_FLOWS:
                self._flows.clear()
            flow = self._flows[address] = Flow("udp", self.local, from_kernel(address))
        self._received(datagram, flow, since)

    def send(self, data: bytes, remote: Address) -> bool:
        """Send at once. False when it cannot be sent: no route, a wrong address, larger than a datagram.

        A full buffer is no failure: the datagram is lost like any other.
        """
        try:
            self._socket.sendto(data, to_kernel(remote) if "%" in remote[0] else remote)
        except OSError as error:
            return error.errno in _LOST
        return True

    def close(self) -> None:
        """Nothing is read or sent any more."""
        if self._socket.fileno() != -1:
            self._reactor.removeReader(self)
            self._socket.close()
