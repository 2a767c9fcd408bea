"""What a party hears is the sum of the others, bit for bit."""

import numpy as np
import pytest

from pbx.media.companding import LINEAR_TO_ULAW, ULAW_TO_LINEAR
from tests.media.driven import Sent, Stage, everyone

FRAMES = 60


def noise(seed: int, frames: int) -> list[bytes]:
    """Frames of any octets at all: as loud as μ-law can be, so that sums are clipped."""
    octets = np.random.default_rng(seed).integers(0, 256, (frames, 160), np.uint8)
    return [frame.tobytes() for frame in octets]


def linear(frame: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.asarray(ULAW_TO_LINEAR[np.frombuffer(frame, np.uint8)], np.int64)


def expected(frames: list[bytes], gains: list[int]) -> bytes:
    """encode(clip(sum of the others' decoded samples times their gains))."""
    total = sum(linear(frame) * gain for frame, gain in zip(frames, gains, strict=True)) >> 8
    clipped = np.clip(total, -32768, 32767)
    return bytes(LINEAR_TO_ULAW[clipped & 0xFFFF].astype(np.uint8).tobytes())


def sounds(heard: list[Sent]) -> list[bytes]:
    return [packet.payload for packet in heard if packet.payload != b"\xff" * 160]


@pytest.mark.parametrize("count", [3, 7])
def test_each_hears_the_sum_of_the_others_bit_for_bit(count: int) -> None:
    rows = range(count)
    # For each listener the gain of each talker; 256 is as it is.
    gains = [[256] * count for _ in rows]
    for talker, listener, value in ((0, 1, 0), (1, 2, 128), (2, 0, 1024), (2, 1, 77)):
        gains[listener][talker] = value
    with Stage(count) as stage:
        everyone(stage, rows)
        for listener in rows:
            for talker in rows:
                if gains[listener][talker] != 256:
                    stage.gain(talker, listener, gains[listener][talker])
        said = [noise(row, FRAMES) for row in rows]
        for row in rows:
            for number, frame in enumerate(said[row]):
                stage.say(row, number, frame, late=-5_000)
        heard = stage.run(FRAMES + 5)
    for listener in rows:
        others = [row for row in rows if row != listener]
        got = sounds(heard[listener])
        wanted = [
            expected([said[row][number] for row in others], [gains[listener][row] for row in others])
            for number in range(FRAMES)
        ]
        assert got[:FRAMES] == wanted


def test_the_loudest_together_are_clipped_and_never_wrap() -> None:
    with Stage(5) as stage:
        everyone(stage, range(5))
        for row in range(5):
            for number in range(FRAMES):
                stage.say(row, number, (b"\x80" if number % 2 else b"\x00") * 160, late=-5_000)
        heard = stage.run(FRAMES + 4)
    for listener in range(5):
        got = sounds(heard[listener])[:FRAMES]
        assert got == [(b"\x80" if number % 2 else b"\x00") * 160 for number in range(FRAMES)]
