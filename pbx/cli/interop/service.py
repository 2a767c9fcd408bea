"""The PBX under test: started as a case wants it, asked for its numbers, watched for leftovers."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pbx
from pbx.cli.interop.actors import stop_process
from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.ports import IPV4, IPV6, family_of, free_media_ports, has_ipv6, split
from pbx.errors import OperatorError

# A first start compiles the media loop; later ones take a second or two.
_START_SECONDS = 240.0
_STOP_SECONDS = 15.0
_MEDIA_POOL = 8

# How often somebody who waits for a clean service looks.
_LOOK_SECONDS = 0.25

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
        self.text = text
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

    def __init__(self, listeners: Sequence[str], http: str | None, log: Path | None = None) -> None:
        self.listeners = listeners  # TRANSPORT:HOST:PORT of each
        self.http = http
        self.media = range(0)
        self.log = log
        self.config: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0

    @classmethod
    def start(cls, config: Mapping[str, Any], directory: Path) -> "Service":
        """Start a PBX with `config` on ports of the kernel's choice; it keeps everything in `directory`."""
        state = directory / "state"
        state.mkdir(parents=True)
        hosts = [IPV4, f"[{IPV6}]"] if has_ipv6() else [IPV4]
        media = free_media_ports()
        ours = {
            "listen": [f"{kind}:{host}:0" for host in hosts for kind in ("udp", "tcp")] + [f"http:{IPV4}:0"],
            "media": {"ports": media, "pool": _MEDIA_POOL},
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
        service = cls(told["listeners"], told["http"], log)
        service.config = path
        service.process, service.pid = process, int(told["pid"])
        first, _, last = media.partition("-")
        service.media = range(int(first), int(last) + 1)
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

    @property
    def sip(self) -> dict[str, str]:
        """HOST:PORT of the first listener of each transport."""
        pairs = (listener.partition(":") for listener in reversed(self.listeners))
        return {transport: where for transport, _, where in pairs if transport != "http"}

    def target(self, transport: str, address: str) -> str | None:
        """HOST:PORT for a phone at `address`; None when nothing listens for its transport and family."""
        for listener in self.listeners:
            kind, _, where = listener.partition(":")
            if kind == transport and family_of(split(where)[0]) == family_of(address):
                return where
        return None

    def numbers(self) -> Numbers:
        """Its /metrics; empty when nobody said where they are."""
        return fetch_numbers(self.http) if self.http else Numbers("")

    def snapshot(self) -> Snapshot:
        """Its numbers, descriptors and threads now."""
        numbers = self.numbers()
        log_size = self.log.stat().st_size if self.log else 0
        return Snapshot(numbers, self.descriptors(), self.threads(), log_size)

    def descriptors(self) -> dict[int, str]:
        """Its open file descriptors and what they are, without media ports: those have a gauge of their own.

        The media plane keeps ports bound before they are needed, and may bind some more in any case.
        """
        found: dict[int, str] = {}
        if self.pid:
            media = _sockets_in(self.media)
            for link in Path(f"/proc/{self.pid}/fd").iterdir():
                try:
                    what = str(link.readlink())
                except OSError:
                    continue  # closed while we looked
                if what not in media:
                    found[int(link.name)] = what
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

    def left_after(self, before: Snapshot, registrations: int, seconds: float) -> list[str]:
        """What is left behind when `seconds` have gone by; empty as soon as nothing is.

        A look reads /metrics, and the connection of that may outlive it for a moment: whoever looks again at
        once finds it.
        """
        left: list[str] = []

        def clean() -> bool:
            left[:] = self.leftovers(before, registrations)
            return not left

        wait_until(clean, seconds, _LOOK_SECONDS)
        return left


def _sockets_in(ports: range) -> set[str]:
    """The UDP sockets bound to these ports, as /proc/PID/fd names them."""
    found: set[str] = set()
    for name in ("udp", "udp6") if ports else ():
        table = Path("/proc/net") / name
        lines = table.read_text(encoding="ascii").splitlines()[1:] if table.is_file() else []
        for fields in map(str.split, lines):
            if int(fields[1].rpartition(":")[2], 16) in ports:
                found.add(f"socket:[{fields[9]}]")
    return found


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a file; empty when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
