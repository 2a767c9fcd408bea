"""What SRTP on both sides of a call adds to the CPU of a relayed packet: unprotect one, protect one.

    python -m benchmarks.srtp [--calls 200] [--seconds 5] [--repeat 3] [--suites NAME,NAME…] [--json]

First libsrtp by itself, called from a compiled loop as the media thread calls it: a packet protected and
unprotected, by one leg all the time, by as many legs in turn as the calls have, and by these when their
states and libsrtp's code have left the nearer caches in between, as they do while a core sleeps or does
something else. Then the plain relay and the relay over SRTP, which serve the same calls in the
same run, in turn; see `benchmarks.relay`.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import machine, relay
from benchmarks.talkers import Talkers, security
from pbx.media import cache
from pbx.sdp.crypto import OFFERED_SUITES, Suite

# The goal: libsrtp twice, and the loop's own part in it.
MAX_ADDED_US: Final = 1.2
_OCTETS: Final = 172
_PACKETS: Final = 20_000
# Twice what the second level of this machine's caches holds, and one line of it.
_CACHE: Final = 1 << 20
_LINE: Final = 64
_ROUNDS: Final = 5
# What is compared with the plain relay unless other suites are asked for.
_USUAL: Final = "AES_CM_128_HMAC_SHA1_80,AEAD_AES_128_GCM"


def alone(suite: Suite, legs: int, *, cold: bool = False) -> dict[str, Any]:
    """µs that libsrtp takes to protect a packet of G.711, and to unprotect it again: medians of means."""
    from pbx.media.compiling import compiled
    from pbx.media.libc import CLOCK_MONOTONIC, clock_gettime
    from pbx.media.srtp import PROTECT, UNPROTECT, transform
    from pbx.media.srtp_sessions import SrtpSessions, function_addresses

    def protect_and_unprotect(
        functions: Any, sessions: Any, packet: Any, first: int, count: int, both: bool, other: Any, words: Any
    ) -> tuple[int, int]:
        failed = took = touched = 0
        for number in range(first, first + count):
            for leg in range(sessions.shape[0]):
                for at in range(0, other.shape[0], _LINE):
                    touched += 0 | other[at]
                    other[at] = touched & 0xFF
                packet[0], packet[1], packet[11] = 0x80, 0, 7
                packet[2], packet[3] = (number >> 8) & 0xFF, number & 0xFF
                clock_gettime(CLOCK_MONOTONIC, words.ctypes.data)
                took -= words[0] * 1_000_000_000 + words[1]
                size = transform(functions[PROTECT], sessions[leg, 1], packet.ctypes.data, _OCTETS)
                if both:
                    size = transform(functions[UNPROTECT], sessions[leg, 0], packet.ctypes.data, size)
                clock_gettime(CLOCK_MONOTONIC, words.ctypes.data)
                took += words[0] * 1_000_000_000 + words[1]
                failed += size < _OCTETS
        return took, failed

    loop = compiled(protect_and_unprotect)
    functions = np.array(function_addresses(), np.int64)
    other = np.zeros(_CACHE if cold else 0, np.uint8)
    packets = _PACKETS // 10 if cold else _PACKETS
    found: dict[bool, list[float]] = {False: [], True: []}
    for both, means in found.items():
        held = SrtpSessions()
        made = [held.change(leg, security(suite)) or (0, 0, []) for leg in range(legs)]
        sessions = np.array([(receive, send) for receive, send, _ in made], np.int64)
        packet, words = np.zeros(_OCTETS + 84, np.uint8), np.zeros(2, np.int64)
        count = packets // legs
        for number in range(_ROUNDS + 1):
            took, failed = loop(functions, sessions, packet, number * count, count, both, other, words)
            if failed:
                raise RuntimeError(f"libsrtp refused {failed} packets")
            means.append(took / (count * legs) / 1e3)
        # The first round makes the streams, and the loop if need be.
        del means[0]
    protect, pair = statistics.median(found[False]), statistics.median(found[True])
    return {
        "suite": suite,
        "legs": legs,
        "cold": cold,
        "protect_us": round(protect, 3),
        "both_us": round(pair, 3),
        "runs": [round(each, 3) for each in found[True]],
    }


def compare(calls: int, seconds: float, repeat: int, cache_root: Path, suite: Suite) -> dict[str, Any]:
    """Both relays in turn, `repeat` times; medians."""
    with Talkers(2 * calls, machine.cores()[1], cache_root) as talkers:
        runs = [
            (
                relay.through_plane(talkers, seconds, cache_root),
                relay.through_plane(talkers, seconds, cache_root, suite),
            )
            for _ in range(repeat)
        ]
    return {
        "calls": calls,
        "suite": suite,
        "plain_us_per_packet": round(statistics.median(plain.us for plain, _ in runs), 3),
        "srtp_us_per_packet": round(statistics.median(secure.us for _, secure in runs), 3),
        "added_us_per_packet": round(statistics.median(secure.us - plain.us for plain, secure in runs), 3),
        "plain_lost": sum(plain.talk.lost for plain, _ in runs),
        "srtp_lost": sum(secure.talk.lost for _, secure in runs),
        "packets": sum(plain.talk.sent for plain, _ in runs),
        **relay.load_of([run for pair in runs for run in pair]),
        "runs": [[round(run.us, 3) for run in pair] for pair in runs],
    }


def measure(calls: int, seconds: float, repeat: int, cache_root: Path, suites: list[Suite]) -> dict[str, Any]:
    """libsrtp by itself and relayed, for each suite."""
    ways = ((1, False), (2 * calls, False), (2 * calls, True))
    with machine.session_first():
        by_itself = [alone(suite, legs, cold=cold) for suite in suites for legs, cold in ways]
    return {
        "libsrtp": by_itself,
        "relayed": [compare(calls, seconds, repeat, cache_root, suite) for suite in suites],
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The figures as they are printed."""
    rows = []
    for each in found["libsrtp"]:
        cold = ", cold" if each["cold"] else ""
        rows.append(
            f"libsrtp alone, {each['suite']}, {each['legs']} legs{cold}: protect {each['protect_us']} µs,"
            f" protect and unprotect {each['both_us']} (runs {each['runs']})"
        )
    return rows + [
        f"{each['calls']} calls, {each['suite']}: plain relay {each['plain_us_per_packet']} µs a packet,"
        f" SRTP on both sides {each['srtp_us_per_packet']}, added {each['added_us_per_packet']}"
        f" (goal {MAX_ADDED_US}; lost {each['plain_lost']} and {each['srtp_lost']} of {each['packets']};"
        f" {relay.load_words(each)}; runs {each['runs']})"
        for each in found["relayed"]
    ]


def main() -> int:
    """Measure and print; 1 when SRTP adds more than it should or loses packets."""
    options = argparse.ArgumentParser(description="CPU that SRTP adds to each relayed packet")
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--suites", default=_USUAL, help=f"of {', '.join(OFFERED_SUITES)}")
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    seconds = min(chosen.seconds, relay.MAX_SECONDS)
    names = chosen.suites.split(",")
    suites: list[Suite] = [suite for suite in OFFERED_SUITES if suite in names]
    if len(suites) != len(names):
        options.error(f"--suites takes some of {', '.join(OFFERED_SUITES)}")
    machine.raise_descriptors()
    cache_root = cache.default_directory()
    relay.on_its_core()
    cache.prepare(cache_root)
    found = measure(chosen.calls, seconds, chosen.repeat, cache_root, suites)
    print(json.dumps(found) if chosen.json else "\n".join(lines(found)))
    return int(
        any(
            each["added_us_per_packet"] > MAX_ADDED_US or each["srtp_lost"] > each["plain_lost"]
            for each in found["relayed"]
        )
    )


if __name__ == "__main__":
    sys.exit(main())
