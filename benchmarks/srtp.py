"""What SRTP on both sides of a call adds to the CPU of a relayed packet: unprotect one, protect one.

    python -m benchmarks.srtp [--calls 200] [--seconds 5] [--repeat 3] [--suite NAME] [--json]

The plain relay and the relay over SRTP serve the same calls in the same run, in turn; see `benchmarks.relay`.
"""

import argparse
import json
import statistics
import sys
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any

from benchmarks import relay
from pbx.media import cache
from pbx.sdp.crypto import OFFERED_SUITES, Suite

# The goal: libsrtp twice, and the loop's own part in it.
MAX_ADDED_US = 1.2


def compare(calls: int, seconds: float, repeat: int, cache_root: Path, suite: Suite) -> dict[str, Any]:
    """Both relays in turn, `repeat` times; medians."""
    here, there = Pipe()
    generator = Process(target=relay.phones, args=(there, calls, str(cache_root)), daemon=True)
    generator.start()
    try:
        addresses = here.recv()
        runs = [
            (
                relay.through_plane(here, addresses, seconds, cache_root),
                relay.through_plane(here, addresses, seconds, cache_root, suite),
            )
            for _ in range(repeat)
        ]
        here.send(None)
        generator.join(5)
    finally:
        generator.kill()
    plain = statistics.median(run["us"] for run, _ in runs)
    secure = statistics.median(run["us"] for _, run in runs)
    return {
        "calls": calls,
        "suite": suite,
        "plain_us_per_packet": round(plain, 3),
        "srtp_us_per_packet": round(secure, 3),
        "added_us_per_packet": round(statistics.median(two["us"] - one["us"] for one, two in runs), 3),
        "plain_lost": sum(run["lost"] for run, _ in runs),
        "srtp_lost": sum(run["lost"] for _, run in runs),
        "packets": sum(run["sent"] for run, _ in runs),
        "runs": [[round(run["us"], 3) for run in pair] for pair in runs],
    }


def main() -> int:
    """Measure and print; 1 when SRTP adds more than it should or loses packets."""
    options = argparse.ArgumentParser(description="CPU that SRTP adds to each relayed packet")
    options.add_argument("--calls", type=int, default=200)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--suite", choices=OFFERED_SUITES, default=OFFERED_SUITES[0])
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    seconds = min(chosen.seconds, relay.MAX_SECONDS)
    relay.raise_descriptors()
    cache_root = cache.default_directory()
    relay.pin(0)
    cache.prepare(cache_root)
    result = compare(chosen.calls, seconds, chosen.repeat, cache_root, chosen.suite)
    if chosen.json:
        print(json.dumps(result))
    else:
        print(
            f"{result['calls']} calls, {result['suite']}: "
            f"plain relay {result['plain_us_per_packet']} µs a packet, "
            f"SRTP on both sides {result['srtp_us_per_packet']}, added {result['added_us_per_packet']} "
            f"(goal {MAX_ADDED_US}; lost {result['plain_lost']} and {result['srtp_lost']} of "
            f"{result['packets']}; runs {result['runs']})"
        )
    return int(result["added_us_per_packet"] > MAX_ADDED_US or result["srtp_lost"] > result["plain_lost"])


if __name__ == "__main__":
    sys.exit(main())
