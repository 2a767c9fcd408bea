"""The quality of one leg while it lasts: samples at intervals, alerts when it stays bad, totals at the end.

`in` is what we hear of the peer (RFC 3550, counted here); `out` is what the peer says it hears of us (RTCP
receiver reports, RFC 3611 where it is sent). The two are kept apart, and what was not measured is None.
"""

import math
from typing import Final, Literal

from pbx.call.echo_trend import EchoTrend
from pbx.call.quality_events import (
    AlarmKind,
    Clipping,
    DeadAir,
    Direction,
    DirectionTotals,
    EchoReading,
    EchoSuspected,
    FlowsAgain,
    Levels,
    OneWayAudio,
    QualityAlert,
    QualityEvent,
    QualityLimits,
    QualityRecovered,
    QualitySample,
    QualityTotals,
    RtpTimeout,
    band_of,
)
from pbx.media.values import LegStatistics
from pbx.rtp.quality import MIN_PACKETS, burst_ratio, estimate

# A packet is as long as this before it can be sent.
PACKET_MS: Final = 20.0

# A receiver report that leaves nothing over.
_ALL_LOST: Final = 0.99

# The mean square of a square wave at full scale, which is 0 dBov, and what stands for silence: -127 dBov.
_FULL_POWER: Final = 32768.0**2
_LEAST_POWER: Final = _FULL_POWER * 10**-12.7

_NOTHING: Final = LegStatistics()
_NO_QUALITY: Final = QualityTotals()
_USUAL: Final = QualityLimits()


class _Trend:
    """Samples of one direction in a row: the alert, and what they come to."""

    __slots__ = ("alerted", "alerts", "bad", "count", "last", "row", "worst")

    def __init__(self) -> None:
        self.alerted = False
        self.alerts = 0
        self.bad = 0
        self.count = 0
        # The samples in a row that speak against what holds at present.
        self.row: list[float] = []
        self.worst: float | None = None
        self.last: QualitySample | None = None

    def take(self, sample: QualitySample, limits: QualityLimits) -> list[QualityEvent]:
        self.count += 1
        self.last = sample
        self.worst = sample.mos if self.worst is None else min(self.worst, sample.mos)
        low = sample.mos < limits.alert_mos
        self.bad += low
        if low == self.alerted:
            self.row.clear()
            return []
        self.row.append(sample.mos)
        if len(self.row) < limits.alert_samples:
            return []
        mean = sum(self.row) / len(self.row)
        self.row.clear()
        self.alerted = low
        self.alerts += low
        kind = QualityAlert if low else QualityRecovered
        return [kind(sample.direction, sample.at, mean)]


class _Spell:
    """Something that lasts: said once it has for long enough, and again when it is over."""

    __slots__ = ("_since", "said", "total_s")

    def __init__(self) -> None:
        self._since: float | None = None
        self.said = False
        self.total_s = 0.0

    def lasts(self, holds: bool, since: float, now: float, limit_s: float) -> float | None:
        """How long it has lasted, when it is time to say so."""
        if not holds:
            self._since = None
            return None
        if self._since is None:
            self._since = since
        seconds = now - self._since
        if self.said:
            self.total_s += now - since
        elif seconds >= limit_s:
            self.said = True
            self.total_s += seconds
            return seconds
        return None

    def ends(self, holds: bool) -> bool:
        """Whether it was said and is over."""
        if holds or not self.said:
            return False
        self.said = False
        return True


class QualityWatch:
    """One leg's quality; `encoding` is its codec (RFC 3551 name), the limits say when to speak.

    Feed it a snapshot of the leg's statistics at about even intervals of a few seconds, and the last one to
    `totals` when the leg ends. Times are monotonic seconds.
    """

    __slots__ = (
        "_at",
        "_dead_air",
        "_echo",
        "_limits",
        "_one_way_in",
        "_one_way_out",
        "_timed_out",
        "_trends",
        "encoding",
        "heard_dbov",
        "last",
    )

    def __init__(self, encoding: str, now: float, limits: QualityLimits | None = None) -> None:
        self.encoding = encoding
        self._limits = limits or _USUAL
        self._at = now
        self.last = _NOTHING
        # How loud the peer was in the last interval; None: not measured.
        self.heard_dbov: float | None = None
        self._trends: dict[Direction, _Trend] = {"in": _Trend(), "out": _Trend()}
        self._one_way_in = _Spell()
        self._one_way_out = _Spell()
        self._dead_air = _Spell()
        self._timed_out = _Spell()
        self._echo = EchoTrend(now)

    @property
    def heard(self) -> QualitySample | None:
        """The latest sample of what we hear; None: there was none yet."""
        return self._trends["in"].last

    @property
    def said(self) -> QualitySample | None:
        """The latest sample of what they hear."""
        return self._trends["out"].last

    @property
    def troubles(self) -> list[tuple[AlarmKind, Direction | Literal["both"]]]:
        """What was told and is not over yet."""
        spells: tuple[tuple[bool, AlarmKind, Direction | Literal["both"]], ...] = (
            (self._trends["in"].alerted, "quality-alert", "in"),
            (self._trends["out"].alerted, "quality-alert", "out"),
            (self._one_way_in.said, "one-way-audio", "in"),
            (self._one_way_out.said, "one-way-audio", "out"),
            (self._dead_air.said, "dead-air", "both"),
            (self._echo.said, "echo-suspected", "in"),
            (self._timed_out.said, "rtp-timeout", "in"),
        )
        return [(kind, direction) for lasts, kind, direction in spells if lasts]

    def receive_snapshot(
        self,
        statistics: LegStatistics,
        now: float,
        *,
        receiving: bool,
        sending: bool,
        levels: Levels | None = None,
    ) -> list[QualityEvent]:
        """What the leg has counted so far; `receiving` and `sending` are what its SDP agreed on."""
        before, since = self.last, self._at
        self.last, self._at = statistics, now
        events: list[QualityEvent] = []
        samples = (
            _heard(self.encoding, before, statistics, now, self._limits.fewest),
            self._said(before, now),
        )
        for sample in samples:
            if sample is not None:
                events.append(sample)
                events += self._trends[sample.direction].take(sample, self._limits)
        events += self._flow(before, statistics, since, now, both=receiving and sending)
        events += self._presence(before, statistics, since, now, both=receiving and sending)
        self.heard_dbov = None if levels is None else levels.heard_dbov
        events += self._loudness(before, statistics, levels, since, now)
        return events

    def looks_for_echo(self, now: float) -> bool:
        """Whether `receive_echo` is due."""
        return self._echo.due(now)

    def receive_echo(self, reading: EchoReading | None, now: float) -> EchoSuspected | None:
        """What the last seconds say of an echo; None: they cannot tell. It is said once until it is over."""
        return self._echo.take(reading, now, self._limits.alert_samples)

    def totals(self, statistics: LegStatistics) -> QualityTotals:
        """What the whole leg came to, by its last statistics; a MOS of fewer than 100 packets is None."""
        heard = _heard(self.encoding, _NOTHING, statistics, self._at, MIN_PACKETS)
        said = _reported(self.encoding, _NOTHING, statistics, self._at, MIN_PACKETS)
        return QualityTotals(
            _totals(heard, self._trends["in"], statistics.received.jitter_ms),
            _totals(said, self._trends["out"], statistics.heard.jitter_ms),
            statistics.heard.round_trip_ms,
            self._one_way_in.total_s + self._one_way_out.total_s,
            self._dead_air.total_s,
        )

    def _said(self, before: LegStatistics, now: float) -> QualitySample | None:
        """Only a new report says something new."""
        if self.last.rtcp.received == before.rtcp.received:
            return None
        return _reported(self.encoding, before, self.last, now, self._limits.fewest)

    def _flow(
        self, before: LegStatistics, after: LegStatistics, since: float, now: float, *, both: bool
    ) -> list[QualityEvent]:
        events: list[QualityEvent] = []
        sent = after.sent.packets > before.sent.packets
        came = after.received.packets > before.received.packets
        fraction = after.heard.fraction_lost
        deaf = came and sent and fraction is not None and fraction > _ALL_LOST
        cases: tuple[tuple[_Spell, bool, Direction], ...] = (
            (self._one_way_in, both and sent and not came, "in"),
            (self._one_way_out, both and deaf, "out"),
        )
        for spell, holds, direction in cases:
            seconds = spell.lasts(holds, since, now, self._limits.one_way_s)
            if seconds is not None:
                events.append(OneWayAudio(direction, now, seconds))
            elif spell.ends(holds):
                events.append(FlowsAgain(direction, now))
        return events

    def _presence(
        self, before: LegStatistics, after: LegStatistics, since: float, now: float, *, both: bool
    ) -> list[QualityEvent]:
        """Whether anything comes at all: a peer that is silent on purpose still reports (RFC 3550 §6.2)."""
        limit_s = self._limits.rtp_timeout_s
        gone = (
            both
            and limit_s > 0
            and after.received.packets == before.received.packets
            and after.rtcp.received == before.rtcp.received
        )
        seconds = self._timed_out.lasts(gone, since, now, limit_s)
        if seconds is not None:
            return [RtpTimeout(now, seconds)]
        return [FlowsAgain("in", now)] if self._timed_out.ends(gone) else []

    def _loudness(
        self, before: LegStatistics, after: LegStatistics, levels: Levels | None, since: float, now: float
    ) -> list[QualityEvent]:
        if levels is None:
            return []
        events: list[QualityEvent] = []
        limits = self._limits
        silent = (
            after.received.packets > before.received.packets
            and levels.heard_dbov is not None
            and levels.said_dbov is not None
            and max(levels.heard_dbov, levels.said_dbov) < limits.silence_dbov
        )
        seconds = self._dead_air.lasts(silent, since, now, limits.dead_air_s)
        if seconds is not None:
            events.append(DeadAir(now, seconds))
        elif self._dead_air.ends(silent):
            events.append(FlowsAgain("both", now))
        share = levels.clipped_share
        if share is not None and share > limits.clipped_share:
            events.append(Clipping(now, share))
        return events


def unwatched_totals(encoding: str, statistics: LegStatistics) -> QualityTotals:
    """What a whole leg came to that was not watched, by its last statistics."""
    if statistics.received == _NOTHING.received and statistics.heard == _NOTHING.heard:
        return _NO_QUALITY
    return QualityWatch(encoding, 0.0).totals(statistics)


def levels_between(before: LegStatistics, after: LegStatistics, said_dbov: float | None) -> Levels:
    """How loud a leg was between two readings; `said_dbov` is what it was sent, if known."""
    old, new = before.loudness, after.loudness
    packets, samples = new.packets - old.packets, new.samples - old.samples
    if packets <= 0 or samples <= 0:
        return Levels(None, said_dbov, None)
    power = max((new.power - old.power) / packets, _LEAST_POWER)
    heard_dbov = 10 * math.log10(power / _FULL_POWER)
    return Levels(heard_dbov, said_dbov, (new.clipped - old.clipped) / samples)


def never_heard(statistics: LegStatistics) -> int:
    """Packets that nobody heard: lost on the way, or too late (RFC 3550 counts repeats as received)."""
    received = statistics.received
    return (received.lost or 0) + received.duplicated + _too_late(statistics)


def _too_late(statistics: LegStatistics) -> int:
    """Packets that came and were not heard: the relay's, and those that the jitter buffer had no use for."""
    mix = statistics.mix
    return statistics.received.late + mix.late + mix.overflowed


def _buffering_ms(before: LegStatistics, after: LegStatistics) -> float:
    """What adds to half the round trip: packet time, and the jitter buffer while the leg is mixed."""
    one, other = before.mix, after.mix
    if other.played == one.played or other.delay_ms is None:
        return PACKET_MS
    return PACKET_MS + other.delay_ms


def _heard(
    encoding: str,
    before: LegStatistics,
    after: LegStatistics,
    now: float,
    fewest: int,
) -> QualitySample | None:
    """What came from the peer between two snapshots, or None when it was too little to tell."""
    one, other = before.received, after.received
    if other.lost is None:
        return None
    lost = max(0, never_heard(after) - never_heard(before))
    late = _too_late(after) - _too_late(before)
    arrived = other.packets - one.packets - (other.duplicated - one.duplicated) - late
    expected = max(0, arrived) + lost
    runs = None if other.loss_runs is None else other.loss_runs - (one.loss_runs or 0)
    round_trip_ms = after.heard.round_trip_ms
    buffering_ms = _buffering_ms(before, after)
    return _sample(
        "in", encoding, expected, lost, runs, other.jitter_ms, round_trip_ms, now, buffering_ms, fewest
    )


def _reported(
    encoding: str, before: LegStatistics, after: LegStatistics, now: float, fewest: int
) -> QualitySample | None:
    """What the peer says it heard of us between two snapshots; its own score where it sends one."""
    heard = after.heard
    voice = heard.voice
    if voice is not None and voice.conversational_mos is not None:
        mos = voice.conversational_mos
        round_trip_ms = heard.round_trip_ms or voice.round_trip_ms or None
        return QualitySample(
            "out",
            now,
            mos,
            band_of(mos),
            voice.loss_percent,
            1.0,
            heard.jitter_ms,
            round_trip_ms,
            reported=True,
        )
    if heard.lost is None:
        return None
    expected = after.sent.packets - before.sent.packets
    lost = min(expected, max(0, heard.lost - (before.heard.lost or 0)))
    return _sample(
        "out", encoding, expected, lost, None, heard.jitter_ms, heard.round_trip_ms, now, PACKET_MS, fewest
    )


def _sample(
    direction: Direction,
    encoding: str,
    expected: int,
    lost: int,
    runs: int | None,
    jitter_ms: float | None,
    round_trip_ms: float | None,
    now: float,
    buffering_ms: float,
    fewest: int,
) -> QualitySample | None:
    bursts = burst_ratio(expected, lost, runs)
    found = estimate(
        encoding,
        expected=expected,
        lost=lost,
        round_trip=None if round_trip_ms is None else round_trip_ms / 1000,
        buffering=buffering_ms / 1000,
        burst_ratio=bursts,
        fewest=fewest,
    )
    if found is None:
        return None
    loss = 100 * lost / expected
    return QualitySample(
        direction, now, found.mos, band_of(found.mos), loss, bursts, jitter_ms, round_trip_ms
    )


def _totals(sample: QualitySample | None, trend: _Trend, jitter_ms: float | None) -> DirectionTotals:
    return DirectionTotals(
        None if sample is None else sample.mos,
        trend.worst,
        None if sample is None else sample.loss_percent,
        None if sample is None else sample.burst_ratio,
        jitter_ms,
        trend.count,
        trend.bad,
        trend.alerts,
    )
