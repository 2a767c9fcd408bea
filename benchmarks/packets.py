"""CPU of a relayed packet: G.711 at 20 ms through the whole service, beside loops that only relay."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.phones import Phones
from benchmarks.subject import Subject
from benchmarks.talkers import Talk, Talkers
from pbx.errors import OperatorError
from pbx.media.cache import default_directory

CALLS = (200, 400)
_PATIENCE_S = 180.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of talk and what the service's process used for each packet it sent on."""

    talk: Talk
    cpu_us: float
    reference_ms: float


@dataclass(frozen=True, slots=True)
class Relayed:
    """All runs with so many calls, and the loops measured in between."""

    calls: int
    runs: Sequence[Run]
    loops: dict[str, Any] | None

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of a packet through the whole service, the median of the runs."""
        return statistics.median(run.cpu_us for run in self.runs)

    def line(self) -> str:
        """One row of the table."""
        talks = [run.talk for run in self.runs]
        beside = f"{'-':>12}  {'-':>9}  {'-':>5}"
        if self.loops is not None:
            bare = self.loops["bare_us_per_packet"]
            beside = f"{self.loops['relay_us_per_packet']:>12.2f}  {bare:>9.2f}  {self.cpu_us / bare:>5.2f}"
        return (
            f"{self.calls:>5}  {self.cpu_us:>8.2f}  {beside}"
            f"  {sum(talk.sent for talk in talks):>8}  {sum(talk.lost for talk in talks):>5}"
            f"  {statistics.median(talk.half_ms for talk in talks):>6.1f}"
            f"  {statistics.median(talk.most_ms for talk in talks):>6.1f}"
            f"  {max(talk.worst_ms for talk in talks):>6.1f}"
            f"  {max(talk.late_most_ms for talk in talks):>17.2f}"
            f"  {max(talk.late_worst_ms for talk in talks):>5.1f}"
            f"  {sum(talk.lost_by_load for talk in talks):>10}"
        )

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "calls": self.calls,
            "cpu_us_per_packet": round(self.cpu_us, 4),
            "media_thread_and_bare_loop": self.loops,
            "runs": [
                {
                    "cpu_us_per_packet": round(run.cpu_us, 4),
                    "reference_ms": round(run.reference_ms, 4),
                    "lost": run.talk.lost,
                    **asdict(run.talk),
                }
                for run in self.runs
            ],
        }


HEADER = (
    "calls   service  media thread  bare loop  ratio   packets   lost"
    "  p50 ms  p99 ms  max ms  load: p99 late ms  worst  lost by it"
)


def measure(
    subject: Subject, numbers: Sequence[int], *, seconds: float, repeat: int, beside: bool, say: Say
) -> list[Relayed]:
    """The cost of a packet with each number of calls.

    The service is charged for all its threads. With `beside`, benchmarks/relay.py measures the same packets
    through a media thread alone and through a bare compiled loop on connected sockets, in the same run.
    """
    results: list[Relayed] = []
    for calls in numbers:
        with Talkers(2 * calls, subject.load_core, default_directory()) as talkers, Phones(subject) as phones:
            ports: list[int] = []
            for _ in range(calls):
                ports += phones.place(talkers.port, talkers.port)
            talkers.connect(ports)
            runs = [_one_run(subject, talkers, seconds) for _ in range(repeat)]
        results.append(Relayed(calls, runs, _loops(calls, seconds, repeat) if beside else None))
        say(results[-1].line())
    return results


def _one_run(subject: Subject, talkers: Talkers, seconds: float) -> Run:
    readings: list[float] = []
    talk = talkers.talk(seconds, meter=lambda: readings.append(machine.cpu_seconds(subject.pid)))
    used = readings[1] - readings[0]
    return Run(talk, used / max(1, talk.received) * 1e6, machine.reference_ms(subject.core))


def _loops(calls: int, seconds: float, repeat: int) -> dict[str, Any]:
    arguments = ["--calls", str(calls), "--seconds", str(seconds), "--repeat", str(repeat)]
    (found,) = told_by("benchmarks.relay", *arguments, patience=_PATIENCE_S + repeat * seconds * 4)
    return dict(found)


def told_by(module: str, *arguments: str, patience: float = 1800.0) -> Any:
    """What one of these programs says as JSON, in a process of its own: it starts a plane and pins itself."""
    told = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--json"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
    )
    try:
        return json.loads(told.stdout)
    except ValueError:
        raise OperatorError(f"{module} printed no figures\n{told.stderr.strip()}") from None
