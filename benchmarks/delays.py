"""How much later a packet leaves than it came: relayed, idle and beside busy Python, and mixed.

    python -m benchmarks.delays [--calls 100] [--seconds 5] [--json]

Packets carry the time at which they were sent, and the kernel says when it had them again. While the rows
"busy" are measured a Python thread of the same process, on the same core, computes without a pause, as
signalling would at its worst: it holds the GIL all the time. Beside the relay the bare loop of
`benchmarks.relay` is measured in the same way, with the priority of the media thread: what that adds is the
machine's. Work of other sessions waits for this one's. For the mixed path a phone is silent, and loud for a
frame now and then; what counts is when that is heard.
"""

import argparse
import json
import select
import socket
import statistics
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from benchmarks import machine, relay
from benchmarks.talkers import Talk, Talkers
from pbx.errors import OperatorError
from pbx.media import cache
from pbx.media.plane import MediaPlane
from pbx.media.values import LegAudio, LegId

GOAL_P99_MS: Final = 1.0
_FRAME_S: Final = 0.02
_SILENCE: Final = b"\xff" * 160
_LOUD: Final = b"\x80\x00" * 80
_EVERY: Final = 10
_MIXED_S: Final = 1.0


def _configured(plane: MediaPlane, port: int) -> tuple[LegId, int]:
    leg, ours = plane.open()
    plane.configure(
        leg,
        remote=("127.0.0.1", port),
        receive=True,
        send=True,
        payload_map={0: 0},
        clock_rates={0: 8000},
        audio=LegAudio({0: "PCMU"}, "PCMU", 0, None, 20),
    )
    return leg, ours


def _compute(stop: threading.Event) -> None:
    total = 0
    while not stop.is_set():
        for number in range(1000):
            total += number * number


@contextmanager
def _beside(busy: bool) -> Iterator[None]:
    stop = threading.Event()
    worker = threading.Thread(target=_compute, args=(stop,))
    if busy:
        worker.start()
    try:
        yield
    finally:
        stop.set()
        if busy:
            worker.join()


def relayed(calls: int, seconds: float) -> dict[str, relay.Run]:
    """The delay of relayed packets, from the sender's `send` until the kernel has them for the receiver."""
    root = cache.default_directory()
    found: dict[str, relay.Run] = {}
    with Talkers(2 * calls, machine.cores()[1], root) as talkers:
        for what, busy in (("idle", False), ("busy", True)):
            with _beside(busy):
                found[f"bare loop, {what}"] = relay.through_bare_loop(talkers, seconds)
                found[f"relay, {what}"] = relay.through_plane(talkers, seconds, root)
    return found


def mixed(seconds: float) -> dict[str, Any]:
    """How long a loud frame takes through buffer, tick and mix, and how much of that is not the buffer's."""
    phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    plane = MediaPlane(ports=relay.media_ports(4), pool=4)
    plane.start()
    try:
        for phone in phones:
            phone.bind(("127.0.0.1", 0))
        legs = [_configured(plane, phone.getsockname()[1]) for phone in phones]
        room = plane.open_bridge()
        for leg, _ in legs:
            plane.join(room, leg)
        delays: list[float] = []
        beyond: list[float] = []
        due, sent_at = time.perf_counter(), 0.0
        for number in range(round(seconds / _FRAME_S)):
            loud = number % _EVERY == 0 and number > 0
            head = struct.pack("!BBHII", 0x80, 0, number, number * 160, 7)
            if loud:
                sent_at = time.perf_counter()
            phones[0].sendto(head + (_LOUD if loud else _SILENCE), ("127.0.0.1", legs[0][1]))
            due += _FRAME_S
            while (left := due - time.perf_counter()) > 0:
                if not select.select([phones[1]], [], [], left)[0]:
                    continue
                came = time.perf_counter()
                if phones[1].recv(2048)[12:] == _LOUD and sent_at:
                    delays.append(1000 * (came - sent_at))
                    beyond.append(delays[-1] - (plane.statistics(legs[0][0]).mix.delay_ms or 0.0))
                    sent_at = 0.0
        if not delays:
            raise OperatorError("nothing of what was said was heard", "see what else this machine does")
        return {
            "frames": len(delays),
            "half_ms": round(statistics.median(delays), 2),
            "worst_ms": round(max(delays), 2),
            "half_beyond_ms": round(statistics.median(beyond), 2),
            "worst_beyond_ms": round(max(beyond), 2),
        }
    finally:
        plane.stop()
        for phone in phones:
            phone.close()


def measure(calls: int, seconds: float) -> dict[str, Any]:
    """All of them."""
    machine.raise_descriptors()
    relay.on_its_core()
    cache.prepare()
    with machine.session_first():
        return _measured(calls, seconds)


def _measured(calls: int, seconds: float) -> dict[str, Any]:
    return {
        "calls": calls,
        "relayed": {what: asdict(run) for what, run in relayed(calls, seconds).items()},
        "mixed": mixed(max(seconds, _MIXED_S)),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The figures as they are printed."""
    rows = []
    for what, told in found["relayed"].items():
        run = relay.Run(**{**told, "talk": Talk(**told["talk"])})
        talk = run.talk
        rows.append(
            f"{what:<15} p50 {talk.half_ms:6.2f} ms  p99 {talk.most_ms:6.2f}  p99.9 {talk.nearly_all_ms:6.2f}"
            f"  worst {talk.worst_ms:6.1f}  lost {talk.lost} of {talk.sent}  (waited for the core"
            f" {1e3 * run.waited_s:.0f} ms, stolen {1e3 * run.stolen_s:.0f}; load: {talk.beside()})"
        )
    mix = found["mixed"]
    return [
        *rows,
        "mixed, {frames} frames: p50 {half_ms} ms, worst {worst_ms}; beyond what the jitter buffer held just"
        " then: p50 {half_beyond_ms}, worst {worst_beyond_ms}".format(**mix),
    ]


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(description="added delay of relayed and mixed packets")
    options.add_argument("--calls", type=int, default=100)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    found = measure(chosen.calls, chosen.seconds)
    print(json.dumps(found) if chosen.json else "\n".join(lines(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
