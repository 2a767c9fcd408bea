"""The PBX under test: started as a case wants it, asked for its numbers, watched for leftovers."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pbx
from pbx.cli.interop.actors import HOST, stop_process
from pbx.cli.interop.clock import wait_until
from pbx.errors import OperatorError

# A first start compiles the media loop; later ones take a second or two.
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
_MEDIA_PORTS = 64

# What a case must leave at zero, what must be as the case expects, what must not grow.
GAUGES = (
    "pbx_calls_active",
    "pbx_legs_active",
    "pbx_transactions_active",
    "pbx_dialogs_active",
    "pbx_media_ports_in_use",
)
REGISTRATIONS = "pbx_registrations_active"
TASKS = "pbx_tasks_active"

_SERIES = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_TROUBLE = re.compile(
    r"^(Traceback \(most recent call last\)|.*(Unhandled [Ee]rror|CRITICAL)).*$", re.MULTILINE
)


class Numbers:
    """One reading of /metrics (the Prometheus text format)."""

    def __init__(self, text: str) -> None:
        self._series: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if (found := _SERIES.match(line)) is not None:
                self._series.append((found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])))

    def value(self, wanted: str) -> float | None:
        """The sum of the series `wanted` (`name` or `name{label="value"}`); None when there is none."""
        found = _SERIES.match(f"{wanted} 0")
        if found is None:
            return None
        name, labels = found[1], dict(_LABEL.findall(found[2] or "")).items()
        values = [
            value for name_, labels_, value in self._series if name_ == name and labels <= labels_.items()
        ]
        return sum(values) if values else None

    def counted(self, wanted: str, before: "Numbers") -> float:
        """By how much `wanted` has grown since `before`; a series that is not there yet stands at 0."""
        return (self.value(wanted) or 0.0) - (before.value(wanted) or 0.0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a case is compared with when it is over."""

    numbers: Numbers
    descriptors: Mapping[int, str]
    threads: int
    log_size: int


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid upon it, mapping by mapping; anything else in `over` replaces."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both and below is not None else value
    return result


def free_media_ports(count: int = _MEDIA_PORTS) -> str:
    """A range of UDP ports that are all free now, below where the kernel picks ports by itself."""
    for _ in range(50):
        first = 10_000 + 2 * (int.from_bytes(os.urandom(2)) % 10_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return f"{first}-{first + count - 1}"
    raise OperatorError("no free range of media ports", f"free {count} UDP ports in a row above 10000")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - only to see whether anybody has it
        except OSError:
            return False
        return True


def fetch_numbers(address: str) -> Numbers:
    """Read /metrics at HOST:PORT, on a connection that leaves no descriptor behind."""
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=5)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
    except (OSError, HTTPException) as error:
        raise OperatorError(f"http://{address}/metrics does not answer", str(error)) from error
    finally:
        connection.close()
    if response.status != 200:
        raise OperatorError(f"http://{address}/metrics answers {response.status}")
    return Numbers(text)


class Service:
    """A running `pbx run` of our own, or one that somebody else started (`process` is None)."""

    def __init__(self, sip: Mapping[str, str], http: str | None, log: Path | None = None) -> None:
        self.sip = sip
        self.http = http
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @classmethod
    def start(cls, config: Mapping[str, Any], directory: Path) -> "Service":
        """Start a PBX with `config` on ports of the kernel's choice; it keeps everything in `directory`."""
        state = directory / "state"
        state.mkdir(parents=True)
        ours = {
            "listen": [f"udp:{HOST}:0", f"tcp:{HOST}:0", f"http:{HOST}:0"],
            "media": {"ports": free_media_ports()},
            "directories": {"state": str(state)},
            "store": f"sqlite:{state / 'pbx.db'}",
        }
        path, ready, log = directory / "pbx.yaml", directory / "ready.json", directory / "pbx.log"
        # JSON is YAML in which nothing is read as anything else.
        path.write_text(json.dumps(merged(ours, config), indent=2), encoding="utf-8")
        source = str(Path(pbx.__file__).parents[1])
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "pbx.cli", "run", "--config", str(path), "--ready-file", str(ready)],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, [source, os.getenv("PYTHONPATH")])),
                },
            )
        wait_until(lambda: ready.exists() or process.poll() is not None, _START_SECONDS)
        if process.poll() is not None or not ready.exists():
            stop_process(process, _STOP_SECONDS)
            raise OperatorError(f"the PBX did not start\n{tail(log)}", f"its configuration is {path}")
        told = json.loads(ready.read_text(encoding="utf-8"))
        service = cls(told["sip"], told["http"], log)
        service.process, service.pid = process, int(told["pid"])
        return service

    @property
    def running(self) -> bool:
        """Whether it can be used; somebody else's always can."""
        return self.process is None or self.process.poll() is None

    def stop(self) -> int | None:
        """End it (SIGTERM, then SIGKILL) and say how it ended; None when it is not ours."""
        if self.process is None:
            return None
        stop_process(self.process, _STOP_SECONDS)
        return self.process.returncode

    def numbers(self) -> Numbers:
        """Its /metrics; empty when nobody said where they are."""
        return fetch_numbers(self.http) if self.http else Numbers("")

    def snapshot(self) -> Snapshot:
        """Its numbers, descriptors and threads now."""
        numbers = self.numbers()
        log_size = self.log.stat().st_size if self.log else 0
        return Snapshot(numbers, self.descriptors(), self.threads(), log_size)

    def descriptors(self) -> dict[int, str]:
        """Its open file descriptors and what they are."""
        found: dict[int, str] = {}
        if self.pid:
            for link in Path(f"/proc/{self.pid}/fd").iterdir():
                try:
                    found[int(link.name)] = str(link.readlink())
                except OSError:
                    continue  # closed while we looked
        return found

    def threads(self) -> int:
        """How many threads it has."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/task").iterdir()) if self.pid else 0

    def trouble(self, since: int) -> list[str]:
        """Lines of its log past octet `since` that tell of an unforeseen error."""
        if self.log is None:
            return []
        with self.log.open("rb") as file:
            file.seek(since)
            text = file.read().decode("utf-8", "replace")
        return [found[0] for found in _TROUBLE.finditer(text)]

    def leftovers(self, before: Snapshot, registrations: int) -> list[str]:
        """What the service still holds that it did not hold `before`; empty when nothing is left."""
        if self.http is None:
            return []
        left: list[str] = []
        numbers = self.numbers()
        for gauge in GAUGES:
            value = numbers.value(gauge)
            if value is None:
                left.append(f"/metrics has no {gauge}")
            elif value:
                left.append(f"{gauge} is {value:g}")
        if grown := numbers.counted(REGISTRATIONS, before.numbers) - registrations:
            left.append(f"{REGISTRATIONS} is {grown:+g} off what the case expects")
        if (tasks := numbers.counted(TASKS, before.numbers)) > 0:
            left.append(f"{TASKS} is {tasks:+g}")
        if len(descriptors := self.descriptors()) > len(before.descriptors):
            added = [what for number, what in descriptors.items() if before.descriptors.get(number) != what]
            left.append(f"{len(descriptors) - len(before.descriptors)} more descriptors: {', '.join(added)}")
        if (threads := self.threads()) > before.threads:
            left.append(f"{threads - before.threads} more threads")
        return left


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a file; empty when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
