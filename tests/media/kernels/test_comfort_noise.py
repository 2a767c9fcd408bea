import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.kernels import comfort_noise
from tests.media.kernels import slow


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 127), min_size=1, max_size=4), st.integers(1, 330))
def test_twin(seed: int, levels: list[int], size: int) -> None:
    state, out = np.array([seed, 0], np.int64), np.zeros(size, np.int16)
    generator, strength = seed, 0
    for level in levels:
        comfort_noise.comfort_noise(state, level, out)
        expected, generator, strength = slow.comfort_noise(generator, strength, level, size)
        assert out.tolist() == expected


@pytest.mark.parametrize("level", [20, 40, 60])
def test_level(level: int) -> None:
    state, out = np.array([1, comfort_noise.PEAK[level]], np.int64), np.zeros(32000, np.int16)
    comfort_noise.comfort_noise(state, level, out)
    assert 10 * math.log10(np.mean(out.astype(float) ** 2) / 32768**2) == pytest.approx(-level, abs=0.5)


def test_levels_that_cannot_be_are_the_nearest() -> None:
    for level, nearest in ((-5, 0), (400, 127)):
        found = []
        for asked in (level, nearest):
            state, out = np.zeros(comfort_noise.NOISE_STATE, np.int64), np.zeros(160, np.int16)
            comfort_noise.comfort_noise(state, asked, out)
            found.append(out.tolist())
        assert found[0] == found[1]
