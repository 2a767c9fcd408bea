"""Patterns: every kind by table, number patterns against a slow reference, and bounded time."""

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pbx.dialplan.patterns import compile_pattern, sample

CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}


def reference(pattern: str, text: str) -> bool:
    """Whether `text` matches the number pattern, character by character, as the contract words it."""
    if pattern == "*":
        return True
    if not pattern:
        return not text
    head, rest = pattern[0], pattern[1:]
    if head == ".":
        return any(reference(rest, text[taken:]) for taken in range(1, len(text) + 1))
    return bool(text) and text[0] in CLASSES.get(head, head) and reference(rest, text[1:])


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("600", ["600"], ["6000", "60", "", "600\n"]),
        ("8XXX", ["8000", "8999"], ["800", "80000", "8A00", "9000", "8٣00", "8000\n"]),
        ("ZXX", ["100", "999"], ["000", "10"]),
        ("NXX", ["200", "999"], ["100", "000"]),
        ("0.", ["01", "0*", "0\n", "0anything"], ["0", "10"]),
        (".", ["1", "alice"], [""]),
        ("*", ["", "1", "anything"], []),
        ("+1900*", ["+1900", "+19005551234"], ["+190", "1900"]),
        ("*98", ["*98"], ["98", "198", "*981"]),
        ("*98*", ["*98", "*981"], ["98", "*9"]),
        ("**", ["*", "*1"], ["", "1*"]),
        ("#31#X.", ["#31#12", "#31#1#"], ["#31#1", "#31#"]),
        ("1.2", ["102", "1992", "122"], ["12", "1", "10"]),
        ("1.2.3", ["10203", "12223"], ["123", "1023"]),
        ("..", ["12", "123"], ["1", ""]),
        ("+3120123450X", ["+31201234505"], ["+3120123450", "+312012345055", "31201234505"]),
        ("/^06/", ["0612345678"], ["10612345678"]),
        ("/06/", ["10612"], ["160"]),
        ("/(?i)^alice$/", ["alice", "ALICE"], ["alice2"]),
        ("alice", ["alice"], ["Alice", "alice2", ""]),
        ("anonymous", ["anonymous"], [""]),
        ("1xxx", ["1xxx"], ["1000"]),
        ("100-1", ["100-1"], ["1001"]),
    ],
)
def test_table(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = compile_pattern(pattern)
    assert [text for text in matching if not compiled.test(text)] == []
    assert [text for text in others if compiled.test(text)] == []


@settings(deadline=None)
@given(st.text("0123+*#XZN.", min_size=1, max_size=8), st.text("0123456789+*#a\n", max_size=9))
@example("1.2.*", "1020")
@example("X..*", "11")
@example(".*", "")
@example("+.*", "+")
def test_number_patterns_match_as_the_reference_says(pattern: str, text: str) -> None:
    assert bool(compile_pattern(pattern).test(text)) == reference(pattern, text)


@settings(deadline=None)
@given(st.text("0123+*#XZN.", min_size=1, max_size=12))
def test_the_sample_of_a_pattern_matches_it(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    text = sample(compiled)
    assert text is not None
    assert compiled.test(text)


@settings(deadline=None)
@given(st.text(min_size=1), st.text())
def test_any_text_is_a_pattern_or_a_value_error(pattern: str, text: str) -> None:
    try:
        compiled = compile_pattern(pattern)
    except ValueError:
        assume(False)
    compiled.test(text)


@pytest.mark.parametrize("pattern", ["1.1.1.1.1.1.1.1.1.1.1.2", "/(a+)+$/", "/(1|1)*2/", "1.2"])
def test_no_pattern_runs_away(pattern: str) -> None:
    """A backtracking matcher needs longer than the life of the machine for these."""
    assert not compile_pattern(pattern).test("1" * 5_000 + "!")


def test_half_a_pair_is_matched_without_raising() -> None:
    pattern = compile_pattern("/^(.*)$/")
    assert pattern.test("\ud800")
    assert pattern.groups is not None
    assert pattern.groups("1\ud800\udfff2") == ("1??2",)


def test_undecodable_text_is_matched_without_raising() -> None:
    assert compile_pattern("1.2.3").test("1\udcff2\udcff3")
    assert compile_pattern("0.").test("0\udcff")
    groups = compile_pattern(r"/^0(\C*)$/").groups
    assert groups is not None
    assert groups("0\udcff") == ("\udcff",)


def test_groups() -> None:
    compiled = compile_pattern("/^0(6)?(.*)$/")
    assert compiled.group_count == 2
    assert compiled.groups is not None
    assert compiled.groups("0612") == ("6", "12")
    assert compiled.groups("0201") == ("", "201")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "found nothing, expected a number pattern"),
        ("/", "expected a regular expression between two slashes"),
        ("//", "expected a regular expression between two slashes"),
        ("/06", "expected a regular expression between two slashes"),
        ("/(/", "this regular expression cannot be read: missing )"),
        (r"/(?=1)/", "this regular expression cannot be read"),
        ("/(((x{100}){100}){100})/", "this regular expression cannot be read"),
    ],
)
def test_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"expected|cannot") as caught:
        compile_pattern(pattern)
    assert message in str(caught.value)
