"""What rules ask besides the two numbers: source, headers, calendars, the clock; and numbers made E.164."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.call import Call
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Dial, Echo, Hangup, Reject
from pbx.dialplan.generation import Generation
from pbx.documents import loads
from tests.dialplan.calls import KNOWN, call, decide, pairs, problems
from tests.dialplan.test_patterns import reference

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HEAD = """\
timezone: Europe/Amsterdam
entry: [{from: anyone, chain: a}]
calendars: {office: {open: {mon-fri: "09:00-17:00"}, holidays: NL}}
chains:
  a:
    - routing:
"""


def tree(*rules: str) -> Generation:
    return compile_dialplan(loads(HEAD + "".join(f"        - {rule}\n" for rule in rules), "d.yaml"), KNOWN)


def asked(
    source: str = "users",
    headers: Mapping[str, str] | None = None,
    at: str = "2026-11-23 10:00",
    to: str = "1",
) -> Call:
    trunk = source.partition("/")[2] or None
    user = "1001" if source == "users" else None
    moment = datetime.fromisoformat(at).replace(tzinfo=AMSTERDAM)
    return replace(call(to, source=source, trunk=trunk, user=user), headers=headers or {}, at=moment)


@pytest.mark.parametrize(
    ("condition", "fits", "others"),
    [
        ("source: users", [asked()], [asked("anyone"), asked("trunk/carrier")]),
        ("source: anyone", [asked("anyone")], [asked(), asked("trunk/carrier")]),
        ("source: trunk", [asked("trunk/carrier"), asked("trunk/backup")], [asked(), asked("anyone")]),
        ("source: trunk/backup", [asked("trunk/backup")], [asked("trunk/carrier")]),
        ("source: [users, trunk/backup]", [asked(), asked("trunk/backup")], [asked("trunk/carrier")]),
        (
            "header: {X-Why: sales}",
            [asked(headers={"x-why": "sales"})],
            [asked(), asked(headers={"x-why": "Sales"}), asked(headers={"x-other": "sales"})],
        ),
        (
            "header: {subject: [/(?i)^urgent/, help]}",
            [asked(headers={"subject": "URGENT: now"}), asked(headers={"subject": "help"})],
            [asked(headers={"subject": "not urgent"}), asked(headers={"subject": ""})],
        ),
        (
            "header: {x-a: 1X, x-b: /2/}",
            [asked(headers={"x-a": "12", "x-b": "32"})],
            [asked(headers={"x-a": "12"}), asked(headers={"x-a": "1", "x-b": "2"})],
        ),
        ("when: office", [asked()], [asked(at="2026-11-22 10:00"), asked(at="2026-12-25 10:00")]),
        ("when: {office: closed}", [asked(at="2026-11-22 10:00"), asked(at="2026-12-25 10:00")], [asked()]),
        ("when: {office: holiday}", [asked(at="2026-12-25 10:00")], [asked(), asked(at="2026-11-22 10:00")]),
        (
            "at: mon-fri 09:00-17:00",
            [asked(at="2026-11-23 09:00"), asked(at="2026-11-27 16:59:59"), asked(at="2026-12-25 10:00")],
            [asked(at="2026-11-23 08:59:59"), asked(at="2026-11-23 17:00"), asked(at="2026-11-28 10:00")],
        ),
        (
            'at: ["fri 22:00-02:00", "12:00-13:00"]',
            [asked(at="2026-11-28 01:59"), asked(at="2026-11-29 12:30")],
            [asked(at="2026-11-29 01:59"), asked(at="2026-11-28 02:00")],
        ),
        (
            "source: users, when: office, header: {x-a: yes}, to: 1",
            [asked(headers={"x-a": "yes"})],
            [
                asked(),
                asked("anyone", {"x-a": "yes"}),
                asked(headers={"x-a": "yes"}, at="2026-11-22 10:00"),
                asked(headers={"x-a": "yes"}, to="2"),
            ],
        ),
    ],
)
def test_conditions(condition: str, fits: list[Call], others: list[Call]) -> None:
    found = tree(f"{{{condition}, echo: {{}}}}", "{hangup: {}}")
    assert [decide(found, each).decision for each in fits] == [Echo()] * len(fits)
    assert [decide(found, each).decision for each in others] == [Hangup()] * len(others)


def test_a_rule_says_its_conditions() -> None:
    found = tree(
        '{to: 1, source: users, header: {X-A: [b, c]}, when: office, at: "daily 00:00-24:00", echo: }'
    )
    verdict = decide(found, asked(headers={"x-a": "c"}))
    assert verdict.decision.reason == (
        "rule 1, to 1, source users, header X-A b or c, office open, at daily 00:00-24:00"
    )


@pytest.mark.parametrize(
    ("rule", "to", "target"),
    [
        ("e164: NL", "0201234567", "trunk/carrier/+31201234567"),
        ("e164: NL", "+31201234567", "trunk/carrier/+31201234567"),
        ("e164: NL", "0044201234567", "trunk/carrier/+44201234567"),
        ("e164: US", "4155550100", "trunk/carrier/+14155550100"),
        ("e164: US", "0114420123456", "trunk/carrier/+4420123456"),
        # What is no such number stays as it is.
        ("e164: NL", "12", "trunk/carrier/12"),
        ("e164: NL", "reception", "trunk/carrier/reception"),
        ("strip: 1, e164: NL", "90201234567", "trunk/carrier/+31201234567"),
        ("prefix: '020', e164: NL", "1234567", "trunk/carrier/+31201234567"),
        ("strip: 2, prefix: '0', e164: GB", "992079460000", "trunk/carrier/+442079460000"),
    ],
)
def test_numbers_in_the_way_of_a_country(rule: str, to: str, target: str) -> None:
    assert decide(tree(f"{{{rule}, dial: trunk/carrier}}"), asked(to=to)).decision == Dial(target)


MISTAKES = """
{source: user, echo: }
    d.yaml:7:20: found 'user', expected users, anyone, trunk or trunk/NAME (did you mean users?)
{source: [users, trunk/carier], echo: }
    d.yaml:7:28: there is no trunk 'carier' in the configuration (did you mean trunk/carrier?)
{header: {x-a: /(/}, echo: }
    d.yaml:7:26: this regular expression cannot be read
{when: ofice, echo: }
    d.yaml:7:18: there is no calendar 'ofice' (did you mean office?)
{when: {office: close}, echo: }
    d.yaml:7:27: found 'close', expected open, closed, holiday (did you mean closed?)
{when: [office], echo: }
    d.yaml:7:18: expected a calendar, or one with open, closed or holiday
{at: mon-fry 09:00-17:00, echo: }
    d.yaml:7:16: found 'mon-fry', expected days such as mon, mon-fri, sat,sun or daily, as in
{at: mon 09:00-09:00, echo: }
    d.yaml:7:16: found '09:00-09:00', which ends when it begins; a whole day is 00:00-24:00
{e164: nl, echo: }
    d.yaml:7:18: found 'nl', expected the two letters of a country such as NL (did you mean NL?)
"""


@pytest.mark.parametrize(("rule", "problem"), pairs(MISTAKES))
def test_mistakes(rule: str, problem: str) -> None:
    found = problems(f"{HEAD}        - {rule}\n")
    assert any(problem in line for line in found), found


number = st.text("01X.*", min_size=1, max_size=3)
sources = st.sampled_from(["users", "anyone", "trunk", "trunk/carrier", "trunk/backup"])
rules = st.fixed_dictionaries(
    {},
    optional={
        "to": st.lists(number, min_size=1, max_size=2),
        "from": number,
        "source": st.lists(sources, min_size=1, max_size=2),
        "header": st.text("ab", min_size=1, max_size=1),
        "when": st.sampled_from(["open", "closed", "holiday"]),
        "at": st.tuples(st.integers(0, 22), st.integers(1, 23)).filter(lambda pair: pair[0] < pair[1]),
    },
)
HOLIDAYS = {(12, 25), (12, 26), (1, 1)}


def fits(rule: Mapping[str, object], each: Call) -> bool:
    """Whether a rule fits, asked condition by condition as a reader of the page would."""
    to, from_, source, header = (rule.get(key) for key in ("to", "from", "source", "header"))
    when, at = rule.get("when"), rule.get("at")
    wall = each.at
    holiday = (wall.month, wall.day) in HOLIDAYS
    there = wall.weekday() < 5 and 9 <= wall.hour < 17 and not holiday
    states = {"open": there, "closed": not there, "holiday": holiday and not there}
    if isinstance(to, list) and not any(reference(pattern, each.called) for pattern in to):
        return False
    if isinstance(from_, str) and not reference(from_, each.caller.number):
        return False
    if isinstance(source, list) and not (
        each.source in source or ("trunk" in source and each.source.startswith("trunk/"))
    ):
        return False
    if isinstance(header, str) and each.headers.get("x-a") != header:
        return False
    if isinstance(when, str) and not states[when]:
        return False
    return not isinstance(at, tuple) or at[0] <= wall.hour < at[1]


def written(rule: Mapping[str, object], code: int) -> str:
    parts = [f"reject: {code}"]
    for key, value in rule.items():
        match key, value:
            case "header", _:
                parts.append(f"header: {{X-A: {value}}}")
            case "when", _:
                parts.append(f"when: {{office: {value}}}")
            case "at", (int(begin), int(end)):
                parts.append(f"at: '{begin:02}:00-{end:02}:00'")
            case _:
                parts.append(f"{key}: {value!r}")
    return "{" + ", ".join(parts) + "}"


@settings(deadline=None)
@given(
    st.lists(rules, min_size=1, max_size=24),
    st.text("01", max_size=3),
    st.text("01", max_size=3),
    st.sampled_from(["users", "anyone", "trunk/carrier", "trunk/backup"]),
    st.sampled_from(["", "a", "b"]),
    st.integers(0, 60 * 24 - 1),
    st.sampled_from(["2026-12-22", "2026-12-24", "2027-01-01"]),
)
def test_the_first_match_is_the_first_by_a_slow_reference(
    listed: list[dict[str, object]], to: str, from_: str, source: str, header: str, minute: int, day: str
) -> None:
    base = asked(source, {"x-a": header} if header else {}, f"{day} 00:00", to)
    each = replace(base, caller=replace(base.caller, number=from_), at=base.at + timedelta(minutes=minute))
    expected = next((400 + index for index, rule in enumerate(listed) if fits(rule, each)), 404)
    found = decide(tree(*(written(rule, 400 + index) for index, rule in enumerate(listed))), each)
    assert found.decision == Reject(expected)
