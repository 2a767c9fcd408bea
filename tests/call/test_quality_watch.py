"""The watch over one leg's quality, fed by hand."""

from typing import Any

import pytest

from pbx.call.quality_events import (
    Clipping,
    DeadAir,
    Direction,
    FlowsAgain,
    Levels,
    OneWayAudio,
    QualityAlert,
    QualityEvent,
    QualityLimits,
    QualityRecovered,
    QualitySample,
    QualityTotals,
    band_of,
)
from pbx.call.quality_watch import QualityWatch, levels_between
from pbx.media.values import LegStatistics, Loudness, PeerReport, ReceiveCounts, RtcpCounts, SendCounts
from pbx.rtp.quality import estimate
from pbx.rtp.xr import VoipMetrics
from tests.rtp.test_g107 import g107

EVERY_S = 5.0
PACKETS = 250


class Line:
    """A leg whose statistics grow by one interval at a time."""

    def __init__(self, encoding: str = "PCMU", **limits: Any) -> None:
        self.now = 100.0
        self.watch = QualityWatch(encoding, self.now, QualityLimits(**limits))
        self.statistics = LegStatistics()
        self.both = True

    def passes(
        self,
        *,
        came: int = PACKETS,
        lost: int = 0,
        runs: int | None = None,
        sent: int = PACKETS,
        duplicated: int = 0,
        late: int = 0,
        levels: Levels | None = None,
        **heard: Any,
    ) -> list[QualityEvent]:
        """One interval: `lost` of `came` + `lost` packets; `heard` is a new report of the peer's."""
        self.now += EVERY_S
        before = self.statistics
        one = before.received
        received = one
        if came or lost:
            received = one._replace(
                packets=one.packets + came + duplicated + late,
                lost=(one.lost or 0) + lost - duplicated,
                loss_runs=(one.loss_runs or 0) + (lost if runs is None else runs),
                duplicated=one.duplicated + duplicated,
                late=one.late + late,
                jitter_ms=3.0,
            )
        self.statistics = before._replace(
            received=received,
            sent=SendCounts(before.sent.packets + sent),
            heard=before.heard._replace(**heard),
            rtcp=RtcpCounts(before.rtcp.received + bool(heard)),
        )
        return self.watch.receive_snapshot(
            self.statistics, self.now, receiving=self.both, sending=self.both, levels=levels
        )


def samples(events: list[QualityEvent], direction: Direction = "in") -> list[QualitySample]:
    return [each for each in events if isinstance(each, QualitySample) and each.direction == direction]


def other(events: list[QualityEvent]) -> list[QualityEvent]:
    return [each for each in events if not isinstance(each, QualitySample)]


@pytest.mark.parametrize(
    ("mos", "band"),
    [
        (4.5, "excellent"),
        (4.0, "excellent"),
        (3.99, "good"),
        (3.5, "good"),
        (3.49, "fair"),
        (3.0, "fair"),
        (2.99, "poor"),
        (2.5, "poor"),
        (2.49, "bad"),
        (1.0, "bad"),
    ],
)
def test_bands(mos: float, band: str) -> None:
    assert band_of(mos) == band


def test_nothing_measured_is_none() -> None:
    line = Line()
    assert line.passes(came=0, sent=0) == []
    assert line.watch.totals(line.statistics) == QualityTotals()
    assert line.watch.totals(LegStatistics()).heard.mos is None


def test_too_few_packets_and_codecs_without_values_make_no_sample() -> None:
    assert Line().passes(came=24, sent=0) == []
    assert len(samples(Line().passes(came=25, sent=0))) == 1
    line = Line("opus")
    assert line.passes(lost=100) == []
    assert line.watch.totals(line.statistics).heard.mos is None


def test_a_sample_is_of_its_interval_alone() -> None:
    line = Line()
    (first,) = samples(line.passes(came=200, lost=50))
    (second,) = samples(line.passes())
    assert first.loss_percent == pytest.approx(20)
    assert first.band in ("poor", "bad")
    assert (second.loss_percent, second.band, second.at) == (0, "excellent", 110.0)


@pytest.mark.parametrize(
    ("lost", "runs", "round_trip_ms"), [(0, 0, 40.0), (10, 10, 40.0), (25, 5, 300.0), (60, 12, 700.0)]
)
def test_the_score_is_that_of_the_e_model(lost: int, runs: int, round_trip_ms: float) -> None:
    line = Line()
    (sample,) = samples(line.passes(came=PACKETS - lost, lost=lost, runs=runs, round_trip_ms=round_trip_ms))
    burst = max(1.0, lost / runs * (1 - lost / PACKETS)) if lost else 1.0
    assert sample.burst_ratio == pytest.approx(burst)
    assert sample.mos == pytest.approx(
        g107(round_trip_ms / 2 + 20, 0, 25.1, 100 * lost / PACKETS, burst), abs=0.1
    )
    assert sample.round_trip_ms == round_trip_ms


def test_what_came_too_late_was_not_heard_and_repeats_do_not_make_up_for_loss() -> None:
    (late,) = samples(Line().passes(came=225, late=25))
    (repeated,) = samples(Line().passes(came=225, lost=25, duplicated=25))
    (lost,) = samples(Line().passes(came=225, lost=25, runs=0))
    assert late.loss_percent == repeated.loss_percent == lost.loss_percent == pytest.approx(10)


def test_three_low_samples_raise_an_alert_and_three_good_ones_end_it() -> None:
    line = Line()
    low: dict[str, Any] = {"came": 190, "lost": 60, "runs": 12}
    said = [other(line.passes(**low)) for _ in range(5)]
    assert said[:2] == [[], []]
    (alert,) = said[2]
    assert isinstance(alert, QualityAlert)
    assert (alert.direction, alert.at) == ("in", 115.0)
    assert alert.mos < 3.0
    assert said[3:] == [[], []]
    assert [other(line.passes()) for _ in range(2)] == [[], []]
    (over,) = other(line.passes())
    assert isinstance(over, QualityRecovered)
    assert over.mos > 4.0
    totals = line.watch.totals(line.statistics).heard
    assert (totals.samples, totals.bad_samples, totals.alerts) == (8, 5, 1)
    assert totals.worst_mos == pytest.approx(alert.mos)


def test_low_samples_that_are_not_in_a_row_raise_nothing() -> None:
    line = Line()
    for number in range(12):
        assert other(line.passes(came=190, lost=0 if number % 3 == 2 else 60, runs=12)) == []


def test_an_interval_without_a_sample_neither_counts_nor_breaks_a_row() -> None:
    line = Line()
    for _ in range(2):
        line.passes(came=190, lost=60, runs=12)
    line.passes(came=0, sent=0)
    assert any(isinstance(each, QualityAlert) for each in line.passes(came=190, lost=60, runs=12))


class TestWhatThePeerHears:
    def test_only_a_new_report_makes_a_sample(self) -> None:
        line = Line()
        assert samples(line.passes(), "out") == []
        # A report without a block on our stream says nothing of it.
        assert samples(line.passes(round_trip_ms=100.0), "out") == []

    def test_its_loss_is_of_what_we_sent(self) -> None:
        line = Line()
        line.passes()
        report = PeerReport(lost=50, fraction_lost=0.1, jitter_ms=7.0, round_trip_ms=100.0)
        line.statistics = line.statistics._replace(heard=report, rtcp=RtcpCounts(1))
        line.statistics = line.statistics._replace(sent=SendCounts(2 * PACKETS))
        events = line.watch.receive_snapshot(line.statistics, 110.0, receiving=True, sending=True)
        (sample,) = samples(events, "out")
        expected = estimate("PCMU", expected=250, lost=50, round_trip=0.1, buffering=0.02)
        assert expected is not None
        assert (sample.mos, sample.jitter_ms, sample.reported) == (expected.mos, 7.0, False)
        assert line.watch.totals(line.statistics).said.loss_percent == pytest.approx(10)

    def test_its_own_score_counts_where_it_sends_one(self) -> None:
        line = Line()
        voice = VoipMetrics(1, loss_rate=64, mos_cq=21, round_trip_ms=90)
        for at in range(3):
            events = line.passes(voice=voice)
            (sample,) = samples(events, "out")
            assert (sample.mos, sample.band, sample.reported) == (2.1, "bad", True)
            assert (sample.loss_percent, sample.round_trip_ms) == (25.0, 90)
            assert any(isinstance(each, QualityAlert) and each.direction == "out" for each in events) == (
                at == 2
            )
        assert line.watch.totals(line.statistics).said.mos == 2.1
        assert line.watch.totals(line.statistics).heard.worst_mos == pytest.approx(4.4, abs=0.05)


class TestOneWayAudio:
    def test_nothing_comes_though_we_send(self) -> None:
        line = Line()
        line.passes()
        assert line.passes(came=0) == []
        assert line.passes(came=0) == [OneWayAudio("in", 115.0, 10.0)]
        assert line.passes(came=0) == []
        assert other(line.passes()) == [FlowsAgain("in", 125.0)]
        assert line.watch.totals(line.statistics).one_way_s == 15.0

    def test_the_peer_hears_nothing_of_us(self) -> None:
        line = Line()
        deaf: dict[str, Any] = {"fraction_lost": 1.0}
        assert other(line.passes(**deaf)) == []
        assert other(line.passes(**deaf)) == [OneWayAudio("out", 110.0, 10.0)]
        assert other(line.passes(fraction_lost=0.0)) == [FlowsAgain("out", 115.0)]

    def test_a_leg_on_hold_or_one_that_nobody_talks_to_is_not_one_way(self) -> None:
        line = Line()
        for _ in range(4):
            assert line.passes(came=0, sent=0) == []
        line.both = False
        for _ in range(4):
            assert line.passes(came=0) == []

    def test_being_put_on_hold_ends_it(self) -> None:
        line = Line()
        line.passes(came=0)
        line.passes(came=0)
        line.both = False
        assert line.passes(came=0) == [FlowsAgain("in", 115.0)]

    def test_a_short_gap_is_nothing(self) -> None:
        line = Line()
        for number in range(8):
            assert other(line.passes(came=0 if number % 2 else PACKETS)) == []


class TestLoudness:
    QUIET = Levels(-80.0, -75.0, 0.0)

    def test_nobody_is_heard_for_long(self) -> None:
        line = Line()
        said = [other(line.passes(levels=self.QUIET)) for _ in range(5)]
        assert said == [[], [], [], [DeadAir(120.0, 20.0)], []]
        assert other(line.passes(levels=Levels(-20.0, -75.0))) == [FlowsAgain("both", 130.0)]
        assert line.watch.totals(line.statistics).dead_air_s == 25.0

    @pytest.mark.parametrize(
        "levels", [None, Levels(), Levels(-80.0, None), Levels(None, -80.0), Levels(-80.0, -30.0)]
    )
    def test_one_voice_or_nothing_measured_is_not_dead(self, levels: Levels | None) -> None:
        line = Line()
        for _ in range(8):
            assert other(line.passes(levels=levels)) == []

    def test_a_voice_at_full_scale_is_clipped(self) -> None:
        line = Line()
        assert other(line.passes(levels=Levels(-3.0, -20.0, 0.05))) == [Clipping(105.0, 0.05)]
        assert other(line.passes(levels=Levels(-3.0, -20.0, 0.001))) == []


def loudness(packets: int, power: int, clipped: int = 0) -> LegStatistics:
    return LegStatistics(loudness=Loudness(packets, packets * power, packets * 160, clipped))


class TestLevels:
    def test_they_are_of_the_interval(self) -> None:
        levels = levels_between(loudness(10, 2**28), loudness(20, 2**27, clipped=16), -30.0)
        # Nothing at all in the second half of what was looked at.
        assert levels == Levels(-127.0, -30.0, 0.01)
        levels = levels_between(loudness(0, 0), loudness(4, 2**28), None)
        assert levels.heard_dbov == pytest.approx(-6.02, abs=0.01)
        assert (levels.said_dbov, levels.clipped_share) == (None, 0.0)

    def test_what_was_not_looked_at_has_none(self) -> None:
        assert levels_between(loudness(4, 100), loudness(4, 100), -30.0) == Levels(None, -30.0, None)


def test_totals_are_of_the_whole_call() -> None:
    line = Line()
    line.passes(came=240, lost=10, runs=2)
    line.passes(round_trip_ms=60.0)
    totals = line.watch.totals(line.statistics)
    assert totals.heard.loss_percent == pytest.approx(2)
    assert totals.heard.burst_ratio == pytest.approx(5 * 0.98)
    assert totals.heard.jitter_ms == 3.0
    assert totals.round_trip_ms == 60.0
    assert totals.said.mos is None
    assert ReceiveCounts().loss_runs is None
