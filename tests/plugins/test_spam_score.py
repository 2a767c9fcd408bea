"""The plugin `spam-score`: a web service is asked, its answers are remembered, its failures survived."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

import pbx.testing
from pbx import Continue, Decision, Reject
from pbx.errors import OperatorError
from plugins.spam_score import SpamScore


class Reputation(ThreadingHTTPServer):
    """A reputation service on the loopback interface."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.status = 200
        self.body: Any = {"score": 90}
        self.asked: list[tuple[str, str | None]] = []
        self.released = Event()
        self.released.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/score/{{number}}?x=1"


class _Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the server's own name
        service = self.server
        assert isinstance(service, Reputation)
        service.asked.append((self.path, self.headers.get("Authorization")))
        service.released.wait(10)
        body = service.body if isinstance(service.body, bytes) else json.dumps(service.body).encode()
        self.send_response(service.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Reputation]:
    with Reputation() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


class Asking:
    def __init__(self, service: Reputation, **options: Any) -> None:
        self.clock = pbx.testing.Clock()
        values = {"url": service.url, "patience": "5s", **options}
        self.handler = pbx.testing.make(SpamScore, clock=self.clock, **values)

    def about(self, number: str = "+31612345678", **more: Any) -> Decision:
        return pbx.testing.decide(self.handler, pbx.testing.call(from_=number), timeout=10.0)


@pytest.mark.parametrize(
    ("score", "expected"), [(90, Reject(603)), (80, Continue()), (80.5, Reject(603)), (-3, Continue())]
)
def test_a_bad_score_is_refused(service: Reputation, score: float, expected: Decision) -> None:
    service.body = {"score": score}
    decision = Asking(service).about()
    assert decision == expected
    assert decision.reason == f"score {score:g}"


def test_the_options_say_which_code_from_which_score_under_which_key(service: Reputation) -> None:
    service.body = {"risk": 6}
    asking = Asking(service, reject_above=5, code=486, field="risk")
    assert asking.about() == Reject(486)


def test_a_number_cannot_leave_its_place_in_the_address(service: Reputation) -> None:
    Asking(service).about("+31/../admin?a=1&b#c 5")
    assert service.asked == [("/score/%2B31%2F..%2Fadmin%3Fa%3D1%26b%23c%205?x=1", None)]


def test_the_token_is_sent(service: Reputation, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    Asking(service, token=str(tmp_path / "token")).about()
    assert service.asked == [("/score/%2B31612345678?x=1", "Bearer secret")]


def test_nobody_is_asked_about_a_caller_without_a_number(service: Reputation) -> None:
    assert Asking(service).about("anonymous") == Continue()
    assert service.asked == []


class TestMemory:
    def test_an_answer_is_asked_for_once_while_it_is_fresh(self, service: Reputation) -> None:
        asking = Asking(service, ttl="1m")
        assert asking.about() == Reject(603)
        service.body = {"score": 1}
        asking.clock.advance(59)
        remembered = asking.about()
        assert (remembered, remembered.reason) == (Reject(603), "score 90, remembered")
        asking.clock.advance(1)
        assert asking.about() == Continue()
        assert len(service.asked) == 2

    def test_it_is_bounded(self, service: Reputation) -> None:
        asking = Asking(service, cache=2)
        for number in ("1001", "1002", "1003", "1001"):
            asking.about(number)
        assert [path for path, _ in service.asked] == [
            f"/score/{number}?x=1" for number in ("1001", "1002", "1003", "1001")
        ]
        assert len(asking.handler._known) == 2

    def test_an_older_answer_counts_when_the_service_fails(self, service: Reputation) -> None:
        asking = Asking(service, ttl="1m", keep="1h")
        asking.about()
        service.status = 500
        asking.clock.advance(3599)
        decision = asking.about()
        assert decision == Reject(603)
        assert decision.reason.startswith("score 90, remembered, since the service fails (HTTP Error 500")
        asking.clock.advance(1)
        with pytest.raises(pbx.testing.Failed, match="HTTP Error 500"):
            asking.about()


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "body", "expected"),
        [
            (404, {}, "HTTP Error 404"),
            (302, {"score": 1}, "HTTP Error 302"),
            (200, b"<html>", "JSONDecodeError"),
            (200, [1], "the answer has no number under 'score'"),
            (200, {"score": "90"}, "the answer has no number under 'score'"),
            (200, {"score": True}, "the answer has no number under 'score'"),
            (200, b"[" * 100_000, "RecursionError|JSONDecodeError"),
        ],
    )
    def test_an_answer_that_is_no_score(
        self, service: Reputation, status: int, body: Any, expected: str
    ) -> None:
        service.status, service.body = status, body
        with pytest.raises(pbx.testing.Failed, match=expected):
            Asking(service).about()
        assert len(service.asked) == 1

    def test_a_service_that_is_late(self, service: Reputation) -> None:
        service.released.clear()
        with pytest.raises(pbx.testing.Failed, match="timed out"):
            Asking(service, patience="50ms").about()

    def test_a_service_that_is_not_there(self, service: Reputation) -> None:
        asking = Asking(service, url="http://127.0.0.1:1/{number}")
        with pytest.raises(pbx.testing.Failed, match="Connection refused"):
            asking.about()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"url": "ftp://x/{number}"}, "url: expected an address that begins with http:// or https://"),
        ({"url": "file:///etc/{number}"}, "url: expected an address that begins with http"),
        ({"url": "http://x/"}, "url: expected {number} in the address, where the caller's number goes"),
        ({"code": 200}, "code: found 200, expected at least 400"),
        ({"token": "nowhere"}, "there is no token in nowhere: put it there as one line of text"),
    ],
)
def test_wrong_options_are_said(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(OperatorError) as caught:
        pbx.testing.make(SpamScore, **{"url": "http://x/{number}", **options})
    assert expected in str(caught.value)
