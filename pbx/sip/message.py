"""SIP messages (RFC 3261 §7): read lazily, checked, answered, printed."""

import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from pbx.errors import MisuseError, PeerError
from pbx.remembered import Remembered
from pbx.sip.fields import Fields, collect, first_of
from pbx.sip.grammar import METHODS, check_token, check_value, is_token, is_unfit, parse_number
from pbx.sip.header_names import BEGINNINGS, CANONICAL, canonical
from pbx.sip.limits import (
    BODY_TOO_LARGE,
    HEADERS_TOO_LARGE,
    MAX_BODY,
    MAX_CONTENT_LENGTH,
    MAX_HEADER_LINES,
    MAX_HEADER_SECTION,
    MAX_MESSAGE,
    MESSAGE_TOO_LARGE,
    TOO_MANY_HEADERS,
)
from pbx.sip.malformed import MalformedMessage
from pbx.sip.reasons import REASONS, reason_for
from pbx.sip.uri import Uri
from pbx.sip.validation import answerable, validate_request, validate_response

__all__ = [
    "MalformedMessage",
    "Message",
    "Request",
    "Response",
    "is_keepalive",
    "parse",
    "respond",
    "validate_request",
    "validate_response",
]

_COPIED: Final = frozenset({"call-id", "cseq", "from", "to", "via"})
_COPIED_INTO_100: Final = _COPIED | {"timestamp"}
_COPIED_WITH_ROUTES: Final = _COPIED | {"record-route"}
# Of the others only the first is copied.
_EACH: Final = frozenset({"record-route", "via"})
_DIALOG_FORMING: Final = frozenset({"INVITE", "REFER", "SUBSCRIBE"})

_fold: Final = re.compile(r"\r\n[ \t]+").sub
_version: Final = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE).fullmatch
_status_line: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE).fullmatch
_uri_text: Final = re.compile(r"[!-~]+").fullmatch


class Message(Fields):
    """A request or a response: its header fields and `body`, the octets after them."""

    __slots__ = ("body",)

    body: bytes

    @property
    def start_line(self) -> str:
        """The first line, without its CRLF."""
        raise NotImplementedError

    def encode(self) -> bytes:
        """The message as it is sent; Content-Length is counted, never copied."""
        names, values, body = self._names, self._values, self.body
        if (beginnings := _BEGINNINGS_OF[(*names,)]) is None:
            kept = [pair for pair in zip(names, values, strict=True) if pair[0] != "content-length"]
            values = [value for _, value in kept]
            beginnings = _BEGINNINGS_OF[tuple([name for name, _ in kept])] or []
        parts = beginnings * 2
        parts[::2], parts[1::2] = beginnings, values
        text = f"{self.start_line}{''.join(parts)}\r\nContent-Length: {len(body)}\r\n\r\n"
        return text.encode("utf-8", "surrogateescape") + body


def _beginnings(*names: str) -> list[str] | None:
    """What stands before each value of these fields; None with a Content-Length among them."""
    return None if "content-length" in names else [f"\r\n{BEGINNINGS[name]}" for name in names]


# A service sends the same few sets of fields again and again.
_BEGINNINGS_OF: Final = Remembered(_beginnings)


class Request(Message):
    """A request (§7.1). `uri` is the Request-URI as written; `request_uri` is it parsed, as values are."""

    __slots__ = ("method", "uri")

    request_uri = cached_property[Uri](lambda request: Uri.parse(request.uri))

    def __init__(self, method: str, uri: str, names: list[str], values: list[str], body: bytes) -> None:
        self._names = names
        self._values = values
        self.body = body
        self.method = method
        self.uri = uri

    def __repr__(self) -> str:
        return f"<Request {self.method!a}>"

    @classmethod
    def make(cls, method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> "Request":
        """A request of ours. Raises MisuseError when a part would not stay in its place."""
        if not (method in METHODS or is_token(method)) or _uri_text(uri) is None:
            raise MisuseError("a method or Request-URI that does not fit in a start line")
        names, values = collect(headers)
        return cls(method, uri, names, values, body)

    @property
    def start_line(self) -> str:
        """`METHOD uri SIP/2.0`."""
        return f"{self.method} {self.uri} SIP/2.0"


class Response(Message):
    """A response (§7.2)."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, names: list[str], values: list[str], body: bytes) -> None:
        self._names = names
        self._values = values
        self.body = body
        self.status = status
        self.reason = reason

    def __repr__(self) -> str:
        return f"<Response {self.status}>"

    @classmethod
    def make(
        cls, status: int, reason: str, headers: Iterable[tuple[str, str]], body: bytes = b""
    ) -> "Response":
        """A response of ours; "" as reason takes the usual phrase. Raises MisuseError like `Request.make`."""
        names, values = collect(headers)
        _check_own_status(status)
        return cls(status, check_value(reason) if reason else reason_for(status), names, values, body)

    @property
    def start_line(self) -> str:
        """`SIP/2.0 status reason`."""
        return f"SIP/2.0 {self.status} {self.reason}"


def is_keepalive(data: bytes) -> bool:
    """Whether a datagram is nothing but a keep-alive: empty, CRLFs or NULs (RFC 5626 §3.5.1, and habit)."""
    return not data.strip(b"\r\n\0")


def parse(data: bytes) -> Request | Response:
    """Read one datagram, or one message that framing cut out. Raises MalformedMessage only.

    Octets beyond Content-Length are dropped (§18.3); without one the body goes to the end. Bare CR or LF is
    no line end but a fault, so that everybody who reads the message sees the same headers.
    """
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
    fault: PeerError | None = None
    end = data.find(b"\r\n\r\n")
    if not 0 <= end <= MAX_HEADER_SECTION or len(data) > MAX_MESSAGE:
        fault = _oversize(data, end)
        end = min(len(data) if end < 0 else end, MAX_HEADER_SECTION)
    head = data[:end].decode("utf-8", "surrogateescape")
    lines = head.split("\r\n")
    text = "".join(lines)
    start = lines[0]
    del lines[0]
    plain = not ("\r" in text or "\n" in text or "\0" in text) and len(lines) <= MAX_HEADER_LINES
    first: dict[str, str] = {}
    try:
        for line in lines:
            name, _, value = line.partition(": ")
            first[CANONICAL[name]] = value
    except KeyError:
        plain = False  # a name in an unusual spelling, a folded line, a fault
    if plain and len(first) == len(lines):
        names, values = [*first], [*first.values()]
        once = True
    else:
        if plain:
            names = [CANONICAL[line.partition(": ")[0]] for line in lines]
            values = [line.partition(": ")[2] for line in lines]
        else:
            start, names, values, fault = _read_carefully(head, fault)
        first = first_of(names, values)
        once = len(first) == len(names)
    body = data[end + 4 :]
    if "content-length" in first and (
        first["content-length"] != str(len(body)) or not (once or names.count("content-length") == 1)
    ):
        body, fault = _cut_body(body, names, values, fault)
    if len(body) > MAX_BODY:
        fault = fault or PeerError(413, BODY_TOO_LARGE)
    if start[:4].upper() == "SIP/":
        response = _response(start, names, values, body, fault)
        response.first = first
        return response
    parts = start.split(" ")
    if (
        fault is None
        and len(parts) == 3
        and parts[2] == "SIP/2.0"
        and (parts[0] in METHODS or is_token(parts[0]))
    ):
        request = Request(parts[0], parts[1], names, values, body)
        request.first = first
        return request
    return _unusual_request(parts, names, values, body, fault)


def _oversize(data: bytes, end: int) -> PeerError:
    """Why a message without an empty line in its first 32 KiB, or one that is too long, is refused."""
    if end < 0 and len(data) <= MAX_HEADER_SECTION:
        return PeerError(400, "No Empty Line After Headers")
    return PeerError(513, MESSAGE_TOO_LARGE if len(data) > MAX_MESSAGE else HEADERS_TOO_LARGE)


def _read_carefully(head: str, fault: PeerError | None) -> tuple[str, list[str], list[str], PeerError | None]:
    """Start line, names, values: unfolds (§7.3.1), takes names in any spelling, keeps the first fault."""
    if is_unfit(head.partition("\r\n")[0]):
        fault = fault or PeerError(400, "Malformed Start Line")
    lines = _fold(" ", head).split("\r\n")
    if len(lines) - 1 > MAX_HEADER_LINES:
        fault = fault or PeerError(513, TOO_MANY_HEADERS)
    names: list[str] = []
    values: list[str] = []
    for line in lines[1 : MAX_HEADER_LINES + 1]:
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if not colon or not is_token(name) or is_unfit(value):
            fault = fault or PeerError(400, "Malformed Header Line")
            continue
        names.append(canonical(name))
        values.append(value.strip(" \t"))
    return lines[0], names, values, fault


def _cut_body(
    body: bytes, names: list[str], values: list[str], fault: PeerError | None
) -> tuple[bytes, PeerError | None]:
    """The octets that Content-Length counts (§18.3)."""
    try:
        length = parse_number(
            values[names.index("content-length")].strip(" \t"), MAX_CONTENT_LENGTH, "Content-Length"
        )
    except PeerError as error:
        return body, fault or error
    if length > len(body):
        return body, fault or PeerError(400, "Content-Length Beyond Message")
    if names.count("content-length") > 1:
        return body, fault or PeerError(400, "More Than One Content-Length")
    return body[:length], fault


def _response(
    start: str, names: list[str], values: list[str], body: bytes, fault: PeerError | None
) -> Response:
    if fault is not None:
        raise MalformedMessage(400, fault.reason)
    status, reason = _STATUS_LINES[start,]
    return Response(status, reason, names, values, body)


def _parse_status_line(start: str) -> tuple[int, str]:
    """Status and reason phrase (§7.2)."""
    match = _status_line(start)
    if match is None:
        raise MalformedMessage(400, "Malformed Status-Line")
    return int(match[1]), match[2] or ""


_STATUS_LINES: Final = Remembered(_parse_status_line)


def _unusual_request(
    parts: list[str], names: list[str], values: list[str], body: bytes, fault: PeerError | None
) -> Request:
    """A request whose start line or fields have a fault, or whose version is spelt in lower case."""
    method = parts[0]
    if not is_token(method):
        raise MalformedMessage(400, "Malformed Request-Line")
    request = Request(method, " ".join(parts[1:-1]), names, values, body)
    if fault is None:
        version = parts[-1].upper()
        if len(parts) != 3 or _version(version) is None:
            fault = PeerError(400, "Malformed Request-Line")
        elif version != "SIP/2.0":
            fault = PeerError(505, REASONS[505])
        else:
            return request
    raise MalformedMessage(fault.status, fault.reason, answerable(request))


def respond(
    request: Request,
    status: int,
    reason: str = "",
    *,
    to_tag: str = "",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str = "",
) -> Response:
    """The response to `request` (§8.2.6), malformed requests included: what is there is copied.

    `to_tag` is put on To when it has none, except in a 100. Timestamp is copied into a 100, Record-Route into
    101 to 299 of a request that forms a dialog (§12.1.1). Raises MisuseError for values that would break out
    of their line.
    """
    copied = _COPIED
    if status == 100:
        copied = _COPIED_INTO_100
    elif status < 300 and request.method in _DIALOG_FORMING and "record-route" in request.first:
        copied = _COPIED_WITH_ROUTES if _to_tag(request) is None else _COPIED
    first = request.first
    names = [name for name in request._names if name in copied]
    if len(first) == len(request._names):
        values = [first[name] for name in names]
    else:
        names, values = _copy(request, copied)
    if to_tag and status != 100 and "to" in names and _to_tag(request) is None:
        values[names.index("to")] += f";tag={check_token(to_tag)}"
    if headers:
        own_names, own_values = collect(headers)
        names += own_names
        values += own_values
    if content_type:
        names.append("content-type")
        values.append(check_value(content_type))
    _check_own_status(status)
    reason = check_value(reason) if reason else REASONS.get(status) or reason_for(status)
    return Response(status, reason, names, values, body)


def _copy(request: Request, copied: frozenset[str]) -> tuple[list[str], list[str]]:
    """Names and values of the fields that a response has from a request some of whose come twice."""
    names: list[str] = []
    values: list[str] = []
    for name, value in zip(request._names, request._values, strict=True):
        if name in copied and (name not in names or name in _EACH):
            names.append(name)
            values.append(value)
    return names, values


def _to_tag(request: Request) -> str | None:
    try:
        return request.to.tag
    except PeerError:
        return None


def _check_own_status(status: int) -> None:
    if not 100 <= status <= 699:
        raise MisuseError("a status outside 100 to 699")
