"""SIPp as callers and callees: a fixed number of calls at a fixed rate, and what became of them."""

import csv
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.subject import NUMBER, Subject
from pbx.cli.interop.actors import find_sipp, stop_process
from pbx.cli.interop.clock import pause, wait_until
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.cli.interop.ports import free_sip_port
from pbx.errors import OperatorError

SCENARIOS = Path(__file__).parent / "sipp"
_MEMORY = 2 * machine.GIB
# Calls that the callers may have open at once: past that SIPp waits, and the rate it reached falls.
_OPEN_CALLS = 2000
# SIPp writes its statistics once a second.
_SETTLE_S = 1.3
_PATIENCE_S = 60.0
# Nobody listens there; no packet is ever sent.
_AUDIO_PORT = 9


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the callers came to."""

    calls: int
    successful: int
    failed: int
    retransmitted: int
    dropped_datagrams: int
    rate: float
    answer_ms: float

    @property
    def clean(self) -> bool:
        """Every call went through, and nothing had to be said twice."""
        return self.successful == self.calls and not self.failed and not self.retransmitted


class Callees:
    """The SIPp that answers."""

    def __init__(self, process: subprocess.Popen[bytes], statistics: Path) -> None:
        self.process = process
        self._statistics = statistics

    def retransmitted(self) -> int:
        """How many messages it has sent again so far."""
        return _count(_last_row(self._statistics), "Retransmissions(C)")

    def failed(self) -> int:
        """How many of its calls have failed so far."""
        return _count(_last_row(self._statistics), "FailedCall(C)")


@contextmanager
def callees(subject: Subject) -> Iterator[Callees]:
    """Have somebody answer the calls that the service places."""
    statistics = subject.directory / "callee.csv"
    process = _start(subject, "callee", statistics, ["-p", str(subject.callee_port)])
    try:
        if not wait_until(lambda: statistics.exists() or process.poll() is not None, 30.0):
            raise OperatorError("SIPp does not answer", "see whether `sipp -v` works")
        pause(0.3)
        yield Callees(process, statistics)
    finally:
        stop_process(process, 5.0)


def call(subject: Subject, answering: Callees, rate: float, count: int) -> Load:
    """Place `count` calls, `rate` of them a second; returns when the last is over."""
    statistics = subject.directory / f"caller-{time.monotonic_ns()}.csv"
    arguments = [subject.address, "-s", NUMBER, "-p", str(free_sip_port()), "-m", str(count)]
    arguments += ["-r", str(rate), "-l", str(_OPEN_CALLS), "-timer_resol", "2", "-recv_timeout", "20000"]
    port = int(subject.address.rpartition(":")[2])
    before = machine.datagrams_dropped({port}), answering.retransmitted(), answering.failed()
    process = _start(subject, "caller", statistics, arguments)
    try:
        process.wait(count / rate + _PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass  # the calls that did not end are told by the numbers
    finally:
        stop_process(process, 5.0)
    pause(_SETTLE_S)
    row = _last_row(statistics)
    return Load(
        calls=count,
        successful=_count(row, "SuccessfulCall(C)"),
        failed=_count(row, "FailedCall(C)") + answering.failed() - before[2],
        retransmitted=_count(row, "Retransmissions(C)") + answering.retransmitted() - before[1],
        dropped_datagrams=machine.datagrams_dropped({port}) - before[0],
        rate=float(row.get("CallRate(C)") or 0),
        answer_ms=_milliseconds(row.get("ResponseTime1(C)") or ""),
    )


def _start(
    subject: Subject, scenario: str, statistics: Path, arguments: list[str]
) -> "subprocess.Popen[bytes]":
    command = [find_sipp(), *arguments, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", HOST, "-nostdin"]
    command += ["-key", "audio_port", str(_AUDIO_PORT), "-buff_size", str(4 << 20)]
    command += ["-trace_stat", "-fd", "1", "-stf", str(statistics)]
    command += ["-trace_err", "-error_file", str(subject.directory / f"{scenario}.errors")]
    with machine.pinned(subject.load_core):
        process = subprocess.Popen(
            command,
            cwd=subject.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "dumb"},
        )
    machine.limit_memory(process.pid, _MEMORY)
    return process


def _last_row(path: Path) -> Mapping[str, str]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except OSError:
        return {}
    return rows[-1] if rows else {}


def _count(row: Mapping[str, str], column: str) -> int:
    return int(row.get(column) or 0)


def _milliseconds(text: str) -> float:
    """SIPp's HH:MM:SS:microseconds (its separators changed over time) in milliseconds."""
    parts = text.replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return 0.0
    hours, minutes, seconds, fraction = map(int, parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1e3 + fraction / 1e3
