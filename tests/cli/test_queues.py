"""`pbx queues` on a service that runs, and one that was killed in the middle of it."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from pbx.cli.interop.ports import free_media_ports
from pbx.sip.message import Request, parse
from tests.cli.test_run import Running, command, configure, started, wait_for
from tests.service.wire import SDP, Caller

pytestmark = pytest.mark.network


class Taker:
    """A phone on a real socket that answers every call at once, whoever calls."""

    def __init__(self) -> None:
        self._caller = Caller(("127.0.0.1", 9))
        self.line = self._caller.line
        self.line.settimeout(None)
        # The branches of INVITEs: one that comes again, since the answer took its time, is the same.
        self._invited: set[str] = set()
        self.uri = f"sip:agent@127.0.0.1:{self.line.getsockname()[1]}"
        Thread(target=self._serve, daemon=True).start()

    @property
    def answered(self) -> int:
        """How many calls it has answered."""
        return len(self._invited)

    def close(self) -> None:
        # Whoever waits in recv is woken by a last message.
        self.line.sendto(b"", self.line.getsockname())

    def _serve(self) -> None:
        while True:
            data, where = self.line.recvfrom(65536)
            if not data:
                self.line.close()
                return
            message = parse(data)
            if isinstance(message, Request) and message.method in {"INVITE", "BYE", "CANCEL"}:
                self._answer(message, where)

    def _answer(self, request: Request, where: tuple[str, int]) -> None:
        body = SDP if request.method == "INVITE" else ""
        if request.method == "INVITE":
            self._invited.add(request.top_via.branch or "")
        headers = "".join(f"Via: {via}\r\n" for via in request.all("via"))
        to = request.get("to") or ""
        tag = "" if "tag=" in to else ";tag=taker"
        headers += (
            f"From: {request.get('from')}\r\nTo: {to}{tag}\r\nCall-ID: {request.call_id}\r\n"
            f"CSeq: {request.get('cseq')}\r\nContact: <{self.uri}>\r\n"
        )
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.line.sendto(
            f"SIP/2.0 200 OK\r\n{headers}{content}Content-Length: {len(body)}\r\n\r\n{body}".encode(), where
        )


@pytest.fixture
def taker() -> Iterator[Taker]:
    taker = Taker()
    yield taker
    taker.close()


@pytest.fixture
def here(tmp_path: Path, taker: Taker) -> Path:
    configure(tmp_path, media=f"{{ports: {free_media_ports(64)}}}")
    (tmp_path / "dialplan.yaml").write_text(
        "timezone: UTC\nentry: [{from: anyone, chain: public}]\nchains: {public: [queue: support]}\n"
        f"queues:\n  support: {{agents: ['{taker.uri}', 'sip:b@127.0.0.1:9', 'sip:c@127.0.0.1:9']}}\n"
    )
    return tmp_path


def told(running: Running, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command("queues", *arguments),
        cwd=running.directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def stored(directory: Path) -> str:
    with sqlite3.connect(directory / "state" / "pbx.db") as connection:
        return str(connection.execute("SELECT total FROM queue WHERE name = 'support'").fetchone())


def test_what_was_said_and_counted_outlives_a_kill(here: Path, taker: Taker) -> None:
    with started(here) as running:
        running.wait_until_ready()
        assert told(running, "pause", "sip:b@127.0.0.1:9", "lunch").stdout == (
            "agent sip:b@127.0.0.1:9 is paused (lunch)\n"
        )
        assert told(running, "log-out", "sip:c@127.0.0.1:9").returncode == 0
        unknown = told(running, "log-in", "nobody")
        assert (unknown.returncode, "there is no agent nobody" in unknown.stderr) == (1, True)
        with running.caller() as first, running.caller() as second:
            first.invite("700")
            assert first.final().status == 200
            wait_for(lambda: taker.answered == 1)
            assert running.verb("status")["media_ports"]["in_use"] == 2
            second.invite("700")
            assert second.final().status == 200
            (queue,) = running.verb("queues")["queues"]
            assert [each["state"] for each in queue["callers"]] == ["waiting", "served"]
            assert "support" in told(running).stdout
            wait_for(lambda: here.joinpath("state", "pbx.db").exists() and '"joined": 2' in stored(here))
            running.process.kill()
            running.process.wait()
    (here / "ready.json").unlink()
    with started(here) as running:
        running.wait_until_ready()
        value = running.verb("queues")
        assert [
            (each["agent"], each["state"], each["paused"], each["calls"]) for each in value["agents"]
        ] == [
            (taker.uri, "available", "", []),
            ("sip:b@127.0.0.1:9", "paused", "lunch", []),
            ("sip:c@127.0.0.1:9", "offline", "", []),
        ]
        (queue,) = value["queues"]
        assert (queue["callers"], queue["total"]["joined"], queue["total"]["answered"]) == ([], 2, 1)
        with running.caller() as third:
            third.invite("700")
            assert third.final().status == 200
            wait_for(lambda: running.verb("queues")["queues"][0]["total"]["answered"] == 2)
