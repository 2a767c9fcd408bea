"""uvicorn in the reactor's loop: sockets, permissions, who is in the way, and leaving nothing behind."""

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from pbx.api import server as server_module
from pbx.api.server import HttpServer
from pbx.errors import MisuseError, OperatorError, PortInUse
from tests.api.loop import in_loop

pytestmark = pytest.mark.network


async def hello(scope: Scope, _receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def by_tcp(server: HttpServer) -> httpx.AsyncClient:
    host, port = server.address
    return httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False)


def by_unix(path: Path) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://pbx", trust_env=False
    )


async def refusal(server: HttpServer, kind: type[OperatorError]) -> str:
    with pytest.raises(kind) as caught:
        await server.start()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    return text


@in_loop
async def test_port_zero_is_a_real_port_and_stop_leaves_nothing() -> None:
    server = HttpServer(hello, host="127.0.0.1")
    await server.start()
    port = server.port
    assert port > 0
    async with by_tcp(server) as http:
        answer = await http.get("/")
        assert answer.text == "hello"
        assert "server" not in answer.headers
        # The client's connection is still open, kept alive.
        await server.stop()
    await server.stop()
    again = HttpServer(hello, host="127.0.0.1", port=port)
    await again.start()
    await again.stop()


@in_loop
async def test_signals_stay_the_service_s() -> None:
    watched = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(each) for each in watched]
    server = HttpServer(hello, host="127.0.0.1")
    await server.start()
    assert [signal.getsignal(each) for each in watched] == before
    await server.stop()
    assert [signal.getsignal(each) for each in watched] == before


@in_loop
async def test_a_request_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_STOP_SECONDS", 0)
    begun = asyncio.Event()

    async def never(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    server = HttpServer(never, host="127.0.0.1")
    await server.start()
    _reader, writer = await asyncio.open_connection(*server.address)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await begun.wait()
    await server.stop()
    writer.close()
    await writer.wait_closed()


@in_loop
async def test_a_port_in_use_is_one_line() -> None:
    first = HttpServer(hello, host="127.0.0.1")
    await first.start()
    text = await refusal(HttpServer(hello, host="127.0.0.1", port=first.port), PortInUse)
    assert f"http:127.0.0.1:{first.port} is in use" in text
    await first.stop()


@pytest.mark.parametrize(
    ("host", "port", "advice"),
    [
        ("192.0.2.1", 0, "no such address"),
        ("\u00e9" * 70, 0, "neither an address nor a known name"),
    ],
)
def test_addresses_that_are_not_ours(host: str, port: int, advice: str) -> object:
    @in_loop
    async def scenario() -> None:
        assert advice in await refusal(HttpServer(hello, host=host, port=port), OperatorError)

    return scenario()


def test_misuse() -> None:
    with pytest.raises(MisuseError):
        HttpServer(hello)
    with pytest.raises(MisuseError):
        HttpServer(hello, host="127.0.0.1", path=Path("x"))
    with pytest.raises(MisuseError):
        _ = HttpServer(hello, path=Path("x")).address


@in_loop
async def test_a_server_starts_once() -> None:
    server = HttpServer(hello, host="127.0.0.1")
    await server.start()
    with pytest.raises(MisuseError):
        await server.start()
    await server.stop()


@in_loop
async def test_the_socket_is_for_our_own_user_only(tmp_path: Path) -> None:
    path = tmp_path / "pbx.sock"
    mask = os.umask(0)
    try:
        server = HttpServer(hello, path=path)
        await server.start()
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with by_unix(path) as http:
        assert (await http.get("/")).text == "hello"
    await server.stop()
    assert not path.exists()


@in_loop
async def test_the_socket_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pbx.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
        dead.listen()
    server = HttpServer(hello, path=path)
    await server.start()
    async with by_unix(path) as http:
        assert (await http.get("/")).text == "hello"
    await server.stop()


@in_loop
async def test_the_socket_of_a_live_process_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pbx.sock"
    first = HttpServer(hello, path=path)
    await first.start()
    assert "another pbx" in await refusal(HttpServer(hello, path=path), PortInUse)
    async with by_unix(path) as http:
        assert (await http.get("/")).text == "hello"
    await first.stop()


@in_loop
async def test_a_live_process_that_is_too_busy_to_answer_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_CONNECT_SECONDS", 0.0)
    path = tmp_path / "pbx.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with waiting:
            waiting.connect(str(path))
            await refusal(HttpServer(hello, path=path), PortInUse)
    assert path.exists()


def a_file(path: Path) -> None:
    path.write_text("precious")


def a_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize("make", [a_file, a_link, Path.mkdir])
def test_what_is_no_socket_is_never_removed(tmp_path: Path, make: Callable[[Path], None]) -> object:
    @in_loop
    async def scenario() -> None:
        path = tmp_path / "pbx.sock"
        make(path)
        assert "move it away" in await refusal(HttpServer(hello, path=path), OperatorError)
        assert path.is_symlink() or path.exists()

    return scenario()


@in_loop
async def test_paths_that_cannot_be(tmp_path: Path) -> None:
    assert "too long" in await refusal(HttpServer(hello, path=tmp_path / ("x" * 120)), OperatorError)
    assert "must exist" in await refusal(HttpServer(hello, path=tmp_path / "no" / "pbx.sock"), OperatorError)


@in_loop
async def test_a_socket_that_somebody_else_put_there_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "pbx.sock"
    first = HttpServer(hello, path=path)
    await first.start()
    # Held open under another name, so that its inode is not given to the next one.
    path.rename(tmp_path / "old.sock")
    second = HttpServer(hello, path=path)
    await second.start()
    await first.stop()
    async with by_unix(path) as http:
        assert (await http.get("/")).text == "hello"
    await second.stop()
