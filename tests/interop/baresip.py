"""A headless baresip with a configuration of its own: a tone for a microphone, WAV files for ears.

`sndfile` records what the microphone says (…-enc.wav) and what is heard (…-dec.wav); `ctrl_tcp` takes
commands and tells of events, each a JSON text in a netstring.
"""

import json
import shutil
import socket
import subprocess
import wave
from pathlib import Path
from typing import Any, Self

import numpy as np

from pbx.cli.interop.actors import stop_process
from pbx.cli.interop.audio import RATE, Samples, sine
from pbx.cli.interop.clock import now, wait_until
from pbx.cli.interop.ports import free_port, free_sip_port
from pbx.cli.interop.service import tail

HOST = "127.0.0.1"
_MODULES = Path("/usr/lib/baresip/modules")
_START_SECONDS = 15.0
_TONE_SECONDS = 60


def write_wav(path: Path, sound: Samples) -> None:
    """Write sound as 16-bit mono at 8 kHz, which is what aufile plays towards G.711."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(sound * 32767).astype("<i2").tobytes())


def read_wav(path: Path) -> Samples:
    """Read 16-bit mono sound at 8 kHz; the header of a file that was not closed may understate its length."""
    data = path.read_bytes()
    start = data.index(b"data") + 8
    assert data[20:24] == b"\x01\x00\x01\x00", "not mono PCM"
    assert int.from_bytes(data[24:28], "little") == RATE
    samples = np.frombuffer(data[start : start + (len(data) - start) // 2 * 2], dtype="<i2")
    return samples.astype(np.float64) / 32768


class Baresip:
    """One baresip, as `user`; registers with `registrar` (HOST:PORT) when one is given.

    `encryption` is its word for SRTP: srtp (taken and offered with RTP/AVP) or srtp-mand (RTP/SAVP).
    """

    def __init__(
        self,
        directory: Path,
        user: str,
        tone: float,
        *,
        domain: str = HOST,
        password: str = "",
        registrar: str = "",
        encryption: str = "",
    ) -> None:
        self.user = user
        self._encryption = encryption
        self.directory = directory
        self.sip_port = free_sip_port()
        self.events: list[dict[str, Any]] = []
        self._control_port = free_port(socket.SOCK_STREAM)
        self._control: socket.socket | None = None
        self._buffer = b""
        self._answers: list[dict[str, Any]] = []
        self._log = directory / "baresip.log"
        program = shutil.which("baresip")
        assert program is not None, "baresip is not installed: apt-get install baresip"
        directory.mkdir(parents=True)
        write_wav(directory / "tone.wav", sine(tone, _TONE_SECONDS * RATE))
        (directory / "config").write_text(self._config(), encoding="utf-8")
        (directory / "accounts").write_text(self._account(domain, password, registrar), encoding="utf-8")
        (directory / "contacts").write_text("", encoding="utf-8")
        with self._log.open("wb") as sink:
            self._process = subprocess.Popen(
                [program, "-4", "-v", "-s", "-f", str(directory)],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
            )

    def __enter__(self) -> Self:
        assert wait_until(self._connect, _START_SECONDS), f"baresip did not start:\n{tail(self._log)}"
        return self

    def __exit__(self, *_: object) -> None:
        if self._control is not None:
            self._control.close()
        stop_process(self._process, 5)

    def _config(self) -> str:
        lines = [
            f"sip_listen {HOST}:{self.sip_port}",
            "net_interface 127.0.0.1",
            f"ctrl_tcp_listen {HOST}:{self._control_port}",
            f"module_path {_MODULES}",
            "call_local_timeout 30",
            "call_max_calls 4",
            f"audio_source aufile,{self.directory / 'tone.wav'}",
            # A player is needed for sound to be decoded; this one gives it to nobody.
            f"audio_player aubridge,{self.user}",
            f"audio_alert aubridge,{self.user}-alert",
            "audio_buffer 20-160",
            "rtp_timeout 30",
            f"snd_path {self.directory}",
            *(f"module {name}.so" for name in ("g711", "sndfile", "aufile", "aubridge", "srtp")),
            *(f"module_tmp {name}.so" for name in ("uuid", "account")),
            *(f"module_app {name}.so" for name in ("menu", "ctrl_tcp")),
        ]
        return "\n".join(lines) + "\n"

    def _account(self, domain: str, password: str, registrar: str) -> str:
        options = [
            f"auth_pass={password}" if password else "",
            "answermode=manual",
            "audio_codecs=PCMU/8000/1",
            f"mediaenc={self._encryption}" if self._encryption else "",
        ]
        options += [f'outbound="sip:{registrar}"', "regint=60"] if registrar else ["regint=0"]
        return f"<sip:{self.user}@{domain}>;{';'.join(filter(None, options))}\n"

    def _connect(self) -> bool:
        assert self._process.poll() is None, f"baresip ended:\n{tail(self._log)}"
        try:
            self._control = socket.create_connection((HOST, self._control_port), 1)
        except OSError:
            return False
        self._control.settimeout(0.02)
        return True

    def command(self, name: str, parameters: str = "", timeout: float = 5.0) -> str:
        """Have a command carried out; gives what baresip says to it."""
        assert self._control is not None
        token = f"{name}-{now()}"
        text = json.dumps({"command": name, "params": parameters, "token": token})
        self._control.sendall(f"{len(text)}:{text},".encode())
        found: list[dict[str, Any]] = []

        def answered() -> bool:
            self._listen()
            found.extend(answer for answer in self._answers if answer.get("token") == token)
            return bool(found)

        assert wait_until(answered, timeout, 0.02), f"baresip does not answer {name}:\n{tail(self._log)}"
        assert found[0]["ok"], f"baresip refuses {name}: {found[0]}"
        return str(found[0].get("data", ""))

    def wait_event(self, kind: str, timeout: float = 15.0) -> dict[str, Any]:
        """Wait for an event of this type, one that came before included, and take it out."""

        def seen() -> bool:
            self._listen()
            return any(event["type"] == kind for event in self.events)

        told = [event["type"] for event in self.events]
        assert wait_until(seen, timeout, 0.02), f"{self.user}: no {kind}, only {told}:\n{tail(self._log, 60)}"
        event = next(event for event in self.events if event["type"] == kind)
        self.events.remove(event)
        return event

    def _listen(self) -> None:
        assert self._control is not None
        try:
            received = self._control.recv(65536)
        except TimeoutError:
            return
        assert received, f"baresip closed its control connection:\n{tail(self._log)}"
        self._buffer += received
        while b":" in self._buffer:
            size, _, rest = self._buffer.partition(b":")
            if len(rest) < int(size) + 1:
                return
            message = json.loads(rest[: int(size)])
            self._buffer = rest[int(size) + 1 :]
            (self.events if message.get("event") else self._answers).append(message)

    def registered(self) -> bool:
        """Whether the registrar has accepted it."""
        return "OK" in self.command("reginfo")

    def heard(self) -> Samples:
        """What was heard in the only call so far."""
        return self._recorded("dec")

    def said(self) -> Samples:
        """What was said in the only call so far."""
        return self._recorded("enc")

    def _recorded(self, direction: str) -> Samples:
        files = sorted(self.directory.glob(f"dump-*{direction}.wav"))
        assert len(files) == 1, f"{self.user} recorded {[file.name for file in files]}:\n{tail(self._log)}"
        return read_wav(files[0])
