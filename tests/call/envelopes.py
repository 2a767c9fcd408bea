"""How loud people who talk, music and tones are by 20 ms, and what their legs would be seen to be: seeded."""

import numpy as np
import numpy.typing as npt

from pbx.media.values import Envelope

Levels = npt.NDArray[np.float64]

SLOTS = 256
_SILENCE = -90.0
# What a line hisses.
_NOISE = -62.0
# So many samples of a packet are looked at.
_LOOKED_AT = 32


def speech(random: np.random.Generator, size: int) -> Levels:
    """Phrases of syllables, a second or two each, with pauses; in dBov."""
    out = np.full(size, _SILENCE)
    at = 0
    while at < size:
        end = min(size, at + int(random.uniform(30, 120)))
        while at < end:
            length = int(random.uniform(5, 14))
            shape = np.sin(np.linspace(0.15, np.pi - 0.15, length))
            levels = random.normal(-22, 4) + 24 * np.log10(np.maximum(shape, 0.05))
            out[at : at + length] = levels[: size - at]
            at += length + int(random.integers(0, 4))
        at += int(random.uniform(10, 50))
    return out


def turns(random: np.random.Generator, size: int) -> npt.NDArray[np.bool_]:
    """When the first of two has the word: for one to five seconds at a time."""
    out = np.zeros(size, bool)
    at, speaks = 0, True
    while at < size:
        length = int(random.uniform(40, 250))
        out[at : at + length] = speaks
        at, speaks = at + length, not speaks
    return out


def music(random: np.random.Generator, size: int) -> Levels:
    """Beats, and slow changes."""
    times = np.arange(size)
    beat = int(random.uniform(18, 35))
    slow = 3 * np.sin(times / random.uniform(30, 90) + random.uniform(0, 6))
    beats = 6 * np.exp(-((times + random.integers(0, beat)) % beat) / 6)
    return np.asarray(-23 + slow + beats + random.normal(0, 1, size))


def power(levels: Levels) -> Levels:
    return np.asarray(10 ** (levels / 10) * 32768.0**2)


def with_echo(near: Levels, far: Levels, *, slots: int, loss_db: float) -> Levels:
    """What comes from a leg that says `near` and sends back what it is sent."""
    out = power(near)
    out[slots:] += power(far - loss_db)[: len(out) - slots]
    return np.asarray(10 * np.log10(out / 32768.0**2))


def seen(random: np.random.Generator, levels: Levels, end: int, *, lost: float = 0.0) -> Envelope:
    """The envelope of the last slots before `end`, by some samples of each packet, over a noisy line."""
    true = power(levels[end - SLOTS : end]) + power(np.array([_NOISE]))
    powers = true * random.chisquare(_LOOKED_AT, SLOTS) / _LOOKED_AT
    powers[random.random(SLOTS) < lost] = np.nan
    return Envelope(1000 + end, powers)
