"""The YAML reader: what it reads, what it refuses, where it says things are, and that nothing else escapes.

Not tested here: the shapes of particular files (tests/dialplan, tests/config).
"""

import json
import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from pbx.documents import Count, Duration, Flag, Fraction, Shape, Text, duration, load, loads, size, validate
from pbx.documents.reader import MAX_BYTES, MAX_DEPTH, MAX_VALUES
from pbx.errors import DocumentError, OperatorError, Problem


def read(text: str) -> Any:
    return loads(text, "f.yaml").value


def problems_in(reading: Callable[[], object]) -> tuple[Problem, ...]:
    """The problems that reading finds; anything but a DocumentError fails the test."""
    try:
        reading()
    except DocumentError as error:
        return error.problems
    return ()


def refused(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        loads(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0123", "0123"),
        ("+14155550100", "+14155550100"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("True", "True"),
        ("~", "~"),
        ("Null", "Null"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("5.", "5."),
        ("1_000", "1_000"),
        ("-0", "-0"),
        (".inf", ".inf"),
        ("2026-11-23", "2026-11-23"),
        ("1234567890123456789", "1234567890123456789"),
        ("9" * 10_000, "9" * 10_000),
        ("=", "="),
        ("'12'", "12"),
        ('"true"', "true"),
        ("12", 12),
        ("-7", -7),
        ("0", 0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("", None),
        ("a:", {"a": None}),
    ],
)
def test_scalars(text: str, value: object) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value)


def test_fraction_remembers_how_it_was_written() -> None:
    found = read("1.50")
    assert found == 1.5
    assert str(found) == "1.50"
    assert str(pickle.loads(pickle.dumps(found))) == "1.50"
    assert isinstance(found, Fraction)


def test_keys_are_the_text_as_written() -> None:
    assert read("{1001: a, 0123: b, true: c, on: d, 1.50: e, null: f}") == {
        "1001": "a",
        "0123": "b",
        "true": "c",
        "on": "d",
        "1.50": "e",
        "null": "f",
    }


def test_duplicate_keys_name_both_places() -> None:
    advice = "take one out, or give it another name"
    assert refused("a: 1\nb:\n  x: 1\n  'x': 2\na: 3\n") == [
        f"f.yaml:4:3: the key 'x' is here twice; the first one is at f.yaml:3:3: {advice}",
        f"f.yaml:5:1: the key 'a' is here twice; the first one is at f.yaml:1:1: {advice}",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x: *98", "f.yaml:1:4: found '*98', which YAML takes for an alias"),
        ("a: &a [*a]", "f.yaml:1:8: the alias *a stands inside what it stands for"),
        ("a: !!python/object/apply:os.system [id]", "f.yaml:1:4: tags (!) are not read"),
        ("a: !x {b: 1}", "f.yaml:1:4: tags (!) are not read"),
        ("a: ! b", "f.yaml:1:4: tags (!) are not read"),
        ("{a: 1}: 2", "f.yaml:1:1: found a list or mapping as a key"),
        ("? [a]\n: b", "f.yaml:1:3: found a list or mapping as a key"),
        ("&k a: 1", "f.yaml:1:1: a key cannot have an anchor"),
        ("a: &v x\n*v : 1", "f.yaml:2:1: a key cannot be an alias"),
        ("a: &v {b: 1}\nc: {<<: *v}", "f.yaml:2:5: merge keys (<<)"),
        ("a\n---\nb", "f.yaml:2:1: found a second document"),
        ("a: [1", "f.yaml:2:1: this is not YAML"),
        ("a: b: c", "f.yaml:1:5: this is not YAML: mapping values are not allowed"),
        ("a: \x07", "f.yaml:1:4: found the control character '\\x07'"),
        ("a\n b: \ud800", "f.yaml:2:5: found the control character '\\ud800'"),
        ("[" * (MAX_DEPTH + 1), f"f.yaml:1:{MAX_DEPTH + 1}: the document is nested deeper"),
        ("[" * 1_000_000, f"f.yaml:1:{MAX_DEPTH + 1}: the document is nested deeper"),
        ("- a\n" * (MAX_VALUES + 1), f"the document has more than {MAX_VALUES} values"),
        ("a" * (MAX_BYTES + 1), "f.yaml:1:1: the text is larger than 4 MiB"),
    ],
)
def test_refused(text: str, problem: str) -> None:
    assert problem in refused(text)[0]


def test_billion_laughs_are_counted_before_they_are_expanded() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    assert "values, aliases expanded" in refused("\n".join(lines))[0]


def test_aliases_stand_for_values() -> None:
    document = loads("a: &v {b: 1}\nc: *v\n", "f.yaml")
    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert str(document.place(("c",))) == "f.yaml:2:4"
    assert str(document.place(("c", "b"))) == "f.yaml:1:11"


def test_places() -> None:
    document = loads("a:\n  - b: 1\n    é: 'ü'\n  - 2\n", "f.yaml")
    assert str(document.place(())) == "f.yaml:1:1"
    assert str(document.place(("a", 0, "é"))) == "f.yaml:3:8"
    assert str(document.key_place(("a", 0, "é"))) == "f.yaml:3:5"
    assert str(document.place(("a", 1))) == "f.yaml:4:5"
    assert str(document.place(("a", "unknown", 1))) == "f.yaml:4:5"
    assert str(document.key_place(("a", 7))) == "f.yaml:2:3"


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(OperatorError, match="there is no such file"):
        load(path)
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert load(path, "x").value == {"a": 1}
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(DocumentError, match="x:2:4: this is not UTF-8 text"):
        load(path, "x")
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(DocumentError, match="larger than 4 MiB"):
        load(path, "x")
    with pytest.raises(OperatorError, match="cannot be read"):
        load(tmp_path)


@settings(deadline=None)
@given(st.text())
@example("%YAML 9.9\n---\n")
@example("%TAG ! tag:x,2000:\n---\na")
@example("\ufeff\ufeff")
@example("- &a a\n- &a *a")
@example("a: |\n  b\n c")
@example("\t- a: ?")
def test_any_text_is_a_value_or_a_document_error(text: str) -> None:
    problems = problems_in(lambda: loads(text, "f.yaml"))
    assert all(problem.place.line >= 1 and problem.place.column >= 1 for problem in problems)


@settings(deadline=None)
@given(st.text(alphabet=":-?[]{},&*!|>'\"%@` \n\tab1<.#"))
def test_any_indicators_are_a_value_or_a_document_error(text: str) -> None:
    problems = problems_in(lambda: loads(text, "f.yaml"))
    assert all("\n" not in str(problem) for problem in problems)


@settings(deadline=None)
@given(st.binary())
def test_any_file_is_a_value_or_a_document_error(data: bytes) -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        problems = problems_in(lambda: load(Path(stream.name)))
    assert all("\n" not in str(problem) for problem in problems)


@settings(deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.text(st.characters(codec="ascii", min_codepoint=48, max_codepoint=122)), inner
            )
        ),
        max_leaves=20,
    )
)
def test_json_is_read_as_what_it_says(value: object) -> None:
    assert read(json.dumps(value)) == value


class Inner(Shape):
    ring: Duration = 1.0
    on: Flag = False


class Outer(Shape):
    name: Text
    count: Count = 1
    inner: Mapping[str, Inner] = Field(default_factory=dict)


def problems_of(text: str) -> list[str]:
    problems: list[Problem] = []
    document = loads(text, "f.yaml")
    assert validate(Outer, document.value, document, problems) is None
    return [str(problem) for problem in problems]


def test_shapes_read_texts_as_written() -> None:
    problems: list[Problem] = []
    document = loads("name: 1.50\ninner: {1001: {ring: 500ms, on: true}}", "f.yaml")
    outer = validate(Outer, document.value, document, problems)
    assert outer == Outer(name="1.50", inner={"1001": Inner(ring=0.5, on=True)})
    assert not problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nmae: x\nname: y", "f.yaml:1:1: unknown key 'nmae' (did you mean name?)"),
        ("name: y\nzzz: 1", "f.yaml:2:1: unknown key 'zzz', expected one of count, inner, name"),
        ("count: 1", "f.yaml:1:1: the key 'name' is missing"),
        ("name: y\ncount: 0", "f.yaml:2:8: found 0, expected at least 1"),
        ("name: y\ncount: '1'", "f.yaml:2:8: found '1', expected a whole number"),
        ("name: {to}", 'f.yaml:1:7: found a mapping, expected text (did you mean "{to}" in quotes?)'),
        ("name: [a]", "f.yaml:1:7: found a list, expected text"),
        ("name: null", "f.yaml:1:7: found nothing, expected text"),
        ("name: y\ninner: {a: {rnig: 1s}}", "f.yaml:2:13: unknown key 'rnig' (did you mean ring?)"),
        (
            "name: y\ninner: {a: {ring: 20}}",
            "f.yaml:2:19: found 20 without a unit, expected a duration such as 20s",
        ),
        (
            "name: y\ninner: {a: {ring: soon}}",
            "found 'soon', expected a duration such as 500ms, 20s, 5m or 1h",
        ),
        ("name: y\ninner: {a: {on: yes}}", "f.yaml:2:17: found 'yes', expected true or false"),
        ("name: y\ninner: [1]", "f.yaml:2:8: found a list, expected a mapping (key: value)"),
        ("[1]", "f.yaml:1:1: found a list, expected a mapping (key: value)"),
    ],
)
def test_problems_have_place_and_suggestion(text: str, problem: str) -> None:
    assert problem in problems_of(text)[0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("20s", 20), ("1.5m", 90), ("2h", 7200), ("1d", 86400), ("0s", 0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(("text", "octets"), [("64KiB", 65536), ("1GiB", 1 << 30), ("0MiB", 0)])
def test_sizes(text: str, octets: int) -> None:
    assert size(text) == octets


@pytest.mark.parametrize("text", ["", "1", 1, "1GB", "-1KiB", "1.5GiB", "1gib", None])
def test_no_sizes(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 64KiB, 500MiB or 1GiB"):
        size(text)
