"""Who is calling: a trunk by its address, a user by digest, or anyone."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pbx.dialplan.call import Caller
from pbx.sdp.crypto import SrtpPolicy
from pbx.service.network import Network
from pbx.sip.authentication import Authenticated, Authenticator, Challenge
from pbx.sip.digest import Algorithm
from pbx.sip.flow import Flow
from pbx.sip.headers import NameAddr
from pbx.sip.message import Request
from pbx.sip.uri import Uri

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class User:
    """What the configuration says of a user."""

    name: str = ""
    caller_id: str = ""
    srtp: SrtpPolicy | None = None


@dataclass(frozen=True, slots=True)
class Trunk:
    """A peer we route to: its host and port, and the networks its calls come from."""

    name: str
    host: str
    port: int
    transport: str = "udp"
    inbound: tuple[IpNetwork, ...] = ()
    srtp: SrtpPolicy | None = None


@dataclass(slots=True)
class Source:
    """Where a call came from: `name` is "trunk/NAME", "users" or "anyone" as an `entry` writes it.

    `srtp` is the policy of that trunk or user; None is the service's.
    """

    name: str
    caller: Caller
    trunk: str | None = None
    srtp: SrtpPolicy | None = None


class Admission:
    """Decides the source of a request: a trunk by its address, our domain by digest, else anyone."""

    def __init__(
        self,
        domain: str,
        users: Mapping[str, User],
        trunks: Sequence[Trunk],
        authenticator: Authenticator,
        network: Network,
        own_algorithms: Mapping[str, Sequence[Algorithm]] | None = None,
    ) -> None:
        self._domain = domain
        self._users = users
        self._trunks = [trunk for trunk in trunks if trunk.inbound]
        self._authenticator = authenticator
        self._network = network
        self._own_algorithms = own_algorithms or {}
        self._trunk_of = lru_cache(maxsize=4096)(self._trunk_at)

    def source(self, request: Request, flow: Flow, now: float) -> Source | Challenge:
        """The source of an INVITE, or the challenge for it. Raises PeerError (400)."""
        trunk = self._trunk_of(flow.remote[0])
        if trunk is not None:
            return Source(f"trunk/{trunk.name}", _presented(request, trusted=True), trunk.name, trunk.srtp)
        if not self.is_ours(request.from_.uri, flow):
            return Source("anyone", _presented(request, trusted=False))
        verified = self._verified(request, now)
        if isinstance(verified, Challenge):
            return verified
        user = self._users.get(verified.user)
        srtp = None if user is None else user.srtp
        return Source("users", self._user(verified, request.from_), srtp=srtp)

    def registering(self, request: Request, now: float) -> str | Challenge:
        """The user a REGISTER is authenticated as, or the challenge for it. Raises PeerError (400)."""
        verified = self._verified(request, now)
        return verified if isinstance(verified, Challenge) else verified.user

    def knows(self, user: str) -> bool:
        """Whether there is a user of this name: for our own log, never for the answer."""
        return user in self._users

    def _verified(self, request: Request, now: float) -> Authenticated | Challenge:
        algorithms = self._own_algorithms.get(request.from_.uri.username) if self._own_algorithms else None
        return self._authenticator.check(request, now, algorithms=algorithms)

    def is_ours(self, uri: Uri, flow: Flow) -> bool:
        """Whether a URI is in our domain: the domain by name, or our address as that peer reaches it."""
        host = uri.host
        return host == self._domain or host == self._network.address_to(flow)

    def _trunk_at(self, host: str) -> Trunk | None:
        if not self._trunks:
            return None
        address = ipaddress.ip_address(host)
        for trunk in self._trunks:
            if any(address in network for network in trunk.inbound):
                return trunk
        return None

    def _user(self, verified: Authenticated, from_: NameAddr) -> Caller:
        name = verified.user
        known = self._users.get(name)
        display = known.name if known is not None and known.name else _printable(from_.display)
        return Caller(name, display, name)


def _presented(request: Request, *, trusted: bool) -> Caller:
    """Number and name of a caller who is no user; a trunk's P-Asserted-Identity counts (RFC 3325 §9.1)."""
    shown = request.from_
    if trusted and request.has("p-asserted-identity"):
        shown = NameAddr.parse(request.all("p-asserted-identity")[0])
    return Caller(shown.uri.username, _printable(shown.display))


def _printable(name: str) -> str:
    """A name as it can be shown anywhere: a phone, a log or a plugin gets no control characters from it."""
    if name.isprintable():
        return name
    return "".join([character if character.isprintable() else " " for character in name])
