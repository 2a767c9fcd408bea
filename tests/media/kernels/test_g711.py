import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import companding
from pbx.media.kernels import g711
from pbx.media.layout import Array
from tests.media.kernels import twins

EVERY_SAMPLE = np.arange(-32768, 32768, dtype=np.int16)
EVERY_OCTET = np.arange(256, dtype=np.uint8)


def test_ulaw_is_exact_to_g191_on_every_sample_and_octet() -> None:
    codes = np.zeros(65536, np.uint8)
    assert g711.encode_ulaw(EVERY_SAMPLE, codes) == 65536
    assert codes.tolist() == [twins.ulaw_of(sample) for sample in range(-32768, 32768)]
    linear = np.zeros(256, np.int16)
    assert g711.decode_ulaw(EVERY_OCTET, linear) == 256
    assert linear.tolist() == [twins.linear_of_ulaw(code) for code in range(256)]


def test_alaw_is_exact_to_g191_on_every_sample_and_octet() -> None:
    codes = np.zeros(65536, np.uint8)
    assert g711.encode_alaw(EVERY_SAMPLE, codes) == 65536
    assert codes.tolist() == [twins.alaw_of(sample) for sample in range(-32768, 32768)]
    linear = np.zeros(256, np.int16)
    assert g711.decode_alaw(EVERY_OCTET, linear) == 256
    assert linear.tolist() == [twins.linear_of_alaw(code) for code in range(256)]


def test_what_was_decoded_is_encoded_as_it_was() -> None:
    for decode, encode in ((g711.decode_ulaw, g711.encode_ulaw), (g711.decode_alaw, g711.encode_alaw)):
        linear, again = np.zeros(256, np.int16), np.zeros(256, np.uint8)
        decode(EVERY_OCTET, linear)
        encode(linear, again)
        # μ-law has two zeros; the negative one is not sent.
        expected = [0xFF if code == 0x7F and decode is g711.decode_ulaw else code for code in range(256)]
        assert again.tolist() == expected


def test_silence() -> None:
    assert companding.LINEAR_TO_ULAW[0] == companding.ULAW_SILENCE
    assert companding.LINEAR_TO_ALAW[0] == companding.ALAW_SILENCE


@given(st.lists(st.integers(-32768, 32767), max_size=60))
def test_the_rest_of_a_longer_buffer_is_left_alone(samples: list[int]) -> None:
    out = np.full(64, 7, np.uint8)
    assert g711.encode_alaw(np.array(samples, np.int16), out) == len(samples)
    assert out.tolist() == [twins.alaw_of(sample) for sample in samples] + [7] * (64 - len(samples))


@pytest.mark.parametrize("table", [companding.LINEAR_TO_ULAW, companding.LINEAR_TO_ALAW])
def test_tables_are_indexed_by_the_sample_as_an_unsigned_number(table: Array) -> None:
    assert table.shape == (65536,)
    assert table[-1 & 0xFFFF] & 0x80 == 0
    assert table[1] & 0x80 == 0x80
