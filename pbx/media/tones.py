"""The tones that tell a caller how a call goes, by country (ITU-T E.180, supplement 2).

A tone becomes a Sound of exactly one period, so that it can be played round and round without a click: a
continuous one lasts a second, in which every frequency has whole cycles.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt

from pbx.errors import OperatorError
from pbx.media.values import Sound

ToneName = Literal["dial", "ringback", "busy", "congestion"]
TONE_NAMES: Final[tuple[ToneName, ...]] = get_args(ToneName)

# The sum of a tone's frequencies peaks here: 10 dB below full scale, as loud as speech.
_PEAK: Final = 10_000
# What rises and falls within 4 ms is not heard as a click.
_RAMP_S: Final = 0.004
_CONTINUOUS_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Tone:
    """Frequencies in Hz (whole numbers) that sound together; `cadence_s` alternates on, off, on, off.

    An empty cadence is a continuous tone.
    """

    frequencies: tuple[int, ...]
    cadence_s: tuple[float, ...] = ()

    @property
    def period_s(self) -> float:
        """After how long it begins anew."""
        return sum(self.cadence_s) if self.cadence_s else _CONTINUOUS_S

    def sound(self, rate: int = 8000) -> Sound:
        """One period of it."""
        samples = np.arange(round(self.period_s * rate))
        waves = [np.sin(2 * np.pi * frequency * samples / rate) for frequency in self.frequencies]
        signal: npt.NDArray[np.float64] = np.sum(waves, axis=0) * (_PEAK / len(waves))
        if self.cadence_s:
            signal *= self._envelope(rate)
        return Sound(np.rint(signal).astype(np.int16), rate)

    def _envelope(self, rate: int) -> npt.NDArray[np.float64]:
        envelope = np.zeros(round(self.period_s * rate))
        ramp = np.linspace(0.0, 1.0, round(_RAMP_S * rate))
        begins_s = 0.0
        for number, lasts_s in enumerate(self.cadence_s):
            if number % 2 == 0:
                begin, end = round(begins_s * rate), round((begins_s + lasts_s) * rate)
                envelope[begin:end] = 1.0
                envelope[begin : begin + len(ramp)] = ramp
                envelope[end - len(ramp) : end] = ramp[::-1]
            begins_s += lasts_s
        return envelope


def _country(dial: Tone, ringback: Tone, busy: Tone, congestion: Tone) -> Mapping[ToneName, Tone]:
    return {"dial": dial, "ringback": ringback, "busy": busy, "congestion": congestion}


def _of_one_frequency(
    ringback: tuple[float, ...],
    busy: tuple[float, ...],
    congestion: tuple[float, ...],
    dial: tuple[float, ...] = (),
    frequency: int = 425,
) -> Mapping[ToneName, Tone]:
    """A country with one frequency for everything, as most of Europe has."""
    one = (frequency,)
    return _country(Tone(one, dial), Tone(one, ringback), Tone(one, busy), Tone(one, congestion))


_NORTH_AMERICA: Final = _country(
    Tone((350, 440)),
    Tone((440, 480), (2.0, 4.0)),
    Tone((480, 620), (0.5, 0.5)),
    Tone((480, 620), (0.25, 0.25)),
)

TONES: Final[Mapping[str, Mapping[ToneName, Tone]]] = {
    "at": _of_one_frequency((1.0, 5.0), (0.4, 0.4), (0.2, 0.2), frequency=420),
    "be": _of_one_frequency((1.0, 3.0), (0.5, 0.5), (0.167, 0.167)),
    "ca": _NORTH_AMERICA,
    "ch": _of_one_frequency((1.0, 4.0), (0.5, 0.5), (0.2, 0.2)),
    "de": _of_one_frequency((1.0, 4.0), (0.48, 0.48), (0.24, 0.24)),
    "es": _of_one_frequency((1.5, 3.0), (0.2, 0.2), (0.2, 0.2, 0.2, 0.2, 0.2, 0.6)),
    "fi": _of_one_frequency((1.0, 4.0), (0.3, 0.3), (0.2, 0.2)),
    "fr": _of_one_frequency((1.5, 3.5), (0.5, 0.5), (0.25, 0.25), frequency=440),
    "gb": _country(
        Tone((350, 440)),
        Tone((400, 450), (0.4, 0.2, 0.4, 2.0)),
        Tone((400,), (0.375, 0.375)),
        Tone((400,), (0.4, 0.35, 0.225, 0.525)),
    ),
    "ie": _country(
        Tone((425,)),
        Tone((400, 450), (0.4, 0.2, 0.4, 2.0)),
        Tone((425,), (0.5, 0.5)),
        Tone((425,), (0.25, 0.25)),
    ),
    "it": _of_one_frequency((1.0, 4.0), (0.5, 0.5), (0.2, 0.2), dial=(0.2, 0.2, 0.6, 1.0)),
    "jp": _of_one_frequency((1.0, 2.0), (0.5, 0.5), (0.5, 0.5), frequency=400),
    "nl": _of_one_frequency((1.0, 4.0), (0.5, 0.5), (0.25, 0.25)),
    "no": _of_one_frequency((1.0, 4.0), (0.5, 0.5), (0.2, 0.2)),
    "pl": _of_one_frequency((1.0, 4.0), (0.5, 0.5), (0.5, 0.5)),
    "pt": _of_one_frequency((1.0, 5.0), (0.5, 0.5), (0.2, 0.2)),
    "se": _of_one_frequency((1.0, 5.0), (0.25, 0.25), (0.25, 0.75)),
    "us": _NORTH_AMERICA,
}


def tone(country: str, name: ToneName) -> Tone:
    """A tone of a country (ISO 3166, lower case). Raises OperatorError for one that is not in the table."""
    found = TONES.get(country.lower())
    if found is None:
        raise OperatorError(f"there are no tones of country {country!r}", f"known are {', '.join(TONES)}")
    return found[name]


def beep(rate: int = 8000) -> Sound:
    """What says: speak now. 1000 Hz for 300 ms."""
    return Tone((1000,), (0.3, 0.0)).sound(rate)
