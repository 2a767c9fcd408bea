"""What is asked of the machine: CPU time and memory of a process, cores, and how fast it is at this moment."""

import os
import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The reference loop takes about a millisecond of CPU on the machines that the project's figures come from.
_LOOP_ROUNDS = 7_000
_LOOP_SAMPLES = 100

GIB = 1 << 30


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, user and system (the clock of clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def system_share(pid: int) -> tuple[float, float]:
    """Seconds in user and in system mode, from /proc/PID/stat, to the hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    hertz = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / hertz, int(fields[12]) / hertz


def resident_bytes(pid: int) -> int:
    """The resident set size."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def datagrams_dropped() -> int:
    """UDP datagrams that this host (or container) has dropped because a socket's buffer was full."""
    text = Path("/proc/net/snmp").read_text(encoding="ascii")
    rows = [line.split() for line in text.splitlines() if line.startswith("Udp:")]
    return int(dict(zip(rows[0], rows[1], strict=True))["RcvbufErrors"])


def limit_memory(pid: int, octets: int) -> None:
    """Let a process allocate no more than so much: a fault under load must not take the machine with it."""
    resource.prlimit(pid, resource.RLIMIT_DATA, (octets, octets))


def cores() -> tuple[int, int | None]:
    """The core of the service and the one of its load; None when there is only one core."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else None


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process on one core meanwhile, and what it starts for good; None changes nothing."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def reference_ms(core: int | None = None) -> float:
    """CPU milliseconds of a fixed loop of plain Python now, the median of many: the machine's own noise.

    A figure divided by this one can be compared with one from another hour or another machine.
    """
    with pinned(core):
        return statistics.median(_loop_ms() for _ in range(_LOOP_SAMPLES))


def _loop_ms() -> float:
    start = time.thread_time_ns()
    counts: dict[int, int] = {}
    text = ""
    for number in range(_LOOP_ROUNDS):
        key = number * 7 & 255
        counts[key] = counts.get(key, 0) + 1
        if key == 0:
            text = f"{text[-20:]}{number}"
    return (time.thread_time_ns() - start) / 1e6
