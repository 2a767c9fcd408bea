"""The header fields of a message: raw lines in order, and their values parsed when asked and remembered."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, TypeVar

from pbx.errors import PeerError
from pbx.sip.grammar import check_name, check_value, is_plain, malformed, parse_number, split_list
from pbx.sip.header_names import CANONICAL, LISTS, canonical, printed
from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.limits import MAX_CONTENT_LENGTH, MAX_LIST_VALUES, MAX_MAX_FORWARDS, MAX_SECONDS

is_call_id: Final = re.compile("[!-~]+").fullmatch
_media_type: Final = re.compile(
    r"([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*/[ \t]*([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*(?:;.*)?", re.DOTALL
).fullmatch

Value = TypeVar("Value")


def first_of(names: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """The first value of each name."""
    return dict(zip(reversed(names), reversed(values), strict=True))


def read_call_id(text: str) -> str:
    """A Call-ID value. Raises PeerError 400."""
    value = text.strip(" \t")
    if is_call_id(value) is None:
        raise malformed("Call-ID")
    return value


def read_max_forwards(text: str) -> int:
    """A Max-Forwards value. Raises PeerError 400."""
    return parse_number(text.strip(" \t"), MAX_MAX_FORWARDS, "Max-Forwards")


def read_content_type(text: str) -> str:
    """`type/subtype` of a Content-Type value. Raises PeerError 400."""
    match = _media_type(text.strip(" \t"))
    if match is None:
        raise malformed("Content-Type")
    return f"{match[1]}/{match[2]}".lower()


def _top_via(fields: "Fields") -> Via:
    text = fields._need("via")
    return Via.parse(split_list(text)[0] if "," in text else text)


def _vias(fields: "Fields") -> list[Via]:
    values = fields._split("via", fields.lines("via"))
    return [fields.top_via, *[Via.parse(value) for value in values[1:]]]


def _contacts(fields: "Fields") -> list[NameAddr]:
    return [] if fields.contact_star else _addresses(fields, "contact")


def _addresses(fields: "Fields", name: str) -> list[NameAddr]:
    values = fields._split(name, fields.lines(name))
    what = printed(name)
    if name != "contact" and not all("<" in value for value in values):
        raise malformed(what)
    return [NameAddr.parse(value, what) for value in values]


def _number(fields: "Fields", name: str, maximum: int) -> int | None:
    value = fields.get(name)
    return None if value is None else parse_number(value, maximum, printed(name))


def _optional(fields: "Fields", name: str, read: Callable[[str], Value]) -> Value | None:
    text = fields.get(name)
    return None if text is None else read(text)


class Fields:
    """Header fields in order. Names are canonical: lower case, long form ("call-id", "via").

    The parsed values are attributes that are read when first asked for, and remembered; validation reads
    those that every message has. Reading raises PeerError 400 when a value is malformed or, for those that
    a message must have, missing. Setting a value that would break out of its line raises MisuseError; nothing
    else writes to the header section.
    """

    # A cached_property costs nothing once it is an attribute, as it is at once for what validation reads.
    __slots__ = ("__dict__", "_names", "_values")

    first = cached_property[dict[str, str]](lambda fields: first_of(fields._names, fields._values))
    """The first raw value of each name, as it was written."""
    top_via = cached_property(_top_via)
    """The first Via value (§20.42)."""
    vias = cached_property(_vias)
    """All Via values, the top one first."""
    from_ = cached_property[NameAddr](lambda fields: NameAddr.parse(fields._need("from"), "From"))
    """From (§20.20)."""
    to = cached_property[NameAddr](lambda fields: NameAddr.parse(fields._need("to"), "To"))
    """To (§20.39)."""
    cseq = cached_property[CSeq](lambda fields: CSeq.parse(fields._need("cseq")))
    """CSeq (§20.16)."""
    call_id = cached_property[str](lambda fields: read_call_id(fields._need("call-id")))
    """Call-ID (§20.8), compared octet by octet."""
    contacts = cached_property(_contacts)
    """All Contact values (§20.10); empty for `Contact: *`."""
    routes = cached_property[list[NameAddr]](lambda fields: _addresses(fields, "route"))
    """All Route values (§20.34)."""
    record_routes = cached_property[list[NameAddr]](lambda fields: _addresses(fields, "record-route"))
    """All Record-Route values (§20.30)."""
    max_forwards = cached_property[int | None](
        lambda fields: _optional(fields, "max-forwards", read_max_forwards)
    )
    """Max-Forwards, 0 to 255 (§20.22); None when absent, as from RFC 2543 clients."""
    content_length = cached_property[int | None](
        lambda fields: _number(fields, "content-length", MAX_CONTENT_LENGTH)
    )
    """Content-Length in octets (§20.14); None when absent."""
    expires = cached_property[int | None](lambda fields: _number(fields, "expires", MAX_SECONDS))
    """Expires in seconds, below 2**32 (§20.19); None when absent."""
    content_type = cached_property[str | None](
        lambda fields: _optional(fields, "content-type", read_content_type)
    )
    """`type/subtype` in lower case, without parameters (§20.15); None when absent."""

    def __init__(self, names: list[str], values: list[str]) -> None:
        self._names = names
        self._values = values

    # Raw values

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Every field in order, as (canonical name, raw value)."""
        return [(name, value.strip(" \t")) for name, value in zip(self._names, self._values, strict=True)]

    def has(self, name: str) -> bool:
        """Whether there is a field of this name."""
        return name in self._names

    def get(self, name: str) -> str | None:
        """The first raw value, unfolded and stripped; None when there is none."""
        names = self._names
        return self._values[names.index(name)].strip(" \t") if name in names else None

    def lines(self, name: str) -> list[str]:
        """Every raw value, one a header line, lists not split."""
        names, values = self._names, self._values
        count = names.count(name)
        if count == 1:
            return [values[names.index(name)].strip(" \t")]
        if not count:
            return []
        return [value.strip(" \t") for own, value in zip(names, values, strict=True) if own == name]

    def all(self, name: str) -> list[str]:
        """Every value; those of list headers are split at their commas, and empty ones left out."""
        lines = self.lines(name)
        if name not in LISTS:
            return lines
        return [value for value in self._split(name, lines) if value]

    # Changes

    def add(self, name: str, value: str) -> None:
        """Append a field."""
        name = _own_name(name)
        self._values.append(check_value(value))
        self._names.append(name)
        self._forget(name)

    def prepend(self, name: str, value: str) -> None:
        """Put a field before the first of the same name (or first of all): a Via, a Record-Route."""
        name = _own_name(name)
        index = self._names.index(name) if name in self._names else 0
        self._values.insert(index, check_value(value))
        self._names.insert(index, name)
        self._forget(name)

    def put_via(self, value: str) -> None:
        """Make this the only Via: a request of ours has passed nobody yet."""
        if "via" in self._names:
            self.set("via", value)
        else:
            self._values.insert(0, check_value(value))
            self._names.insert(0, "via")
            self.__dict__.pop("first", None)

    def set(self, name: str, value: str) -> None:
        """Replace every field of this name by one, where the first stood, or append it."""
        name = _own_name(name)
        check_value(value)
        if self._names.count(name) == 1:
            self._values[self._names.index(name)] = value
            self._forget(name)
        elif name in self._names:
            index = self._names.index(name)
            self.remove(name)
            self._names.insert(index, name)
            self._values.insert(index, value)
        else:
            self._names.append(name)
            self._values.append(value)
            self._forget(name)

    def remove(self, name: str) -> None:
        """Take out every field of this name; one that is not there is no error."""
        name = canonical(name)
        kept = [(own, value) for own, value in zip(self._names, self._values, strict=True) if own != name]
        self._names = [own for own, _ in kept]
        self._values = [value for _, value in kept]
        self._forget(name)

    def replace_top(self, name: str, value: str) -> None:
        """Replace the first value of a list header, even when its line holds several: the top Via."""
        check_value(value)
        first = self.first
        if name in first and "," not in first[name]:
            first[name] = self._values[self._names.index(name)] = value
            self._read_again(name)
        else:
            self._replace_top(name, [value])

    def remove_top(self, name: str) -> None:
        """Take out the first value of a list header: our Route, our Via."""
        self._replace_top(name, [])

    def _replace_top(self, name: str, first: list[str]) -> None:
        name = _own_name(name)
        if name not in self._names:
            return
        index = self._names.index(name)
        line = ", ".join(first + split_list(self._values[index])[1:])
        if line:
            self._values[index] = line
        else:
            del self._names[index], self._values[index]
        self._forget(name)

    def _forget(self, name: str) -> None:
        """A field of this name was changed."""
        self.__dict__.pop("first", None)
        self._read_again(name)

    def _read_again(self, name: str) -> None:
        for attribute in _READ_FROM.get(name, ()):
            try:  # noqa: SIM105 - suppress() makes an object and two calls
                delattr(self, attribute)
            except AttributeError:
                pass

    # Parsed values

    @property
    def contact_star(self) -> bool:
        """Whether Contact is "*", all bindings (§10.2.2)."""
        return "contact" in self._names and self.lines("contact") == ["*"]

    def _need(self, name: str) -> str:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise PeerError(400, f"Missing {printed(name)}") from None

    @staticmethod
    def _split(name: str, lines: Sequence[str]) -> list[str]:
        if len(lines) == 1 and "," not in lines[0]:
            return list(lines)
        values: list[str] = []
        for line in lines:
            values += split_list(line)
        if len(values) > MAX_LIST_VALUES:
            raise malformed(f"{printed(name)}: too many values")
        return values


_READ_FROM: Final = {
    "call-id": ("call_id",),
    "contact": ("contacts",),
    "content-length": ("content_length",),
    "content-type": ("content_type",),
    "cseq": ("cseq",),
    "expires": ("expires",),
    "from": ("from_",),
    "max-forwards": ("max_forwards",),
    "record-route": ("record_routes",),
    "route": ("routes",),
    "to": ("to",),
    "via": ("top_via", "vias"),
}
"""The parsed values that a header's change makes wrong."""


def _own_name(name: str) -> str:
    known = CANONICAL.get(name)
    return known if known is not None else canonical(check_name(name))


class Checked:
    """Headers of ours that go into many messages, checked once. Raises MisuseError."""

    __slots__ = ("names", "values")

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self.names, self.values = collect(headers)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.names, self.values, strict=True)


def collect(headers: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Names and values of our own headers, checked. Raises MisuseError."""
    if isinstance(headers, Checked):
        return headers.names.copy(), headers.values.copy()
    names: list[str] = []
    values: list[str] = []
    known = CANONICAL.get
    for name, value in headers:
        names.append(known(name) or _own_name(name))
        values.append(value)
    if not is_plain("".join(values)):
        for value in values:
            check_value(value)
    return names, values
