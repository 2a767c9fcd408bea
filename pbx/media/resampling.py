"""From any rate to 8 or 16 kHz, for sounds at rest: a long polyphase filter, and nothing that is compiled."""

from fractions import Fraction
from typing import Final

import numpy as np
import numpy.typing as npt

# How many zero crossings of the sinc there are at each side, and the Kaiser window's beta: 80 dB.
_CROSSINGS: Final = 24
_BETA: Final = 8.0
# The band ends a little below half the lower rate, so that the filter's slope is done there.
_BAND: Final = 0.94
# Odd rates such as 44101 Hz are met to a millionth, rather than with a filter for each of their phases.
_FINEST: Final = 1000


def resample(samples: npt.NDArray[np.int16], rate: int, wanted: int) -> npt.NDArray[np.int16]:
    """The same sound at another rate, as long and in step with it, clipped to 16 bits."""
    if rate == wanted or len(samples) == 0:
        return samples
    ratio = Fraction(wanted, rate).limit_denominator(_FINEST)
    up, down = ratio.numerator, ratio.denominator
    cutoff = _BAND * min(1.0, up / down)
    reach = int(np.ceil(_CROSSINGS / cutoff))
    size = -(-len(samples) * up // down)
    # Room for the filter at both ends, and for the last phase to read past the end.
    padded = np.zeros(len(samples) + 2 * reach + down + 1)
    padded[reach : reach + len(samples)] = samples
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    out = np.empty(size)
    for phase in range(min(up, size)):
        # Output `phase + i * up` lies at input `phase * down / up + i * down`.
        whole, part = divmod(phase * down, up)
        distances = np.arange(1 - reach, reach + 1) - part / up
        window = np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (distances / (reach + 1)) ** 2))) / np.i0(_BETA)
        taps = cutoff * np.sinc(cutoff * distances) * window
        wanted_here = out[phase::up]
        wanted_here[:] = windows[whole + 1 :: down][: len(wanted_here)] @ (taps / taps.sum())
    return np.clip(np.rint(out), -32768, 32767).astype(np.int16)
