"""Calls are ended, sent keys and played sounds by the control socket's API, and only there."""

import httpx
import pytest

from pbx.api.app import create_app
from pbx.api.calls import (
    DigitsReport,
    HangupReport,
    HangupsReport,
    OriginateReport,
    PlayReport,
    Side,
    add_calls,
)
from pbx.errors import OperatorError
from tests.api.loop import in_loop
from tests.api.test_app import Service


class Control:
    """One call, and one that can do nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []

    async def originate(self, whom: str, called: str, ring_s: float | None, shown: str) -> OriginateReport:
        self.asked.append(("originate", whom, called, ring_s, shown))
        if whom == "1009":
            raise OperatorError("there is no user 1009", "look")
        return OriginateReport(id="c1", rings=f"user/{whom}", called=called)

    def hang_up(self, name: str) -> HangupReport | None:
        self.asked.append(("hang up", name))
        return HangupReport(id="c1") if self._is_known(name) else None

    def hang_up_all(self) -> HangupsReport:
        return HangupsReport(calls=["c1", "c2"])

    def send_digits(self, name: str, digits: str, side: Side | None) -> DigitsReport | None:
        self.asked.append(("digits", name, digits, side))
        return DigitsReport(id="c1", peer="user/1002", digits=digits) if self._is_known(name) else None

    async def play(self, name: str, sound: str) -> PlayReport | None:
        self.asked.append(("play", name, sound))
        return PlayReport(id="c1", sound=sound, seconds=1.5) if self._is_known(name) else None

    def _is_known(self, name: str) -> bool:
        if name == "rings":
            raise OperatorError("nobody is there", "wait")
        return name in {"c1", "a/b@c d"}


def client(control: Control | None) -> httpx.AsyncClient:
    service = Service()
    app = create_app(service, service)
    if control is not None:
        add_calls(app, control)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", trust_env=False)


@in_loop
async def test_hanging_up() -> None:
    control = Control()
    async with client(control) as http:
        answer = await http.delete("/api/calls/c1")
        assert (answer.status_code, answer.json()) == (202, {"id": "c1", "state": "ending"})
        answer = await http.delete("/api/calls/a%2Fb%40c%20d")
        assert (answer.status_code, answer.json()) == (202, {"id": "c1", "state": "ending"})
        answer = await http.delete("/api/calls/c2")
        assert (answer.status_code, set(answer.json())) == (404, {"error", "hint"})
        answer = await http.delete("/api/calls/" + "x" * 300)
        assert answer.status_code == 422
        answer = await http.delete("/api/calls")
        assert (answer.status_code, answer.json()) == (202, {"calls": ["c1", "c2"]})
    assert control.asked == [("hang up", "c1"), ("hang up", "a/b@c d"), ("hang up", "c2")]


@in_loop
async def test_originating() -> None:
    control = Control()
    async with client(control) as http:
        answer = await http.post("/api/calls", params={"from": "1001", "to": "7000"})
        assert (answer.status_code, answer.json()) == (
            202,
            {"id": "c1", "rings": "user/1001", "called": "7000"},
        )
        answer = await http.post(
            "/api/calls", params={"from": "1001", "to": "+31", "ring": 12.5, "show": "99"}
        )
        assert answer.status_code == 202
        answer = await http.post("/api/calls", params={"from": "1009", "to": "7000"})
        assert (answer.status_code, answer.json()["error"]) == (409, "there is no user 1009")
        for query in ("", "from=1001", "to=1", "from=&to=1", "from=1&to=a%20b", "from=1&to=2&ring=0"):
            answer = await http.post(f"/api/calls?{query}")
            assert answer.status_code == 422, query
    assert control.asked[:2] == [
        ("originate", "1001", "7000", None, ""),
        ("originate", "1001", "+31", 12.5, "99"),
    ]
    assert len(control.asked) == 3


@in_loop
async def test_digits() -> None:
    control = Control()
    async with client(control) as http:
        answer = await http.post("/api/calls/c1/digits", params={"digits": "12#d"})
        assert (answer.status_code, answer.json()) == (
            202,
            {"id": "c1", "peer": "user/1002", "digits": "12#D"},
        )
        answer = await http.post("/api/calls/c1/digits", params={"digits": "1", "side": "caller"})
        assert answer.status_code == 202
    assert control.asked == [("digits", "c1", "12#D", None), ("digits", "c1", "1", "caller")]


@in_loop
async def test_playing() -> None:
    control = Control()
    async with client(control) as http:
        answer = await http.post("/api/calls/c1/play", params={"sound": "closed"})
        assert (answer.status_code, answer.json()) == (202, {"id": "c1", "sound": "closed", "seconds": 1.5})
    assert control.asked == [("play", "c1", "closed")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("c2/digits?digits=1", 404),
        ("c2/play?sound=closed", 404),
        ("rings/digits?digits=1", 409),
        ("rings/play?sound=closed", 409),
        ("c1/digits?digits=", 422),
        ("c1/digits?digits=1x", 422),
        ("c1/digits?digits=1%0A", 422),
        ("c1/digits?digits=" + "1" * 33, 422),
        ("c1/digits?digits=1&side=both", 422),
        ("c1/play?sound=", 422),
        ("c1/play", 422),
    ],
)
def test_what_cannot_be_is_refused(path: str, status: int) -> object:
    @in_loop
    async def scenario() -> None:
        async with client(Control()) as http:
            answer = await http.post(f"/api/calls/{path}")
        assert answer.status_code == status
        assert answer.json()["error"]
        assert answer.json()["hint"]

    return scenario()


@in_loop
async def test_none_of_it_without_control() -> None:
    async with client(None) as http:
        assert (await http.delete("/api/calls/c1")).status_code == 404
        assert (await http.delete("/api/calls")).status_code == 405
        assert (await http.post("/api/calls?from=1001&to=1002")).status_code == 405
        for path in ("digits?digits=1", "play?sound=closed"):
            assert (await http.post(f"/api/calls/c1/{path}")).status_code == 404
