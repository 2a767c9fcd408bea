"""Cutting a stream into messages: never more kept than one message, whatever the chunks."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.framing import Framed, FramingError, KeepAlive, StreamFraming
from pbx.sip.limits import MAX_BODY, MAX_HEADER_SECTION
from pbx.sip.message import Message, parse

from .examples import INVITE, text_of
from .strategies import messages

BOUND = MAX_HEADER_SECTION + 4 + MAX_BODY


def shown(framed: list[Framed]) -> list[object]:
    """Framed things as values that compare."""
    return [
        (item.fault.status, item.fault.reason, item.fault.request and item.fault.request.headers)
        if isinstance(item, FramingError)
        else item
        for item in framed
    ]


def cut(data: bytes, cuts: list[int]) -> list[Framed]:
    framing = StreamFraming()
    framed: list[Framed] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        framed += framing.receive(data[start:end])
        assert framing.kept < BOUND
    return framed


def failed(data: bytes) -> FramingError:
    framed = StreamFraming().receive(data)
    assert isinstance(framed[-1], FramingError)
    return framed[-1]


def test_one_message() -> None:
    framing = StreamFraming()
    assert framing.receive(INVITE) == [INVITE]
    assert framing.kept == 0


def test_messages_and_pings_in_order() -> None:
    data = b"\r\n\r\n" + INVITE + b"\r\n" + INVITE + b"\r\n\r\n\r\n\r\n" + INVITE
    assert StreamFraming().receive(data) == [KeepAlive(), INVITE, INVITE, KeepAlive(), KeepAlive(), INVITE]


@given(
    st.lists(messages, max_size=4),
    st.lists(st.integers(0, 5000), max_size=12),
    st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]),
)
def test_chunks_make_no_difference(sent: list[Message], cuts: list[int], between: bytes) -> None:
    encoded = [message.encode() for message in sent]
    framed = cut(between.join(encoded), cuts)
    assert [item for item in framed if not isinstance(item, KeepAlive)] == encoded
    assert len(framed) - len(encoded) == (max(0, len(encoded) - 1) if len(between) == 4 else 0)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40), st.sampled_from([INVITE, b"\r\n", b"l: 5\r\n", b"\r\n\r\n", b"\0"])
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 5000), max_size=12),
)
def test_chunks_of_anything_make_no_difference(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    assert shown(cut(data, cuts)) == shown(cut(data, []))


@pytest.mark.parametrize("size", [MAX_HEADER_SECTION - 1, MAX_HEADER_SECTION, MAX_HEADER_SECTION + 1])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_the_bound_of_headers_is_the_same_for_all_chunks(size: int, step: int) -> None:
    start = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\nX: "
    data = start + b"x" * (size - len(start)) + b"\r\n\r\n"
    framing = StreamFraming()
    framed = [item for at in range(0, len(data), step) for item in framing.receive(data[at : at + step])]
    if size <= MAX_HEADER_SECTION:
        assert framed == [data]
    else:
        [error] = framed
        assert isinstance(error, FramingError)
        assert error.fault.status == 513
        assert error.fault.request is not None
        assert framing.kept == 0


def test_headers_without_end_are_not_kept() -> None:
    framing = StreamFraming()
    framed: list[Framed] = []
    for _ in range(100):
        framed += framing.receive(b"X: yyyyyyyyyyyyyyy\r\n" * 50)
        assert framing.kept < BOUND
    assert [item.fault.status for item in framed if isinstance(item, FramingError)] == [513]


def test_the_largest_body_passes_and_one_octet_more_does_not() -> None:
    data = text_of("OPTIONS sip:a@b SIP/2.0", {"Content-Length": str(MAX_BODY)}, "x" * MAX_BODY)
    assert StreamFraming().receive(data) == [data]
    error = failed(text_of("OPTIONS sip:a@b SIP/2.0", {"Content-Length": str(MAX_BODY + 1)}))
    assert error.fault.status == 413
    assert error.fault.request is not None


@pytest.mark.parametrize(
    "lengths",
    [
        {},
        {"Content-Length": "1", "l": "1"},
        {"L": "-1"},
        {"Content-Length": "x"},
        {"Content-Length": ""},
        {"Content-Length": "9" * 30},
        {"Content-Length": "1\r\n 2"},
        {"X": "y\nContent-Length: 3"},
    ],
)
def test_a_length_that_is_unknown_is_answered_400(lengths: dict[str, str]) -> None:
    error = failed(text_of("OPTIONS sip:a@b SIP/2.0", lengths))
    assert error.fault.status == 400
    assert error.fault.request is not None
    assert error.fault.request.call_id == "c1"


@pytest.mark.parametrize("start", ["SIP/2.0 200 OK", "ACK sip:a@b SIP/2.0", "GET / HTTP/1.1", "\x16\x03\x01"])
def test_what_is_never_answered(start: str) -> None:
    assert failed(text_of(start, {})).fault.request is None or start.startswith("GET")


@pytest.mark.parametrize(
    "length", ["Content-Length: 2", "l:2", "L :\t2", "CONTENT-LENGTH  :  2", "Content-Length:\r\n 02"]
)
def test_every_spelling_of_the_length(length: str) -> None:
    data = b"OPTIONS sip:a@b SIP/2.0\r\n" + length.encode() + b"\r\n\r\nab"
    assert StreamFraming().receive(data + data) == [data, data]
    assert parse(data).body == b"ab"


def test_nothing_is_read_after_an_error() -> None:
    framing = StreamFraming()
    assert len(framing.receive(INVITE + b"junk\r\n\r\n" + INVITE)) == 2
    assert framing.receive(INVITE) == []
    assert framing.kept == 0


def test_a_message_with_a_fault_leaves_the_stream_in_step() -> None:
    broken = INVITE.replace(b"CSeq: 314159", b"CSeq: x")
    assert StreamFraming().receive(broken + INVITE) == [broken, INVITE]
