"""What is in a sound, for tests: which frequencies, and when there is any."""

import numpy as np
import numpy.typing as npt

from pbx.media.values import Sound


def strength(samples: npt.NDArray[np.int16], rate: int, frequency: float) -> float:
    """The amplitude of one frequency in samples."""
    turns = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate)
    return float(abs(np.dot(samples.astype(np.float64), turns)) * 2 / max(1, len(samples)))


def strongest(sound: Sound) -> float:
    """The frequency with the most energy, in Hz."""
    spectrum = np.abs(np.fft.rfft(sound.samples.astype(np.float64)))
    return float(np.argmax(spectrum) * sound.rate / len(sound.samples))


def sine(frequency: float, seconds: float, rate: int, peak: int = 10_000) -> npt.NDArray[np.int16]:
    """A plain tone."""
    times = np.arange(round(seconds * rate)) / rate
    samples: npt.NDArray[np.int16] = np.rint(peak * np.sin(2 * np.pi * frequency * times)).astype(np.int16)
    return samples
