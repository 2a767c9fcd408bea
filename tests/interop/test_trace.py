from pathlib import Path

import pytest

from pbx.cli.interop.trace import Talk, Traced, TraceReader, Window, phases, read_message

SDP = b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4002 RTP/AVP 0\r\n"
PEER = ("127.0.0.1", 4002)


def message(at: float, text: str, *, sent: bool = False, body: bytes = b"", method: str = "INVITE") -> Traced:
    start = text if text.startswith("SIP/2.0") else f"{text} sip:x SIP/2.0"
    data = f"{start}\r\nCSeq: 1 {method}\r\n\r\n".encode() + body
    return read_message(data, at, sent=sent)


def entry(time: str, way: str, data: bytes) -> bytes:
    size = f"({len(data)} bytes):" if way == "sent" else f"[{len(data)}] bytes :"
    return f"{'-' * 47} 2026-11-21 {time}\nUDP message {way} {size}\n\n".encode() + data + b"\n"


def test_a_trace_is_read_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    reader = TraceReader(path)
    assert reader.read() == []
    invite = b"INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n" + SDP
    ok = b"SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n"
    whole = entry("09:06:16.171523", "sent", invite) + entry("09:06:17.171523", "received", ok)
    found: list[Traced] = []
    for end in range(0, len(whole), 37):
        path.write_bytes(whole[: end + 37])
        found += reader.read()
    first, second = found
    assert (first.sent, first.method, first.status, first.audio) == (True, "INVITE", None, PEER)
    assert (second.sent, second.method, second.status, second.audio) == (False, "INVITE", 200, None)
    assert second.at - first.at == pytest.approx(1.0)


@pytest.mark.parametrize("port", ["0", "70000"])
def test_a_refused_stream_is_no_audio(port: str) -> None:
    body = SDP.replace(b"4002", port.encode())
    assert message(0, "SIP/2.0 200 OK", body=body).audio is None


def test_the_phases_of_a_call_with_early_media() -> None:
    messages = [
        message(0, "INVITE", sent=True, body=SDP),
        message(0.1, "SIP/2.0 401 Unauthorized"),
        message(0.2, "ACK", sent=True, method="ACK"),
        message(0.3, "INVITE", sent=True, body=SDP),
        message(1, "SIP/2.0 183 Session Progress", body=SDP),
        message(3, "SIP/2.0 200 OK", body=SDP),
        message(5, "BYE", sent=True, method="BYE"),
        message(5.1, "SIP/2.0 200 OK", method="BYE"),
    ]
    assert phases(messages, 9) == {"early": [Window(1, 3)], "answered": [Window(3, 5)]}
    assert phases(messages[:6], 9) == {"early": [Window(1, 3)], "answered": [Window(3, 9)]}
    assert phases(messages[:5], 9) == {"early": [Window(1, 9)]}
    assert phases(messages[:4], 9) == {}


def test_the_phases_of_a_call_that_is_refused_while_it_speaks() -> None:
    messages = [message(1, "SIP/2.0 183 x", body=SDP), message(2, "SIP/2.0 486 Busy Here")]
    assert phases(messages, 9) == {"early": [Window(1, 2)]}


def test_the_phases_of_a_call_that_is_held_and_resumed() -> None:
    sendonly, recvonly = SDP + b"a=sendonly\r\n", SDP + b"a=recvonly\r\n"
    messages = [
        message(1, "INVITE", body=SDP),
        message(2, "SIP/2.0 200 OK", sent=True, body=SDP),
        message(4, "INVITE", body=sendonly),
        message(4.1, "SIP/2.0 200 OK", sent=True, body=recvonly),
        message(6, "INVITE", body=SDP),
        message(6.1, "SIP/2.0 200 OK", sent=True, body=SDP),
        message(7, "INVITE", body=sendonly),
        message(7.1, "SIP/2.0 491 Request Pending", sent=True),
        message(9, "BYE", method="BYE"),
    ]
    assert phases(messages, 10) == {"answered": [Window(2, 4.1), Window(6.1, 9)], "held": [Window(4.1, 6.1)]}


def test_a_phone_goes_on_speaking_when_a_new_offer_is_refused() -> None:
    calling = Talk()
    for each in (message(0, "INVITE", sent=True, body=SDP), message(1, "SIP/2.0 200 OK", body=SDP)):
        calling.follow(each)
    assert calling.follow(message(2, "INVITE", sent=True, body=SDP)) == PEER
    assert calling.follow(message(3, "SIP/2.0 488 Not Acceptable Here")) == PEER
    assert calling.follow(message(4, "BYE", method="BYE")) is None


def test_a_phone_speaks_when_both_sides_have_said_where() -> None:
    called = Talk()
    assert called.follow(message(0, "INVITE", body=SDP)) is None
    assert called.follow(message(1, "SIP/2.0 180 Ringing", sent=True)) is None
    assert called.follow(message(2, "SIP/2.0 200 OK", sent=True, body=SDP)) == PEER
    assert called.follow(message(3, "BYE", method="BYE")) is None
    assert called.announced == {PEER}


@pytest.mark.parametrize("end", ["CANCEL", "SIP/2.0 486 Busy Here"])
def test_a_phone_is_silent_when_the_call_is_over(end: str) -> None:
    calling = Talk()
    assert calling.follow(message(0, "INVITE", sent=True, body=SDP)) is None
    assert calling.follow(message(1, "SIP/2.0 183 x", body=SDP)) == PEER
    assert calling.follow(message(2, end, method="INVITE" if end[0] == "S" else end)) is None


def test_a_window_can_be_too_short_for_its_guards() -> None:
    assert Window(1, 2).shrunk(0.25).seconds == pytest.approx(0.5)
    assert Window(1, 1.2).shrunk(0.25).seconds == 0


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], [(1, 5)]),
        ([(0, 1), (5, 6)], [(1, 5)]),
        ([(2, 3)], [(1, 2), (3, 5)]),
        ([(0, 2), (2.5, 3), (4, 9)], [(2, 2.5), (3, 4)]),
        ([(0, 9)], []),
    ],
)
def test_what_is_left_of_a_window(others: list[tuple[float, float]], left: list[tuple[float, float]]) -> None:
    assert Window(1, 5).without(Window(*other) for other in others) == [Window(*part) for part in left]
