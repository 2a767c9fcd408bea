"""SIP, SIPS and TEL URIs (RFC 3261 §19.1, RFC 3966); URIs of other schemes are kept as opaque text."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final
from urllib.parse import quote as _percent_encode
from urllib.parse import unquote_to_bytes

from pbx.sip.grammar import HOST, Parameters, malformed, print_parameters
from pbx.sip.limits import MAX_HOST, MAX_PARAMETERS, REMEMBERED_HOSTS, REMEMBERED_URI_LENGTH, REMEMBERED_URIS

_ESCAPED: Final = "%[0-9A-Fa-f]{2}"
_UNRESERVED: Final = r"A-Za-z0-9\-_.!~*'()"
# "#" is accepted raw in a user part, because phones dial "#31#…" without escaping it.
_USER: Final = rf"(?:[{_UNRESERVED}&=+$,;?/#]++|{_ESCAPED})++"
_PASSWORD: Final = rf"(?:[{_UNRESERVED}&=+$,]++|{_ESCAPED})*+"
_PARAMETER_TEXT: Final = rf"(?:[{_UNRESERVED}\[\]/:&+$]++|{_ESCAPED})"
_PARAMETERS: Final = rf"((?:;{_PARAMETER_TEXT}++(?:={_PARAMETER_TEXT}*+)?)*+)"
_HEADERS: Final = rf"(?:\?((?:[{_UNRESERVED}\[\]/?:+$&=]++|{_ESCAPED})++))?"

_sip_uri: Final = re.compile(
    rf"([sS][iI][pP][sS]?):(?:({_USER})(?::({_PASSWORD}))?@)?({HOST})(?::([0-9]{{1,5}}))?{_PARAMETERS}{_HEADERS}"
).fullmatch
_tel_uri: Final = re.compile(rf"[tT][eE][lL]:(\+?[0-9A-Fa-f*#\-.()]++){_PARAMETERS}").fullmatch
_other_uri: Final = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*+):([!#-;=?-~]++)").fullmatch
_escape: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_unreserved: Final = re.compile(rf"[{_UNRESERVED}]").fullmatch
_LABEL: Final = r"[A-Za-z0-9_]++(?:-++[A-Za-z0-9_]++)*+"
# Underscores are accepted, because names of containers have them.
_hostname: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*+\.?").fullmatch
# RFC 5118 §4.10: RFC 3261's grammar made people write one colon too many before an embedded IPv4 address.
_three_colons: Final = re.compile(r":::(?=[0-9]+\.[0-9.]+$)").sub
_visual_separators: Final = str.maketrans("", "", "-.()")

# §19.1.4: these never match when only one of two URIs has them; `transport` by the section's examples.
_SIGNIFICANT: Final = ("user", "ttl", "method", "maddr", "transport")


def unescape(text: str) -> str:
    """`text` with its %HH escapes replaced by the octets they stand for, read as utf-8 (surrogateescape).

    The result may hold anything, control characters too; `escape` makes it fit for a URI again.
    """
    return (
        unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        if "%" in text
        else text
    )


def escape(text: str) -> str:
    """`text` as the user part of a SIP URI: what the grammar does not allow there becomes %HH."""
    return _percent_encode(text, safe="-_.!~*'()&=+$,;?/", encoding="utf-8", errors="surrogateescape")


def _normal(text: str) -> str:
    """Escapes of unreserved characters undone, the others in upper case (§19.1.4: only those are equal)."""
    if "%" not in text:
        return text

    def undo(match: re.Match[str]) -> str:
        character = chr(int(match[1], 16))
        return character if _unreserved(character) else match[0].upper()

    return _escape.sub(undo, text)


def parse_host(text: str) -> str:
    """A host that the grammar's HOST matched: lower case, IPv6 in its short form without brackets.

    Raises PeerError 400. What was read is remembered.
    """
    if len(text) > MAX_HOST:
        raise malformed("host")
    return _remembered_host(text)


def _parse_host(text: str) -> str:
    if text[0] == "[":
        try:
            return str(IPv6Address(_three_colons("::", text[1:-1])))
        except AddressValueError:
            raise malformed("host") from None
    if _hostname(text) is None:
        raise malformed("host")
    # A last label of digits is no top-level domain, so the whole is an IPv4 address (§25.1).
    if text.rpartition(".")[2].isdigit():
        try:
            IPv4Address(text)
        except AddressValueError:
            raise malformed("host") from None
    return text.lower()


_remembered_host = lru_cache(REMEMBERED_HOSTS)(_parse_host)


def parse_port(text: str) -> int:
    """A port that a pattern matched as digits, 1 to 65535."""
    port = int(text)
    if not 0 < port < 65536:
        raise malformed("port")
    return port


def print_host(host: str) -> str:
    """`host` with brackets when it is an IPv6 address."""
    return f"[{host}]" if ":" in host else host


def _parse_parameters(text: str) -> Parameters:
    parameters: Parameters = {}
    if not text:
        return parameters
    parts = text[1:].split(";")
    if len(parts) > MAX_PARAMETERS:
        raise malformed("URI")
    for part in parts:
        name, equals, value = part.partition("=")
        name = _normal(name).lower()
        if name in parameters:
            raise malformed("URI")
        parameters[name] = value if equals else None
    return parameters


@dataclass(slots=True)
class Uri:
    """A SIP, SIPS or TEL URI, or one of a scheme we do not know (`opaque` is what follows its colon).

    `user`, `password`, parameter values and `headers` are as written, escapes included, so that printing is
    exact; `username` is the user part unescaped. Parameter names are in lower case. A TEL URI has its number
    in `user` and no host. Treat it as immutable: parsed URIs are shared.
    """

    scheme: str
    user: str | None = None
    host: str = ""
    port: int | None = None
    parameters: Parameters = field(default_factory=dict)
    password: str | None = None
    headers: str = ""
    opaque: str = ""
    _text: str | None = field(default=None, init=False, repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> "Uri":
        """Read a URI; short ones are remembered. Raises PeerError 400."""
        return _remembered(text) if len(text) <= REMEMBERED_URI_LENGTH else _parse(text)

    def __str__(self) -> str:
        text = self._text
        if text is None:
            text = self._text = self._print()
        return text

    def _print(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        parameters = print_parameters(self.parameters) if self.parameters else ""
        if self.scheme == "tel":
            return f"tel:{self.user}{parameters}"
        userinfo = ""
        if self.user is not None:
            userinfo = f"{self.user}@" if self.password is None else f"{self.user}:{self.password}@"
        headers = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{userinfo}{self.hostport}{parameters}{headers}"

    @property
    def hostport(self) -> str:
        """`host` or `host:port`, IPv6 in brackets."""
        host = print_host(self.host)
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def transport(self) -> str | None:
        """The transport parameter in lower case, or None."""
        value = self.parameters.get("transport")
        return value.lower() if value else None

    @property
    def username(self) -> str:
        """The user part with its escapes undone, "" when there is none. It may hold any character."""
        return unescape(self.user) if self.user else ""

    @property
    def aor(self) -> str:
        """The canonical address-of-record (§10.3 step 5): `user@host`, unescaped; no port or parameters."""
        if self.scheme == "tel":
            return self.username.translate(_visual_separators)
        return f"{self.username}@{self.host}" if self.user is not None else self.host

    def same_as(self, other: "Uri") -> bool:
        """Whether two URIs are equivalent (§19.1.4; RFC 3966 §4 for TEL)."""
        if self.scheme != other.scheme or self.opaque != other.opaque:
            return False
        if self.scheme == "tel":
            return (self.user or "").translate(_visual_separators).lower() == (other.user or "").translate(
                _visual_separators
            ).lower() and _comparable(self.parameters) == _comparable(other.parameters)
        return (
            self.host == other.host
            and self.port == other.port
            and _same(self.user, other.user)
            and _same(self.password, other.password)
            and _same_parameters(_comparable(self.parameters), _comparable(other.parameters))
            and _same_headers(self.headers, other.headers)
        )


def _same(one: str | None, other: str | None) -> bool:
    return one == other or (one is not None and other is not None and _normal(one) == _normal(other))


def _comparable(parameters: Parameters) -> Parameters:
    return {name: value and _normal(value).lower() for name, value in parameters.items()}


def _same_parameters(one: Parameters, other: Parameters) -> bool:
    if any((name in one) != (name in other) for name in _SIGNIFICANT):
        return False
    return all(other[name] == value for name, value in one.items() if name in other)


def _same_headers(one: str, other: str) -> bool:
    if one == other:
        return True
    return sorted(_header_pairs(one)) == sorted(_header_pairs(other))


def _header_pairs(headers: str) -> list[tuple[str, str]]:
    pairs = []
    for header in headers.split("&"):
        name, _, value = header.partition("=")
        pairs.append((_normal(name).lower(), _normal(value)))
    return pairs


def _parse(text: str) -> Uri:
    if match := _sip_uri(text):
        scheme, user, password, host, port, parameters, headers = match.groups()
        return Uri(
            scheme.lower(),
            user,
            parse_host(host),
            parse_port(port) if port else None,
            _parse_parameters(parameters),
            password,
            headers or "",
        )
    if match := _tel_uri(text):
        return Uri("tel", match[1], parameters=_parse_parameters(match[2]))
    if (match := _other_uri(text)) and (scheme := match[1].lower()) not in {"sip", "sips", "tel"}:
        return Uri(scheme, opaque=match[2])
    raise malformed("URI")


_remembered = lru_cache(REMEMBERED_URIS)(_parse)
