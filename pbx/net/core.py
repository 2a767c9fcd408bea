"""What the network edge feeds, and what it gets back: a core of pure machines behind one protocol."""

from collections.abc import Sequence
from typing import Protocol

from pbx.sip.flow import Flow
from pbx.sip.framing import FramingError
from pbx.sip.outputs import Transmit


class Core(Protocol):
    """The user agent core (RFC 3261 §5): bytes and due times in, bytes to send out."""

    def receive(self, data: bytes, flow: Flow, now: float, late_s: float | None = None) -> Sequence[Transmit]:
        """One whole message, or what claims to be one; it waited `late_s` at most (None: unknown)."""
        ...

    def receive_unframed(self, error: FramingError, flow: Flow, now: float) -> Sequence[Transmit]:
        """A stream whose next message cannot be found; it is closed after what is returned was sent."""
        ...

    def transport_failed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        """What was sent along `flow` did not leave, or nothing can be sent along it any more."""
        ...

    def flow_closed(self, flow: Flow, now: float) -> Sequence[Transmit]:
        """A stream was closed by its peer or by us; nothing comes along it any more."""
        ...

    def served(self) -> None:
        """Everything that was there has been given, and what was returned was sent."""
        ...

    def next_deadline(self) -> float | None:
        """When `handle_timer` wants to be called."""
        ...

    def woke(self, late_s: float) -> None:
        """The timer fired so long after it was due."""
        ...

    def handle_timer(self, now: float) -> Sequence[Transmit]:
        """Do what is due."""
        ...
