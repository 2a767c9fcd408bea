"""RFC 3261 §25.1: tokens, quoted strings, numbers, parameters, lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.errors import MisuseError, PeerError
from pbx.sip import grammar
from pbx.sip.limits import MAX_LIST_VALUES, MAX_PARAMETERS

from .strategies import header_parameters, quotable


@pytest.mark.parametrize("text", ["INVITE", "RE%47IST%45R", "!interesting-Method0123456789_*+`.%indeed'~"])
def test_tokens(text: str) -> None:
    assert grammar.is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "a:b", "a\r\nb", "é", "a/b", "<a>", "a\n"])
def test_what_is_no_token(text: str) -> None:
    assert not grammar.is_token(text)
    with pytest.raises(MisuseError):
        grammar.check_name(text)
    with pytest.raises(MisuseError):
        grammar.check_token(text)


@given(quotable)
def test_quote_and_unquote_are_inverse(text: str) -> None:
    assert grammar.unquote(grammar.quote(text)) == text


@given(st.text())
def test_a_quoted_string_never_leaves_its_line_or_its_quotes(text: str) -> None:
    quoted = grammar.quote(text)
    assert "\r" not in quoted
    assert "\n" not in quoted
    assert grammar.check_value(quoted) == quoted
    assert grammar.split_list(quoted + ",x") == [quoted, "x"]
    quoted.encode("utf-8", "surrogateescape")


def test_quote_escapes_and_replaces() -> None:
    assert grammar.quote('a"b\\c') == '"a\\"b\\\\c"'
    assert grammar.quote("a\r\nEvil: 1") == '"a  Evil: 1"'
    assert grammar.quote("nul\0") == '"nul\\\0"'


@pytest.mark.parametrize("text", ["plain", "", '"', '"open'])
def test_unquote_leaves_what_is_not_quoted(text: str) -> None:
    assert grammar.unquote(text) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("0068", 68), ("70", 70), ("255", 255), ("0" * 5000 + "7", 7), ("0" * 20, 0)],
)
def test_numbers(text: str, number: int) -> None:
    assert grammar.parse_number(text, 255, "x") == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "256", "1 2", "1_0", "٣", "²", "0x1", "9" * 5000, "1.0"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(PeerError, match="400 Malformed x"):
        grammar.parse_number(text, 255, "x")


@given(header_parameters)
def test_parameters_parse_and_print_are_inverse(parameters: grammar.Parameters) -> None:
    assert grammar.parse_parameters(grammar.print_parameters(parameters), "x") == parameters


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        (";lr", {"lr": None}),
        (" ;   tag    = 1918181833n", {"tag": "1918181833n"}),
        (';TAG=A;x="a;b=\\"c"', {"tag": "A", "x": '"a;b=\\"c"'}),
        (";received=2001:db8::1;x=[2001:db8::1]", {"received": "2001:db8::1", "x": "[2001:db8::1]"}),
        (";i=abc/d+e==", {"i": "abc/d+e=="}),
    ],
)
def test_parameters(text: str, parameters: grammar.Parameters) -> None:
    assert grammar.parse_parameters(text, "x") == parameters


@pytest.mark.parametrize(
    "text",
    [
        ";",
        ";;a",
        "a",
        ";a;",
        ";a=",
        ";=a",
        ";a;A",
        ';x="open',
        ";a,b",
        ";a b",
        " ;a ;;b",
        ";é=1",
        "; a = ",
        "".join(f";p{number}" for number in range(MAX_PARAMETERS + 1)),
        "".join(f" ;p{number}" for number in range(MAX_PARAMETERS + 1)),
    ],
)
def test_malformed_parameters(text: str) -> None:
    with pytest.raises(PeerError, match="400 Malformed x"):
        grammar.parse_parameters(text, "x")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", [""]),
        (" a , b,c ", ["a", "b", "c"]),
        ('"a,b" <sip:x,y@z>;p="q,r", <sip:c>', ['"a,b" <sip:x,y@z>;p="q,r"', "<sip:c>"]),
        ('"\\",", <a>', ['"\\","', "<a>"]),
        ("<a,b", ["<a,b"]),
        ("a,,b", ["a", "", "b"]),
        ('"open, <a>', ['"open, <a>']),
    ],
)
def test_lists(text: str, values: list[str]) -> None:
    assert grammar.split_list(text) == values


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\0b", "\0", "a\r\n b", "\ud800"])
def test_values_that_would_leave_their_line_are_refused(text: str) -> None:
    with pytest.raises(MisuseError):
        grammar.check_value(text)


@pytest.mark.parametrize("text", ["", "a\tb", "é\x85\u2028", "\udc80", '"\\\0"'])
def test_values_that_stay_in_their_line(text: str) -> None:
    assert grammar.check_value(text) == text


@pytest.mark.parametrize("value", ["a", "<a>", '"a"'])
def test_lists_have_a_bound(value: str) -> None:
    assert len(grammar.split_list(",".join([value] * MAX_LIST_VALUES))) == MAX_LIST_VALUES
    with pytest.raises(PeerError, match="400"):
        grammar.split_list(",".join([value] * (MAX_LIST_VALUES + 1)))
