"""Several dialplan files as one document: `include:` at the top of a file names others.

Chains, lists, calendars and queues of all of them share their names; tests and entries are read in the order
in which the files are named, those of the file that includes first. Every place is in the file that it is in.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pbx.documents import Document, load, shown
from pbx.documents.reader import MAX_PROBLEMS, MAX_VALUES
from pbx.errors import DocumentError, OperatorError, Place, Problem

MAX_FILES = 100
MAX_CHARACTERS = 8 * 1024 * 1024

NAMED = ("lists", "calendars", "queues", "chains")
LISTED = ("entry", "emergency", "tests")
_ONCE = ("timezone",)

Path_ = tuple[str | int, ...]
_Part = tuple[Document, Path]


class Joined(Document):
    """The documents of a dialplan and of those it includes, as one."""

    __slots__ = ("_directories", "_first", "_items", "_keys", "_names", "_value")

    def __init__(self, parts: list[_Part], problems: list[Problem]) -> None:
        self._first = parts[0][0]
        self.name = self._first.name
        self._directories = {id(document): directory for document, directory in parts}
        self._keys: dict[str, Document] = {}
        self._names: dict[tuple[str, str], Document] = {}
        self._items: dict[str, list[tuple[Document, int]]] = {}
        self._value: dict[str, Any] = {}
        for document, _ in parts:
            self._add(document, problems)

    @property
    def value(self) -> Any:
        """See Document: the values of all files."""
        return self._value

    def place(self, path: Path_) -> Place:
        """See Document."""
        document, inner = self._owner(path)
        return document.place(inner)

    def key_place(self, path: Path_) -> Place:
        """See Document."""
        document, inner = self._owner(path)
        return document.key_place(inner)

    def directory_of(self, path: Path_) -> Path:
        """The directory of the file in which something stands."""
        return self._directories[id(self._owner(path)[0])]

    def _owner(self, path: Path_) -> tuple[Document, Path_]:
        if not path:
            return self._first, path
        section = str(path[0])
        if len(path) > 1:
            if section in NAMED and (section, str(path[1])) in self._names:
                return self._names[section, str(path[1])], path
            items = self._items.get(section, ())
            index = path[1]
            if isinstance(index, int) and 0 <= index < len(items):
                document, local = items[index]
                return document, (section, local, *path[2:])
        return self._keys.get(section, self._first), path

    def _add(self, document: Document, problems: list[Problem]) -> None:
        value = document.value
        if value is None:
            return
        if not isinstance(value, dict):
            problems.append(Problem(document.place(()), "found no keys, expected a part of a dialplan"))
            return
        for key, each in value.items():
            if key == "include":
                continue
            if key in NAMED and isinstance(each, dict) and isinstance(self._value.get(key, {}), dict):
                self._keys.setdefault(key, document)
                self._add_named(key, each, document, problems)
            elif key in LISTED and isinstance(each, list) and isinstance(self._value.get(key, []), list):
                self._keys.setdefault(key, document)
                self._value.setdefault(key, []).extend(each)
                items = self._items.setdefault(key, [])
                items.extend((document, index) for index in range(len(each)))
            elif key in self._value and not (key in _ONCE and self._value[key] == each):
                first = self._keys[key].key_place((key,))
                message = f"{key} is said in the file that includes this one already, at {first}"
                problems.append(Problem(document.key_place((key,)), message))
            else:
                self._keys.setdefault(key, document)
                self._value[key] = each

    def _add_named(
        self, section: str, values: Mapping[str, Any], document: Document, problems: list[Problem]
    ) -> None:
        found = self._value.setdefault(section, {})
        for name, value in values.items():
            other = self._names.setdefault((section, name), document)
            if other is not document:
                place = other.key_place((section, name))
                message = f"there is {shown(name)} among the {section} at {place} already"
                problems.append(Problem(document.key_place((section, name)), message))
                continue
            found[name] = value


def joined(document: Document, directory: Path) -> Document:
    """`document` with the files that it includes; raises DocumentError with what is wrong with them."""
    if not isinstance(document.value, dict) or "include" not in document.value:
        return document
    reading = _Reading()
    reading.read(document, directory, (_resolved(Path(document.name)),))
    if not reading.problems:
        found = Joined(reading.parts, reading.problems)
    if reading.problems:
        raise DocumentError(tuple(reading.problems))
    return found


class _Reading:
    """Reads the files, each once, in the order in which they are named."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.problems: list[Problem] = []
        self._seen: set[Path] = set()
        self._characters = 0
        self._values = 0
        self._full = False

    def read(self, document: Document, directory: Path, way: tuple[Path, ...]) -> None:
        self.parts.append((document, directory))
        self._seen.add(way[-1])
        self._characters += document.characters
        self._values += document.size
        value = document.value
        names = value.get("include") if isinstance(value, dict) else None
        if names is None:
            return
        if isinstance(names, str):
            names = [names]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            message = "expected the names of files, for example: include: [lists.yaml]"
            self.problems.append(Problem(document.place(("include",)), message))
            return
        for index, name in enumerate(names):
            self._include(document.place(("include", index)), directory / name, way)

    def _include(self, place: Place, path: Path, way: tuple[Path, ...]) -> None:
        resolved = _resolved(path)
        if resolved in way:
            circle = " → ".join(each.name for each in (*way[way.index(resolved) :], resolved))
            message = f"this include leads in a circle ({circle}): take it out"
            self.problems.append(Problem(place, message))
            return
        if resolved in self._seen or self._full:
            return
        if (
            len(self.parts) >= MAX_FILES
            or self._characters > MAX_CHARACTERS
            or self._values > MAX_VALUES
            or len(self.problems) >= MAX_PROBLEMS
        ):
            self._full = True
            most = f"{MAX_FILES} files, {MAX_CHARACTERS // 1024 // 1024} MiB and {MAX_VALUES} values"
            self.problems.append(Problem(place, f"a dialplan has at most {most}"))
            return
        try:
            found = load(path)
        except DocumentError as error:
            self.problems.extend(error.problems)
            return
        except OperatorError as error:
            self.problems.append(Problem(place, str(error), _beside(path)))
            return
        self.read(found, path.parent, (*way, resolved))


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _beside(path: Path) -> str:
    """A file with a name that is nearly that of `path`."""
    from pbx.documents import nearest

    try:
        names = [each.name for each in path.parent.iterdir() if each.suffix == path.suffix][:1000]
    except OSError:
        return ""
    return nearest(path.name, names)
