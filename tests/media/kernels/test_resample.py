import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.kernels import resample
from tests.media.kernels import speech, twins

frames = st.lists(st.lists(st.integers(-32768, 32767), max_size=90), max_size=6)


def raised(parts: list[speech.Samples]) -> speech.Samples:
    state = np.zeros(resample.UP2_STATE, np.int32)
    found = [np.zeros(0, np.int16)]
    for part in parts:
        out = np.zeros(2 * len(part), np.int16)
        assert resample.up2(state, part, out) == len(out)
        found.append(out)
    return np.concatenate(found)


def lowered(parts: list[speech.Samples]) -> speech.Samples:
    state = np.zeros(resample.DOWN2_STATE, np.int32)
    found = [np.zeros(0, np.int16)]
    for part in parts:
        out = np.zeros(len(part) // 2, np.int16)
        assert resample.down2(state, part, out) == len(out)
        found.append(out)
    return np.concatenate(found)


def cut(samples: speech.Samples, size: int) -> list[speech.Samples]:
    return [samples[at : at + size] for at in range(0, len(samples), size)]


@given(frames)
def test_up_is_the_twin_however_it_is_cut(parts: list[list[int]]) -> None:
    twin = twins.HalfBand(resample.HALF_BAND.tolist())
    heard = raised([np.array(part, np.int16) for part in parts])
    assert heard.tolist() == twin.up([sample for part in parts for sample in part])


@given(frames)
def test_down_is_the_twin_however_it_is_cut(parts: list[list[int]]) -> None:
    even = [part[: len(part) // 2 * 2] for part in parts]
    twin = twins.HalfBand(resample.HALF_BAND.tolist())
    heard = lowered([np.array(part, np.int16) for part in even])
    assert heard.tolist() == twin.down([sample for part in even for sample in part])


def test_a_step_does_not_wrap() -> None:
    loud = np.tile(np.repeat(np.array([32767, -32768], np.int16), 40), 10)
    for heard in (raised(cut(loud, 160)), lowered(cut(loud, 320))):
        assert heard.max() == 32767
        assert heard.min() == -32768
        assert np.abs(np.diff(heard.astype(int))[60:90]).max() < 70_000


@pytest.mark.parametrize("frequency", [300, 1000, 3000, 3400])
def test_a_tone_there_and_back_is_the_tone_but_late(frequency: int) -> None:
    tone = speech.tone(frequency, 0.5, 8000, 12000)
    back = lowered(cut(raised(cut(tone, 160)), 320))
    # Both delays together are 46 samples at 16 kHz, and one is counted from the pair's second sample.
    late = (2 * resample.DELAY - 1) / 2
    when = (np.arange(len(back)) - late) / 8000
    expected = 12000 * np.sin(2 * np.pi * frequency * when)
    assert np.abs(back - expected)[100:].max() < 60


def test_what_8_khz_cannot_carry_is_taken_away() -> None:
    heard = lowered(cut(speech.tone(5000, 0.5, 16000, 20000), 320))
    assert np.abs(heard[100:]).max() < 40


def test_no_image_above_4_khz_when_raised() -> None:
    heard = raised(cut(speech.tone(3000, 0.5, 8000, 20000), 160))[400:7600].astype(float)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    frequencies = np.fft.rfftfreq(len(heard), 1 / 16000)
    assert spectrum[frequencies > 4100].max() < spectrum.max() / 500
