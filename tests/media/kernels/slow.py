"""More slow twins: concealment, noise, levels and digits, from their definitions."""

import math
from collections.abc import Sequence

import numpy as np

from pbx.media.layout import Array
from tests.media.kernels.twins import clip


class Concealed:
    """The last period again and again, weaker from 10 ms, silent from 60 ms, blended over 4 ms."""

    def __init__(self, rate: int) -> None:
        self.scale = rate // 8000
        self.past = [0] * (280 * self.scale)
        self.cycle: list[int] = []
        self.produced = 0

    def _likeness(self, lag: int, step: int) -> float:
        window = 160 * self.scale
        end = self.past[len(self.past) - window :: step]
        before = self.past[len(self.past) - window - lag : len(self.past) - lag : step]
        product = sum(one * other for one, other in zip(end, before, strict=True))
        energy = sum(value * value for value in before)
        return float(product) * float(product) / float(energy) if product > 0 and energy > 0 else 0.0

    def _period(self) -> int:
        low, high = 40 * self.scale, 120 * self.scale
        lags = list(range(low, high + 1, 2))
        coarse = max(lags, key=lambda lag: self._likeness(lag, 2 * self.scale))
        if self._likeness(coarse, 2 * self.scale) == 0:
            coarse = low
        near = [lag for lag in (coarse - 1, coarse, coarse + 1) if low <= lag <= high]
        best = max(near, key=lambda lag: self._likeness(lag, 1))
        return best if self._likeness(best, 1) > 0 else coarse

    def _next(self) -> int:
        full, silent = 80 * self.scale, 480 * self.scale
        strength = 32768 * max(0, min(silent - self.produced, silent - full)) // (silent - full)
        sample = self.cycle[self.produced_in_all % len(self.cycle)] * strength >> 15
        self.produced = min(self.produced + 1, silent)
        self.produced_in_all += 1
        return sample

    def lose(self, size: int, lost_before: int) -> list[int]:
        step, blend = 0, 32 * self.scale
        if lost_before == 0 or self.produced == 0:
            period = self._period()
            self.cycle = self.past[-period:]
            for into in range(blend):
                at = period - blend + into
                older = self.past[len(self.past) - 2 * period + at]
                self.cycle[at] = (self.cycle[at] * (blend - into) + older * into) // blend
            self.produced = self.produced_in_all = 0
            step = self.past[-1] - self.past[-1 - period]
        found = []
        for at in range(size):
            sample = self._next()
            found.append(clip(sample + (step * (blend - at) // blend if at < blend else 0)))
        self.past = (self.past + found)[-len(self.past) :]
        return found

    def hear(self, samples: Sequence[int]) -> list[int]:
        found = list(samples)
        if self.produced > 0:
            blend = min(32 * self.scale, len(found))
            for at in range(blend):
                found[at] = (found[at] * (at + 1) + self._next() * (blend - at - 1)) // blend
            self.produced = 0
        self.past = (self.past + found)[-len(self.past) :]
        return found


def comfort_noise(generator: int, before: int, level: int, size: int) -> tuple[list[int], int, int]:
    after = round(32768 * math.sqrt(3) * 10 ** (-level / 20))
    found = []
    for at in range(size):
        generator = (generator * 1664525 + 1013904223) % 2**32
        strength = before + (after - before) * (at + 1) // size
        found.append(clip((generator // 65536 - 32768) * strength >> 15))
    return found, generator, after


def level(samples: Sequence[int]) -> int:
    power = sum(sample * sample for sample in samples) // max(len(samples), 1)
    for candidate in range(127):
        if power >= 32768**2 * 10 ** (-(candidate + 0.5) / 10):
            return candidate
    return 127


def voice(levels: Sequence[int]) -> list[bool]:
    noise, hangover, found = None, 0, []
    for value in levels:
        noise = 16 * value if noise is None or 16 * value >= noise else noise - 1
        speaking = value <= 55 and noise - 16 * value >= 144
        found.append(speaking or hangover > 0)
        hangover = 10 if speaking else max(hangover - 1, 0)
    return found


LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")


def _amplitude(block: Array, frequency: float) -> complex:
    """One tone of a block, its phase as at the block's beginning."""
    return complex(
        2 / len(block) * np.sum(block * np.exp(-2j * np.pi * frequency / 8000 * np.arange(len(block))))
    )


def digits(samples: Sequence[int]) -> str:
    """The digits in a sound by Fourier sums and least squares, 105 samples at a time."""
    sound = np.array(samples, float)
    found, last, present, misses = "", "", "", 0
    for at in range(0, len(sound) - 104, 105):
        block, pair = sound[at : at + 105], ""
        low = sorted(LOW, key=lambda tone: abs(_amplitude(block, tone)))
        high = sorted(HIGH, key=lambda tone: abs(_amplitude(block, tone)))
        a, a2 = (abs(_amplitude(block, tone)) ** 2 for tone in (low[3], low[2]))
        b, b2 = (abs(_amplitude(block, tone)) ** 2 for tone in (high[3], high[2]))
        loud = min(a, b) >= 260**2 and max(a, b) <= 10 * min(a, b) and a >= 4 * a2 and b >= 4 * b2
        if loud and (a + b) / 2 >= 0.5 * float(np.mean(block**2)):
            pair = KEYPAD[LOW.index(low[3])][HIGH.index(high[3])]
        if pair and pair == last and pair != present and _pure(sound[at - 105 : at + 105], low[3], high[3]):
            found, present, misses = found + pair, pair, 0
        last = pair
        if present:
            misses = 0 if pair == present else misses + 1
            if misses == 2:
                present = ""
    return found


def _pure(sound: Array, *tones: int) -> bool:
    actual = []
    for tone in tones:
        turn = _amplitude(sound[105:], tone) * _amplitude(sound[:105], tone).conjugate()
        turn *= np.exp(-2j * np.pi * tone / 8000 * 105)
        actual.append(tone + np.angle(turn) * 8000 / (2 * np.pi * 105))
    if any(abs(heard - tone) > 0.02 * tone for heard, tone in zip(actual, tones, strict=True)):
        return False
    angles = 2 * np.pi / 8000 * np.outer(np.arange(210), actual)
    waves = np.hstack([np.cos(angles), np.sin(angles)])
    weights = np.linalg.lstsq(waves, sound, rcond=None)[0]
    first, second = weights[0] ** 2 + weights[2] ** 2, weights[1] ** 2 + weights[3] ** 2
    left = float(np.sum((sound - waves @ weights) ** 2))
    return bool(left <= 0.08 * np.sum(sound**2) and max(first, second) <= 7.9 * min(first, second))
