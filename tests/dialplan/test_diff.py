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


def test_one_character_of_a_pattern_changes_one_kind_of_number() -> None:
    old = "chains: {a: [{routing: [{to: 12X, echo: {}}, {to: 1XX, hangup: }]}]}"
    found = compare(tree(old), tree(old.replace("12X", "13X")), START)
    numbers = {each.witness.called[:2] for each in found.differences}
    assert numbers == {"12", "13"}


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


@settings(deadline=None, max_examples=40)
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
