import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError, PeerError
from pbx.rtp.packet import Extension, RtpError, RtpPacket, is_rtcp, parse

_word = st.integers(0, 2**32 - 1)
packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 65535),
    _word,
    _word,
    st.binary(max_size=40),
    st.booleans(),
    st.lists(_word, max_size=15).map(tuple),
    st.one_of(
        st.none(),
        st.builds(
            Extension,
            st.integers(0, 65535),
            st.binary(max_size=24).map(lambda data: data[: len(data) // 4 * 4]),
        ),
    ),
    st.integers(0, 255),
)


def test_a_plain_packet() -> None:
    data = bytes.fromhex("80 08 1234 000000a0 deadbeef") + b"voice"
    packet = parse(data)
    assert packet == RtpPacket(8, 0x1234, 160, 0xDEADBEEF, b"voice")
    assert packet.encode() == data


def test_every_part_of_the_header() -> None:
    data = bytes.fromhex("b2 e5 0001 00000002 00000003 0000000a 0000000b bede0001 11223344 ffff 0002")
    assert parse(data) == RtpPacket(
        101, 1, 2, 3, b"\xff\xff", True, (10, 11), Extension(0xBEDE, b"\x11\x22\x33\x44"), 2
    )


@given(packets)
def test_parse_and_encode_are_inverses(packet: RtpPacket) -> None:
    assert parse(packet.encode()) == packet


@given(st.binary(max_size=80))
def test_any_bytes_raise_nothing_but_rtp_errors(data: bytes) -> None:
    for attempt in (data, b"\x80" + data, b"\xbf" + data):
        try:
            packet = parse(attempt)
        except RtpError:
            continue
        assert len(packet.encode()) == len(attempt)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "shorter than an RTP header"),
        ("80 00 0000 00000000 000000", "shorter than an RTP header"),
        ("40 00 0000 00000000 00000000", "not RTP version 2"),
        ("c0 00 0000 00000000 00000000", "not RTP version 2"),
        ("81 00 0000 00000000 00000000", "contributing sources run past the packet"),
        ("8f 00 0000 00000000 00000000 00000000", "contributing sources run past the packet"),
        ("90 00 0000 00000000 00000000", "header extension runs past the packet"),
        ("90 00 0000 00000000 00000000 bede00", "header extension runs past the packet"),
        ("90 00 0000 00000000 00000000 bedeffff 00000000", "header extension runs past the packet"),
        ("a0 00 0000 00000000 00000000", "padding runs past the packet"),
        ("a0 00 0000 00000000 00000000 00", "padding runs past the packet"),
        ("a0 00 0000 00000000 00000000 02", "padding runs past the packet"),
        ("b0 00 0000 00000000 00000000 bede0001 00000001", "padding runs past the packet"),
    ],
)
def test_packets_that_lie_are_refused(data: str, reason: str) -> None:
    with pytest.raises(RtpError) as caught:
        parse(bytes.fromhex(data))
    assert caught.value.reason == reason
    assert isinstance(caught.value, PeerError)


def test_padding_may_fill_the_whole_payload() -> None:
    assert parse(bytes.fromhex("a0 00 0000 00000000 00000000 000003")).payload == b""


@pytest.mark.parametrize(
    "packet",
    [
        RtpPacket(128, 0, 0, 0),
        RtpPacket(-1, 0, 0, 0),
        RtpPacket(0, 0, 0, 0, csrcs=(0,) * 16),
        RtpPacket(0, 0, 0, 0, padding=256),
        RtpPacket(0, 0, 0, 0, extension=Extension(0, b"abc")),
    ],
)
def test_what_does_not_fit_is_our_own_fault(packet: RtpPacket) -> None:
    with pytest.raises(MisuseError):
        packet.encode()


def test_sequence_timestamp_and_source_wrap() -> None:
    assert parse(RtpPacket(0, 65536, 2**32 + 1, 2**32 + 2).encode()) == RtpPacket(0, 0, 1, 2)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(0, False), (128, False), (191, False), (192, True), (200, True), (223, True), (224, False)],
)
def test_rtcp_is_told_by_its_packet_type(second: int, expected: bool) -> None:
    assert is_rtcp(bytes((0x80, second, 0, 0))) == expected
    assert is_rtcp(bytes((0x80, second))) == expected
    assert not is_rtcp(b"\x80")
