"""A media plane that opens no socket: it remembers what it was told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pbx.errors import ResourcesExhausted
from pbx.media.values import LegId, LegStatistics
from pbx.sdp.crypto import Security


@dataclass
class Row:
    """What one leg was told last."""

    port: int
    family: int
    remote: tuple[str, int] | None = None
    receive: bool = False
    send: bool = False
    payload_map: dict[int, int] = field(default_factory=dict)
    echo: bool = False
    security: Security | None = None
    peer: LegId | None = None


class FakeMedia:
    """Implements pbx.call.media.Media; `limit` port pairs."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.rows: dict[LegId, Row] = {}
        self.closed: list[LegId] = []
        self._next = 0

    def open(self, family: Literal[4, 6] = 4, beside: LegId | None = None) -> tuple[LegId, int]:
        if len(self.rows) >= self.limit:
            raise ResourcesExhausted("media ports", 2)
        self._next += 1
        leg = LegId(self._next, 1)
        self.rows[leg] = Row(20000 + 2 * self._next, family)
        return leg, self.rows[leg].port

    def configure(
        self,
        leg: LegId,
        *,
        remote: tuple[str, int],
        receive: bool,
        send: bool,
        payload_map: Mapping[int, int],
        clock_rates: Mapping[int, int],
    ) -> None:
        row = self.rows[leg]
        row.remote, row.receive, row.send, row.payload_map = remote, receive, send, dict(payload_map)
        assert set(payload_map) <= set(clock_rates)

    def secure(self, leg: LegId, security: Security | None) -> None:
        assert not self.rows[leg].send or self.rows[leg].security is not None or security is None
        self.rows[leg].security = security

    def bridge(self, a: LegId, b: LegId) -> None:
        self.rows[a].peer, self.rows[b].peer = b, a

    def unbridge(self, a: LegId) -> None:
        peer, self.rows[a].peer = self.rows[a].peer, None
        if peer is not None:
            self.rows[peer].peer = None

    def echo(self, leg: LegId) -> None:
        self.rows[leg].echo = True

    def close(self, leg: LegId) -> LegStatistics:
        del self.rows[leg]
        self.closed.append(leg)
        return LegStatistics()

    def statistics(self, leg: LegId) -> LegStatistics:
        return LegStatistics()

    @property
    def hearing(self) -> set[tuple[int, int]]:
        """Which ports are bridged with which, both ways."""
        return {
            (row.port, self.rows[row.peer].port)
            for row in self.rows.values()
            if row.peer is not None and row.peer in self.rows
        }
