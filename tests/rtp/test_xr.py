import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.rtp.packet import RtpError
from pbx.rtp.rtcp import ReceiverReport, encode_compound, parse_compound
from pbx.rtp.xr import ExtendedReport, OtherBlock, VoipMetrics, encode_extended, parse_extended

# Octet by octet from the figure in RFC 3611 §4.7.
WIRE = bytes.fromhex(
    "0000abcd"  # the reporter
    "07000008"  # VoIP metrics, eight words follow
    "00001234"  # the source
    "0d05"
    "8003"  # loss and discard rate, burst and gap density
    "00c8"
    "1388"  # burst and gap duration
    "0050"
    "0028"  # round trip, end system delay
    "ec"
    "c4"
    "37"
    "10"  # signal -20 dBm0, noise -60 dBm0, RERL 55 dB, Gmin 16
    "55"
    "7f"
    "2a"
    "26"  # R 85, no external R, MOS-LQ 4.2, MOS-CQ 3.8
    "b2"
    "00"
    "003c"  # receiver configuration, jitter buffer
    "0078"
    "00c8"
)
METRICS = VoipMetrics(
    0x1234, 13, 5, 128, 3, 200, 5000, 80, 40, -20, -60, 55, 16, 85, 127, 42, 38, 0xB2, 0, 60, 120, 200
)


def test_a_block_is_read_as_the_figure_shows_it() -> None:
    assert parse_extended(WIRE) == ExtendedReport(0xABCD, (METRICS,))
    assert encode_extended(ExtendedReport(0xABCD, (METRICS,))) == WIRE


def test_what_it_says_in_common_units() -> None:
    assert METRICS.loss_percent == pytest.approx(100 * 18 / 256)
    assert (METRICS.rating, METRICS.listening_mos, METRICS.conversational_mos) == (85, 4.2, 3.8)
    assert METRICS.one_way_ms == 80


def test_what_was_not_measured_is_none() -> None:
    empty = VoipMetrics(1)
    assert (empty.rating, empty.listening_mos, empty.conversational_mos, empty.one_way_ms) == (None,) * 4
    # Reserved values are no scores either.
    odd = VoipMetrics(1, r_factor=101, mos_lq=9, mos_cq=51)
    assert (odd.rating, odd.listening_mos, odd.conversational_mos) == (None, None, None)


def test_it_is_one_packet_of_a_compound_among_others() -> None:
    receiver = ReceiverReport(5)
    report = ExtendedReport(5, (OtherBlock(4, 0, bytes(8)), METRICS))
    data = encode_compound([receiver, report])
    assert parse_compound(data) == [receiver, report]


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\1\7", WIRE[:-1], WIRE[:-4], b"\0\0\0\1\7\0\0\1"])
def test_lengths_that_lie_are_refused(body: bytes) -> None:
    with pytest.raises(RtpError):
        parse_extended(body)


def test_a_block_of_another_length_is_not_read_as_metrics() -> None:
    body = b"\0\0\0\1" + b"\7\0\0\1" + bytes(4)
    assert parse_extended(body).blocks == (OtherBlock(7, 0, bytes(4)),)


@given(st.binary(max_size=120))
def test_any_bytes_are_read_and_printed_back_or_refused(body: bytes) -> None:
    try:
        report = parse_extended(body)
    except RtpError:
        return
    assert encode_extended(report) == body
