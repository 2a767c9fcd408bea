"""Reading YAML without the traps of YAML 1.1.

PyYAML's resolver reads `0123` as 83, `+14155550100` as an integer, `12:30:45` as 45045, `no` and the key
`on` as booleans, and lets the last of two equal keys win. Here a plain scalar is a number only when it is a
decimal number as people write them, `true`, `false` and `null` are the only words with a meaning, keys are
the text as written, and two equal keys are an error that names both places.

The reader walks libyaml's events with its own stack, so neither depth, nor aliases, nor size can cost more
than the bounds below. Tags and merge keys are refused; nothing in a document can name a Python object.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from pbx.documents.sources import read_source
from pbx.errors import DocumentError, OperatorError, Place, Problem

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 50
# Values in a document, each alias counted as everything it stands for.
MAX_VALUES = 150_000
# More mistakes than this are not looked for.
MAX_PROBLEMS = 100

# More digits than this are an identifier, not a quantity.
_MAX_DIGITS = 18
_WHOLE = re.compile(r"-?[1-9][0-9]*|0")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "": None}
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SHOWN = 60

Path_ = tuple[str | int, ...]


class Fraction(float):
    """A number with a decimal point that remembers how it was written: `1.50` is also the text "1.50"."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, written: str) -> Self:
        """Make the number that `written` spells."""
        fraction = super().__new__(cls, written)
        fraction.written = written
        return fraction

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # float's own takes the number
        return (self.written,)

    def __str__(self) -> str:
        return self.written


@dataclass(slots=True)
class _Node:
    line: int
    column: int
    value: Any = None
    children: "dict[str, _Node] | list[_Node] | None" = None
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    size: int = 1


@dataclass(slots=True)
class _Open:
    """A collection whose end has not been read; `key` is a mapping's key that waits for its value."""

    node: _Node
    anchor: str | None
    key: str | None = None


class Document:
    """One YAML document: `value` is its plain Python value, `place` says where each part of it stands."""

    __slots__ = ("_root", "characters", "name")

    def __init__(self, name: str, root: _Node, characters: int = 0) -> None:
        self.name = name
        self.characters = characters
        self._root = root

    @property
    def value(self) -> Any:
        """Dictionaries with text keys, lists, `str`, `int`, `Fraction`, `bool` and None."""
        return self._root.value

    @property
    def size(self) -> int:
        """How many values it has, each alias counted as everything it stands for."""
        return self._root.size

    def place(self, path: Path_) -> Place:
        """Where the value at `path` begins; steps that the document does not have are passed over."""
        node = self._root
        for step in path:
            node = _child(node, step) or node
        return Place(self.name, node.line, node.column)

    def key_place(self, path: Path_) -> Place:
        """Where the last key of `path` stands; without such a key, where the value stands."""
        if path:
            node = self._root
            for step in path[:-1]:
                node = _child(node, step) or node
            at = node.keys.get(str(path[-1]))
            if at is not None:
                return Place(self.name, *at)
        return self.place(path)


def _child(node: _Node, step: str | int) -> _Node | None:
    children = node.children
    if isinstance(children, dict):
        return children.get(str(step))
    if isinstance(children, list) and isinstance(step, int) and 0 <= step < len(children):
        return children[step]
    return None


def shown(text: str) -> str:
    """`text` in quotes for a message: escaped, and cut when it is long."""
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def load(path: Path, name: str = "") -> Document:
    """Read the file at `path`; errors call it `name`, or the path as given.

    Raises OperatorError when it cannot be read and DocumentError when it is not a sound document.
    """
    name = name or str(path)
    try:
        data = read_source(path, MAX_BYTES + 1)
    except FileNotFoundError:
        raise OperatorError(f"{name}: there is no such file", "check the path") from None
    except OSError as error:
        raise OperatorError(f"{name} cannot be read", (error.strerror or "unknown reason").lower()) from None
    if len(data) > MAX_BYTES:
        raise _failure(Place(name, 1, 1), f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        raise _failure(_place_after(name, before), "this is not UTF-8 text") from None
    return loads(text, name)


def loads(text: str, name: str) -> Document:
    """Read a document from `text`; raises DocumentError with every problem found, in file order."""
    if len(text) > MAX_BYTES:
        raise _failure(Place(name, 1, 1), f"the text is larger than {MAX_BYTES // 1024 // 1024} MiB")
    odd = _UNPRINTABLE.search(text)
    if odd is not None:
        place = _place_after(name, text[: odd.start()])
        raise _failure(place, f"found the control character {odd.group()!a}, expected printable text")
    return _Reader(name).read(text)


class _Reader:
    """Builds the tree of one document from libyaml's events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.anchors: dict[str, _Node | None] = {}
        self.open: list[_Open] = []
        self.root: _Node | None = None
        self.values = 0

    def read(self, text: str) -> Document:
        try:
            for event in _events(text):
                self._receive(event)
        except yaml.YAMLError as error:
            problem = _syntax_problem(self.name, error)
            raise DocumentError((*self.problems, problem)) from None
        if self.problems:
            raise DocumentError(tuple(self.problems))
        return Document(self.name, self.root or _Node(1, 1), len(text))

    def _receive(self, event: yaml.Event) -> None:
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if isinstance(event, yaml.ScalarEvent):
            self._check_tag(event.tag, line, column)
            self._receive_scalar(event, line, column)
        elif isinstance(event, yaml.AliasEvent):
            self._receive_alias(event.anchor, line, column)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_tag(event.tag, line, column)
            self._begin(event, line, column)
        elif isinstance(event, yaml.CollectionEndEvent):
            opened = self.open.pop()
            self._name_anchor(opened.anchor, opened.node)
            self._attach(opened.node)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._fatal(line, column, "found a second document after ---, expected one")

    def _receive_scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> None:
        plain = not event.style
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.node.children, dict) and parent.key is None:
            if event.anchor is not None:
                raise self._fatal(line, column, "a key cannot have an anchor")
            self._receive_key(parent, event.value, plain, line, column)
            return
        value = _resolved(event.value) if plain else event.value
        node = _Node(line, column, value)
        self._name_anchor(event.anchor, node)
        self._attach(node)

    def _receive_key(self, parent: _Open, key: str, plain: bool, line: int, column: int) -> None:
        node = parent.node
        if plain and key == "<<":
            message = "merge keys (<<) are not read here: write the keys out, or alias the whole value"
            self._problem(line, column, message)
        if key in node.keys:
            first = Place(self.name, *node.keys[key])
            message = f"the key {shown(key)} is here twice; the first one is at {first}"
            self._problem(line, column, f"{message}: take one out, or give it another name")
        else:
            node.keys[key] = (line, column)
        parent.key = key

    def _receive_alias(self, anchor: str | None, line: int, column: int) -> None:
        parent = self.open[-1] if self.open else None
        if anchor is None or anchor not in self.anchors:
            message = f"found {shown(f'*{anchor}')}, which YAML takes for an alias without an anchor"
            raise self._fatal(line, column, message, f'"*{anchor}" in quotes')
        if parent is not None and isinstance(parent.node.children, dict) and parent.key is None:
            raise self._fatal(line, column, "a key cannot be an alias")
        target = self.anchors[anchor]
        if target is None:
            raise self._fatal(line, column, f"the alias *{anchor} stands inside what it stands for")
        self._count(target.size, line, column)
        self._attach(
            _Node(line, column, target.value, target.children, target.keys, target.size), counted=True
        )

    def _begin(self, event: yaml.CollectionStartEvent, line: int, column: int) -> None:
        parent = self.open[-1] if self.open else None
        if parent is not None and isinstance(parent.node.children, dict) and parent.key is None:
            message = "found a list or mapping as a key, expected text (in quotes if it begins with { or [)"
            raise self._fatal(line, column, message)
        if len(self.open) >= MAX_DEPTH:
            raise self._fatal(line, column, f"the document is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.MappingStartEvent):
            node = _Node(line, column, {}, {})
        else:
            node = _Node(line, column, [], [])
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.open.append(_Open(node, event.anchor))

    def _name_anchor(self, anchor: str | None, node: _Node) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _attach(self, node: _Node, counted: bool = False) -> None:
        if not counted:
            self._count(1, node.line, node.column)
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.node.size += node.size
        children = parent.node.children
        if isinstance(children, list):
            children.append(node)
            parent.node.value.append(node.value)
        elif children is not None and parent.key is not None:
            children.setdefault(parent.key, node)
            parent.node.value.setdefault(parent.key, node.value)
            parent.key = None

    def _count(self, values: int, line: int, column: int) -> None:
        self.values += values
        if self.values > MAX_VALUES:
            raise self._fatal(
                line, column, f"the document has more than {MAX_VALUES} values, aliases expanded"
            )

    def _check_tag(self, tag: str | None, line: int, column: int) -> None:
        if tag is not None:
            self._problem(
                line, column, "tags (!) are not read here: write the value, in quotes if it is text"
            )

    def _problem(self, line: int, column: int, message: str) -> None:
        self.problems.append(Problem(Place(self.name, line, column), message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise DocumentError(tuple(self.problems))

    def _fatal(self, line: int, column: int, message: str, suggestion: str = "") -> DocumentError:
        return DocumentError((*self.problems, Problem(Place(self.name, line, column), message, suggestion)))


def _events(text: str) -> Iterator[yaml.Event]:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_event():
            event = loader.get_event()
            if event is not None:
                yield event
    finally:
        loader.dispose()


def _resolved(text: str) -> str | int | float | bool | None:
    """What a plain scalar means; see the module's docstring."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _MAX_DIGITS:
        if _WHOLE.fullmatch(text):
            return int(text)
        if _FRACTION.fullmatch(text):
            return Fraction(text)
    return text


def _syntax_problem(name: str, error: yaml.YAMLError) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name, 1, 1)
        context = f" ({error.context})" if error.context else ""
        return Problem(place, f"this is not YAML: {error.problem or 'it cannot be read'}{context}")
    return Problem(Place(name, 1, 1), "this is not YAML: it cannot be read")


def _place_after(name: str, before: str) -> Place:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", before)
    return Place(name, len(lines), len(lines[-1]) + 1)


def _failure(place: Place, message: str) -> DocumentError:
    return DocumentError((Problem(place, message),))
