"""A whole service, media included, in pytest's reactor: it starts, answers, drains, and leaves nothing."""

import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from pbx.cli.interop.ports import free_media_ports
from pbx.config.settings import Settings
from pbx.errors import DocumentError, OperatorError, PortInUse
from pbx.registrar.binding import BindingAdded
from pbx.service.clock import Clock
from pbx.service.service import Service
from pbx.sip.message import Request, Response, parse
from tests.reactor import in_reactor, pause, read, the_reactor, until
from tests.service.wire import Caller, options
from tests.store.test_store import PHONE

pytestmark = pytest.mark.network

DIALPLAN = """
timezone: UTC
entry: [{from: anyone, chain: public}]
chains: {public: [{routing: [{to: "600", echo: {}}, {to: "601", reject: 486}]}]}
"""
# A first start compiles the media loop.
START_S = 120


def settings(directory: Path, *, listen: str = "udp:127.0.0.1:0", **more: str) -> Settings:
    """A configuration in `directory`; `more` are lines of its own."""
    lines = {
        "domain": "pbx.example",
        "listen": f'["{listen}", "tcp:127.0.0.1:0", "http:127.0.0.1:0"]',
        "directories": "{state: state}",
        "store": "sqlite:state/pbx.db",
        "media": f"{{ports: {free_media_ports(16)}}}",
        **more,
    }
    path = directory / "pbx.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
    if not (directory / "dialplan.yaml").exists():
        (directory / "dialplan.yaml").write_text(DIALPLAN)
    return Settings.load(path)


def service(of: Settings, failures: list[str] | None = None) -> Service:
    reactor = the_reactor()
    return Service(
        of,
        reactor,
        clock=Clock(reactor.seconds, lambda: datetime.now(UTC)),
        progress=lambda _: None,
        failed=(failures if failures is not None else []).append,
    )


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Service]:
    made = service(settings(directory))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def address(of: Service, transport: str) -> tuple[str, int]:
    return next((each.host, each.port) for each in of.reports.listeners if each.transport == transport)


async def get(where: Any, path: str, method: str = "GET") -> str:
    """What an address, or the path of a Unix socket, answers."""
    family = socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX
    with socket.socket(family) as line:
        line.connect(where)
        line.setblocking(False)
        line.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        text = b""
        while piece := await read(line):
            text += piece
    return text.decode()


async def heard(caller: Caller) -> Request | Response:
    caller.line.setblocking(False)
    return parse(await read(caller.line))


async def final(caller: Caller) -> Response:
    while True:
        message = await heard(caller)
        if isinstance(message, Response) and message.status >= 200:
            caller.acknowledge(message)
            return message


@in_reactor(START_S)
async def test_it_answers_by_udp_tcp_and_http_and_leaves_nothing(tmp_path: Path) -> None:
    thresholds = gc.get_threshold()
    descriptors: list[int] = []
    for _ in range(2):
        async with running(tmp_path) as ours:
            with Caller(address(ours, "udp")) as caller:
                caller.line.sendto(options(), caller.pbx)
                answer = await heard(caller)
                assert isinstance(answer, Response)
                assert answer.status == 200
                assert "INVITE" in (answer.get("allow") or "")
            with socket.create_connection(address(ours, "tcp"), timeout=5) as line:
                line.setblocking(False)
                line.send(options("TCP"))
                assert (await read(line)).startswith(b"SIP/2.0 200 OK\r\n")
            metrics = await get(address(ours, "http"), "/metrics")
            assert 'pbx_sip_options_requests_total{direction="in",transport="udp"} 1.0' in metrics
            status = await get(str(tmp_path / "state" / "pbx.sock"), "/api/status")
            assert '"state":"running"' in status
        assert not (tmp_path / "state" / "pbx.sock").exists()
        assert gc.get_threshold() == thresholds
        assert gc.get_freeze_count() == 0
        descriptors.append(len(os.listdir("/proc/self/fd")))
    assert descriptors[0] == descriptors[1]


@in_reactor(START_S)
async def test_a_silent_call_ends_and_the_control_socket_knows_of_its_legs(tmp_path: Path) -> None:
    media = f"{{ports: {free_media_ports(16)}, rtp_timeout: 2s}}"
    ours = service(settings(tmp_path, media=media))
    try:
        await ours.start()
        with Caller(address(ours, "udp")) as caller:
            caller.invite("600")
            assert (await final(caller)).status == 200
            control = str(tmp_path / "state" / "pbx.sock")
            calls = await get(control, "/api/calls")
            assert '"codec":"PCMU","holds":false,"packets_received":0' in calls
            assert '"mos":null' in calls
            (call_id,) = ours.switch.calls
            refused = await get(control, f"/api/calls/{call_id}/recording/pause", "POST")
            assert refused.startswith("HTTP/1.1 409")
            bye = await heard(caller)
            assert isinstance(bye, Request)
            assert bye.method == "BYE"
            caller.answer(bye)
            await until(lambda: not ours.switch.calls)
            metrics = await get(control, "/metrics")
            assert 'pbx_quality_events_total{cause="rtp-timeout",direction="in",trunk=""} 1.0' in metrics
    finally:
        await ours.stop()


@in_reactor(START_S)
async def test_a_call_that_goes_on_is_ended_by_the_drain_and_new_ones_are_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as ours:
        with Caller(address(ours, "udp")) as caller, Caller(address(ours, "udp")) as late:
            caller.invite("600")
            assert (await final(caller)).status == 200
            assert len(ours.switch.calls) == 1
            drained = Deferred.fromCoroutine(ours.drain(0.6))
            late.invite("600")
            refused = await final(late)
            assert (refused.status, refused.get("retry-after")) == (503, "5")
            assert '"state":"draining"' in await get(address(ours, "http"), "/api/status")
            assert not drained.called
            bye = await heard(caller)
            assert isinstance(bye, Request)
            assert bye.method == "BYE"
            caller.answer(bye)
            await drained
            assert not ours.switch.calls
            assert ours.media.ports_in_use == 0


@in_reactor(START_S)
async def test_a_drain_without_calls_is_over_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as ours:
        drained = Deferred.fromCoroutine(ours.drain(60))
        assert drained.called


@in_reactor(START_S)
async def test_a_drain_can_be_cut_short(tmp_path: Path) -> None:
    async with running(tmp_path) as ours:
        with Caller(address(ours, "udp")) as caller:
            caller.invite("600")
            await final(caller)
            drained = Deferred.fromCoroutine(ours.drain(60))
            await pause(0.01)
            ended: list[object] = []
            drained.addErrback(ended.append)
            drained.cancel()
            await until(lambda: ended)
            # Whoever talks is told all the same: without a BYE the phone would stay in a call with nobody.
            bye = await heard(caller)
            assert isinstance(bye, Request)
            assert bye.method == "BYE"


@in_reactor(START_S)
async def test_a_new_dialplan_is_taken_and_a_bad_one_is_not(tmp_path: Path) -> None:
    async with running(tmp_path) as ours:
        with Caller(address(ours, "udp")) as caller:
            caller.invite("601")
            assert (await final(caller)).status == 486
            plan = tmp_path / "dialplan.yaml"
            plan.write_text(DIALPLAN.replace("486", "603"))
            assert "is generation 2 now" in str(await ours.reload())
            caller.invite("601")
            assert (await final(caller)).status == 603
            plan.write_text(DIALPLAN.replace("reject", "rejct"))
            with pytest.raises(DocumentError) as error:
                await ours.reload()
            assert str(error.value).startswith(f"{plan}:4:")
            caller.invite("601")
            assert (await final(caller)).status == 603
            assert ours.router.generation.number == 2


@in_reactor(START_S)
async def test_what_is_malformed_on_a_stream_is_answered_and_the_stream_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as ours:
        with socket.create_connection(address(ours, "tcp"), timeout=5) as line:
            line.setblocking(False)
            line.send(options("TCP").replace(b"Content-Length: 0\r\n", b""))
            assert (await read(line)).startswith(b"SIP/2.0 400 ")
            assert await read(line) == b""
        await until(lambda: ours.endpoint.connections == 0)


@pytest.mark.parametrize("transport", ["udp", "http"])
@in_reactor(60)
async def test_a_start_that_fails_leaves_nothing(tmp_path: Path, transport: str) -> None:
    with socket.socket(
        socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    ) as taken:
        taken.bind(("127.0.0.1", 0))
        if transport == "http":
            taken.listen()
        where = f"{transport}:127.0.0.1:{taken.getsockname()[1]}"
        listen = where if transport == "udp" else f'udp:127.0.0.1:0", "{where}'
        made = service(settings(tmp_path, listen=listen))
        with pytest.raises(PortInUse, match=f"{where} is in use"):
            await made.start()
        await made.stop()
    assert not (tmp_path / "state" / "pbx.sock").exists()


@in_reactor(60)
async def test_another_service_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path):
        second = service(settings(tmp_path))
        with pytest.raises(PortInUse, match="another pbx runs here"):
            await second.start()
        await second.stop()
        assert (tmp_path / "state" / "pbx.sock").exists()


def test_directories_that_cannot_be_made_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(OperatorError) as error:
        service(settings(tmp_path))
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("cannot be made (file exists): name another one under `directories`")


@in_reactor(START_S)
async def test_bindings_outlive_a_restart(tmp_path: Path) -> None:
    users = "{1001: {password: a}}"
    first = service(settings(tmp_path, users=users))
    await first.start()
    first._bindings_changed([BindingAdded(PHONE)], PHONE.expires_at - 600)
    await first.stop()
    second = service(settings(tmp_path, users=users))
    await second.start()
    restored = [(each.user, each.address) for each in second.reports.registrations()]
    await second.stop()
    assert restored == [("1001", "198.51.100.7:40000")]
