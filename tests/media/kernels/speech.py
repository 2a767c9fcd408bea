"""Sound to try kernels on: speech of a sort (a pitch through wandering formants, with pauses), music, tones.

Everything is made from a seed, so that a failure can be repeated.
"""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def to_samples(sound: npt.NDArray[np.float64], peak: float = 0.5) -> Samples:
    top = float(np.max(np.abs(sound))) or 1.0
    return np.rint(sound / top * peak * 32767).astype(np.int16)


def tone(frequency: float, seconds: float, rate: int, amplitude: float = 8000.0) -> Samples:
    when = np.arange(int(seconds * rate)) / rate
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * when)).astype(np.int16)


def noise(seed: int, count: int, amplitude: int = 32767) -> Samples:
    return np.random.default_rng(seed).integers(-amplitude - 1, amplitude + 1, count).astype(np.int16)


def _wander(
    random: np.random.Generator, count: int, rate: int, low: float, high: float
) -> npt.NDArray[np.float64]:
    """A value that moves from one chance value to the next every 30 to 150 ms."""
    knots, at = [0.0], 0.0
    while at < count:
        at += random.uniform(0.03, 0.15) * rate
        knots.append(at)
    return np.interp(np.arange(count), knots, random.uniform(low, high, len(knots)))


def speech(seed: int, seconds: float, rate: int) -> Samples:
    """Voiced sound as a sum of harmonics whose strength follows three formants, fricatives and pauses."""
    random = np.random.default_rng(seed)
    step = rate // 200
    slow = int(seconds * 200)
    count = slow * step
    pitch = _wander(random, slow, 200, 80, 160) * random.choice([1.0, 1.6, 2.2])
    turn = np.exp(1j * np.cumsum(np.repeat(2 * np.pi * pitch / rate, step)))
    formants = [
        _wander(random, slow, 200, low, high) for low, high in ((250, 850), (800, 2300), (2200, 3300))
    ]
    sound, harmonic = np.zeros(count), turn.copy()
    for frequency in np.arange(1, 33)[:, np.newaxis] * pitch:
        strength = np.zeros(slow)
        for number, formant in enumerate(formants):
            strength += 0.6**number / (1 + ((frequency - formant) / (50 + 30 * number)) ** 2)
        strength[frequency > 0.45 * rate] = 0
        sound += np.repeat(strength, step) * harmonic.imag
        harmonic *= turn
    voiced = np.clip(_wander(random, count, rate, -0.6, 1.2), 0, 1)
    hiss = np.diff(random.normal(size=count + 1)) * np.clip(_wander(random, count, rate, -0.9, 0.5), 0, 1)
    return to_samples(sound * voiced + 0.5 * hiss, 0.7)


def music(seed: int, seconds: float, rate: int) -> Samples:
    """Chords of plucked strings: pairs of steady tones, which is what a digit is made of too."""
    random = np.random.default_rng(seed)
    count = int(seconds * rate)
    sound = np.zeros(count)
    for _ in range(int(seconds * 6)):
        start = int(random.integers(0, count))
        length = min(count - start, int(random.uniform(0.1, 1.2) * rate))
        when = np.arange(length) / rate
        note = 110 * 2 ** (random.integers(0, 48) / 12)
        for overtone in range(1, 5):
            if overtone * note < 0.45 * rate:
                wave = np.sin(2 * np.pi * overtone * note * when) * np.exp(-3 * when * overtone)
                sound[start : start + length] += wave / overtone
    return to_samples(sound)
