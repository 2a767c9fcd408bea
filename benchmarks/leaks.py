"""What two thousand calls leave behind, three times over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import machine
from benchmarks.load import Load, call, callees
from benchmarks.subject import Subject
from pbx.cli.interop.clock import pause

MIB = 1 << 20
ALLOWED_GROWTH = 5 * MIB

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the calls, what was left some time after the last BYE, and the memory held then."""

    load: Load
    leftovers: tuple[str, ...]
    resident: int

    def line(self, number: int) -> str:
        """One row of the table."""
        return (
            f"{number:>5}  {self.load.calls:>6}  {self.load.failed:>6}  {self.load.retransmitted:>6}"
            f"  {self.resident / MIB:>8.1f}  {', '.join(self.leftovers) or 'nothing'}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rounds and what they prove."""

    resident_before: int
    rounds: tuple[Round, ...]
    faults: str

    @property
    def growth(self) -> int:
        """Octets by which memory grew from the end of the first round to the end of the last."""
        return self.rounds[-1].resident - self.rounds[0].resident

    def checks(self) -> dict[str, bool]:
        """Each demand and whether it was met."""
        calls = sum(each.load.calls for each in self.rounds)
        done = sum(each.load.successful for each in self.rounds)
        failed = sum(each.load.failed for each in self.rounds)
        left = [what for each in self.rounds for what in each.leftovers]
        return {
            f"{done} of {calls} calls went through, {failed} failed": done == calls and not failed,
            f"left behind: {', '.join(left) or 'nothing'}": not left,
            f"memory grew by {self.growth / MIB:.1f} MiB, of at most {ALLOWED_GROWTH // MIB}": (
                self.growth <= ALLOWED_GROWTH
            ),
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
            "resident_before": self.resident_before,
            "growth": self.growth,
            "rounds": [
                {
                    "calls": each.load.calls,
                    "successful": each.load.successful,
                    "failed": each.load.failed,
                    "retransmitted": each.load.retransmitted,
                    "resident": each.resident,
                    "leftovers": list(each.leftovers),
                }
                for each in self.rounds
            ],
        }


HEADER = "round   calls  failed  resent   RSS MiB  left behind"


def search(subject: Subject, *, calls: int, rate: int, rounds: int, patience: float, say: Say) -> Verdict:
    """Place `calls` at `rate`, `rounds` times; look `patience` seconds after each last BYE."""
    with callees(subject) as answering:
        # One call first, so that what is made once is there before anything is compared.
        call(subject, answering, 10, 1)
        before = subject.service.snapshot()
        resident_before = machine.resident_bytes(subject.pid)
        found: list[Round] = []
        for number in range(1, rounds + 1):
            load = call(subject, answering, rate, calls)
            pause(patience)
            left = tuple(subject.service.left_after(before, 0, 2.0))
            found.append(Round(load, left, machine.resident_bytes(subject.pid)))
            say(found[-1].line(number))
    return Verdict(resident_before, tuple(found), subject.faults())
