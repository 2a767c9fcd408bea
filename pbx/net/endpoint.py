"""The endpoint: every SIP socket of the service, and the single timer of the machines behind them."""

import errno
from collections.abc import Iterable
from typing import Any

from twisted.internet import error
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.python.failure import Failure

from pbx.errors import OperatorError, PortInUse
from pbx.net.addresses import Routes
from pbx.net.core import Core
from pbx.net.tcp import Connection, ConnectionFactory, Numbers
from pbx.net.udp import UdpListener
from pbx.sip.flow import Address, Flow, Transport
from pbx.sip.framing import FramingError
from pbx.sip.outputs import Transmit

# A peer that does not accept a connection in this time gets its request by UDP, if there is that way
# (RFC 3261 §18.1.1); it has to be well within Timer B.
CONNECT_TIMEOUT_S = 4
# Connections that say nothing for so long are closed; phones keep theirs alive more often (RFC 5626 §4.4.1).
IDLE_S = 3600.0
# What may wait for one connection to be made; more than that many messages fail as if it had been refused.
_MAX_WAITING = 64


class Endpoint:
    """Owns the listeners and connections; feeds `core` and carries out what it returns.

    `reactor` provides Twisted's IReactorTime, IReactorTCP and IReactorUDP.
    """

    def __init__(self, reactor: Any, routes: Routes, max_connections: int = 1000) -> None:
        self._reactor = reactor
        self._routes = routes
        self._max_connections = max_connections
        self._core: Core | None = None
        self._udp: dict[Address, UdpListener] = {}
        self._tcp: list[Address] = []
        self._ports: list[Any] = []
        self._connections: dict[int, Connection] = {}
        self._by_remote: dict[Address, Connection] = {}
        self._connecting: dict[Address, list[Transmit]] = {}
        self._numbers = Numbers()
        self._timer: Any = None
        self._timer_due = 0.0

    def attach(self, core: Core) -> None:
        """Give everything that comes in to `core` from now on."""
        self._core = core

    # -- listening -------------------------------------------------------------------------------------------

    def listen(self, transport: Transport, host: str, port: int) -> Address:
        """Bind; the address that was bound, with its real port. Raises PortInUse or OperatorError."""
        try:
            return self._listen_udp(host, port) if transport == "udp" else self._listen_tcp(host, port)
        except error.CannotListenError as failure:
            number = getattr(failure.socketError, "errno", None)
            where = f"{transport}:{host}:{port}"
            if number == errno.EADDRINUSE:
                raise PortInUse(f"{where} is in use", "stop the other program or change `listen:`") from None
            if number == errno.EACCES:
                raise OperatorError(f"{where} is not allowed", "ports below 1024 need root") from None
            raise OperatorError(
                f"cannot listen on {where} ({failure.socketError})", "name an address of this machine"
            ) from None

    def _listen_udp(self, host: str, port: int) -> Address:
        listener = UdpListener(self._received)
        self._ports.append(self._reactor.listenUDP(port, listener, interface=host, maxPacketSize=65536))
        self._udp[listener.local] = listener
        return listener.local

    def _listen_tcp(self, host: str, port: int) -> Address:
        # The factory's address is only known once the port is bound; no connection can come before that.
        factory = ConnectionFactory(self, (host, port), self._numbers, self._max_connections)
        bound = self._reactor.listenTCP(port, factory, interface=host)
        self._ports.append(bound)
        factory.local = (bound.getHost().host, bound.getHost().port)
        self._tcp.append(factory.local)
        return factory.local

    async def stop(self) -> None:
        """Close every socket; the deferred work of each is waited for."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for connection in list(self._connections.values()):
            connection.close()
        for port in self._ports:
            await port.stopListening()

    @property
    def connections(self) -> int:
        """Streams open now."""
        return self._numbers.open

    # -- where to send ---------------------------------------------------------------------------------------

    def flow_to(self, transport: Transport, remote: Address) -> Flow | None:
        """A flow to an IP address and port from the first listener of that transport and family."""
        six = ":" in remote[0]
        if transport == "udp":
            for local in self._udp:
                if (":" in local[0]) == six:
                    return Flow("udp", local, remote)
            return None
        open_already = self._by_remote.get(remote)
        if open_already is not None:
            return open_already.flow
        for local in self._tcp:
            if (":" in local[0]) == six:
                return Flow("tcp", local, remote)
        return None

    def address_to(self, host: str) -> str:
        """Our IP address as the peer at the IP address `host` reaches it."""
        return self._routes.address_to(host)

    # -- the core's outputs ----------------------------------------------------------------------------------

    def carry_out(self, outputs: Iterable[Transmit]) -> None:
        """Send, and arm the timer for what the core waits for now."""
        failed: list[Flow] = []
        for output in outputs:
            flow = output.flow
            if flow.transport == "udp":
                listener = self._udp.get(flow.local)
                if listener is None or not listener.send(output.data, flow.remote):
                    failed.append(flow)
            elif not self._send_stream(output):
                failed.append(flow)
        self._arm()
        for flow in failed:
            self._reactor.callLater(0, self._failed, flow)

    def _failed(self, flow: Flow) -> None:
        if self._core is not None:
            self.carry_out(self._core.transport_failed(flow, self._reactor.seconds()))

    def _send_stream(self, output: Transmit) -> bool:
        flow = output.flow
        connection = (
            self._connections.get(flow.connection) if flow.connection else self._by_remote.get(flow.remote)
        )
        if connection is not None:
            connection.send(output.data)
            return True
        if flow.connection:
            return False
        waiting = self._connecting.get(flow.remote)
        if waiting is None:
            if self._numbers.open >= self._max_connections:
                return False
            self._connecting[flow.remote] = [output]
            self._connect(flow)
            return True
        if len(waiting) >= _MAX_WAITING:
            return False
        waiting.append(output)
        return True

    def _connect(self, flow: Flow) -> None:
        host, port = flow.remote
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        factory: Any = ConnectionFactory(self, flow.local, self._numbers, self._max_connections)
        attempt = kind(self._reactor, host, port, timeout=CONNECT_TIMEOUT_S).connect(factory)
        attempt.addErrback(self._not_connected, flow)

    def _not_connected(self, _: Failure, flow: Flow) -> None:
        for output in self._connecting.pop(flow.remote, []):
            self._failed(output.flow)

    # -- what comes in ---------------------------------------------------------------------------------------

    def _received(self, data: bytes, flow: Flow) -> None:
        if self._core is not None:
            self.carry_out(self._core.receive(data, flow, self._reactor.seconds()))

    def stream_opened(self, connection: Connection) -> None:
        """A connection is up: what waited for it is sent."""
        self._numbers.open += 1
        flow = connection.flow
        self._connections[flow.connection] = connection
        self._by_remote[flow.remote] = connection
        connection.watch(self._reactor, IDLE_S)
        for output in self._connecting.pop(flow.remote, []):
            connection.send(output.data)

    def stream_received(self, data: bytes, connection: Connection) -> None:
        """A whole message of a stream."""
        self._received(data, connection.flow)

    def stream_unframed(self, error: FramingError, connection: Connection) -> None:
        """A stream that cannot be read on."""
        if self._core is not None:
            self.carry_out(self._core.receive_unframed(error, connection.flow, self._reactor.seconds()))

    def stream_closed(self, connection: Connection) -> None:
        """A connection is gone."""
        flow = connection.flow
        if self._connections.pop(flow.connection, None) is None:
            return
        self._numbers.open -= 1
        if self._by_remote.get(flow.remote) is connection:
            del self._by_remote[flow.remote]
        if self._core is not None:
            self.carry_out(self._core.flow_closed(flow, self._reactor.seconds()))

    # -- the timer -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Keep one delayed call, for the earliest due time; a later one re-arms itself when it fires."""
        due = None if self._core is None else self._core.next_deadline()
        if due is None:
            return
        timer = self._timer
        if timer is not None and timer.active():
            if self._timer_due <= due:
                return
            timer.cancel()
        self._timer_due = due
        self._timer = self._reactor.callLater(max(0.0, due - self._reactor.seconds()), self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._core is not None:
            now = self._reactor.seconds()
            self._core.woke(now - self._timer_due)
            self.carry_out(self._core.handle_timer(now))
