"""The tables of ITU-T G.711 as numpy arrays, for code that needs no compiler (files, prompts).

`LINEAR_TO_ULAW` and `LINEAR_TO_ALAW` are indexed by the 16-bit sample as an unsigned number
(`sample & 0xFFFF`), `ULAW_TO_LINEAR` and `ALAW_TO_LINEAR` by the octet. All are exact to ITU-T G.191, which
takes the upper 14 bits (μ-law) or 12 bits (A-law) of a 16-bit sample, negative ones in one's complement.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

# μ-law adds a bias so that each segment starts at a power of two (G.711 table 2a, 14-bit values).
_BIAS: Final = 33
_ULAW_TOP: Final = 0x1FFF
# A-law inverts every other bit of what is sent (G.711 table 1a).
_ALAW_TOGGLED: Final = 0x55


def _bits(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many bits each positive number needs."""
    return np.frexp(values.astype(np.float64))[1].astype(np.int64)


def _magnitudes() -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    samples = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    negative = samples < 0
    return negative, np.where(negative, ~samples, samples)


def _linear_to_ulaw() -> npt.NDArray[np.uint8]:
    negative, magnitudes = _magnitudes()
    biased = np.minimum((magnitudes >> 2) + _BIAS, _ULAW_TOP)
    segments = _bits(biased) - 6
    steps = (biased >> (segments + 1)) & 0x0F
    inverted = ~((segments << 4) | steps) & 0x7F
    codes: npt.NDArray[np.uint8] = np.where(negative, inverted, inverted | 0x80).astype(np.uint8)
    return codes


def _linear_to_alaw() -> npt.NDArray[np.uint8]:
    negative, magnitudes = _magnitudes()
    linear = magnitudes >> 4
    segments = np.maximum(_bits(np.maximum(linear, 1)) - 4, 0)
    steps = np.where(segments > 0, (linear >> np.maximum(segments - 1, 0)) & 0x0F, linear)
    codes = (segments << 4) | steps
    return (np.where(negative, codes, codes | 0x80) ^ _ALAW_TOGGLED).astype(np.uint8)


def _ulaw_to_linear() -> npt.NDArray[np.int16]:
    codes = ~np.arange(256, dtype=np.int64) & 0xFF
    segments, steps = (codes >> 4) & 0x07, codes & 0x0F
    magnitudes = (((2 * steps + _BIAS) << segments) - _BIAS) << 2
    return np.where(codes & 0x80, -magnitudes, magnitudes).astype(np.int16)


def _alaw_to_linear() -> npt.NDArray[np.int16]:
    codes = np.arange(256, dtype=np.int64) ^ _ALAW_TOGGLED
    segments, steps = (codes >> 4) & 0x07, codes & 0x0F
    linear = np.where(segments > 0, (2 * steps + 33) << np.maximum(segments - 1, 0), 2 * steps + 1) << 3
    return np.where(codes & 0x80, linear, -linear).astype(np.int16)


LINEAR_TO_ULAW: Final = _linear_to_ulaw()
LINEAR_TO_ALAW: Final = _linear_to_alaw()
ULAW_TO_LINEAR: Final = _ulaw_to_linear()
ALAW_TO_LINEAR: Final = _alaw_to_linear()

# What silence is as an octet: sample 0.
ULAW_SILENCE: Final = 0xFF
ALAW_SILENCE: Final = 0xD5
