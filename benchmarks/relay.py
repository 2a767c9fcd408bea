"""CPU of the media thread for each relayed G.711 packet, beside a bare compiled loop that only receives and
sends.

    python benchmarks/relay.py [--calls 200,400] [--seconds 5] [--repeat 3] [--json]

Both loops serve the same number of calls in the same run, in turn, over loopback only. A process of its own,
on another core where there is one, sends 50 packets of 172 octets a second for each direction of each call.
Time is that of the thread that relays, not of the clock on the wall.
"""

import argparse
import json
import os
import resource
import select
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from pbx.media import cache
from pbx.media.plane import MediaPlane
from pbx.media.srtp_sessions import SrtpSessions, function_addresses
from pbx.sdp.crypto import KEY_OCTETS, OFFERED_SUITES, Security, Suite

FRAME = 20_000
OCTETS = 172
WARM_SECONDS = 1.0
MAX_SECONDS = 60.0


def srtp_security(suite: Suite) -> Security:
    """What every leg of a run over SRTP uses; only its cost is of interest."""
    key = bytes(range(KEY_OCTETS[suite]))
    return Security(suite, key, key)


def pin(number: int) -> None:
    """Keep this thread, and those it starts, on one core."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def raise_descriptors() -> None:
    """Allow as many sockets as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else soft, hard))


def loops() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The generator and the bare relay, compiled."""
    from pbx.media.compiling import compiled
    from pbx.media.libc import EVENT_TAG, EVENT_WORDS, MSG_DONTWAIT, epoll_wait, monotonic, recv, send
    from pbx.media.srtp import PROTECT, transform

    def generate(
        epoll: int,
        descriptors: Any,
        microseconds: int,
        run: int,
        packet: Any,
        ready: Any,
        words: Any,
        sequence: Any,
        room: Any,
        types: Any,
        sessions: Any,
        functions: Any,
    ) -> Any:
        legs = descriptors.shape[0]
        sequence[:] = 0
        start = monotonic(words)
        sent = received = late = 0
        now = start
        # The last fifth of a second sends nothing: what is on its way still arrives.
        while now < start + microseconds + 200_000:
            burst = 0
            while burst < 32 and now < start + microseconds and now >= start + sent * FRAME // legs:
                late = max(late, now - (start + sent * FRAME // legs))
                leg = sent % legs
                count = sequence[leg]
                sequence[leg] += 1
                stamp = count * 160
                packet[1] = types[leg]
                packet[2], packet[3] = (count >> 8) & 0xFF, count & 0xFF
                for octet in range(4):
                    packet[4 + octet] = (stamp >> (24 - 8 * octet)) & 0xFF
                    packet[8 + octet] = (((run << 16) + leg) >> (24 - 8 * octet)) & 0xFF
                size = OCTETS
                if sessions[leg] != 0:
                    size = transform(functions[PROTECT], sessions[leg], packet.ctypes.data, OCTETS)
                send(descriptors[leg], packet.ctypes.data, size, MSG_DONTWAIT)
                sent += 1
                burst += 1
            count = epoll_wait(epoll, ready.ctypes.data, 256, 0 if burst else 1)
            for at in range(count):
                descriptor = 0 | ready[at * EVENT_WORDS + EVENT_TAG]
                if recv(descriptor, room.ctypes.data, 2048, MSG_DONTWAIT) > 0:
                    received += 1
            now = monotonic(words)
        return sent, received, late

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

    return compiled(generate), compiled(bare)


def phones(connection: Connection, calls: int, cache_root: str) -> None:
    """The other process: two sockets a call, told by and by whom to send to and for how long.

    An SRTP suite in front of that makes what follows SRTP (see `srtp_security`), "" makes it plain again. A
    tuple gives each socket its payload type; what is said is noise.
    """
    pin(1)
    cache.prepare(Path(cache_root))
    generate, _ = loops()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2 * calls)]
    epoll = select.epoll()
    for phone in sockets:
        phone.bind(("127.0.0.1", 0))
        epoll.register(phone.fileno(), select.EPOLLIN)
    descriptors = np.array([phone.fileno() for phone in sockets], np.int32)
    packet = np.random.default_rng(1).integers(0, 256, OCTETS + 16, np.uint8)
    packet[0] = 0x80
    types = np.zeros(2 * calls, np.uint8)
    secure = SrtpSessions()
    sessions = np.zeros(2 * calls, np.int64)
    functions = np.array(function_addresses(), np.int64)
    scratch = (
        packet,
        np.zeros(1024, np.uint32),
        np.zeros(8, np.int64),
        np.zeros(2 * calls, np.int64),
        np.zeros(2048, np.uint8),
    )
    connection.send([phone.getsockname() for phone in sockets])
    run = 0
    while (told := connection.recv()) is not None:
        if isinstance(told, str):
            suite = next((known for known in OFFERED_SUITES if known == told), None)
            for number in range(2 * calls):
                secure.change(number, None)
                changed = secure.change(number, srtp_security(suite)) if suite else None
                sessions[number] = 0 if changed is None else changed[1]
            continue
        if isinstance(told, tuple):
            types[:] = told
            continue
        ports = told
        run += 1
        for phone, port in zip(sockets, ports, strict=True):
            phone.connect(("127.0.0.1", port))
        connection.send(
            generate(
                epoll.fileno(),
                descriptors,
                int(connection.recv() * 1e6),
                run,
                *scratch,
                types,
                sessions,
                functions,
            )
        )


def thread_seconds(thread: threading.Thread) -> float:
    """CPU that a thread has used."""
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def measure(
    connection: Connection, ports: list[int], thread: threading.Thread, seconds: float
) -> dict[str, float]:
    """Let the phones talk through these ports, and charge the thread for it."""
    connection.send(ports)
    connection.send(WARM_SECONDS)
    connection.recv()
    connection.send(ports)
    before = thread_seconds(thread)
    connection.send(seconds)
    sent, received, late = connection.recv()
    used = thread_seconds(thread) - before
    return {
        "us": used / max(1, received) * 1e6,
        "us_in": used / max(1, sent) * 1e6,
        "sent": sent,
        "lost": sent - received,
        "generator_late_ms": late / 1000,
    }


def through_plane(
    connection: Connection,
    addresses: list[Any],
    seconds: float,
    cache_root: Path,
    suite: Suite | None = None,
) -> dict[str, float]:
    """One measure of the media plane; with a `suite` both sides of every call are SRTP."""
    connection.send(suite or "")
    calls = len(addresses) // 2
    plane = MediaPlane(ports=range(20000, 32000), pool=2 * calls, cache_directory=cache_root)
    plane.start()
    try:
        legs = []
        for address in addresses:
            leg, port = plane.open()
            plane.secure(leg, None if suite is None else srtp_security(suite))
            plane.configure(
                leg, remote=address, receive=True, send=True, payload_map={0: 0}, clock_rates={0: 8000}
            )
            legs.append((leg, port))
        for (a, _), (b, _) in zip(legs[::2], legs[1::2], strict=True):
            plane.bridge(a, b)
        thread = next(thread for thread in threading.enumerate() if thread.name.startswith("pbx-media"))
        return measure(connection, [port for _, port in legs], thread, seconds)
    finally:
        plane.stop()


def through_bare_loop(connection: Connection, addresses: list[Any], seconds: float) -> dict[str, float]:
    """One measure of the bare loop, on connected sockets."""
    connection.send("")
    _, bare = loops()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in addresses]
    epoll = select.epoll()
    stop = os.eventfd(0)
    epoll.register(stop, select.EPOLLIN)
    peers = np.zeros(max(each.fileno() for each in sockets) + 1, np.int32)
    for each, address in zip(sockets, addresses, strict=True):
        each.bind(("0.0.0.0", 0))
        each.connect(address)
        epoll.register(each.fileno(), select.EPOLLIN)
    for a, b in zip(sockets[::2], sockets[1::2], strict=True):
        peers[a.fileno()], peers[b.fileno()] = b.fileno(), a.fileno()
    arguments = (epoll.fileno(), peers, stop, np.zeros(4096, np.uint8), np.zeros(1024, np.uint32))
    thread = threading.Thread(target=bare, args=arguments, daemon=True)
    thread.start()
    try:
        return measure(connection, [each.getsockname()[1] for each in sockets], thread, seconds)
    finally:
        os.eventfd_write(stop, 1)
        thread.join()
        os.close(stop)
        epoll.close()
        for each in sockets:
            each.close()


def compare(calls: int, seconds: float, repeat: int, cache_root: Path) -> dict[str, Any]:
    """Both loops in turn, `repeat` times; medians."""
    here, there = Pipe()
    generator = Process(target=phones, args=(there, calls, str(cache_root)), daemon=True)
    generator.start()
    try:
        addresses = here.recv()
        runs = [
            (
                through_plane(here, addresses, seconds, cache_root),
                through_bare_loop(here, addresses, seconds),
            )
            for _ in range(repeat)
        ]
        here.send(None)
        generator.join(5)
    finally:
        generator.kill()
    relay = statistics.median(run["us"] for run, _ in runs)
    floor = statistics.median(run["us"] for _, run in runs)
    return {
        "calls": calls,
        "relay_us_per_packet": round(relay, 3),
        "bare_us_per_packet": round(floor, 3),
        "ratio": round(relay / floor, 3),
        "relay_lost": sum(run["lost"] for run, _ in runs),
        "bare_lost": sum(run["lost"] for _, run in runs),
        "packets": sum(run["sent"] for run, _ in runs),
        "generator_late_ms": max(max(run["generator_late_ms"] for run in pair) for pair in runs),
        "runs": [[round(run["us"], 3) for run in pair] for pair in runs],
    }


def main() -> int:
    """Measure and print; 1 when packets were lost by the relay and not by the bare loop."""
    options = argparse.ArgumentParser(description="CPU for each relayed packet")
    options.add_argument("--calls", default="200,400")
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    seconds = min(chosen.seconds, MAX_SECONDS)
    raise_descriptors()
    cache_root = cache.default_directory()
    pin(0)
    cache.prepare(cache_root)
    results = [compare(int(calls), seconds, chosen.repeat, cache_root) for calls in chosen.calls.split(",")]
    if chosen.json:
        print(json.dumps(results))
    else:
        for result in results:
            print(
                f"{result['calls']} calls: relay {result['relay_us_per_packet']} µs a packet, "
                f"bare loop {result['bare_us_per_packet']}, ratio {result['ratio']} "
                f"(lost {result['relay_lost']} and {result['bare_lost']} of {result['packets']} each; "
                f"generator at most {result['generator_late_ms']:.1f} ms late; runs {result['runs']})"
            )
    return int(any(result["relay_lost"] > result["bare_lost"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
