from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.media.companding import LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.kernels import goertzel
from tests.media.kernels import slow, speech

KEYS = "".join(slow.KEYPAD)


def press(
    key: str, ms: float, amplitude: float = 6000, twist_db: float = 0, off: float = 0, phase: float = 0
) -> speech.Samples:
    row, column = divmod(KEYS.index(key), 4)
    when = np.arange(int(ms * 8)) * (1 + off) * 2 * np.pi / 8000
    low = np.sin(slow.LOW[row] * when + phase)
    high = 10 ** (twist_db / 20) * np.sin(slow.HIGH[column] * when + 2 * phase)
    return np.rint(amplitude * (low + high)).clip(-32768, 32767).astype(np.int16)


def silence(samples: int) -> speech.Samples:
    return np.zeros(samples, np.int16)


def dialled(
    keys: str, ms: float, gap_ms: float, seed: int = 0, how: Mapping[str, float] | None = None
) -> speech.Samples:
    random = np.random.default_rng(seed)
    parts = [silence(int(random.integers(0, 300)))]
    for key in keys:
        parts.append(press(key, ms, phase=random.uniform(0, 6), **(how or {})))
        parts.append(silence(int(gap_ms * 8) + int(random.integers(0, 100))))
    return np.concatenate([*parts, silence(480)])


def heard(sound: speech.Samples) -> str:
    state = np.zeros(goertzel.DTMF_STATE)
    events = [goertzel.dtmf_detect(state, sound[at : at + 160]) for at in range(0, len(sound), 160)]
    return "".join(goertzel.DIGITS[event] for event in events if event != goertzel.NOTHING)


@pytest.mark.parametrize("ms", [40, 60, 100, 400])
@pytest.mark.parametrize(
    "how",
    [{}, {"twist_db": 7}, {"twist_db": -7}, {"off": 0.015}, {"off": -0.015}, {"amplitude": 400.0}],
    ids=str,
)
def test_each_digit_exactly_once(ms: float, how: dict[str, float]) -> None:
    for seed in range(4):
        assert heard(dialled(KEYS, ms, 40, seed, how)) == KEYS


def test_the_same_digit_again() -> None:
    assert heard(dialled("1155", 40, 40)) == "1155"


def test_through_ulaw_and_noise() -> None:
    sound = dialled(KEYS, 60, 40)
    noise = np.random.default_rng(1).normal(size=len(sound)) * 6000 * 10 ** (-15 / 20)
    noisy = (sound + noise).astype(np.int16)
    assert heard(ULAW_TO_LINEAR[LINEAR_TO_ULAW[noisy.view(np.uint16)]]) == KEYS


@pytest.mark.parametrize(
    "how", [{"twist_db": 12}, {"twist_db": -12}, {"off": 0.035}, {"off": -0.035}, {"amplitude": 150}], ids=str
)
def test_what_is_no_digit(how: dict[str, float]) -> None:
    assert heard(dialled(KEYS, 100, 40, 0, how)) == ""


def test_too_short() -> None:
    assert heard(dialled(KEYS, 20, 40)) == ""


def test_one_tone_or_three_are_no_digit() -> None:
    assert heard(speech.tone(697, 0.3, 8000)) == ""
    assert heard(press("1", 300) + speech.tone(1000, 0.3, 8000)) == ""


def test_a_gap_of_10_ms_does_not_make_two_of_one() -> None:
    for first in range(40, 60):
        sound = np.concatenate([press("7", first), silence(80), press("7", 60), silence(480)])
        assert heard(sound) == "7"


def test_held() -> None:
    state = np.zeros(goertzel.DTMF_STATE)
    for at in range(0, 1600, 160):
        goertzel.dtmf_detect(state, press("#", 200)[at : at + 160])
    assert goertzel.dtmf_held(state) == 11
    for _ in range(5):
        goertzel.dtmf_detect(state, silence(160))
    assert goertzel.dtmf_held(state) == goertzel.NOTHING
    assert 150 <= goertzel.dtmf_held_ms(state) <= 210


# The twin solves by least squares what the kernel nears in rounds: it is asked where neither is at an edge.
@settings(max_examples=25)
@given(
    st.text(KEYS, max_size=4),
    st.sampled_from([20, 45, 80]),
    st.sampled_from([-12.0, -5.0, 0.0, 6.0, 12.0]),
    st.sampled_from([-0.04, -0.01, 0.0, 0.01, 0.04]),
    st.integers(0, 99),
)
def test_twin(keys: str, ms: int, twist_db: float, off: float, seed: int) -> None:
    sound = dialled(keys, ms, 50, seed, {"twist_db": twist_db, "off": off})
    assert heard(sound) == slow.digits(sound.tolist())


def test_no_digit_in_ten_minutes_of_speech() -> None:
    for seed in range(10):
        assert heard(speech.speech(seed, 60, 8000)) == ""
