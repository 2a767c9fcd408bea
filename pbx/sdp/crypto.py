"""Keys for SRTP in session descriptions (RFC 4568): a=crypto lines as values, and which of them are taken."""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from pbx.sdp.errors import NothingFits

PLAIN: Final = "RTP/AVP"
SECURE: Final = "RTP/SAVP"
PROTOCOLS: Final = frozenset({PLAIN, SECURE})

SrtpPolicy = Literal["off", "accepted", "optional", "required"]
"""What a leg does about SRTP.

off: nothing, RTP/SAVP is refused. accepted: what the peer offers; our own offers are plain. optional: the
same, and our offers are RTP/AVP with keys, which a peer may take up (RFC 8643). required: our offers are
RTP/SAVP, and an offer or answer without a key that we can use is refused.
"""

Suite = Literal["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]

# Octets of master key and master salt together (RFC 4568 §6.2, RFC 7714 §14.2).
KEY_OCTETS: Final[dict[Suite, int]] = {
    "AES_CM_128_HMAC_SHA1_80": 30,
    "AES_CM_128_HMAC_SHA1_32": 30,
    "AEAD_AES_128_GCM": 28,
    "AEAD_AES_256_GCM": 44,
}
# What is offered, the most wanted first: what phones have comes before what they rarely have.
OFFERED_SUITES: Final[tuple[Suite, ...]] = get_args(Suite)

_SUITES: Final[dict[str, Suite]] = {suite: suite for suite in OFFERED_SUITES}
_ATTRIBUTE: Final = "crypto:"
_MAX_TAG_DIGITS: Final = 9
# A shorter lifetime ends within six hours of 50 packets a second; who wants a new key then makes an offer.
_SHORTEST_LIFETIME: Final = 2**20
_LONGEST_LIFETIME: Final = 2**48
_MAX_WINDOW: Final = 128


@dataclass(frozen=True, slots=True)
class Crypto:
    """One a=crypto line that we can work with: its tag, its suite, and master key and salt in one."""

    tag: int
    suite: Suite
    key: bytes = field(repr=False)

    def encode(self) -> str:
        """The line without its a=."""
        return f"{_ATTRIBUTE}{self.tag} {self.suite} inline:{b64encode(self.key).decode()}"


@dataclass(frozen=True, slots=True)
class Security:
    """What a leg's stream is protected with: the suite, the key we receive with and the key we send with."""

    suite: Suite
    receive: bytes = field(repr=False)
    send: bytes = field(repr=False)


class LocalKeys:
    """Our keys on one leg: one for each suite, made when it is first needed and kept until `renew`."""

    __slots__ = ("_keys", "_random_bytes", "policy")

    def __init__(self, policy: SrtpPolicy, random_bytes: Callable[[int], bytes]) -> None:
        self.policy: SrtpPolicy = policy
        self._random_bytes = random_bytes
        self._keys: dict[Suite, bytes] = {}

    def key(self, suite: Suite) -> bytes:
        """Our master key and salt for a suite."""
        key = self._keys.get(suite)
        if key is None:
            key = self._keys[suite] = self._random_bytes(KEY_OCTETS[suite])
        return key

    def renew(self) -> None:
        """Forget all keys: the next description has new ones."""
        self._keys.clear()

    def offered(self) -> tuple[str, tuple[str, ...]]:
        """The protocol and the crypto attributes of an offer of ours."""
        if self.policy in ("off", "accepted"):
            return PLAIN, ()
        lines = tuple(
            Crypto(tag, suite, self.key(suite)).encode() for tag, suite in enumerate(OFFERED_SUITES, 1)
        )
        return (SECURE if self.policy == "required" else PLAIN), lines


def parse_crypto(value: str) -> Crypto | None:
    """The value of a=crypto (what follows the colon); None for a line that we cannot do as it asks.

    That is an unknown suite, a key of another length, several keys or one with an MKI, a lifetime below
    2**20 packets, and session parameters that change what is protected or how (§6.3).
    """
    fields = value.split()
    if len(fields) < 3:
        return None
    tag, name, methods, *parameters = fields
    suite = _SUITES.get(name.upper())
    if suite is None or not _is_number(tag) or len(tag) > _MAX_TAG_DIGITS or ";" in methods:
        return None
    if not all(_is_harmless(parameter) for parameter in parameters):
        return None
    method, _, keys = methods.partition(":")
    if method.lower() != "inline":
        return None
    text, *rest = keys.split("|")
    if len(rest) > 1 or (rest and not _is_long(rest[0])):
        return None
    key = _decoded(text)
    if key is None or len(key) != KEY_OCTETS[suite]:
        return None
    return Crypto(int(tag), suite, key)


def lines_of(attributes: Sequence[str]) -> list[Crypto]:
    """The crypto lines of a stream that we can work with, in the peer's order (§5.1.1)."""
    found = [
        parse_crypto(text[len(_ATTRIBUTE) :])
        for text in attributes
        if text[: len(_ATTRIBUTE)].lower() == _ATTRIBUTE
    ]
    return [line for line in found if line is not None]


def fits(protocol: str, attributes: Sequence[str], policy: SrtpPolicy) -> bool:
    """Whether a stream that a peer offers is as protected as the leg's policy asks for, and as we can do."""
    if protocol not in PROTOCOLS:
        return False
    if policy == "off" or (policy != "required" and protocol == PLAIN):
        return protocol == PLAIN
    return bool(lines_of(attributes))


def answered(attributes: Sequence[str], keys: LocalKeys | None) -> tuple[str, ...]:
    """The crypto attribute of our answer: the first line we can do, its tag kept, our key (§5.1.2)."""
    if keys is None or keys.policy == "off":
        return ()
    lines = lines_of(attributes)
    if not lines:
        return ()
    chosen = lines[0]
    return (Crypto(chosen.tag, chosen.suite, keys.key(chosen.suite)).encode(),)


def agreed_security(protocol: str, ours: Sequence[str], theirs: Sequence[str]) -> Security | None:
    """What two streams' crypto attributes come to; None is plain RTP.

    Offer and answer have a tag and a suite in common (§5.1.3). Raises NothingFits when a stream of RTP/SAVP
    has none.
    """
    own = {(line.tag, line.suite): line.key for line in lines_of(ours)} if ours else {}
    if own:
        for line in lines_of(theirs):
            key = own.get((line.tag, line.suite))
            if key is not None:
                return Security(line.suite, line.key, key)
    if protocol == SECURE:
        raise NothingFits("No Acceptable Crypto Attribute")
    return None


def is_rekeyed(attributes: Sequence[str], security: Security | None) -> bool:
    """Whether an offer's first line that we can do has another key or suite than the one in use (§7.1.4)."""
    lines = lines_of(attributes) if security is not None else []
    return (
        bool(lines)
        and security is not None
        and (lines[0].suite, lines[0].key) != (security.suite, security.receive)
    )


def kept(attributes: Sequence[str], security: Security | None) -> tuple[str, ...]:
    """The attributes of a stream of ours with no other crypto lines than the one in use."""
    return tuple(
        text
        for text in attributes
        if not text.startswith(_ATTRIBUTE)
        or (
            security is not None
            and any(line.key == security.send and line.suite == security.suite for line in lines_of((text,)))
        )
    )


def _is_number(text: str) -> bool:
    return text.isdigit() and text.isascii()


def _is_harmless(parameter: str) -> bool:
    """Whether a session parameter asks for nothing: a hint, or one that may be left out (§6.3.7)."""
    if parameter.startswith("-"):
        return True
    name, _, value = parameter.partition("=")
    if name.upper() == "WSH":
        # The window that libsrtp keeps is as large as this hint may ask for.
        return _is_number(value) and len(value) <= 4 and int(value) <= _MAX_WINDOW
    return name.upper() == "KDR" and value == "0"


def _is_long(lifetime: str) -> bool:
    """Whether a lifetime in packets, as a number or a power of two, is one that a call can live with."""
    base, power, exponent = lifetime.partition("^")
    if power:
        packets = 2 ** int(exponent) if base == "2" and _is_number(exponent) and len(exponent) <= 2 else 0
    else:
        packets = int(base) if _is_number(base) and len(base) <= 15 else 0
    return _SHORTEST_LIFETIME <= packets <= _LONGEST_LIFETIME


def _decoded(text: str) -> bytes | None:
    """Base64 with or without its padding (§6.1)."""
    bare = text.rstrip("=")
    try:
        return b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
