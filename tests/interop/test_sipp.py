"""The SIPp suite against this PBX, one test a case; `pbx sipp` runs the same."""

from pathlib import Path

import pytest

from pbx.cli.interop.case import Case, find_suite
from pbx.cli.interop.report import line
from pbx.cli.interop.runner import Options, Outcome, Runner, run_all

pytestmark = pytest.mark.phones

SUITE = find_suite()
# One for each way of hearing: after the answer, before it, on hold, oneself, late, and across families.
AUDIO = SUITE.select(("basic-call", "early-media", "hold-and-resume", "echo", "late-offer", "ipv4-to-ipv6"))


# So many at a time: waiting is most of what a case does.
JOBS = 4


def outcomes(cases: list[Case], options: Options) -> dict[str, Outcome]:
    return {outcome.case: outcome for outcome in run_all(SUITE, cases, options, JOBS)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return outcomes(list(SUITE.cases.values()), Options(directory=tmp_path_factory.mktemp("sipp")))


@pytest.fixture(scope="module")
def played_without_relay(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return outcomes(AUDIO, Options(relay=False, directory=tmp_path_factory.mktemp("sipp-deaf")))


@pytest.mark.parametrize("name", SUITE.cases)
def test_case(name: str, played: dict[str, Outcome]) -> None:
    outcome = played[name]
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert outcome.passed, line(outcome)


def test_every_pbx_stopped_as_it_was_asked_to(played: dict[str, Outcome]) -> None:
    assert set(played) == set(SUITE.cases)


@pytest.mark.parametrize("name", [case.name for case in AUDIO])
def test_a_case_with_audio_fails_when_nothing_is_relayed(
    name: str, played_without_relay: dict[str, Outcome]
) -> None:
    outcome = played_without_relay[name]
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert any(fault.endswith("heard nothing") for fault in outcome.faults), line(outcome)
    # Nothing else is wrong with the call: it is the ears that found it out.
    phases = ("answered: ", "early: ", "held: ")
    assert all(any(phase in fault for phase in phases) for fault in outcome.faults), line(outcome)


def test_a_pbx_that_dies_fails_the_case_and_is_replaced(tmp_path: Path) -> None:
    case = SUITE.cases["wrong-password"]
    runner = Runner(SUITE, Options(directory=tmp_path))
    try:
        assert runner.run(case).passed
        (service,) = runner._services.values()
        assert service.process is not None
        service.process.kill()
        service.process.wait(10)
        (fault,) = runner.run(case).faults
        assert fault.startswith("not run: the PBX had ended by itself (-9)")
        outcome = runner.run(case)
        assert outcome.passed, line(outcome)
    finally:
        assert runner.close() == []
