import fcntl
import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.errors import OperatorError
from pbx.media.companding import LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.resampling import resample
from pbx.media.values import Sound
from pbx.media.wav import Format, Samples, WavWriter, parse_wav, read_wav, repair, write_wav
from tests.media.spectrum import sine, strength

SHORT = sine(400, 0.1, 8000)
NOWHERE = Path("x.wav")


def a_wav(
    data: bytes,
    tag: int = 1,
    channels: int = 1,
    rate: int = 8000,
    bits: int = 16,
    *,
    more: bytes = b"",
    align: int | None = None,
) -> bytes:
    frame = channels * bits // 8 if align is None else align
    layout = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(layout)) + layout + more
    body += b"data" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def standard(path: Path, samples: Samples, rate: int = 8000) -> None:
    """Written by the library that Python has."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else 2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


class TestReading:
    @pytest.mark.parametrize("rate", [8000, 16000])
    def test_pcm_of_our_rates_is_taken_as_it_is(self, tmp_path: Path, rate: int) -> None:
        samples = sine(440, 0.2, rate)
        standard(tmp_path / "a.wav", samples, rate)
        sound = read_wav(tmp_path / "a.wav")
        assert sound.rate == rate
        assert np.array_equal(sound.samples, samples)

    def test_two_channels_become_their_mean(self, tmp_path: Path) -> None:
        left, right = (
            np.array([100, -32768, 32767, 3], np.int16),
            np.array([300, -32768, 32767, -4], np.int16),
        )
        standard(tmp_path / "a.wav", np.stack((left, right), 1))
        assert read_wav(tmp_path / "a.wav").samples.tolist() == [200, -32768, 32767, -1]

    def test_eight_bits_are_unsigned(self) -> None:
        assert parse_wav(a_wav(bytes([0, 128, 255]), bits=8), NOWHERE).samples.tolist() == [-32768, 0, 32512]

    def test_companded_samples_are_decoded(self) -> None:
        unsigned = SHORT.view(np.uint16)
        ulaw = parse_wav(a_wav(LINEAR_TO_ULAW[unsigned].tobytes(), 7, bits=8), NOWHERE)
        assert np.array_equal(ulaw.samples, ULAW_TO_LINEAR[LINEAR_TO_ULAW[unsigned]])
        alaw = parse_wav(a_wav(LINEAR_TO_ALAW[unsigned].tobytes(), 6, bits=8), NOWHERE)
        assert np.abs(alaw.samples.astype(int) - SHORT).max() <= 256

    def test_other_chunks_are_passed_over_odd_ones_too(self) -> None:
        more = b"LIST" + struct.pack("<I", 3) + b"abc\0"
        assert parse_wav(a_wav(SHORT.tobytes(), more=more) + b"behind", NOWHERE).duration_s == pytest.approx(
            0.1
        )

    def test_an_extensible_format_says_its_own_further_on(self) -> None:
        layout = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 4) + b"\1\0" + b"\0" * 14
        body = (
            b"WAVEfmt "
            + struct.pack("<I", len(layout))
            + layout
            + b"data"
            + struct.pack("<I", 4)
            + b"\1\0\2\0"
        )
        content = b"RIFF" + struct.pack("<I", len(body)) + body
        assert parse_wav(content, NOWHERE).samples.tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("rate", "becomes"), [(44100, 16000), (48000, 16000), (11025, 16000), (22050, 16000), (6000, 8000)]
    )
    def test_other_rates_are_converted(self, rate: int, becomes: int) -> None:
        sound = parse_wav(a_wav(sine(1000, 1.0, rate).tobytes(), rate=rate), NOWHERE)
        assert sound.rate == becomes
        assert sound.duration_s == pytest.approx(1.0, abs=0.001)
        middle = sound.samples[becomes // 10 : -becomes // 10]
        assert strength(middle, becomes, 1000) == pytest.approx(10_000, rel=0.01)

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "is not a WAV file: make it 16 bit PCM"),
            (b"ID3\x04" + bytes(100), "is not a WAV file"),
            (a_wav(SHORT.tobytes())[:300], "is cut short: it says 1644 octets and has 300"),
            (
                a_wav(SHORT.tobytes())[:36].replace(struct.pack("<I", 1636), struct.pack("<I", 28)),
                "no samples",
            ),
            (a_wav(b"\1\2\3\4").replace(b"data\4", b"data\x7f"), "says 127 octets of data, where 4 are left"),
            (a_wav(b"\1\2\3\4").replace(b"fmt \x10", b"fmt \x0e"), "format of 14 octets"),
            (a_wav(b"\1\2\3\4").replace(b"fmt ", b"fmtx"), "samples before their format"),
            (a_wav(b"\1\2\3"), "ends in the middle of a sample"),
            (a_wav(b""), "has no sound in it"),
            (a_wav(bytes(6), bits=24), "format 1 with 24 bit"),
            (a_wav(bytes(8), tag=3, bits=32), "format 3 with 32 bit"),
            (a_wav(bytes(4), channels=0), "0 channels"),
            (a_wav(bytes(12), channels=6), "6 channels"),
            (a_wav(bytes(4), rate=0), "0 Hz"),
            (a_wav(bytes(4), rate=2**31 - 1), "2147483647 Hz"),
            (a_wav(bytes(4), align=4), "says 4 octets for 1 samples of 16 bit"),
        ],
    )
    def test_what_is_no_wav_is_refused_with_its_path(self, tmp_path: Path, content: bytes, what: str) -> None:
        path = tmp_path / "bad.wav"
        path.write_bytes(content)
        with pytest.raises(OperatorError) as caught:
            read_wav(path)
        assert str(caught.value).startswith(f"{path} ")
        assert what in str(caught.value)

    def test_too_large_and_missing_files_are_refused(self, tmp_path: Path) -> None:
        standard(tmp_path / "a.wav", SHORT)
        with pytest.raises(OperatorError, match="has 1644 octets, more than 1000"):
            read_wav(tmp_path / "a.wav", max_octets=1000)
        with pytest.raises(OperatorError, match=r"cannot read .*no such file"):
            read_wav(tmp_path / "b.wav")
        with pytest.raises(OperatorError, match="longer than 60 minutes"):
            parse_wav(a_wav(bytes(4000 * 3601), bits=8, rate=4000), NOWHERE)

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_a_damaged_file_is_read_or_refused_and_nothing_else(self, data: st.DataObject) -> None:
        content = bytearray(a_wav(SHORT[:40].tobytes(), more=b"LIST\2\0\0\0ab"))
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(content)))
        try:
            sound = parse_wav(bytes(content[:cut] if data.draw(st.booleans()) else content), NOWHERE)
        except OperatorError:
            return
        assert len(sound.samples) > 0
        assert sound.rate in {8000, 16000}


class TestResampling:
    def test_what_does_not_fit_is_gone(self) -> None:
        heard = resample(sine(7000, 0.5, 44100), 44100, 8000)
        assert np.abs(heard[400:-400]).max() < 12

    def test_it_stays_in_step(self) -> None:
        click = np.zeros(4410, np.int16)
        click[2205] = 30000
        assert int(np.argmax(resample(click, 44100, 16000))) == 800

    def test_loud_samples_are_clipped_and_do_not_wrap(self) -> None:
        square = np.repeat(np.array([32767, -32768] * 20, np.int16), 30)
        heard = resample(square, 11025, 16000)
        assert heard.max() == 32767
        assert heard[15] > 20000

    @settings(max_examples=30, deadline=None)
    @given(st.integers(4000, 60000), st.sampled_from([8000, 16000]), st.integers(1, 400))
    def test_any_rate_gives_as_much_time(self, rate: int, wanted: int, size: int) -> None:
        heard = resample(np.full(size, 1000, np.int16), rate, wanted)
        assert abs(len(heard) - size * wanted / rate) <= 1


WRITTEN: list[tuple[Format, int]] = [
    ("pcm", 1), ("pcm", 2), ("ulaw", 1), ("ulaw", 2), ("alaw", 1), ("alaw", 2),
]  # fmt: skip


def frames(channels: int, count: int) -> Samples:
    samples = sine(300, 1.0, 8000)[:count]
    return samples if channels == 1 else np.stack((samples, -samples), 1)


class TestWriting:
    @pytest.mark.parametrize(("format_", "channels"), WRITTEN)
    @pytest.mark.parametrize("count", [1, 161])
    def test_what_is_written_is_read_back(
        self, tmp_path: Path, format_: Format, channels: int, count: int
    ) -> None:
        writer = WavWriter(tmp_path / "a.wav", channels=channels, format=format_)
        samples = frames(channels, count)
        assert writer.write(samples[: count // 2]) == count // 2
        assert not (tmp_path / "a.wav").exists()
        writer.write(samples[count // 2 :])
        writer.close()
        writer.close()
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]
        content = writer.path.read_bytes()
        assert int.from_bytes(content[4:8], "little") + 8 == len(content)
        sound = read_wav(writer.path)
        expected = samples if channels == 1 else np.zeros(count)
        assert np.abs(sound.samples - expected).max() <= (0 if format_ == "pcm" else 600)

    def test_the_standard_library_reads_it(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "a.wav", rate=16000, channels=2)
        writer.write(frames(2, 100))
        writer.close()
        with wave.open(str(tmp_path / "a.wav"), "rb") as file:
            assert file.getparams()[:4] == (2, 2, 16000, 100)
            assert file.readframes(100) == frames(2, 100).tobytes()

    def test_without_a_sample_there_is_no_file(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "a.wav")
        writer.write(frames(1, 0))
        writer.close()
        assert list(tmp_path.iterdir()) == []

    def test_it_does_not_grow_beyond_its_size(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "a.wav", max_octets=1000)
        assert (writer.write(frames(1, 400)), writer.full) == (400, False)
        assert (writer.write(frames(1, 400)), writer.full) == (77, True)
        assert writer.write(frames(1, 1)) == 0
        writer.close()
        assert writer.path.stat().st_size == 998

    def test_a_name_that_is_taken_gets_a_number(self, tmp_path: Path) -> None:
        writers = [WavWriter(tmp_path / "a.wav") for _ in range(2)]
        for writer in writers:
            writer.write(frames(1, 10))
            writer.close()
        third = WavWriter(tmp_path / "a.wav")
        third.abandon()
        assert [writer.path.name for writer in (*writers, third)] == ["a.wav", "a-2.wav", "a-3.wav"]

    def test_a_full_disk_keeps_what_was_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = WavWriter(tmp_path / "a.wav", channels=2)
        writer.write(frames(2, 100))
        full = _Full(writer._file, room=42)
        monkeypatch.setattr(writer, "_file", full)
        with pytest.raises(OSError, match="No space"):
            writer.write(frames(2, 100))
        assert writer.frames == 110
        monkeypatch.setattr(writer, "_file", full.file)
        writer.close()
        assert len(read_wav(writer.path).samples) == 110

    def test_a_sound_replaces_another_whole(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "a.wav", Sound(SHORT, 16000))
        write_wav(tmp_path / "a.wav", Sound(SHORT[:301], 8000), "ulaw")
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.wav"]
        assert read_wav(tmp_path / "a.wav").rate == 8000
        assert len(read_wav(tmp_path / "a.wav").samples) == 301


class _Full:
    """A file on a disk with room for so many octets more."""

    def __init__(self, file: object, room: int) -> None:
        self.file = file
        self.room = room

    def write(self, content: bytes) -> int:
        if self.room == 0:
            raise OSError(28, "No space left on device")
        taken = content[: self.room]
        self.room -= len(taken)
        self.file.write(taken)  # type: ignore[attr-defined]  # any file
        return len(taken)

    def truncate(self, size: int) -> None:
        self.file.truncate(size)  # type: ignore[attr-defined]  # any file


class TestCrashes:
    @pytest.mark.parametrize(("format_", "channels"), WRITTEN)
    @pytest.mark.parametrize("torn", [0, 1])
    def test_what_a_crash_left_is_completed(
        self, tmp_path: Path, format_: Format, channels: int, torn: int
    ) -> None:
        writer = WavWriter(tmp_path / "a.wav", channels=channels, format=format_)
        writer.write(frames(channels, 99))
        writer.leave()
        part = tmp_path / "a.wav.part"
        with part.open("ab") as file:
            file.write(b"x" * torn if format_ == "pcm" or channels == 2 else b"")
        assert repair(tmp_path) == [tmp_path / "a.wav"]
        assert not part.exists()
        assert len(read_wav(tmp_path / "a.wav").samples) == 99
        assert repair(tmp_path) == []

    def test_what_is_being_written_is_let_be(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "a.wav")
        writer.write(frames(1, 9))
        assert repair(tmp_path) == []
        writer.close()
        assert writer.path.exists()

    def test_what_has_no_sample_goes_and_what_is_no_recording_stays(self, tmp_path: Path) -> None:
        WavWriter(tmp_path / "empty.wav").leave()
        (tmp_path / "torn.wav.part").write_bytes(b"RIFF")
        (tmp_path / "other.wav.part").write_bytes(b"something of somebody else that is not ours to touch")
        assert repair(tmp_path) == []
        assert [entry.name for entry in tmp_path.iterdir()] == ["other.wav.part"]

    def test_a_directory_that_is_not_there_has_nothing(self, tmp_path: Path) -> None:
        assert repair(tmp_path / "none") == []

    def test_it_is_locked_and_private_while_it_grows(self, tmp_path: Path) -> None:
        writer = WavWriter(tmp_path / "a.wav")
        part = tmp_path / "a.wav.part"
        with part.open("rb") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert os.stat(part).st_mode & 0o007 == 0
        writer.abandon()
