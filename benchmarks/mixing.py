"""CPU of the media thread for each packet that comes in, where it has more to do than to relay.

    python -m benchmarks.mixing [--only NAME,NAME…] [--seconds 5] [--repeat 3] [--json]

Each scene runs in turn with a bare compiled loop that passes on as many packets (see `benchmarks.relay`),
over loopback; time is that of the media thread. Every leg sends 50 packets of noise a second and is sent 50.
"""

import argparse
import json
import statistics
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import Pipe, Process
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import relay
from pbx.media import cache
from pbx.media.plane import MediaPlane
from pbx.media.values import CodecName, LegAudio, LegId, Sound

# A tick that runs later than this has taken the place of the next one.
LATE_MS: Final = 20.0
_TYPES: Final[dict[CodecName, int]] = {"PCMU": 0, "PCMA": 8, "G722": 9}
_MUSIC_SECONDS: Final = 30
_SETTLING: Final = 1.5

Join = Callable[[MediaPlane, Sequence[LegId]], None]


@dataclass(frozen=True, slots=True)
class Scene:
    """Legs with their codecs, who is brought together how, and what a packet may cost (None: no goal)."""

    name: str
    codecs: Sequence[CodecName]
    join: Join
    goal_us: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The medians of a scene's runs."""

    name: str
    legs: int
    us_per_packet: float
    bare_us_per_packet: float
    goal_us: float | None
    packets: int
    sent_to_legs: int
    late_ticks: int
    skipped_ticks: int
    load_late_ms: float

    def line(self) -> str:
        """One row of the table."""
        goal = "-" if self.goal_us is None else f"{self.goal_us:g}"
        return (
            f"{self.name:<28} {self.legs:>5}  {self.us_per_packet:>8.2f}  {goal:>5}"
            f"  {self.bare_us_per_packet:>9.2f}  {self.us_per_packet / self.bare_us_per_packet:>5.2f}"
            f"  {self.packets:>8}  {self.sent_to_legs:>8}  {self.late_ticks:>4}  {self.skipped_ticks:>7}"
            f"  {self.load_late_ms:>7.1f}"
        )


HEADER: Final = (
    f"{'scene':<28}  legs    packet   goal  bare loop  ratio   packets   answers  late  skipped  load late"
)

SMOKE: Final = "twenty rooms"


def rooms(size: int) -> Join:
    """Everybody in rooms of so many, each heard by all the others."""

    def join(plane: MediaPlane, legs: Sequence[LegId]) -> None:
        for first in range(0, len(legs), size):
            room = plane.open_bridge()
            for leg in legs[first : first + size]:
                plane.join(room, leg)

    return join


def pairs(plane: MediaPlane, legs: Sequence[LegId]) -> None:
    """Two and two, relayed if they can be."""
    for a, b in zip(legs[::2], legs[1::2], strict=True):
        plane.bridge(a, b)


def waiting(plane: MediaPlane, legs: Sequence[LegId]) -> None:
    """Each hears music of its own."""
    samples = np.random.default_rng(2).integers(-8000, 8000, 8000 * _MUSIC_SECONDS).astype(np.int16)
    music = Sound(samples, 8000)
    for leg in legs:
        room = plane.open_bridge()
        plane.join(room, leg)
        plane.join(room, plane.play([music], loops=True))


def scenes() -> list[Scene]:
    """What issue and documentation give figures for."""
    return [
        Scene("one room of 50", ["PCMU"] * 50, rooms(50), 8),
        Scene("twenty rooms of 3", ["PCMU"] * 60, rooms(3), 8),
        Scene("one room of 500", ["PCMU"] * 500, rooms(500)),
        Scene("PCMU with PCMA, 50 pairs", ["PCMU", "PCMA"] * 50, pairs, 7),
        Scene("PCMU with G.722, 50 pairs", ["PCMU", "G722"] * 50, pairs, 30),
        Scene("1000 waiting with music", ["PCMU"] * 1000, waiting, 8),
        *(Scene(f"curve: {legs} legs in rooms of 5", ["PCMU"] * legs, rooms(5)) for legs in CURVE),
    ]


CURVE: Final = (10, 50, 100, 200, 500, 1000)


def through_plane(connection: Any, addresses: list[Any], scene: Scene, seconds: float, root: Path) -> Any:
    """One run of a scene: what it cost, what was sent, and how late the ticks were."""
    connection.send("")
    connection.send(tuple(_TYPES[codec] for codec in scene.codecs))
    plane = MediaPlane(ports=range(20000, 32000), pool=len(addresses), cache_directory=root)
    plane.start()
    try:
        legs = []
        for address, codec in zip(addresses, scene.codecs, strict=True):
            leg, port = plane.open()
            own = _TYPES[codec]
            plane.configure(
                leg,
                remote=address,
                receive=True,
                send=True,
                payload_map={0: 0} if own == 0 else {},
                clock_rates={own: 8000},
                audio=LegAudio({own: codec}, codec, own, None, 20),
            )
            legs.append((leg, port))
        scene.join(plane, [leg for leg, _ in legs])
        # Everybody is there and the sockets are connected before anything is counted.
        threading.Event().wait(_SETTLING)
        thread = next(each for each in threading.enumerate() if each.name.startswith("pbx-media"))
        before = plane.loop_statistics
        run = relay.measure(connection, [port for _, port in legs], thread, seconds)
        after = plane.loop_statistics
        counted = zip((0.0, *after.bounds_ms), after.lateness, before.lateness, strict=True)
        late = sum(new - old for least, new, old in counted if least >= LATE_MS)
        return run, late, after.skipped_ticks - before.skipped_ticks
    finally:
        plane.stop()


def measure(scene: Scene, seconds: float, repeat: int, root: Path) -> Found:
    """A scene and the bare loop in turn, `repeat` times; medians."""
    here, there = Pipe()
    legs = len(scene.codecs)
    generator = Process(target=relay.phones, args=(there, legs // 2, str(root)), daemon=True)
    generator.start()
    try:
        addresses = here.recv()
        runs = [
            (
                through_plane(here, addresses, scene, seconds, root),
                relay.through_bare_loop(here, addresses, seconds),
            )
            for _ in range(repeat)
        ]
        here.send(None)
        generator.join(5)
    finally:
        generator.kill()
    mixed = [run for (run, _, _), _ in runs]
    return Found(
        name=scene.name,
        legs=legs,
        us_per_packet=round(statistics.median(run["us_in"] for run in mixed), 3),
        bare_us_per_packet=round(statistics.median(bare["us_in"] for _, bare in runs), 3),
        goal_us=scene.goal_us,
        packets=int(sum(run["sent"] for run in mixed)),
        sent_to_legs=int(sum(run["sent"] - run["lost"] for run in mixed)),
        late_ticks=sum(late for (_, late, _), _ in runs),
        skipped_ticks=sum(skipped for (_, _, skipped), _ in runs),
        load_late_ms=max(run["generator_late_ms"] for run in mixed),
    )


def run(chosen: Iterable[Scene], seconds: float, repeat: int, say: Callable[[str], None]) -> list[Found]:
    """Scene after scene."""
    relay.raise_descriptors()
    root = cache.default_directory()
    relay.pin(0)
    cache.prepare(root)
    results = []
    for scene in chosen:
        results.append(measure(scene, seconds, repeat, root))
        say(results[-1].line())
    return results


def main() -> int:
    """Measure and print; always 0, for the figures are the machine's of the hour."""
    options = argparse.ArgumentParser(description="CPU for each packet that is mixed")
    options.add_argument("--only", default="", help="scenes whose names begin so")
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    wanted = [
        scene
        for scene in scenes()
        if not chosen.only or any(scene.name.startswith(name) for name in chosen.only.split(","))
    ]
    if not chosen.json:
        print(HEADER)
    found = run(
        wanted,
        min(chosen.seconds, relay.MAX_SECONDS),
        chosen.repeat,
        (lambda _: None) if chosen.json else print,
    )
    if chosen.json:
        print(json.dumps([asdict(each) for each in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
