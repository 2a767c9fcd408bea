"""Which of our addresses the kernel uses to reach a peer."""

import ipaddress
import socket

from pbx.sip.flow import Address

_REMEMBERED = 4096


def is_literal(host: str) -> bool:
    """Whether a host is an IPv4 or IPv6 address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Routes:
    """The source address the kernel would choose for each peer, remembered for the last few thousand peers.

    `external_address` replaces it for peers that are not on a private or loopback network: that is what SDP,
    Via and Contact say when we are behind a NAT.
    """

    def __init__(self, external_address: str | None = None) -> None:
        self._external = external_address
        self._known: dict[str, str] = {}

    def address_to(self, host: str) -> str:
        """Our address as the peer at `host` (an IP literal) reaches it; its own when there is no route."""
        known = self._known.get(host)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[host] = self._find(host)
        return known

    def _find(self, host: str) -> str:
        if self._external is not None and not ipaddress.ip_address(host).is_private:
            return self._external
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                # Connecting a datagram socket sends nothing; port 9 is discard's.
                probe.connect((host, 9))
            except OSError:
                return host
            address: Address = probe.getsockname()[:2]
            return address[0]
