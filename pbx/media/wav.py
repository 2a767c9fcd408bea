"""WAV files: what people bring becomes a Sound, and what calls say becomes a file.

What is read is distrusted: every size in it is checked against what is there. What is written grows as
NAME.part and gets its name when it is whole; what a crash left behind is completed by `repair`.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pbx.errors import OperatorError
from pbx.media.companding import ALAW_TO_LINEAR, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.resampling import resample
from pbx.media.values import Sound

Samples = npt.NDArray[np.int16]
Format = Literal["pcm", "ulaw", "alaw"]

# Format tags of RFC 2361.
_PCM: Final = 0x0001
_ALAW: Final = 0x0006
_ULAW: Final = 0x0007
_EXTENSIBLE: Final = 0xFFFE
_TAGS: Final[dict[Format, int]] = {"pcm": _PCM, "ulaw": _ULAW, "alaw": _ALAW}

MAX_READ_OCTETS: Final = 128 << 20
MAX_READ_S: Final = 3600
_RATES: Final = range(4000, 192_001)
_HINT: Final = "make it 16 bit PCM, for instance with: ffmpeg -i FILE -c:a pcm_s16le -ar 16000 -ac 1 NEW.wav"

# Sizes in a WAV are of 32 bits, and some players take them as signed.
MAX_WRITE_OCTETS: Final = (1 << 31) - 1024
PART: Final = ".part"


# -- reading -------------------------------------------------------------------------------------------------


def read_wav(path: Path, *, max_octets: int = MAX_READ_OCTETS) -> Sound:
    """A file of PCM (8 or 16 bit), μ-law or A-law in one or two channels as a Sound of 8 or 16 kHz.

    Two channels become their mean; other rates are converted, those above 8 kHz to 16 kHz. Raises
    OperatorError with the path and what is wrong with it.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_octets:
                raise _wrong(path, f"has {size} octets, more than {max_octets}", "make it shorter")
            content = file.read(max_octets + 1)
    except OSError as error:
        raise OperatorError(f"cannot read {path}", (error.strerror or "unknown reason").lower()) from error
    return parse_wav(content, path)


def parse_wav(content: bytes, path: Path) -> Sound:
    """The sound in the octets of a WAV file, as `read_wav` says."""
    layout: tuple[int, int, int, int] | None = None
    for name, body in _chunks(content, path):
        if name == b"fmt ":
            layout = _layout(body, path)
        elif name == b"data":
            if layout is None:
                raise _wrong(path, "has its samples before their format", _HINT)
            return _sound(body, *layout, path)
    missing = "samples (a data chunk)" if layout is not None else "format (a fmt chunk)"
    raise _wrong(path, f"has no {missing}", "it may have been cut short")


def _chunks(content: bytes, path: Path) -> Iterator[tuple[bytes, memoryview]]:
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise _wrong(path, "is not a WAV file", _HINT)
    end = 8 + int.from_bytes(content[4:8], "little")
    if end > len(content):
        raise _wrong(path, f"is cut short: it says {end} octets and has {len(content)}", "copy it again")
    view = memoryview(content)
    at = 12
    while at + 8 <= end:
        name = content[at : at + 4]
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8
        if size > end - at:
            shown = (
                name.decode("ascii", "replace").strip() if name.isalnum() or name == b"fmt " else "unknown"
            )
            raise _wrong(path, f"says {size} octets of {shown}, where {end - at} are left", "copy it again")
        yield name, view[at : at + size]
        # Chunks begin at even places.
        at += size + (size & 1)


def _layout(body: memoryview, path: Path) -> tuple[int, int, int, int]:
    """The format tag, the channels, the rate and the bits of a sample."""
    if len(body) < 16:
        raise _wrong(path, f"has a format of {len(body)} octets, expected 16 or more", _HINT)
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    if (tag, bits) not in {(_PCM, 8), (_PCM, 16), (_ULAW, 8), (_ALAW, 8)}:
        raise _wrong(
            path,
            f"has samples of format {tag} with {bits} bit, expected PCM of 8 or 16 bit, μ-law or A-law",
            _HINT,
        )
    if channels not in {1, 2}:
        raise _wrong(path, f"has {channels} channels, expected one or two", _HINT)
    if rate not in _RATES:
        raise _wrong(path, f"has {rate} Hz, expected {_RATES[0]} to {_RATES[-1]}", _HINT)
    if align != channels * bits // 8:
        raise _wrong(path, f"says {align} octets for {channels} samples of {bits} bit", _HINT)
    return tag, channels, rate, bits


def _sound(body: memoryview, tag: int, channels: int, rate: int, bits: int, path: Path) -> Sound:
    frame = channels * bits // 8
    if len(body) % frame:
        raise _wrong(path, "ends in the middle of a sample", "it may have been cut short")
    if len(body) == 0:
        raise _wrong(path, "has no sound in it", "record it again")
    if len(body) // frame > MAX_READ_S * rate:
        raise _wrong(path, f"lasts longer than {MAX_READ_S // 60} minutes", "make it shorter")
    octets = np.frombuffer(body, np.uint8)
    samples: Samples
    if tag == _ULAW:
        samples = ULAW_TO_LINEAR[octets]
    elif tag == _ALAW:
        samples = ALAW_TO_LINEAR[octets]
    elif bits == 8:
        samples = (octets.astype(np.int16) - 128) << 8
    else:
        samples = octets.view("<i2").astype(np.int16)
    if channels == 2:
        samples = (samples.reshape(-1, 2).astype(np.int32).sum(axis=1) >> 1).astype(np.int16)
    wanted = 8000 if rate <= 8000 else 16000
    return Sound(resample(samples, rate, wanted), wanted)


def _wrong(path: Path, what: str, hint: str) -> OperatorError:
    return OperatorError(f"{path} {what}", hint)


# -- writing -------------------------------------------------------------------------------------------------


class WavWriter:
    """A WAV file that grows: `path` is where it will be, `path`.part where it is until it is closed.

    When there is such a file already, the next free of NAME-2.wav, NAME-3.wav … is taken: `path` says which.
    Samples are int16, of shape (n,) in mono and (n, 2) in stereo. It never gets larger than `max_octets`:
    `write` then takes what there is room for. All methods raise OSError, after which `close` may still work.
    """

    def __init__(
        self,
        path: Path,
        *,
        rate: int = 8000,
        channels: int = 1,
        format: Format = "pcm",  # noqa: A002  # what the dialplan calls it
        max_octets: int = MAX_WRITE_OCTETS,
    ) -> None:
        self.format = format
        self.channels = channels
        self.frames = 0
        self._octets = channels * (2 if format == "pcm" else 1)
        self._rate = rate
        header = _header(format, channels, rate, 0)
        self._begins = len(header)
        room = min(max_octets, MAX_WRITE_OCTETS) - len(header) - 1
        self._room = max(0, room // self._octets)
        self.path, self._file = _reserve(path)
        try:
            self._file.write(header)
        except OSError:
            self.abandon()
            raise

    @property
    def full(self) -> bool:
        """Whether nothing more goes into it."""
        return self.frames >= self._room

    def write(self, samples: Samples) -> int:
        """Append as many frames (a sample of every channel) as there is room for; how many those were."""
        taken = samples[: self._room - self.frames]
        if len(taken) == 0:
            return 0
        if self.format == "pcm":
            content = taken.astype("<i2").tobytes()
        else:
            table = LINEAR_TO_ULAW if self.format == "ulaw" else LINEAR_TO_ALAW
            content = table[taken.view(np.uint16)].tobytes()
        written = 0
        try:
            while written < len(content):
                written += self._file.write(content[written:])
        except OSError:
            # A full disk takes a part: what is whole of it stays.
            self.frames += written // self._octets
            with contextlib.suppress(OSError):
                self._file.truncate(self._begins + self.frames * self._octets)
            raise
        self.frames += len(taken)
        return len(taken)

    def close(self) -> None:
        """Say how much there is, have it on disk and give the file its name; without a sample it goes."""
        if self._file.closed:
            return
        if self.frames == 0:
            self.abandon()
            return
        with self._file:
            _complete(self._file, self.format, self.channels, self._rate)
        _part_of(self.path).rename(self.path)

    def abandon(self) -> None:
        """Remove it."""
        self._file.close()
        _part_of(self.path).unlink(missing_ok=True)

    def leave(self) -> None:
        """Let go of a file that cannot be completed: `repair` does it another time."""
        self._file.close()


def write_wav(path: Path, sound: Sound, format: Format = "pcm") -> None:  # noqa: A002  # as above
    """Put a whole sound at `path`, in place of what was there; nobody reads half of it. Raises OSError."""
    samples = sound.samples
    if format == "pcm":
        content = samples.astype("<i2").tobytes()
    else:
        content = (LINEAR_TO_ULAW if format == "ulaw" else LINEAR_TO_ALAW)[samples.view(np.uint16)].tobytes()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    header = _header(format, 1, sound.rate, len(content))
    try:
        beside.write_bytes(header + content + b"\0" * (len(content) & 1))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def repair(directory: Path) -> list[Path]:
    """Complete the recordings in a directory that a crash left behind; where they are now.

    Those that another process still writes are let be, those without a sample are removed, and what is no
    recording is not touched.
    """
    mended = []
    for part in sorted(directory.glob(f"*.wav{PART}")):
        with contextlib.suppress(OSError):
            whole = _repair(part)
            if whole is not None:
                mended.append(whole)
    return mended


def _repair(part: Path) -> Path | None:
    with FileIO(part, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        beginning = file.read(64)
        written: Format | None = next(
            (name for name, tag in _TAGS.items() if beginning[20:22] == tag.to_bytes(2, "little")), None
        )
        if len(beginning) < 36 and os.fstat(file.fileno()).st_size < 36:
            part.unlink()
            return None
        if written is None or beginning[:4] != b"RIFF" or beginning[8:12] != b"WAVE":
            return None
        channels, rate = struct.unpack_from("<HI", beginning, 22)
        size = len(_header(written, channels, rate, 0))
        frame = max(1, channels) * (2 if written == "pcm" else 1)
        data = os.fstat(file.fileno()).st_size - size
        if data < frame:
            part.unlink()
            return None
        file.truncate(size + data // frame * frame)
        _complete(file, written, channels, rate)
    whole = _free(part.with_suffix(""))
    part.rename(whole)
    return whole


def _complete(file: FileIO, written: Format, channels: int, rate: int) -> None:
    """Put the sizes into a file that has its samples."""
    end = file.seek(0, os.SEEK_END)
    data = end - len(_header(written, channels, rate, 0))
    if data & 1:
        try:
            file.write(b"\0")
        except OSError:
            # There is no room for the octet that makes it even: the last sample goes instead.
            data -= 1
            file.truncate(end - 1)
    file.seek(0)
    file.write(_header(written, channels, rate, data))
    os.fsync(file.fileno())


def _header(written: Format, channels: int, rate: int, data: int) -> bytes:
    bits = 16 if written == "pcm" else 8
    frame = channels * bits // 8
    layout = struct.pack("<HHIIHH", _TAGS[written], channels, rate, rate * frame, frame, bits)
    if written != "pcm":
        # RFC 2361 has an empty extension and the number of samples for what is not PCM.
        layout += b"\0\0"
    chunks = b"fmt " + len(layout).to_bytes(4, "little") + layout
    if written != "pcm":
        chunks += b"fact" + struct.pack("<II", 4, data // frame)
    size = 4 + len(chunks) + 8 + data + (data & 1)
    return b"RIFF" + size.to_bytes(4, "little") + b"WAVE" + chunks + b"data" + data.to_bytes(4, "little")


def _part_of(path: Path) -> Path:
    return path.with_name(path.name + PART)


def _free(path: Path) -> Path:
    """`path`, or the next name beside it that nothing has."""
    chosen, number = path, 1
    while chosen.exists():
        number += 1
        chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return chosen


def _reserve(path: Path) -> tuple[Path, FileIO]:
    number = 1
    chosen = path
    while True:
        if not chosen.exists():
            with contextlib.suppress(FileExistsError):
                # What people said is for those who run the service.
                descriptor = os.open(
                    _part_of(chosen), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640
                )
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return chosen, FileIO(descriptor, "r+")
        number += 1
        chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
