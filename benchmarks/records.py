"""What the record of a call costs in CPU: `python -m benchmarks.records`.

Two figures for a call of two legs through a chain of ten handlers: what signalling pays (handing the call
over), and what the ledger's thread pays (times, JSON, the rows, a transaction for each hundred calls).
"""

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from twisted.internet.task import Clock

from benchmarks import machine
from pbx.call.record import CallRecord, LegTotals
from pbx.dialplan.call import Call, Caller
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.recorded import recorded
from pbx.documents import loads
from pbx.media.values import LegStatistics, ReceiveCounts
from pbx.service.clock import Clock as Clocks
from pbx.store.calls import forget_calls, write_calls
from pbx.store.database import Store
from pbx.store.entries import Decided, Entry
from pbx.store.ledger import BATCH, Ledger, Retention

CALLS = 5000
_HANDLERS = 9
_NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one call, on the path of messages and in the ledger's thread, and its octets."""

    path_us: float
    thread_us: float
    octets: float


def measure(calls: int = CALLS) -> Cost:
    """Record so many calls."""
    generation = _generation()
    entries = [_entry(generation, number) for number in range(calls)]
    with tempfile.TemporaryDirectory(prefix="pbx-bench-") as name:
        path = Path(name) / "pbx.db"
        store = Store(path)
        path_us = _handing_over(Path(name) / "other.db", entries)
        begun = time.thread_time_ns()
        for first in range(0, calls, BATCH):
            write_calls(store, entries[first : first + BATCH], recorded)
            forget_calls(store, 0.0, 1_000_000)
        thread_us = (time.thread_time_ns() - begun) / 1000 / calls
        store.close()
        return Cost(path_us, thread_us, path.stat().st_size / calls)


def _handing_over(path: Path, entries: list[Entry]) -> float:
    """What is done while messages are handled: the entry and the queue; its thread never runs here."""
    ledger = Ledger(
        Store(path),
        cast("Any", Clock()),
        recorded,
        retention=Retention(),
        failed=lambda _: None,
        max_waiting=len(entries),
    )
    clock = Clocks(lambda: 0.0, lambda: _NOW)
    begun = time.thread_time_ns()
    for each in entries:
        ledger.record(Entry(each.record, [Decided(each.decided[0].verdict)], 1, clock.wall().timestamp()))
    spent = time.thread_time_ns() - begun
    ledger._waiting.clear()  # it is not the disk that is measured here
    ledger.stop()
    return spent / 1000 / len(entries)


def _generation() -> Generation:
    steps = "".join(
        f"    - {{id: b{n}, blacklist: {{list: blocked, reject: 603}}}}\n" for n in range(_HANDLERS)
    )
    text = (
        "timezone: UTC\nlists: {blocked: ['+1900*', anonymous]}\n"
        "entry: [{from: anyone, chain: main}]\nchains:\n  main:\n"
        f'{steps}    - routing: [{{to: "6XXX", dial: "sip:callee@127.0.0.1:5070", ring: 30s}}]\n'
    )
    return compile_dialplan(loads(text, "bench.yaml"))


def _entry(generation: Generation, number: int) -> Entry:
    id_ = f"{number:016x}"
    call = Call(id_, Caller("+31612345678", "Alice"), "6000", "anyone", _NOW, headers={"user-agent": "bench"})
    record = CallRecord(id_, "+31612345678", "6000", "anyone", 1.0, 1.1, 2.0, 10.0)
    record.cause, record.status, record.answered_by = "answered", 200, "uri"
    heard = LegStatistics(ReceiveCounts(packets=400, octets=64_000, lost=0, jitter_ms=0.5))
    record.legs = [
        LegTotals("anyone", None, "PCMU", heard, f"{id_}@127.0.0.1"),
        LegTotals("uri", None, "PCMU", heard, f"{id_}b"),
    ]
    ticks = iter(range(1_000_000))
    verdict = decide_now(generation.decide(call, stopwatch=lambda: next(ticks) * 1e-6))
    return Entry(record, [Decided(verdict)], 1, 1_000_000.0 + number)


def main() -> None:
    """Print it."""
    cost = measure()
    print(f"reference loop {machine.reference_ms():.3f} ms")
    print("the record of a call of two legs through ten handlers:")
    print(f"  {cost.path_us:6.1f} µs while messages are handled")
    print(f"  {cost.thread_us:6.1f} µs in the ledger's thread")
    print(f"  {cost.octets:6.0f} octets in the store")


if __name__ == "__main__":
    main()
