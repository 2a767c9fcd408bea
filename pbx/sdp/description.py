"""A session description as values: read and printed as inverses (RFC 8866 §5).

Reading resolves what the session level says for all streams: every `Media` has its own direction and
connection address. Nothing here decides anything; see `pbx.sdp.negotiation`.
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from pbx.remembered import Remembered
from pbx.sdp.address import is_ipv4
from pbx.sdp.direction import DIRECTIONS, Direction
from pbx.sdp.errors import SdpError
from pbx.sdp.formats import STATIC, Format, parse_rtpmap
from pbx.sdp.printing import print_description

MAX_OCTETS: Final = 65_536
MAX_LINES: Final = 512
MAX_MEDIA: Final = 16
MAX_FORMATS: Final = 64
_MAX_DIGITS: Final = 32

CONTENT_TYPE: Final = "application/sdp"


@dataclass(slots=True)
class Origin:
    """Who made the description and which version of it this is (o=, RFC 8866 §5.2)."""

    username: str
    session_id: int
    version: int
    address: str


@dataclass(slots=True)
class Media:
    """One stream: an m= line and what follows it (RFC 8866 §5.14). Treated as immutable.

    `tokens` are the format identifiers of the m= line as written. For RTP protocols `formats` has those
    that are known (by rtpmap or RFC 3551), in order; their rtpmap and fmtp live there, not in `attributes`.
    A refused stream (port 0) has no `formats`. `connection` is the address of the stream, its own or the
    session's; only a refused stream may have None.
    `others` are i= and k= lines as written. `ptime` and `max_ptime` are milliseconds.
    """

    kind: str
    port: int
    protocol: str
    tokens: tuple[str, ...]
    formats: tuple[Format, ...] = ()
    connection: str | None = None
    direction: Direction = "sendrecv"
    ptime: int | None = None
    max_ptime: int | None = None
    attributes: tuple[str, ...] = ()
    bandwidth: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    port_count: int = 1

    @property
    def is_rtp(self) -> bool:
        """Whether the tokens are RTP payload types."""
        return is_rtp(self.protocol)

    def attribute(self, name: str) -> str | None:
        """The value of the first attribute of this name ("" for a property attribute), or None."""
        return _attribute(self.attributes, name)

    def at(self, port: int) -> "Media":
        """The same stream at another port."""
        return Media(
            self.kind,
            port,
            self.protocol,
            self.tokens,
            self.formats,
            self.connection,
            self.direction,
            self.ptime,
            self.max_ptime,
            self.attributes,
            self.bandwidth,
            self.others,
            self.port_count,
        )


@dataclass(slots=True)
class Description:
    """A whole session description (RFC 8866 §5). Treated as immutable.

    `attributes` are the session's a= values as written, except the direction, which each stream has.
    `times` are the t=, r= and z= lines as written; `others` the i=, u=, e=, p= and k= lines.
    `connection` is the session's c= address; where it is not None, every stream has an address.
    """

    origin: Origin
    media: tuple[Media, ...] = ()
    connection: str | None = None
    name: str = "-"
    attributes: tuple[str, ...] = ()
    bandwidth: tuple[str, ...] = ()
    times: tuple[str, ...] = ("t=0 0",)
    others: tuple[str, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first session attribute of this name ("" for a property attribute), or None."""
        return _attribute(self.attributes, name)

    def encode(self) -> bytes:
        """The description on the wire; `parse` gives an equal one back."""
        return print_description(self)


def is_rtp(protocol: str) -> bool:
    """Whether the formats of a stream of this protocol are RTP payload types (RFC 8866 §5.14)."""
    return protocol == "RTP/AVP" or "RTP/" in protocol.upper()


def parse(data: bytes) -> Description:
    """Read a description. Raises SdpError: 413 when it is over 64 KiB, 400 for all else that is wrong.

    Lenient where phones are known to be careless and nothing depends on it: bare line feeds, blank lines,
    lines of one section out of order, no s= or t=, an rtpmap that cannot be read. Otherwise strict.
    """
    if len(data) > MAX_OCTETS:
        raise SdpError("Session Description Too Large", 413)
    text = data.decode("utf-8", "surrogateescape")
    if "\0" in text or text[-1:] == "\r":
        raise SdpError("Control Character In SDP")
    if len(text) > MAX_LINES and text.count("\n", 0, len(text) - 1) >= MAX_LINES:
        raise SdpError("Too Many SDP Lines")
    # The line ends of each part are looked at when it is read: what is remembered is the part as it came.
    head, *sections = text.split("\nm=")
    if len(sections) > MAX_MEDIA:
        raise SdpError("Too Many Media Streams")
    version, _, rest = head.partition("\n")
    if version not in {"v=0", "v=0\r"}:
        raise SdpError("SDP Does Not Begin With v=0")
    if rest[:2] != "o=":
        rest = _origin_first(rest)
    line, _, rest = rest.partition("\n")
    origin = _parse_origin(line.removesuffix("\r"))
    session = _SESSIONS[rest,]
    connection, direction = session.connection, session.direction
    media = [_stream(section, connection, direction) for section in sections]
    return Description(
        origin,
        tuple(media),
        connection,
        session.name,
        session.attributes,
        session.bandwidth,
        session.times,
        session.others,
    )


def _lines(part: str) -> list[str]:
    """The lines of a part of a description, at whose end one line feed was cut off."""
    lines = part.removesuffix("\r").replace("\r\n", "\n")
    if "\r" in lines:
        raise SdpError("Control Character In SDP")
    return lines.split("\n")


def _origin_first(text: str) -> str:
    """The lines of a session with its o= line before all others."""
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if line[:2] == "o=":
            return "\n".join([lines.pop(index), *lines])
    raise SdpError("No o= Line In SDP")


class _Session(NamedTuple):
    """What stands before the first m= line, the o= line aside; `direction` is of streams that state none."""

    name: str
    connection: str | None
    direction: Direction
    attributes: tuple[str, ...]
    bandwidth: tuple[str, ...]
    times: tuple[str, ...]
    others: tuple[str, ...]


def _parse_session(text: str) -> _Session:
    name: str | None = None
    connection: str | None = None
    direction: Direction | None = None
    attributes: list[str] = []
    bandwidth: list[str] = []
    times: list[str] = []
    others: list[str] = []
    for line in _lines(text):
        kind = line[:2]
        if kind == "a=":
            value = line[2:]
            if value in DIRECTIONS:
                direction = direction or DIRECTIONS[value]
            else:
                attributes.append(value)
        elif kind == "s=" and name is None:
            name = line[2:]
        elif kind == "c=":
            connection = connection or _parse_connection(line)
        elif kind == "t=":
            _check_times(line)
            times.append(line)
        elif kind in _REPEATS and times:
            times.append(line)
        elif kind == "b=":
            bandwidth.append(line[2:])
        elif kind in _SESSION_TEXT:
            others.append(line)
        elif line:
            raise SdpError("Malformed SDP Line")
    if len(others) > 1:
        others.sort(key=_by_type)
    return _Session(
        "-" if name is None else name,
        connection,
        direction or "sendrecv",
        tuple(attributes),
        tuple(bandwidth),
        tuple(times) or ("t=0 0",),
        tuple(others),
    )


_SESSIONS: Final = Remembered(_parse_session)


_REPEATS: Final = frozenset({"r=", "z="})
_SESSION_TEXT: Final = frozenset({"i=", "u=", "e=", "p=", "k="})
_MEDIA_TEXT: Final = frozenset({"i=", "k="})


def _by_type(line: str) -> int:
    return "iuepk".index(line[0])


def _stream(section: str, connection: str | None, direction: Direction) -> Media:
    """One stream; what it says beside its port is remembered, unless there is a key in it."""
    kind, _, rest = section.partition(" ")
    port, _, rest = rest.partition(" ")
    # With nothing before the first space, the words after it are not what they stand for here.
    if kind and _plain_port(port) is not None and (number := int(port)) <= 65_535 and "a=crypto" not in rest:
        return _STREAMS[f"{kind} 9 {rest}", connection, direction].at(number)
    return _parse_media(section, connection, direction)


def _parse_media(section: str, connection: str | None, direction: Direction) -> Media:
    """One stream from its lines, the first of which has lost its m=."""
    lines = _lines(section)
    kind, port, count, protocol, tokens = _parse_head(lines[0])
    rtp = port != 0 and is_rtp(protocol)
    own_direction: Direction | None = None
    own_connection: str | None = None
    rtpmaps: dict[int, Format] = {}
    parameters: dict[str, str] = {}
    times: dict[str, int] = {}
    attributes: list[str] = []
    bandwidth: list[str] = []
    others: list[str] = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name == "a=rtpmap" and rtp:
            # One that cannot be read describes nothing: often it is of a stream that is refused anyway.
            if (described := parse_rtpmap(value)) is not None:
                rtpmaps.setdefault(described.payload_type, described)
        elif name == "a=fmtp" and rtp:
            token, _, text = value.partition(" ")
            if not value.isprintable():
                raise SdpError("Malformed fmtp")
            parameters.setdefault(token, text.strip())
        elif line in _DIRECTION_LINES:
            own_direction = own_direction or _DIRECTION_LINES[line]
        elif name in _PTIME_LINES and name not in times and (time := _milliseconds(value)):
            times[name] = time
        elif (line_kind := line[:2]) == "a=":
            attributes.append(line[2:])
        elif line_kind == "c=":
            own_connection = own_connection or _parse_connection(line)
        elif line_kind == "b=":
            bandwidth.append(line[2:])
        elif line_kind in _MEDIA_TEXT:
            others.append(line)
        elif line:
            raise SdpError("Malformed SDP Line")
    if port and not (own_connection or connection):
        raise SdpError("No c= Line For A Stream")
    if len(others) > 1:
        others.sort(key=_by_type)
    return Media(
        kind,
        port,
        protocol,
        tuple(tokens),
        _formats(tokens, rtpmaps, parameters) if rtp else (),
        own_connection or connection,
        own_direction or direction,
        times.get("a=ptime"),
        times.get("a=maxptime"),
        tuple(attributes),
        tuple(bandwidth),
        tuple(others),
        count,
    )


_STREAMS: Final = Remembered(_parse_media)
_plain_port: Final = re.compile("[1-9][0-9]{0,4}").fullmatch
_DIRECTION_LINES: Final = {f"a={word}": direction for word, direction in DIRECTIONS.items()}
_PTIME_LINES: Final = frozenset({"a=ptime", "a=maxptime"})


def _parse_head(head: str) -> tuple[str, int, int, str, list[str]]:
    """Kind, port, number of ports, protocol and format tokens of an m= line."""
    fields = head.split()
    if len(fields) < 3 or not (head.isascii() and head.isprintable()):
        raise SdpError("Malformed m= Line")
    kind, ports, protocol, *tokens = fields
    if "/" in ports:
        ports, _, count_text = ports.partition("/")
        count = _number(count_text)
    else:
        count = 1
    port = _number(ports)
    if port > 65_535 or not 1 <= count <= 65_535 or (not tokens and port):
        raise SdpError("Malformed m= Line")
    return kind, port, count, protocol, tokens


_PAYLOAD_TYPES: Final = {str(number): number for number in range(128)}


def _formats(tokens: list[str], rtpmaps: dict[int, Format], parameters: dict[str, str]) -> tuple[Format, ...]:
    """What the payload types of an m= line are; a dynamic one without rtpmap is unknown and left out."""
    if len(tokens) > MAX_FORMATS:
        raise SdpError("Too Many Formats")
    found: dict[int, Format] = {}
    for token in tokens:
        payload_type = _PAYLOAD_TYPES.get(token)
        if payload_type is None:
            raise SdpError("Malformed Payload Type")
        known = rtpmaps.get(payload_type) or STATIC.get(payload_type)
        if known is None:
            continue
        if text := parameters.get(token):
            known = Format(payload_type, known.encoding, known.clock_rate, known.channels, text)
        found[payload_type] = known
    return tuple(found.values())


def _parse_origin(line: str) -> Origin:
    fields = line[2:].split()
    if "\r" in line:
        raise SdpError("Control Character In SDP")
    if len(fields) != 6 or fields[3] != "IN" or fields[4] not in _ADDRESS_TYPES:
        raise SdpError("Malformed o= Line")
    return Origin(fields[0], _number(fields[1]), _number(fields[2]), fields[5])


def _parse_connection(line: str) -> str:
    """The address of a c= line, with its /TTL when it has one."""
    fields = line[2:].split()
    if len(fields) != 3 or fields[0] != "IN" or fields[1] not in _ADDRESS_TYPES:
        raise SdpError("Malformed c= Line")
    _, kind, address = fields
    if (kind == "IP4" and ":" in address) or (kind == "IP6" and is_ipv4(address)):
        raise SdpError("Malformed c= Line")
    return address


_ADDRESS_TYPES: Final = frozenset({"IP4", "IP6"})


def _check_times(line: str) -> None:
    if line != "t=0 0":
        fields = line[2:].split()
        if len(fields) != 2:
            raise SdpError("Malformed t= Line")
        _number(fields[0])
        _number(fields[1])


def _number(text: str) -> int:
    """An unsigned decimal number of at most 32 digits."""
    if not (text.isdigit() and text.isascii()) or len(text) > _MAX_DIGITS:
        raise SdpError("Malformed Number In SDP")
    return int(text)


def _milliseconds(text: str) -> int | None:
    """A ptime of 1 to 9999 ms, or None for what is not one (RFC 8866 §6.4)."""
    text = text.strip()
    return int(text) if len(text) <= 4 and text.isdigit() and text.isascii() and int(text) else None


def _attribute(attributes: tuple[str, ...], name: str) -> str | None:
    for text in attributes:
        if text.startswith(name):
            rest = text[len(name) :]
            if not rest:
                return ""
            if rest[0] == ":":
                return rest[1:]
    return None
