"""Lists of callers: every kind of entry, blacklist and allowlist, files, size, and each mistake."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Echo, Reject
from pbx.dialplan.generation import Generation
from pbx.dialplan.lists import ANONYMOUS, NumberList
from pbx.documents import loads
from pbx.errors import DocumentError, Place
from tests.dialplan.calls import KNOWN, call, decide, pairs, problems, stranger
from tests.dialplan.test_patterns import reference

PLACE = Place("d.yaml", 1, 1)


def listed(entries: str, step: str = "blacklist: bad", directory: Path | None = None) -> Generation:
    text = (
        "entry: [{from: anyone, chain: main}]\n"
        'emergency: ["112"]\n'
        f"lists: {{bad: {entries}, good: [5]}}\n"
        f"chains: {{main: [{{{step}}}, echo]}}\n"
    )
    return compile_dialplan(loads(text, "d.yaml"), KNOWN, directory=directory)


def refused(tree: Generation, caller: str, to: str = "1") -> bool:
    decision = decide(tree, stranger(to, caller)).decision
    assert decision in (Reject(603), Echo())
    return decision == Reject(603)


@pytest.mark.parametrize(
    ("entries", "inside", "outside"),
    [
        (
            '["+19005551234"]',
            ["+19005551234", "+1 900 555-1234", " +19005551234 "],
            ["+19005551235", "", "1"],
        ),
        ("[1234]", ["1234"], ["12345", "123"]),
        ('["+31 20 123 45 67"]', ["+31201234567"], ["+3120123456"]),
        ('["+1900*"]', ["+1900", "+19001", "+1 (900) 555 1234"], ["+190", "1900"]),
        ('["+1900XXXXXXX"]', ["+19005551234"], ["+1900555123", "+190055512345"]),
        ('["06."]', ["061"], ["06"]),
        ('["*"]', ["1", "", "anonymous"], []),
        (r'["/^\\+31[1-5]/"]', ["+311", "+3151"], ["+316"]),
        ("[anonymous]", [*ANONYMOUS, "Anonymous", "ANONYMOUS"], ["1", "anon"]),
        ("[alice]", ["alice"], ["Alice", "bob"]),
        ("[{country: NL}]", ["+31201234567", "+31 6 12345678"], ["+32201234567", "0201234567", "+", "+999"]),
        ("[{country: CA}]", ["+16135550123"], ["+12125550123"]),
    ],
)
def test_entries(entries: str, inside: list[str], outside: list[str]) -> None:
    tree = listed(entries)
    assert [number for number in inside if not refused(tree, number)] == []
    assert [number for number in outside if refused(tree, number)] == []
    allowing = listed(entries, "allowlist: bad")
    assert [number for number in inside if refused(allowing, number)] == []
    assert [number for number in outside if not refused(allowing, number)] == []


def test_the_reason_names_list_and_entry() -> None:
    (visit,) = decide(listed('["+1900*"]'), stranger("1", "+19005551234")).path
    assert visit.reason == "the caller is on the list bad: +1900*"
    assert visit.saw == "from +19005551234, lists bad"
    first, _ = decide(listed('["+1900*"]', "allowlist: [bad, good]"), stranger("1", "5")).path
    assert first.reason == "the caller is on the list good: 5"


def test_the_code_is_603_unless_said_otherwise() -> None:
    for step in ("blacklist: {list: bad, reject: 403}", "blacklist: bad, reject: 403"):
        assert decide(listed("[1]", step), stranger("1", "1")).decision == Reject(403)
    tree = listed("[1]", "allowlist: [bad], reject: 404")
    assert decide(tree, stranger("1", "2")).decision == Reject(404)


@pytest.mark.parametrize("step", ["blacklist: bad", "allowlist: good"])
def test_an_emergency_number_is_never_held_back(step: str) -> None:
    tree = listed("[1]", step)
    assert decide(tree, stranger("112", "1")).decision == Echo()
    assert decide(tree, stranger("113", "1")).decision == Reject(603)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text(
        "# callers who sell\n+19005551234\n\n  +1901*   # all of them\r\n#31#\nanonymous\n+31 20 1234567\n"
    )
    tree = listed("[{file: bad.txt}, 7]", directory=tmp_path)
    assert [refused(tree, number) for number in ("+19005551234", "+19011", "#31#", "", "7")] == [True] * 5
    assert refused(tree, "+31201234567")
    assert not refused(tree, "+1902")
    assert len(tree.lists["bad"]) == 6


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("1\n2\n/(/\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError) as caught:
        listed("[{file: bad.txt}, {file: binary.txt}, {file: none.txt}]", directory=tmp_path)
    text = str(caught.value)
    assert "bad.txt:3:1: this regular expression cannot be read" in text
    assert "binary.txt is not UTF-8 text" in text
    assert "none.txt cannot be read: no such file" in text


def test_a_million_entries_are_one_look_up(tmp_path: Path) -> None:
    """Counted in tests of entries, not in seconds: the number of questions does not grow with the list."""
    (tmp_path / "bad.txt").write_text("\n".join(f"+1900{number:07}" for number in range(1_000_000)))
    big = listed("[{file: bad.txt}]", directory=tmp_path).lists["bad"]
    assert len(big) == 1_000_000
    assert big.found("+19000999999") == "+19000999999"
    assert big.found("+19001000000") == ""
    assert big.patterns == ()


@given(st.lists(st.text("01X*.", min_size=1, max_size=4), min_size=1, max_size=8), st.text("01", max_size=5))
def test_a_list_has_what_one_of_its_patterns_matches(entries: list[str], number: str) -> None:
    found = NumberList("bad", PLACE)
    for entry in entries:
        found.add(entry)
    assert bool(found.found(number)) == any(reference(entry, number) for entry in entries)


MISTAKES = """
lists: {bad: [1]}⏎chains: {a: [{blacklist: bda}]}
    d.yaml:3:26: there is no list 'bda' (did you mean bad?)
lists: {bad: []}⏎chains: {a: [echo]}
    d.yaml:2:14: found nothing, expected at least one
lists: {bad: [/(/]}⏎chains: {a: [echo]}
    d.yaml:2:15: this regular expression cannot be read
lists: {bad: [{country: nl}]}⏎chains: {a: [echo]}
    d.yaml:2:15: found 'nl', expected the two letters of a country such as NL (did you mean NL?)
lists: {bad: [{contry: NL}]}⏎chains: {a: [echo]}
    d.yaml:2:15: unknown key 'contry', expected country or file (did you mean country?)
lists: {bad: [{file: nowhere.txt}]}⏎chains: {a: [echo]}
    d.yaml:2:15: the list nowhere.txt cannot be read: no such file or directory
lists: {bad: [[1]]}⏎chains: {a: [echo]}
    d.yaml:2:15: expected a number, a pattern, anonymous
lists: {bad: [1]}⏎chains: {a: [{blacklist: {list: bad, reject: 200}}]}
    d.yaml:3:46: found 200, expected at least 400
lists: {bad: [1]}⏎chains: {a: [{blacklist: {list: bad, rejct: 603}}]}
    d.yaml:3:38: unknown key 'rejct' (did you mean reject?)
lists: {bad: [1]}⏎chains: {a: [blacklist]}
    blacklist needs the option list
"""


@pytest.mark.parametrize(("text", "problem"), pairs(MISTAKES))
def test_mistakes(text: str, problem: str) -> None:
    found = problems("entry: [{from: anyone, chain: a}]\n" + text.replace("⏎", "\n"))
    assert any(problem in line for line in found), found


def test_an_allowlisted_user() -> None:
    tree = listed('["1001"]', "allowlist: bad")
    assert decide(tree, call("1")).decision == Echo()
