"""Recordings are paused by the control socket's API, and only there."""

import httpx
import pytest
from fastapi import FastAPI

from pbx.api.app import create_app
from pbx.api.recordings import add_recordings
from pbx.errors import OperatorError
from tests.api.loop import in_loop
from tests.api.test_app import Service


class Control:
    """One call that is recorded, and one that is not."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def pause(self, call_id: str, *, silence: bool) -> bool:
        self.asked.append(("pause", silence))
        return self._is_known(call_id)

    def resume(self, call_id: str) -> bool:
        self.asked.append(("resume", None))
        return self._is_known(call_id)

    def _is_known(self, call_id: str) -> bool:
        if call_id == "silent":
            raise OperatorError("the call is not recorded", "do this")
        return call_id == "c1"


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost", trust_env=False)


def an_app(control: Control | None) -> FastAPI:
    service = Service()
    app = create_app(service, service)
    if control is not None:
        add_recordings(app, control)
    return app


@in_loop
async def test_pause_and_resume() -> None:
    control = Control()
    async with client(an_app(control)) as http:
        paused = await http.post("/api/calls/c1/recording/pause")
        left_out = await http.post("/api/calls/c1/recording/pause?silence=false")
        resumed = await http.post("/api/calls/c1/recording/resume")
    assert (paused.status_code, paused.json()) == (200, {"id": "c1", "state": "paused"})
    assert left_out.status_code == 200
    assert resumed.json() == {"id": "c1", "state": "recording"}
    assert control.asked == [("pause", True), ("pause", False), ("resume", None)]


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody/recording/pause", 404), ("silent/recording/resume", 409), ("c1/recording/erase", 422)],
)
def test_what_cannot_be(path: str, status: int) -> None:
    @in_loop
    async def ask() -> None:
        async with client(an_app(Control())) as http:
            answer = await http.post(f"/api/calls/{path}")
        assert answer.status_code == status
        assert answer.json()["error"]

    ask()


@in_loop
async def test_a_page_without_control_has_no_such_path() -> None:
    async with client(an_app(None)) as http:
        assert (await http.post("/api/calls/c1/recording/pause")).status_code == 404
