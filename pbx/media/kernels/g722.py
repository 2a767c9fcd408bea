"""G.722 at 64 kbit/s (ITU-T G.722): 16 kHz samples, two to an octet.

A quadrature mirror filter splits the band in two; each half is ADPCM with two poles and six zeros that
follow the signal, 6 bits a sample below 4 kHz and 2 above. Blocks in capitals are the Recommendation's.
State is an array of `STATE_SIZE` 32-bit integers, one for each direction, made ready by `g722_reset`.
"""

from typing import Final

import numpy as np

from pbx.media.compiling import compiled
from pbx.media.layout import Array

# One band: what its predictor and its quantizer remember (§3.6, §3.5).
SIGNAL_ESTIMATE: Final = 0
ZERO_ESTIMATE: Final = 1
RECONSTRUCTED: Final = 2
POLES: Final = 3  # two coefficients
PARTIAL: Final = 5  # the two last partial signals
ZEROS: Final = 7  # six coefficients
DIFFERENCES: Final = 13  # the six last quantized differences
SCALE_LOG: Final = 19
SCALE: Final = 20
BAND_SIZE: Final = 21

LOW: Final = 0
HIGH: Final = BAND_SIZE
FILTER: Final = 2 * BAND_SIZE
# The mirror filter has 24 taps; two new samples come in at each step.
TAPS: Final = 24
KEPT: Final = TAPS - 2
STATE_SIZE: Final = FILTER + TAPS


def _table(*values: int) -> Array:
    return np.array(values, dtype=np.int64)


# Table 11: half of the mirror filter, which is symmetric.
MIRROR: Final = _table(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11)
# Table 14: decision levels of the lower band and what is sent between them, below and above zero.
Q6: Final = _table(
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
    786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
)  # fmt: skip
NEGATIVE_LOW: Final = _table(63, 62, *range(31, 1, -1))
POSITIVE_LOW: Final = _table(*range(61, 29, -1))
# Table 16, 17: what 4 and 6 bits of the lower band stand for.
QM4: Final = _table(
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0
)
_OUTER: Final = (
    24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000,
    5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728,
)  # fmt: skip
QM6: Final = _table(
    *(-136,) * 4, *(-value for value in _OUTER), *_OUTER, 432, 136, -432, -136
)  # fmt: skip
# Table 18, 19: the same of the upper band.
QM2: Final = _table(-7408, -1616, 7408, 1616)
# Table 12, 13: how a code moves the logarithm of the scale.
WL4: Final = _table(-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60)
WH2: Final = _table(798, -214, 798, -214)
# Table 15: powers of two, for the scale.
ILB: Final = _table(
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
)  # fmt: skip


@compiled
def saturated(value: int) -> int:
    """A number of 16 bits, or the nearest one."""
    return min(max(value, -32768), 32767)


@compiled
def signed(value: int, negative: int) -> int:
    """The value, or its opposite where `negative` is -1 and not 0 (a branch on a sign would only guess)."""
    return (value ^ negative) - negative


@compiled
def g722_reset(state: Array) -> None:
    """Make a direction's state what both ends begin with (§3.5, §3.6)."""
    for at in range(STATE_SIZE):
        state[at] = 0
    state[LOW + SCALE] = 32
    state[HIGH + SCALE] = 8


@compiled
def adapt_scale(band: Array, step: int, top: int, exponent: int) -> None:
    """LOGSCL and SCALEL, LOGSCH and SCALEH: the quantizer grows with large codes and shrinks with small."""
    logarithm = min(max(((127 * band[SCALE_LOG]) >> 7) + step, 0), top)
    band[SCALE_LOG] = logarithm
    power = ILB[(logarithm >> 6) & 31]
    shift = exponent - (logarithm >> 11)
    band[SCALE] = (power >> shift if shift >= 0 else power << -shift) << 2


@compiled
def adapt_prediction(band: Array, difference: int) -> None:
    """Block 4, which follows the signal: RECONS, PARREC, UPPOL, UPZERO, DELAY, FILTEP, FILTEZ, PREDIC."""
    reconstructed = saturated(band[SIGNAL_ESTIMATE] + difference)
    partial = saturated(band[ZERO_ESTIMATE] + difference)
    opposite1, opposite2 = (partial ^ band[PARTIAL]) >> 63, (partial ^ band[PARTIAL + 1]) >> 63

    steep = saturated(band[POLES] << 2)
    turned = min(-signed(steep, opposite1), 32767)
    second = (turned >> 7) + signed(128, opposite2) + ((band[POLES + 1] * 32512) >> 15)
    second = min(max(second, -12288), 12288)
    first = saturated(signed(192, opposite1) + ((band[POLES] * 32640) >> 15))
    bound = saturated(15360 - second)
    first = min(max(first, -bound), bound)

    nudge = 0 if difference == 0 else 128
    zero_estimate = 0
    newer = difference
    for tap in range(6):
        older = 0 | band[DIFFERENCES + tap]
        weight = saturated(signed(nudge, (older ^ difference) >> 63) + ((band[ZEROS + tap] * 32640) >> 15))
        band[ZEROS + tap] = weight
        band[DIFFERENCES + tap] = newer
        zero_estimate += (weight * saturated(2 * newer)) >> 15
        newer = older
    zero_estimate = saturated(zero_estimate)

    pole_estimate = saturated(
        ((first * saturated(2 * reconstructed)) >> 15) + ((second * saturated(2 * band[RECONSTRUCTED])) >> 15)
    )
    band[SIGNAL_ESTIMATE] = saturated(pole_estimate + zero_estimate)
    band[ZERO_ESTIMATE] = zero_estimate
    band[RECONSTRUCTED] = reconstructed
    band[POLES] = first
    band[POLES + 1] = second
    band[PARTIAL + 1] = band[PARTIAL]
    band[PARTIAL] = partial


@compiled
def follow_low(band: Array, code: int) -> None:
    """What both ends do with the four upper bits of a lower-band code (INVQAL and what follows)."""
    difference = (band[SCALE] * QM4[code & 15]) >> 15
    adapt_scale(band, WL4[code & 15], 18432, 8)
    adapt_prediction(band, difference)


@compiled
def follow_high(band: Array, code: int) -> None:
    """What both ends do with an upper-band code (INVQAH and what follows)."""
    difference = (band[SCALE] * QM2[code & 3]) >> 15
    adapt_scale(band, WH2[code & 3], 22528, 10)
    adapt_prediction(band, difference)


@compiled
def quantize_low(difference: int, scale: int) -> int:
    """QUANTL: the six bits that are sent of a lower-band difference.

    The levels rise, so that those not above it are as many as its number; counting them needs no branch.
    """
    magnitude = difference if difference >= 0 else -(difference + 1)
    passed = 0
    for level in range(Q6.shape[0]):
        passed += 1 if magnitude >= (Q6[level] * scale) >> 12 else 0
    code: int = NEGATIVE_LOW[passed & 31] if difference < 0 else POSITIVE_LOW[passed & 31]
    return code


@compiled
def quantize_high(difference: int, scale: int) -> int:
    """QUANTH: the two bits that are sent of an upper-band difference."""
    magnitude = difference if difference >= 0 else -(difference + 1)
    near = 0 if magnitude >= (564 * scale) >> 12 else 1
    return near if difference < 0 else 2 + near


@compiled
def g722_encode(state: Array, samples: Array, out: Array) -> int:
    """Samples (int16, 16 kHz) as octets (uint8), two to one; how many. An odd last sample is left out."""
    low_band, high_band, kept = state[LOW:HIGH], state[HIGH:FILTER], state[FILTER:STATE_SIZE]
    steps = len(samples) >> 1
    for step in range(steps):
        for tap in range(KEPT):
            kept[tap] = kept[tap + 2]
        kept[KEPT] = samples[2 * step]
        kept[KEPT + 1] = samples[2 * step + 1]
        odd, even = 0, 0
        for tap in range(12):
            odd += kept[2 * tap] * MIRROR[tap]
            even += kept[2 * tap + 1] * MIRROR[11 - tap]
        low = saturated((even + odd) >> 14)
        high = saturated((even - odd) >> 14)

        low_code = quantize_low(saturated(low - low_band[SIGNAL_ESTIMATE]), low_band[SCALE])
        high_code = quantize_high(saturated(high - high_band[SIGNAL_ESTIMATE]), high_band[SCALE])
        out[step] = high_code << 6 | low_code
        follow_low(low_band, low_code >> 2)
        follow_high(high_band, high_code)
    return steps


@compiled
def g722_decode(state: Array, octets: Array, out: Array) -> int:
    """Octets (uint8) as samples (int16, 16 kHz), two from one; how many."""
    low_band, high_band, kept = state[LOW:HIGH], state[HIGH:FILTER], state[FILTER:STATE_SIZE]
    for step in range(octets.shape[0]):
        code = 0 | octets[step]
        low = low_band[SIGNAL_ESTIMATE] + ((low_band[SCALE] * QM6[code & 63]) >> 15)
        low = min(max(low, -16384), 16383)
        high = high_band[SIGNAL_ESTIMATE] + ((high_band[SCALE] * QM2[(code >> 6) & 3]) >> 15)
        high = min(max(high, -16384), 16383)
        follow_low(low_band, (code >> 2) & 15)
        follow_high(high_band, code >> 6)

        for tap in range(KEPT):
            kept[tap] = kept[tap + 2]
        kept[KEPT] = low + high
        kept[KEPT + 1] = low - high
        first, second = 0, 0
        for tap in range(12):
            second += kept[2 * tap] * MIRROR[tap]
            first += kept[2 * tap + 1] * MIRROR[11 - tap]
        out[2 * step] = saturated(first >> 11)
        out[2 * step + 1] = saturated(second >> 11)
    return 2 * len(octets)
