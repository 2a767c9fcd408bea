"""The tables of the mixing matrix: members of bridges, their packets, samples and states.

A part is a row of the matrix: legs have the row of their leg, sources and sinks come behind them. All times
are microseconds of the monotonic clock; a frame is 20 ms.
"""

from typing import Final, NamedTuple

import numpy as np

from pbx.media.layout import PAYLOAD_TYPES, Array, place

SOURCES: Final = 1024
SINKS: Final = 512
GAINS: Final = 8192
MOST_BRIDGES: Final = 16_384

# Samples that a resampler remembers.
TAPS_ROOM: Final = 48

PART: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "generation",
            "kind",
            # its place in a bridge
            "bridge",
            "next",
            "previous",
            "gains",
            "muted",
            "silent",
            "plain",
            "tick",
            "skips",
            # what was agreed for a leg
            "audio",
            "codec_out",
            "type_out",
            "rate_out",
            "event_type",
            "packet_ms",
            "detect",
            # its jitter buffer: sequence numbers and timestamps are extended
            "buffering",
            "epoch",
            "stored",
            "playing",
            "first_at",
            "next_sequence",
            "newest_sequence",
            "newest_timestamp",
            "play_timestamp",
            "real_end",
            "clock",
            "codec_in",
            "fifo",
            "fifo_rate",
            "pause",
            "noise_level",
            "dry",
            "lost_run",
            "margin_low",
            "margin_before",
            "margin_count",
            "target",
            "delay",
            "delayed",
            "grow",
            "grown_at",
            "shrink",
            # what is counted
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
            # what is sent to a leg
            "sent_skips",
            "outgoing",
            "mark",
            "digit_head",
            "digit_tail",
            "digit_state",
            "digit_code",
            "digit_timestamp",
            "digit_elapsed",
            "digit_duration",
            "digit_rate",
            # the press that comes from it (RFC 4733)
            "event_open",
            "event_epoch",
            "event_timestamp",
            "event_code",
            "event_duration",
            "event_clock",
            "event_at",
            "event_earlier",
            # a source
            "source_kind",
            "segments",
            "segment",
            "position",
            "loops",
            "volume",
            "ended",
            "rate",
            "head",
            "tail",
            # a sink
            "sink_kind",
            "left",
            "right",
            "overruns",
        )
    ],
    align=True,
)

# Kinds of parts.
LEG_PART: Final = 1
SOURCE_PART: Final = 2
SINK_PART: Final = 3

PLAYER: Final = 1
FEED: Final = 2
ONE: Final = 1
MIX: Final = 2
STEREO: Final = 3

BRIDGE_ROW: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "generation",
            "state",
            "pair",
            "first",
            "legs",
            "others",
            "rate",
            "relayed",
            "must_mix",
            "mixed_index",
            "held_until",
            "tick",
        )
    ]
    + [("taps", "i2", (2 * TAPS_ROOM,))],
    align=True,
)
CLOSED: Final = 0
OPENED: Final = 1

# What a payload type is to the matrix.
NO_CODEC: Final = 0
PCMU: Final = 1
PCMA: Final = 2
G722: Final = 3
L16: Final = 4
CODECS: Final = 5
TELEPHONE_EVENT: Final = 6
COMFORT_NOISE: Final = 7
CODEC_NUMBERS: Final = {
    "PCMU": PCMU,
    "PCMA": PCMA,
    "G722": G722,
    "L16": L16,
    "telephone-event": TELEPHONE_EVENT,
    "CN": COMFORT_NOISE,
}

FRAME: Final = 320
FRAME_MS: Final = 20

# The jitter buffer: so many packets of so many octets; larger ones are refused.
SLOTS: Final = 32
SLOT_OCTETS: Final = 1280
SLOT_SEQUENCE: Final = 0
SLOT_TIMESTAMP: Final = 1
SLOT_SIZE: Final = 2
SLOT_TYPE: Final = 3
SLOT_FIELDS: Final = 4

# `Store.octets`: what each payload type is, what waits to be sent, the packets.
DECODE: Final = 0
OUTGOING: Final = DECODE + PAYLOAD_TYPES
OUTGOING_OCTETS: Final = 4 * SLOT_OCTETS
PACKETS_AT: Final = OUTGOING + OUTGOING_OCTETS
OCTETS: Final = PACKETS_AT + SLOTS * SLOT_OCTETS

# `Store.samples`: the frame of this tick, what was decoded and not yet heard, and what kernels remember.
FIFO: Final = FRAME
FIFO_SAMPLES: Final = 4096
TAPS: Final = FIFO + FIFO_SAMPLES
UP_TAPS: Final = TAPS
DOWN_TAPS: Final = TAPS + TAPS_ROOM
HEARD_TAPS: Final = TAPS + 2 * TAPS_ROOM
DETECT_TAPS: Final = TAPS + 3 * TAPS_ROOM
SAMPLES: Final = TAPS + 4 * TAPS_ROOM

# `Store.states`: the G.722 decoder and encoder.
G722_STATE: Final = 66
DECODER: Final = 0
ENCODER: Final = G722_STATE
STATES: Final = 2 * G722_STATE
# What concealment, comfort noise and the detector of digits remember.
PAST_STATE: Final = 804
NOISE_STATE: Final = 2
DETECTOR_STATE: Final = 444

# `Store.queue`: digits to send as pairs of code and milliseconds, or the segments of a player.
DIGITS_WAITING: Final = 32
SEGMENTS: Final = 32
SEGMENT_FIELDS: Final = 3
QUEUE: Final = SEGMENTS * SEGMENT_FIELDS

# `Mix.rings[row - legs]`: samples that the reactor gives or takes; sinks in stereo have two.
RING: Final = 32_768

GAIN_TALKER: Final = 0
GAIN_VALUE: Final = 1
GAIN_BRIDGE: Final = 2
GAIN_NEXT: Final = 3
GAIN_FIELDS: Final = 4
UNITY: Final = 256

# Rows of `Scratch.work`.
PLAIN: Final = 0
OWN: Final = 1
NARROW: Final = 2
DECODED: Final = 3
RESAMPLED: Final = 4
MADE_UP: Final = 5
SHARED_NARROW: Final = 6
BLENDED: Final = 7
WORKS: Final = 8

# Places in `Scratch.marks`.
MIXED: Final = 0
TICKS: Final = 1
CURSOR: Final = 2
DUE: Final = 3
SKIPPED_TICKS: Final = 4
MIXED_FRAMES: Final = 5
ENCODED_FRAMES: Final = 6
FREE_GAIN: Final = 7
LEGS: Final = 8
DIGITS: Final = 9
MARKS: Final = 16


# What belongs to a part beside its numbers; one row lies together in memory.
STORE: Final = np.dtype(
    [
        ("slots", "i8", (SLOTS, SLOT_FIELDS)),
        ("queue", "i8", (QUEUE,)),
        ("noise", "i8", (NOISE_STATE,)),
        ("detector", "f8", (DETECTOR_STATE,)),
        ("states", "i4", (STATES,)),
        ("past", "i4", (PAST_STATE,)),
        ("samples", "i2", (SAMPLES,)),
        ("octets", "u1", (OCTETS,)),
    ],
    align=True,
)

# What a thread writes to while it mixes, and its list of bridges that are mixed.
SCRATCH: Final = np.dtype(
    [
        ("marks", "i8", (MARKS,)),
        ("total", "i8", (FRAME,)),
        ("gains", "i8", (GAINS, GAIN_FIELDS)),
        ("mixed", "i8", (MOST_BRIDGES,)),
        ("work", "i2", (WORKS, FIFO_SAMPLES)),
        ("encoded", "u1", (2 * CODECS, SLOT_OCTETS)),
    ],
    align=True,
)


class Mix(NamedTuple):
    """The matrix of one media thread; parts, stores and rings are shared."""

    parts: Array
    stores: Array
    rings: Array
    bridges: Array
    scratch: Array


class SharedMix(NamedTuple):
    """What all media threads have in common."""

    parts: Array
    stores: Array
    rings: Array


def share_mix(legs: int) -> SharedMix:
    """Tables for so many legs beside SOURCES and SINKS; memory is taken when a row is first used."""
    parts = legs + SOURCES + SINKS
    shared = SharedMix(
        np.zeros(parts, PART), np.zeros(parts, STORE), np.zeros((SOURCES + SINKS, 2 * RING), np.int16)
    )
    shared.parts["bridge"] = -1
    shared.parts["gains"] = -1
    return shared


def mix_tables(shared: SharedMix) -> Mix:
    """The matrix of one thread."""
    legs = shared.parts.shape[0] - SOURCES - SINKS
    mix = Mix(*shared, np.zeros(min(legs + 64, MOST_BRIDGES), BRIDGE_ROW), np.zeros(1, SCRATCH))
    scratch = mix.scratch[0]
    scratch["gains"][:, GAIN_NEXT] = np.arange(1, GAINS + 1)
    scratch["gains"][-1, GAIN_NEXT] = -1
    scratch["marks"][LEGS] = legs
    return mix


def fresh_leg(generation: int) -> list[int]:
    """The values of a row of `parts` for a leg that is in no bridge."""
    values = _FRESH_LEG.copy()
    values[_GENERATION] = generation
    return values


def fresh_part(kind: int, generation: int) -> Array:
    """A row of `parts` that is in no bridge."""
    # A record's own copy() goes field by field.
    row: Array = np.ndarray((), PART, bytearray(_FRESH_PART))
    row["kind"] = kind
    row["generation"] = generation
    return row


def _alone() -> bytes:
    row = np.zeros((), PART)
    row["bridge"] = -1
    row["next"] = -1
    row["previous"] = -1
    row["gains"] = -1
    row["event_type"] = -1
    row["packet_ms"] = FRAME_MS
    row["left"] = -1
    row["right"] = -1
    row["volume"] = UNITY
    return row.tobytes()


_FRESH_PART: Final = _alone()
_FRESH_LEG: Final = list(fresh_part(LEG_PART, 0).item())
_GENERATION: Final = place(PART, "generation")
