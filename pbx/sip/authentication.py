"""The server's side of digest authentication (RFC 3261 §22, RFC 7616, RFC 8760).

Nothing is stored for who has not authenticated: a nonce carries its own time and a signature, and only
the uses of nonces that once served a right password are remembered, in a table with a bound. A user
that does not exist costs the same work and gets the same answer as a wrong password.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hmac import compare_digest, digest
from typing import Literal, assert_never

from pbx.errors import MisuseError, PeerError
from pbx.ids import Ids
from pbx.sip.digest import Algorithm, DigestChallenge, DigestCredentials, Ha1
from pbx.sip.message import Request
from pbx.sip.uri import Uri

# Why a request was not authenticated; "none" is a request without credentials for this realm.
Failure = Literal["none", "credentials", "stale", "replay", "qop", "algorithm"]
FAILURES: tuple[Failure, ...] = ("none", "credentials", "stale", "replay", "qop", "algorithm")

_MAX_CREDENTIALS = 8
_MAX_USERNAME_CHARACTERS = 256
# Recorded for a nonce that was used without a count: it serves once.
_NO_MORE_USES = 2**32

_TIME_DIGITS = 12
_SERIAL_DIGITS = 16
_SIGNATURE_DIGITS = 32
_SIP_SCHEMES = frozenset({"sip", "sips"})
_HEX = frozenset("0123456789abcdef")

# The nonce table forgets in slices of this share of a nonce's life, and never walks its entries.
_SLICES = 8


@dataclass(slots=True)
class Authenticated:
    """The request comes from this user (the bare user name, without a domain)."""

    user: str


@dataclass(slots=True)
class Challenge:
    """Answer 401 with these headers (one WWW-Authenticate for each algorithm, in order of preference).

    `failure` says why, for counters and logs, and `user` who was named, as a bare user name (empty: nobody).
    Neither tells an unknown user from a wrong password.
    """

    headers: list[tuple[str, str]]
    stale: bool
    failure: Failure
    user: str = ""


class NonceUses:
    """The highest count (`nc`) seen of each nonce that authenticated somebody, within a bound.

    Slices by time of issue: the oldest is dropped whole when its nonces have expired, or when the bound
    is reached; `floor` then refuses the nonces whose uses were forgotten, so that none can be replayed.
    """

    __slots__ = ("_count", "_floor", "_limit", "_slices", "_width_ms")

    def __init__(self, lifetime_ms: int, limit: int) -> None:
        self._width_ms = max(1, lifetime_ms // _SLICES)
        self._limit = limit
        self._slices: dict[int, dict[int, int]] = {}
        self._count = 0
        self._floor = 0

    def __len__(self) -> int:
        return self._count

    def forgotten(self, issued_ms: int) -> bool:
        """Whether the uses of a nonce of this age may have been forgotten."""
        return issued_ms < self._floor

    def take(self, issued_ms: int, serial: int, count: int, now_ms: int) -> bool:
        """Record one use; False when this count, or a higher one, was seen before."""
        index = issued_ms // self._width_ms
        uses = self._slices.get(index)
        if uses is None:
            uses = self._slices[index] = {}
        highest = uses.get(serial)
        if highest is None:
            self._count += 1
        elif count <= highest:
            return False
        uses[serial] = count
        if self._count > self._limit:
            self._drop(min(self._slices), now_ms)
        return True

    def expire(self, oldest_ms: int) -> None:
        """Forget the slices all of whose nonces were issued before `oldest_ms`."""
        for index in [index for index in self._slices if (index + 1) * self._width_ms <= oldest_ms]:
            self._drop(index, oldest_ms)

    def _drop(self, index: int, now_ms: int) -> None:
        self._count -= len(self._slices.pop(index))
        # Nonces that are issued after this moment are safe, even in the slice that was dropped.
        self._floor = max(self._floor, min((index + 1) * self._width_ms, now_ms + 1))


class Authenticator:
    """Checks the Authorization of requests for one realm, and makes the challenges.

    `credentials` gives what is stored of a bare user name's password, or None. `secret` (at least
    16 octets, random, kept to the process) signs nonces; a nonce of an earlier secret whose response is
    right is answered with `stale=true`, so phones go on after a restart without asking their owner.
    `nonce_lifetime` is in seconds. `algorithms` are offered in this order.
    """

    __slots__ = (
        "_algorithms",
        "_credentials",
        "_ids",
        "_lifetime_ms",
        "_realm",
        "_secret",
        "_uses",
        "_without_qop",
    )

    def __init__(
        self,
        realm: str,
        credentials: Callable[[str], Ha1 | None],
        ids: Ids,
        secret: bytes,
        *,
        nonce_lifetime: float = 300.0,
        algorithms: Sequence[Algorithm] = ("MD5",),
        max_nonces: int = 16_384,
        accept_without_qop: bool = False,
    ) -> None:
        if len(secret) < 16 or not algorithms or max_nonces < 1 or nonce_lifetime <= 0:
            raise MisuseError("an authenticator needs a secret, an algorithm, a bound and a lifetime")
        self._realm = realm
        self._credentials = credentials
        self._ids = ids
        self._secret = secret
        self._lifetime_ms = int(nonce_lifetime * 1000)
        self._algorithms = tuple(algorithms)
        self._uses = NonceUses(self._lifetime_ms, max_nonces)
        self._without_qop = accept_without_qop

    @property
    def nonces_remembered(self) -> int:
        """How many nonces have their uses remembered."""
        return len(self._uses)

    def check(
        self, request: Request, now: float, *, algorithms: Sequence[Algorithm] | None = None
    ) -> Authenticated | Challenge:
        """Who sent this request, or the challenge to answer it with.

        `algorithms` replaces the service's list for this request (a user may have an own one). Raises
        PeerError (400) when the header is malformed or its `uri` is not the Request-URI's (RFC 3261 §22.4).
        Of several credentials for this realm only those of the algorithm we prefer count: a weaker one
        is no second chance.
        """
        offered = self._algorithms if algorithms is None else tuple(algorithms)
        presented = self._presented(request)
        if not presented:
            return self._challenge(offered, now, "none")
        credentials = next((presented[name] for name in offered if name in presented), None)
        if credentials is None:
            named, _ = self._named(next(iter(presented.values())).username)
            return self._challenge(offered, now, "algorithm", named)
        named, with_domain = self._named(credentials.username)
        if credentials.qop != "auth" and (credentials.qop or not self._without_qop):
            return self._challenge(offered, now, "qop", named)
        if not same_resource(credentials.uri, request.uri):
            raise PeerError(400, "Authorization Is For Another URI")
        algorithm: Algorithm = "SHA-256" if credentials.algorithm == "SHA-256" else "MD5"
        right = self._proves(credentials, algorithm, request.method, named, with_domain=with_domain)
        failure = self._nonce_failure(credentials, algorithm, now, right=right)
        if not right:
            return self._challenge(offered, now, "credentials", named)
        if failure is not None:
            return self._challenge(offered, now, failure, named)
        return Authenticated(named)

    def challenge(self, now: float) -> Challenge:
        """A challenge for a request whose credentials are not even looked at."""
        return self._challenge(self._algorithms, now, "none")

    def _presented(self, request: Request) -> Mapping[str, DigestCredentials]:
        """The credentials for our realm by algorithm; the first of each wins."""
        values = request.all("authorization")
        if len(values) > _MAX_CREDENTIALS:
            raise PeerError(400, "Too Many Authorization Headers")
        presented: dict[str, DigestCredentials] = {}
        for value in values:
            credentials = DigestCredentials.parse(value)
            if credentials is not None and credentials.realm == self._realm:
                presented.setdefault(credentials.algorithm, credentials)
        return presented

    def _named(self, username: str) -> tuple[str, bool]:
        """The bare user name of a `username`, and whether our domain was with it."""
        if len(username) > _MAX_USERNAME_CHARACTERS:
            raise PeerError(400, "Malformed Authorization")
        user, at, domain = username.rpartition("@")
        with_domain = bool(at) and domain.lower() == self._realm.lower()
        return (user, True) if with_domain else (username, False)

    def _proves(
        self,
        credentials: DigestCredentials,
        algorithm: Algorithm,
        method: str,
        user: str,
        *,
        with_domain: bool,
    ) -> bool:
        """Whether the response proves that user's password. The work is the same for every user name."""
        octets = f"{algorithm}:{credentials.username}".encode("utf-8", "surrogateescape")
        unguessable = digest(self._secret, b"ha1:" + octets, "sha256").hex()
        stored = self._credentials(user)
        known = stored.of(algorithm, with_domain=with_domain) if stored is not None else ""
        ha1 = known or (unguessable if algorithm == "SHA-256" else unguessable[:32])
        expected = credentials.expected_response(ha1, method).encode("ascii")
        given = credentials.response.encode("utf-8", "surrogateescape")
        return compare_digest(expected, given) and bool(known)

    def _nonce_failure(
        self, credentials: DigestCredentials, algorithm: Algorithm, now: float, *, right: bool
    ) -> Literal["stale", "replay", "qop"] | None:
        """Why this nonce, or this use of it, is not accepted. The use is recorded if `right`."""
        count = _NO_MORE_USES
        if credentials.qop:
            digits = credentials.nonce_count
            if len(digits) != 8 or not _HEX.issuperset(digits) or not credentials.cnonce:
                return "qop"
            count = int(digits, 16)
        nonce = credentials.nonce
        signed = nonce[: _TIME_DIGITS + _SERIAL_DIGITS]
        signature = self._signature(signed, algorithm).encode("ascii")
        given = nonce[_TIME_DIGITS + _SERIAL_DIGITS :].encode("utf-8", "surrogateescape")
        if not compare_digest(signature, given):
            return "stale"
        issued_ms = int(signed[:_TIME_DIGITS], 16)
        now_ms = int(now * 1000)
        self._uses.expire(now_ms - self._lifetime_ms)
        if not now_ms - self._lifetime_ms < issued_ms <= now_ms or self._uses.forgotten(issued_ms):
            return "stale"
        # A count of zero is before the first one (RFC 7616 §3.4).
        if right and (
            count == 0 or not self._uses.take(issued_ms, int(signed[_TIME_DIGITS:], 16), count, now_ms)
        ):
            return "replay"
        return None

    def _signature(self, signed: str, algorithm: Algorithm) -> str:
        # The algorithm is signed too: a nonce of the stronger challenge is worth nothing in the weaker.
        octets = f"nonce:{algorithm}:{self._realm}:{signed}".encode("utf-8", "surrogateescape")
        return digest(self._secret, octets, "sha256").hex()[:_SIGNATURE_DIGITS]

    def _challenge(
        self, algorithms: Sequence[Algorithm], now: float, failure: Failure, user: str = ""
    ) -> Challenge:
        match failure:
            case "stale" | "replay":
                stale = True
            case "none" | "credentials" | "qop" | "algorithm":
                stale = False
            case _:
                assert_never(failure)
        headers = []
        for algorithm in algorithms:
            signed = f"{int(now * 1000):0{_TIME_DIGITS}x}{self._ids.token(_SERIAL_DIGITS // 2)}"
            nonce = signed + self._signature(signed, algorithm)
            value = str(DigestChallenge(self._realm, nonce, algorithm, stale=stale))
            headers.append(("WWW-Authenticate", value))
        return Challenge(headers, stale, failure, user)


def same_resource(given: str, request_uri: str) -> bool:
    """Whether a digest `uri` names what the Request-URI names, as far as phones and proxies keep it.

    User and host must agree; scheme `sip` against `sips`, port, parameters and headers are what a proxy
    or a phone's own rewriting changes on the way.
    """
    if given == request_uri:
        return True
    try:
        one = Uri.parse(given)
        other = Uri.parse(request_uri)
    except PeerError:
        return False
    if one.scheme not in _SIP_SCHEMES or other.scheme not in _SIP_SCHEMES:
        return one.same_as(other)
    return one.username == other.username and one.host == other.host
