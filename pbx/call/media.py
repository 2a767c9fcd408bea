"""What a call asks of the media plane: commands by leg, bridge, source and sink, and statistics back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from pbx.media.values import (
    BridgeId,
    Envelope,
    LegAudio,
    LegId,
    LegStatistics,
    Member,
    SinkId,
    Sound,
    SourceId,
)
from pbx.sdp.crypto import Security

if TYPE_CHECKING:
    from pbx.media.wav import Samples


class Media(Protocol):
    """The media plane as calls see it; each method takes effect in order, at once or between two packets.

    What is asked of a leg, bridge, source or sink that is closed does nothing.
    """

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
        audio: LegAudio | None = None,
    ) -> None:
        """Say where a leg's peer is, what may pass, and what its payload types mean.

        `payload_map` is towards the leg it is bridged with; `audio` is for the matrix, without it the leg is
        only ever relayed.
        """
        ...

    def secure(self, leg: LegId, security: Security | None) -> None:
        """Say what a leg's RTP is protected with, before `configure`; None is nothing."""
        ...

    def bridge(self, a: LegId, b: LegId) -> object:
        """Let two legs hear each other, by the cheapest way that does; what comes back is not needed.

        Raises ResourcesExhausted, and changes nothing then.
        """
        ...

    def unbridge(self, a: LegId) -> None:
        """Let a leg and its bridged one hear nothing."""
        ...

    def echo(self, leg: LegId) -> None:
        """Let a leg hear itself."""
        ...

    def open_bridge(self) -> BridgeId:
        """A bridge where everybody hears everybody else. Raises ResourcesExhausted."""
        ...

    def join(self, bridge: BridgeId, member: Member) -> None:
        """Bring a leg, source or sink onto a bridge, away from where it was."""
        ...

    def leave(self, member: Member) -> None:
        """Take it off its bridge."""
        ...

    def gain(self, bridge: BridgeId, talker: Member, listener: Member, value: float | None) -> None:
        """How loud `listener` hears `talker`: 0.0 is silence, None the default of 1.0."""
        ...

    def mute(self, leg: LegId, muted: bool) -> None:
        """Let nobody hear a leg, or everybody again."""
        ...

    def close_bridge(self, bridge: BridgeId) -> None:
        """Nobody on it hears anybody any more; its members stay open."""
        ...

    def play(
        self, sounds: Sequence[Sound], *, loops: bool = False, start: int = 0, gain: float = 1.0
    ) -> SourceId:
        """A source that plays these one after the other once it is on a bridge; `SourceEnded` ends it.

        Raises ResourcesExhausted.
        """
        ...

    def open_feed(self, rate: int = 16000) -> SourceId:
        """A source that plays what it is fed. Raises ResourcesExhausted."""
        ...

    def feed(self, source: SourceId, samples: "Samples") -> int:
        """Give a feed samples, in one thread, whichever; how many there was room for."""
        ...

    def feed_waiting(self, source: SourceId) -> int:
        """How many samples of a feed have still to be heard."""
        ...

    def close_source(self, source: SourceId) -> None:
        """End a source, and give back what it holds."""
        ...

    def open_sink(
        self,
        *,
        kind: Literal["one", "mix", "stereo"],
        left: LegId | None = None,
        right: LegId | None = None,
        rate: int = 8000,
    ) -> SinkId:
        """A sink that hears a bridge once it is on it: one leg (`left`), everybody, or two legs apart.

        Raises ResourcesExhausted.
        """
        ...

    def drain(self, sink: SinkId) -> "Samples":
        """What a sink has heard since, at its rate: (n,) samples, or (n, 2); in one thread, whichever."""
        ...

    def sink_overruns(self, sink: SinkId) -> int:
        """How many samples a sink has lost because nobody drained it in time."""
        ...

    def close_sink(self, sink: SinkId) -> "Samples":
        """End a sink; gives the samples that were not drained."""
        ...

    def send_digit(self, leg: LegId, digit: str, duration_ms: int = 160) -> None:
        """Send one press of a key as telephone-event (RFC 4733)."""
        ...

    def detect_inband(self, leg: LegId, on: bool) -> None:
        """Listen for keys in the sound of a leg."""
        ...

    def close(self, leg: LegId) -> LegStatistics:
        """Give the port pair back; the totals of the leg."""
        ...

    def envelope(self, leg: LegId) -> Envelope:
        """How loud a leg was in the latest seconds."""
        ...

    def statistics(self, leg: LegId) -> LegStatistics:
        """The totals so far."""
        ...
