"""How dear decisions are: a chain of ten handlers, many rules, a million entries, loading and testing.

Run `python -m benchmarks.dialplan`; each figure has its target beside it. Times are of this process's CPU.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.check import load_checked
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import run_cases
from pbx.documents import loads

Row = tuple[str, float, float, str]

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
KNOWN = KnownNames(frozenset({"1001", "1002"}), frozenset({"carrier"}))
_ROUNDS = 2000
_REPEATS = 5

TEN = """\
timezone: Europe/Amsterdam
emergency: ["112"]
lists: {bad: ["+1900*", anonymous, {country: KP}], vips: ["+31611111111"]}
calendars: {office: {open: {daily: "00:00-24:00"}, holidays: NL}}
entry: [{from: anyone, chain: inbound}]
chains:
  inbound:
    - blacklist: bad
    - limit: {caller: 5, rate: {calls: 1000, per: 1m}}
    - set: {variables: {boss: "100{to}"}}
    - include: screening
    - hours: {calendar: office, closed: {reject: 480}}
    - record: both
    - set: {caller_id: "+31201234500"}
    - routing: [{to: "9.", reject: 404}]
    - routing:
        - {to: "+31201234501", dial: user/1001, ring: 20s}
        - {to: "+3120123450X", dial: [user/1001, user/1002]}
  screening:
    - routing: [{from: "+4477*", reject: 403}]
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; decisions in microseconds of CPU, the others in seconds."""

    ten_handlers_us: float
    rules_us: dict[int, float]
    entries_us: dict[int, float]
    load_10_000_lines_s: float
    thousand_tests_s: float

    @property
    def rules_ratio(self) -> float:
        """The most rules to 10."""
        return self.rules_us[max(self.rules_us)] / self.rules_us[10]

    @property
    def entries_ratio(self) -> float:
        """The most entries to 10."""
        return self.entries_us[max(self.entries_us)] / self.entries_us[10]

    def to_json(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {**asdict(self), "rules_ratio": self.rules_ratio, "entries_ratio": self.entries_ratio}

    def rows(self) -> list[Row]:
        """Each figure with what is aimed at."""
        return [
            ("a decision through ten handlers", self.ten_handlers_us, 60.0, "µs"),
            ("10,000 rules, to 10", self.rules_ratio, 2.0, "x"),
            ("a million entries, to 10", self.entries_ratio, 2.0, "x"),
            ("loading 10,000 lines", self.load_10_000_lines_s, 2.0, "s"),
            ("running 1,000 tests", self.thousand_tests_s, 2.0, "s"),
        ]

    def lines(self) -> list[str]:
        """The figures and curves, for people."""
        lines = [
            f"{words:36} {value:9.3g} {unit:3} at most {most:g} {unit}"
            + ("" if value <= most else "   MISSED")
            for words, value, most, unit in self.rows()
        ]
        for name, curve in (("rules", self.rules_us), ("entries", self.entries_us)):
            steps = ", ".join(f"{count:,}: {value:.2f} µs" for count, value in curve.items())
            lines.append(f"a decision among {name}: {steps}")
        return lines


def measure(*, brief: bool = False) -> Figures:
    """Measure everything; `brief` only shows that it works, and its curves end early."""
    most_rules, most_entries = (100, 1000) if brief else (10_000, 1_000_000)
    with TemporaryDirectory() as directory:
        return Figures(
            decision_us(compiled(TEN), "+31201234502"),
            {count: rules_us(count) for count in (10, 100, 1000, 10_000) if count <= most_rules},
            {
                count: entries_us(count, Path(directory))
                for count in (10, 1000, 100_000, 1_000_000)
                if count <= most_entries
            },
            load_s(500 if brief else 10_000, Path(directory)),
            tests_s(50 if brief else 1000),
        )


def call(to: str, from_: str = "+31612345678") -> Call:
    """A call by a stranger."""
    return Call("bench", Caller(from_), to, "anyone", AT)


def compiled(text: str, directory: Path | None = None) -> Generation:
    """The dialplan in `text`."""
    return compile_dialplan(loads(text, "bench.yaml"), KNOWN, directory=directory)


def decision_us(tree: Generation, *called: str) -> float:
    """The least CPU time of a decision, on average over `called`."""
    calls = [call(number) for number in called]
    rounds = max(1, _ROUNDS // len(calls))

    def decide() -> None:
        for _ in range(rounds):
            for each in calls:
                decide_now(tree.decide(each))

    return least_s(decide) / (rounds * len(calls)) * 1e6


def least_s(act: Callable[[], object], repeats: int = _REPEATS) -> float:
    """The least CPU time of several runs: what else the machine does only adds to it."""
    times = []
    for _ in range(repeats):
        begun = process_time()
        act()
        times.append(process_time() - begun)
    return min(times)


def rules_us(count: int) -> float:
    """A decision among `count` rules, over numbers that fit the first, some in the middle, and the last."""
    rules = "".join(f"        - {{to: '+3120{number:07}X', reject: 404}}\n" for number in range(count))
    text = f"entry: [{{from: anyone, chain: a}}]\nchains:\n  a:\n    - routing:\n{rules}"
    middle = [f"+3120{count * each // 10:07}5" for each in range(10)]
    return decision_us(compiled(text), *middle, f"+3120{count - 1:07}5")


def entries_us(count: int, directory: Path) -> float:
    """A decision by a blacklist of `count` entries, for a caller who is not on it."""
    numbers = "\n".join(f"+49{number:09}" for number in range(count))
    (directory / "numbers.txt").write_text(numbers, encoding="utf-8")
    text = (
        "lists: {bad: [{file: numbers.txt}]}\nentry: [{from: anyone, chain: a}]\n"
        "chains: {a: [blacklist: bad, echo]}\n"
    )
    return decision_us(compiled(text, directory), "1")


def load_s(lines: int, directory: Path) -> float:
    """Loading a dialplan of so many lines as a reload does: read, compiled, its errors looked for."""
    chains = []
    for number in range(lines // 12):
        rules = "".join(
            f"        - {{to: '+31{number:05}{each}XX', dial: user/1001, ring: 20s}}\n" for each in range(10)
        )
        chains.append(f"  chain{number}:\n    - routing:\n{rules}")
    text = f"entry: [{{from: anyone, chain: chain0}}]\nchains:\n{''.join(chains)}"
    path = directory / "bench.yaml"
    path.write_text(text, encoding="utf-8")
    return least_s(lambda: load_checked(path, KNOWN), 3)


def tests_s(count: int) -> float:
    """Running so many tests of an office."""
    tests = "".join(
        f"  - {{name: t{number}, call: {{from: '+316{number:08}', to: '+31201234501', "
        "at: '2026-11-23 10:00'}, outcomes: {user/1001: busy}, expect: {reject: 486}}\n"
        for number in range(count)
    )
    tree = compiled(f"{TEN}tests:\n{tests}")
    failed = [trial.failures for trial in run_cases(tree) if not trial.passed]
    if failed:
        raise SystemExit(f"a test of the benchmark fails: {failed[0]}")
    return least_s(lambda: run_cases(tree), 3)


def main() -> int:
    """Print the figures; 0 when every target is met."""
    found = measure()
    print("\n".join(found.lines()))
    if "--json" in sys.argv:
        print(json.dumps(found.to_json()))
    return 0 if all(value <= most for _, value, most, _ in found.rows()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
