"""What the watch over a leg's quality is told and says."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, assert_never

Direction = Literal["in", "out"]
Band = Literal["excellent", "good", "fair", "poor", "bad"]

_BANDS: Final[tuple[tuple[float, Band], ...]] = (
    (4.0, "excellent"),
    (3.5, "good"),
    (3.0, "fair"),
    (2.5, "poor"),
)


def band_of(mos: float) -> Band:
    """The word for a MOS: excellent from 4.0, good from 3.5, fair from 3.0, poor from 2.5, else bad."""
    for least, band in _BANDS:
        if mos >= least:
            return band
    return "bad"


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """When something is said.

    `alert_mos` and `alert_samples`: so many samples in a row below it raise an alert, so many at or above it
    end it. `one_way_s`: nothing comes, though we send. `dead_air_s`: neither side is louder than
    `silence_dbov`. `clipped_share`: more samples than that at full scale within an interval. `alert_samples`
    readings in a row with an echo of about the same delay raise its alarm. `fewest` packets make a sample.
    `rtp_timeout_s`: neither RTP nor RTCP comes, though both directions were agreed on (0: never said).
    """

    alert_mos: float = 3.0
    alert_samples: int = 3
    one_way_s: float = 10.0
    dead_air_s: float = 20.0
    silence_dbov: float = -60.0
    clipped_share: float = 0.01
    fewest: int = 25
    rtp_timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud the last interval was, in dBov (0 is full scale; None: not measured), and what was clipped.

    `heard_dbov` is the peer's voice, `said_dbov` what we sent it; `clipped_share` is the part of the peer's
    samples at full scale.
    """

    heard_dbov: float | None = None
    said_dbov: float | None = None
    clipped_share: float | None = None


@dataclass(frozen=True, slots=True)
class Echo:
    """What looks like an echo: how long after it was sent it comes back, and by how much quieter."""

    delay_ms: float
    loss_db: float


@dataclass(frozen=True, slots=True)
class EchoReading:
    """What a few seconds of both directions say; `echo` is None when there is none."""

    echo: Echo | None


@dataclass(frozen=True, slots=True)
class QualitySample:
    """One direction over one interval that ended `at`.

    `loss_percent` is of what was never heard, `jitter_ms` and `round_trip_ms` are as last measured.
    `reported` says that the score is the peer's own (RFC 3611), not our estimate.
    """

    direction: Direction
    at: float
    mos: float
    band: Band
    loss_percent: float
    burst_ratio: float
    jitter_ms: float | None
    round_trip_ms: float | None
    reported: bool = False


@dataclass(frozen=True, slots=True)
class QualityAlert:
    """A direction has stayed below the limit; `mos` is the mean of the samples that say so."""

    direction: Direction
    at: float
    mos: float


@dataclass(frozen=True, slots=True)
class QualityRecovered:
    """A direction that an alert was raised for is good enough again."""

    direction: Direction
    at: float
    mos: float


@dataclass(frozen=True, slots=True)
class OneWayAudio:
    """Only one direction flows though both should: nothing comes (`in`), or nothing arrives (`out`)."""

    direction: Direction
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class DeadAir:
    """Packets flow and nobody is heard on either side."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Clipping:
    """The peer's voice reaches full scale so often that it is distorted."""

    at: float
    share: float


@dataclass(frozen=True, slots=True)
class EchoSuspected:
    """What the peer is sent seems to come back from it: whoever speaks to it hears themselves."""

    at: float
    delay_ms: float
    loss_db: float


@dataclass(frozen=True, slots=True)
class RtpTimeout:
    """Nothing at all has come from the peer, neither RTP nor RTCP, though nobody is on hold."""

    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FlowsAgain:
    """What a OneWayAudio or RtpTimeout (`in` or `out`) or a DeadAir (`both`) said is over."""

    direction: Direction | Literal["both"]
    at: float


Alarm = (
    QualityAlert
    | QualityRecovered
    | OneWayAudio
    | DeadAir
    | Clipping
    | EchoSuspected
    | RtpTimeout
    | FlowsAgain
)
"""What is told to people, unlike samples."""

QualityEvent = QualitySample | Alarm

AlarmKind = Literal[
    "quality-alert",
    "quality-recovered",
    "one-way-audio",
    "dead-air",
    "clipping",
    "echo-suspected",
    "rtp-timeout",
    "flows-again",
]
"""What an alarm is called in metrics and records."""


def told(alarm: Alarm) -> tuple[AlarmKind, Direction | Literal["both"], float | None]:
    """An alarm as plain values: its kind, its direction, and its MOS, seconds, share or ms, if it has one."""
    match alarm:
        case QualityAlert(direction, _, mos):
            return "quality-alert", direction, mos
        case QualityRecovered(direction, _, mos):
            return "quality-recovered", direction, mos
        case OneWayAudio(direction, _, seconds):
            return "one-way-audio", direction, seconds
        case DeadAir(_, seconds):
            return "dead-air", "both", seconds
        case Clipping(_, share):
            return "clipping", "in", share
        case EchoSuspected(_, delay_ms):
            return "echo-suspected", "in", delay_ms
        case RtpTimeout(_, seconds):
            return "rtp-timeout", "in", seconds
        case FlowsAgain(direction, _):
            return "flows-again", direction, None
        case _:
            assert_never(alarm)


_WORDS: Final[dict[str, str]] = {
    "queue-served": "put through to an agent after {value:.0f} s",
    "queue-handled": "the agent was done after {value:.0f} s",
    "queue-gave-up": "hung up after {value:.0f} s",
    "queue-overflowed": "left without an agent after {value:.0f} s",
    "quality-alert": "quality is low: MOS {value:.2f}",
    "quality-recovered": "quality is good enough again: MOS {value:.2f}",
    "one-way-audio": "audio flows one way only, for {value:.0f} s",
    "dead-air": "nobody is heard, for {value:.0f} s",
    "clipping": "the voice is distorted: {value:.1%} of it at full scale",
    "echo-suspected": "what it is sent seems to come back, {value:.0f} ms later",
    "rtp-timeout": "neither RTP nor RTCP came for {value:.0f} s",
    "flows-again": "audio flows again",
    "recording-paused": "the recording was paused",
    "recording-resumed": "the recording went on",
    "recording-disk-full": "the recording ended, because the disk is full",
    "recording-disk-failed": "the recording ended, because the disk failed",
    "recording-too-large": "the recording ended, because it has the size that recordings may have",
}
_SIDES: Final = {"in": "what we hear", "out": "what they hear", "both": "both directions"}


def alarm_words(kind: str, direction: str, value: float | None) -> str:
    """The same for a person to read; a kind that is not known stands for itself."""
    side = _SIDES.get(direction)
    words = _WORDS.get(kind)
    # What a store has may be of another version, and is not to be read as a pattern.
    text = kind if words is None else words.format(value=0.0 if value is None else value)
    return text if side is None else f"{side}: {text}"


class DirectionTotals(NamedTuple):
    """A direction of a leg from first to last; everything is None until it was measured.

    `mos` is of the whole call, `worst_mos` the lowest sample; `bad_samples` were below the alert's limit.
    """

    mos: float | None = None
    worst_mos: float | None = None
    loss_percent: float | None = None
    burst_ratio: float | None = None
    jitter_ms: float | None = None
    samples: int = 0
    bad_samples: int = 0
    alerts: int = 0


class QualityTotals(NamedTuple):
    """Both directions of a leg, its last measured round trip, and how long it was one-way or dead."""

    heard: DirectionTotals = DirectionTotals()
    said: DirectionTotals = DirectionTotals()
    round_trip_ms: float | None = None
    one_way_s: float = 0.0
    dead_air_s: float = 0.0
