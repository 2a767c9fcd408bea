"""CPU of a call: INVITE with SDP to BYE, both legs with open ports, no packets, nobody challenged."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import machine
from benchmarks.load import Callees, Load, call, callees
from benchmarks.subject import Subject

RATES = (50, 100, 300)
RAMP = (200, 300, 400, 500, 600, 700, 800, 900, 1000)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run."""

    load: Load
    cpu_ms: float
    user_ms: float
    system_ms: float
    reference_ms: float

    @property
    def in_loops(self) -> float:
        """The cost of a call in rounds of the reference loop."""
        return self.cpu_ms / self.reference_ms


@dataclass(frozen=True, slots=True)
class Rate:
    """All runs at one rate."""

    rate: int
    runs: Sequence[Run]

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of a call, the median of the runs."""
        return statistics.median(run.cpu_ms for run in self.runs)

    @property
    def in_loops(self) -> float:
        """The same in rounds of the reference loop."""
        return statistics.median(run.in_loops for run in self.runs)

    @property
    def clean(self) -> bool:
        """No call failed, and nothing was said twice, in all runs."""
        return all(run.load.clean for run in self.runs)

    def line(self) -> str:
        """One row of the table."""
        loads = [run.load for run in self.runs]
        spread = f"{min(run.cpu_ms for run in self.runs):.3f}-{max(run.cpu_ms for run in self.runs):.3f}"
        return (
            f"{self.rate:>5}  {self.cpu_ms:>7.3f}  {spread:>13}  {self.in_loops:>8.2f}"
            f"  {sum(load.calls for load in loads):>6}  {sum(load.failed for load in loads):>6}"
            f"  {sum(load.retransmitted for load in loads):>6}"
            f"  {statistics.median(load.answer_ms for load in loads):>9.1f}"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "rate": self.rate,
            "cpu_ms_per_call": round(self.cpu_ms, 4),
            "in_reference_loops": round(self.in_loops, 4),
            "clean": self.clean,
            "runs": [
                {
                    "calls": run.load.calls,
                    "successful": run.load.successful,
                    "failed": run.load.failed,
                    "retransmitted": run.load.retransmitted,
                    "dropped_datagrams": run.load.dropped_datagrams,
                    "rate_reached": run.load.rate,
                    "answer_ms": run.load.answer_ms,
                    "cpu_ms_per_call": round(run.cpu_ms, 4),
                    "user_ms_per_call": round(run.user_ms, 4),
                    "system_ms_per_call": round(run.system_ms, 4),
                    "reference_ms": round(run.reference_ms, 4),
                }
                for run in self.runs
            ],
        }


HEADER = " rate  ms/call         spread  in loops   calls  failed  resent  answer ms"


def measure(
    subject: Subject, rates: Sequence[int], *, seconds: float, warm: float, repeat: int, say: Say
) -> list[Rate]:
    """The cost of a call at each rate.

    What a call leaves behind lingers 32 s, so `warm` seconds of the same load run before what is measured:
    then as much is cleared away during a run as the run itself leaves, and a call is charged with its whole
    life. Runs at one rate follow each other closely enough to be each other's warming.
    """
    results: list[Rate] = []
    with callees(subject) as answering:
        for rate in rates:
            if warm:
                call(subject, answering, rate, max(1, round(rate * warm)))
            runs = [one_run(subject, answering, rate, seconds) for _ in range(repeat)]
            results.append(Rate(rate, runs))
            say(results[-1].line())
    return results


def one_run(subject: Subject, answering: Callees, rate: int, seconds: float) -> Run:
    """Place calls for so long, and charge the service's process for them."""
    before, modes = machine.cpu_seconds(subject.pid), machine.system_share(subject.pid)
    load = call(subject, answering, rate, max(1, round(rate * seconds)))
    used, after = machine.cpu_seconds(subject.pid) - before, machine.system_share(subject.pid)
    reference = machine.reference_ms(subject.core)
    each = 1000 / max(1, load.successful)
    return Run(load, used * each, (after[0] - modes[0]) * each, (after[1] - modes[1]) * each, reference)


def ramp(subject: Subject, *, seconds: float, say: Say) -> tuple[int, list[Rate]]:
    """The highest rate of `RAMP` at which nothing fails and nothing is said twice, and how each went."""
    highest = 0
    results: list[Rate] = []
    with callees(subject) as answering:
        call(subject, answering, 50, 50)
        for rate in RAMP:
            # A second try tells a rate that is too high from a moment when the machine was busy elsewhere.
            for _ in range(2):
                results.append(Rate(rate, [one_run(subject, answering, rate, seconds)]))
                say(results[-1].line())
                if results[-1].clean:
                    break
            else:
                break
            highest = rate
    return highest, results
