import numpy as np
import pytest

from pbx.errors import OperatorError
from pbx.media.tones import TONE_NAMES, TONES, Tone, beep, tone
from pbx.media.values import Sound
from tests.media.spectrum import strength

EVERY = [(country, name) for country in TONES for name in TONE_NAMES]


def loud(sound: Sound) -> list[bool]:
    """Of each 5 ms, whether anything sounds."""
    step = sound.rate // 200
    frames = sound.samples[: len(sound.samples) // step * step].reshape(-1, step)
    return [bool(each) for each in np.abs(frames).max(axis=1) > 300]


@pytest.mark.parametrize(("country", "name"), EVERY)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_tone_has_its_frequencies_alone_and_its_length(country: str, name: str, rate: int) -> None:
    found = TONES[country][name]  # type: ignore[index]  # parametrize knows no literals
    sound = found.sound(rate)
    assert sound.rate == rate
    assert sound.duration_s == pytest.approx(found.period_s, abs=1 / rate)
    assert np.abs(sound.samples).max() <= 10_000
    on = round((found.cadence_s or (1.0,))[0] * rate)
    beginning = sound.samples[:on]
    for frequency in found.frequencies:
        assert strength(beginning, rate, frequency) > 10_000 / len(found.frequencies) * 0.8
    for absent in (700, 1100, 2500):
        assert strength(beginning, rate, absent) < 350


def test_the_dutch_ringback_sounds_for_one_second_of_five() -> None:
    heard = loud(tone("nl", "ringback").sound())
    assert len(heard) == 1000
    assert all(heard[1:199])
    assert not any(heard[200:])


def test_the_british_ringback_comes_twice() -> None:
    heard = loud(tone("gb", "ringback").sound())
    assert all(heard[2:78])
    assert not any(heard[80:120])
    assert all(heard[122:198])
    assert not any(heard[200:])


@pytest.mark.parametrize("country", sorted(TONES))
def test_every_tone_loops_without_a_click(country: str) -> None:
    for name in TONE_NAMES:
        found = tone(country, name)
        again = np.concatenate([found.sound().samples] * 2).astype(np.int64)
        steepest = 10_000 * 2 * np.pi * max(found.frequencies) / 8000
        assert np.abs(np.diff(again)).max() <= steepest + 2


def test_countries_differ_where_they_should() -> None:
    assert tone("nl", "busy") != tone("de", "busy")
    assert tone("US", "dial") == Tone((350, 440))


def test_a_country_without_tones_is_refused_with_those_there_are() -> None:
    with pytest.raises(OperatorError, match=r"no tones of country 'zz': known are at, be, .*us"):
        tone("zz", "busy")


def test_the_beep_is_short() -> None:
    assert beep().duration_s == pytest.approx(0.3)
    assert strength(beep().samples, 8000, 1000) > 9000
