"""`pbx bench`: its tables come out and its verdicts can be trusted; no figure is compared with anything."""

import json

import pytest
from click.testing import CliRunner

from benchmarks import soak
from benchmarks.leaks import MIB, Round, Verdict
from benchmarks.load import Load
from benchmarks.signalling import HEADER, Rate, Run
from pbx.cli.bench import bench

CLEAN = Load(100, 100, 0, 0, 0, 50.0, 4.0)
ONE_FAILED = Load(100, 99, 1, 0, 0, 50.0, 4.0)


def verdict(*resident_mib: int, left: tuple[str, ...] = (), load: Load = CLEAN, faults: str = "") -> Verdict:
    return Verdict(100 * MIB, tuple(Round(load, left, each * MIB) for each in resident_mib), faults)


@pytest.mark.parametrize(
    ("case", "passed"),
    [
        (verdict(180, 190, 185), True),
        (verdict(180, 181, 186), False),
        (verdict(180, left=("pbx_legs_active is 2",)), False),
        (verdict(180, load=ONE_FAILED), False),
        (verdict(180, faults="Traceback (most recent call last):"), False),
    ],
)
def test_a_leak_search_passes_only_when_every_demand_is_met(case: Verdict, passed: bool) -> None:
    assert case.passed is passed
    assert list(case.checks().values()).count(False) == (0 if passed else 1)


def test_a_call_that_never_ended_is_no_success() -> None:
    stuck = Load(100, 99, 0, 0, 0, 50.0, 4.0)
    assert not stuck.clean
    assert not verdict(180, load=stuck).passed


def test_a_rate_is_the_median_of_its_runs_and_clean_only_if_all_are() -> None:
    runs = [Run(CLEAN, cost, cost, 0.0, 0.5) for cost in (0.9, 0.4, 0.5)]
    rate = Rate(50, runs)
    assert (rate.cpu_ms, rate.in_loops, rate.clean) == (0.5, 1.0, True)
    assert not Rate(50, [*runs, Run(ONE_FAILED, 0.5, 0.5, 0.0, 0.5)]).clean
    assert len(rate.line()) == len(HEADER)


def soaked(
    *resident_mib: float, load: Load = CLEAN, left: tuple[str, ...] = (), faults: str = ""
) -> soak.Verdict:
    resident = [round(each * MIB) for each in resident_mib]
    return soak.Verdict(300, load, 2.0, resident, left, faults)


@pytest.mark.parametrize(
    ("case", "passed"),
    [
        (soaked(200, 230, 210, 205), True),
        (soaked(200, 200, 201, 201, 203, 203, 206, 206), False),
        (soaked(200), True),
        (soaked(200, load=ONE_FAILED), False),
        (soaked(200, load=Load(100, 100, 0, 1, 0, 50.0, 4.0)), False),
        (soaked(200, left=("pbx_legs_active is 2",)), False),
        (soaked(200, faults="Traceback (most recent call last):"), False),
    ],
)
def test_a_soak_passes_only_when_every_demand_is_met(case: soak.Verdict, passed: bool) -> None:
    assert case.passed is passed
    assert list(case.checks().values()).count(False) == (0 if passed else 1)


@pytest.mark.parametrize("value", ["fast", "0", "100,2000", "50,,100"])
def test_rates_that_make_no_sense_are_wrong_use(value: str) -> None:
    result = CliRunner().invoke(bench, ["--rates", value])
    assert result.exit_code == 2
    assert "whole numbers from 1 to 1000" in result.output


@pytest.mark.phones
def test_figures_come_out() -> None:
    result = CliRunner().invoke(bench, ["--smoke", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    (rate,) = told["signalling"]
    assert rate["cpu_ms_per_call"] > 0
    assert rate["runs"][0]["calls"] == 50
    (packets,) = told["packets"]
    assert packets["cpu_us_per_packet"] > 0
    assert packets["runs"][0]["sent"] > 0
    assert packets["runs"][0]["received"] > 0
    (searched,) = told["leaks"]["rounds"]
    assert searched["calls"] == 20
    assert searched["resident"] > 0
    assert told["soak"]["calls"] == 30
    assert told["soak"]["resident"][0] > 0
    assert told["machine"]["reference_ms"] > 0
