"""The lexical rules shared by URIs and header values (RFC 3261 §25.1).

Text is str decoded from utf-8 with surrogateescape, already unfolded. Character classes are written out in
ASCII: Python's own idea of digits and white space is wider than the RFC's. Repeated groups are possessive
(`*+`, `++`), so no input makes a match take more than linear time.
"""

import re
from typing import Final

from pbx.errors import MisuseError, PeerError
from pbx.sip.limits import MAX_LIST_VALUES, MAX_PARAMETERS

WORD: Final = r"A-Za-z0-9\-.!%*_+`'~"  # the characters of a token
TOKEN: Final = rf"[{WORD}]++"
QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
WS: Final = r"[ \t]*+"

# The characters of hostname, IPv4address and IPv6reference (§25.1); `pbx.sip.uri.parse_host` looks closer.
HOST: Final = r"(?:[A-Za-z0-9_.\-]++|\[[0-9A-Fa-f:.]++\])"

# The value of a generic parameter: token, host or quoted string (gen-value). "/", "=" and "@" are accepted
# too, because tags and branches made by base64 encoders have them.
_VALUE_CHARACTERS: Final = rf"{WORD}\[\]:/=@"
_VALUE: Final = rf"(?:[{_VALUE_CHARACTERS}]++|{QUOTED})"

# Methods that are recognised without looking at their characters.
METHODS: Final = frozenset(
    {
        "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",
        "REGISTER", "SUBSCRIBE", "UPDATE",
    }
)  # fmt: skip

_is_token: Final = re.compile(TOKEN).fullmatch
_parameter: Final = re.compile(rf"{WS};{WS}({TOKEN}){WS}(?:={WS}({_VALUE}){WS})?", re.DOTALL).match
# Anything but plain `;name=value`: white space, quotes, faults.
_unusual: Final = re.compile(rf"[^{_VALUE_CHARACTERS};]").search
_KNOWN_PARAMETERS: Final = frozenset({"branch", "expires", "q", "received", "rport", "tag"})
_separator: Final = re.compile(rf'{QUOTED}|[,"<>]', re.DOTALL)
_quoted_pair: Final = re.compile(r"\\(.)", re.DOTALL).sub
# Control characters other than tab; a quoted-pair may carry all of them but CR and LF (§25.1).
_needs_escape: Final = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]').sub
_line_break: Final = re.compile(r"[\r\n]").sub
_lone_surrogate: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# What no header value may have: a line break (it would begin another header), a NUL outside a quoted-pair
# (a C reader would stop there), a surrogate that does not stand for an octet (it cannot be printed).
_forbidden: Final = re.compile("[\r\n\ud800-\udc7f\udd00-\udfff]|(?<!\\\\)\0").search

Parameters = dict[str, str | None]


def malformed(what: str) -> PeerError:
    """The 400 that says which part of a message cannot be read."""
    return PeerError(400, f"Malformed {what}")


def is_token(text: str) -> bool:
    """Whether `text` is a token (§25.1): a method, a header name, an option tag."""
    return _is_token(text) is not None


def is_plain(text: str) -> bool:
    """Whether `text` is ASCII without CR, LF and NUL: fit for a line, as nearly every value is."""
    return text.isascii() and not ("\n" in text or "\r" in text or "\0" in text)


def is_unfit(text: str) -> bool:
    """Whether `text` is no header value: it has a line break, an unquoted NUL, a lone surrogate."""
    return not text.isprintable() and _forbidden(text) is not None


def check_value(text: str) -> str:
    """Give back `text`, a header value of ours; raise MisuseError when it would break out of its line."""
    if not is_plain(text) and is_unfit(text):
        raise MisuseError("a header value with a line break, a NUL or a lone surrogate")
    return text


def check_name(name: str) -> str:
    """Give back `name`, a header name of ours; raise MisuseError unless it is a token."""
    if _is_token(name) is None:
        raise MisuseError("a header name that is not a token")
    return name


def check_token(text: str) -> str:
    """Give back `text`, a tag of ours; raise MisuseError unless it is a token."""
    if not (text.isalnum() and text.isascii()) and _is_token(text) is None:
        raise MisuseError("a tag that is not a token")
    return text


def quote(text: str) -> str:
    """`text` as a quoted-string (§25.1). CR and LF, which it cannot carry, become spaces."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + _needs_escape(r"\\\g<0>", _lone_surrogate.sub("?", _line_break(" ", text))) + '"'


def unquote(text: str) -> str:
    """The text of a quoted-string; anything that is not one is given back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return unescape_quoted(text[1:-1])


def unescape_quoted(text: str) -> str:
    """What stands between the quotes of a quoted-string, its quoted-pairs undone."""
    return _quoted_pair(r"\1", text) if "\\" in text else text


def parse_number(text: str, maximum: int, what: str) -> int:
    """Digits, leading zeros allowed, up to `maximum`; anything else is a 400."""
    if text.isascii() and text.isdigit():
        digits = text if len(text) <= 10 else text.lstrip("0")[:11] or "0"
        if len(digits) <= 10 and (number := int(digits)) <= maximum:
            return number
    raise malformed(what)


def parse_parameters(text: str, what: str) -> Parameters:
    """`;name=value;name` of a header value (generic-param); names in lower case, values as written.

    Quoted values keep their quotes, so that printing is exact; see `unquote`. A name that comes twice is
    a 400 (§7.3.1), for two readers could pick different ones.
    """
    parameters: Parameters = {}
    if _unusual(text) is None:
        first, *parts = text.split(";")
        if first or len(parts) > MAX_PARAMETERS:
            raise malformed(what)
        for part in parts:
            name, equals, value = part.partition("=")
            if name not in _KNOWN_PARAMETERS:
                name = _parameter_name(name, what)
            if name in parameters or (equals and not value):
                raise malformed(what)
            parameters[name] = value if equals else None
        return parameters
    position, end = 0, len(text)
    while position < end:
        match = _parameter(text, position)
        if match is None:
            raise malformed(what)
        name = match[1].lower()
        if name in parameters or len(parameters) == MAX_PARAMETERS:
            raise malformed(what)
        parameters[name] = match[2]
        position = match.end()
    return parameters


def _parameter_name(name: str, what: str) -> str:
    if _is_token(name) is None:
        raise malformed(what)
    return name.lower()


def print_parameters(parameters: Parameters) -> str:
    """The inverse of `parse_parameters`, and of a URI's parameters."""
    if not parameters:
        return ""
    return "".join(
        [f";{name}" if value is None else f";{name}={value}" for name, value in parameters.items()]
    )


def split_list(text: str) -> list[str]:
    """The comma-separated values of a list header (§7.3.1), stripped; commas in quotes and <> do not count.

    Empty values are kept: whether they are allowed is the header's affair. Too many values are a 400.
    """
    if "," not in text:
        return [text.strip(" \t")]
    if '"' not in text and "<" not in text:
        if text.count(",") >= MAX_LIST_VALUES:
            raise malformed("list")
        return [value.strip(" \t") for value in text.split(",")]
    values: list[str] = []
    start, bracket = 0, False
    for match in _separator.finditer(text):
        separator = match[0]
        if separator == "<":
            bracket = True
        elif separator == ">":
            bracket = False
        elif separator == '"':
            break  # never closed: the rest is one value
        elif separator == "," and not bracket:
            values.append(text[start : match.start()].strip(" \t"))
            start = match.end()
            if len(values) == MAX_LIST_VALUES:
                raise malformed("list")
    values.append(text[start:].strip(" \t"))
    return values
