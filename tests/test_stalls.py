"""A test that a stall has spoilt is run again; one that fails without a stall is not."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
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
    reports, again = run_until_punctual(lambda: next(runs), lambda: next(watches))
    assert any(report.failed for report in reports) == (not passed)
    assert [stall_s for stall_s, _ in again] == [LATE] * spoilt
    assert all(attempt is FAILED for _, attempt in again)
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


SPOILT = """
import ctypes

runs = []


def test_spoilt_once():
    runs.append("spoilt")
    if len(runs) == 1:
        # It keeps the interpreter to itself: no thread runs, as on a machine that stands still.
        ctypes.PyDLL(None).usleep(400_000)
        raise AssertionError


def test_wrong():
    assert runs == ["spoilt", "spoilt"]
    runs.append("wrong")
    raise AssertionError("wrong again" if runs.count("wrong") > 1 else "wrong once")
"""


def test_pytest_runs_again_what_was_spoilt_and_nothing_else(tmp_path: Path) -> None:
    spoilt = tmp_path / "test_spoilt.py"
    spoilt.write_text(SPOILT, encoding="utf-8")
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", root / "pyproject.toml", "-p", "tests.conftest", "-q", spoilt],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "::test_spoilt_once: the machine stood still for 0." in done.stdout
    assert "wrong once" in done.stdout
    assert "raise AssertionError\n" in done.stdout.partition("run again")[2], "what was wrong before is said"
