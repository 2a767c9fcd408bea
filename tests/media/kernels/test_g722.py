"""The oracle is the G722 package, a wrapper of a C implementation that passes the ITU's test vectors."""

import G722
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.kernels import g722
from pbx.media.layout import Array
from tests.media.kernels import speech

RATE = 16000
SOUNDS = {
    "noise": speech.noise(1, 16000),
    "faint noise": speech.noise(2, 16000, 40),
    "nothing": np.zeros(3200, np.int16),
    "low tone": speech.tone(440, 1, RATE, 32767),
    "high tone": speech.tone(6100, 1, RATE, 30000),
    "speech": speech.speech(3, 3, RATE),
    "music": speech.music(4, 2, RATE),
    "square": np.tile(np.repeat(np.array([32767, -32768], np.int16), 37), 200),
}


def new_state() -> Array:
    state = np.full(g722.STATE_SIZE, 99, np.int32)
    g722.g722_reset(state)
    return state


def encoded(samples: speech.Samples, frame: int = 320) -> bytes:
    state, out = new_state(), np.zeros(len(samples) // 2, np.uint8)
    done = 0
    for at in range(0, len(samples), frame):
        done += g722.g722_encode(state, samples[at : at + frame], out[done:])
    return out[:done].tobytes()


def decoded(octets: bytes, frame: int = 160) -> list[int]:
    state, out = new_state(), np.zeros(2 * len(octets), np.int16)
    data = np.frombuffer(octets, np.uint8)
    for at in range(0, len(octets), frame):
        g722.g722_decode(state, data[at : at + frame], out[2 * at :])
    return out.tolist()


@pytest.mark.parametrize("name", SOUNDS)
def test_bit_exact_both_ways(name: str) -> None:
    expected = G722.G722(RATE, 64000).encode(SOUNDS[name])
    assert encoded(SOUNDS[name]) == expected
    assert decoded(expected) == list(G722.G722(RATE, 64000).decode(expected))


@given(st.binary(min_size=1, max_size=700), st.sampled_from([1, 80, 160]))
def test_any_octets_are_decoded_as_the_oracle_decodes_them(octets: bytes, frame: int) -> None:
    assert decoded(octets, frame) == list(G722.G722(RATE, 64000).decode(octets))


@given(st.lists(st.integers(-32768, 32767), min_size=2, max_size=700), st.sampled_from([2, 160, 320]))
def test_any_samples_are_encoded_as_the_oracle_encodes_them(values: list[int], frame: int) -> None:
    samples = np.array(values[: len(values) // 2 * 2], np.int16)
    assert encoded(samples, frame) == G722.G722(RATE, 64000).encode(samples)


def test_an_odd_sample_at_the_end_is_left_out() -> None:
    out = np.full(3, 0xEE, np.uint8)
    assert g722.g722_encode(new_state(), np.zeros(5, np.int16), out) == 2
    assert out[2] == 0xEE


def test_speech_survives() -> None:
    original = SOUNDS["speech"].astype(float)
    heard = np.array(decoded(encoded(SOUNDS["speech"])), float)
    # The filters of both ends together are 22 samples late.
    error = heard[22:] - original[:-22]
    assert 10 * np.log10(np.mean(original**2) / np.mean(error**2)) > 12
