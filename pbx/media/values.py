"""What the rest of the service sees of a media leg: its name, its statistics and its events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

from pbx.rtp.xr import VoipMetrics

Family = Literal[4, 6]
Address = tuple[str, int]

# What the matrix can decode and encode.
CodecName = Literal["PCMU", "PCMA", "G722", "L16"]
# How a leg is heard at the moment: `shows` of the plane.
Way = Literal["relayed", "mixed", "transcoded", "idle"]
SinkKind = Literal["one", "mix", "stereo"]


@dataclass(frozen=True, slots=True)
class LegId:
    """A row of the leg table at one generation: once the leg is closed, its holder reaches nothing."""

    row: int
    generation: int


@dataclass(frozen=True, slots=True)
class SourceId:
    """A player or a feed at one generation of its row."""

    row: int
    generation: int


@dataclass(frozen=True, slots=True)
class SinkId:
    """A place where what is heard is collected, at one generation of its row."""

    row: int
    generation: int


@dataclass(frozen=True, slots=True)
class BridgeId:
    """A bridge: numbers are never used twice."""

    number: int


Member = LegId | SourceId | SinkId


@dataclass(frozen=True, slots=True)
class LegAudio:
    """What the matrix has to know of a leg to hear it and to be heard by it.

    `decode`: by payload type that the leg may send, a CodecName, "telephone-event" (RFC 4733) or "CN"
    (RFC 3389). `encode` and `payload_type` are what it gets when it is mixed; with `encode` None it can only
    be relayed. `telephone_event` is the payload type that digits are sent with, None when it takes none.
    `ptime_ms`: 10, 20, 30, 40 or 60.
    """

    decode: Mapping[int, str]
    encode: CodecName | None
    payload_type: int
    telephone_event: int | None = None
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Mono samples of 16 bits at 8000 or 16000 Hz. They are not to be changed while they are played."""

    samples: "npt.NDArray[np.int16]"
    rate: int

    @property
    def duration_s(self) -> float:
        """How long it takes."""
        return len(self.samples) / self.rate


class ReceiveCounts(NamedTuple):
    """What came from a leg's proven source, counted as RFC 3550 says; None was not measured.

    `octets` are payload octets without header and padding (§6.4.1). `lost` is cumulative over all sources of
    the leg: expected less received, where duplicates and late packets count as received, so that it can be
    negative. `loss_runs` says in how many runs of packets one after another the loss came. `late` packets
    came too far behind to be passed on. `jitter_ms` is of the present source (A.8, at the clock rate of its
    payload type, over packets that carry a new timestamp: the packets of one telephone-event share theirs).
    """

    packets: int = 0
    octets: int = 0
    lost: int | None = None
    duplicated: int = 0
    reordered: int = 0
    late: int = 0
    jitter_ms: float | None = None
    ssrc_changes: int = 0
    extended_sequence: int | None = None
    loss_runs: int | None = None


class SendCounts(NamedTuple):
    """What was sent to a leg; `failed` packets found no room in the kernel, `refused` counts ICMP answers."""

    packets: int = 0
    octets: int = 0
    failed: int = 0
    refused: int = 0


class Drops(NamedTuple):
    """Packets of a leg that were not passed on, by reason.

    `wrong_source`: not from the proven source (or not proven yet); `malformed`: not RTP, or its header lies;
    `payload_type`: not agreed on this leg; `not_receiving`: this leg is on hold; `not_sending`: the leg it is
    bridged with takes nothing, or has no address yet; `unbridged`: nobody to give it to; `sequence`: the
    first packet after an unexplained jump (RFC 3550 A.1); `unauthenticated`: not SRTP of the
    key that was agreed; `replayed`: SRTP that came before.
    """

    wrong_source: int = 0
    malformed: int = 0
    payload_type: int = 0
    not_receiving: int = 0
    not_sending: int = 0
    unbridged: int = 0
    sequence: int = 0
    unauthenticated: int = 0
    replayed: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return (
            self.wrong_source
            + self.malformed
            + self.payload_type
            + self.not_receiving
            + self.not_sending
            + self.unbridged
            + self.sequence
            + self.unauthenticated
            + self.replayed
        )


class PeerReport(NamedTuple):
    """What the peer says it hears of us, in its latest RTCP report (RFC 3550 §6.4.1); None: never told.

    `voice` is its VoIP metrics block, when it sends extended reports (RFC 3611 §4.7).
    """

    lost: int | None = None
    fraction_lost: float | None = None
    jitter_ms: float | None = None
    round_trip_ms: float | None = None
    voice: VoipMetrics | None = None


class RtcpCounts(NamedTuple):
    """RTCP packets on a leg; it never crosses a bridge."""

    received: int = 0
    sent: int = 0
    malformed: int = 0
    wrong_source: int = 0
    unauthenticated: int = 0
    replayed: int = 0


class Loudness(NamedTuple):
    """How loud a leg has been, of the packets of G.711 that were looked at; two readings give an interval's.

    `power` is the sum of the packets' mean squares (16 bits), `clipped` of `samples` stood at full scale.
    """

    packets: int = 0
    power: int = 0
    samples: int = 0
    clipped: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """How loud a leg of G.711 was by 20 ms of a clock that all legs share.

    `powers` are mean squares (16 bits), NaN where no packet came; the last one is of the 20 ms with the
    number `end`. Empty: not known.
    """

    end: int
    powers: "npt.NDArray[np.float64]"


class MixCounts(NamedTuple):
    """What the matrix did for one leg while it was mixed.

    `delay_ms` is how long its packets wait in the jitter buffer at present (None: not mixed yet), `target_ms`
    what the buffer aims at. Of the leg's packets, `played` were heard, `late` came after their turn and
    `overflowed` had to make way after a stall; `concealed` counts frames of 20 ms that were made up for what
    was missing, `dropped_frames` and `added_frames` those by which the buffer was made shorter or longer.
    `frames` were mixed and sent to it, `skipped` fell out because the loop had stalled.
    """

    delay_ms: float | None = None
    target_ms: float | None = None
    played: int = 0
    late: int = 0
    overflowed: int = 0
    concealed: int = 0
    dropped_frames: int = 0
    added_frames: int = 0
    comfort_noise: int = 0
    frames: int = 0
    skipped: int = 0
    events: int = 0


class LegStatistics(NamedTuple):
    """A consistent snapshot of one leg; `source` is where its packets proved to come from."""

    received: ReceiveCounts = ReceiveCounts()
    sent: SendCounts = SendCounts()
    dropped: Drops = Drops()
    heard: PeerReport = PeerReport()
    rtcp: RtcpCounts = RtcpCounts()
    source: Address | None = None
    mix: MixCounts = MixCounts()
    loudness: Loudness = Loudness()


@dataclass(frozen=True, slots=True)
class LoopStatistics:
    """How the media threads keep up, summed over them.

    `lateness` has one count a bucket: how many ticks ran at most `bounds_ms[i]` after they were due, the last
    bucket holding all later ones. Waking is in whole milliseconds, so up to one of them is the clock's own.
    `buffers` counts in the same way how long the packets of mixed legs waited in their jitter buffers, each
    leg ten times a second. `work` counts, by `work_bounds_ms`, the CPU that a thread used from one tick to
    the next, which are 20 ms apart.
    """

    bounds_ms: tuple[float, ...]
    lateness: tuple[int, ...]
    packets: int
    passes: int
    discarded: int
    errors: int
    events_lost: int
    mixed_frames: int = 0
    encoded_frames: int = 0
    mixed_bridges: int = 0
    skipped_ticks: int = 0
    lateness_total_s: float = 0.0
    buffer_bounds_ms: tuple[float, ...] = ()
    buffers: tuple[int, ...] = (0,)
    buffers_total_s: float = 0.0
    work_bounds_ms: tuple[float, ...] = ()
    work: tuple[int, ...] = (0,)
    work_total_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SourceProven:
    """The leg's packets come from `address`; from now on from nowhere else."""

    leg: LegId
    address: Address


@dataclass(frozen=True, slots=True)
class MediaStopped:
    """A media thread ended by itself: no packet is relayed any more and the service should stop."""

    reason: str


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """A player that does not loop has played its last sample; it stays joined, silent, until it is closed."""

    source: SourceId


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """A key that was pressed on a leg: one of 0-9 * # A-D and ! (flash), once for each press.

    `inband`: found in the sound (`duration_ms` is then what it took to be sure), not told by RFC 4733.
    """

    leg: LegId
    digit: str
    duration_ms: int
    inband: bool


MediaEvent = SourceProven | MediaStopped | SourceEnded | DigitHeard
