"""A reload every second under real calls: `python -m benchmarks.reloads [--seconds 60] [--rate 50]`.

One dialplan in five is wrong. No call may fail, no wrong dialplan may go live, and every call that is
recorded has to name a generation that was live when it began. Exit code 1 when one of these is not so.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.load import Load, call, callees
from benchmarks.subject import Subject, running
from pbx.store.calls import calls_since
from pbx.store.database import Store

_PAIRS = 500
_WRONG = (('"dial"', '"dail"'), ('"entry"', '"entrance"'), ('"outside"}', '"inside"}'))
_SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    load: Load
    taken: int
    refused: int
    faults: tuple[str, ...]


class Reloads:
    """Writes a dialplan every second and has it loaded, one in five wrong; in a thread of its own."""

    def __init__(self, subject: Subject, seconds: int) -> None:
        self._plan = subject.directory / "dialplan.yaml"
        self._config = subject.directory / "service" / "pbx.yaml"
        self._text = self._plan.read_text(encoding="utf-8")
        self._seconds = seconds
        self.taken = self.refused = 0
        self.faults: list[str] = []
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        begun = time.monotonic()
        for second in range(self._seconds):
            wrong = second % 5 == 4
            value = json.loads(self._text)
            # A rule of its own makes every dialplan another one.
            value["chains"]["outside"][0]["routing"].insert(0, {"to": f"7{second:04}", "reject": 404})
            text = json.dumps(value)
            self._plan.write_text(text.replace(*_WRONG[second % 3]) if wrong else text, encoding="utf-8")
            self._reload(second, wrong=wrong)
            time.sleep(max(0.0, begun + second + 1 - time.monotonic()))

    def _reload(self, second: int, *, wrong: bool) -> None:
        command = [sys.executable, "-m", "pbx.cli", "reload", "--json", "--config", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != int(wrong):
            said = (done.stdout + done.stderr).strip()
            self.faults.append(f"reload {second} ended with {done.returncode}: {said}")
        elif wrong:
            self.refused += 1
        else:
            self.taken += 1


def measure(seconds: int = 60, rate: int = 50) -> Result:
    """Run it."""
    with running(_PAIRS) as subject, callees(subject) as answering:
        reloads = Reloads(subject, seconds)
        reloads.thread.start()
        load = call(subject, answering, rate, rate * seconds)
        reloads.thread.join()
        time.sleep(_SETTLE_S)
        faults = [*reloads.faults, *_misrecorded(subject, load.calls, 1 + reloads.taken)]
        if subject.faults():
            faults.append(subject.faults())
        return Result(load, reloads.taken, reloads.refused, tuple(faults))


def _misrecorded(subject: Subject, calls: int, newest: int) -> list[str]:
    config: dict[str, Any] = json.loads((subject.directory / "service" / "pbx.yaml").read_text("utf-8"))
    path = str(config.get("store", "sqlite:var/pbx.db")).removeprefix("sqlite:")
    store = Store(subject.directory / "service" / path, readonly=True)
    rows = list(calls_since(store, 0.0))
    store.close()
    faults = [] if len(rows) >= calls else [f"{len(rows)} of {calls} calls were recorded"]
    order = [row.generation for row in sorted(rows, key=lambda row: row.started_epoch)]
    if order != sorted(order):
        faults.append("a call began with a generation that was live no more")
    if order and not 1 <= order[0] <= order[-1] <= newest:
        faults.append(f"calls name generations {order[0]} to {order[-1]}, and {newest} is the newest")
    return faults


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description="Reload under calls.")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=50)
    asked = parser.parse_args()
    result = measure(asked.seconds, asked.rate)
    load = result.load
    print(f"{load.calls} calls at {asked.rate} a second: {load.successful} went well, {load.failed} failed")
    print(f"sent again {load.retransmitted}, answered after {load.answer_ms:.1f} ms")
    print(f"reloads: {result.taken} taken, {result.refused} wrong ones refused")
    for fault in result.faults:
        print(f"FAULT {fault}")
    sys.exit(1 if result.faults or load.failed or load.successful != load.calls else 0)


if __name__ == "__main__":
    main()
