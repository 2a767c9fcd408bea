"""What a finished call becomes in the metrics: what was measured, and nothing that was not."""

import re

import pytest

from pbx.call.record import CallRecord, LegTotals
from pbx.media.values import LegStatistics, PeerReport, ReceiveCounts, SendCounts
from pbx.metrics.metrics import Metrics
from pbx.service.counting import Counting


def finished(
    statistics: LegStatistics | None, *, codec: str | None = "PCMU", trunk: str | None = None
) -> str:
    """The metrics page after one answered call with one such leg."""
    metrics = Metrics(["carrier"])
    record = CallRecord("1", "a", "b", "users", 0.0, answered_at=1.0, ended_at=11.0, cause="answered")
    record.legs.append(LegTotals("user/1001", trunk, codec, statistics))
    Counting(metrics).call_finished(record)
    return metrics.render()[0].decode()


def value(page: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    assert found is not None, series
    return float(found[1])


def test_a_leg_without_media_has_no_series() -> None:
    page = finished(None)
    assert "pbx_rtp_mos_count" not in page
    assert "pbx_rtp_loss_ratio_count" not in page


def test_what_was_not_measured_is_absent() -> None:
    page = finished(LegStatistics(ReceiveCounts(packets=5), SendCounts(packets=5)))
    assert "pbx_rtp_mos_count" not in page
    assert "pbx_rtp_round_trip_seconds_count" not in page
    assert value(page, 'pbx_rtp_packets_total{direction="in",trunk=""}') == 5


def test_a_hundred_packets_are_rated() -> None:
    page = finished(LegStatistics(ReceiveCounts(packets=100, lost=0, jitter_ms=1.0)))
    mos = value(page, 'pbx_rtp_mos_sum{codec="PCMU",direction="in",trunk=""}')
    assert mos == pytest.approx(4.41, abs=0.01)
    assert 'direction="out"' not in "".join(line for line in page.splitlines() if "pbx_rtp_mos" in line)


def test_one_packet_less_is_not() -> None:
    assert "pbx_rtp_mos_count" not in finished(LegStatistics(ReceiveCounts(packets=99, lost=0)))


def test_what_they_hear_is_kept_apart() -> None:
    statistics = LegStatistics(
        ReceiveCounts(packets=500, lost=0, jitter_ms=1.0),
        SendCounts(packets=500),
        heard=PeerReport(lost=50, fraction_lost=0.1, jitter_ms=2.0, round_trip_ms=400.0),
    )
    page = finished(statistics, codec="PCMA", trunk="carrier")
    ours = value(page, 'pbx_rtp_mos_sum{codec="PCMA",direction="in",trunk="carrier"}')
    theirs = value(page, 'pbx_rtp_mos_sum{codec="PCMA",direction="out",trunk="carrier"}')
    assert 1 < theirs < ours < 4.41
    assert value(page, 'pbx_rtp_round_trip_seconds_sum{trunk="carrier"}') == pytest.approx(0.4)
    assert value(page, 'pbx_rtp_lost_packets_total{direction="out",trunk="carrier"}') == 50


def test_a_codec_without_values_is_not_rated() -> None:
    assert "pbx_rtp_mos_count" not in finished(
        LegStatistics(ReceiveCounts(packets=500, lost=0)), codec="OPUS"
    )
