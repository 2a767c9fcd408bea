from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.rtp.quality import (
    IMPAIRMENTS,
    MIN_PACKETS,
    Impairment,
    Jitter,
    effective_impairment,
    estimate,
    mean_opinion_score,
    transmission_rating,
)


def test_jitter_is_none_before_two_packets() -> None:
    jitter = Jitter(8000)
    assert (jitter.units, jitter.milliseconds) == (None, None)
    jitter.receive(0, 1.0)
    assert (jitter.units, jitter.milliseconds) == (None, None)
    jitter.receive(160, 1.02)
    assert jitter.units == pytest.approx(0, abs=1e-6)


def test_jitter_follows_the_formula_of_the_rfc() -> None:
    """J += (|D| - J) / 16, by hand: packets every 20 ms, the third 10 ms late (80 units at 8000 Hz)."""
    jitter = Jitter(8000)
    for timestamp, now in [(0, 0.0), (160, 0.020), (320, 0.050)]:
        jitter.receive(timestamp, now)
    assert jitter.units == pytest.approx(80 / 16)
    jitter.receive(480, 0.060)  # back on time: 10 ms less than expected
    assert jitter.units == pytest.approx(5 + (80 - 5) / 16)
    assert jitter.milliseconds == pytest.approx((5 + 75 / 16) / 8)


def test_jitter_is_of_the_clock_of_the_format() -> None:
    wide = Jitter(48000)
    for timestamp, now in [(0, 0.0), (960, 0.030)]:
        wide.receive(timestamp, now)
    assert wide.units == pytest.approx(480 / 16)
    assert wide.milliseconds == pytest.approx(10 / 16)


def test_timestamps_that_wrap_and_silence_make_no_jitter() -> None:
    jitter = Jitter(8000)
    for timestamp, now in [(2**32 - 160, 5.0), (0, 5.02), (80000, 15.02), (80160, 15.04)]:
        jitter.receive(timestamp, now)
    assert jitter.units == pytest.approx(0, abs=1e-6)
    jitter.restart()
    assert jitter.units is None
    jitter.receive(7, 99.0)
    assert jitter.units is None


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0, 1e6)), min_size=2, max_size=50))
def test_jitter_is_never_negative(packets: list[tuple[int, float]]) -> None:
    jitter = Jitter(8000)
    for timestamp, now in packets:
        jitter.receive(timestamp, now)
    assert jitter.units is not None
    assert jitter.units >= 0


def test_the_rating_of_the_default_connection_is_that_of_the_recommendation() -> None:
    assert transmission_rating(0) == pytest.approx(93.2, abs=0.05)
    assert mean_opinion_score(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    # G.107 annex B, table B.1: limits of user satisfaction (printed there to about a hundredth)
    ("rating", "mos"),
    [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)],
)
def test_mos_of_the_ratings_in_the_recommendation(rating: float, mos: float) -> None:
    assert mean_opinion_score(rating) == pytest.approx(mos, abs=0.01)


def test_mos_stays_between_its_bounds() -> None:
    assert [mean_opinion_score(rating) for rating in (-5, 0, 3, 100, 120)] == [1, 1, 1, 4.5, 4.5]
    values = [mean_opinion_score(rating / 10) for rating in range(1001)]
    assert values == sorted(values)


def test_delay_costs_little_up_to_150_ms_and_much_beyond() -> None:
    ratings = [transmission_rating(delay) for delay in range(0, 600, 10)]
    assert ratings == sorted(ratings, reverse=True)
    assert transmission_rating(150) > 88
    assert transmission_rating(400) < 65
    assert transmission_rating(-5) == transmission_rating(0)


def test_loss_raises_the_impairment_towards_95() -> None:
    g729 = IMPAIRMENTS["G729"]
    assert effective_impairment(g729, 0) == 11
    assert effective_impairment(g729, 19) == pytest.approx(11 + 84 / 2)
    assert effective_impairment(Impairment(0, 4.3), 4.3) == pytest.approx(95 / 2)
    assert effective_impairment(g729, 5, burst_ratio=2) > effective_impairment(g729, 5)
    assert effective_impairment(g729, 100) < 95


def test_a_perfect_call() -> None:
    found = estimate("PCMU", expected=1000, lost=0)
    assert found is not None
    assert isclose(found.mos, 4.41, abs_tol=0.005)
    assert not found.delay_measured


def test_delay_counts_when_it_was_measured() -> None:
    without = estimate("PCMA", expected=1000, lost=0, buffering=0.4)
    with_delay = estimate("PCMA", expected=1000, lost=0, round_trip=0.4, buffering=0.1)
    assert without is not None
    assert with_delay is not None
    assert with_delay.delay_measured
    assert with_delay.rating == pytest.approx(transmission_rating(300))
    assert without.rating == pytest.approx(transmission_rating(0))


def test_loss_lowers_the_score_and_g729_starts_lower() -> None:
    scores = [estimate("pcmu", expected=1000, lost=lost) for lost in (0, 10, 50, 200)]
    values = [score.mos for score in scores if score is not None]
    assert len(values) == 4
    assert values == sorted(values, reverse=True)
    g729 = estimate("G729", expected=1000, lost=0)
    assert g729 is not None
    assert 3.9 < g729.mos < values[0]
    g722 = estimate("G722", expected=1000, lost=10)
    assert g722 is not None
    assert g722.mos < values[1]


@pytest.mark.parametrize(
    ("encoding", "expected", "lost"),
    [
        ("PCMU", 0, 0),
        ("PCMU", MIN_PACKETS - 1, 0),
        ("PCMU", 1000, 1000 - MIN_PACKETS + 1),
        ("PCMU", 1000, 1000),
        ("OPUS", 1000, 0),
        ("X-NEW", 1000, 0),
    ],
)
def test_what_was_not_measured_is_none(encoding: str, expected: int, lost: int) -> None:
    assert estimate(encoding, expected=expected, lost=lost) is None


def test_more_repeats_than_losses_are_no_loss() -> None:
    assert estimate("PCMU", expected=MIN_PACKETS, lost=-7) == estimate("PCMU", expected=MIN_PACKETS, lost=0)
