"""CPU of the media thread for each relayed G.711 packet, beside a bare compiled loop that only receives and
sends.

    python -m benchmarks.relay [--calls 200,400] [--seconds 5] [--repeat 3] [--json]

Both loops serve the same number of calls in the same run, in turn, over loopback only. A process of its own,
on another core where there is one, sends 50 packets of 172 octets a second for each direction of each call
(`benchmarks.talkers`). Time is that of the thread that relays, not of the clock on the wall.
"""

import argparse
import json
import os
import select
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.talkers import Talk, Talkers, security
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.cli.interop.ports import free_media_ports
from pbx.media import cache
from pbx.media.plane import MediaPlane
from pbx.media.thread import hurry
from pbx.media.values import LegId
from pbx.sdp.crypto import Suite

MAX_SECONDS = 60.0


class ThreadMeter:
    """What a thread used while its load talked: called when that begins, and when it ends."""

    def __init__(self, thread: threading.Thread) -> None:
        assert thread.ident is not None
        self._clock = time.pthread_getcpuclockid(thread.ident)
        assert thread.native_id is not None
        self._thread = thread.native_id
        self._core = machine.cores()[0]
        self._readings: list[tuple[float, float, float]] = []

    def __call__(self) -> None:
        """Take a reading."""
        waited_s = machine.runnable_s(self._thread)
        self._readings.append((time.clock_gettime(self._clock), waited_s, machine.stolen_s(self._core)))

    def _between(self, place: int) -> float:
        return self._readings[-1][place] - self._readings[-2][place]

    @property
    def used_s(self) -> float:
        """CPU time."""
        return self._between(0)

    @property
    def waited_s(self) -> float:
        """How long it could have run and something else did."""
        return self._between(1)

    @property
    def stolen_s(self) -> float:
        """How long its core was not this machine's."""
        return self._between(2)


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of talk, what the thread used, and what became of packets in the plane if any got lost."""

    talk: Talk
    used_s: float
    waited_s: float
    stolen_s: float
    fate: str = ""

    @property
    def us(self) -> float:
        """CPU microseconds of a packet that came back."""
        return self.used_s / max(1, self.talk.received) * 1e6

    @property
    def us_in(self) -> float:
        """CPU microseconds of a packet that was sent to us."""
        return self.used_s / max(1, self.talk.sent) * 1e6


def on_its_core() -> None:
    """Keep this thread, and those it starts, off the core of the load."""
    core, load_core = machine.cores()
    if load_core is not None:
        machine.keep_to({core})


def media_ports(legs: int) -> range:
    """Ports for so many legs that nobody else has, RTCP's too."""
    first, _, last = free_media_ports(2 * legs).partition("-")
    return range(int(first), int(last) + 1)


def media_thread() -> threading.Thread:
    """The plane's only one."""
    return next(thread for thread in threading.enumerate() if thread.name.startswith("pbx-media"))


def measure(talkers: Talkers, ports: list[int], thread: threading.Thread, seconds: float) -> Run:
    """Let the phones talk through these ports, and charge the thread for it."""
    talkers.connect(ports)
    meter = ThreadMeter(thread)
    dropped = machine.datagrams_dropped(set(ports))
    talk = talkers.talk(seconds, meter=meter)
    dropped = machine.datagrams_dropped(set(ports)) - dropped
    fate = f"{dropped} had no room in our sockets" if dropped else ""
    return Run(talk, meter.used_s, meter.waited_s, meter.stolen_s, fate)


def fate_in(plane: MediaPlane, legs: list[LegId]) -> str:
    """What became of all packets of these legs so far."""
    told = [plane.statistics(leg) for leg in legs]
    fates = {
        "heard": sum(leg.received.packets for leg in told),
        "passed on": sum(leg.sent.packets for leg in told),
        "late": sum(leg.received.late for leg in told),
        "dropped": sum(leg.dropped.total for leg in told),
        "not taken by the kernel": sum(leg.sent.failed for leg in told),
        "refused": sum(leg.sent.refused for leg in told),
    }
    return ", ".join(f"{count} {what}" for what, count in fates.items())


def through_plane(talkers: Talkers, seconds: float, cache_root: Path, suite: Suite | None = None) -> Run:
    """One measure of the media plane; with a `suite` both sides of every call are SRTP."""
    talkers.secure(suite)
    plane = MediaPlane(ports=media_ports(talkers.legs), pool=talkers.legs, cache_directory=cache_root)
    plane.start()
    try:
        legs = []
        for _ in range(talkers.legs):
            leg, port = plane.open()
            plane.secure(leg, None if suite is None else security(suite))
            plane.configure(
                leg,
                remote=(HOST, talkers.port),
                receive=True,
                send=True,
                payload_map={0: 0},
                clock_rates={0: 8000},
            )
            legs.append((leg, port))
        for (a, _), (b, _) in zip(legs[::2], legs[1::2], strict=True):
            plane.bridge(a, b)
        run = measure(talkers, [port for _, port in legs], media_thread(), seconds)
        if not run.talk.lost:
            return run
        fate = f"{run.fate} {fate_in(plane, [leg for leg, _ in legs])}"
        return Run(run.talk, run.used_s, run.waited_s, run.stolen_s, fate.strip())
    finally:
        plane.stop()


def bare_loop() -> Callable[..., Any]:
    """The least that a relay does, compiled."""
    from pbx.media.compiling import compiled
    from pbx.media.libc import EVENT_TAG, EVENT_WORDS, MSG_DONTWAIT, epoll_wait, recv, send

    def bare(epoll: int, peers: Any, stop: int, room: Any, ready: Any) -> int:
        packets = 0
        while True:
            count = epoll_wait(epoll, ready.ctypes.data, 256, -1)
            for at in range(count):
                descriptor = 0 | ready[at * EVENT_WORDS + EVENT_TAG]
                if descriptor == stop:
                    return packets
                length = recv(descriptor, room.ctypes.data, 4096, MSG_DONTWAIT)
                if length > 0:
                    send(peers[descriptor], room.ctypes.data, length, MSG_DONTWAIT)
                    packets += 1

    return compiled(bare)


def through_bare_loop(talkers: Talkers, seconds: float) -> Run:
    """One measure of the bare loop, on connected sockets."""
    talkers.secure(None)
    bare = bare_loop()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(talkers.legs)]
    epoll = select.epoll()
    stop = os.eventfd(0)
    epoll.register(stop, select.EPOLLIN)
    peers = np.zeros(max(each.fileno() for each in sockets) + 1, np.int32)
    for each in sockets:
        each.bind(("0.0.0.0", 0))
        each.connect((HOST, talkers.port))
        epoll.register(each.fileno(), select.EPOLLIN)
    for a, b in zip(sockets[::2], sockets[1::2], strict=True):
        peers[a.fileno()], peers[b.fileno()] = b.fileno(), a.fileno()
    arguments = (epoll.fileno(), peers, stop, np.zeros(4096, np.uint8), np.zeros(1024, np.uint32))

    def run() -> None:
        hurry()
        bare(*arguments)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        ports = [each.getsockname()[1] for each in sockets]
        return measure(talkers, ports, thread, seconds)
    finally:
        os.eventfd_write(stop, 1)
        thread.join()
        os.close(stop)
        epoll.close()
        for each in sockets:
            each.close()


def compare(calls: int, seconds: float, repeat: int, cache_root: Path) -> dict[str, Any]:
    """Both loops in turn, `repeat` times; medians."""
    with Talkers(2 * calls, machine.cores()[1], cache_root) as talkers:
        runs = [
            (through_plane(talkers, seconds, cache_root), through_bare_loop(talkers, seconds))
            for _ in range(repeat)
        ]
    relayed, floor = (statistics.median(pair[which].us for pair in runs) for which in (0, 1))
    return {
        "calls": calls,
        "relay_us_per_packet": round(relayed, 3),
        "bare_us_per_packet": round(floor, 3),
        "ratio": round(statistics.median(run.us / bare.us for run, bare in runs), 3),
        "relay_lost": sum(run.talk.lost for run, _ in runs),
        "bare_lost": sum(run.talk.lost for _, run in runs),
        "packets": sum(run.talk.sent for run, _ in runs),
        "fates": [run.fate for run, _ in runs if run.fate],
        **load_of([run for pair in runs for run in pair]),
        "runs": [[round(run.us, 3) for run in pair] for pair in runs],
    }


def load_of(runs: list[Run]) -> dict[str, Any]:
    """How far the load of these runs can be trusted, and what the thread had to wait for."""
    return {
        "sound": all(run.talk.sound for run in runs),
        "load_late_most_ms": max(run.talk.late_most_ms for run in runs),
        "load_late_worst_ms": max(run.talk.late_worst_ms for run in runs),
        "lost_by_load": sum(run.talk.lost_by_load for run in runs),
        "load_stolen": round(max(run.talk.stolen for run in runs), 3),
        "load_busy": round(max(run.talk.busy for run in runs), 3),
        "waited_ms": round(1e3 * max(run.waited_s for run in runs), 1),
        "stolen_ms": round(1e3 * max(run.stolen_s for run in runs), 1),
    }


def load_words(found: dict[str, Any]) -> str:
    """`load_of` in words."""
    late = "" if found["sound"] else "NOT SOUND, "
    return (
        f"load: {late}99 % sent within {found['load_late_most_ms']:.2f} ms, all within"
        f" {found['load_late_worst_ms']:.1f}, {found['lost_by_load']} lost by it,"
        f" {found['load_busy']:.0%} of a core; thread waited"
        f" {found['waited_ms']:.0f} ms for its core, which was stolen for {found['stolen_ms']:.0f}"
    )


def main() -> int:
    """Measure and print; 1 when packets were lost by the relay and not by the bare loop."""
    options = argparse.ArgumentParser(description="CPU for each relayed packet")
    options.add_argument("--calls", default="200,400")
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    machine.raise_descriptors()
    cache_root = cache.default_directory()
    on_its_core()
    cache.prepare(cache_root)
    seconds = min(chosen.seconds, MAX_SECONDS)
    results = [compare(int(calls), seconds, chosen.repeat, cache_root) for calls in chosen.calls.split(",")]
    if chosen.json:
        print(json.dumps(results))
    else:
        for result in results:
            print(
                f"{result['calls']} calls: relay {result['relay_us_per_packet']} µs a packet, "
                f"bare loop {result['bare_us_per_packet']}, ratio {result['ratio']} "
                f"(lost {result['relay_lost']} and {result['bare_lost']} of {result['packets']} each; "
                f"{load_words(result)}; runs {result['runs']})",
                *result["fates"],
                sep="\n  ",
            )
    return int(any(result["relay_lost"] > result["bare_lost"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
