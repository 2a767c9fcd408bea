"""Whatever the control socket can be asked for is asked by a name that is ours, or refused."""

import re
from typing import Any, cast

import httpx
import pytest
from fastapi.routing import APIRoute

from pbx.api.app import create_app
from pbx.api.calls import add_calls
from pbx.api.dialplans import add_dialplans
from pbx.api.queues import add_queues
from pbx.api.recordings import add_recordings
from tests.api.loop import in_loop
from tests.api.test_app import Service


def everything() -> Any:
    """The application of the control socket; asking anybody behind it for anything fails."""
    service, nobody = Service(), cast("Any", object())
    app = create_app(service, service, hosts=["pbx.example"])
    add_calls(app, nobody)
    add_dialplans(app, nobody, nobody)
    add_queues(app, nobody, nobody)
    add_recordings(app, nobody)
    return app


APP = everything()
ASKED = [
    (method, re.sub(r"{[^}]*}", "x", route.path))
    for route in APP.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


def test_there_is_much_to_ask_for() -> None:
    methods = {method for method, _ in ASKED}
    assert {"GET", "POST", "DELETE"} <= methods
    assert len(ASKED) > 20


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "[::1.evil.example]",
        "[::1].evil.example",
        "127.0.0.1:8088.evil.example",
        "localhost:evil.example",
        "",
    ],
)
def test_by_a_name_that_is_not_ours_it_is_refused(method: str, path: str, host: str) -> object:
    @in_loop
    async def scenario() -> None:
        transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://pbx", trust_env=False) as http:
            answer = await http.request(method, path, headers={"host": host})
        assert answer.status_code == 421

    return scenario()
