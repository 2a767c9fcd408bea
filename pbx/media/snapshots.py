"""Rows of the tables as values, read while the media thread goes on writing to them."""

import os
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from pbx.media.addresses import unpack
from pbx.media.layout import (
    BUFFERED_BOUNDS,
    BUFFERED_TOTAL,
    DISCARDED,
    ENVELOPE,
    ERRORS,
    EVENTS_LOST,
    LATENESS_BOUNDS,
    LATENESS_TOTAL,
    LEG,
    PACKETS,
    PASSES,
    POWER_BITS,
    WORK_BOUNDS,
    WORK_TOTAL,
    Shared,
    Tables,
    place,
)
from pbx.media.mixtables import ENCODED_FRAMES, MIXED, MIXED_FRAMES, PART, SKIPPED_TICKS, Mix
from pbx.media.rows import Row, Rows, Words
from pbx.media.values import (
    Drops,
    Envelope,
    LegId,
    LegStatistics,
    LoopStatistics,
    Loudness,
    MixCounts,
    PeerReport,
    ReceiveCounts,
    RtcpCounts,
    SendCounts,
)
from pbx.rtp.xr import VoipMetrics, parse_metrics


def _picked(*names: str) -> Callable[[Row], Row]:
    """What takes these columns out of a row, in their order."""
    return itemgetter(*(place(LEG, name) for name in names))


# The columns of each value, in the order of its fields.
_IDENTITY = _picked("version", "generation")
_SENT = _picked("sent_packets", "sent_octets", "send_failures", "refused")
_DROPPED = _picked(
    "wrong_source",
    "malformed",
    "payload_type",
    "not_receiving",
    "not_sending",
    "unbridged",
    "sequence_jumps",
    "unauthenticated",
    "replayed",
)
_RTCP = _picked(
    "rtcp_received",
    "rtcp_sent",
    "rtcp_malformed",
    "rtcp_wrong_source",
    "rtcp_unauthenticated",
    "rtcp_replayed",
)
_LOUDNESS = _picked("level_packets", "level_power", "level_samples", "level_clipped")
_RECEIVED = _picked("packets", "octets", "duplicated", "reordered", "late", "ssrc_changes")
_JITTER = _picked("jitter_samples", "jitter", "transit_rate")
_LOST = _picked("expected_before", "highest", "base", "received_before", "source_received", "loss_runs")
_HEARD = _picked(
    "heard_reports", "heard_lost", "heard_fraction", "heard_jitter", "round_trip", "metrics_heard"
)
_METRICS = _picked("stream_ssrc", *(f"metrics_{number}" for number in range(1, 8)))
_IS_PROVEN, _HAS_SOURCE = place(LEG, "proven"), place(LEG, "has_source")
_MIXED_COUNTS = itemgetter(*(place(PART, name) for name in MixCounts._fields[2:]))
_BUFFER = itemgetter(*(place(PART, name) for name in ("audio", "delayed", "delay", "target")))
# The media thread holds a row for about a microsecond, and longer only when it was interrupted there.
_ATTEMPTS = 100_000


def consistent_row(rows: Rows, leg: LegId) -> tuple[Row, bytes] | None:
    """A row not written to while it was read, with its proven address; None when it is another leg's."""
    row = leg.row
    for _ in range(_ATTEMPTS):
        before = rows.version(row)
        if before & 1 == 0:
            values = rows.read(row)
            address = rows.proven(row)
            version, generation = _IDENTITY(values)
            if rows.version(row) == before == version:
                return (values, address) if generation == leg.generation else None
        os.sched_yield()
    return None


def leg_statistics(rows: Rows, leg: LegId, parts: Words | None = None) -> LegStatistics:
    """What is known of a leg; of one that is closed, nothing."""
    found = consistent_row(rows, leg)
    if found is None:
        return LegStatistics()
    row, address = found
    return LegStatistics(
        _received(row),
        SendCounts._make(_SENT(row)),
        Drops._make(_DROPPED(row)),
        _heard(row),
        RtcpCounts._make(_RTCP(row)),
        unpack(address) if row[_IS_PROVEN] else None,
        _mixed(parts.read(leg.row)) if parts is not None else MixCounts(),
        Loudness._make(_LOUDNESS(row)),
    )


def envelope(shared: Shared, leg: LegId) -> Envelope:
    """How loud a leg was by 20 ms; each word is whole, and one that is overwritten meanwhile is later."""
    words = shared.envelopes[leg.row].copy()
    times = words >> POWER_BITS
    end = int(times.max())
    if not end:
        return Envelope(0, np.zeros(0))
    powers = np.full(ENVELOPE, np.nan)
    places = times - (end - ENVELOPE + 1)
    known = places >= 0
    powers[places[known]] = words[known] & ((1 << POWER_BITS) - 1)
    return Envelope(end, powers)


def _received(row: Row) -> ReceiveCounts:
    packets, octets, duplicated, reordered, late, ssrc_changes = _RECEIVED(row)
    samples, jitter, rate = _JITTER(row)
    jitter_ms = jitter / 16 / rate * 1000 if samples else None
    if not row[_HAS_SOURCE]:
        return ReceiveCounts(
            packets, octets, None, duplicated, reordered, late, jitter_ms, ssrc_changes, None, None
        )
    expected_before, highest, base, received_before, source_received, loss_runs = _LOST(row)
    lost = expected_before + highest - base + 1 - received_before - source_received
    return ReceiveCounts(
        packets, octets, lost, duplicated, reordered, late, jitter_ms, ssrc_changes, highest, loss_runs
    )


def _heard(row: Row) -> PeerReport:
    reports, lost, fraction, jitter, round_trip, metrics = _HEARD(row)
    round_trip_ms = round_trip / 1000 if round_trip >= 0 else None
    voice = _voice(row) if metrics else None
    if not reports:
        return PeerReport(round_trip_ms=round_trip_ms, voice=voice)
    return PeerReport(lost, fraction / 256, jitter / 1000 if jitter >= 0 else None, round_trip_ms, voice)


def _voice(row: Row) -> VoipMetrics | None:
    return parse_metrics(b"".join(word.to_bytes(4, "big") for word in _METRICS(row)))


def _mixed(part: Row) -> MixCounts:
    """Numbers of a part; each is whole by itself, since only counts are added up."""
    audio, delayed, delay, target = _BUFFER(part)
    if not audio:
        return MixCounts()
    if not delayed:
        return MixCounts(None, None, *_MIXED_COUNTS(part))
    return MixCounts(delay / 1000, target / 1000, *_MIXED_COUNTS(part))


def loop_statistics(threads: list[Tables], mixes: list[Mix]) -> LoopStatistics:
    """How the media threads keep up, all together."""

    def total(place: int) -> int:
        return sum(int(tables.control[place]) for tables in threads)

    def marked(place: int) -> int:
        return sum(int(mix.scratch["marks"][0, place]) for mix in mixes)

    def added(counts: list[Any], bounds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(map(sum, zip(*counts, strict=True))) if counts else (0,) * (len(bounds) + 1)

    return LoopStatistics(
        bounds_ms=tuple(bound / 1000 for bound in LATENESS_BOUNDS),
        lateness=added([tables.lateness.tolist() for tables in threads], LATENESS_BOUNDS),
        packets=total(PACKETS),
        passes=total(PASSES),
        discarded=total(DISCARDED),
        errors=total(ERRORS),
        events_lost=total(EVENTS_LOST),
        mixed_frames=marked(MIXED_FRAMES),
        encoded_frames=marked(ENCODED_FRAMES),
        mixed_bridges=marked(MIXED),
        skipped_ticks=marked(SKIPPED_TICKS),
        lateness_total_s=total(LATENESS_TOTAL) / 1e6,
        buffer_bounds_ms=tuple(bound / 1000 for bound in BUFFERED_BOUNDS),
        buffers=added([tables.buffered.tolist() for tables in threads], BUFFERED_BOUNDS),
        buffers_total_s=total(BUFFERED_TOTAL) / 1e6,
        work_bounds_ms=tuple(bound / 1000 for bound in WORK_BOUNDS),
        work=added([tables.work.tolist() for tables in threads], WORK_BOUNDS),
        work_total_s=total(WORK_TOTAL) / 1e6,
    )
