"""Addresses of host names, asked off the reactor's thread and remembered for a minute."""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from pbx.net.addresses import is_literal

REMEMBER_S = 60.0
# A name whose servers say nothing for so long has no address: a caller waits for it.
PATIENCE_S = 5.0
_REMEMBERED = 1024
# Names that are asked for at once; more than that many have no address.
_MAX_ASKED = 256

Lookup = Callable[[str], Sequence[str]]


def system_lookup(host: str) -> Sequence[str]:
    """The addresses that the system's resolver gives, IPv4 before IPv6. Blocks."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, ValueError):
        return ()
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    return [str(each[4][0]) for each in found]


class Resolver:
    """Names to addresses; a name that has none is left out, and asked for again after a minute.

    `reachable` says which addresses are of use to us. A name is asked for once, however many wait for it.
    """

    def __init__(
        self,
        reactor: Any,
        lookup: Lookup = system_lookup,
        reachable: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._reactor = reactor
        self._lookup = lookup
        self._reachable = reachable
        self._known: dict[str, tuple[float, str | None]] = {}
        self._asked: dict[str, list[Deferred[str | None]]] = {}

    def resolve(self, names: Iterable[str]) -> "Deferred[Mapping[str, str]]":
        """An address for each name that has one; literals stand for themselves."""
        wanted = list(names)
        answer: Deferred[list[str | None]] = gatherResults([self._one(name) for name in wanted])
        return answer.addCallback(
            lambda found: {
                name: address for name, address in zip(wanted, found, strict=True) if address is not None
            }
        )

    def stop(self) -> None:
        """Whoever still waits is told that there is no address."""
        for waiting in list(self._asked.values()):
            for answer in list(waiting):
                if not answer.called:
                    answer.callback(None)

    def _one(self, name: str) -> "Deferred[str | None]":
        if is_literal(name):
            return succeed(name)
        known = self._known.get(name)
        if known is not None and known[0] > self._reactor.seconds():
            return succeed(known[1])
        waiting = self._asked.get(name)
        if waiting is None:
            if len(self._asked) >= _MAX_ASKED:
                return succeed(None)
            waiting = self._asked[name] = []
            asked = deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._lookup, name)
            asked.addErrback(_no_addresses).addCallback(self._answered, name)
        answer: Deferred[str | None] = Deferred()
        waiting.append(answer)
        return answer.addTimeout(PATIENCE_S, self._reactor, onTimeoutCancel=_too_late)

    def _answered(self, addresses: Sequence[str], name: str) -> None:
        address = next((each for each in addresses if self._reachable(each)), None)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[name] = (self._reactor.seconds() + REMEMBER_S, address)
        for answer in self._asked.pop(name):
            if not answer.called:
                answer.callback(address)


def _no_addresses(_: Failure) -> Sequence[str]:
    return ()


def _too_late(_: object, _timeout: float) -> None:
    """What a name that took too long comes to: no address."""
