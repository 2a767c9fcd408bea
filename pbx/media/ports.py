"""Pairs of ports: an even one for RTP and the next for RTCP (RFC 3550 §11), bound before they are needed."""

import errno
import resource
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pbx.errors import OperatorError
from pbx.media.values import Family

# Descriptors that the rest of the process needs.
RESERVED_DESCRIPTORS = 512
# Ports of other programs that one attempt to grow goes past, so that it never takes long.
SKIPPED = 64

_ANY: dict[Family, str] = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - media is taken on every address of the host
_KIND: dict[Family, socket.AddressFamily] = {4: socket.AF_INET, 6: socket.AF_INET6}

_UNAVAILABLE = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bound sockets and the row of the leg table that is theirs for good."""

    row: int
    port: int
    family: Family
    rtp: socket.socket
    rtcp: socket.socket

    def close(self) -> None:
        """Give both ports back to the kernel."""
        self.rtp.close()
        self.rtcp.close()


def pairs_in(ports: range) -> int:
    """How many even/odd pairs lie in a range."""
    first = ports.start + ports.start % 2
    return max(0, (ports.stop - first) // 2)


def descriptor_budget(wanted: int) -> int:
    """How many pairs the process may hold open, after raising its own limit as far as it needs and may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + RESERVED_DESCRIPTORS
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(0, (soft - RESERVED_DESCRIPTORS) // 2)


def _bind(family: Family, port: int) -> socket.socket:
    bound = socket.socket(_KIND[family], socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == 6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((_ANY[family], port))
    except BaseException:
        bound.close()
        raise
    return bound


class PortPool:
    """Free pairs of both families over one range, at most `limit` of them bound at a time.

    Pairs are given out in the order in which they came back, so that a port rests as long as it can.
    """

    def __init__(self, ports: range, limit: int) -> None:
        self._first = ports.start + ports.start % 2
        self._stop = ports.stop
        self.limit = limit
        self._pairs: dict[int, Pair] = {}
        self._free: dict[Family, deque[Pair]] = {4: deque(), 6: deque()}
        self._untried: dict[Family, Iterator[int]] = {4: self._candidates(), 6: self._candidates()}
        self._held: dict[Family, list[int]] = {4: [], 6: []}
        self._starved = False

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, row: int) -> Pair:
        return self._pairs[row]

    def _candidates(self) -> Iterator[int]:
        return iter(range(self._first, self._stop - 1, 2))

    def free(self, family: Family) -> int:
        """How many pairs are bound and not taken."""
        return len(self._free[family])

    def grow(self, family: Family, count: int) -> int:
        """Bind up to `count` more pairs, skipping those that other programs hold; how many were bound.

        Raises OperatorError when the host does not speak the family at all.
        """
        bound = 0
        tries = count + SKIPPED
        self._starved = False
        while bound < count and tries > 0 and len(self._pairs) < self.limit and not self._starved:
            tries -= 1
            port = next(self._untried[family], None)
            if port is None:
                # Ports that another program held may be free by now; they are tried again another time.
                held, self._held[family] = self._held[family], []
                self._untried[family] = iter(held)
                break
            pair = self._bind_pair(family, port)
            if pair is None:
                self._held[family].append(port)
                continue
            self._pairs[pair.row] = pair
            self._free[family].append(pair)
            bound += 1
        return bound

    def _bind_pair(self, family: Family, port: int) -> Pair | None:
        try:
            rtp = _bind(family, port)
        except OSError as error:
            self._unbound(family, error)
            return None
        try:
            rtcp = _bind(family, port + 1)
        except OSError as error:
            rtp.close()
            self._unbound(family, error)
            return None
        return Pair(len(self._pairs), port, family, rtp, rtcp)

    def _unbound(self, family: Family, error: OSError) -> None:
        if error.errno in {errno.EADDRINUSE, errno.EACCES}:
            return
        if error.errno in _UNAVAILABLE:
            raise OperatorError(
                f"IPv{family} is not available on this host ({error.strerror})",
                "use addresses of the other family",
            ) from error
        if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
            self._starved = True
            return
        raise OperatorError(
            f"cannot bind media ports ({error.strerror})", "check `media: {ports: …}`"
        ) from error

    def take(self, family: Family) -> Pair | None:
        """The pair that came back last, after its rest, or None."""
        free = self._free[family]
        # Not the oldest: so only as many rows are ever touched as there are legs at once.
        return free.pop() if free else None

    def put_back(self, row: int) -> None:
        """A pair is drained, disconnected and rested: it may be given out again."""
        pair = self._pairs[row]
        self._free[pair.family].append(pair)

    def close(self) -> None:
        """Close every socket."""
        for pair in self._pairs.values():
            pair.close()
        self._pairs.clear()
        for free in self._free.values():
            free.clear()
