"""A test that a stall has spoilt is run again; one that fails without a stall is not."""

from dataclasses import dataclass
from threading import Event

import pytest

from tests.stalls import STALL_S, TRIES, StallWatch, run_until_punctual


@dataclass
class Ran:
    failed: bool


class Told(StallWatch):
    """Says what it was told to."""

    def __init__(self, longest_s: float) -> None:
        super().__init__()
        self._told_s = longest_s

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self.longest_s = self._told_s


FAILED, PASSED = [Ran(False), Ran(True)], [Ran(False), Ran(False)]
LATE = 0.6


@pytest.mark.parametrize(
    ("attempts", "passed", "spoilt"),
    [
        ([(PASSED, 0.0)], True, 0),
        ([(PASSED, LATE)], True, 0),
        ([(FAILED, 0.0)], False, 0),
        ([(FAILED, STALL_S)], False, 0),
        ([(FAILED, LATE), (PASSED, 0.0)], True, 1),
        ([(FAILED, LATE), (FAILED, 0.0)], False, 1),
        ([(FAILED, LATE)] * TRIES, False, TRIES - 1),
    ],
)
def test_what_is_run_again(attempts: list[tuple[list[Ran], float]], passed: bool, spoilt: int) -> None:
    runs = iter([reports for reports, _ in attempts])
    watches = iter([Told(stall) for _, stall in attempts])
    reports, stalls = run_until_punctual(lambda: next(runs), lambda: next(watches))
    assert any(report.failed for report in reports) == (not passed)
    assert stalls == [LATE] * spoilt
    assert list(runs) == []


def test_a_watch_sees_that_it_could_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stall while a test runs; and time that jumps stands for a machine that does."""
    clock = iter([0.0, 0.0, 0.7, 0.7, 0.7, 0.7])
    done = Event()

    def late() -> float:
        at = next(clock, None)
        if at is None:
            done.set()
            return 0.7
        return at

    monkeypatch.setattr("tests.stalls.monotonic", late)
    with StallWatch() as watch:
        assert done.wait(60)
    assert watch.longest_s >= 0.6
