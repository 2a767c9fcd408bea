"""Slow twins of the sample kernels: the same rules, one number at a time, in Python's own integers."""

from collections.abc import Sequence


def clip(value: int) -> int:
    return max(-32768, min(32767, value))


def ulaw_of(sample: int) -> int:
    """ITU-T G.191 ulaw_compress: 14 bits, one's complement, bias 33, the segment counted by shifting."""
    magnitude = ((~sample if sample < 0 else sample) >> 2) + 33
    magnitude = min(magnitude, 0x1FFF)
    left, segment = magnitude >> 6, 1
    while left:
        segment, left = segment + 1, left >> 1
    code = (8 - segment) << 4 | (15 - (magnitude >> segment & 15))
    return code if sample < 0 else code | 0x80


def linear_of_ulaw(code: int) -> int:
    """ITU-T G.191 ulaw_expand."""
    mantissa, exponent = ~code & 15, (~code >> 4) & 7
    step = 4 << (exponent + 1)
    magnitude = (0x80 << exponent) + step * mantissa + step // 2 - 4 * 33
    return -magnitude if code < 0x80 else magnitude


def alaw_of(sample: int) -> int:
    """ITU-T G.191 alaw_compress: upper 12 bits, one's complement, the segment counted by shifting."""
    code = (~sample if sample < 0 else sample) >> 4
    if code > 15:
        exponent = 1
        while code > 31:
            code, exponent = code >> 1, exponent + 1
        code = code - 16 + (exponent << 4)
    return (code if sample < 0 else code | 0x80) ^ 0x55


def linear_of_alaw(octet: int) -> int:
    """ITU-T G.191 alaw_expand."""
    code = (octet ^ 0x55) & 0x7F
    exponent, mantissa = code >> 4, code & 15
    if exponent > 0:
        mantissa += 16
    mantissa = (mantissa << 4) + 8
    if exponent > 1:
        mantissa <<= exponent - 1
    return mantissa if octet > 127 else -mantissa


class HalfBand:
    """Both directions of the resampler by plain convolution over everything heard so far."""

    def __init__(self, outer: Sequence[int]) -> None:
        self._outer = list(outer)
        self._heard: list[int] = [0] * 64

    def up(self, samples: Sequence[int]) -> list[int]:
        found: list[int] = []
        for sample in samples:
            self._heard.append(sample)
            newest = self._heard[: -len(self._outer) - 1 : -1]
            total = sum(tap * value for tap, value in zip(self._outer, newest, strict=True))
            found += [clip((total + 16384) >> 15), newest[11]]
        return found

    def down(self, samples: Sequence[int]) -> list[int]:
        found: list[int] = []
        taps = [0] * 47
        taps[0::2] = self._outer
        taps[23] = 32768
        for first, second in zip(samples[0::2], samples[1::2], strict=False):
            self._heard += [first, second]
            newest = self._heard[:-48:-1]
            total = sum(tap * value for tap, value in zip(taps, newest, strict=True))
            found.append(clip((total + 32768) >> 16))
        return found
