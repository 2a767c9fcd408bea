"""Nothing that one side writes becomes a header or an SDP line of the other side's."""

import re
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.sip.flow import Flow
from pbx.sip.message import Request, parse
from pbx.sip.uri import unescape
from tests.fuzz.oracle import check
from tests.service.house import DIALPLAN, OURS, House
from tests.service.phone import Phone

OPEN: Final = DIALPLAN.replace("public}", "internal}")
STRANGER: Final = Flow("udp", OURS, ("203.0.113.66", 5060))
PIECES: Final = (
    "\r\n",
    "\r",
    "\n",
    "\0",
    "X-Injected: yes",
    "\r\nX-Injected: yes\r\n",
    "\r\n\r\nv=0",
    '"',
    "\\",
    "<",
    ">",
    "@",
    ";tag=x",
    ">;tag=x",
    ",",
    "%",
    "%0d%0a",
    "\u2028",
    "\x85",
    "\x1b[2J",
    "\x7f",
    "é",
    "電話",
    "alice",
    "a=injected",
    "\na=injected:1",
)
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=6).map("".join)
octets = st.one_of(texts.map(lambda text: text.encode("utf-8", "surrogatepass")), st.binary(max_size=12))
one_line = texts.map(lambda text: re.sub(r"[\r\n\0]", "", text))


def escaped(value: bytes) -> str:
    return "".join(f"%{octet:02x}" for octet in value)


def quoted(text: str) -> str:
    """As a quoted-string whose every character is escaped: the widest that the grammar lets through."""
    return '"' + "".join(f"\\{character}" if ord(character) < 128 else character for character in text) + '"'


def offer(**changed: str) -> str:
    values = {"user": "alice", "name": "-", "attribute": "x", "fmtp": "0-15", "key": "clear:x", **changed}
    return (
        "v=0\r\no={user} 1 1 IN IP4 203.0.113.66\r\ns={name}\r\ni={name}\r\n"
        "c=IN IP4 203.0.113.66\r\nt=0 0\r\na={attribute}\r\n"
        "m=audio 4000 RTP/AVP 0 101\r\ni={name}\r\nk={key}\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 {fmtp}\r\na={attribute}\r\n"
    ).format(**values)


def invite(house: House, called: str, from_: str, body: str, more: str = "") -> None:
    content = body.encode("utf-8", "surrogatepass")
    head = (
        f"INVITE sip:{called}@pbx.example SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 203.0.113.66;branch=z9hG4bK-inject;rport\r\n"
        f"Max-Forwards: 70\r\nFrom: {from_};tag=t\r\nTo: <sip:{called}@pbx.example>\r\nCall-ID: inject\r\n"
        f"CSeq: 1 INVITE\r\nContact: <sip:a@203.0.113.66>\r\n{more}Content-Type: application/sdp\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    house.receive(head.encode("utf-8", "surrogatepass") + content, STRANGER)


def checked(house: House) -> list[Request]:
    """The INVITEs of the other leg, after everything that was sent has been looked at."""
    for output in house.sent:
        check(output.data)
    found = [parse(output.data) for output in house.sent if output.flow.remote != STRANGER.remote]
    return [message for message in found if isinstance(message, Request) and message.method == "INVITE"]


def with_bob() -> tuple[House, Phone]:
    house = House(dialplan=OPEN)
    bob = Phone(house, "1002", "192.0.2.12")
    bob.register()
    return house, bob


@given(display=texts)
def test_a_display_name(display: str) -> None:
    house, _ = with_bob()
    invite(house, "1002", f"{quoted(display)} <sip:alice@far.example>", offer())
    for request in checked(house):
        assert request.from_.uri.username == "alice"
        shown = "".join(character if character.isprintable() else " " for character in display)
        assert request.from_.display == shown


@given(number=octets)
def test_a_callers_number(number: bytes) -> None:
    house, _ = with_bob()
    invite(house, "1002", f"<sip:{escaped(number) or 'x'}@far.example>", offer())
    invites = checked(house)
    assert len(invites) == 1
    assert invites[0].from_.uri.username == unescape(escaped(number) or "x")
    assert invites[0].from_.uri.host == "pbx.example"


@given(number=octets)
def test_a_called_number_that_goes_to_a_trunk(number: bytes) -> None:
    house, _ = with_bob()
    invite(house, f"0{escaped(number)}", "<sip:alice@far.example>", offer())
    for request in checked(house):
        assert request.request_uri.hostport == "198.51.100.7:5060"
        assert request.request_uri.parameters == {}
        assert request.request_uri.headers == ""
        assert request.request_uri.username == unescape(escaped(number))


@given(user=one_line, name=one_line, attribute=one_line, fmtp=one_line, key=one_line)
def test_a_session_description(user: str, name: str, attribute: str, fmtp: str, key: str) -> None:
    house, _ = with_bob()
    body = offer(user=user, name=name, attribute=attribute, fmtp=fmtp, key=key)
    invite(house, "1002", "<sip:alice@far.example>", body)
    allowed = re.compile(
        rb"(v=0|o=- \d+ \d+ IN IP4 192\.0\.2\.1|s=-|c=IN IP4 192\.0\.2\.1|t=0 0|m=audio \d+ RTP/AVP [0-9 ]+"
        rb"|a=(rtpmap|fmtp):\d+ .*|a=(max)?ptime:\d+|a=(sendrecv|sendonly|recvonly|inactive))"
    )
    for request in checked(house):
        lines = request.body.split(b"\r\n")
        assert lines.pop() == b""
        assert [line for line in lines if not allowed.fullmatch(line)] == []
        assert b"\n" not in b"".join(lines)
        assert b"\r" not in b"".join(lines)


@given(
    more=st.lists(st.tuples(st.sampled_from(["Subject", "X-Odd", "User-Agent", "Organization"]), one_line))
)
def test_other_headers_stay_where_they_are(more: list[tuple[str, str]]) -> None:
    house, _ = with_bob()
    headers = "".join(f"{name}: {value}\r\n" for name, value in more)
    invite(house, "1002", "<sip:alice@far.example>", offer(), headers)
    for request in checked(house):
        assert not request.has("x-odd")
        assert not request.has("organization")
        assert request.get("user-agent") == "pbx"


@given(
    status=st.sampled_from([180, 183, 200, 302, 401, 404, 486, 603]),
    reason=one_line,
    display=texts,
    more=one_line,
)
@settings(max_examples=150)
def test_what_a_callee_answers(status: int, reason: str, display: str, more: str) -> None:
    house, bob = with_bob()
    invite(house, "1002", "<sip:alice@far.example>", offer())
    request = bob.requests("INVITE")[-1]
    vias = "".join(f"Via: {via}\r\n" for via in request.all("via"))
    body = offer(user="bob", name=more, attribute=more)
    text = (
        f"SIP/2.0 {status} {reason}\r\n{vias}From: {request.get('from')}\r\n"
        f"To: {quoted(display)} <sip:1002@pbx.example>;tag=b\r\nCall-ID: {request.call_id}\r\n"
        f"CSeq: {request.get('cseq')}\r\nContact: {quoted(display)} <sip:bob@192.0.2.12>\r\n"
        f"Server: {more}\r\nSubject: {more}\r\n"
        f'WWW-Authenticate: Digest realm="a", nonce="b"\r\nContent-Type: application/sdp\r\n'
        f"Content-Length: {len(body.encode('utf-8', 'surrogatepass'))}\r\n\r\n{body}"
    )
    house.receive(text.encode("utf-8", "surrogatepass"), bob.flow)
    checked(house)
    for output in house.sent:
        if output.flow.remote == STRANGER.remote:
            answer = parse(output.data)
            assert answer.get("server") in {None, "pbx"}
            assert not answer.has("subject")
            assert not answer.has("www-authenticate")
            assert "192.0.2.12" not in output.data.decode("utf-8", "replace")
