"""Calls at the odd times of the clock, from entry to decision: 02:30 when it changes, leap days, ends."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pbx.dialplan.call import Call
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Echo, Reject
from pbx.dialplan.explain import explain
from pbx.dialplan.recorded import call_from, call_json, recorded
from pbx.documents import loads
from tests.dialplan.calls import KNOWN, call

ZONES = {
    "Europe/Amsterdam": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
}


def at(text: str, zone: str, fold: int = 0) -> Call:
    return replace(call("1"), at=datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def open_at(hours: str, asked: Call, zone: str, how: str = "handler") -> bool:
    """Whether a call finds somebody there, asked by `hours`, by `when` and by `at` of a rule."""
    step = {
        "handler": "{hours: {calendar: c, closed: {reject: 480}}}",
        "when": "{routing: [{when: {c: closed}, reject: 480}]}",
        "at": f"{{routing: [{{at: {hours!r}, echo: {{}}}}]}}, {{reject: 480}}",
    }[how]
    text = (
        f"timezone: {zone}\nentry: [{{from: anyone, chain: a}}]\n"
        f"calendars: {{c: {{open: {{daily: {hours!r}}}}}}}\nchains: {{a: [{step}, echo]}}\n"
    )
    if how == "at":
        text = text.replace("calendars: {c", "calendars: {unused")
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    verdict = explain(tree, asked)
    assert verdict.decision in (Echo(), Reject(480))
    # What was recorded is decided in the same way, although ISO 8601 knows no fold.
    again, _ = call_from(recorded(verdict, asked))
    assert explain(tree, again).decision == verdict.decision
    return verdict.decision == Echo()


HOW = ("handler", "when", "at")


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("zone", ZONES)
def test_half_past_two_on_the_day_that_has_none(how: str, zone: str) -> None:
    spring = ZONES[zone][0]
    # The clock goes from 02:00 to 03:00: what calls itself 02:30 is 03:30 there (fold 0) or 01:30 (fold 1).
    for fold, wall in ((0, 3), (1, 1)):
        moment = at(f"{spring} 02:30", zone, fold)
        assert moment.at.astimezone(UTC).astimezone(ZoneInfo(zone)).hour == wall
    for fold in (0, 1):
        asked = replace(at(f"{spring} 02:30", zone, fold))
        asked = replace(asked, at=asked.at.astimezone(UTC))
        assert open_at("03:00-04:00", asked, zone, how) is (fold == 0)
        assert open_at("01:00-02:00", asked, zone, how) is (fold == 1)
        assert open_at("02:00-03:00", asked, zone, how) is False
    # The last moment before it and the first after it.
    assert open_at("01:00-02:00", at(f"{spring} 01:59:59", zone), zone, how)
    assert open_at("02:00-03:30", at(f"{spring} 03:00", zone), zone, how)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("zone", ZONES)
def test_half_past_two_on_the_day_that_has_two(how: str, zone: str) -> None:
    autumn = ZONES[zone][1]
    hour = 2 if zone == "Europe/Amsterdam" else 1
    for fold in (0, 1):
        asked = at(f"{autumn} 0{hour}:30", zone, fold)
        assert open_at(f"0{hour}:00-0{hour + 1}:00", asked, zone, how)
        assert open_at(f"0{hour}:30-0{hour}:31", asked, zone, how)
        assert not open_at(f"0{hour - 1}:00-0{hour}:30", asked, zone, how)
    first, second = (at(f"{autumn} 0{hour}:30", zone, fold).at.astimezone(UTC) for fold in (0, 1))
    assert (second - first).total_seconds() == 3600


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("hours", "time", "expected"),
    [
        ("09:00-17:00", "08:59:59.999999", False),
        ("09:00-17:00", "09:00:00", True),
        ("09:00-17:00", "16:59:59.999999", True),
        ("09:00-17:00", "17:00:00", False),
        ("00:00-24:00", "00:00:00", True),
        ("00:00-24:00", "23:59:59.999999", True),
        ("22:00-02:00", "00:00:00", True),
        ("22:00-02:00", "01:59:59.999999", True),
        ("22:00-02:00", "02:00:00", False),
        ("22:00-02:00", "21:59:59.999999", False),
    ],
)
def test_both_ends_of_an_hour(how: str, hours: str, time: str, expected: bool) -> None:
    assert open_at(hours, at(f"2026-11-23 {time}", "Europe/Amsterdam"), "Europe/Amsterdam", how) is expected


@pytest.mark.parametrize(
    ("calendar", "day", "expected"),
    [
        ('{open: {tue: "09:00-17:00"}}', "2028-02-29", True),
        ('{open: {mon: "09:00-17:00"}}', "2028-02-29", False),
        ('{open: {daily: "09:00-17:00"}, closed: "2028-02-29"}', "2028-02-29", False),
        ('{open: {daily: "09:00-17:00"}, closed: "2028-02-29"}', "2028-03-01", True),
        ('{open: {daily: "09:00-17:00"}, closed: "2028-02-28 - 2028-03-01"}', "2028-02-29", False),
        ('{opened: "2028-02-29 09:00-17:00"}', "2028-02-29", True),
        ('{open: {mon: "22:00-12:00"}}', "2028-02-29", True),
        ('{open: {tue: "22:00-12:00"}}', "2028-03-01", True),
    ],
)
def test_a_leap_day_is_a_day(calendar: str, day: str, expected: bool) -> None:
    text = (
        f"timezone: Europe/Amsterdam\nentry: [{{from: anyone, chain: a}}]\ncalendars: {{c: {calendar}}}\n"
        "chains: {a: [{hours: {calendar: c, closed: {reject: 480}}}, echo]}\n"
    )
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    asked = at(f"{day} 10:00", "Europe/Amsterdam")
    assert (explain(tree, asked).decision == Echo()) is expected


def test_there_is_no_leap_day_in_other_years() -> None:
    from tests.dialplan.calls import problems

    text = "entry: [{from: anyone, chain: a}]\nchains: {a: [echo]}\ncalendars: {c: {closed: 2026-02-29}}\n"
    (problem,) = problems(text)
    assert problem.startswith(
        "d.yaml:3:25: found '2026-02-29', but there is no such day: day is out of range"
    )


def test_a_recorded_call_in_the_hour_that_comes_twice_is_the_same_call() -> None:
    for fold in (0, 1):
        asked = at("2026-10-25 02:30", "Europe/Amsterdam", fold)
        again, _ = call_from({"schema": 1, "inputs": {"call": call_json(asked), "facts": {}}})
        assert again.at.astimezone(UTC) == asked.at.astimezone(UTC)
        assert again.at.fold == fold
