import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import layout, reports, snapshots
from pbx.media.plane import MediaPlane
from pbx.rtp.rtcp import ReceiverReport, encode_compound
from pbx.rtp.xr import ExtendedReport, OtherBlock, VoipMetrics
from tests.media.support import Phones, bridged, new_plane, wait_until
from tests.media.test_kernels import record

WALL = 1_700_000_000_000_000


def room(data: bytes = b"") -> Any:
    made = np.zeros(layout.PACKET, np.uint8)
    made[: len(data)] = np.frombuffer(data, np.uint8)
    return made


def compose(leg: Any, now: int = 0) -> bytes:
    data = room()
    size = reports.compose(leg, np.frombuffer(b"abcdefghijklmnop", np.uint8), data, WALL + now, now)
    return bytes(data[:size])


def report_block(
    ssrc: int, fraction: int = 0, lost: int = 0, jitter: int = 0, reported: int = 0, delay: int = 0
) -> bytes:
    return struct.pack("!IIIIII", ssrc, fraction << 24 | lost & 0xFFFFFF, 0, jitter, reported, delay)


def receiver_report(*blocks: bytes) -> bytes:
    return struct.pack("!BBHI", 0x80 | len(blocks), 201, 1 + 6 * len(blocks), 5) + b"".join(blocks)


def test_a_leg_that_only_listens_sends_a_receiver_report() -> None:
    leg = record(
        stream_ssrc=77,
        has_source=1,
        ssrc=5,
        base=100,
        highest=199 + 65536,
        source_received=65536 + 75,
        jitter=320,
    )
    data = compose(leg)
    head, kind, words, ours = struct.unpack("!BBHI", data[:8])
    assert (head, kind, words, ours) == (0x81, 201, 7, 77)
    ssrc, loss, highest, jitter, reported, delay = struct.unpack("!IIIIII", data[8:32])
    assert (ssrc, loss & 0xFFFFFF, highest, jitter, reported, delay) == (5, 25, 65735, 20, 0, 0)
    assert loss >> 24 == 25 * 256 // 65636
    head, kind, words, ours = struct.unpack("!BBHI", data[32:40])
    assert (head, kind, ours) == (0x81, 202, 77)
    assert data[40:58] == b"\x01\x10abcdefghijklmnop"
    assert len(data) == 32 + 4 * (words + 1)
    assert set(data[58:]) == {0}


def test_a_leg_that_sends_sends_a_sender_report() -> None:
    leg = record(
        stream_ssrc=77,
        sent_packets=10,
        sent_octets=1600,
        stream_timestamp=8000,
        stream_rate=8000,
        stream_at=500_000,
    )
    data = compose(leg, now=1_500_000)
    head, kind, words, ours, seconds, fraction, stamp, packets, octets = struct.unpack(
        "!BBHIIIIII", data[:28]
    )
    assert (head, kind, words, ours, packets, octets) == (0x80, 200, 6, 77, 10, 1600)
    assert seconds == 1_700_000_001 + 2_208_988_800
    assert fraction == 2**31
    assert stamp == 16_000


def test_loss_is_reported_for_each_interval_and_clamped() -> None:
    leg = record(has_source=1, base=0, highest=99, source_received=50)
    assert compose(leg)[12] == 128
    leg["highest"], leg["source_received"] = 199, 150
    assert compose(leg)[12] == 0
    leg["source_received"] = 1000
    assert int.from_bytes(compose(leg)[13:16], "big") - 2**24 == 200 - 1000


def test_what_the_peer_hears_is_read_and_the_round_trip_measured() -> None:
    leg = record(stream_ssrc=77, stream_rate=8000, round_trip=-1, heard_jitter=-1)
    sent = reports.ntp_middle(WALL)
    data = receiver_report(report_block(1), report_block(77, 64, -3, 80, sent, 65536 // 2))
    assert reports.read_compound(leg, room(data), len(data), WALL + 620_000, 0)
    assert (leg["heard_fraction"], leg["heard_lost"], leg["heard_jitter"]) == (64, -3, 10_000)
    assert abs(int(leg["round_trip"]) - 120_000) < 40


@pytest.mark.parametrize(("since", "expected"), [(499_990, 0), (200_000_000, -1)])
def test_round_trips_that_cannot_be_are_not_believed(since: int, expected: int) -> None:
    leg = record(stream_ssrc=77, round_trip=-1)
    data = receiver_report(report_block(77, reported=reports.ntp_middle(WALL), delay=65536 // 2))
    assert reports.read_compound(leg, room(data), len(data), WALL + since, 0)
    assert leg["round_trip"] == expected


def test_the_peers_sender_report_is_answered_with_its_time_and_our_delay() -> None:
    leg = record(has_source=1, ssrc=5, source_received=1)
    data = struct.pack("!BBHIIIIII", 0x80, 200, 6, 5, 0x11112222, 0x33334444, 0, 0, 0)
    assert reports.read_compound(leg, room(data), len(data), WALL, 1_000_000)
    reported, delay = struct.unpack("!II", compose(leg, now=1_250_000)[24:32])
    assert (reported, delay) == (0x22223333, 16384)


VOICE = VoipMetrics(
    77, 13, 5, 128, 3, 200, 5000, 80, 40, -20, -60, 55, 16, 85, 127, 42, 38, 0, 0, 60, 120, 200
)


def test_an_extended_report_on_our_stream_is_kept() -> None:
    plane_row = record(stream_ssrc=77, round_trip=-1, heard_jitter=-1)
    others = (OtherBlock(4, 0, bytes(8)), replace(VOICE, ssrc=78, mos_cq=11))
    data = encode_compound([ReceiverReport(5), ExtendedReport(5, (*others, VOICE))])
    assert reports.read_compound(plane_row, room(data), len(data), WALL, 0)
    assert snapshots._heard(plane_row.item()).voice == VOICE
    data = encode_compound([ReceiverReport(5), ExtendedReport(5, others)])
    empty = record(stream_ssrc=77)
    assert reports.read_compound(empty, room(data), len(data), WALL, 0)
    assert not empty["metrics_heard"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\xcf\x00\x00",
        b"\x80\xcf\x00\x02" + bytes(4) + b"\x07\x00\x00\x08",
        b"\x80\xcf\x00\x03" + bytes(4) + b"\x07\x00\x00\x02" + bytes(4),
        b"\x80\xcf\x00\x02" + bytes(4) + b"\x01\x00\xff\xff",
    ],
)
def test_extended_reports_that_lie_are_refused(data: bytes) -> None:
    data = receiver_report() + data
    assert not reports.read_compound(record(), room(data), len(data), WALL, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc9\x00\x01",
        b"\x80\xc9\x00\x02" + bytes(4),
        b"\x40\xc9\x00\x01" + bytes(4),
        b"\xa0\xc9\x00\x01" + bytes(4),
        b"\x80\xca\x00\x01" + bytes(4),
        b"\x81\xc9\x00\x01" + bytes(4),
        b"\x80\xc9\x00\x01" + bytes(4) + b"\x00\xca\x00\x00",
        b"\x80\xc9\x00\x01" + bytes(5),
        b"\x81\xc8\x00\x06" + bytes(24),
    ],
)
def test_malformed_reports_are_refused(data: bytes) -> None:
    assert not reports.read_compound(record(), room(data), len(data), WALL, 0)


# A report, and the head of an extended one of a block and a half.
EXTENDED = receiver_report() + b"\x80\xcf\x00\x0c" + bytes(4) + b"\x07\x00\x00\x08" + bytes(3) + b"\x00"


@given(st.binary(max_size=200), st.integers(0, 4))
def test_no_bytes_reach_beyond_what_was_received(data: bytes, start: int) -> None:
    data = [b"", b"\x81\xc9", b"\x82\xc8\x00\x06", b"\x80\xc9\x00\x01", EXTENDED][start] + data
    quiet, loud = room(data), room(data)
    loud[len(data) :] = 0xFF
    one, other = record(round_trip=-1), record(round_trip=-1)
    assert reports.read_compound(one, quiet, len(data), WALL, 0) == reports.read_compound(
        other, loud, len(data), WALL, 0
    )
    assert one.tolist() == other.tolist()


@given(st.integers(0, 10**13), st.integers(0, 5000))
def test_reports_are_spread_over_half_to_one_and_a_half_intervals(now: int, row: int) -> None:
    assert 2_500_000 <= reports.next_report(now, 5_000_000, row) - now <= 7_500_000


@pytest.mark.network
def test_reports_go_to_the_port_next_to_rtp_and_what_comes_back_is_counted(phones: Phones) -> None:
    plane: MediaPlane = new_plane(report_interval=0.2)
    try:
        alice, bob = phones.pair(), phones.new()
        assert alice.rtcp is not None
        a, b = bridged(plane, alice, bob)
        for _ in range(3):
            alice.send()
            bob.send()
        ssrc = alice.hear().ssrc
        data, source = alice.rtcp.recvfrom(2048)
        assert source[1] == alice.target[1] + 1
        while data[1] != 200:
            data = alice.rtcp.recv(2048)
        assert data[0] == 0x81
        assert int.from_bytes(data[4:8], "big") == ssrc
        assert int.from_bytes(data[28:32], "big") == alice.ssrc
        middle = int.from_bytes(data[10:14], "big")
        answer = receiver_report(report_block(ssrc, 12, 7, 16, middle, 0))
        alice.rtcp.sendto(answer, source)
        wait_until(lambda: plane.statistics(a).rtcp.received == 1)
        heard = plane.statistics(a).heard
        assert (heard.lost, heard.fraction_lost, heard.jitter_ms) == (7, 12 / 256, 2.0)
        assert heard.round_trip_ms is not None
        assert heard.round_trip_ms >= 0
        assert plane.statistics(b).heard.lost is None
        assert plane.statistics(a).rtcp.sent >= 1
        alice.rtcp.sendto(b"nonsense", source)
        wait_until(lambda: plane.statistics(a).rtcp.malformed == 1)
        assert bob.hear().payload
    finally:
        plane.stop()
