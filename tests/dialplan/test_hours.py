"""Calendars against a slow oracle that walks every minute, changes of the clock, and each mistake."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.calendars import Calendar, compile_calendars
from pbx.dialplan.decisions import Echo, Hangup, Reject
from pbx.documents import loads
from tests.dialplan.calls import call, decide, generation, pairs, problems

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def calendar(text: str, zone: ZoneInfo = AMSTERDAM) -> Calendar:
    document = loads(f"calendars:\n  office: {text}\n", "d.yaml")
    found: list[object] = []
    calendars = compile_calendars(document.value["calendars"], document, zone, found, lambda _: Path())  # type: ignore[arg-type]  # only read
    assert found == []
    return calendars["office"]


def opened(text: str, *times: str) -> list[bool]:
    found = calendar(text)
    return [found.state(datetime.fromisoformat(each).replace(tzinfo=AMSTERDAM)).open for each in times]


WEEK = '{open: {mon-fri: "09:00-17:30", sat: ["10:00-12:00", "13:00-15:00"]}}'


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            WEEK,
            ["2026-11-23 09:00", "2026-11-27 17:29:59", "2026-11-28 10:00", "2026-11-28 13:30"],
            ["2026-11-23 08:59:59", "2026-11-23 17:30", "2026-11-28 12:30", "2026-11-29 11:00"],
        ),
        (
            '{open: {fri: "22:00-02:00"}}',
            ["2026-11-27 22:00", "2026-11-28 01:59"],
            ["2026-11-27 01:00", "2026-11-28 02:00", "2026-11-28 22:00"],
        ),
        ('{open: {sun: "22:00-02:00"}}', ["2026-11-30 01:00"], ["2026-11-29 01:00"]),
        ('{open: {daily: "00:00-24:00"}}', ["2026-11-29 00:00", "2026-02-28 23:59"], []),
        (
            '{open: {"sat,mon": "09:00-10:00, 11:00-12:00"}}',
            ["2026-11-28 09:30", "2026-11-30 11:30"],
            ["2026-11-29 09:30", "2026-11-28 10:30"],
        ),
        ('{open: {fri-mon: "09:00-10:00"}}', ["2026-11-29 09:30", "2026-11-30 09:30"], ["2026-12-01 09:30"]),
        # A leap day is a day.
        ('{open: {tue: "09:00-10:00"}, closed: ["2028-02-29"]}', ["2028-02-22 09:30"], ["2028-02-29 09:30"]),
        # The night of a closed Friday goes with it; that of the Thursday before does not.
        (
            '{open: {thu-fri: "22:00-02:00"}, closed: "2026-11-27"}',
            ["2026-11-27 01:00"],
            ["2026-11-27 22:30", "2026-11-28 01:00"],
        ),
        (
            '{open: {daily: "09:00-17:00"}, closed: ["2026-12-24 - 2026-12-26", "2026-12-31 12:00-24:00"]}',
            ["2026-12-23 10:00", "2026-12-27 10:00", "2026-12-31 11:59", "2027-01-01 09:00"],
            ["2026-12-24 10:00", "2026-12-25 10:00", "2026-12-26 16:59", "2026-12-31 12:00"],
        ),
        (
            '{open: {daily: "00:00-24:00"}, closed: "2026-12-24 17:00 - 2026-12-27 09:00"}',
            ["2026-12-24 16:59", "2026-12-27 09:00"],
            ["2026-12-24 17:00", "2026-12-26 00:00", "2026-12-27 08:59"],
        ),
        (
            (
                '{open: {mon-fri: "09:00-17:00"}, holidays: NL, closed: "2026-12-24", '
                'opened: ["2026-12-24", "2026-12-26 10:00-12:00"]}'
            ),
            ["2026-12-24 10:00", "2026-12-26 11:00"],
            ["2026-12-25 10:00", "2026-12-26 12:00", "2026-04-27 10:00", "2026-12-24 18:00"],
        ),
        (
            '{open: {mon-fri: "09:00-17:00"}, holidays: {country: NL, except: Good Friday}}',
            ["2026-04-03 10:00"],
            ["2026-04-06 10:00"],
        ),
        (
            '{open: {daily: "09:00-17:00"}, holidays: {country: DE, subdivision: BY}}',
            ["2026-06-05 10:00"],
            ["2026-06-04 10:00"],
        ),
    ],
)
def test_table(text: str, inside: list[str], outside: list[str]) -> None:
    assert [each for each, found in zip(inside, opened(text, *inside), strict=True) if not found] == []
    assert [each for each, found in zip(outside, opened(text, *outside), strict=True) if found] == []


@pytest.mark.parametrize(
    ("hours", "utc", "expected"),
    [
        # 2026-03-29: at 01:00 UTC the clock goes from 02:00 to 03:00; there is no 02:30.
        ("02:00-03:00", "2026-03-29 00:59", False),
        ("02:00-03:00", "2026-03-29 01:00", False),
        ("01:30-03:30", "2026-03-29 00:59", True),
        ("01:30-03:30", "2026-03-29 01:00", True),
        ("01:30-03:30", "2026-03-29 01:30", False),
        # 2026-10-25: at 01:00 UTC the clock goes from 03:00 to 02:00; 02:30 is there twice.
        ("02:15-02:45", "2026-10-25 00:30", True),
        ("02:15-02:45", "2026-10-25 01:30", True),
        ("02:15-02:45", "2026-10-25 00:50", False),
        ("02:15-02:45", "2026-10-25 01:00", False),
        ("02:15-02:45", "2026-10-25 01:50", False),
        ("22:00-02:30", "2026-10-25 00:29", True),
        ("22:00-02:30", "2026-10-25 00:30", False),
        ("22:00-02:30", "2026-10-25 01:29", True),
        ("22:00-02:30", "2026-10-25 01:30", False),
    ],
)
def test_changes_of_the_clock(hours: str, utc: str, expected: bool) -> None:
    found = calendar(f'{{open: {{daily: "{hours}"}}}}')
    assert found.state(datetime.fromisoformat(utc).replace(tzinfo=UTC)).open is expected


clock = st.integers(0, 24 * 4).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
ranges = st.tuples(clock, clock).filter(lambda pair: pair[0] not in (pair[1], "24:00")).map("-".join)
days = st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
weeks = st.dictionaries(days, st.lists(ranges, min_size=1, max_size=3), max_size=7)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def minutes_of(text: str) -> tuple[int, int]:
    (begin, end) = ((int(part[:2]) * 60 + int(part[3:])) for part in text.split("-"))
    return begin, end


def oracle(week: dict[str, list[str]], closed: set[date]) -> set[tuple[date, int]]:
    """Every minute on the wall that is open from 2026-03-20 to 2026-11-05, laid out one by one."""
    minutes = set()
    day = date(2026, 3, 20)
    while day < date(2026, 11, 5):
        if day not in closed:
            for text in week.get(NAMES[day.weekday()], ()):
                minute, end = minutes_of(text)
                at = day
                while True:
                    if minute == 1440:
                        at, minute, end = at + timedelta(days=1), 0, end if end != 1440 else 0
                    if minute == end:
                        break
                    minutes.add((at, minute))
                    minute += 1
        day += timedelta(days=1)
    return minutes


@settings(deadline=None, max_examples=40)
@given(
    weeks,
    st.sampled_from(["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    st.sets(st.sampled_from([date(2026, 3, 29), date(2026, 10, 24), date(2026, 10, 25)])),
    st.sampled_from(
        [date(2026, 3, 28), date(2026, 4, 4), date(2026, 10, 24), date(2026, 10, 3), date(2026, 10, 31)]
    ),
)
def test_every_minute_is_as_the_oracle_says(
    week: dict[str, list[str]], name: str, closed: set[date], first: date
) -> None:
    written = ", ".join(f"{day}: [{', '.join(map(repr, hours))}]" for day, hours in week.items())
    shut = ", ".join(f"'{day}'" for day in sorted(closed))
    text = f"{{open: {{{written}}}{f', closed: [{shut}]' if shut else ''}}}"
    zone = ZoneInfo(name)
    found = calendar(text, zone)
    expected = oracle(week, closed)
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC)
    for _ in range(2 * 24 * 60):
        wall = moment.astimezone(zone)
        assert found.state(moment).open == ((wall.date(), wall.hour * 60 + wall.minute) in expected), moment
        moment += timedelta(minutes=1)


@settings(deadline=None, max_examples=30)
@given(weeks, st.sampled_from([date(2026, 3, 28), date(2026, 10, 24), date(2026, 7, 1)]))
def test_nothing_changes_between_two_edges(week: dict[str, list[str]], first: date) -> None:
    written = ", ".join(f"{day}: [{', '.join(map(repr, hours))}]" for day, hours in week.items())
    found = calendar(f"{{open: {{{written}}}}}")
    edges = {each.astimezone(UTC) for each in found.edges(first, 2)}
    moment = min(edges)
    before = found.state(moment).open
    while moment < max(edges):
        moment += timedelta(minutes=1)
        now = found.state(moment).open
        assert now == before or moment in edges
        before = now


def hours(step: str) -> str:
    return (
        "timezone: Europe/Amsterdam\n"
        "entry: [{from: anyone, chain: a}]\n"
        'calendars: {office: {open: {mon-fri: "09:00-17:00"}, holidays: NL}}\n'
        f"chains: {{a: [{step}, echo], night: [hangup]}}\n"
    )


@pytest.mark.parametrize(
    ("step", "at", "decision", "reason"),
    [
        ("hours: {calendar: office, closed: {goto: night}}", "2026-11-23 10:00", Echo(), "unconditional"),
        (
            "hours: {calendar: office, closed: {reject: 480}}",
            "2026-11-22 10:00",
            Reject(480),
            "no hours on sun",
        ),
        ("hours: office, closed: {goto: night}", "2026-11-23 17:00", Hangup(), "unconditional"),
        ("hours: office, open: hangup", "2026-11-23 10:00", Hangup(), "open: mon 09:00-17:00 (office)"),
        ("hours: office, open: hangup", "2026-11-23 20:00", Echo(), "unconditional"),
        ("hours: office, closed: hangup", "2026-12-25 10:00", Hangup(), "closed: Christmas Day (office)"),
        (
            "hours: office, closed: hangup, holiday: {reject: 480}",
            "2026-12-25 10:00",
            Reject(480),
            "Christmas",
        ),
        ("hours: office, closed: hangup, holiday: {reject: 480}", "2026-12-24 20:00", Hangup(), "outside"),
        ("hours: office, holiday: {reject: 480}", "2026-12-24 20:00", Echo(), "unconditional"),
    ],
)
def test_hours(step: str, at: str, decision: object, reason: str) -> None:
    from dataclasses import replace

    from pbx.dialplan.compiler import compile_dialplan

    tree = compile_dialplan(loads(hours(f"{{{step}}}"), "d.yaml"))
    asked = replace(call("1"), at=datetime.fromisoformat(at).replace(tzinfo=AMSTERDAM))
    verdict = decide(tree, asked)
    assert verdict.decision == decision
    assert reason in verdict.decision.reason
    assert verdict.path[0].saw.startswith("calendar office, ")


def test_a_calendar_has_its_own_zone() -> None:
    found = calendar('{timezone: Asia/Tokyo, open: {daily: "09:00-17:00"}}')
    assert found.state(datetime(2026, 11, 23, 0, 30, tzinfo=UTC)).open
    assert not found.state(datetime(2026, 11, 23, 9, 0, tzinfo=UTC)).open


def test_hours_in_a_path_name_their_ending() -> None:
    tree = generation("  main:\n    - echo\n")
    assert tree.chains["main"].links[0].handler.branches() == ()


MISTAKES = """
{open: {mon-fry: "09:00-17:00"}}
    d.yaml:2:19: found 'mon-fry', expected days such as mon, mon-fri, sat,sun or daily (did you mean fri?)
{open: {mon: "9-17"}}
    d.yaml:2:24: found '9-17', expected times from 00:00 to 24:00
{open: {mon: "nine"}}
    d.yaml:2:24: found 'nine', expected hours such as 09:00-17:30
{open: {mon: ["09:00-12:00", "12:60-13:00"]}}
    d.yaml:2:40: found '12:60-13:00', expected times
{open: {mon: "09:00-25:00"}}
    expected times from 00:00 to 24:00
{open: {mon: "09:00-09:00"}}
    which ends when it begins; a whole day is 00:00-24:00 (did you mean 00:00-24:00?)
{open: {mon: "24:00-09:00"}}
    expected it to begin at 23:59 or before
{opne: {}}
    d.yaml:2:12: unknown key 'opne' (did you mean open
{closed: ["2026-02-29"]}
    d.yaml:2:21: found '2026-02-29', but there is no such day
{closed: "24-12-2026"}
    found '24-12-2026', expected 2026-12-24, 2026-12-24 - 2026-12-26
{closed: "2026-12-26 - 2026-12-24"}
    which ends before it begins
{closed: "2026-12-26 10:00 - 2026-12-26 09:00"}
    which ends before it begins
{closed: "2026-12-26 - 2026-12-27 - 2026-12-28"}
    expected 2026-12-24
{holidays: {country: nl}}
    d.yaml:2:32: found 'nl', expected a country with known holidays such as NL (did you mean NL?)
{holidays: {country: DE, subdivision: BYE}}
    DE has no part 'BYE' with holidays of its own (did you mean BY?)
{holidays: {country: NL, except: Good Fryday}}
    NL has no holiday 'Good Fryday' (did you mean Good Friday?)
{open: {mon: "09:00-10:00"}, opened: "2026-11-29"}
    d.yaml:2:48: 2026-11-29 has no hours of its own: say them, as in 2026-11-29 09:00-17:00
{timezone: Europe/Amsterdm}
    (did you mean Europe/Amsterdam?)
"""


@pytest.mark.parametrize(("text", "problem"), pairs(MISTAKES))
def test_mistakes(text: str, problem: str) -> None:
    whole = f"calendars:\n  office: {text}\nentry: [{{from: anyone, chain: a}}]\nchains: {{a: [echo]}}\n"
    found = problems(whole)
    assert any(problem in line for line in found), found


def test_mistakes_in_a_step() -> None:
    assert (
        "there is no calendar 'ofice' (did you mean office?)"
        in problems(hours("{hours: {calendar: ofice, closed: hangup}}"))[0]
    )
    assert "say what follows" in problems(hours("{hours: office}"))[0]
    assert "(did you mean closed?)" in problems(hours("{hours: {calendar: office, closd: hangup}}"))[0]
    assert (
        "there is no chain 'nigth'"
        in problems(hours("{hours: {calendar: office, closed: {goto: nigth}}}"))[0]
    )
