"""Datagrams of any kind, by the thousand, through the loop's steps: it goes on, and writes nothing astray.

`PBX_FUZZED_PACKETS` says how many; `make soak` asks for a million.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.media import layout, mixtables
from tests.media.driven import BEGINNING, KNOWN, LOOKED_AT, REPORT, STRANGER, TICK, Stage

PACKETS = int(os.environ.get("PBX_FUZZED_PACKETS", "40000"))
CHUNK = 10_000
# Datagrams of a tick: more than any jitter buffer has room for.
AT_ONCE = 200
PATTERN = 0xA5
LARGEST = 1400
CODECS = [
    (mixtables.PCMU, 0, 8000),
    (mixtables.PCMA, 8, 8000),
    (mixtables.G722, 9, 8000),
    (mixtables.L16, 96, 16000),
]
LEGS = range(1, len(CODECS) + 1)
SSRC = 0x1000


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def octets_of(table: Any) -> npt.NDArray[np.uint8]:
    return np.atleast_1d(table).view(np.uint8)


def guards(stage: Stage) -> list[npt.NDArray[np.uint8]]:
    """The rows before and behind those of the legs, which nobody has."""
    tables = (stage.tables.legs, stage.mix.parts, stage.mix.stores)
    return [octets_of(table[row : row + 1]) for table in tables for row in (0, len(CODECS) + 1)]


def datagrams(random: np.random.Generator, first: int) -> tuple[Any, Any]:
    """A chunk of a trace: half is of the right version and SSRC, what else it says is chance."""
    octets = random.integers(0, 256, (CHUNK, LARGEST), np.uint8)
    rows = random.integers(LEGS.start, LEGS.stop, CHUNK)
    sizes = np.where(
        random.random(CHUNK) < 0.5, random.integers(0, 64, CHUNK), random.integers(0, LARGEST, CHUNK)
    )
    kinds = random.choice([KNOWN, STRANGER, REPORT, LOOKED_AT], CHUNK, p=[0.6, 0.2, 0.1, 0.1])
    right = random.random(CHUNK) < 0.5
    octets[right, 0] = 0x80 | (octets[right, 0] & np.where(random.random(right.sum()) < 0.8, 0, 0x3F))
    types = np.array([0, 8, 9, 96, 13, 101])[random.integers(0, 6, CHUNK)]
    octets[right, 1] = np.where(kinds == REPORT, random.integers(199, 209, CHUNK), types)[right]
    places = np.where(kinds == REPORT, 4, 8)
    for at in range(4):
        octets[np.arange(CHUNK)[right], places[right] + at] = (SSRC >> (24 - 8 * at)) & 0xFF
    # Sequence numbers that go on, more or less, and timestamps alike: the jitter buffer is to be reached.
    near = right & (kinds != REPORT) & (random.random(CHUNK) < 0.7)
    sequence = (first + np.arange(CHUNK)) // len(LEGS) + random.integers(-40, 40, CHUNK)
    octets[near, 2], octets[near, 3] = ((sequence >> 8) & 0xFF)[near], (sequence & 0xFF)[near]
    for at in range(4):
        octets[near, 4 + at] = ((sequence * 160) >> (24 - 8 * at) & 0xFF)[near]
    trace = np.stack([np.zeros(CHUNK, np.int64), rows, sizes, kinds], axis=1).astype(np.int64)
    return trace, octets


def test_nothing_is_written_astray_and_nothing_ends_the_loop() -> None:
    random = np.random.default_rng(4711)
    before = 0
    with Stage(len(CODECS) + 2) as stage:
        for row, (codec, payload_type, rate) in zip(LEGS, CODECS, strict=True):
            stage.leg(row, codec, payload_type)
            stage.tables.clock_rates[row, payload_type] = rate
            stage.mix.parts[row]["rate_out"] = rate
            stage.mix.parts[row]["detect"] = 1
        stage.tables.active[: len(CODECS)] = LEGS
        stage.tables.control[layout.ACTIVE] = len(CODECS)
        stage.join(*LEGS)
        for guard in guards(stage):
            guard[:] = PATTERN
        for number in range(0, PACKETS, CHUNK):
            trace, octets = datagrams(random, number)
            trace[:, 0] = stage.now + np.arange(CHUNK) // AT_ONCE * TICK
            # Some come all at once, after a stall.
            if number // CHUNK % 3 == 2:
                trace[:, 0] = stage.now
            sent, _ = stage.run_trace(trace, octets, CHUNK // AT_ONCE + 1)
            assert stage.arena.intact()
            assert all((guard == PATTERN).all() for guard in guards(stage))
            assert (stage.tables.legs["version"][LEGS.start : LEGS.stop] % 2 == 0).all()
            assert len(sent) > 0
            stage.tables.control[layout.EVENT_TAIL] = stage.tables.control[layout.EVENT_HEAD]
            if number == CHUNK:
                before = resident()
        if before:
            assert resident() - before < 16 << 20
        # And a leg of a new source is heard as before.
        first = (stage.now - BEGINNING) // TICK
        for number in range(first, first + 40):
            stage.say(1, number, b"\x90\x90\x90\x90\x10\x10\x10\x10" * 20)
        heard = stage.run(40)
    assert stage.tables.legs["malformed"].sum() > 0
    assert stage.tables.legs["wrong_source"].sum() > 0
    assert b"\xd5" * 160 not in [packet.payload for packet in heard[2][-20:]]
