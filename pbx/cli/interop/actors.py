"""SIPp as phones: one process for each scenario, on a port of its own, ended by its process id."""

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.trace import Traced, TraceReader
from pbx.errors import OperatorError

HOST = "127.0.0.1"
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


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A local port that nobody holds at this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def free_sip_port() -> int:
    """A local port that is free over UDP and over TCP: SIPp may use either."""
    for _ in range(100):
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise OperatorError("no free port for SIPp", f"close some programs that listen on {HOST}")


@dataclass(slots=True)
class Phone:
    """Who SIPp plays in a case: a user with a password, a SIP port and, with audio, an RTP port."""

    name: str
    user: str
    password: str
    domain: str
    transport: str
    port: int
    audio_port: int
    messages: list[Traced] = field(default_factory=list)


@dataclass(slots=True)
class Actor:
    """One run of SIPp: the phone that it plays and the files that it leaves."""

    phone: Phone
    scenario: Path
    trace: Path
    errors: Path
    output: Path
    process: subprocess.Popen[bytes]
    reader: TraceReader

    @classmethod
    def start(
        cls,
        phone: Phone,
        scenario: Path,
        *,
        target: str,
        called: str,
        directory: Path,
        label: str,
        timeout: float,
        keys: Mapping[str, str],
    ) -> "Actor":
        """Start SIPp on `phone`'s port against `target` (HOST:PORT), to run `scenario` once."""
        trace, errors, output = (directory / f"{label}.{kind}" for kind in ("messages", "errors", "output"))
        command = [find_sipp(), target, "-sf", str(scenario), "-m", "1", "-nostdin"]
        command += [
            "-i",
            HOST,
            "-p",
            str(phone.port),
            "-mi",
            HOST,
            "-t",
            "t1" if phone.transport == "tcp" else "u1",
        ]
        command += ["-s", called or phone.user, "-au", phone.user, "-ap", phone.password]
        command += ["-auth_uri", f"{called}@{phone.domain}" if called else phone.domain]
        given = {"user": phone.user, "domain": phone.domain, "audio_port": str(phone.audio_port), **keys}
        for key, value in given.items():
            command += ["-key", key, value]
        command += ["-timeout", f"{timeout:.0f}s", "-timeout_error"]
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
        return cls(phone, scenario, trace, errors, output, process, TraceReader(trace))

    def wait_ready(self) -> bool:
        """Wait until SIPp holds its port (who is called must listen first); False if it never does."""
        return wait_until(
            lambda: self.process.poll() is not None or listens(self.phone.port, self.phone.transport),
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


def listens(port: int, transport: str = "udp") -> bool:
    """Whether a socket is bound to local port `port` (from /proc/net; TCP must be listening or connected)."""
    wanted = f":{port:04X}"
    with Path(f"/proc/net/{transport}").open(encoding="ascii") as table:
        return any(line.split()[1].endswith(wanted) for line in table if ":" in line.split()[1])
