"""How loud a frame is, whether somebody speaks in it, and whether it was clipped."""

from typing import Final

import numpy as np

from pbx.media.compiling import compiled
from pbx.media.layout import Array

QUIETEST: Final = 127
# The least mean square that is nearer to each level than to the next quieter one.
MEAN_SQUARE: Final[Array] = np.ceil(32768.0**2 * 10 ** (-(np.arange(QUIETEST) + 0.5) / 10)).astype(np.int64)
# The loudest that μ-law can say; A-law's loudest and 16 bits' lie above it.
FULL_SCALE: Final = 32124

# A voice is heard from so many dB above the noise, and no quieter than this; pauses of 200 ms belong to it.
ABOVE_NOISE: Final = 9
FAINTEST_VOICE: Final = 55
HANGOVER: Final = 10

# One sample in so many is enough to see how loud a packet is, to about a decibel.
GLANCE: Final = 5

# The state of `voice_active`, 64-bit integers.
NOISE: Final = 0  # the noise's level in 1/16 dB below full scale, plus one
RECENT: Final = 1  # frames for which a pause still belongs to the voice
VOICE_STATE: Final = 2


@compiled
def mean_square(samples: Array) -> int:
    """The mean of the squares of a frame (int16), rounded down; 0 for an empty one."""
    total = 0
    for at in range(len(samples)):
        sample = 0 | samples[at]
        total += sample * sample
    return total // max(len(samples), 1)


@compiled
def level_of(power: int) -> int:
    """A mean square as a level in -dBov (RFC 6464): 0 is a square wave at full scale, 127 silence."""
    low, high = 0, QUIETEST
    while low < high:
        middle = (low + high) >> 1
        if power >= MEAN_SQUARE[middle]:
            high = middle
        else:
            low = middle + 1
    return low


@compiled
def frame_level(samples: Array) -> int:
    """The level of a frame (int16) in -dBov, 0 to 127."""
    return level_of(mean_square(samples))


@compiled
def clipped_samples(samples: Array) -> int:
    """How many samples of a frame (int16) stand at full scale, as far as G.711 can say."""
    count = 0
    for at in range(len(samples)):
        count += 1 if samples[at] >= FULL_SCALE or samples[at] <= -FULL_SCALE else 0
    return count


@compiled
def octet_levels(octets: Array, linear: Array) -> tuple[int, int]:
    """The mean square of octets (uint8) that stand for `linear` samples, and how many are clipped."""
    total = 0
    clipped = 0
    for at in range(len(octets)):
        sample = 0 | linear[octets[at]]
        total += sample * sample
        clipped += 1 if sample >= FULL_SCALE or sample <= -FULL_SCALE else 0
    return total // max(len(octets), 1), clipped


@compiled
def glance(octets: Array, linear: Array) -> int:
    """The mean square of octets that stand for `linear` samples, by one in GLANCE of them."""
    total = 0
    count = 0
    for at in range(0, len(octets), GLANCE):
        sample = 0 | linear[octets[at]]
        total += sample * sample
        count += 1
    return total // max(count, 1)


@compiled
def voice_active(state: Array, level: int) -> bool:
    """Whether a frame of this level (-dBov) is taken for voice; `state` is zeros to begin with.

    The noise is what the quiet frames are: it falls to a quieter frame at once and rises 3 dB a second (at 50
    frames a second), so that music or a fan is taken for voice for some seconds only.
    """
    now = 16 * level
    noise = state[NOISE] - 1 if state[NOISE] > 0 else now
    noise = now if now >= noise else noise - 1
    state[NOISE] = noise + 1
    if level <= FAINTEST_VOICE and noise - now >= 16 * ABOVE_NOISE:
        state[RECENT] = HANGOVER
        return True
    if state[RECENT] > 0:
        state[RECENT] -= 1
        return True
    return False
