"""Messages: reading, printing, and that no input does more than be refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pbx.errors import PeerError
from pbx.sip import limits
from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.message import (
    MalformedMessage,
    Message,
    Request,
    is_keepalive,
    parse,
    respond,
    validate_request,
    validate_response,
)
from pbx.sip.uri import Uri

from .examples import INVITE, LAZY, request, response, text_of
from .strategies import messages


def content(message: Message) -> tuple[object, ...]:
    headers = [(name, value) for name, value in message.headers if name != "content-length"]
    return (type(message), message.start_line, headers, message.body)


def test_an_invite() -> None:
    message = parse(INVITE)
    assert isinstance(message, Request)
    assert (message.method, message.uri) == ("INVITE", "sip:bob@biloxi.example")
    assert message.request_uri == Uri("sip", "bob", "biloxi.example")
    assert message.request_uri is message.request_uri
    assert message.top_via == Via(
        "UDP", "pc33.atlanta.example", 5060, {"branch": "z9hG4bK776asdhds", "rport": None}
    )
    assert message.top_via is message.top_via
    assert message.vias == [message.top_via]
    assert message.from_ == NameAddr("Alice", Uri("sip", "alice", "atlanta.example"), {"tag": "1928301774"})
    assert message.to == NameAddr("Bob", Uri("sip", "bob", "biloxi.example"))
    assert message.cseq == CSeq(314159, "INVITE")
    assert message.call_id == "a84b4c76e66710@pc33.atlanta.example"
    assert message.max_forwards == 70
    assert message.content_length == 4
    assert message.content_type == "application/sdp"
    assert message.expires is None
    assert message.body == b"v=0\n"
    assert [str(contact) for contact in message.contacts] == [
        "<sip:alice@pc33.atlanta.example;transport=udp>"
    ]
    assert not message.contact_star
    validate_request(message)


def test_a_response() -> None:
    message = response(start="SIP/2.0 180 Ringing")
    assert (message.status, message.reason) == (180, "Ringing")
    validate_response(message)


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("SIP/2.0 100 ", 100, ""),
        ("SIP/2.0 100", 100, ""),
        ("sip/2.0 699 a  b", 699, "a  b"),
        ("SIP/2.0 200 но", 200, "но"),
    ],
)
def test_status_lines(line: str, status: int, reason: str) -> None:
    message = response(start=line)
    assert (message.status, message.reason) == (status, reason)


@pytest.mark.parametrize(
    "line",
    [
        "SIP/2.0 4294967301 x",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 +99 x",
        "SIP/2.0 ٢٠٠ x",
        "SIP/7.0 200 OK",
        "SIP/2.0  200 OK",
        "SIP/2.0 200\tOK",
        "SIP/2.0 200 O\rK",
        "SIP/2.0",
    ],
)
def test_malformed_status_lines_are_dropped(line: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text_of(line, {}))
    assert caught.value.request is None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("OPTIONS  sip:a@b SIP/2.0", 400),
        ("OPTIONS sip:a@b SIP/2.0 ", 400),
        ("OPTIONS sip:a@b; lr SIP/2.0", 400),
        ("OPTIONS sip:a@b", 400),
        ("OPTIONS", 400),
        ("OPTIONS sip:a@b HTTP/1.1", 400),
        ("OPTIONS sip:a@b SIP/7.0", 505),
        ("OPTIONS sip:a@b SIP/2", 400),
        ("OPTIONS sip:a\nb SIP/2.0", 400),
        ("OPTIONS sip:a\0b SIP/2.0", 400),
    ],
)
def test_malformed_request_lines_are_answered(line: str, status: int) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text_of(line, {}))
    assert caught.value.status == status
    assert caught.value.request is not None
    assert caught.value.request.method == "OPTIONS"


@pytest.mark.parametrize(
    "line", ["", " ", "OPT:IONS sip:a@b SIP/2.0", "ö sip:a@b SIP/2.0", "ACK sip:a@b SIP/7.0"]
)
def test_request_lines_that_cannot_be_answered(line: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(text_of(line, {}))
    assert caught.value.request is None


def test_the_version_is_read_in_any_case() -> None:
    message = parse(text_of("OPTIONS sip:b@example.com sip/2.0", {}))
    assert message.start_line == "OPTIONS sip:b@example.com SIP/2.0"


def test_names_in_any_spelling_and_folded_lines() -> None:
    message = parse(
        b"OPTIONS sip:a@b SIP/2.0\r\nvIa  :  SIP/2.0/UDP\r\n 192.0.2.1;branch=z\r\n"
        b"f:\r\n\t<sip:a@b>;\r\n  tag=1\r\n"
        b"T :<sip:b@b>\r\nI:c1\r\ncseq: 1\r\n OPTIONS\r\ns :\r\nk: a,\r\n b\r\nX-Odd: ;;,,;;,;\r\n\r\n"
    )
    assert isinstance(message, Request)
    validate_request(message)
    assert message.top_via == Via("UDP", "192.0.2.1", None, {"branch": "z"})
    assert message.from_.tag == "1"
    assert message.get("subject") == ""
    assert message.all("supported") == ["a", "b"]
    assert message.all("x-odd") == [";;,,;;,;"]


@pytest.mark.parametrize(
    ("body", "length", "read"),
    [
        (b"abc", "2", b"ab"),
        (b"abc", "3", b"abc"),
        (b"abc", "0", b""),
        (b"abc", None, b"abc"),
        (b"", None, b""),
    ],
)
def test_content_length_on_a_datagram(body: bytes, length: str | None, read: bytes) -> None:
    assert parse(text_of("OPTIONS sip:a@b SIP/2.0", {"l": length}) + body).body == read


def test_leading_line_ends_are_skipped() -> None:
    assert content(parse(b"\r\n\r\n" + INVITE)) == content(parse(INVITE))


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0", b"\0\0\0\0"])
def test_keepalives(data: bytes) -> None:
    assert is_keepalive(data)
    with pytest.raises(MalformedMessage) as caught:
        parse(data)
    assert caught.value.request is None


def test_a_message_is_no_keepalive() -> None:
    assert not is_keepalive(INVITE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"70\r\n", b"70\n"),
        (b"70\r\n", b"70\r"),
        (b"70\r\n", b"70\r\r\n"),
        (b"70\r\n", b"70\nEvil: 1\r\n"),
        (b"70\r\n", b"70\0\r\n"),
        (b"Max-Forwards: 70", b"no colon"),
        (b"Max-Forwards: 70", b": 70"),
        (b"Max-Forwards", b"Max Forwards"),
        (b"Max-Forwards", "Máx".encode()),
        (b"\r\n\r\nv=0\n", b"\r\n"),
        (b"Length: 4", b"Length: 5"),
        (b"Length: 4", b"Length: -4"),
        (b"Length: 4", b"Length: 4\r\nl: 4"),
        (b"Length: 4", b"Length: 99999999999999999999"),
        (b"Length: 4", b"Length: 4, 4"),
        (b"Length: 4", b"Length:"),
    ],
)
def test_faults_of_the_header_section_are_answered_400(old: bytes, new: bytes) -> None:
    assert old in INVITE
    with pytest.raises(MalformedMessage) as caught:
        parse(INVITE.replace(old, new))
    assert caught.value.status == 400
    answered = caught.value.request
    assert answered is not None
    assert answered.top_via.branch == "z9hG4bK776asdhds"
    assert parse(respond(answered, 400, to_tag="t").encode()).call_id == "a84b4c76e66710@pc33.atlanta.example"


@pytest.mark.parametrize(
    ("extra", "body", "status"),
    [
        (b"X: y\r\n" * limits.MAX_HEADER_LINES, b"", 513),
        (b"x: y\r\n" * limits.MAX_HEADER_LINES + b"odd:z\r\n", b"", 513),
        (b"X: " + b"y" * limits.MAX_HEADER_SECTION + b"\r\n", b"", 513),
        (b"", b"x" * (limits.MAX_BODY + 1), 413),
        (b"", b"x" * limits.MAX_MESSAGE, 513),
    ],
)
def test_limits(extra: bytes, body: bytes, status: int) -> None:
    data = text_of("OPTIONS sip:a@b SIP/2.0", {})
    with pytest.raises(MalformedMessage) as caught:
        parse(data[:-2] + extra + b"\r\n" + body)
    assert caught.value.status == status
    assert caught.value.request is not None


def test_just_within_the_limits() -> None:
    data = text_of("OPTIONS sip:a@b SIP/2.0", {})
    lines = data.count(b"\r\n") - 2
    full = parse(data[:-2] + b"Date: y\r\n" * (limits.MAX_HEADER_LINES - lines) + b"\r\n")
    assert len(full.headers) == limits.MAX_HEADER_LINES
    assert parse(data + b"x" * limits.MAX_BODY).body == b"x" * limits.MAX_BODY


@given(st.binary(max_size=400))
@example(b"\r\n\r\n")
@example(b"A B SIP/2.0\r\n A\r\n\r\n")
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    examine(data)


@given(st.data())
def test_any_damage_to_a_message_is_a_message_or_malformed(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(INVITE)))
    end = data.draw(st.integers(start, min(len(INVITE), start + 20)))
    examine(INVITE[:start] + data.draw(st.binary(max_size=10)) + INVITE[end:])


@given(
    st.sampled_from(
        ["via", "from", "to", "cseq", "contact", "route", "record-route", "expires", "content-type", "l"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=40),
)
def test_any_value_is_read_or_a_400(name: str, value: str) -> None:
    examine(text_of("OPTIONS sip:b@example.com SIP/2.0", {name: value}))


def examine(data: bytes) -> None:
    """Parsing raises MalformedMessage only, properties PeerError only; what validates raises nothing."""
    try:
        message = parse(data)
    except MalformedMessage as fault:
        if fault.request is not None:
            parse(respond(fault.request, fault.status, fault.reason, to_tag="t").encode())
        return
    wrong: dict[str, int] = {}
    for name in LAZY:
        try:
            getattr(message, name)
        except PeerError as error:
            wrong[name] = error.status
    assert set(wrong.values()) <= {400}
    try:
        if isinstance(message, Request):
            validate_request(message)
        else:
            validate_response(message)
    except MalformedMessage as fault:
        if fault.request is not None:
            parse(respond(fault.request, fault.status, fault.reason, to_tag="t").encode())
    else:
        assert not wrong
        assert content(parse(message.encode())) == content(message)


@given(messages)
def test_message_parse_and_print_are_inverse(message: Message) -> None:
    again = parse(message.encode())
    assert content(again) == content(message)
    assert again.encode() == message.encode()


def test_content_length_is_counted_not_copied() -> None:
    message = request({"Content-Length": "0"})
    message.body = b"12345"
    assert message.encode().count(b"Content-Length") == 1
    assert message.encode().endswith(b"\r\nContent-Length: 5\r\n\r\n12345")


def test_octets_that_are_no_utf_8_survive() -> None:
    data = b"OPTIONS sip:a@b SIP/2.0\r\nSubject: \xff\xfe\xed\xa0\x80\r\nContent-Length: 1\r\n\r\n\xff"
    assert parse(data).encode() == data
