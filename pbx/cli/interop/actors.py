"""SIPp as phones: one process for each scenario, on a port of its own, ended by its process id."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.ends import PCMU, Codec
from pbx.cli.interop.scenario import sdp
from pbx.cli.interop.trace import Traced, TraceReader
from pbx.errors import OperatorError

_READY_SECONDS = 5.0
_END_SECONDS = 5.0
# SIPp's exit codes that say more than "a call failed" (1); `sipp -h` lists them.
_MEANINGS = {
    97: "ended by a command of the scenario",
    99: "ended without a call",
    255: "gave up",
    254: "had no port",
}


def find_sipp() -> str:
    """Where SIPp is."""
    path = shutil.which("sipp")
    if path is None:
        raise OperatorError("SIPp is not installed", "apt-get install sip-tester")
    return path


@dataclass(slots=True)
class Phone:
    """Who SIPp plays in a case: a user with a password, at an address with a SIP port and an RTP port."""

    name: str
    user: str
    password: str
    domain: str
    transport: str
    address: str
    port: int
    audio_port: int
    codec: Codec = PCMU
    messages: list[Traced] = field(default_factory=list)


@dataclass(slots=True)
class Actor:
    """One run of SIPp: the phone that it plays and the files that it leaves."""

    phone: Phone
    label: str
    trace: Path
    errors: Path
    output: Path
    process: subprocess.Popen[bytes]
    reader: TraceReader

    @classmethod
    def start(
        cls,
        phone: Phone,
        scenario: str,
        *,
        target: str,
        called: str,
        directory: Path,
        label: str,
        timeout: float,
        repeats: bool = True,
    ) -> "Actor":
        """Start SIPp on `phone`'s port against `target` (HOST:PORT), to run the text `scenario` once."""
        trace, errors, output, path = (
            directory / f"{label}.{kind}" for kind in ("messages", "errors", "output", "xml")
        )
        path.write_text(scenario, encoding="utf-8")
        command = [find_sipp(), target, "-sf", str(path), "-m", "1", "-nostdin"]
        command += ["-t", "t1" if phone.transport == "tcp" else "u1"]
        command += ["-i", phone.address, "-p", str(phone.port), "-mi", phone.address]
        command += ["-s", called or phone.user, "-au", phone.user, "-ap", phone.password]
        command += ["-auth_uri", f"{called}@{phone.domain}" if called else phone.domain]
        given = {
            "user": phone.user,
            "domain": phone.domain,
            "audio_port": str(phone.audio_port),
            "sdp": sdp(phone.address, phone.audio_port, phone.codec.payload_type, phone.codec.name),
        }
        for key, value in given.items():
            command += ["-key", key, value]
        command += ["-timeout", f"{timeout:.0f}s", "-timeout_error"]
        command += [] if repeats else ["-nr"]
        command += ["-trace_msg", "-message_file", str(trace), "-trace_err", "-error_file", str(errors)]
        # SIPp draws a screen every second; its last state is worth keeping, a terminal is not needed.
        with output.open("wb") as sink:
            process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TERM": "dumb"},
            )
        return cls(phone, label, trace, errors, output, process, TraceReader(trace))

    def wait_ready(self) -> bool:
        """Wait until SIPp holds its port (who is called must listen first); False if it never does."""
        return wait_until(
            lambda: self.process.poll() is not None or listens(self.phone),
            _READY_SECONDS,
            0.02,
        )

    def follow(self) -> list[Traced]:
        """The messages since the last look."""
        added = self.reader.read()
        self.phone.messages += added
        return added

    @property
    def running(self) -> bool:
        """Whether SIPp still runs."""
        return self.process.poll() is None

    def fault(self) -> str:
        """What went wrong, in a few words; empty when SIPp ended and says that its call was right."""
        code = self.process.poll()
        if code == 0:
            return ""
        if code is None:
            return "SIPp did not end"
        return f"SIPp {_MEANINGS.get(code & 0xFF, 'says that the call failed')} (exit {code})"

    def stop(self) -> None:
        """End SIPp if it still runs."""
        stop_process(self.process, _END_SECONDS)


def stop_process(process: subprocess.Popen[bytes], patience: float) -> None:
    """Ask one process to end, then make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(patience)


def listens(phone: Phone) -> bool:
    """Whether a socket is bound to the phone's port (from /proc/net; over TCP it listens or is connected)."""
    wanted = f":{phone.port:04X}"
    table = f"/proc/net/{phone.transport}{6 if ':' in phone.address else ''}"
    with Path(table).open(encoding="ascii") as lines:
        return any(line.split()[1].endswith(wanted) for line in lines if ":" in line.split()[1])
