"""Digest access authentication (RFC 7616; RFC 2617 and RFC 8760 for its use in SIP; RFC 3261 §22).

Header values, the computation, and the client's side of it. The server's side is `authentication`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Literal, Self

from pbx.errors import MisuseError, OperatorError, PeerError
from pbx.ids import Ids

Algorithm = Literal["MD5", "SHA-256"]

# A header value longer than this, or with more parameters, is nobody's honest credentials.
MAX_VALUE_CHARACTERS = 4096
MAX_PARAMETERS = 32

# Challenges answered in a row without success before a client gives up, when each says `stale=true`.
_MAX_STALE_IN_A_ROW = 3

_ALGORITHMS = {name.lower(): name for name in ("MD5", "MD5-sess", "SHA-256", "SHA-256-sess")}
_HEX_DIGITS: Mapping[Algorithm, int] = {"MD5": 32, "SHA-256": 64}

_SCHEME = re.compile(r"[ \t]*([A-Za-z][A-Za-z0-9-]*)[ \t]+")
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_PARAMETER = re.compile(
    rf"""({_NAME})[ \t]*+=[ \t]*+(?:"((?:[^"\\]++|\\.)*+)"|([^ \t,"]++))[ \t]*+(?:,[ \t,]*+|\Z)"""
)
# The same without its groups, once more and again: elements may be empty (RFC 9110 §5.6.1).
_LIST = re.compile(
    rf"""[ \t,]*+(?:{_NAME}[ \t]*+=[ \t]*+(?:"(?:[^"\\]++|\\.)*+"|[^ \t,"]++)[ \t]*+(?:,[ \t,]*+|\Z))*+"""
)
_ESCAPED = re.compile(r"\\(.)")
_TO_ESCAPE = re.compile(r'(["\\])')
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _parameters(text: str, header: str) -> dict[str, str] | None:
    """The parameters of a Digest value by lower-case name, or None when the scheme is another one.

    Raises PeerError (400) when the value is not RFC 7616 grammar.
    """
    scheme = _SCHEME.match(text)
    if scheme is None or len(text) > MAX_VALUE_CHARACTERS or _CONTROL.search(text):
        raise PeerError(400, f"Malformed {header}")
    if scheme[1].lower() != "digest":
        return None
    start = scheme.end()
    found = _PARAMETER.findall(text, start) if _LIST.fullmatch(text, start) else []
    if "\\" in text:
        found = [(name, _ESCAPED.sub(r"\1", quoted), token) for name, quoted, token in found]
    parameters = {name.lower(): quoted or token for name, quoted, token in found}
    # A name that comes twice could be read differently by somebody else.
    if not 0 < len(found) == len(parameters) <= MAX_PARAMETERS:
        raise PeerError(400, f"Malformed {header}")
    return parameters


def _quoted(value: str) -> str:
    if _CONTROL.search(value):
        raise MisuseError("a digest parameter holds a control character")
    escaped = _TO_ESCAPE.sub(r"\\\1", value)
    return f'"{escaped}"'


def _hash(algorithm: str, text: str) -> str:
    octets = text.encode("utf-8", "surrogateescape")
    if algorithm.startswith("SHA-256"):
        return sha256(octets).hexdigest()
    return md5(octets, usedforsecurity=False).hexdigest()


def ha1(username: str, realm: str, password: str, algorithm: Algorithm) -> str:
    """H(username:realm:password), the form in which a password may be stored (RFC 7616 §3.4.2)."""
    return _hash(algorithm, f"{username}:{realm}:{password}")


@dataclass(frozen=True, slots=True)
class Ha1:
    """What is kept of one user's password; an empty string is an algorithm that cannot be checked.

    The `domain` forms are of `user@realm`, which is what some phones send as the username.
    """

    md5: str = field(default="", repr=False)
    sha_256: str = field(default="", repr=False)
    md5_domain: str = field(default="", repr=False)
    sha_256_domain: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("md5", "sha_256", "md5_domain", "sha_256_domain"):
            value: str = getattr(self, name)
            digits = _HEX_DIGITS["MD5" if name.startswith("md5") else "SHA-256"]
            if value and not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
                raise OperatorError(
                    f"this is not an HA1 ({name})",
                    f"write {digits} hexadecimal digits, of name:realm:password",
                )
            object.__setattr__(self, name, value.lower())

    @classmethod
    def from_password(cls, user: str, realm: str, password: str) -> Self:
        """Every form of one plain password."""
        full = f"{user}@{realm}"
        return cls(
            md5=ha1(user, realm, password, "MD5"),
            sha_256=ha1(user, realm, password, "SHA-256"),
            md5_domain=ha1(full, realm, password, "MD5"),
            sha_256_domain=ha1(full, realm, password, "SHA-256"),
        )

    def of(self, algorithm: Algorithm, *, with_domain: bool = False) -> str:
        """The stored HA1 in lower-case hexadecimal, or an empty string."""
        if algorithm == "MD5":
            return self.md5_domain if with_domain else self.md5
        return self.sha_256_domain if with_domain else self.sha_256


@dataclass(slots=True)
class DigestChallenge:
    """A WWW-Authenticate or Proxy-Authenticate value of scheme Digest (RFC 7616 §3.3)."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ("auth",)
    stale: bool = False
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The challenge, or None when its scheme is not Digest. Raises PeerError (400) when malformed."""
        parameters = _parameters(text, "Challenge")
        if parameters is None:
            return None
        if "realm" not in parameters or not parameters.get("nonce"):
            raise PeerError(400, "Malformed Challenge")
        algorithm = parameters.get("algorithm", "MD5")
        return cls(
            realm=parameters["realm"],
            nonce=parameters["nonce"],
            algorithm=_ALGORITHMS.get(algorithm.lower(), algorithm),
            qop=tuple(parameters.get("qop", "").lower().replace(",", " ").split()),
            stale=parameters.get("stale", "").lower() == "true",
            opaque=parameters.get("opaque"),
        )

    def __str__(self) -> str:
        text = f"Digest realm={_quoted(self.realm)}, nonce={_quoted(self.nonce)}"
        if self.opaque is not None:
            text += f", opaque={_quoted(self.opaque)}"
        if self.stale:
            text += ", stale=true"
        text += f", algorithm={self.algorithm}"
        if self.qop:
            text += f", qop={_quoted(','.join(self.qop))}"
        return text


@dataclass(slots=True)
class DigestCredentials:
    """An Authorization or Proxy-Authorization value of scheme Digest (RFC 7616 §3.4).

    `qop`, `nonce_count` and `cnonce` are empty in the form without qop that RFC 2069 had.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str = ""
    algorithm: str = "MD5"
    qop: str = ""
    nonce_count: str = ""
    cnonce: str = ""
    opaque: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The credentials, or None when the scheme is not Digest. Raises PeerError (400) when malformed."""
        parameters = _parameters(text, "Authorization")
        if parameters is None:
            return None
        get = parameters.get
        algorithm = get("algorithm", "MD5")
        credentials = cls(
            username=get("username", ""),
            realm=get("realm", ""),
            nonce=get("nonce", ""),
            uri=get("uri", ""),
            response=get("response", "").lower(),
            algorithm=_ALGORITHMS.get(algorithm.lower(), algorithm),
            qop=get("qop", "").lower(),
            nonce_count=get("nc", "").lower(),
            cnonce=get("cnonce", ""),
            opaque=get("opaque"),
        )
        if not (credentials.nonce and credentials.uri and credentials.response and "username" in parameters):
            raise PeerError(400, "Malformed Authorization")
        return credentials

    def __str__(self) -> str:
        text = (
            f"Digest username={_quoted(self.username)}, realm={_quoted(self.realm)}, "
            f"nonce={_quoted(self.nonce)}, uri={_quoted(self.uri)}, "
            f"response={_quoted(self.response)}, algorithm={self.algorithm}"
        )
        if self.cnonce:
            text += f", cnonce={_quoted(self.cnonce)}"
        if self.opaque is not None:
            text += f", opaque={_quoted(self.opaque)}"
        if self.qop:
            text += f", qop={self.qop}, nc={self.nonce_count}"
        return text

    def expected_response(self, ha1: str, method: str) -> str:
        """What `response` must be for a password whose HA1 this is (RFC 7616 §3.4.1), in lower case."""
        algorithm = self.algorithm
        if algorithm.endswith("-sess"):
            ha1 = _hash(algorithm, f"{ha1}:{self.nonce}:{self.cnonce}")
        ha2 = _hash(algorithm, f"{method}:{self.uri}")
        if not self.qop:
            return _hash(algorithm, f"{ha1}:{self.nonce}:{ha2}")
        return _hash(algorithm, f"{ha1}:{self.nonce}:{self.nonce_count}:{self.cnonce}:{self.qop}:{ha2}")


def can_answer(challenge: DigestChallenge) -> bool:
    """Whether a client of ours knows the algorithm, and the protection, that a challenge asks for."""
    return challenge.algorithm.lower() in _ALGORITHMS and (not challenge.qop or "auth" in challenge.qop)


def authorize(
    challenge: DigestChallenge,
    username: str,
    secret: str | Ha1,
    method: str,
    uri: str,
    *,
    cnonce: str,
    nonce_count: int = 1,
) -> DigestCredentials:
    """The credentials that answer `challenge`; `secret` is the password, or its stored HA1.

    `uri` is the Request-URI as it is sent. Raises MisuseError when the challenge cannot be answered
    (see `can_answer`) or the stored HA1 lacks the algorithm.
    """
    if not can_answer(challenge):
        raise MisuseError("this challenge asks for an algorithm or protection that is not supported")
    algorithm: Algorithm = "SHA-256" if challenge.algorithm.startswith("SHA-256") else "MD5"
    if isinstance(secret, Ha1):
        stored = secret.of(algorithm)
        if not stored:
            raise MisuseError(f"no {algorithm} HA1 is stored for this account")
    else:
        stored = ha1(username, challenge.realm, secret, algorithm)
    credentials = DigestCredentials(
        username=username,
        realm=challenge.realm,
        nonce=challenge.nonce,
        uri=uri,
        algorithm=challenge.algorithm,
        opaque=challenge.opaque,
    )
    if challenge.qop:
        credentials.qop = "auth"
        credentials.nonce_count = f"{nonce_count:08x}"
    if challenge.qop or challenge.algorithm.endswith("-sess"):
        credentials.cnonce = cnonce
    credentials.response = credentials.expected_response(stored, method)
    return credentials


class ClientAuthorization:
    """One account at one server: learns its challenges, answers them, counts the uses of a nonce.

    After a 401 or 407: `receive_challenges`, then `header` for the request that is sent again. The same
    nonce serves later requests, until the server asks anew. After any 2xx: `accept`.
    """

    __slots__ = ("_challenge", "_count", "_ids", "_in_a_row", "_proxy", "_secret", "_username")

    def __init__(self, username: str, secret: str | Ha1, ids: Ids) -> None:
        self._username = username
        self._secret = secret
        self._ids = ids
        self._challenge: DigestChallenge | None = None
        self._proxy = False
        self._count = 0
        self._in_a_row = 0

    def receive_challenges(self, values: Iterable[str], *, proxy: bool = False) -> bool:
        """Take the challenges of one response; False when it is no use to try (again).

        The first challenge that can be answered is chosen: the server lists them in its own order of
        preference (RFC 8760 §2.4). A second refusal that is not `stale` means a wrong password.
        """
        chosen = self._choose(values)
        if chosen is None:
            return False
        self._in_a_row += 1
        if self._in_a_row > (_MAX_STALE_IN_A_ROW if chosen.stale else 1):
            self._challenge = None
            self._in_a_row = 0
            return False
        self._challenge = chosen
        self._proxy = proxy
        self._count = 0
        return True

    def _choose(self, values: Iterable[str]) -> DigestChallenge | None:
        for value in values:
            try:
                challenge = DigestChallenge.parse(value)
            except PeerError:
                continue
            if challenge is None or not can_answer(challenge):
                continue
            algorithm: Algorithm = "SHA-256" if challenge.algorithm.startswith("SHA-256") else "MD5"
            if not isinstance(self._secret, Ha1) or self._secret.of(algorithm):
                return challenge
        return None

    def header(self, method: str, uri: str) -> tuple[str, str] | None:
        """Name and value of the header for one request, or None while nothing has been asked."""
        if self._challenge is None:
            return None
        self._count += 1
        credentials = authorize(
            self._challenge,
            self._username,
            self._secret,
            method,
            uri,
            cnonce=self._ids.token(8),
            nonce_count=self._count,
        )
        return ("Proxy-Authorization" if self._proxy else "Authorization", str(credentials))

    def accept(self) -> None:
        """The server accepted what was sent: a later challenge is a new question, not a refusal."""
        self._in_a_row = 0
