"""What is known of header names: compact forms, how they print, which are lists and which come once."""

from typing import Final

# Canonical name (lower case) -> printed name, where capitalising each word does not give it.
_PRINTED_SPECIALLY: Final = {
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "mime-version": "MIME-Version",
    "min-se": "Min-SE",
    "rack": "RAck",
    "rseq": "RSeq",
    "sip-etag": "SIP-ETag",
    "sip-if-match": "SIP-If-Match",
    "www-authenticate": "WWW-Authenticate",
}

# §7.3.3 and the IANA registry.
_COMPACT: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# Headers whose values may be joined with commas (§7.3.1). Authorization and challenges are not: commas
# separate their parameters.
LISTS: Final = frozenset(
    {
        "accept", "accept-contact", "accept-encoding", "accept-language", "alert-info", "allow",
        "allow-events", "call-info", "contact", "content-encoding", "content-language", "diversion",
        "error-info", "geolocation", "history-info", "in-reply-to", "p-asserted-identity",
        "p-associated-uri", "p-preferred-identity", "path", "proxy-require", "reason", "record-route",
        "recv-info", "reject-contact", "require", "resource-priority", "route", "security-client",
        "security-server", "security-verify", "service-route", "supported", "unsupported", "via", "warning",
    }
)  # fmt: skip

# Headers that a message has at most once; a second one is a 400, because two readers could pick different
# ones (§7.3.1, RFC 4475 §3.3.8).
SINGLES: Final = (
    "call-id", "content-disposition", "content-length", "content-type", "cseq", "event", "expires", "from",
    "max-forwards", "min-expires", "min-se", "rack", "refer-to", "referred-by", "replaces", "retry-after",
    "rseq", "session-expires", "subscription-state", "target-dialog", "to",
)  # fmt: skip

_OTHERS: Final = (
    "authentication-info", "authorization", "date", "organization", "priority", "privacy",
    "proxy-authenticate", "proxy-authorization", "reply-to", "server", "timestamp", "user-agent",
    *_PRINTED_SPECIALLY,
)  # fmt: skip


def _capitalised(name: str) -> str:
    return "-".join([word.capitalize() for word in name.split("-")])


PRINTED: Final[dict[str, str]] = {
    name: _PRINTED_SPECIALLY.get(name) or _capitalised(name)
    for name in sorted({*LISTS, *SINGLES, *_OTHERS, *_COMPACT.values()})
}

# Every usual spelling -> canonical name. Unusual ones ("vIA", "V ") take the slow way.
CANONICAL: Final[dict[str, str]] = {
    **{name: name for name in PRINTED},
    **{printed: name for name, printed in PRINTED.items()},
    **_COMPACT,
    **{compact.upper(): name for compact, name in _COMPACT.items()},
}


def canonical(name: str) -> str:
    """The lower-case long form of a header name in any spelling."""
    return CANONICAL.get(name) or CANONICAL.get(lower := name.lower()) or lower


def printed(name: str) -> str:
    """How a canonical name is printed: as the RFCs write it, or with each word capitalised."""
    return PRINTED.get(name) or _capitalised(name)


class _Beginnings(dict[str, str]):
    """Of names that nobody knows none is kept."""

    def __missing__(self, name: str) -> str:
        return f"{printed(name)}: "


BEGINNINGS: Final = _Beginnings({name: f"{text}: " for name, text in PRINTED.items()})
"""How the line of a header begins, by its canonical name."""
