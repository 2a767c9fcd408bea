"""Addresses of host names, asked off the reactor's thread and remembered for a minute."""

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool

from pbx.net.addresses import is_literal

REMEMBER_S = 60.0
_REMEMBERED = 1024

Lookup = Callable[[str], str | None]


def system_lookup(host: str) -> str | None:
    """The first address the system's resolver gives, IPv4 before IPv6; None when there is none. Blocks."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):
        return None
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return str(found[0][4][0]) if found else None


class Resolver:
    """Names to addresses; a name that has none is left out, and asked for again after a minute."""

    def __init__(self, reactor: Any, lookup: Lookup = system_lookup) -> None:
        self._reactor = reactor
        self._lookup = lookup
        self._known: dict[str, tuple[float, str | None]] = {}

    def resolve(self, names: Iterable[str]) -> "Deferred[Mapping[str, str]]":
        """An address for each name that has one; literals stand for themselves."""
        wanted = list(names)
        answer: Deferred[list[str | None]] = gatherResults([self._one(name) for name in wanted])
        return answer.addCallback(
            lambda found: {
                name: address for name, address in zip(wanted, found, strict=True) if address is not None
            }
        )

    def _one(self, name: str) -> "Deferred[str | None]":
        done: Deferred[str | None] = Deferred()
        known = self._known.get(name)
        if is_literal(name):
            done.callback(name)
        elif known is not None and known[0] > self._reactor.seconds():
            done.callback(known[1])
        else:
            pool = self._reactor.getThreadPool()
            done = deferToThreadPool(self._reactor, pool, self._lookup, name)
            done.addCallback(self._remember, name)
        return done

    def _remember(self, address: str | None, name: str) -> str | None:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = (self._reactor.seconds() + REMEMBER_S, address)
        return address
