"""The endpoint on real sockets of the loopback interface, with ports of the kernel's choice."""

import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from pbx.errors import OperatorError, PortInUse
from pbx.net.addresses import Routes, to_kernel
from pbx.net.endpoint import Endpoint
from pbx.net.sockets import bind
from pbx.net.tcp import MAX_UNSENT_BYTES
from pbx.sip.flow import Flow
from pbx.sip.outputs import Transmit
from tests.net.fakes import FakeCore, message
from tests.reactor import in_reactor, pause, read, the_reactor, until

pytestmark = pytest.mark.network
LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def endpoint(core: FakeCore) -> AsyncIterator[Endpoint]:
    """A running endpoint; it answers each message with its own octets."""
    made = Endpoint(the_reactor(), Routes(), wall=lambda: 0.0)
    made.attach(core)
    core.answer = lambda data, flow: [Transmit(flow, data)]
    try:
        yield made
    finally:
        await made.stop()


async def connected(address: tuple[str, int]) -> socket.socket:
    peer = socket.create_connection(address, timeout=5)
    peer.setblocking(False)
    await pause(0)
    return peer


def datagrams(host: str) -> socket.socket:
    peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    peer.setblocking(False)
    peer.bind(to_kernel((host, 0)))
    return peer


def family_works(host: str) -> bool:
    with contextlib.suppress(OSError), bind("udp", host, 0):
        return True
    return False


def link_local() -> str | None:
    """A link-local address of this machine, with its zone."""
    with contextlib.suppress(OSError), open("/proc/net/if_inet6", encoding="ascii") as lines:
        for line in lines:
            digits, _, _, scope, _, interface = line.split()
            if scope == "20":
                address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits))
                return f"{address}%{interface}"
    return None


needs_ipv6 = pytest.mark.skipif(not family_works("::1"), reason="this machine has no IPv6")


@in_reactor(10)
async def test_a_datagram_of_the_largest_size_comes_whole() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        host, port = ours.listen("udp", LOOPBACK, 0)
        with datagrams(LOOPBACK) as peer:
            data = message("x", "v" * 65_000)
            peer.sendto(data, (host, port))
            assert await read(peer) == data
            assert core.received == [(data, Flow("udp", (host, port), peer.getsockname()))]


@in_reactor(10)
async def test_one_that_is_too_large_to_send_fails_and_the_socket_lives() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        host, port = ours.listen("udp", LOOPBACK, 0)
        with datagrams(LOOPBACK) as peer:
            flow = Flow("udp", (host, port), peer.getsockname())
            ours.carry_out([Transmit(flow, bytes(66_000))])
            await until(lambda: core.failed)
            assert core.failed == [flow]
            peer.sendto(message(), (host, port))
            assert await read(peer) == message()


@in_reactor(10)
async def test_a_peer_whose_port_is_closed_costs_nothing() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        host, port = ours.listen("udp", LOOPBACK, 0)
        with datagrams(LOOPBACK) as gone:
            flow = Flow("udp", (host, port), gone.getsockname())
        for _ in range(3):
            ours.carry_out([Transmit(flow, message())])
            await pause(0.01)
        with datagrams(LOOPBACK) as peer:
            peer.sendto(message(), (host, port))
            assert await read(peer) == message()
        assert core.failed == []


@needs_ipv6
@in_reactor(10)
async def test_both_families_stand_side_by_side_on_one_port() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        _, port = ours.listen("udp", "0.0.0.0", 0)
        assert ours.listen("udp", "::", port) == ("::", port)
        _, tcp_port = ours.listen("tcp", "0.0.0.0", 0)
        assert ours.listen("tcp", "::", tcp_port) == ("::", tcp_port)
        for host, local in ((LOOPBACK, "0.0.0.0"), ("::1", "::")):
            with datagrams(host) as peer:
                peer.sendto(message(), (host, port))
                assert await read(peer) == message()
                flow = ours.flow_to("udp", (host, peer.getsockname()[1]))
                assert flow == core.received[-1][1]
                assert flow.local == (local, port)
                assert ours.address_to(flow) == host
            with await connected((host, tcp_port)) as peer:
                peer.send(message())
                assert await read(peer) == message()
                assert core.received[-1][1].local == (local, tcp_port)
                assert core.received[-1][1].remote == peer.getsockname()[:2]


@pytest.mark.skipif(link_local() is None, reason="no interface here has a link-local address")
@in_reactor(10)
async def test_a_link_local_peer_is_answered() -> None:
    core = FakeCore()
    host = link_local()
    assert host is not None
    async with endpoint(core) as ours:
        _, port = ours.listen("udp", "::", 0)
        with datagrams(host) as peer:
            peer.sendto(message(), to_kernel((host, port)))
            assert await read(peer) == message()
        flow = core.received[0][1]
        assert flow.remote[0] == host
        assert ours.address_to(flow) == host.partition("%")[0]


@in_reactor(10)
async def test_what_cannot_be_bound_is_one_line() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        for transport in ("udp", "tcp"):
            _, port = ours.listen(transport, LOOPBACK, 0)
            with pytest.raises(PortInUse) as failure:
                ours.listen(transport, LOOPBACK, port)
            assert str(failure.value) == (
                f"{transport}:127.0.0.1:{port} is in use: "
                "stop the other program, or choose another port under `listen`"
            )
            with pytest.raises(OperatorError) as other:
                ours.listen(transport, "192.0.2.1", 0)
            assert str(other.value) == (
                f"cannot listen on {transport}:192.0.2.1:0: "
                "this machine has no such address; correct it under `listen`"
            )


@in_reactor(10)
async def test_a_stream_of_a_peer() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        address = ours.listen("tcp", LOOPBACK, 0)
        with await connected(address) as peer:
            peer.send(message("one") + message("two"))
            await until(lambda: len(core.received) == 2)
            assert await read(peer) == message("one") + message("two")
            peer.send(b"\r\n\r\n")
            assert await read(peer) == b"\r\n"
            flow = core.received[0][1]
            assert flow.remote == peer.getsockname()
            assert ours.flow_to("tcp", flow.remote) == flow
        await until(lambda: core.closed)
        assert core.closed == [flow]
        assert ours.connections == 0


@in_reactor(10)
async def test_the_answer_to_what_cannot_be_framed_arrives_though_more_was_sent() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        address = ours.listen("tcp", LOOPBACK, 0)
        with await connected(address) as peer:
            peer.send(message().replace(b"Content-Length: 0\r\n", b"") + b"x" * 100_000)
            assert await read(peer) == b"SIP/2.0 400 Bad\r\n\r\n"
            assert await read(peer) == b""
        await until(lambda: ours.connections == 0)


@in_reactor(20)
async def test_a_peer_that_reads_nothing_is_cut_off() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        address = ours.listen("tcp", LOOPBACK, 0)
        with await connected(address) as peer:
            peer.send(message())
            await until(lambda: core.received)
            flow = core.received[0][1]
            sent = 0
            while not core.failed:
                ours.carry_out([Transmit(flow, bytes(60_000))])
                sent += 60_000
                await pause(0)
                # The kernel's own buffers come first; they are a few MiB.
                assert sent < 40 * MAX_UNSENT_BYTES
            await until(lambda: core.closed)


@in_reactor(10)
async def test_our_own_stream_is_opened_once_and_used_both_ways() -> None:
    core, other = FakeCore(), FakeCore()
    async with endpoint(core) as ours, endpoint(other) as theirs:
        ours.listen("tcp", LOOPBACK, 0)
        flow = ours.flow_to("tcp", theirs.listen("tcp", LOOPBACK, 0))
        assert flow is not None
        core.answer = lambda _data, _flow: ()
        ours.carry_out([Transmit(flow, message("one")), Transmit(flow, message("two"))])
        await until(lambda: len(core.received) == 2)
        assert [data for data, _ in other.received] == [message("one"), message("two")]
        assert ours.connections == theirs.connections == 1
        assert core.received[0][1] == ours.flow_to("tcp", flow.remote)


@in_reactor(10)
async def test_a_stream_that_is_refused_fails() -> None:
    core = FakeCore()
    async with endpoint(core) as ours:
        ours.listen("tcp", LOOPBACK, 0)
        with bind("tcp", LOOPBACK, 0) as taken:
            flow = ours.flow_to("tcp", taken.getsockname())
        assert flow is not None
        ours.carry_out([Transmit(flow, message())])
        await until(lambda: core.failed)
        assert core.failed == [flow]


@in_reactor(10)
async def test_stop_closes_what_is_open_and_what_is_half_open() -> None:
    core = FakeCore()
    ours = Endpoint(the_reactor(), Routes(), wall=lambda: 0.0)
    ours.attach(core)
    address = ours.listen("tcp", LOOPBACK, 0)
    ours.listen("udp", LOOPBACK, 0)
    with await connected(address) as peer, socket.socket() as silent:
        # A listener whose queue is full answers nobody: the connection stays half open.
        silent.bind((LOOPBACK, 0))
        silent.listen(0)
        with contextlib.ExitStack() as queue:
            for _ in range(2):
                waiting = queue.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(silent.getsockname())
            flow = ours.flow_to("tcp", silent.getsockname())
            assert flow is not None
            ours.carry_out([Transmit(flow, message())])
            await until(lambda: ours.connections == 1)
            await ours.stop()
        assert await read(peer) == b""
    assert core.failed == []
