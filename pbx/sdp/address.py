"""Connection addresses of session descriptions (RFC 8866 §5.7), without looking anything up."""

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

# RFC 3264 §8.4: the address that an old phone gives to put the other side on hold.
UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to


def is_ipv4(text: str) -> bool:
    """Whether this is a dotted quad, without leading zeros (which some libraries read as octal)."""
    return _dotted_quad(text) is not None


_OCTET: Final = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_dotted_quad: Final = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}").fullmatch
# Of IPv6 with an IPv4 address at its end, all zeros written.
_LONGEST: Final = 45


def literal(text: str) -> str | None:
    """The address in canonical form when it is a unicast IP literal (or unspecified), else None.

    Names are not resolved here: media goes to literals only. Multicast is nobody's phone.
    """
    return _literal(text) if len(text) <= _LONGEST else None


@lru_cache(1024)
def _literal(text: str) -> str | None:
    if ":" not in text:
        if not is_ipv4(text) or int(text.partition(".")[0]) >= 224:
            return None
        return text
    try:
        address = IPv6Address(text)
    except AddressValueError:
        return None
    if address.is_multicast or address.scope_id is not None:
        return None
    return str(address)


def address_type(address: str) -> str:
    """IP4 or IP6, as c= and o= name it."""
    return "IP6" if ":" in address else "IP4"
