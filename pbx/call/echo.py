"""Whether what a leg is sent comes back from it, seen from how loud both were by 20 ms.

The envelope of speech is like a fingerprint: syllables of a fifth of a second, no two alike. Where the
envelope of what comes from a leg follows that of what was sent to it, a tenth of a second later and some
decibels down, the leg hears us and sends it back. What changes slowly (who speaks when) is taken out first.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from pbx.call.quality_events import Echo, EchoReading
from pbx.media.values import Envelope

Levels = npt.NDArray[np.float64]

SLOT_MS: Final = 20
# Where an echo is looked for: 40 to 600 ms.
_NEAREST: Final = 2
_FARTHEST: Final = 30
# Fewer than three seconds of both tell nothing.
_FEWEST: Final = 150
# What is taken for silence, in dBov; how loud what was sent has to be, and for which part of the time.
_FLOOR: Final = -60.0
_FULL_DB: Final = 20 * np.log10(32768.0)
_LEAST: Final = 10 ** ((_FLOOR + _FULL_DB) / 10)
_ACTIVE: Final = -42.0
_ACTIVE_SHARE: Final = 0.2
# The changes of level within half a second that speech has at least, in dB (a tone or a fan has none).
_LIVELY_DB: Final = 3.0
_TREND: Final = np.ones(25)
_AROUND: Final = np.ones(17)
_LAGS: Final = np.arange(_NEAREST, _FARTHEST + 1)[:, None]
# How many levels the trend is the mean of, by the number of levels: fewer at both ends.
_WEIGHTS: Final[dict[int, Levels]] = {}
# How alike both have to be, and by how much their distance may vary between its quartiles, in dB.
_ALIKE: Final = 0.75
_SPREAD_DB: Final = 6.0
# How much quieter an echo is than what was sent.
_LOUDEST_DB: Final = 3.0
_FAINTEST_DB: Final = 40.0
# How far it stands out of what is heard otherwise.
_ABOVE_DB: Final = 6.0


def look_for_echo(said: Envelope, heard: Envelope) -> EchoReading | None:
    """Whether `heard`, from a leg, has an echo of `said`, what it was sent; None: it cannot be told."""
    both = _aligned(said, heard)
    if both is None:
        return None
    sent, came = both
    size = len(sent) - _FARTHEST
    active = sent[:size] > _ACTIVE
    # Between its words and right after them, the other side speaks seldom.
    near = np.flatnonzero(np.convolve(active, _AROUND, "same") > 0.5)
    if np.count_nonzero(active) < _ACTIVE_SHARE * size or len(near) < _FEWEST // 2:
        return None
    moves = _without_trend(sent)[near]
    if moves @ moves < _LIVELY_DB**2 * len(near):
        return None
    lag, alike = _most_alike(moves, _without_trend(came), near)
    if alike < _ALIKE:
        return EchoReading(None)
    after = came[lag : lag + size][active]
    # By quartiles: where the other side speaks all the same, it says nothing of the echo.
    losses = np.sort(sent[:size][active] - after)
    loss_db = float(losses[len(losses) // 2])
    spread_db = float(losses[3 * len(losses) // 4] - losses[len(losses) // 4])
    above_db = float(np.sort(after)[len(after) // 2] - np.sort(came)[len(came) // 10])
    echoes = _LOUDEST_DB <= loss_db <= _FAINTEST_DB and spread_db <= _SPREAD_DB and above_db >= _ABOVE_DB
    return EchoReading(Echo(lag * SLOT_MS, loss_db) if echoes else None)


def _aligned(said: Envelope, heard: Envelope) -> tuple[Levels, Levels] | None:
    """Both in dBov over the time that both are known for."""
    size = min(len(said.powers), len(heard.powers))
    apart = heard.end - said.end
    if size - abs(apart) < _FEWEST:
        return None
    sent = said.powers[: len(said.powers) + min(0, apart)][max(0, apart) :]
    came = heard.powers[: len(heard.powers) - max(0, apart)][max(0, -apart) :]
    sent, came = sent[: min(len(sent), len(came))], came[: min(len(sent), len(came))]
    known = np.flatnonzero(~(np.isnan(sent) & np.isnan(came)))
    if not known.size or len(sent) - known[0] < _FEWEST:
        return None
    return _levels(sent[known[0] :]), _levels(came[known[0] :])


def _levels(powers: Levels) -> Levels:
    """In dBov; where no packet came it was as loud as just before, unless that lasted."""
    missing = np.isnan(powers)
    filled = np.where(missing, 0.0, powers)
    for _ in range(2):
        holes = missing[1:] & ~missing[:-1]
        filled[1:][holes] = filled[:-1][holes]
        missing[1:][holes] = False
    return np.asarray(10 * np.log10(np.maximum(filled, _LEAST)) - _FULL_DB)


def _without_trend(levels: Levels) -> Levels:
    """What is left of changes that take half a second or more."""
    weights = _WEIGHTS.get(len(levels))
    if weights is None:
        weights = _WEIGHTS[len(levels)] = 1 / np.convolve(np.ones(len(levels)), _TREND, "same")
    return np.asarray(levels - np.convolve(levels, _TREND, "same") * weights)


def _most_alike(moves: Levels, came: Levels, places: npt.NDArray[np.intp]) -> tuple[int, float]:
    """The lag at which `came` is most like `moves`, which are of these places, and how alike (Pearson)."""
    windows = came[_LAGS + places]
    moves = moves - moves.sum() / len(moves)
    squares = np.einsum("ij,ij->i", windows, windows) - windows.sum(1) ** 2 / len(moves)
    alike = (windows @ moves) / np.sqrt(np.maximum(squares * (moves @ moves), 1e-9))
    best = int(alike.argmax())
    return best + _NEAREST, float(alike[best])
