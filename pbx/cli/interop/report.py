"""What came of the cases: lines for a person, JUnit for CI, JSON for programs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from pbx.cli.interop.runner import Outcome

# What XML 1.0 cannot hold, not even escaped (§2.2).
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def line(outcome: Outcome) -> str:
    """A case in one line; after one that failed: what was wrong, the end of its traces, its files."""
    word = "skipped" if outcome.skipped else "passed" if outcome.passed else "FAILED"
    lines = [f"{outcome.case:<24} {word:<7} {outcome.seconds:5.1f} s  {outcome.summary}"]
    lines += [f"    not run: {outcome.skipped}"] if outcome.skipped else []
    lines += [f"    {fault}" for fault in outcome.faults]
    if outcome.tries > 1:
        stood = f"; the machine stood still for {outcome.stalled_s:.2f} s" if outcome.faults else ""
        lines.append(f"    played {outcome.tries} times{stood}")
        lines += [f"    before: {fault}" for fault in outcome.spoilt]
    for path, text in outcome.traces.items():
        if text:
            lines.append(f"    the end of {path}:")
            lines += [f"      | {printable(each)}" for each in text.splitlines()]
    if outcome.directory is not None:
        lines.append(f"    files: {outcome.directory}")
    return "\n".join(lines)


def summary(outcomes: Sequence[Outcome]) -> str:
    """The closing line, which CI reads."""
    passed, failed, skipped = _counts(outcomes)
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def _counts(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    passed = sum(1 for outcome in outcomes if outcome.passed)
    skipped = sum(1 for outcome in outcomes if outcome.skipped)
    return passed, len(outcomes) - passed - skipped, skipped


def printable(text: str) -> str:
    """`text` without what could steer a terminal: traces hold what came from the wire."""
    return "".join(each if each.isprintable() or each == "\t" else f"\\x{ord(each):02x}" for each in text)


def to_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The same for programs."""
    passed, failed, skipped = _counts(outcomes)
    return {
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "cases": [
            {
                "name": outcome.case,
                "summary": outcome.summary,
                "passed": outcome.passed,
                "skipped": outcome.skipped,
                "seconds": round(outcome.seconds, 3),
                "tries": outcome.tries,
                "spoilt": list(outcome.spoilt),
                "faults": list(outcome.faults),
                "directory": None if outcome.directory is None else str(outcome.directory),
            }
            for outcome in outcomes
        ],
    }


def write_junit(outcomes: Sequence[Outcome], path: Path) -> None:
    """Write the JUnit XML file that CI systems show."""
    _, failed, skipped = _counts(outcomes)
    seconds = f"{sum(outcome.seconds for outcome in outcomes):.3f}"
    counts = {"tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "time": seconds}
    root = Element("testsuites", counts)
    suite = SubElement(root, "testsuite", {"name": "sipp", "skipped": str(skipped), **counts})
    for outcome in outcomes:
        attributes = {"classname": "sipp", "name": outcome.case, "time": f"{outcome.seconds:.3f}"}
        case = SubElement(suite, "testcase", attributes)
        if outcome.skipped:
            SubElement(case, "skipped", {"message": _xml(outcome.skipped)})
        if outcome.faults:
            failure = SubElement(case, "failure", {"message": _xml(outcome.faults[0])})
            failure.text = _xml("\n".join(outcome.faults))
            traces = "\n\n".join(f"{name}:\n{text}" for name, text in outcome.traces.items() if text)
            SubElement(case, "system-out").text = _xml(traces)
    indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
