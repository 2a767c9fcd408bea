"""The service that is measured: one call in, one call out, nothing else configured."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.cli.interop.ports import free_media_ports, free_sip_port
from pbx.cli.interop.service import Service, tail

# What the callers dial; the dialplan has rules before it, as a real one would.
NUMBER = "6000"
_MAX_CALLS = 4000
# Each call leaves four behind for a while: at a thousand calls a second far more than the usual bound.
_MAX_TRANSACTIONS = 1_000_000
_MEMORY = 4 * machine.GIB


@dataclass(frozen=True, slots=True)
class Subject:
    """A running service of our own, where its load calls it, and the port it calls in turn."""

    service: Service
    callee_port: int
    core: int | None
    load_core: int | None
    directory: Path

    @property
    def pid(self) -> int:
        """Its process."""
        return self.service.pid

    @property
    def address(self) -> str:
        """HOST:PORT of its UDP listener."""
        return self.service.sip["udp"]

    def faults(self) -> str:
        """What its log says went wrong; empty when nothing did."""
        found = self.service.trouble(0)
        if not found:
            return ""
        assert self.service.log is not None
        return tail(self.service.log)


@contextmanager
def running(pairs: int, *, short_timers: bool = False) -> Iterator[Subject]:
    """Start a service with so many pairs of media ports, all bound beforehand, on a core of its own.

    With `short_timers` what a call leaves behind is gone within 4 s instead of 32.
    """
    core, load_core = machine.cores()
    callee_port = free_sip_port()
    timers = {"t1": "50ms", "t2": "400ms", "t4": "500ms"} if short_timers else {}
    with tempfile.TemporaryDirectory(prefix="pbx-bench-") as name:
        directory = Path(name)
        dialplan = directory / "dialplan.yaml"
        dialplan.write_text(json.dumps(_dialplan(callee_port)), encoding="utf-8")
        config = {
            "domain": "bench.test",
            "listen": [f"udp:{HOST}:0", f"http:{HOST}:0"],
            "dialplan": str(dialplan),
            "media": {"ports": free_media_ports(2 * pairs), "pool": pairs},
            "sip": {"max_transactions": _MAX_TRANSACTIONS, **timers},
            "limits": {"calls": _MAX_CALLS},
            # Who calls is known by its address, so nobody is challenged.
            "trunks": {"load": {"host": f"{HOST}:{callee_port}", "inbound": {"addresses": [HOST]}}},
        }
        with machine.pinned(core if load_core is not None else None):
            service = Service.start(config, directory / "service")
        try:
            machine.limit_memory(service.pid, _MEMORY)
            yield Subject(service, callee_port, core, load_core, directory)
        finally:
            service.stop()


def _dialplan(callee_port: int) -> dict[str, object]:
    rules: list[dict[str, object]] = [{"to": f"1{digit}XX", "reject": 404} for digit in range(9)]
    rules.append({"to": "6XXX", "dial": f"sip:callee@{HOST}:{callee_port}", "ring": "30s"})
    return {
        "timezone": "UTC",
        "entry": [{"from": "trunk/load", "chain": "outside"}],
        "chains": {"outside": [{"routing": rules}]},
    }
