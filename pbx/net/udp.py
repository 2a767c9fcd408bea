"""SIP over UDP (RFC 3261 §18): one socket a listener, a message a datagram."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port

from pbx.sip.flow import Address, Flow
from pbx.sip.message import is_keepalive

# A stalled event loop finds its datagrams here: at 300 calls a second a second's worth is about 3 MB.
RECEIVE_BUFFER_BYTES = 8 << 20

_REMEMBERED_FLOWS = 8192


class UdpListener(DatagramProtocol):
    """A bound socket: gives every datagram with its flow to `received`, and sends."""

    noisy = False

    def __init__(self, received: Callable[[bytes, Flow], None]) -> None:
        self._received = received
        self._flows: dict[Any, Flow] = {}
        self._socket: socket.socket | None = None
        self.local: Address = ("", 0)

    def startProtocol(self) -> None:
        """The socket is bound."""
        port = self.transport
        assert isinstance(port, Port)
        self._socket = port.socket
        host, number = self._socket.getsockname()[:2]
        self.local = (host, number)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """One datagram; empty ones and CRLF keep NAT bindings open and say nothing (RFC 5626 §4.4)."""
        if is_keepalive(datagram):
            return
        flow = self._flows.get(addr)
        if flow is None:
            if len(self._flows) >= _REMEMBERED_FLOWS:
                self._flows.clear()
            flow = self._flows[addr] = Flow("udp", self.local, (addr[0], addr[1]))
        self._received(datagram, flow)

    def send(self, data: bytes, remote: Address) -> bool:
        """Send at once, past Twisted's checks of the address; False when it cannot be sent."""
        if self._socket is None:
            return False
        try:
            self._socket.sendto(data, remote)
        except BlockingIOError:
            return True  # the kernel's buffer is full: lost like any datagram, and sent again like any
        except OSError:
            return False
        return True
