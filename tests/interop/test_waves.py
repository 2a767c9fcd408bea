"""The tones and recordings of cases."""

import wave
from pathlib import Path

import pytest

from pbx.cli.interop.audio import faults
from pbx.cli.interop.waves import read_wav, write_tone
from pbx.errors import OperatorError


def test_a_tone_is_heard_as_it_was_written(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 440, 2)
    (sound,) = read_wav(tmp_path / "a.wav")
    assert len(sound) == 16_000
    assert faults(sound, {"a": 440}, {"b": 540}) == []


def test_sides_are_kept_apart(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "two.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes([0, 64, 0, 192]) * 3)
    left, right = read_wav(tmp_path / "two.wav")
    assert list(left) == [0.5] * 3
    assert list(right) == [-0.5] * 3


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "no.wav").write_bytes(content)
    with pytest.raises(OperatorError, match="no WAV file"):
        read_wav(tmp_path / "no.wav")
