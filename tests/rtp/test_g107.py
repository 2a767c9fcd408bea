"""The E-model against a second, plain reading of ITU-T G.107 §7, formula by formula."""

from itertools import product
from math import exp, log, log10, sqrt

import numpy as np
import pytest

from pbx.rtp.quality import IMPAIRMENTS, burst_ratio, estimate


def g107(one_way_ms: float, ie: float, bpl: float, loss_percent: float, burst: float) -> float:
    """MOS-CQE with the default values of table 2 (A = 0); equations 7-1 to 7-30 and B-4."""
    slr, rlr, stmr, telr, wepl, d_s, d_r, qdu = 8.0, 2.0, 15.0, 65.0, 110.0, 3.0, 3.0, 1.0
    n_c, n_for, p_s, p_r = -70.0, -64.0, 35.0, 35.0
    t = one_way_ms
    olr = slr + rlr
    n_os = p_s - slr - d_s - 100 + 0.004 * (p_s - olr - d_s - 14) ** 2
    lstr = stmr + d_r
    p_re = p_r + 10 * log10(1 + 10 ** ((10 - lstr) / 10))
    n_or = rlr - 121 + p_re + 0.008 * (p_re - 35) ** 2
    n_o = 10 * log10(10 ** (n_c / 10) + 10 ** (n_os / 10) + 10 ** (n_or / 10) + 10 ** ((n_for + rlr) / 10))
    r_o = 15 - 1.5 * (slr + n_o)
    x_olr = olr + 0.2 * (64 + n_o - rlr)
    i_olr = 20 * ((1 + (x_olr / 8) ** 8) ** (1 / 8) - x_olr / 8)
    stmr_o = -10 * log10(10 ** (-stmr / 10) + exp(-t / 4) * 10 ** (-telr / 10))
    i_st = (
        12 * (1 + ((stmr_o - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((stmr_o + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((stmr_o - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )
    q = 37 - 15 * log(qdu) / log(10)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    i_q = 15 * log10(1 + 10 ** ((r_o - 100) / 15 + 46 / 8.4 - g / 9) + 10 ** (46 / 30 - g / 40))
    terv = telr - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t * t)
    r_e = 80 + 2.5 * (terv - 14)
    r_oe = -1.5 * (n_o - rlr)
    i_dte = ((r_oe - r_e) / 2 + sqrt((r_oe - r_e) ** 2 / 4 + 100) - 1) * (1 - exp(-t))
    r_le = 10.5 * (wepl + 7) * (2 * t + 1) ** -0.25
    i_dle = (r_o - r_le) / 2 + sqrt((r_o - r_le) ** 2 / 4 + 169)
    i_dd = 0.0
    if t > 100:
        x = log(t / 100) / log(2)
        i_dd = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    ie_eff = ie + (95 - ie) * loss_percent / (loss_percent / burst + bpl)
    r = r_o - (i_olr + i_st + i_q) - (i_dte + i_dle + i_dd) - ie_eff
    if r <= 0:
        return 1.0
    return float(max(1.0, min(4.5, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)))


@pytest.mark.parametrize("encoding", ["PCMU", "G722", "G729"])
def test_every_score_is_that_of_the_recommendation(encoding: str) -> None:
    codec = IMPAIRMENTS[encoding]
    for one_way_ms, lost, burst in product(
        (0, 20, 80, 150, 250, 400, 800), (0, 1, 10, 30, 50, 100, 200, 500), (1.0, 1.5, 3.0)
    ):
        found = estimate(
            encoding, expected=1000, lost=lost, round_trip=2 * one_way_ms / 1000, burst_ratio=burst
        )
        assert found is not None
        expected = g107(one_way_ms, codec.ie, codec.bpl, lost / 10, burst)
        assert found.mos == pytest.approx(expected, abs=0.02), (one_way_ms, lost, burst)


def trace(lose: float, stay: float, packets: int = 100_000, seed: int = 1) -> list[bool]:
    """Whether each packet is lost: two states, `lose` from heard to lost, `stay` from lost to lost."""
    chances = np.random.default_rng(seed).random(packets).tolist()
    lost, found = False, []
    for chance in chances:
        lost = chance < (stay if lost else lose)
        found.append(lost)
    return found


def runs_in(losses: list[bool]) -> int:
    return sum(now and not before for before, now in zip([False, *losses], losses, strict=False))


@pytest.mark.parametrize(("lose", "stay"), [(0.05, 0.05), (0.02, 0.5), (0.01, 0.75), (0.1, 0.4)])
def test_the_burst_ratio_is_that_of_the_process_that_lost(lose: float, stay: float) -> None:
    """G.107 §7.5: BurstR = 1 / (p + q) for a two-state process, 1 for random loss."""
    losses = trace(lose, stay)
    ratio = burst_ratio(len(losses), sum(losses), runs_in(losses))
    assert ratio == pytest.approx(1 / (lose + 1 - stay), rel=0.08)


@pytest.mark.parametrize(
    ("expected", "lost", "runs"),
    [(0, 0, 0), (100, 0, 0), (100, 100, 1), (100, 5, None), (100, 5, 0), (9, 3, 9)],
)
def test_what_says_nothing_of_bursts_is_random_loss(expected: int, lost: int, runs: int | None) -> None:
    assert burst_ratio(expected, lost, runs) == 1.0


def test_bursts_cost_more_than_the_same_loss_at_random() -> None:
    at_random = estimate("PCMU", expected=1000, lost=50)
    in_bursts = estimate("PCMU", expected=1000, lost=50, burst_ratio=burst_ratio(1000, 50, 10))
    assert at_random is not None
    assert in_bursts is not None
    assert in_bursts.mos < at_random.mos - 0.05
