"""WAV files as a case makes and judges them: read and written without the PBX's own code."""

import wave
from pathlib import Path

import numpy as np

from pbx.cli.interop.audio import LEVEL, RATE, Samples, sine
from pbx.errors import OperatorError

_FULL_SCALE = 32768


def write_tone(path: Path, frequency: float, seconds: int) -> None:
    """A file with one tone, as loud as phones speak: 16 bits, one side, 8 kHz."""
    samples = np.rint(sine(frequency, seconds * RATE, level=LEVEL) * _FULL_SCALE).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def read_wav(path: Path) -> list[Samples]:
    """Each side of a file of 16 bits at 8 kHz. Raises OperatorError for anything else."""
    try:
        with wave.open(str(path), "rb") as file:
            sides, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            octets = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise OperatorError(f"{path} is no WAV file", str(error)) from error
    if (width, rate) != (2, RATE):
        raise OperatorError(f"{path} has {8 * width} bits at {rate} Hz", f"16 bits at {RATE} Hz are expected")
    samples = np.frombuffer(octets, "<i2").reshape(-1, sides) / _FULL_SCALE
    return [samples[:, side] for side in range(sides)]
