import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.kernels import concealment
from pbx.media.layout import Array
from tests.media.kernels import slow, speech


def new_state(rate: int = 8000) -> Array:
    state = np.full(concealment.CONCEALMENT_STATE, 5, np.int32)
    concealment.concealment_reset(state, rate)
    return state


def played(sound: speech.Samples, lost: set[int], rate: int = 8000) -> speech.Samples:
    """What is heard when these frames of 20 ms are lost."""
    state, size, row = new_state(rate), rate // 50, 0
    heard = sound.copy()
    for number in range(len(sound) // size):
        frame = heard[number * size : (number + 1) * size]
        if number in lost:
            concealment.conceal(state, row, frame)
            row += 1
        else:
            concealment.note_good(state, frame)
            row = 0
    return heard


@given(
    st.integers(0, 2**31), st.sampled_from([8000, 16000]), st.lists(st.booleans(), max_size=8), st.booleans()
)
def test_twin(seed: int, rate: int, losses: list[bool], voiced: bool) -> None:
    size = rate // 50
    sound = speech.tone(210, 0.2, rate) if voiced else speech.noise(seed, 10 * size)
    state, twin, row = new_state(rate), slow.Concealed(rate), 0
    for number, lost in enumerate([False, *losses]):
        frame = sound[number * size : (number + 1) * size].copy()
        if lost:
            expected = twin.lose(size, row)
            concealment.conceal(state, row, frame)
        else:
            expected = twin.hear(frame.tolist())
            concealment.note_good(state, frame)
        row = row + 1 if lost else 0
        assert frame.tolist() == expected


@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_lost_frame_of_a_steady_voice_is_hardly_heard(rate: int) -> None:
    sound = speech.tone(200, 1, rate) // 2 + speech.tone(400, 1, rate) // 3
    heard = played(sound, {20, 21}, rate)
    size = rate // 50
    # The first 10 ms are as strong as the voice was.
    first = slice(20 * size, 20 * size + size // 2)
    assert np.abs(heard[first].astype(int) - sound[first]).max() < 400
    # No jump is larger than the voice's own, by more than a little.
    assert np.abs(np.diff(heard.astype(int))).max() < 1.3 * np.abs(np.diff(sound.astype(int))).max()


def test_long_losses_fade_to_silence() -> None:
    heard = played(speech.tone(200, 1, 8000), set(range(20, 40)))
    powers = [int(np.abs(heard[number * 160 : (number + 1) * 160]).max()) for number in range(20, 40)]
    assert powers[:3] == sorted(powers[:3], reverse=True)
    assert powers[3:] == [0] * 17


def test_nothing_is_made_of_nothing() -> None:
    out = np.full(160, 9, np.int16)
    concealment.conceal(new_state(), 0, out)
    assert not out.any()
