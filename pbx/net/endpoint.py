"""The endpoint: every SIP socket of the service, and the single timer of the machines behind them."""

import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint

from pbx.net.addresses import Routes, canonical, family_of, from_kernel, is_wildcard, source_of
from pbx.net.core import Core
from pbx.net.sockets import bind
from pbx.net.tcp import Connection, ConnectionFactory
from pbx.net.udp import UdpListener
from pbx.sip.flow import Address, Flow, Transport
from pbx.sip.framing import FramingError
from pbx.sip.outputs import Transmit

# A peer that does not accept a connection in this time gets its request by UDP, if there is that way
# (RFC 3261 §18.1.1); it has to be well within Timer B.
CONNECT_TIMEOUT_S = 4
# What may wait for one connection to be made; more than that many messages fail as if it had been refused.
MAX_WAITING = 64


@dataclass(slots=True)
class _Attempt:
    """A connection that is being made, and what is to be sent when it is up."""

    waiting: list[Transmit] = field(default_factory=list)
    outcome: "Deferred[Any] | None" = None


class Endpoint:
    """Owns the listeners and connections; feeds `core` and carries out what it returns.

    `reactor` provides Twisted's IReactorTime, IReactorTCP, IReactorSocket and IReactorFDSet; `wall` is the
    time of day in seconds since 1970; `bound` makes the listeners' sockets. Streams, those that are being
    opened included, are at most `max_connections`; of these a peer may open `max_connections_per_source`.
    `reached` counts what went past a bound.
    """

    def __init__(
        self,
        reactor: Any,
        routes: Routes,
        max_connections: int = 1000,
        max_connections_per_source: int = 200,
        *,
        wall: Callable[[], float],
        bound: Callable[[Transport, str, int], socket.socket] = bind,
    ) -> None:
        self._reactor = reactor
        self._wall = wall
        self._routes = routes
        self._max_connections = max_connections
        self._max_per_source = max_connections_per_source
        self._by_source: Counter[str] = Counter()
        self.reached: Counter[str] = Counter()
        self._bound = bound
        self._core: Core | None = None
        self._stopped = False
        self._udp: dict[Address, UdpListener] = {}
        self._locals: dict[tuple[Transport, int], list[Address]] = {}
        self._ports: list[Any] = []
        self._connections: dict[int, Connection] = {}
        self._by_remote: dict[Address, Connection] = {}
        self._attempts: dict[Address, _Attempt] = {}
        self._last_number = 0
        self._all_closed: Deferred[None] | None = None
        self._failed: dict[Flow, None] = {}
        self._failing: Any = None
        self._timer: Any = None
        self._timer_due = 0.0

    def attach(self, core: Core) -> None:
        """Give everything that comes in to `core` from now on.

        Until then datagrams are dropped, like any that was lost, and connections are closed as they come.
        """
        self._core = core

    # -- listening -------------------------------------------------------------------------------------------

    def listen(self, transport: Transport, host: str, port: int) -> Address:
        """Bind to an IP address; what was bound, with its real port. Raises PortInUse or OperatorError."""
        bound = self._bound(transport, host, port)
        if transport == "udp":
            listener = UdpListener(self._reactor, bound, self._received, self._arm, self._wall)
            local = listener.local
            self._udp[local] = listener
        else:
            local = from_kernel(bound.getsockname())
            factory = ConnectionFactory(self, self._reactor, local)
            # The reactor takes a duplicate of the descriptor.
            with bound:
                self._ports.append(self._reactor.adoptStreamPort(bound.fileno(), bound.family, factory))
        self._locals.setdefault((transport, 6 if ":" in local[0] else 4), []).append(local)
        return local

    async def stop(self) -> None:
        """Close every socket; what is queued has CLOSE_S to leave. The core hears nothing more."""
        self._stopped = True
        self._core = None
        for call in (self._timer, self._failing):
            if call is not None and call.active():
                call.cancel()
        for attempt in list(self._attempts.values()):
            if attempt.outcome is not None:
                attempt.outcome.cancel()
        self._attempts.clear()
        ports, self._ports = self._ports, []
        for port in ports:
            await maybeDeferred(port.stopListening)
        for listener in self._udp.values():
            listener.close()
        if self._connections:
            self._all_closed = Deferred()
            for connection in list(self._connections.values()):
                connection.close()
            await self._all_closed

    @property
    def connections(self) -> int:
        """Streams open now."""
        return len(self._connections)

    @property
    def unparsed_octets(self) -> int:
        """What all streams keep of messages that are not whole yet."""
        return sum([connection.unparsed_octets for connection in self._connections.values()])

    # -- where to send ---------------------------------------------------------------------------------------

    def flow_to(self, transport: Transport, remote: Address) -> Flow | None:
        """A flow to an IP address and port; None for a name, and when no listener speaks its family.

        An open stream is used again. Of several listeners it is the one that the kernel's route leads
        through, then a wildcard's, then the first.
        """
        host, port = remote
        family = family_of(host)
        if family is None or not 0 < port < 65536:
            return None
        remote = (canonical(host), port)
        if transport == "tcp":
            open_already = self._by_remote.get(remote)
            if open_already is not None and not open_already.closing:
                return open_already.flow
        candidates = self._locals.get((transport, family))
        if not candidates:
            return None
        local = candidates[0]
        if len(candidates) > 1:
            source = self._routes.source(host)
            local = min(candidates, key=lambda each: (each[0] != source, not is_wildcard(each[0])))
        return Flow(transport, local, remote)

    def address_to(self, flow: Flow) -> str:
        """Our IP address as the peer of `flow` reaches it."""
        return self._routes.address_to(flow.remote[0], flow.local[0])

    def reaches(self, host: str) -> bool:
        """Whether a listener speaks the family of this IP address."""
        family = family_of(host)
        return family is not None and (("udp", family) in self._locals or ("tcp", family) in self._locals)

    # -- the core's outputs ----------------------------------------------------------------------------------

    def carry_out(self, outputs: Iterable[Transmit]) -> None:
        """Send, and arm the timer for what the core waits for now. Nothing happens once stopped."""
        self._send_all(outputs)
        self._arm()

    def _send_all(self, outputs: Iterable[Transmit]) -> None:
        if self._stopped:
            return
        for output in outputs:
            flow = output.flow
            if flow.transport == "udp":
                listener = self._udp.get(flow.local)
                if listener is None or not listener.send(output.data, flow.remote):
                    self._fail(flow)
            elif not self._send_stream(output):
                self._fail(flow)

    def _fail(self, flow: Flow) -> None:
        """Tell the core in a turn of its own: what it does then may fail as well."""
        self._failed[flow] = None
        if self._failing is None:
            self._failing = self._reactor.callLater(0, self._tell_failed)

    def _tell_failed(self) -> None:
        self._failing = None
        failed, self._failed = self._failed, {}
        for flow in failed:
            if self._core is not None:
                self.carry_out(self._core.transport_failed(flow, self._reactor.seconds()))

    def _send_stream(self, output: Transmit) -> bool:
        flow = output.flow
        if flow.connection:
            connection = self._connections.get(flow.connection)
            return connection is not None and connection.send(output.data)
        connection = self._by_remote.get(flow.remote)
        if connection is not None and not connection.closing:
            return connection.send(output.data)
        attempt = self._attempts.get(flow.remote)
        if attempt is None:
            if not self._has_room():
                return False
            self._attempts[flow.remote] = attempt = _Attempt([output])
            self._connect(flow, attempt)
            return True
        if len(attempt.waiting) >= MAX_WAITING:
            self.reached["waiting-messages"] += 1
            return False
        attempt.waiting.append(output)
        return True

    def _connect(self, flow: Flow, attempt: _Attempt) -> None:
        host, port = flow.remote
        local = flow.local[0]
        client = (TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint)(
            self._reactor,
            host,
            port,
            timeout=CONNECT_TIMEOUT_S,
            bindAddress=None if is_wildcard(local) else (local, 0),
        )
        factory: Any = ConnectionFactory(self, self._reactor, flow.local, flow.remote)
        attempt.outcome = client.connect(factory)
        attempt.outcome.addBoth(lambda _: self._attempted(flow.remote, attempt))

    def _attempted(self, remote: Address, attempt: _Attempt) -> None:
        """The attempt is over. What still waits for it waits in vain."""
        if self._attempts.get(remote) is attempt:
            del self._attempts[remote]
            for output in attempt.waiting:
                self._fail(output.flow)

    # -- what comes in ---------------------------------------------------------------------------------------

    def _received(self, data: bytes, flow: Flow, since: float) -> None:
        if self._core is not None:
            now = self._reactor.seconds()
            # The timer is armed when the last of the datagrams that were there has been served.
            self._send_all(self._core.receive(data, flow, now, now - since))

    def admits(self, source: str) -> bool:
        """Whether the peer at this IP address may open one more stream."""
        if not self._has_room():
            return False
        if self._by_source[source_of(source)] < self._max_per_source:
            return True
        self.reached["connections-per-source"] += 1
        return False

    def _has_room(self) -> bool:
        if self._core is None:
            return False
        if len(self._connections) + len(self._attempts) < self._max_connections:
            return True
        self.reached["connections"] += 1
        return False

    def limit_reached(self, bound: str) -> None:
        """A connection ends because it went past a bound."""
        self.reached[bound] += 1

    def number(self) -> int:
        """The next connection number, from 1 on."""
        self._last_number += 1
        return self._last_number

    def stream_opened(self, connection: Connection) -> None:
        """A connection is up: what waited for it is sent."""
        flow = connection.flow
        self._connections[flow.connection] = connection
        self._by_remote[flow.remote] = connection
        if not connection.is_ours:
            self._by_source[source_of(flow.remote[0])] += 1
        attempt = self._attempts.pop(flow.remote, None)
        for output in attempt.waiting if attempt is not None else ():
            if not connection.send(output.data):
                self._fail(output.flow)

    def stream_received(self, data: bytes, connection: Connection) -> None:
        """A whole message of a stream."""
        if self._core is not None:
            self.carry_out(self._core.receive(data, connection.flow, self._reactor.seconds()))

    def stream_unframed(self, error: FramingError, connection: Connection) -> None:
        """A stream that cannot be read on."""
        if self._core is not None:
            self.carry_out(self._core.receive_unframed(error, connection.flow, self._reactor.seconds()))

    def stream_closed(self, connection: Connection) -> None:
        """A connection is gone."""
        flow = connection.flow
        del self._connections[flow.connection]
        if self._by_remote.get(flow.remote) is connection:
            del self._by_remote[flow.remote]
        if not connection.is_ours:
            source = source_of(flow.remote[0])
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]
        if self._core is not None:
            self.carry_out(self._core.flow_closed(flow, self._reactor.seconds()))
        if self._all_closed is not None and not self._connections:
            self._all_closed.callback(None)

    # -- the timer -------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Keep one delayed call, for the earliest due time; a later one re-arms itself when it fires."""
        core = self._core
        if core is None:
            return
        core.served()
        due = core.next_deadline()
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
