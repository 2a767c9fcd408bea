"""iCalendar files as closures and openings, and switches with which people say closed, until they do not."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pbx.dialplan.compiler import compile_dialplan, load_dialplan
from pbx.dialplan.decisions import Echo, Hangup
from pbx.dialplan.explain import explain, explain_all
from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.rehearsal import Givens
from pbx.documents import loads
from pbx.documents.sources import Sources, reading
from pbx.errors import DocumentError
from tests.dialplan.calls import KNOWN, call

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
EVENT = "BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20260101T000000Z\n{lines}\nEND:VEVENT\n"
PLAN = """\
timezone: Europe/Amsterdam
entry: [{from: anyone, chain: a}]
calendars: {c: {open: {mon-fri: "09:00-17:00"}, OTHER}}
chains: {a: [{hours: c, closed: hangup}, echo]}
"""


def ics(*events: str) -> str:
    body = "".join(EVENT.format(uid=f"e{index}", lines=lines) for index, lines in enumerate(events))
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//\n{body}END:VCALENDAR\n".replace("\n", "\r\n")


def written(directory: Path, *events: str, key: str = "closed") -> Generation:
    (directory / "days.ics").write_text(ics(*events), encoding="utf-8")
    (directory / "d.yaml").write_text(PLAN.replace("OTHER", f"{key}: {{file: days.ics}}"))
    return load_dialplan(directory / "d.yaml", KNOWN)


def is_open(tree: Generation, at: str) -> bool:
    moment = datetime.fromisoformat(at).replace(tzinfo=AMSTERDAM)
    decision = explain(tree, replace(call("1"), at=moment)).decision
    assert decision in (Echo(), Hangup())
    return decision == Echo()


@pytest.mark.parametrize(
    ("event", "shut", "there"),
    [
        ("SUMMARY:A day\nDTSTART;VALUE=DATE:20261124", ["2026-11-24 10:00"], ["2026-11-25 10:00"]),
        (
            "DTSTART;VALUE=DATE:20261124\nDTEND;VALUE=DATE:20261126",
            ["2026-11-24 10:00", "2026-11-25 16:59"],
            ["2026-11-26 09:00"],
        ),
        (
            "DTSTART:20261124T110000Z\nDTEND:20261124T120000Z",
            ["2026-11-24 12:00", "2026-11-24 12:59"],
            ["2026-11-24 11:59", "2026-11-24 13:00"],
        ),
        (
            "DTSTART:20261124T110000\nDURATION:PT30M",
            ["2026-11-24 11:00", "2026-11-24 11:29"],
            ["2026-11-24 10:59", "2026-11-24 11:30"],
        ),
        (
            "DTSTART;TZID=America/New_York:20261124T050000\nDTEND;TZID=America/New_York:20261124T060000",
            ["2026-11-24 11:30"],
            ["2026-11-24 10:30", "2026-11-24 12:30"],
        ),
        # Every Tuesday, three times, without the second; and each year.
        (
            "DTSTART;VALUE=DATE:20261110\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE;VALUE=DATE:20261117",
            ["2026-11-10 10:00", "2026-11-24 10:00"],
            ["2026-11-17 10:00", "2026-12-01 10:00", "2026-11-23 10:00"],
        ),
        (
            "DTSTART;VALUE=DATE:20200229\nRRULE:FREQ=YEARLY",
            ["2028-02-29 10:00"],
            ["2027-03-01 10:00", "2028-03-01 10:00"],
        ),
    ],
)
def test_events(tmp_path: Path, event: str, shut: list[str], there: list[str]) -> None:
    tree = written(tmp_path, event)
    assert [each for each in shut if is_open(tree, each)] == []
    assert [each for each in there if not is_open(tree, each)] == []


def test_events_that_open(tmp_path: Path) -> None:
    tree = written(tmp_path, "DTSTART:20261128T100000\nDTEND:20261128T120000", key="opened")
    assert is_open(tree, "2026-11-28 11:00")
    assert not is_open(tree, "2026-11-28 12:00")


def test_the_reason_names_the_event(tmp_path: Path) -> None:
    tree = written(tmp_path, "SUMMARY:Moving \x07house\nDTSTART;VALUE=DATE:20261124")
    at = datetime(2026, 11, 24, 10, tzinfo=AMSTERDAM)
    reason = explain(tree, replace(call("1"), at=at)).decision.reason
    assert reason.startswith("closed: ")
    assert "(days.ics) (c)" in reason
    assert reason.isprintable()


def test_a_file_of_events_is_kept_with_its_generation(tmp_path: Path) -> None:
    kept = Sources()
    with reading(kept):
        tree = written(tmp_path, "DTSTART;VALUE=DATE:20261124")
    assert {path.name for path in kept.texts} == {"d.yaml", "days.ics"}
    (tmp_path / "days.ics").unlink()
    (tmp_path / "d.yaml").unlink()
    with reading(Sources(kept.texts)):
        again = load_dialplan(tmp_path / "d.yaml", KNOWN)
    assert is_open(again, "2026-11-24 10:00") == is_open(tree, "2026-11-24 10:00")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "days.ics cannot be read: no such file or directory"),
        ("", "days.ics is no iCalendar file"),
        ("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "days.ics is no iCalendar file"),
        ("BEGIN:VCALENDAR\r\n" * 2000, "days.ics is no iCalendar file"),
        ("x" * (1024 * 1024 + 1), "days.ics is larger than 1 MiB"),
        (ics("SUMMARY:No start"), "the event 'No start' in"),
        (ics("SUMMARY:s\nDTSTART:20261124T110000\nRRULE:FREQ=SECONDLY"), "recurs within a day"),
        (ics("SUMMARY:s\nDTSTART:20261124T110000\nRRULE:FREQ=DAILY;BYHOUR=1,2,3"), "recurs within a day"),
        (ics(*["DTSTART:20261124T110000"] * 5001), "has more than 5000 events"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "days.ics").write_text(text)
    (tmp_path / "d.yaml").write_text(PLAN.replace("OTHER", "closed: {file: days.ics}"))
    with pytest.raises(DocumentError) as error:
        load_dialplan(tmp_path / "d.yaml", KNOWN)
    (problem,) = error.value.problems
    assert words in problem.message
    assert problem.place.line == 3


# -- switches ------------------------------------------------------------------------------------------------


class Switchboard:
    """A service with switches, and with nothing else that anybody asks for."""

    def __init__(self, **said: str) -> None:
        self._said = said

    def switch(self, name: str) -> str | None:
        return self._said.get(name)


@pytest.mark.parametrize(
    ("said", "at", "expected"),
    [
        ({}, "2026-11-23 10:00", True),
        ({}, "2026-11-22 10:00", False),
        ({"key": "closed"}, "2026-11-23 10:00", False),
        ({"key": "open"}, "2026-11-22 10:00", True),
        ({"key": "open"}, "2026-12-24 10:00", True),
        ({"key": "nonsense"}, "2026-11-23 10:00", True),
        ({"other": "closed"}, "2026-11-23 10:00", True),
    ],
)
def test_a_switch_wins_over_the_calendar(said: dict[str, str], at: str, expected: bool) -> None:
    text = PLAN.replace("OTHER", "closed: 2026-12-24, switch: key")
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    asked = replace(call("1"), at=datetime.fromisoformat(at).replace(tzinfo=AMSTERDAM))
    facts = Facts(Switchboard(**said))  # type: ignore[arg-type]  # only switches are asked
    verdict = decide_now(tree.decide(asked, facts=facts))
    assert (verdict.decision == Echo()) is expected
    assert set(verdict.facts) == {"switch/key"}
    # The fact is enough to decide it again, whatever the switch says by then.
    again = decide_now(tree.decide(asked, facts=Facts(None, dict(verdict.facts))))
    assert again.decision == verdict.decision


def test_a_switch_in_a_rule_and_in_explain() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\ncalendars: {c: {open: {daily: '00:00-24:00'}, switch: key}}\n"
        "chains: {a: [{routing: [{when: {c: closed}, hangup: }]}, echo]}\n"
    )
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    assert explain_all(tree, call("1"), Givens()).verdicts[0].decision == Echo()
    assert explain_all(tree, call("1"), Givens(switches={"key": "closed"})).verdicts[0].decision == Hangup()
