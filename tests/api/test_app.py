"""What the API says, and what it refuses, without sockets."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import Request

from pbx.api.app import MAX_BODY_OCTETS, create_app
from pbx.api.models import (
    CallReport,
    LegReport,
    ListenerReport,
    PortsReport,
    RegistrationReport,
    ServiceState,
    StatusReport,
)
from tests.api.loop import in_loop

CALL = CallReport(
    id="c1",
    state="answered",
    caller="1001",
    caller_name="Zo\u00eb",
    called="1002",
    source="users",
    started_at=datetime(2026, 11, 21, 9, 0, tzinfo=UTC),
    duration_seconds=12.5,
    legs=[LegReport(id="l1", direction="in", state="answered", peer="1001", codec="PCMU")],
)
BINDING = RegistrationReport(
    user="1001",
    contact="sip:1001@192.0.2.5",
    transport="udp",
    address="192.0.2.5:5060",
    expires_in_seconds=59.5,
)


class Service:
    """A service of the test's own making."""

    def __init__(self) -> None:
        self.state: ServiceState = "running"
        self.call_list = [CALL]
        self.read = 0
        self.broken = False

    def status(self) -> StatusReport:
        if self.broken:
            raise LookupError("a secret of the inside")
        return StatusReport(
            version="0.1.0",
            state=self.state,
            domain="pbx.example",
            uptime_seconds=3.5,
            listeners=[ListenerReport(transport="udp", host="0.0.0.0", port=5060)],
            calls=len(self.call_list),
            legs=2,
            transactions=3,
            dialogs=2,
            registrations=1,
            media_ports=PortsReport(in_use=2, limit=5000),
        )

    def calls(self) -> Iterable[CallReport]:
        for call in self.call_list:
            self.read += 1
            yield call

    def registrations(self) -> Iterable[RegistrationReport]:
        return [BINDING]

    def render(self) -> tuple[bytes, str]:
        return b"pbx_calls_active 1.0\n", "text/plain; version=0.0.4; charset=utf-8"


def client(service: Service, *, host: str = "127.0.0.1:8088") -> httpx.AsyncClient:
    app = create_app(service, service, hosts=["PBX.example"])

    @app.post("/reads")
    async def reads(request: Request) -> int:
        return len(await request.body())

    @app.post("/parses")
    async def parses(items: list[int]) -> int:
        return len(items)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", trust_env=False)


@in_loop
async def test_health_follows_the_service() -> None:
    service = Service()
    async with client(service) as http:
        answer = await http.get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "running"})
        for state in ("starting", "draining"):
            service.state = state
            answer = await http.get("/health")
            assert (answer.status_code, answer.json()) == (503, {"status": state})


@in_loop
async def test_metrics_are_the_page_as_it_is() -> None:
    async with client(Service()) as http:
        answer = await http.get("/metrics")
    assert answer.content == b"pbx_calls_active 1.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@in_loop
async def test_status_calls_and_registrations() -> None:
    async with client(Service()) as http:
        status = (await http.get("/api/status")).json()
        calls = (await http.get("/api/calls")).json()
        registrations = (await http.get("/api/registrations")).json()
    assert (status["state"], status["media_ports"]) == ("running", {"in_use": 2, "limit": 5000})
    assert calls["total"] == 1
    assert CallReport.model_validate(calls["calls"][0]) == CALL
    assert calls["calls"][0]["started_at"] == "2026-11-21T09:00:00Z"
    assert calls["calls"][0]["legs"][0]["jitter_ms"] is None
    assert registrations == {"total": 1, "registrations": [BINDING.model_dump()]}


@in_loop
async def test_long_lists_are_cut_and_their_rest_is_not_read() -> None:
    service = Service()
    service.call_list = [CALL] * 50
    async with client(service) as http:
        answer = (await http.get("/api/calls?limit=20")).json()
    assert (len(answer["calls"]), answer["total"], service.read) == (20, 50, 20)


@pytest.mark.parametrize("limit", ["0", "-1", "10001", "many"])
def test_limits_are_checked(limit: str) -> object:
    @in_loop
    async def scenario() -> None:
        async with client(Service()) as http:
            answer = await http.get(f"/api/calls?limit={limit}")
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("query.limit: ")

    return scenario()


@in_loop
async def test_nothing_can_be_changed() -> None:
    async with client(Service()) as http:
        for path in ("/api/calls/c1", "/api/calls"):
            answer = await http.delete(path)
            assert answer.status_code in {404, 405}
            assert answer.json()["hint"]
        assert (await http.get("/api/calls")).status_code == 200


@in_loop
async def test_errors_are_json_and_say_what_to_do() -> None:
    async with client(Service()) as http:
        for answer in (await http.get("/nowhere"), await http.put("/api/status")):
            assert answer.status_code in {404, 405}
            assert "openapi" in answer.json()["hint"]
        assert (await http.get("/api/openapi.json")).json()["info"]["title"] == "pbx"


@in_loop
async def test_a_fault_of_ours_tells_nothing_of_the_inside() -> None:
    service = Service()
    service.broken = True
    async with client(service) as http:
        answer = await http.get("/api/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["hint"]


@pytest.mark.parametrize("path", ["/reads", "/parses"])
@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_are_refused(path: str, chunked: bool) -> object:
    @in_loop
    async def scenario() -> None:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b" " * (MAX_BODY_OCTETS // 2)

        async with client(Service()) as http:
            http.headers["content-type"] = "application/json"
            content = chunks() if chunked else b" " * (MAX_BODY_OCTETS + 1)
            answer = await http.post(path, content=content)
            assert answer.status_code == 413
            assert str(MAX_BODY_OCTETS) in answer.json()["hint"]
            answer = await http.post(path, content=b"[1]" + b" " * (MAX_BODY_OCTETS - 3))
            assert answer.status_code == 200

    return scenario()


@pytest.mark.parametrize("length", ["-1", "x", "9" * 40])
def test_absurd_lengths_are_refused(length: str) -> object:
    @in_loop
    async def scenario() -> None:
        async with client(Service()) as http:
            answer = await http.get("/health", headers={"content-length": length})
        assert answer.status_code == 413

    return scenario()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8088", 200),
        ("[::1]:8088", 200),
        ("localhost", 200),
        ("pbx", 200),
        ("pbx.example.:8088", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("pbx.example.evil.example:8088", 421),
    ],
)
def test_only_our_own_names_are_answered(host: str, status: int) -> object:
    @in_loop
    async def scenario() -> None:
        async with client(Service(), host=host) as http:
            answer = await http.get("/health")
        assert answer.status_code == status
        assert set(answer.json()) == ({"status"} if status == 200 else {"error", "hint"})

    return scenario()
