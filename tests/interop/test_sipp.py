"""The SIPp suite against this PBX, one test a case; `pbx sipp` runs the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.interop.case import Case, find_suite
from pbx.cli.interop.report import line
from pbx.cli.interop.runner import Options, Runner

pytestmark = pytest.mark.phones

SUITE = find_suite()
AUDIO = [case for case in SUITE.cases.values() if case.has_audio]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    started = Runner(SUITE, Options(directory=tmp_path_factory.mktemp("sipp")))
    yield started
    assert [line(outcome) for outcome in started.close()] == []


@pytest.fixture(scope="module")
def deaf_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    options = Options(relay=False, directory=tmp_path_factory.mktemp("sipp-deaf"))
    with Runner(SUITE, options) as started:
        yield started


@pytest.mark.parametrize("case", SUITE.cases.values(), ids=SUITE.cases)
def test_case(case: Case, runner: Runner) -> None:
    outcome = runner.run(case)
    assert outcome.passed, line(outcome)


@pytest.mark.parametrize("case", AUDIO, ids=[case.name for case in AUDIO])
def test_a_case_with_audio_fails_when_nothing_is_relayed(case: Case, deaf_runner: Runner) -> None:
    outcome = deaf_runner.run(case)
    assert any(fault.endswith("heard nothing") for fault in outcome.faults), line(outcome)
    # Nothing else is wrong with the call: it is the ears that found it out.
    assert all("answered: " in fault or "early: " in fault for fault in outcome.faults), line(outcome)


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
