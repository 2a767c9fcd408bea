"""IP addresses as the kernel writes them, and which of ours it uses to reach a peer."""

import ipaddress
import socket
from typing import Any, Literal

from pbx.sip.flow import Address

Family = Literal[4, 6]

_REMEMBERED = 4096
_WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to
_SOCKET_FAMILIES: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}


def family_of(host: str) -> Family | None:
    """4 or 6 for an IP address, with a zone or without (RFC 4007 §11); None for anything else, a name say."""
    try:
        if ":" in host:
            socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
            return 6
        socket.inet_pton(socket.AF_INET, host)
    except (OSError, ValueError):
        return None
    return 4


def is_literal(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address rather than a name."""
    return family_of(host) is not None


def is_wildcard(host: str) -> bool:
    """Whether a listener's host stands for every address of its family."""
    return host in _WILDCARDS


def source_of(host: str) -> str:
    """What one peer can be told by: its IPv4 address, or the /64 that a host on IPv6 has to itself."""
    if ":" not in host:
        return host
    address = host.partition("%")[0]
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address)[:8] + bytes(8))


def canonical(host: str) -> str:
    """An IP address in the one way that the kernel writes it, its zone kept."""
    if ":" not in host:
        return host
    address, percent, zone = host.partition("%")
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, address)) + percent + zone


def to_kernel(remote: Address) -> tuple[Any, ...]:
    """An address as `sendto` and `connect` take it, its zone as a number. Raises OSError when it has none."""
    host, port = remote
    address, percent, zone = host.partition("%")
    if not percent:
        return remote
    return (address, port, 0, int(zone) if zone.isascii() and zone.isdigit() else socket.if_nametoindex(zone))


def from_kernel(address: tuple[Any, ...]) -> Address:
    """Host and port of what `recvfrom` and `getsockname` give; a link-local host has its zone."""
    if len(address) == 4 and address[3]:
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        return socket.getnameinfo((address[0], address[1], 0, address[3]), flags)[0], address[1]
    return address[0], address[1]


class Routes:
    """The source address the kernel would choose for each peer, remembered for the last few thousand peers.

    `external_address` replaces it for peers of its family out in the internet, which are on no private,
    shared or loopback network: that is what SDP, Via and Contact say when we are behind a NAT.
    """

    def __init__(self, external_address: str | None = None) -> None:
        self._external = external_address
        self._external_family = None if external_address is None else family_of(external_address)
        self._sources: dict[str, str] = {}

    def address_to(self, host: str, bound: str) -> str:
        """Our address as the peer at `host` (an IP address) reaches the listener that is bound to `bound`.

        It is the listener's own, or for a wildcard the kernel's choice; the peer's when there is no route.
        """
        if (
            self._external is not None
            and family_of(host) == self._external_family
            and ipaddress.ip_address(host).is_global
        ):
            return self._external
        if not is_wildcard(bound):
            return bound.partition("%")[0]
        return self.source(host) or host

    def source(self, host: str) -> str | None:
        """The address that packets to the IP address `host` leave from; None when there is no route."""
        known = self._sources.get(host)
        if known is None:
            known = self._find(host)
            if known is not None:
                if len(self._sources) >= _REMEMBERED:
                    self._sources.clear()
                self._sources[host] = known
        return known

    @staticmethod
    def _find(host: str) -> str | None:
        family = family_of(host)
        if family is None:
            return None
        try:
            with socket.socket(_SOCKET_FAMILIES[family], socket.SOCK_DGRAM) as probe:
                # Connecting a datagram socket sends nothing; port 9 is discard's.
                probe.connect(to_kernel((host, 9)))
                return str(probe.getsockname()[0])
        except OSError:
            return None
