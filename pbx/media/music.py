"""Music on hold that is composed here: four pieces, each from a seed, each over a note of its own.

The note that a piece stands on (its signature) sounds all through it, so that one piece is told from another
by frequency. They are plucked and held sines of a few harmonics: soft, within the telephone's band, without
silence, and their end leads into their beginning.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pbx.media.values import Sound

_PEAK: Final = 8_000
_BEATS_A_CHORD: Final = 4
# Chords as half tones above the signature, and the scale that the melody walks on.
_MAJOR: Final = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
_MINOR: Final = ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17))
_MAJOR_STEPS: Final = (0, 2, 4, 7, 9, 12, 14, 16)
_MINOR_STEPS: Final = (0, 3, 5, 7, 10, 12, 15, 17)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of music: `signature_hz` is the note it stands on."""

    name: str
    signature_hz: int
    beat_s: float
    rounds: int
    minor: bool
    seed: int

    def sound(self, rate: int = 8000) -> Sound:
        """All of it; always the same."""
        chords = _MINOR if self.minor else _MAJOR
        steps = _MINOR_STEPS if self.minor else _MAJOR_STEPS
        beat = round(self.beat_s * rate)
        size = beat * _BEATS_A_CHORD * len(chords) * self.rounds
        signal = _drone(self.signature_hz, size, rate)
        choose = np.random.default_rng(self.seed)
        place = 3
        for number in range(len(chords) * self.rounds):
            begins = number * _BEATS_A_CHORD * beat
            for half_tones in chords[number % len(chords)]:
                _add(signal, begins, _note(self._pitch(half_tones), _BEATS_A_CHORD * beat, rate, 0.16, 1.2))
            for at in range(_BEATS_A_CHORD):
                if at % 2 == 1 and choose.random() < 0.3:
                    continue
                place = int(np.clip(place + choose.integers(-2, 3), 0, len(steps) - 1))
                note = _note(self._pitch(12 + steps[place]), 2 * beat, rate, 0.3, 4.0)
                _add(signal, begins + at * beat, note)
        signal *= _PEAK / np.abs(signal).max()
        return Sound(np.rint(signal).astype(np.int16), rate)

    def _pitch(self, half_tones: int) -> float:
        return float(self.signature_hz * 2 ** (half_tones / 12))


PIECES: Final = (
    Piece("morning", 262, 0.55, 4, minor=False, seed=1),
    Piece("harbour", 294, 0.62, 4, minor=True, seed=2),
    Piece("garden", 330, 0.50, 5, minor=False, seed=3),
    Piece("evening", 392, 0.70, 3, minor=True, seed=4),
)


def _drone(frequency: int, size: int, rate: int) -> npt.NDArray[np.float64]:
    """The note that a piece stands on, in whole breaths, so that the end leads into the start."""
    times = np.arange(size) / rate
    breaths = max(1, round(size / rate / 6))
    loudness = 0.30 + 0.05 * np.cos(2 * np.pi * breaths * np.arange(size) / size)
    # Whole cycles in the piece, for the same reason: this is a thousandth of a half tone off.
    cycles = round(frequency * size / rate)
    signal: npt.NDArray[np.float64] = loudness * np.sin(2 * np.pi * cycles * times * rate / size)
    return signal


def _note(
    frequency: float, size: int, rate: int, loudness: float, decay_a_second: float
) -> npt.NDArray[np.float64]:
    times = np.arange(size) / rate
    wave = np.zeros(size)
    for harmonic, share in ((1, 1.0), (2, 0.35), (3, 0.12)):
        if frequency * harmonic < 3300:
            wave += share * np.sin(2 * np.pi * frequency * harmonic * times)
    rise = np.minimum(1.0, times / 0.015)
    fall = np.minimum(1.0, (size / rate - times) / 0.05)
    return loudness * wave * rise * fall * np.exp(-decay_a_second * times)


def _add(signal: npt.NDArray[np.float64], begins: int, note: npt.NDArray[np.float64]) -> None:
    """Lay a note over a piece; what does not fit at its end sounds on at its beginning."""
    places = (begins + np.arange(len(note))) % len(signal)
    signal[places] += note
