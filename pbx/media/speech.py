"""The voice of the built-in prompts: espeak-ng, a program of this machine; nothing is fetched."""

import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from pbx.errors import OperatorError
from pbx.media.resampling import resample
from pbx.media.values import Sound
from pbx.media.wav import read_wav

PROGRAM: Final = "espeak-ng"
_TIMEOUT_S: Final = 30
WORDS_A_MINUTE: Final = 150
# What is quieter counts as silence at the beginning and at the end; so much of it stays.
_QUIET: Final = 150
_MARGIN_S: Final = 0.08
# As loud as people are, with room above: about 9 dB below full scale at the peaks.
_PEAK: Final = 12_000


def speak(text: str, voice: str, rate: int) -> Sound:
    """`text` as one of espeak-ng's voices says it, at 8000 or 16000 Hz. Raises OperatorError.

    It starts a program and waits for it, for some tens of milliseconds.
    """
    with tempfile.TemporaryDirectory(prefix="pbx-speech-") as directory:
        path = Path(directory, "spoken.wav")
        command = [PROGRAM, "-v", voice, "-s", str(WORDS_A_MINUTE), "-w", str(path), "--stdin"]
        try:
            subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=_TIMEOUT_S)
        except FileNotFoundError:
            raise OperatorError(
                f"the program {PROGRAM} is missing, which speaks the built-in prompts",
                f"install the package {PROGRAM} (Debian: apt-get install {PROGRAM}), or record your own",
            ) from None
        except (OSError, subprocess.SubprocessError) as error:
            raise OperatorError(f"{PROGRAM} could not speak {text!r}", _reason(error)) from error
        spoken = read_wav(path)
    return Sound(_trimmed(resample(spoken.samples, spoken.rate, rate), rate), rate)


def _trimmed(samples: "np.typing.NDArray[np.int16]", rate: int) -> "np.typing.NDArray[np.int16]":
    """Without the silence around it, at one loudness."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
    if len(loud) == 0:
        return samples
    margin = round(_MARGIN_S * rate)
    kept = samples[max(0, int(loud[0]) - margin) : int(loud[-1]) + margin].astype(np.float64)
    levelled: np.typing.NDArray[np.int16] = np.rint(kept * (_PEAK / np.abs(kept).max())).astype(np.int16)
    return levelled


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {_TIMEOUT_S} s"
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode("utf-8", "replace").strip().splitlines()
        return said[-1][:200] if said else f"it ended with {error.returncode}"
    return str(error)
