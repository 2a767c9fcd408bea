"""`lists:` in a dialplan: sets of callers by number, pattern, country or file, quick at any size.

An entry is a number or pattern as in rules, `anonymous` (who withholds their number), `{country: NL}` (ISO
3166, of numbers that begin with a +), or `{file: PATH}`, a text file with an entry a line.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from pbx.dialplan.call import normalised
from pbx.dialplan.patterns import MAX_REGEX_SIZE, Pattern, compile_pattern
from pbx.documents import Document, nearest, shown, text_of
from pbx.documents.reader import MAX_PROBLEMS
from pbx.documents.sources import read_source
from pbx.errors import Place, Problem

ANONYMOUS = frozenset({"", "anonymous", "private", "restricted", "unavailable", "unknown", "withheld"})
"""The user parts and names, in lower case, that say that a caller withholds their number (RFC 3323 §4.1)."""

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_PATTERNS = 10_000
"""How many patterns that are neither numbers nor prefixes a list may have: each is asked in turn."""

_PLAIN = re.compile(r"\+?[0-9]+")
_PREFIX = re.compile(r"[0-9+#*]*\*")
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*)?$")
_FORMS = "a number, a pattern, anonymous, {country: NL} or {file: PATH}"


class NumberList:
    """One list: `found` gives the entry that has a number, at the same cost for ten entries and a million."""

    __slots__ = (
        "_countries",
        "_exact",
        "_lengths",
        "_patterns",
        "_prefixes",
        "_size",
        "anonymous",
        "name",
        "place",
    )

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self.place = place
        self.anonymous = False
        self._exact: set[str] = set()
        self._prefixes: set[str] = set()
        self._lengths: tuple[int, ...] = ()
        self._patterns: list[Pattern] = []
        self._size = 0
        self._countries: set[str] = set()

    def __len__(self) -> int:
        return (
            len(self._exact)
            + len(self._prefixes)
            + len(self._patterns)
            + len(self._countries)
            + int(self.anonymous)
        )

    @property
    def numbers(self) -> Iterable[str]:
        """The entries that are single numbers."""
        return self._exact

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The entries that are patterns, prefixes among them."""
        return (*(compile_pattern(prefix + "*") for prefix in sorted(self._prefixes)), *self._patterns)

    @property
    def countries(self) -> frozenset[str]:
        """The entries that are countries."""
        return frozenset(self._countries)

    def add(self, text: str) -> None:
        """Add one entry; raises ValueError that says what was expected."""
        if text == "anonymous":
            self.anonymous = True
            return
        if _PLAIN.fullmatch(text):
            self._exact.add(text)
            return
        pattern = compile_pattern(normalised(text))
        if pattern.kind == "exact":
            self._exact.add(pattern.text)
        elif _PREFIX.fullmatch(pattern.text):
            self._prefixes.add(pattern.text[:-1])
            self._lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}))
        else:
            self._size += pattern.size
            if len(self._patterns) >= MAX_PATTERNS or self._size > MAX_REGEX_SIZE:
                raise ValueError(f"a list has at most {MAX_PATTERNS} patterns that are not prefixes")
            self._patterns.append(pattern)

    def add_numbers(self, numbers: Iterable[str]) -> None:
        """Add single numbers that are known to be nothing else."""
        self._exact.update(numbers)

    def add_country(self, country: str) -> None:
        """Add every number of a country (its ISO 3166 code in capitals)."""
        self._countries.add(country)

    def found(self, number: str) -> str:
        """The entry that has `number`, or an empty text."""
        plain = number if _PLAIN.fullmatch(number) else normalised(number.strip())
        if plain in self._exact:
            return plain
        if self.anonymous and plain.lower() in ANONYMOUS:
            return "anonymous"
        for length in self._lengths:
            if plain[:length] in self._prefixes:
                return f"{plain[:length]}*"
        for pattern in self._patterns:
            if pattern.test(plain):
                return pattern.text
        if self._countries and plain.startswith("+"):
            country = country_of(plain)
            if country in self._countries:
                return f"country {country}"
        return ""


@lru_cache(maxsize=4096)
def country_of(number: str) -> str:
    """The ISO 3166 code of a number in international form, or an empty text."""
    import phonenumbers

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        return ""


def sample_of_country(country: str) -> str:
    """A number of the country."""
    import phonenumbers

    number = phonenumbers.example_number(country)
    if number is None:
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def compile_lists(
    values: Any,
    document: Document,
    directory_of: Callable[[tuple[str | int, ...]], Path],
    problems: list[Problem],
) -> dict[str, NumberList]:
    """The lists of a dialplan by name; what is wrong with them is added to `problems`."""
    lists: dict[str, NumberList] = {}
    for name, entries in values.items() if isinstance(values, dict) else ():
        found = NumberList(name, document.key_place(("lists", name)))
        lists[name] = found
        directory = directory_of(("lists", name))
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            place = document.place(("lists", name, index))
            try:
                _add(found, entry, directory, problems)
            except ValueError as error:
                problems.append(Problem(place, *_message(error)))
    return lists


def _message(error: ValueError) -> tuple[str, str]:
    message, suggestion = str(error), ""
    if len(error.args) == 2:
        message, suggestion = error.args
    return message, suggestion


def _add(found: NumberList, entry: Any, directory: Path, problems: list[Problem]) -> None:
    text = text_of(entry)
    if text is not None:
        found.add(text)
        return
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ValueError(f"expected {_FORMS}")
    ((kind, value),) = entry.items()
    text = text_of(value)
    adders: dict[str, Callable[[str], None]] = {
        "country": lambda text: found.add_country(_country(text)),
        "file": lambda text: _read(directory / text, found, problems),
    }
    if kind not in adders:
        raise ValueError(f"unknown key {shown(kind)}, expected country or file", nearest(kind, adders))
    if text is None:
        raise ValueError(f"expected a text as {kind}")
    adders[kind](text)


def _country(text: str) -> str:
    import phonenumbers

    if text in phonenumbers.SUPPORTED_REGIONS:
        return text
    guess = text.upper() if text.upper() in phonenumbers.SUPPORTED_REGIONS else ""
    raise ValueError(f"found {shown(text)}, expected the two letters of a country such as NL", guess)


def _read(path: Path, found: NumberList, problems: list[Problem]) -> None:
    try:
        data = read_source(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise ValueError(f"the list {path} cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"the list {path} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"the list {path} is not UTF-8 text") from None
    plain = _PLAIN.fullmatch
    found.add_numbers([line for line in lines if plain(line)])
    for number, line in enumerate(lines, 1):
        if plain(line):
            continue
        if len(problems) >= MAX_PROBLEMS:
            return
        text = _COMMENT.sub("", line).strip()
        if text:
            try:
                found.add(text)
            except ValueError as error:
                problems.append(Problem(Place(str(path), number, 1), str(error)))
