"""A carrier's evening: many calls a second for a while, none failed, nothing said twice, no memory kept."""

import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks import machine
from benchmarks.leaks import ALLOWED_GROWTH, MIB
from benchmarks.load import Load, call, callees
from benchmarks.subject import Subject

Say = Callable[[str], None]

HEADER = " rate   calls  failed  resent  dropped  ms/call  answer ms   RSS MiB by quarters"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The load, its cost, the memory held while it ran, and what was left when it was over."""

    rate: int
    load: Load
    cpu_ms: float
    resident: Sequence[int]
    leftovers: Sequence[str]
    faults: str

    @property
    def quarters(self) -> list[float]:
        """Octets held: the median of each quarter of the time (fewer when it was too short for four)."""
        size = max(1, len(self.resident) // 4)
        starts = range(0, min(4 * size, len(self.resident)), size)
        return [statistics.median(self.resident[at : at + size]) for at in starts]

    @property
    def growth(self) -> float:
        """Octets by which memory grew from the first quarter of the time to the last."""
        quarters = self.quarters
        return quarters[-1] - quarters[0]

    def line(self) -> str:
        """The table's row."""
        load = self.load
        return (
            f"{self.rate:>5}  {load.calls:>6}  {load.failed:>6}  {load.retransmitted:>6}"
            f"  {load.dropped_datagrams:>7}  {self.cpu_ms:>7.3f}  {load.answer_ms:>9.1f}"
            f"   {', '.join(f'{each / MIB:.1f}' for each in self.quarters)}"
        )

    def checks(self) -> dict[str, bool]:
        """Each demand and whether it was met."""
        load = self.load
        return {
            f"{load.successful} of {load.calls} calls went through, {load.failed} failed": (
                load.successful == load.calls and not load.failed
            ),
            f"{load.retransmitted} messages were sent again": not load.retransmitted,
            f"memory grew by {self.growth / MIB:.1f} MiB, of at most {ALLOWED_GROWTH // MIB}": (
                self.growth <= ALLOWED_GROWTH
            ),
            f"left behind: {', '.join(self.leftovers) or 'nothing'}": not self.leftovers,
            f"errors in the log: {self.faults or 'none'}": not self.faults,
        }

    @property
    def passed(self) -> bool:
        """Whether every demand was met."""
        return all(self.checks().values())

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "passed": self.passed,
            "checks": self.checks(),
            "rate": self.rate,
            "calls": self.load.calls,
            "failed": self.load.failed,
            "retransmitted": self.load.retransmitted,
            "cpu_ms_per_call": round(self.cpu_ms, 4),
            "resident": list(self.resident),
        }


def soak(subject: Subject, *, rate: int, seconds: float, warm: float, patience: float, say: Say) -> Verdict:
    """Place calls at `rate` for so long, after `warm` seconds of the same; look `patience` s after the last.

    What a call leaves behind lingers 32 s: only after that is there as much of it at the end as at the start.
    """
    with callees(subject) as answering:
        call(subject, answering, 10, 1)
        before = subject.service.snapshot()
        call(subject, answering, rate, max(1, round(rate * warm)))
        used = machine.cpu_seconds(subject.pid)
        with _watched(subject.pid) as resident:
            load = call(subject, answering, rate, max(1, round(rate * seconds)))
        used = machine.cpu_seconds(subject.pid) - used
        left = tuple(subject.service.left_after(before, 0, patience))
    cost = used * 1000 / max(1, load.successful)
    verdict = Verdict(rate, load, cost, tuple(resident), left, subject.faults())
    say(verdict.line())
    return verdict


@contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """The resident set size of a process, once a second for as long as this lasts."""
    seen = [machine.resident_bytes(pid)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            seen.append(machine.resident_bytes(pid))

    watching = threading.Thread(target=watch, name="memory")
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()
