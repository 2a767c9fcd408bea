"""Mutations of messages that were right: what a broken phone, a bad line or an attacker makes of them."""

import re
from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

Mutation = Callable[[bytes], bytes]

HUGE: Final = (
    b"4294967296",
    b"99999999999999999999999",
    b"2147483648",
    b"65536",
    b"-1",
    b"0",
    b"",
    b"1e9",
    b"0x10",
    "²".encode(),
    "٣".encode(),
)
NASTY: Final = (
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"\\",
    b'"',
    b"<",
    b">",
    b",",
    b";",
    b";tag=x",
    b"%",
    b"%00",
    b"%0d%0aX-Injected:%20yes",
    b"\r\nX-Injected: yes",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    "\u2028".encode(),
    b"sip:",
    b"[::",
    b"*",
    b" ",
    b"\t",
    b"Content-Length: 5\r\n",
    b"l: 0\r\n",
    b"Via: SIP/2.0/UDP 198.51.100.1\r\n",
    b"Require: 100rel\r\n",
    b"Contact: *\r\n",
    b"Route: <sip:198.51.100.1>\r\n",
    b"Record-Route: <sip:198.51.100.1>\r\n",
    b"a=sendonly\r\n",
    b"a=rtpmap:0 PCMU/999999999\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"m=audio 9 RTP/AVP 8\r\n",
    b"c=IN IP6 ff02::1\r\n",
    b"c=IN IP4 0.0.0.0\r\n",
    b"x" * 5000,
    b"\r\n " * 300,
    b"a=x\r\n" * 600,
)
METHODS: Final = (
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"OPTIONS",
    b"REGISTER",
    b"UPDATE",
    b"INFO",
    b"PRACK",
    b"XYZ",
)
STATUSES: Final = (
    b"100",
    b"180",
    b"183",
    b"200",
    b"202",
    b"302",
    b"401",
    b"407",
    b"480",
    b"491",
    b"500",
    b"603",
    b"699",
    b"700",
)

_number: Final = re.compile(rb"[0-9]+")
_word: Final = re.compile(rb"[A-Za-z0-9]+")


def _lines(change: Callable[[list[bytes], int, int], None]) -> st.SearchStrategy[Mutation]:
    def made(first: int, second: int) -> Mutation:
        def mutate(data: bytes) -> bytes:
            lines = data.split(b"\r\n")
            change(lines, first % len(lines), second % len(lines))
            return b"\r\n".join(lines)

        return mutate

    return st.builds(made, st.integers(0, 40), st.integers(0, 40))


def _drop(lines: list[bytes], first: int, second: int) -> None:
    del lines[first]


def _double(lines: list[bytes], first: int, second: int) -> None:
    lines.insert(second, lines[first])


def _swap(lines: list[bytes], first: int, second: int) -> None:
    lines[first], lines[second] = lines[second], lines[first]


def _fold(lines: list[bytes], first: int, second: int) -> None:
    lines[first] = lines[first].replace(b" ", b"\r\n\t", 1)


def _strange_case(lines: list[bytes], first: int, second: int) -> None:
    lines[first] = lines[first].swapcase()


def _places(pattern: re.Pattern[bytes], values: tuple[bytes, ...]) -> st.SearchStrategy[Mutation]:
    """Replace the nth match of a pattern."""

    def made(number: int, value: bytes) -> Mutation:
        def mutate(data: bytes) -> bytes:
            found = list(pattern.finditer(data))
            if not found:
                return data
            match = found[number % len(found)]
            return data[: match.start()] + value + data[match.end() :]

        return mutate

    return st.builds(made, st.integers(0, 120), st.sampled_from(values))


def _flip(position: int, bits: int) -> Mutation:
    def mutate(data: bytes) -> bytes:
        if not data:
            return data
        at = position % len(data)
        return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]

    return mutate


def _insert(position: int, value: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        at = position % (len(data) + 1)
        return data[:at] + value + data[at:]

    return mutate


def _cut(position: int) -> Mutation:
    return lambda data: data[: position % (len(data) + 1)]


def _start(words: tuple[bytes, ...], index: int) -> st.SearchStrategy[Mutation]:
    """Another method, in start line and CSeq alike, or another status."""

    def made(word: bytes) -> Mutation:
        def mutate(data: bytes) -> bytes:
            parts = data.split(b" ", 2)
            if len(parts) < 3 or parts[0].startswith(b"SIP/") != (index == 1):
                return data
            old, parts[index] = parts[index], word
            text = b" ".join(parts)
            return re.sub(rb"(?m)^(CSeq: [0-9]+ )" + re.escape(old), rb"\g<1>" + word, text)

        return mutate

    return st.builds(made, st.sampled_from(words))


mutations: Final = st.one_of(
    st.builds(_flip, st.integers(0, 2000), st.integers(1, 255)),
    st.builds(_insert, st.integers(0, 2000), st.sampled_from(NASTY)),
    st.builds(_cut, st.integers(0, 2000)),
    _lines(_drop),
    _lines(_double),
    _lines(_swap),
    _lines(_fold),
    _lines(_strange_case),
    _places(_number, HUGE),
    _places(_word, NASTY),
    _start(METHODS, 0),
    _start(STATUSES, 1),
)


def renewed(data: bytes, serial: int) -> bytes:
    """The same message as a new one: another branch and a higher CSeq, so that it is no retransmission."""
    data = re.sub(rb"(branch=z9hG4bK)[^;\r\n]*", rb"\g<1>-fuzz-%d" % serial, data, count=1)
    return re.sub(rb"(?m)^(CSeq: )([0-9]+)", lambda match: match[1] + b"%d" % (int(match[2]) + serial), data)
