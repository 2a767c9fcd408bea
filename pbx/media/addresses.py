"""Socket addresses as the kernel lays them out (`struct sockaddr_in`, `struct sockaddr_in6`)."""

import ipaddress
import socket
import struct
import sys
from functools import lru_cache
from typing import NamedTuple

from pbx.media.layout import ADDRESS_BYTES
from pbx.media.values import Address, Family

_AF_INET = struct.pack("=H", socket.AF_INET)
_EVERYONE = ipaddress.IPv4Address("255.255.255.255")


class Host(NamedTuple):
    """What an IP literal, without its zone, is.

    `is_unspecified`: 0.0.0.0 or ::, with which old phones put a call on hold (RFC 3264 §8.4). `is_multicast`:
    a group, or everyone: nobody that RTP is sent to because a stranger says so.
    """

    family: Family
    packed: bytes
    is_unspecified: bool
    is_multicast: bool


@lru_cache(maxsize=1024)
def host_of(literal: str) -> Host:
    """Read an IP literal; the same few peers are read for every leg. Raises ValueError."""
    address = ipaddress.ip_address(literal.partition("%")[0])
    return Host(
        4 if address.version == 4 else 6,
        address.packed,
        address.is_unspecified,
        address.is_multicast or address == _EVERYONE,
    )


def pack(address: Address) -> bytes:
    """An IP literal and port as a sockaddr, padded to the room that a table has for one.

    Raises ValueError for what is no IP literal and port.
    """
    host, port = address
    if not 0 < port < 65536:
        raise ValueError(f"no port: {port}")
    packed = host_of(host).packed
    if len(packed) == 4:
        raw = _AF_INET + port.to_bytes(2, "big") + packed
    else:
        zone = host.partition("%")[2]
        scope = socket.if_nametoindex(zone) if zone and not zone.isdigit() else int(zone or 0)
        raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16s", port, 0, packed)
        raw += struct.pack("=I", scope)
    return raw.ljust(ADDRESS_BYTES, b"\0")


def unpack(raw: bytes) -> Address:
    """A sockaddr as IP literal and port; a zone is left out."""
    port = int.from_bytes(raw[2:4], "big")
    if int.from_bytes(raw[0:2], sys.byteorder) == socket.AF_INET6:
        return str(ipaddress.IPv6Address(raw[8:24])), port
    return str(ipaddress.IPv4Address(raw[4:8])), port
