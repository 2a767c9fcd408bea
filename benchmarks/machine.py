"""What is asked of the machine: CPU time and memory of a process, cores, and how fast it is just now.

A kernel that does not tell, or a container that may not ask, leaves figures at 0 and things as they are.
"""

import os
import platform
import resource
import statistics
import sys
import sysconfig
import time
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

# The reference loop takes about a millisecond of CPU on the machines that the project's figures come from.
_LOOP_ROUNDS = 7_000
_LOOP_SAMPLES = 100
_PROC = Path("/proc")
_AUTOGROUP = Path("/proc/self/autogroup")

GIB = 1 << 30


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, user and system (the clock of clock_getcpuclockid(3))."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e9
    except OSError:
        # Not every kernel has such clocks for other processes.
        return sum(system_share(pid))


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


def datagrams_dropped(ports: Container[int]) -> int:
    """UDP datagrams that the kernel has dropped for these local ports because a socket's buffer was full."""
    head, *rows = [line.split() for line in _lines("net/udp")] or [[]]
    if head[-1:] != ["drops"]:
        return 0
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) in ports)


def stolen_s(core: int | None) -> float:
    """Seconds that the hypervisor has given a core to others, of all cores when it is None."""
    name = "cpu" if core is None else f"cpu{core}"
    # A container may see other cores than those it may use, under other numbers.
    fields = next((line.split() for line in _lines("stat") if line.split()[:1] == [name]), [])
    return int(fields[8]) / os.sysconf("SC_CLK_TCK") if len(fields) > 8 else 0.0


def runnable_s(thread: int) -> float:
    """Seconds in which a thread of this process could have run and something else did."""
    fields = "".join(_lines(f"self/task/{thread}/schedstat")).split()
    return int(fields[1]) / 1e9 if len(fields) > 1 else 0.0


def _lines(name: str) -> list[str]:
    try:
        return (_PROC / name).read_text(encoding="ascii").splitlines()
    except OSError:
        return []


def limit_memory(pid: int, octets: int) -> None:
    """Let a process allocate no more than so much: a fault under load must not take the machine with it."""
    with suppress(OSError):
        hard = resource.prlimit(pid, resource.RLIMIT_DATA)[1]
        least = octets if hard == resource.RLIM_INFINITY else min(octets, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, (least, least))


def raise_descriptors() -> None:
    """Let this process open as many files as it ever may."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def python_build() -> str:
    """The interpreter, and whether it was built with the optimisations that distributions use.

    Without them (pyenv's habit) everything in Python costs a quarter to a half more. A distribution may have
    optimised its own in another way than by this option.
    """
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    known = "--enable-optimizations" in arguments or sys.base_prefix == "/usr"
    how = "" if known else ", built without --enable-optimizations"
    return f"{platform.python_implementation()} {platform.python_version()}{how}"


@cache
def cores() -> tuple[int, int | None]:
    """The core of the service and the one of its load; None when there is only one core.

    As it was when first asked: who then keeps to one of them still knows of the other.
    """
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[0], allowed[1] if len(allowed) > 1 else None


@contextmanager
def session_first() -> Iterator[None]:
    """Let work of other sessions wait for that of this one, whose own threads stand to each other as before.

    See sched(7), autogroup; without that, or the right to, nothing changes.
    """

    def write(nice: str) -> None:
        with suppress(OSError):
            _AUTOGROUP.write_text(nice, encoding="ascii")

    before = ["0"]
    with suppress(OSError):
        # Empty where the kernel has the file and this session no group.
        before = _AUTOGROUP.read_text(encoding="ascii").split()[-1:] or before
    write("-20")
    try:
        yield
    finally:
        write(before[0])


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Keep this process on one core meanwhile, and what it starts for good; None changes nothing."""
    before = os.sched_getaffinity(0)
    if core is not None:
        keep_to({core})
    try:
        yield
    finally:
        keep_to(before)


def keep_to(chosen: set[int]) -> None:
    """Keep this thread, and what it starts, on these cores, if it may."""
    with suppress(OSError):
        os.sched_setaffinity(0, chosen)


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
