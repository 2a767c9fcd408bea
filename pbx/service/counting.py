"""What happens to calls and messages, as metrics."""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Final

from pbx.call.leg import Leg
from pbx.call.quality_events import QualityTotals
from pbx.call.record import CallRecord, LegTotals
from pbx.media.values import Drops, LegStatistics
from pbx.metrics.metrics import Metrics
from pbx.metrics.names import Direction

_SRTP: Final = ("unauthenticated", "replayed")
_DROPS: Final = tuple(name for name in Drops._fields if name not in _SRTP)
_BUFFERED: Final = ("played", "late", "overflowed")
_FRAMES: Final = ("concealed", "dropped_frames", "added_frames", "comfort_noise")


class Counting:
    """The switch's observer: every call and message becomes counts and measurements, nothing else."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._dropped: Counter[str] = Counter(dict.fromkeys((*_DROPS, *_SRTP), 0))
        self._srtp: Counter[str] = Counter(dict.fromkeys((*_SRTP, *(f"rtcp_{cause}" for cause in _SRTP)), 0))
        self._buffered: Counter[str] = Counter(dict.fromkeys(_BUFFERED, 0))
        self._frames: Counter[str] = Counter(dict.fromkeys(_FRAMES, 0))
        for name, counts in (
            ("pbx_media_dropped_packets", self._dropped),
            ("pbx_srtp_packets_dropped", self._srtp),
            ("pbx_jitter_buffer_packets", self._buffered),
            ("pbx_jitter_buffer_frames", self._frames),
        ):
            metrics.observe_counts(name, partial(_as_causes, counts))

    def received(self, method: str, transport: str) -> None:
        """A request came."""
        self._metrics.request(method, "in", transport)

    def answered(self, status: int, transport: str) -> None:
        """A response came."""
        self._metrics.response(status, "in", transport)

    def malformed(self, transport: str) -> None:
        """What came is not SIP, or breaks its rules."""
        self._metrics.parse_error(transport)

    def dropped(self, rule: str, transport: str) -> None:
        """A message that nobody answers, by the rule that says so."""
        self._metrics.dropped(transport, rule)

    def challenged(self, failure: str) -> None:
        """A digest challenge: "none" answers a request without credentials."""
        self._metrics.challenged(failure)

    def call_started(self, record: CallRecord) -> None:
        """An INVITE became a call."""
        self._metrics.call_attempted("in", _trunk(record))

    def leg_started(self, trunk: str | None) -> None:
        """An INVITE of ours rings somebody."""
        self._metrics.call_attempted("out", trunk or "")

    def leg_answered(self, leg: Leg) -> None:
        """An INVITE of ours was answered, and its leg talks."""
        if leg.invited_at is not None and leg.answered_at is not None:
            self._metrics.call_answered("out", leg.answered_at - leg.invited_at, leg.trunk or "")

    def leg_finished(self, leg: Leg, now: float) -> None:
        """A leg is gone; the caller's counts as the call that it made, not here."""
        if leg.invited_at is None:
            return
        if leg.answered_at is None:
            self._metrics.call_failed("out", leg.cause or "error", leg.trunk or "")
        else:
            self._metrics.call_ended("out", now - leg.answered_at, leg.trunk or "")

    def call_progressed(self, record: CallRecord) -> None:
        """The caller was told of ringing."""
        if record.post_dial_s is not None:
            self._metrics.call_rang("in", record.post_dial_s, _trunk(record))

    def call_established(self, record: CallRecord) -> None:
        """The call was answered."""
        if record.setup_s is not None:
            self._metrics.call_answered("in", record.setup_s, _trunk(record))

    def call_finished(self, record: CallRecord) -> None:
        """The last leg is gone: the end, and what each leg's media came to."""
        metrics = self._metrics
        if record.talked_s is not None:
            metrics.call_ended("in", record.talked_s, _trunk(record))
        else:
            metrics.call_failed("in", record.cause or "error", _trunk(record))
        for leg in record.legs:
            if leg.statistics is not None:
                self._measured(leg, leg.statistics)

    def alarmed(self, kind: str, direction: str, trunk: str | None) -> None:
        """Something was told of a leg's quality while it lasts."""
        self._metrics.quality_told(kind, direction, trunk or "")

    def media_counted(self, before: LegStatistics, after: LegStatistics) -> None:
        """What has come to a leg's media since it was counted last."""
        if after.dropped != before.dropped:
            _add(self._dropped, before.dropped, after.dropped, (*_DROPS, *_SRTP))
            _add(self._srtp, before.dropped, after.dropped, _SRTP)
        if after.rtcp != before.rtcp:
            _add(self._srtp, before.rtcp, after.rtcp, _SRTP, "rtcp_")
        if after.mix.played != before.mix.played and after.mix.delay_ms is not None:
            self._metrics.jitter_buffered(after.mix.delay_ms / 1000)
        if after.mix != before.mix:
            _add(self._buffered, before.mix, after.mix, _BUFFERED)
            _add(self._frames, before.mix, after.mix, _FRAMES)

    def _measured(self, leg: LegTotals, statistics: LegStatistics) -> None:
        """What one leg's media came to, in both directions; what was not measured makes no sample."""
        metrics, trunk = self._metrics, leg.trunk or ""
        received, sent, heard = statistics.received, statistics.sent, statistics.heard
        round_trip = _seconds(heard.round_trip_ms)
        if round_trip is not None:
            metrics.round_trip_measured(round_trip, trunk)
        quality = leg.quality or QualityTotals()
        directions: tuple[tuple[Direction, int, int | None, float | None, float | None], ...] = (
            ("in", received.packets, received.lost, received.jitter_ms, quality.heard.mos),
            ("out", sent.packets, heard.lost, heard.jitter_ms, quality.said.mos),
        )
        for direction, packets, lost, jitter_ms, mos in directions:
            metrics.media_measured(
                direction, packets=packets, lost=lost, jitter_seconds=_seconds(jitter_ms), trunk=trunk
            )
            if mos is not None and leg.codec is not None:
                metrics.quality_estimated(direction, leg.codec, mos, trunk)


def _add(
    counts: Counter[str], before: object, after: object, names: tuple[str, ...], prefix: str = ""
) -> None:
    for name in names:
        # A number that has become smaller is another leg's.
        counts[prefix + name] += max(0, getattr(after, name) - getattr(before, name))


def _as_causes(counts: Counter[str]) -> Mapping[str, int]:
    return {name.replace("_", "-"): number for name, number in counts.items()}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _trunk(record: CallRecord) -> str:
    kind, _, name = record.source.partition("/")
    return name if kind == "trunk" else ""
