import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.cli.interop.audio import (
    FRAME,
    LEVEL,
    RATE,
    TONES,
    Samples,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
    faults,
    find,
    levels,
    purity_db,
    sine,
)

SECOND = RATE


def noise(level: float, samples: int = SECOND) -> Samples:
    return level * np.random.default_rng(1).standard_normal(samples)


def test_every_code_survives_decoding_and_encoding() -> None:
    codes = bytes(range(256))
    # The two zeros of G.711 are one number; it is encoded as the positive one.
    expected = bytearray(codes)
    expected[0x7F] = 0xFF
    assert encode_ulaw(decode_ulaw(codes)) == bytes(expected)


@pytest.mark.parametrize(
    ("code", "value"),
    [(0x00, -8031), (0x80, 8031), (0x8F, 4191), (0xFF, 0), (0xFE, 2), (0x7E, -2), (0xEF, 33)],
)
def test_codes_of_table_2a_of_g711(code: int, value: int) -> None:
    assert decode_ulaw(bytes([code]))[0] * 8192 == value


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=50))
def test_encoding_is_as_exact_as_a_step_of_its_segment(values: list[float]) -> None:
    sound = np.array(values)
    clipped = np.clip(sound, -8031 / 8192, 8031 / 8192)
    error = np.abs(decode_ulaw(encode_ulaw(sound)) - clipped)
    assert np.all(error <= np.abs(clipped) / 30 + 2 / 8192)


@pytest.mark.parametrize("frequency", TONES)
def test_a_tone_is_told_from_all_others(frequency: float) -> None:
    sound = decode_ulaw(encode_ulaw(sine(frequency, SECOND)))
    assert find(sound, frequency).heard == 1.0
    assert find(sound, frequency).level == pytest.approx(LEVEL, rel=0.02)
    assert all(find(sound, other).leaked == 0.0 for other in TONES if other != frequency)


def test_a_tone_goes_on_where_it_stopped() -> None:
    whole = sine(440, 2 * FRAME)
    assert np.allclose(np.concatenate([sine(440, FRAME), sine(440, FRAME, start=FRAME)]), whole)


def test_the_levels_of_a_tone_that_stops() -> None:
    sound = np.concatenate([sine(440, RATE // 2), np.zeros(RATE // 2)])
    found = levels(sound, 440)
    assert len(found) == 10
    assert np.all(found[:5] > 0.9 * LEVEL)
    assert np.all(found[5:] < 0.01)


def test_exactly_the_expected_tone_is_no_fault() -> None:
    assert faults(sine(440, SECOND), {"bob": 440}, {"alice": 540}) == []


def test_silence_is_no_fault_where_nothing_is_expected() -> None:
    assert faults(np.zeros(SECOND), {}, {"alice": 540}) == []
    assert faults(np.zeros(0), {}, {"alice": 540}) == []


def test_silence_is_a_fault_where_a_tone_is_expected() -> None:
    assert faults(np.zeros(0), {"bob": 440}, {}) == ["heard nothing"]
    (fault,) = faults(np.zeros(SECOND), {"bob": 440}, {})
    assert fault.startswith("heard bob (440 Hz) in 0% of the time")


def test_one_s_own_tone_is_a_fault_even_when_the_other_is_there() -> None:
    sound = sine(440, SECOND) + sine(540, SECOND)
    (fault,) = faults(sound, {"bob": 440}, {"alice": 540})
    assert fault == "heard alice (540 Hz), which it should not, in 100% of the time"
    assert faults(sound, {"bob": 440, "alice": 540}, {"carol": 680}) == []


@pytest.mark.parametrize("leak", [0.06, 0.2])
def test_a_faint_echo_is_a_fault(leak: float) -> None:
    sound = sine(440, SECOND) + leak * sine(540, SECOND)
    assert len(faults(sound, {"bob": 440}, {"alice": 540})) == 1


def test_noise_under_a_tone_is_borne_and_much_noise_is_not() -> None:
    assert faults(sine(440, SECOND) + noise(0.02), {"bob": 440}, {"alice": 540}) == []
    loud = faults(sine(440, SECOND) + noise(0.06), {"bob": 440}, {})
    assert [fault.split(":")[0] for fault in loud] == ["heard a distorted or noisy sound"]


def test_noise_alone_is_not_a_tone() -> None:
    (fault,) = faults(noise(0.05), {"bob": 440}, {})
    assert "heard bob" in fault


def test_a_clipped_tone_is_distorted() -> None:
    clipped = np.clip(4 * sine(440, SECOND), -LEVEL, LEVEL)
    (fault,) = faults(clipped, {"bob": 440}, {"alice": 540})
    assert fault.startswith("heard a distorted or noisy sound")


@pytest.mark.parametrize("factor", [0.4, 2.0])
def test_a_tone_at_the_wrong_level_is_a_fault(factor: float) -> None:
    (fault,) = faults(factor * sine(440, SECOND), {"bob": 440}, {})
    assert "at -8 dB" in fault or "at +6 dB" in fault


def test_a_lost_packet_is_borne_and_a_gap_is_not() -> None:
    sound = sine(440, 2 * SECOND)
    sound[4000 : 4000 + FRAME] = 0
    assert faults(sound, {"bob": 440}, {"alice": 540}) == []
    sound[8000:11200] = 0
    (fault,) = faults(sound, {"bob": 440}, {"alice": 780})
    assert fault.startswith("heard bob")


def test_purity_of_g711_and_of_silence() -> None:
    assert purity_db(decode_ulaw(encode_ulaw(sine(440, SECOND))), [440]) == pytest.approx(37, abs=2)
    assert purity_db(np.zeros(0), [440]) == float("-inf")
    assert purity_db(np.zeros(SECOND), [440]) < 0


def test_every_alaw_code_survives_decoding_and_encoding() -> None:
    assert encode_alaw(decode_alaw(bytes(range(256)))) == bytes(range(256))


@pytest.mark.parametrize(
    ("code", "value"),
    [(0xD5, 1), (0x55, -1), (0xD4, 3), (0xAA, 4032), (0x2A, -4032), (0xC5, 33), (0x80, 688)],
)
def test_codes_of_table_1a_of_g711(code: int, value: int) -> None:
    assert decode_alaw(bytes([code]))[0] * 4096 == value


@given(st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=50))
def test_alaw_is_as_exact_as_a_step_of_its_segment(values: list[float]) -> None:
    sound = np.array(values)
    clipped = np.clip(sound, -4032 / 4096, 4032 / 4096)
    error = np.abs(decode_alaw(encode_alaw(sound)) - clipped)
    assert np.all(error <= np.abs(clipped) / 30 + 2 / 4096)
