"""The header fields of a message: raw lines in order, and their values parsed when asked and remembered."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from pbx.errors import PeerError
from pbx.sip.grammar import check_name, check_value, malformed, parse_number, split_list
from pbx.sip.header_names import CANONICAL, LISTS, PRINTED, canonical, printed
from pbx.sip.headers import CSeq, NameAddr, Via
from pbx.sip.limits import MAX_CONTENT_LENGTH, MAX_LIST_VALUES, MAX_MAX_FORWARDS, MAX_SECONDS

_media_type: Final = re.compile(
    r"([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*/[ \t]*([A-Za-z0-9\-.!%*_+`'~]++)[ \t]*(?:;.*)?", re.DOTALL
).fullmatch


class Fields:
    """Header fields in order. Names are canonical: lower case, long form ("call-id", "via").

    The properties read a value once and remember it; they raise PeerError 400 when it is malformed or, for
    those that a message must have, missing. Setting a value that would break out of its line raises
    MisuseError; nothing else writes to the header section.
    """

    __slots__ = (
        "_call_id", "_contacts", "_cseq", "_from", "_names", "_record_routes", "_routes", "_to", "_top_via",
        "_values", "_vias",
    )  # fmt: skip

    def __init__(self, names: list[str], values: list[str]) -> None:
        self._names = names
        self._values = values
        self._top_via: Via | None = None
        self._vias: list[Via] | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq: CSeq | None = None
        self._call_id: str | None = None
        self._contacts: list[NameAddr] | None = None
        self._routes: list[NameAddr] | None = None
        self._record_routes: list[NameAddr] | None = None

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
        self._replace_top(name, [check_value(value)])

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
        match name:
            case "via":
                self._top_via = self._vias = None
            case "from":
                self._from = None
            case "to":
                self._to = None
            case "cseq":
                self._cseq = None
            case "call-id":
                self._call_id = None
            case "contact":
                self._contacts = None
            case "route":
                self._routes = None
            case "record-route":
                self._record_routes = None
            case _:
                pass

    # Parsed values

    @property
    def top_via(self) -> Via:
        """The first Via value (§20.42)."""
        via = self._top_via
        if via is None:
            text = self._need("via")
            via = self._top_via = Via.parse(split_list(text)[0] if "," in text else text)
        return via

    @property
    def vias(self) -> list[Via]:
        """All Via values, the top one first."""
        vias = self._vias
        if vias is None:
            if self._names.count("via") == 1 and "," not in self._need("via"):
                vias = self._vias = [self.top_via]
                return vias
            values = self._split("via", self.lines("via"))
            vias = self._vias = [self.top_via, *[Via.parse(value) for value in values[1:]]]
        return vias

    @property
    def from_(self) -> NameAddr:
        """From (§20.20)."""
        value = self._from
        if value is None:
            value = self._from = NameAddr.parse(self._need("from"), "From")
        return value

    @property
    def to(self) -> NameAddr:
        """To (§20.39)."""
        value = self._to
        if value is None:
            value = self._to = NameAddr.parse(self._need("to"), "To")
        return value

    @property
    def cseq(self) -> CSeq:
        """CSeq (§20.16)."""
        value = self._cseq
        if value is None:
            value = self._cseq = CSeq.parse(self._need("cseq"))
        return value

    @property
    def call_id(self) -> str:
        """Call-ID (§20.8), compared octet by octet."""
        value = self._call_id
        if value is None:
            value = self._need("call-id").strip(" \t")
            if not value or not (value.isascii() and value.isprintable()) or " " in value:
                raise malformed("Call-ID")
            self._call_id = value
        return value

    @property
    def contacts(self) -> list[NameAddr]:
        """All Contact values (§20.10); empty for `Contact: *`."""
        contacts = self._contacts
        if contacts is None:
            if "contact" not in self._names:
                contacts = self._contacts = []
                return contacts
            lines = self.lines("contact")
            contacts = [] if lines == ["*"] else self._addresses("contact", "Contact", lines)
            self._contacts = contacts
        return contacts

    @property
    def contact_star(self) -> bool:
        """Whether Contact is "*", all bindings (§10.2.2)."""
        return "contact" in self._names and self.lines("contact") == ["*"]

    @property
    def routes(self) -> list[NameAddr]:
        """All Route values (§20.34)."""
        routes = self._routes
        if routes is None:
            routes = self._routes = self._addresses("route", "Route", self.lines("route"), bracketed=True)
        return routes

    @property
    def record_routes(self) -> list[NameAddr]:
        """All Record-Route values (§20.30)."""
        routes = self._record_routes
        if routes is None:
            routes = self._record_routes = self._addresses(
                "record-route", "Record-Route", self.lines("record-route"), bracketed=True
            )
        return routes

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, 0 to 255 (§20.22); None when absent, as from RFC 2543 clients."""
        return self._number("max-forwards", MAX_MAX_FORWARDS, "Max-Forwards")

    @property
    def content_length(self) -> int | None:
        """Content-Length in octets (§20.14); None when absent."""
        return self._number("content-length", MAX_CONTENT_LENGTH, "Content-Length")

    @property
    def expires(self) -> int | None:
        """Expires in seconds, below 2**32 (§20.19); None when absent."""
        return self._number("expires", MAX_SECONDS, "Expires")

    @property
    def content_type(self) -> str | None:
        """`type/subtype` in lower case, without parameters (§20.15); None when absent."""
        value = self.get("content-type")
        if value is None:
            return None
        if value == "application/sdp":
            return value
        match = _media_type(value)
        if match is None:
            raise malformed("Content-Type")
        return f"{match[1]}/{match[2]}".lower()

    def _need(self, name: str) -> str:
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise PeerError(400, f"Missing {printed(name)}") from None

    def _number(self, name: str, maximum: int, what: str) -> int | None:
        value = self.get(name)
        return None if value is None else parse_number(value, maximum, what)

    def _addresses(
        self, name: str, what: str, lines: list[str], *, bracketed: bool = False
    ) -> list[NameAddr]:
        values = self._split(name, lines)
        if bracketed and not all("<" in value for value in values):
            raise malformed(what)
        return [NameAddr.parse(value, what) for value in values]

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


def _own_name(name: str) -> str:
    known = CANONICAL.get(name)
    return known if known is not None else canonical(check_name(name))


def collect(headers: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Names and values of our own headers, checked. Raises MisuseError."""
    fields = list(headers)
    known = CANONICAL.get
    names = [known(name) or _own_name(name) for name, _ in fields]
    values = [value for _, value in fields]
    if not "".join(values).isprintable():
        for value in values:
            check_value(value)
    return names, values


def print_fields(start: str, fields: Fields, body: bytes) -> bytes:
    """Start line, fields with canonical names, a Content-Length that is always right, and the body."""
    begun = _BEGINNINGS
    lines = [
        begun[name] + value
        for name, value in zip(fields._names, fields._values, strict=True)
        if name != "content-length"
    ]
    text = "\r\n".join([start, *lines, f"Content-Length: {len(body)}\r\n\r\n"])
    return text.encode("utf-8", "surrogateescape") + body


class _Beginnings(dict[str, str]):
    """How the line of a header begins, by its canonical name; of names that nobody knows none is kept."""

    def __missing__(self, name: str) -> str:
        return f"{printed(name)}: "


_BEGINNINGS: Final = _Beginnings({name: f"{text}: " for name, text in PRINTED.items()})
