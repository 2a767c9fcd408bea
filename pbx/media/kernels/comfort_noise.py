"""Comfort noise of a level (RFC 3389 §3): white, from a generator that repeats itself exactly.

State is an int64 array of `NOISE_STATE`: the generator, which may begin with any number, and how strong the
noise was at the end of the frame before, so that a new level is reached within a frame and not at once.
"""

from typing import Final

import numpy as np

from pbx.media.compiling import compiled
from pbx.media.layout import Array

GENERATOR: Final = 0
STRENGTH: Final = 1
NOISE_STATE: Final = 2
QUIETEST: Final = 127

# The peak of evenly spread noise for each level in -dBov; 0 dBov is a square wave at full scale.
PEAK: Final[Array] = np.rint(32768 * np.sqrt(3) * 10 ** (-np.arange(QUIETEST + 1) / 20)).astype(np.int64)


@compiled
def comfort_noise(state: Array, level: int, out: Array) -> None:
    """Fill `out` (int16) with noise of a level in -dBov, 0 (loudest) to 127 (silence, nearly)."""
    before, after = 0 | state[STRENGTH], 0 | PEAK[min(max(level, 0), QUIETEST)]
    generator, size = 0 | state[GENERATOR], len(out)
    for at in range(size):
        generator = (generator * 1664525 + 1013904223) & 0xFFFFFFFF
        strength = before + (after - before) * (at + 1) // size
        out[at] = min(max((((generator >> 16) - 32768) * strength) >> 15, -32768), 32767)
    state[GENERATOR], state[STRENGTH] = generator, after
