import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.companding import ALAW_TO_LINEAR, ULAW_TO_LINEAR
from pbx.media.kernels import levels
from tests.media.kernels import slow, speech

samples = st.lists(st.integers(-32768, 32767), max_size=200)
quiet = st.lists(st.integers(-50, 50), max_size=200)


@given(st.one_of(samples, quiet))
def test_level_twin(values: list[int]) -> None:
    assert levels.frame_level(np.array(values, np.int16)) == slow.level(values)


def test_level_of_known_sounds() -> None:
    assert levels.frame_level(np.full(160, -32768, np.int16)) == 0
    assert levels.frame_level(speech.tone(1000, 0.02, 8000, 32767)) == 3
    assert levels.frame_level(np.zeros(160, np.int16)) == 127


@given(samples)
def test_clipped_twin(values: list[int]) -> None:
    assert levels.clipped_samples(np.array(values, np.int16)) == sum(abs(value) >= 32124 for value in values)


@given(st.binary(max_size=400))
def test_glance_twin(octets: bytes) -> None:
    squares = [int(ULAW_TO_LINEAR[octet]) ** 2 for octet in octets[:: levels.GLANCE]]
    expected = sum(squares) // max(len(squares), 1)
    assert levels.glance(np.frombuffer(octets, np.uint8), ULAW_TO_LINEAR) == expected


def test_the_loudest_of_both_laws_is_clipped() -> None:
    assert levels.clipped_samples(ULAW_TO_LINEAR) == 2
    assert levels.clipped_samples(ALAW_TO_LINEAR) == 2


@given(st.lists(st.integers(0, 127), max_size=80))
def test_voice_twin(values: list[int]) -> None:
    state = np.zeros(levels.VOICE_STATE, np.int64)
    assert [bool(levels.voice_active(state, value)) for value in values] == slow.voice(values)


def test_voice_over_noise_and_its_pauses() -> None:
    state = np.zeros(levels.VOICE_STATE, np.int64)
    noise = [bool(levels.voice_active(state, 50)) for _ in range(50)]
    voice = [bool(levels.voice_active(state, 20)) for _ in range(50)]
    after = [bool(levels.voice_active(state, 50)) for _ in range(50)]
    assert not any(noise)
    assert all(voice)
    assert after == [True] * 10 + [False] * 40
