"""`pbx status`, `calls` and `registrations` against a control socket that a test serves."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main
from pbx.errors import OperatorError
from pbx.testing import Supervisor

STATUS = {
    "version": "0.1.0",
    "state": "running",
    "domain": "pbx.example",
    "uptime_seconds": 61.4,
    "listeners": [{"transport": "udp", "host": "0.0.0.0", "port": 5060}],
    "generation": 3,
    "calls": 1,
    "legs": 2,
    "registrations": 4,
    "media_ports": {"in_use": 2, "limit": 50},
}
CALL = {
    "id": "c1",
    "state": "answered",
    "duration_seconds": 12.3,
    "caller": "1001",
    "called": "1002",
    "legs": [
        {
            "peer": "user/1001",
            "codec": "PCMU",
            "mos": 4.2,
            "peer_mos": 3.1,
            "troubles": ["one-way-audio in"],
        },
        {"peer": "user/1002", "codec": None, "mos": None},
    ],
    "notes": [{"kind": "one-way-audio"}],
}
REGISTRATION = {
    "user": "1001",
    "contact": "sip:1001@192.0.2.9",
    "transport": "udp",
    "address": "192.0.2.9:5060",
    "expires_in_seconds": 59.9,
    "user_agent": "Phone\x1b[2J 1.0",
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pbx.yaml").write_text("directories: {state: .}\nusers: {1001: {password: env:NOT_SET}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def serving(path: Path, body: bytes, status: int = 200) -> Iterator[list[bytes]]:
    """Answers one request on the Unix socket `path`; gives what was asked."""
    asked: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(60)

        def serve() -> None:
            line, _ = listening.accept()
            with line:
                asked.append(line.recv(65536))
                line.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

        thread = Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            thread.join(10)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="pbx")


def asked_for(here: Path, value: Any, *arguments: str) -> tuple[Result, bytes]:
    with serving(here / "pbx.sock", json.dumps(value).encode()) as asked:
        result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result, asked[0]


@pytest.mark.parametrize(
    ("verb", "value", "path"),
    [
        ("status", STATUS, b"GET /api/status "),
        ("calls", {"calls": [CALL], "total": 1}, b"GET /api/calls "),
        ("registrations", {"registrations": [REGISTRATION], "total": 1}, b"GET /api/registrations "),
    ],
)
def test_json_is_the_answer_of_the_api(here: Path, verb: str, value: Any, path: bytes) -> None:
    result, asked = asked_for(here, value, verb, "--json")
    assert json.loads(result.stdout) == value
    assert asked.startswith(path)


def test_status(here: Path) -> None:
    result, _ = asked_for(here, STATUS, "status")
    assert result.stdout.splitlines() == [
        "pbx 0.1.0 at pbx.example: running for 61 s",
        "  listens on     udp:0.0.0.0:5060",
        "  dialplan       generation 3",
        "  calls          1 (2 legs)",
        "  registrations  4",
        "  media ports    2 of 50 pairs",
    ]


@pytest.mark.parametrize(
    ("arguments", "path", "state", "words"),
    [
        (["pause", "c/1"], b"POST /api/calls/c%2F1/recording/pause?silence=true ", "paused", "is paused"),
        (
            ["pause", "--leave-out", "c1"],
            b"POST /api/calls/c1/recording/pause?silence=false ",
            "paused",
            "is paused",
        ),
        (["resume", "c1"], b"POST /api/calls/c1/recording/resume ", "recording", "goes on"),
    ],
)
def test_recordings_are_paused_and_go_on(
    here: Path, arguments: list[str], path: bytes, state: str, words: str
) -> None:
    result, asked = asked_for(here, {"id": "c1", "state": state}, "record", *arguments)
    assert (result.exit_code, asked.startswith(path)) == (0, True)
    assert words in result.stdout


def test_a_recording_that_there_is_not(here: Path) -> None:
    body = json.dumps({"error": "the call is not recorded", "hint": "do this"}).encode()
    with serving(here / "pbx.sock", body, 409):
        result = run("record", "pause", "c1")
    assert result.exit_code == 1
    assert "the call is not recorded" in result.stderr


def test_calls_as_a_table(here: Path) -> None:
    result, _ = asked_for(here, {"calls": [CALL], "total": 7}, "calls")
    assert result.stdout.splitlines() == [
        "call  state     since  from  to    mos   legs",
        "c1    answered  12 s   1001  1002  3.1!  user/1001 PCMU (one-way-audio in) - user/1002",
        "and 6 more",
    ]


def test_what_a_phone_said_cannot_move_the_cursor(here: Path) -> None:
    result, _ = asked_for(here, {"registrations": [REGISTRATION], "total": 1}, "registrations")
    assert "\x1b" not in result.stdout
    assert "Phone\\x1b[2J 1.0" in result.stdout


def one_line(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("verb", ["status", "calls", "registrations"])
def test_without_a_service_it_says_what_to_do(here: Path, verb: str) -> None:
    wanted = "pbx: no service answers at pbx.sock: start it with `pbx run`, as the same user"
    assert one_line(run(verb)) == wanted
    # A socket that a dead process has left is no different.
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(here / "pbx.sock"))
    assert one_line(run(verb)) == wanted


@pytest.mark.parametrize("body", [b"", b"no json", b"\xff\xfe"])
def test_an_answer_that_is_none(here: Path, body: bytes) -> None:
    with serving(here / "pbx.sock", body):
        assert one_line(run("status")).startswith("pbx: no service answers at ")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b'{"error": "it is too busy"}', "pbx: the service answered 503: it is too busy"),
        (b"{}", "pbx: the service answered 503"),
        (b'["what"]', "pbx: the service answered 503"),
    ],
)
def test_an_answer_that_is_a_refusal(here: Path, body: bytes, line: str) -> None:
    with serving(here / "pbx.sock", body, 503):
        assert one_line(run("status")) == line


def test_a_configuration_elsewhere(here: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "pbx.yaml").write_text("directories: {state: run}\n")
    (tmp_path / "site" / "run").mkdir()
    with serving(tmp_path / "site" / "run" / "pbx.sock", json.dumps(STATUS).encode()):
        result = run("status", "--config", str(tmp_path / "site" / "pbx.yaml"))
    assert result.exit_code == 0


def test_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert one_line(run("status")) == (
        "pbx: there is no pbx.yaml here: name a --config, or go to the directory that has one"
    )


def test_a_dialplan_is_no_configuration(here: Path) -> None:
    (here / "plan.yaml").write_text("timezone: UTC\nentry: []\nchains: {}\n")
    line = one_line(run("status", "--config", "plan.yaml"))
    assert (
        line == "plan.yaml:1:1: found a dialplan, expected a configuration, which names it under `dialplan`"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("close", "support"), "queue support is closed"),
        (("open", "support"), "queue support is open"),
        (("assign", "c1", "1002"), "call c1 is offered to agent 1002"),
        (("listen", "1002", "--as", "1001"), "user 1001 is called"),
        (("record", "1002"), "the conversation of agent 1002 is recorded"),
        (("record", "1002", "--stop"), "the conversation of agent 1002 is recorded no more"),
    ],
)
def test_what_was_done_to_a_queue_is_said(here: Path, arguments: tuple[str, ...], said: str) -> None:
    with serving(here / "pbx.sock", b"null", 202):
        result = run("queues", *arguments)
    assert (result.exit_code, result.stdout) == (0, f"{said}\n")


def test_one_leg_is_not_legs(here: Path) -> None:
    with serving(here / "pbx.sock", json.dumps({**STATUS, "legs": 1}).encode()):
        assert "  calls          1 (1 leg)\n" in run("status").stdout


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ({"state": "available", "logged_in": True, "paused": ""}, "available"),
        ({"state": "paused", "logged_in": True, "paused": "lunch"}, "paused (lunch)"),
        ({"state": "offline", "logged_in": False, "paused": ""}, "offline"),
        ({"state": "offline", "logged_in": True, "paused": ""}, "offline (no phone is registered)"),
    ],
)
def test_an_agent_without_a_phone_is_told_from_one_who_has_gone(
    here: Path, agent: dict[str, Any], said: str
) -> None:
    value = {"agent": "1001", "queues": [], "calls": [], "answered": 0, **agent}
    with serving(here / "pbx.sock", json.dumps(value).encode()):
        assert run("queues", "log-in", "1001").stdout == f"agent 1001 is {said}\n"
    (here / "pbx.sock").unlink()
    with serving(here / "pbx.sock", json.dumps({"queues": [], "agents": [value]}).encode()):
        assert said in run("queues").stdout


@pytest.mark.parametrize(
    ("act", "path"),
    [
        (lambda boss: boss.listen("1002"), b"POST /api/supervise/listen?agent=1002&user=9001 "),
        (lambda boss: boss.whisper("1002"), b"POST /api/supervise/whisper?agent=1002&user=9001 "),
        (lambda boss: boss.barge("1002"), b"POST /api/supervise/barge?agent=1002&user=9001 "),
        (lambda boss: boss.take_over("1002"), b"POST /api/supervise/take-over?agent=1002&user=9001 "),
        (lambda boss: boss.assign("a/b", "sip:x@y"), b"POST /api/assign/a%2Fb?agent=sip%3Ax%40y "),
        (lambda boss: boss.record("1002"), b"POST /api/record?agent=1002&on=true "),
        (lambda boss: boss.record("1002", on=False), b"POST /api/record?agent=1002&on=false "),
    ],
)
def test_what_supervisors_ask_for(here: Path, act: Callable[[Supervisor], None], path: bytes) -> None:
    with serving(here / "pbx.sock", b"null", 202) as asked:
        act(Supervisor("9001"))
    assert asked[0].startswith(path)


def test_what_supervisors_are_refused(here: Path) -> None:
    refusal = b'{"error": "agent 1002 has no caller of a queue", "hint": "look"}'
    with serving(here / "pbx.sock", refusal, 409), pytest.raises(OperatorError, match="has no caller"):
        Supervisor("9001").listen("1002")
