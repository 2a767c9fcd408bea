"""Tests on a machine that stands still now and then: what failed meanwhile is run again.

A fault of ours fails each attempt, and one without a stall at once.
"""

from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic  # noqa: TID251  # tests in real time are timed from outside
from typing import Protocol, Self, TypeVar

# Later than this, sound is lost that is made up for in no test.
STALL_S = 0.05
TRIES = 3
_TICK_S = 0.01


class Report(Protocol):
    """What pytest says of the set-up, the call and the tear-down of a test."""

    @property
    def failed(self) -> bool: ...


Reports = TypeVar("Reports", bound=Sequence[Report])


class StallWatch:
    """A thread that wakes up all the time while a test runs; `longest_s` is the latest that it ever did."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._over = Event()
        self._thread = Thread(target=self._run, name="stall watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        due = monotonic() + _TICK_S
        over = False
        while not over:
            over = self._over.wait(max(0.0, due - monotonic()))
            self.longest_s = max(self.longest_s, monotonic() - due)
            due = monotonic() + _TICK_S


def run_until_punctual(
    run: Callable[[], Reports], watch: Callable[[], StallWatch] = StallWatch
) -> tuple[Reports, list[tuple[float, Reports]]]:
    """Run a test, again when it failed while the machine stood still; gives each spoilt attempt."""
    spoilt: list[tuple[float, Reports]] = []
    while True:
        with watch() as watching:
            reports = run()
        failed = any(report.failed for report in reports)
        if not failed or watching.longest_s <= STALL_S or len(spoilt) == TRIES - 1:
            return reports, spoilt
        spoilt.append((watching.longest_s, reports))
