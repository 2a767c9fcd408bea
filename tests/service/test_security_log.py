"""Attempts that fail to prove who they are leave lines that people and fail2ban can read, within a bound."""

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.service.security_log import BURST_LINES, LINES_A_SECOND, TOLD_AFTER_S, SecurityLog
from pbx.sip.digest import DigestChallenge, authorize
from pbx.sip.flow import Flow
from tests.service.house import DOMAIN, OURS, House
from tests.service.phone import Phone
from tests.service.test_counting import value

HOST = "192.0.2.66"
FLOW = Flow("udp", OURS, (HOST, 5071))


def documented() -> re.Pattern[str]:
    """The regular expression of docs/operations.md, with fail2ban's <HOST> written out."""
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    found = re.search(r"^failregex = (.*)$", text, re.MULTILINE)
    assert found is not None
    return re.compile(found[1].replace("<HOST>", r"(?P<host>[0-9a-f:.]+)"))


def attempt(phone: Phone, user: str, password: str, *, method: str = "REGISTER", to: str = "") -> None:
    """A request without credentials, then one with these."""
    uri = f"sip:{DOMAIN}"
    authorization = ""
    for cseq in (1, 2):
        phone.send(
            f"{method} {uri} SIP/2.0\r\n{phone.via(phone.branch())}Max-Forwards: 70\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=t\r\nTo: <sip:{to or '1001'}@{DOMAIN}>\r\n"
            f"Call-ID: guess-{phone.branch()}\r\nCSeq: {cseq} {method}\r\n"
            f"Contact: <sip:x@{phone.host}>\r\n{authorization}"
        )
        asked = phone.response(method).get("www-authenticate")
        challenge = None if asked is None else DigestChallenge.parse(asked)
        if challenge is not None:
            given = authorize(challenge, user, password, method, uri, cnonce="c0ffee")
            authorization = f"Authorization: {given}\r\n"


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def stranger(house: House) -> Phone:
    return Phone(house, "1001", HOST, 5071)


@pytest.mark.parametrize(
    ("user", "password", "method", "said"),
    [
        ("1001", "guessed", "REGISTER", 'wrong password, user "1001"'),
        ("1001", "guessed", "INVITE", 'wrong password, user "1001"'),
        (f"1001@{DOMAIN}", "guessed", "REGISTER", 'wrong password, user "1001"'),
        ("admin", "guessed", "REGISTER", 'unknown user, user "admin"'),
        ("søren", "guessed", "INVITE", 'unknown user, user "s\\u00f8ren"'),
    ],
)
def test_a_wrong_answer_is_a_line(
    stranger: Phone, caplog: pytest.LogCaptureFixture, user: str, password: str, method: str, said: str
) -> None:
    attempt(stranger, user, password, method=method)
    assert stranger.responses(method)[-2:] == [401, 401]
    (line,) = caplog.messages
    assert line == f"authentication failed: {method} from {HOST} port 5071 over udp: {said}"
    assert caplog.records[0].levelno == logging.WARNING


def test_what_is_answered_does_not_tell_whether_the_user_exists(house: House, stranger: Phone) -> None:
    answers = []
    for user in ("1001", "admin"):
        attempt(stranger, user, "guessed")
        response = stranger.response("REGISTER")
        answers.append((response.status, re.sub('nonce="[^"]*"', "", response.get("www-authenticate") or "")))
    assert answers[0] == answers[1]


def test_who_proves_it_leaves_none(stranger: Phone, caplog: pytest.LogCaptureFixture) -> None:
    stranger.register()
    assert caplog.messages == []


def test_a_nonce_that_has_grown_old_is_no_failure(
    house: House, stranger: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"sip:{DOMAIN}"
    authorization = ""
    stale = []
    for cseq in (1, 2):
        stranger.send(
            f"REGISTER {uri} SIP/2.0\r\n{stranger.via(stranger.branch())}Max-Forwards: 70\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=t\r\nTo: <sip:1001@{DOMAIN}>\r\nCall-ID: old\r\n"
            f"CSeq: {cseq} REGISTER\r\nContact: <sip:x@{HOST}>\r\n{authorization}"
        )
        challenge = DigestChallenge.parse(stranger.response("REGISTER").get("www-authenticate") or "")
        assert challenge is not None
        given = authorize(challenge, "1001", "secret-1001", "REGISTER", uri, cnonce="c0ffee")
        authorization = f"Authorization: {given}\r\n"
        stale.append(challenge.stale)
        house.advance(400)
    assert stale == [False, True]
    assert caplog.messages == []


def test_who_would_register_for_another_is_a_line_and_counted(
    house: House, stranger: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    attempt(stranger, "1001", "secret-1001", to="1002")
    assert stranger.responses("REGISTER") == [401, 403]
    assert caplog.messages == [
        f'authentication failed: REGISTER from {HOST} port 5071 over udp: registers another user, user "1001"'
    ]
    page = house.metrics.render()[0].decode()
    assert value(page, 'pbx_auth_failures_total{cause="other-user"}') == 1


class TestBound:
    def flood(self, lines: list[str], count: int, now: float = 100.0) -> tuple[SecurityLog, list[float]]:
        log = SecurityLog(lines.append)
        dues = [log.failed("REGISTER", FLOW, "wrong password", "1001", now) for _ in range(count)]
        return log, [due for due in dues if due is not None]

    def test_a_flood_is_cut_off_and_counted(self) -> None:
        lines: list[str] = []
        log, dues = self.flood(lines, 5000)
        assert len(lines) == BURST_LINES
        assert dues == [100.0 + TOLD_AFTER_S]
        log.handle_timer()
        assert lines[-1] == f"authentication failures not logged in the last 60 s: {5000 - BURST_LINES}"

    def test_there_are_lines_again_later(self) -> None:
        lines: list[str] = []
        log, _ = self.flood(lines, BURST_LINES)
        assert log.failed("REGISTER", FLOW, "wrong password", "1001", 100.5 / LINES_A_SECOND) is not None
        log.handle_timer()
        assert log.failed("REGISTER", FLOW, "wrong password", "1001", 102.0) is None
        assert len(lines) == BURST_LINES + 2

    def test_what_was_left_out_is_told_by_the_switch(
        self, house: House, stranger: Phone, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(BURST_LINES + 3):
            attempt(stranger, "1001", "guessed")
        assert len(caplog.messages) == BURST_LINES
        house.advance(TOLD_AFTER_S)
        assert caplog.messages[BURST_LINES:] == ["authentication failures not logged in the last 60 s: 3"]
        house.advance(TOLD_AFTER_S)
        assert len(caplog.messages) == BURST_LINES + 1


@given(user=st.text(st.characters(), max_size=300))
def test_the_documented_expression_finds_the_address_whatever_the_user(user: str) -> None:
    lines: list[str] = []
    SecurityLog(lines.append).failed("REGISTER", FLOW, "unknown user", user, 1.0)
    (line,) = lines
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 600
    # fail2ban takes the time out of a line of a file, and puts host and unit before one of the journal.
    for prefix in (" WARNING ", "pbx-1 pbx[4711]: 2026-11-23 10:00:00,123 WARNING "):
        found = documented().search(prefix + line)
        assert found is not None
        assert found["host"] == HOST


def test_the_documented_expression_knows_ipv6_and_leaves_the_rest_alone() -> None:
    lines: list[str] = []
    log = SecurityLog(lines.append)
    log.failed("INVITE", Flow("tcp", OURS, ("2001:db8::66", 5071)), "wrong password", "1001", 1.0)
    found = documented().search(f" WARNING {lines[0]}")
    assert found is not None
    assert found["host"] == "2001:db8::66"
    log.handle_timer()
    assert documented().search(f" WARNING {lines[1]}") is None
