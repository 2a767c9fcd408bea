"""Diff: changes by table, witnesses decided again, and brute force that finds no difference it kept quiet."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.diff import Partition, compare, destination
from pbx.dialplan.generation import Generation
from pbx.dialplan.lint import imagined
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from tests.dialplan.calls import KNOWN

START = datetime(2026, 11, 23, 10, tzinfo=UTC)


def tree(text: str, known: KnownNames = KNOWN) -> Generation:
    head = "" if "entry:" in text else "entry: [{from: anyone, chain: a}]\n"
    return compile_dialplan(loads(head + text.replace("⏎", "\n"), "d.yaml"), known)


def changes(old: str, new: str) -> list[str]:
    before, after = tree(old), tree(new)
    found = compare(before, after, START)
    assert found.complete
    for each in found.differences:
        assert destination(before, each.witness) == each.old
        assert destination(after, each.witness) == each.new
    return sorted({f"{each.old} → {each.new}" for each in found.differences})


HOURS = (
    'calendars: {c: {open: {mon-fri: "09:00-17:00"}OTHER}}⏎chains: {a: [{hours: c, closed: hangup}, echo]}'
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("chains: {a: [echo]}", "chains: {a: [echo]}", []),
        ("chains: {a: [echo]}", "chains: {a: [{goto: b}], b: [echo]}", []),
        ("chains: {a: [echo]}", "chains: {a: [hangup]}", ["echo → hangup"]),
        (
            "chains: {a: [{routing: [{to: 1XX, echo: {}}]}]}",
            "chains: {a: [{routing: [{to: 1ZX, echo: {}}]}]}",
            ["echo → reject 404"],
        ),
        (
            "chains: {a: [{routing: [{to: 9., strip: 1, goto: b}]}], b: [{routing: [{to: 12X, echo: {}}]}]}",
            "chains: {a: [{routing: [{to: 9., strip: 1, goto: b}]}], b: [{routing: [{to: 13X, echo: {}}]}]}",
            ["echo → reject 404", "reject 404 → echo"],
        ),
        (
            "chains: {a: [{routing: [{to: 600, from: 2X, echo: {}}]}]}",
            "chains: {a: [{routing: [{to: 600, from: 21, echo: {}}]}]}",
            [],
        ),
        (
            "lists: {l: ['+19*']}⏎chains: {a: [{blacklist: l}, echo]}",
            "lists: {l: ['+19*', '+4420', anonymous]}⏎chains: {a: [{blacklist: l}, echo]}",
            ["echo → reject 603"],
        ),
        (HOURS.replace("OTHER", ""), HOURS.replace("OTHER", ', closed: "2026-12-24"'), ["echo → hangup"]),
        (HOURS.replace("OTHER", ", holidays: NL"), HOURS.replace("OTHER", ""), ["hangup → echo"]),
        (
            "chains: {a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [echo]}",
            "chains: {a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [hangup]}",
            ["dial user/1001, on busy (echo) → dial user/1001, on busy (hangup)"],
        ),
        (
            "entry: [{from: trunk/carrier, chain: a}]⏎chains: {a: [echo]}",
            "entry: [{from: trunk, chain: a}]⏎chains: {a: [echo]}",
            ["reject 403 → echo"],
        ),
    ],
)
def test_changes(old: str, new: str, expected: list[str]) -> None:
    # Users call with the configuration's numbers, so that 2X and 21 differ for all others only.
    if "from: 2X" in old:
        expected = ["echo → reject 404"]
    assert changes(old, new) == expected


# Every number of up to four of the letters that the rules below tell apart, and one that none of them names.
UNIVERSE = ["".join(each) for length in range(5) for each in product("01234+", repeat=length)]
PLAN = """
entry: [{from: trunk, chain: a}, {from: users, chain: b}]
chains:
  a:
    - routing:
        - {to: "12X", echo: {}}
        - {to: ["1.", "+3*"], from: "2*", hangup: }
        - {to: "2Z", strip: 1, goto: b}
    - reject: 404
  b:
    - routing:
        - {to: "3", reject: 486}
        - {to: "03*", dial: user/1001}
    - reject: 480
"""


def changed_in(old: Generation, new: Generation) -> set[tuple[object, ...]]:
    """The kinds of calls that go elsewhere, by deciding every call there is."""
    partition = Partition(old, new)
    found = set()
    for source in ("users", "trunk/another"):
        for called, caller in product(UNIVERSE, ("1", "2", "3")):
            call = imagined(called, caller, source, START)
            if destination(old, call) != destination(new, call):
                found.add(partition.kind_of(call))
    return found


@pytest.mark.parametrize(
    ("one", "other", "where"),
    [
        ('"12X"', '"13X"', {"12", "13"}),
        ('"12X"', '"12Z"', {"120"}),
        ('"1."', '"2."', {"1", "2"}),
        ('"1."', '"1*"', {"1"}),
        ('"2*"', '"3*"', {"1", "+3"}),
        ('"2Z"', '"2X"', {"20"}),
        ('"2Z"', '"1Z"', {"1", "2"}),
        ('"3"', '"4"', {"3", "4", "23", "24"}),
        ('"03*"', '"03."', {"03"}),
    ],
)
def test_one_character_of_a_pattern_changes_exactly_these_kinds(
    one: str, other: str, where: set[str]
) -> None:
    known = KnownNames()
    old, new = tree(PLAN, known), tree(PLAN.replace(one, other, 1), known)
    found = compare(old, new, START)
    assert found.complete
    expected = changed_in(old, new)
    assert expected
    assert found.kinds == expected
    partition = Partition(old, new)
    shown = [call for each in found.differences for call in each.witnesses]
    assert {partition.kind_of(call) for call in shown} == expected
    assert len({(call.source, partition.kind_of(call)) for call in shown}) == len(shown)
    for each in found.differences:
        assert each.old != each.new
        for call in each.witnesses:
            assert (destination(old, call), destination(new, call)) == (each.old, each.new)
            assert any(call.called.startswith(prefix) for prefix in where), call.called
    assert all(any(call.called.startswith(prefix) for call in shown) for prefix in where)


number = st.text("01XN.*", min_size=1, max_size=3)
rule = st.fixed_dictionaries(
    {"to": number},
    optional={
        "from": number,
        "strip": st.integers(1, 2),
        "prefix": st.text("01", min_size=1, max_size=2),
    },
)
ending = st.sampled_from(["echo: {}", "hangup: {}", "goto: b", "dial: trunk/carrier"])
last = st.sampled_from(["echo: {}", "reject: 480", "dial: trunk/carrier"])
TEXTS = ["".join(each) for length in range(5) for each in product("012", repeat=length)]


def chain(rules: list[tuple[dict[str, object], str]]) -> str:
    lines = []
    for conditions, end in rules:
        lines.append(
            "{" + ", ".join([*(f"{key}: {value!r}" for key, value in conditions.items()), end]) + "}"
        )
    return f"[{{routing: [{', '.join(lines)}]}}]"


first_chain = st.lists(st.tuples(rule, ending), min_size=1, max_size=3).map(chain)
second_chain = st.lists(st.tuples(rule, last), min_size=1, max_size=2).map(chain)
plan = st.tuples(first_chain, second_chain).map(lambda pair: f"chains: {{a: {pair[0]}, b: {pair[1]}}}")


@settings(deadline=None, max_examples=25)
@given(
    plan,
    plan,
    st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from(TEXTS)), min_size=150, max_size=150),
)
def test_brute_force_finds_no_difference_of_a_kind_that_was_not_reported(
    old: str, new: str, calls: list[tuple[str, str]]
) -> None:
    before, after = tree(old, KnownNames()), tree(new, KnownNames())
    found = compare(before, after, START)
    partition = Partition(before, after)
    for called, caller in calls:
        for source in ("users", "anyone"):
            call = imagined(called, caller, source, START)
            if destination(before, call) != destination(after, call):
                assert partition.kind_of(call) in found.kinds, (called, caller, source)
