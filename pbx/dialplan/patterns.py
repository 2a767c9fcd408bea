"""Patterns over numbers and names, compiled once to the cheapest test that is right.

Made only of `0-9 + * # X Z N .`, a pattern is a number pattern: `X` is 0-9, `Z` 1-9, `N` 2-9, `.` one or
more of anything, and a `*` at the end anything at all (elsewhere `*` is the star key). `/…/` is a regular
expression for RE2, searched for anywhere unless it is anchored. Anything else is a name, compared as it is.

No pattern can run away: those with one `.` at most are linear under `re`, the others go to RE2.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import re2

Test = Callable[[str], object]
Kind = Literal["exact", "number", "regex"]

_NUMBER = re.compile(r"[0-9+*#XZN.]+")
_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]"}
_SAMPLES = {"X": "5", "Z": "5", "N": "5", ".": "5"}
_WILD = re.compile(r"[XZN.]")
# RE2 keeps its compiled program within this much memory.
_REGEX_BYTES = 1 << 20
MAX_REGEX_SIZE = 500_000
"""How large the regular expressions of one dialplan, or of one list, may be together."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern: `test` gives something true for a text that matches.

    `size` is how much of a regular expression there is to compile, repetitions written out.

    `groups` gives the groups of a regular expression for a text that matches, "" for one that took no part.
    """

    text: str
    kind: Kind
    test: Test
    group_count: int = 0
    groups: Callable[[str], tuple[str, ...]] | None = None
    size: int = 0

    def __str__(self) -> str:
        return self.text


def is_number_pattern(text: str) -> bool:
    """Whether `text` consists only of the characters of a number pattern."""
    return _NUMBER.fullmatch(text) is not None


def compile_pattern(text: str) -> Pattern:
    """Compile `text`; raises ValueError that says what was expected."""
    if not text:
        raise ValueError("found nothing, expected a number pattern, a name or /a regular expression/")
    if text.startswith("/"):
        if len(text) < 3 or not text.endswith("/"):
            raise ValueError(f"found {text!r}, expected a regular expression between two slashes: /^06/")
        return _regex(text)
    if not is_number_pattern(text):
        return Pattern(text, "exact", text.__eq__)
    wild = _WILD.search(text)
    if wild is None and not text.endswith("*"):
        return Pattern(text, "exact", text.__eq__)
    return Pattern(text, "number", _number_test(text, wild))


def sample(pattern: Pattern) -> str | None:
    """A text that the pattern matches; None for a regular expression."""
    if pattern.kind == "regex":
        return None
    if pattern.kind == "exact":
        return pattern.text
    body = pattern.text.removesuffix("*")
    return "".join(_SAMPLES.get(character, character) for character in body)


def plain_beginning(pattern: Pattern) -> str:
    """What everything that the pattern matches begins with; for an exact pattern, all of it."""
    if pattern.kind == "exact":
        return pattern.text
    if pattern.kind == "regex":
        return ""
    wild = _WILD.search(pattern.text)
    return pattern.text[: wild.start()] if wild is not None else pattern.text.removesuffix("*")


def _number_test(text: str, wild: re.Match[str] | None) -> Test:
    if wild is None:
        return _starts_with(text[:-1])
    if wild.start() == len(text) - 1 and text.endswith("."):
        return _longer_than(text[:-1])
    length = wild.start()
    rest = _wild_test(text[length:])
    if not length:
        return rest
    prefix = text[:length]
    return lambda text: text.startswith(prefix) and rest(text, length)


@lru_cache(maxsize=1024)
def _wild_test(text: str) -> Callable[..., object]:
    """A test for what follows the plain beginning of a pattern, from a position of the text on.

    Thousands of rules share few of these, so they are compiled once.
    """
    body = text.removesuffix("*")
    pieces = "".join(_CLASSES.get(c, c if c == "." else re.escape(c)) for c in body)
    expression = re.sub(r"\.+", _dots, pieces) + (".*" if text.endswith("*") else "")
    if len(re.findall(r"\.+", body)) > 1:
        regex = _Regex(f"(?s)^(?:{expression})$", "replace")
        return lambda text, start=0: regex.search(text[start:])
    return re.compile(expression, re.DOTALL).fullmatch


def _dots(match: re.Match[str]) -> str:
    return f".{{{len(match.group())},}}"


def _starts_with(prefix: str) -> Test:
    if not prefix:
        return lambda _text: True
    return lambda text: text.startswith(prefix)


def _longer_than(prefix: str) -> Test:
    if not prefix:
        return bool
    length = len(prefix)
    return lambda text: len(text) > length and text.startswith(prefix)


class _Regex:
    """An RE2 expression over the bytes of a text, so that text which is not Unicode cannot raise.

    `errors` says what becomes of what is not Unicode: kept as bytes that only `\\C` matches
    ("surrogateescape"), or a character that no number has ("replace").
    """

    __slots__ = ("_errors", "_expression", "group_count", "size")

    def __init__(self, expression: str, errors: str = "surrogateescape") -> None:
        self._errors = errors
        options = re2.Options()
        options.max_mem = _REGEX_BYTES
        options.log_errors = False
        try:
            self._expression = re2.compile(expression.encode(), options)
        except re2.error as error:
            detail = error.args[0] if error.args else "it is not one"
            words = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
            raise ValueError(f"this regular expression cannot be read: {words}") from None
        self.group_count: int = self._expression.groups
        self.size: int = self._expression.programsize

    def search(self, text: str) -> object:
        return self._expression.search(_encoded(text, self._errors))

    def captured(self, text: str) -> tuple[str, ...]:
        match = self._expression.search(_encoded(text, "surrogateescape"))
        if match is None:
            return ()
        return tuple(group.decode("utf-8", "surrogateescape") for group in match.groups(default=b""))


def _encoded(text: str, errors: str) -> bytes:
    try:
        return text.encode("utf-8", errors)
    except UnicodeEncodeError:  # half a pair, as JSON can have it, which no octets stand for
        return text.encode("utf-8", "replace")


def _regex(text: str) -> Pattern:
    expression = _Regex(text[1:-1])
    return Pattern(
        text, "regex", expression.search, expression.group_count, expression.captured, expression.size
    )
