"""`pbx originate`, `hangup`, `dtmf` and `play` against a control socket that a test serves."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_control import here, one_line, run, serving

__all__ = ["here"]


@pytest.mark.parametrize(
    ("arguments", "value", "path", "said"),
    [
        (
            ["originate", "1001", "+31"],
            {"id": "c1", "rings": "user/1001", "called": "+31"},
            b"POST /api/calls?from=1001&to=%2B31 ",
            "call c1: user/1001 is rung, to call +31",
        ),
        (
            ["originate", "trunk/carrier/06", "600", "--ring", "12.5", "--show", "99"],
            {"id": "c1", "rings": "trunk/carrier/06", "called": "600"},
            b"POST /api/calls?from=trunk%2Fcarrier%2F06&to=600&ring=12.5&show=99 ",
            "call c1: trunk/carrier/06 is rung, to call 600",
        ),
        (
            ["hangup", "a/b@c"],
            {"id": "c1", "state": "ending"},
            b"DELETE /api/calls/a%2Fb%40c ",
            "call c1 ends",
        ),
        (["hangup", "--all"], {"calls": ["c1", "c2"]}, b"DELETE /api/calls ", "call c1 ends\ncall c2 ends"),
        (["hangup", "--all"], {"calls": []}, b"DELETE /api/calls ", "there was no call"),
        (
            ["dtmf", "c1", "1#"],
            {"id": "c1", "peer": "user/1002", "digits": "1#"},
            b"POST /api/calls/c1/digits?digits=1%23 ",
            "user/1002 is sent 1#",
        ),
        (
            ["dtmf", "c1", "--leg", "caller", "9"],
            {"id": "c1", "peer": "user/1001", "digits": "9"},
            b"POST /api/calls/c1/digits?digits=9&side=caller ",
            "user/1001 is sent 9",
        ),
        (
            ["play", "c1", "closed"],
            {"id": "c1", "sound": "closed", "seconds": 2.34},
            b"POST /api/calls/c1/play?sound=closed ",
            "call c1 hears closed for 2.3 s",
        ),
    ],
)
def test_what_is_asked_and_said(
    here: Path, arguments: list[str], value: dict[str, Any], path: bytes, said: str
) -> None:
    for more in ([], ["--json"]):
        (here / "pbx.sock").unlink(missing_ok=True)
        with serving(here / "pbx.sock", json.dumps(value).encode(), 202) as asked:
            result = run(*arguments, *more)
        assert result.exit_code == 0, result.output
        assert asked[0].startswith(path)
        if more:
            assert json.loads(result.stdout) == value
        else:
            assert result.stdout == f"{said}\n"


@pytest.mark.parametrize("arguments", [["hangup", "c2"], ["dtmf", "c2", "1"], ["play", "c2", "closed"]])
def test_a_refusal_is_a_line_and_1(here: Path, arguments: list[str]) -> None:
    body = json.dumps({"error": "there is no call of this id", "hint": "look"}).encode()
    with serving(here / "pbx.sock", body, 404):
        assert one_line(run(*arguments)) == "pbx: there is no call of this id: look"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hangup"], "name a call, or give --all"),
        (["hangup", "c1", "--all"], "name a call, or give --all"),
        (["dtmf", "c1", "1x"], "'1x' is not 1 to 32 of"),
        (["dtmf", "c1", ""], "'' is not 1 to 32 of"),
        (["dtmf", "c1", "1" * 33], "is not 1 to 32 of"),
        (["dtmf", "c1", "--leg", "both", "1"], "--leg"),
        (["play", "c1"], "SOUND"),
        (["originate", "1001"], "TO"),
        (["originate", "1001", "600", "--ring", "0"], "--ring"),
    ],
)
def test_wrong_use(here: Path, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
