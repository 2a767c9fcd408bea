"""What a call asks of the media plane: commands by leg, and statistics back."""

from collections.abc import Mapping
from typing import Literal, Protocol

from pbx.media.values import LegId, LegStatistics
from pbx.sdp.crypto import Security


class Media(Protocol):
    """The media plane as calls see it; each method takes effect in order, at once or between two packets."""

    def open(self, family: Literal[4, 6] = 4, beside: LegId | None = None) -> tuple[LegId, int]:
        """Take a port pair, best on the media thread of `beside`: the row and its even RTP port.

        Raises ResourcesExhausted.
        """
        ...

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
        """Say where a leg's peer is, what may pass, and how payload types map to the bridged leg's."""
        ...

    def secure(self, leg: LegId, security: Security | None) -> None:
        """Say what a leg's RTP is protected with, before `configure`; None is nothing."""
        ...

    def bridge(self, a: LegId, b: LegId) -> None:
        """Let two legs hear each other."""
        ...

    def unbridge(self, a: LegId) -> None:
        """Let a leg and its bridged one hear nothing."""
        ...

    def echo(self, leg: LegId) -> None:
        """Let a leg hear itself."""
        ...

    def close(self, leg: LegId) -> LegStatistics:
        """Give the port pair back; the totals of the leg."""
        ...

    def statistics(self, leg: LegId) -> LegStatistics:
        """The totals so far."""
        ...
