"""Rows of the tables as values, read while the media thread goes on writing to them."""

import os
from typing import Any

from pbx.media.addresses import unpack
from pbx.media.layout import (
    BUFFERED_BOUNDS,
    BUFFERED_TOTAL,
    DISCARDED,
    ERRORS,
    EVENTS_LOST,
    LATENESS_BOUNDS,
    LATENESS_TOTAL,
    LEG,
    PACKETS,
    PASSES,
    PROVEN,
    WORK_BOUNDS,
    WORK_TOTAL,
    Shared,
    Tables,
)
from pbx.media.mixtables import ENCODED_FRAMES, MIXED, MIXED_FRAMES, SKIPPED_TICKS, Mix, SharedMix
from pbx.media.values import (
    Drops,
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

_NAMES = LEG.names or ()
_COUNTED = (
    "played",
    "late",
    "overflowed",
    "concealed",
    "dropped_frames",
    "added_frames",
    "comfort_noise",
    "frames",
    "skipped",
    "events",
)
# The media thread holds a row for about a microsecond, and longer only when it was interrupted there.
_ATTEMPTS = 100_000


def consistent_row(shared: Shared, leg: LegId) -> tuple[dict[str, int], bytes] | None:
    """A row not written to while it was read, with its proven address; None when it is another leg's."""
    row = leg.row
    versions = shared.legs["version"]
    for _ in range(_ATTEMPTS):
        before = int(versions[row])
        if before & 1 == 0:
            values: dict[str, int] = dict(zip(_NAMES, shared.legs[row].tolist(), strict=True))
            address = shared.addresses[row, PROVEN].tobytes()
            if int(versions[row]) == before == values["version"]:
                return (values, address) if values["generation"] == leg.generation else None
        os.sched_yield()
    return None


def leg_statistics(shared: Shared, leg: LegId, mix: SharedMix | None = None) -> LegStatistics:
    """What is known of a leg; of one that is closed, nothing."""
    found = consistent_row(shared, leg)
    if found is None:
        return LegStatistics()
    row, address = found
    return LegStatistics(
        received=_received(row),
        sent=SendCounts(
            packets=row["sent_packets"],
            octets=row["sent_octets"],
            failed=row["send_failures"],
            refused=row["refused"],
        ),
        dropped=Drops(
            wrong_source=row["wrong_source"],
            malformed=row["malformed"],
            payload_type=row["payload_type"],
            not_receiving=row["not_receiving"],
            not_sending=row["not_sending"],
            unbridged=row["unbridged"],
            sequence=row["sequence_jumps"],
            unauthenticated=row["unauthenticated"],
            replayed=row["replayed"],
        ),
        heard=_heard(row),
        rtcp=RtcpCounts(
            received=row["rtcp_received"],
            sent=row["rtcp_sent"],
            malformed=row["rtcp_malformed"],
            wrong_source=row["rtcp_wrong_source"],
            unauthenticated=row["rtcp_unauthenticated"],
            replayed=row["rtcp_replayed"],
        ),
        source=unpack(address) if row["proven"] else None,
        mix=_mixed(mix.parts[leg.row]) if mix is not None else MixCounts(),
        loudness=Loudness(
            packets=row["level_packets"],
            power=row["level_power"],
            samples=row["level_samples"],
            clipped=row["level_clipped"],
        ),
    )


def _received(row: dict[str, int]) -> ReceiveCounts:
    measured = row["has_source"] != 0
    return ReceiveCounts(
        packets=row["packets"],
        octets=row["octets"],
        lost=_lost(row) if measured else None,
        duplicated=row["duplicated"],
        reordered=row["reordered"],
        late=row["late"],
        jitter_ms=row["jitter"] / 16 / row["transit_rate"] * 1000 if row["jitter_samples"] else None,
        ssrc_changes=row["ssrc_changes"],
        extended_sequence=row["highest"] if measured else None,
        loss_runs=row["loss_runs"] if measured else None,
    )


def _lost(row: dict[str, int]) -> int:
    expected = row["expected_before"] + row["highest"] - row["base"] + 1
    return expected - row["received_before"] - row["source_received"]


def _heard(row: dict[str, int]) -> PeerReport:
    round_trip_ms = row["round_trip"] / 1000 if row["round_trip"] >= 0 else None
    if not row["heard_reports"]:
        return PeerReport(round_trip_ms=round_trip_ms, voice=_voice(row))
    return PeerReport(
        lost=row["heard_lost"],
        fraction_lost=row["heard_fraction"] / 256,
        jitter_ms=row["heard_jitter"] / 1000 if row["heard_jitter"] >= 0 else None,
        round_trip_ms=round_trip_ms,
        voice=_voice(row),
    )


def _voice(row: dict[str, int]) -> VoipMetrics | None:
    if not row["metrics_heard"]:
        return None
    words = (row["stream_ssrc"], *(row[f"metrics_{number}"] for number in range(1, 8)))
    return parse_metrics(b"".join(word.to_bytes(4, "big") for word in words))


def _mixed(part: Any) -> MixCounts:
    """Numbers of a part; each is whole by itself, since only counts are added up."""
    if not part["audio"]:
        return MixCounts()
    counts = {name: int(part[name]) for name in _COUNTED}
    if not part["delayed"]:
        return MixCounts(**counts)
    return MixCounts(delay_ms=int(part["delay"]) / 1000, target_ms=int(part["target"]) / 1000, **counts)


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
