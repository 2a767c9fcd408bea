"""What is remembered of descriptions changes nothing but the time they take."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.remembered import MAX_ANSWERS, MAX_QUESTION, Remembered
from pbx.sdp import description as reading
from pbx.sdp.address import is_ipv4, literal
from pbx.sdp.description import Description, parse
from pbx.sdp.errors import SdpError
from tests.sdp.examples import audio, descriptions


@given(descriptions(), st.integers(1, 65535))
def test_a_remembered_stream_at_another_port_is_that_of_a_first_reading(
    description: Description, port: int
) -> None:
    moved = replace(
        description, media=tuple(replace(media, port=media.port and port) for media in description.media)
    )
    assert parse(description.encode()) == description
    read = parse(moved.encode())
    assert read == moved
    reading._STREAMS.clear()
    reading._SESSIONS.clear()
    assert parse(moved.encode()) == read


@pytest.mark.parametrize("port", ["65536", "07", "70000", "-1", "9x", "", "٣"])
def test_a_port_is_looked_at_though_its_stream_is_remembered(port: str) -> None:
    known = audio("0", port=9).decode()
    parse(known.encode())
    if port == "07":
        assert parse(known.replace("audio 9 ", "audio 07 ").encode()).media[0].port == 7
        return
    with pytest.raises(SdpError):
        parse(known.replace("audio 9 ", f"audio {port} ").encode())


@pytest.mark.parametrize(
    ("line", "kind", "port"), [(" 8 0 9 101", "8", 0), (" audio 8 RTP/AVP 0", "audio", 8)]
)
def test_an_m_line_that_begins_with_a_space_is_read_from_its_first_word(
    line: str, kind: str, port: int
) -> None:
    (media,) = parse(audio("0").replace(b"m=audio 49170 RTP/AVP 0", f"m={line}".encode())).media
    assert (media.kind, media.port) == (kind, port)


def test_no_key_is_remembered() -> None:
    key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    body = audio("0", f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}").replace(b"RTP/AVP", b"RTP/SAVP")
    assert parse(body).media[0].attribute("crypto") is not None
    assert key not in repr(reading._STREAMS)
    assert key not in repr(reading._SESSIONS)


def test_a_memory_has_a_bound() -> None:
    asked: list[str] = []

    def answer(question: str) -> int:
        asked.append(question)
        return len(question)

    memory = Remembered(answer)
    for number in range(MAX_ANSWERS + 1):
        assert memory[str(number),] == len(str(number))
        assert memory[str(number),] == len(str(number))
        assert len(memory) <= MAX_ANSWERS
    assert asked == [str(number) for number in range(MAX_ANSWERS + 1)]
    longest = "x" * MAX_QUESTION
    assert memory[longest,] == memory[longest,] == MAX_QUESTION
    assert asked[-2:] == [str(MAX_ANSWERS), longest]
    long = longest + "x"
    assert memory[long,] == memory[long,] == MAX_QUESTION + 1
    assert asked[-2:] == [long, long]


def test_an_error_is_not_remembered() -> None:
    memory = Remembered(lambda question: 1 // question)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            memory[0,]
    assert not memory


_octets = st.one_of(st.integers(0, 300).map(str), st.sampled_from(["", "00", "01", "256", "٣", " 1", "1\n"]))


@given(st.lists(_octets, min_size=3, max_size=5).map(".".join))
def test_a_dotted_quad_is_four_numbers_without_leading_zeros(text: str) -> None:
    parts = text.split(".")
    assert is_ipv4(text) == (len(parts) == 4 and set(parts) <= {str(number) for number in range(256)})


@given(st.ip_addresses(v=6))
def test_the_longest_way_to_write_an_address_is_read(address: IPv6Address) -> None:
    exploded = address.exploded
    if not exploded.startswith("ff"):
        assert literal(exploded) == str(address)
    assert literal(f"{exploded}%eth0") is None
    assert literal("0000:0000:0000:0000:0000:ffff:192.168.100.200") is not None
    assert literal("1" * 60) is None
