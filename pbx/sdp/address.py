"""Connection addresses of session descriptions (RFC 8866 §5.7), without looking anything up."""

from ipaddress import AddressValueError, IPv6Address
from typing import Final

# RFC 3264 §8.4: the address that an old phone gives to put the other side on hold.
UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to


def is_ipv4(text: str) -> bool:
    """Whether this is a dotted quad, without leading zeros (which some libraries read as octal)."""
    parts = text.split(".")
    return len(parts) == 4 and all(part in _OCTETS for part in parts)


_OCTETS: Final = frozenset(str(number) for number in range(256))


def literal(text: str) -> str | None:
    """The address in canonical form when it is a unicast IP literal (or unspecified), else None.

    Names are not resolved here: media goes to literals only. Multicast is nobody's phone.
    """
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
