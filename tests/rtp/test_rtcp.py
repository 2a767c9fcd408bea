import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError
from pbx.rtp.packet import RtpError
from pbx.rtp.rtcp import (
    CNAME,
    Goodbye,
    OtherRtcp,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SdesChunk,
    SenderReport,
    SourceDescription,
    encode_compound,
    middle_ntp,
    parse_compound,
    round_trip,
)

_word = st.integers(0, 2**32 - 1)
_blocks = st.lists(
    st.builds(
        ReportBlock, _word, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), _word, _word, _word, _word
    ),
    max_size=4,
).map(tuple)
_extension = st.sampled_from([b"", b"abcd", b"abcdefgh"])
_reports = st.one_of(
    st.builds(SenderReport, _word, st.integers(0, 2**64 - 1), _word, _word, _word, _blocks, _extension),
    st.builds(ReceiverReport, _word, _blocks, _extension),
)
_items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=20)), max_size=4).map(tuple)
_others = st.one_of(
    _reports,
    st.builds(SourceDescription, st.lists(st.builds(SdesChunk, _word, _items), max_size=3).map(tuple)),
    st.builds(Goodbye, st.lists(_word, max_size=3).map(tuple), st.one_of(st.none(), st.binary(max_size=20))),
    st.builds(OtherRtcp, st.sampled_from([204, 205, 206]), st.integers(0, 31), _extension),
)
compounds: st.SearchStrategy[list[RtcpPacket]] = st.builds(
    lambda first, rest: [first, *rest], _reports, st.lists(_others, max_size=3)
)


@given(compounds)
def test_parse_and_encode_are_inverses(packets: list[RtcpPacket]) -> None:
    assert parse_compound(encode_compound(packets)) == packets


@given(compounds, st.integers(0, 400), st.integers(0, 255))
def test_a_changed_octet_raises_nothing_but_rtp_errors(
    packets: list[RtcpPacket], at: int, octet: int
) -> None:
    data = bytearray(encode_compound(packets))
    data[at % len(data)] = octet
    try:
        parse_compound(bytes(data))
    except RtpError:
        return


@given(st.binary(max_size=100), st.integers(0x80, 0xBF), st.integers(199, 207))
def test_any_bytes_raise_nothing_but_rtp_errors(data: bytes, first: int, packet_type: int) -> None:
    words = max(0, len(data) // 4)
    for attempt in (data, bytes((first, packet_type)) + words.to_bytes(2, "big") + data[: words * 4]):
        try:
            parse_compound(attempt)
        except RtpError:
            continue


def test_a_report_as_phones_send_it() -> None:
    data = bytes.fromhex(
        "81 c9 0007 11111111 22222222 40 fffffe 00010005 00000009 12345678 00008000"
        "81 ca 0003 11111111 01 04 61406263 0000"
    )
    report, description = parse_compound(data)
    assert report == ReceiverReport(
        0x11111111, (ReportBlock(0x22222222, 0x40, -2, 0x10005, 9, 0x12345678, 0x8000),)
    )
    assert description == SourceDescription((SdesChunk(0x11111111, ((CNAME, b"a@bc"),)),))
    assert encode_compound([report, description]) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "shorter than an RTCP report"),
        ("80c90001", "shorter than an RTCP report"),
        ("40c90001 00000000", "not RTCP version 2"),
        ("80ca0001 00000000", "RTCP does not begin with a report"),
        ("80cb0001 00000000", "RTCP does not begin with a report"),
        ("80c90002 00000000", "RTCP lengths do not add up"),
        ("80c9ffff 00000000", "RTCP lengths do not add up"),
        ("80c90001 00000000 80cb", "RTCP lengths do not add up"),
        ("80c90001 00000000 40cb0000", "not RTCP version 2"),
        ("80c90000 80c90001 00000000", "receiver report too short"),
        ("80c80001 00000000", "sender report too short"),
        ("81c90001 00000000", "report blocks run past the packet"),
        ("9fc90007 00000000" + "00" * 24, "report blocks run past the packet"),
        ("80c90001 00000000 81cb0000", "BYE sources run past the packet"),
        ("80c90001 00000000 80cb0001 04616263", "BYE reason runs past the packet"),
        ("80c90001 00000000 81ca0001 00000000", "SDES chunks run past the packet"),
        ("80c90001 00000000 81ca0002 00000000 01 09 6162", "an SDES item runs past the packet"),
        ("80c90001 00000000 81ca0002 00000000 01 01 61 02", "an SDES item runs past the packet"),
        ("80c90001 00000000 81ca0002 00000000 01 02 6162", "an SDES chunk does not end"),
        ("80c90001 00000000 82ca0002 00000000 00000000", "SDES chunks run past the packet"),
        ("a0c90001 00000000 80cb0000", "bad RTCP padding"),
        ("80c90001 00000000 a0cb0000", "bad RTCP padding"),
        ("80c90001 00000000 a0cb0001 00000003", "bad RTCP padding"),
        ("80c90001 00000000 a0cb0001 00000008", "bad RTCP padding"),
        ("80c90001 00000000 a0cb0001 00000000", "bad RTCP padding"),
    ],
)
def test_compounds_that_lie_are_refused(data: str, reason: str) -> None:
    with pytest.raises(RtpError) as caught:
        parse_compound(bytes.fromhex(data))
    assert caught.value.reason == reason


def test_the_last_packet_may_be_padded() -> None:
    data = bytes.fromhex("80c90001 00000007 a1cb0002 00000007 00000004")
    assert parse_compound(data) == [ReceiverReport(7), Goodbye((7,))]


@pytest.mark.parametrize(
    "packets",
    [
        [],
        [Goodbye((1,))],
        [ReceiverReport(1, (ReportBlock(1, 0, 0, 0, 0),) * 32)],
        [ReceiverReport(1, (), b"abc")],
        [ReceiverReport(1), SourceDescription((SdesChunk(1, ((CNAME, bytes(256)),)),))],
        [ReceiverReport(1), OtherRtcp(204, 0, bytes(4 * 65536))],
    ],
)
def test_what_does_not_fit_is_our_own_fault(packets: list[RtcpPacket]) -> None:
    with pytest.raises(MisuseError):
        encode_compound(packets)


@pytest.mark.parametrize(("lost", "said"), [(2**23, 2**23 - 1), (-(2**23) - 1, -(2**23)), (5, 5), (-5, -5)])
def test_cumulative_loss_is_kept_within_its_24_bits(lost: int, said: int) -> None:
    (report,) = parse_compound(encode_compound([ReceiverReport(1, (ReportBlock(2, 0, lost, 0, 0),))]))
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].cumulative_lost == said


def test_round_trip_as_in_the_example_of_the_rfc() -> None:
    # RFC 3550 §6.4.1, figure 2: A 0xb710:8000, DLSR 0x0005:4000, LSR 0xb705:2000 give 6.125 s.
    block = ReportBlock(1, 0, 0, 0, 0, 0xB7052000, 0x00054000)
    assert round_trip(0xB7108000, block) == 6.125


def test_a_round_trip_that_was_not_measured_is_none() -> None:
    assert round_trip(0xB7108000, ReportBlock(1, 0, 0, 0, 0)) is None
    assert round_trip(100, ReportBlock(1, 0, 0, 0, 0, 90, 11)) is None


def test_middle_of_an_ntp_timestamp() -> None:
    assert middle_ntp(1.5) == 0x18000
    assert middle_ntp(65536.25) == 0x4000
