"""Tones, G.711 μ-law and the ear that says which tones are in a piece of sound.

Sound is a float64 numpy array of samples between -1 and 1 at 8,000 a second. A tone is told from the others
in blocks of 100 ms under a Hann window, so two tones are kept apart when their frequencies are multiples of
10 Hz that lie 30 Hz or more from each other and from each other's harmonics.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

RATE = 8000
FRAME = 160  # samples in 20 ms
BLOCK = 800  # samples in 100 ms

# What each audio end says: no harmonic (to the seventh), and no sum or difference of two of them, folded at
# 4 kHz, comes within 40 Hz of another.
TONES = (440, 540, 680, 780, 1160, 1270)
LEVEL = 0.25  # the amplitude each end speaks with, -12 dB of full scale

# A tone counts as heard in a block between these shares of LEVEL (-6 dB and +3 dB), and as absent under the
# third (-26 dB); what a lost packet smears over the spectrum stays below it.
_HEARD_FROM, _HEARD_TO, _ABSENT_UNDER = 0.5, 1.41, 0.05
# The least ratio of the tones to everything else: G.711 itself leaves about 36 dB.
_CLEAN_DB = 15.0

Samples = NDArray[np.float64]

# ITU-T G.711 table 2a: a code is sign, three bits of segment, four of step, all bits inverted; 14-bit values
# with a bias of 33 make every segment start at a power of two.
_BIAS, _TOP, _FULL_SCALE = 33, 8158, 8192.0


def sine(frequency: float, samples: int, *, level: float = LEVEL, start: int = 0) -> Samples:
    """`samples` samples of a tone, beginning at sample number `start` of it."""
    when = np.arange(start, start + samples, dtype=np.float64)
    return level * np.sin(2 * np.pi * frequency / RATE * when)


def encode_ulaw(samples: Samples) -> bytes:
    """Sound as G.711 μ-law, one octet a sample (ITU-T G.711); what is past full scale is clipped."""
    values = np.rint(samples * _FULL_SCALE).astype(np.int32)
    magnitudes = np.minimum(np.abs(values), _TOP) + _BIAS
    segments = np.frexp(magnitudes.astype(np.float64))[1] - 6
    steps = (magnitudes >> (segments + 1)) & 0x0F
    signs = np.where(values < 0, 0x80, 0)
    codes = (~(signs | (segments << 4) | steps) & 0xFF).astype(np.uint8)
    return bytes(codes)


@cache
def _decoded() -> Samples:
    codes = ~np.arange(256, dtype=np.int32) & 0xFF
    segments, steps = (codes >> 4) & 0x07, codes & 0x0F
    magnitudes = ((2 * steps + _BIAS) << segments) - _BIAS
    return np.where(codes & 0x80, -magnitudes, magnitudes) / _FULL_SCALE


def decode_ulaw(octets: bytes) -> Samples:
    """G.711 μ-law octets as sound."""
    return _decoded()[np.frombuffer(octets, dtype=np.uint8)]


# Table 1a: a code is sign, three bits of segment, four of step; every even bit is inverted.
_EVEN_BITS, _ALAW_FULL_SCALE = 0x55, 4096.0


@cache
def _decoded_alaw() -> Samples:
    codes = np.arange(256, dtype=np.int32) ^ _EVEN_BITS
    segments, steps = (codes >> 4) & 0x07, codes & 0x0F
    low, high = 2 * steps + 1, (2 * steps + 33) << np.maximum(segments - 1, 0)
    return np.where(segments == 0, low, high) / _ALAW_FULL_SCALE * np.where(codes & 0x80, 1, -1)


def decode_alaw(octets: bytes) -> Samples:
    """G.711 A-law octets as sound."""
    return _decoded_alaw()[np.frombuffer(octets, dtype=np.uint8)]


def encode_alaw(samples: Samples) -> bytes:
    """Sound as G.711 A-law: for each sample the code that is nearest to it."""
    values = _decoded_alaw()
    order = np.argsort(values, kind="stable")
    middles = (values[order][1:] + values[order][:-1]) / 2
    return bytes(order[np.searchsorted(middles, samples)].astype(np.uint8))


@cache
def _window() -> Samples:
    return np.hanning(BLOCK + 1)[:BLOCK]


def levels(sound: Samples, frequency: float) -> Samples:
    """The amplitude of one tone in each whole 100 ms block of `sound`."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    window = _window()
    wave = np.exp(-2j * np.pi * frequency / RATE * np.arange(BLOCK)) * window
    amplitudes: Samples = np.abs(blocks @ wave) * (2 / window.sum())
    return amplitudes


def purity_db(sound: Samples, frequencies: Collection[float]) -> float:
    """The median over the blocks of (power in these tones) / (power in the rest), in dB; -inf for silence."""
    blocks = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK)
    if not len(blocks):
        return float("-inf")
    total = np.mean(blocks**2, axis=1)
    tones = sum((levels(sound, frequency) ** 2 / 2 for frequency in frequencies), np.zeros(len(blocks)))
    rest = np.maximum(total - tones, 1e-12)
    with np.errstate(divide="ignore"):
        return float(np.median(10 * np.log10(tones / rest)))


@dataclass(frozen=True, slots=True)
class Finding:
    """How one tone stands in a piece of sound: its median amplitude, and the share of blocks it is in."""

    level: float
    heard: float
    leaked: float

    @property
    def decibels(self) -> float:
        """The level against the one the ends speak with."""
        return 20 * float(np.log10(max(self.level, 1e-5) / LEVEL))


def find(sound: Samples, frequency: float, *, level: float = LEVEL) -> Finding:
    """Look for one tone, spoken with amplitude `level`, in `sound`."""
    found = levels(sound, frequency)
    if not len(found):
        return Finding(0.0, 0.0, 0.0)
    heard = (found >= _HEARD_FROM * level) & (found <= _HEARD_TO * level)
    return Finding(
        float(np.median(found)), float(np.mean(heard)), float(np.mean(found >= _ABSENT_UNDER * level))
    )


def faults(sound: Samples, expected: Mapping[str, float], absent: Mapping[str, float]) -> list[str]:
    """What is wrong with `sound`, when exactly the tones of `expected` ought to be in it, all of the time.

    Both mappings give a name for people and a frequency in Hz. One block in ten may lack a tone, and one in
    twenty (or one in all) may have a trace of another: real networks lose a packet now and then.
    """
    blocks = len(sound) // BLOCK
    if not blocks and expected:
        return ["heard nothing"]
    wrong: list[str] = []
    for name, frequency in expected.items():
        finding = find(sound, frequency)
        if finding.heard * blocks < min(blocks - 1, 0.9 * blocks):
            wrong.append(
                f"heard {name} ({frequency:g} Hz) in {finding.heard:.0%} of the time, "
                f"at {finding.decibels:+.0f} dB of what was said"
            )
    for name, frequency in absent.items():
        finding = find(sound, frequency)
        if finding.leaked * blocks > max(1.0, 0.05 * blocks):
            wrong.append(
                f"heard {name} ({frequency:g} Hz), which it should not, in {finding.leaked:.0%} of the time"
            )
    if expected and not wrong and (clean := purity_db(sound, list(expected.values()))) < _CLEAN_DB:
        wrong.append(f"heard a distorted or noisy sound: {clean:.0f} dB of tone over the rest")
    return wrong
