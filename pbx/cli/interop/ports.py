"""Ports that two suites on one machine do not take from each other.

The kernel hands its ephemeral ports to anybody who connects, so ours lie outside of them, at random.
"""

import os
import socket
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from pbx.errors import OperatorError

IPV4: Final = "127.0.0.1"
IPV6: Final = "::1"
_SIP = range(10_000, 20_000)
_MEDIA = range(20_000, 60_000)
_MEDIA_PORTS = 128
_TRIES = 200
_EVERY_ADDRESS = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 - only to see who has a port


def family_of(address: str) -> socket.AddressFamily:
    """The family of an IP address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def bracketed(address: str) -> str:
    """An IP address as it stands before a colon and a port."""
    return f"[{address}]" if ":" in address else address


def split(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of HOST:PORT."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@cache
def has_ipv6() -> bool:
    """Whether the loopback interface speaks IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((IPV6, 0))
    except OSError:
        return False
    return True


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, host: str = IPV4) -> int:
    """A local port that nobody holds at this moment."""
    with socket.socket(family_of(host), kind) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class SipPort:
    """A phone's SIP port for the whole of a case, also while no SIPp holds it.

    SIPp binds it for one transport; until `close`, a socket of the other keeps other suites away.
    """

    def __init__(self, host: str, transport: str) -> None:
        used, other = socket.SOCK_DGRAM, socket.SOCK_STREAM
        if transport == "tcp":
            used, other = other, used
        for port in _at_random(_SIP, 1):
            self._guard = socket.socket(family_of(host), other)
            try:
                self._guard.bind((host, port))
            except OSError:
                self._guard.close()
                continue
            if is_free(host, port, used):
                self.number = port
                return
            self._guard.close()
        raise OperatorError("no free port for SIPp", f"close some programs that listen on {host}")

    def close(self) -> None:
        """Give it back."""
        self._guard.close()


def free_sip_port(host: str = IPV4) -> int:
    """A port that is free over UDP and over TCP at this moment, for programs that may use either."""
    port = SipPort(host, "udp")
    port.close()
    return port.number


def is_free(host: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> bool:
    """Whether a port can be bound now."""
    with socket.socket(family_of(host), kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_media_ports(count: int = _MEDIA_PORTS) -> str:
    """A range FIRST-LAST of UDP ports, from an even one on, that are all free now.

    What another program takes of them before the PBX does, the PBX passes over.
    """
    for first in _at_random(_MEDIA, count):
        if all(is_free(_EVERY_ADDRESS[socket.AF_INET], port) for port in range(first, first + count)):
            return f"{first}-{first + count - 1}"
    raise OperatorError(
        "no free range of media ports", f"free {count} UDP ports in a row above {_MEDIA.start}"
    )


def _at_random(ports: range, count: int) -> Sequence[int]:
    """Even ports of `ports` from which `count` lie outside of the kernel's own, in random order."""
    own = _ephemeral()
    firsts = [
        first
        for first in range(ports.start, ports.stop - count, 2)
        if first + count <= own.start or first >= own.stop
    ]
    if not firsts:
        firsts = list(range(ports.start, ports.stop - count, 2))
    return [firsts[int.from_bytes(os.urandom(4)) % len(firsts)] for _ in range(_TRIES)]


@cache
def _ephemeral() -> range:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return range(32_768, 61_000)
    first, last = map(int, text.split())
    return range(first, last + 1)
