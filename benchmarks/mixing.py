"""CPU of the media thread for each packet that comes in, where it has more to do than to relay.

    python -m benchmarks.mixing [--only NAME,NAME…] [--seconds 5] [--repeat 3] [--json]

Each scene runs in turn with a bare compiled loop that passes on as many packets (see `benchmarks.relay`),
over loopback; time is that of the media thread. Every leg sends 50 packets of noise a second and is sent 50.

Two things are told of ticks, which are 20 ms apart: how many came more than 20 ms late, and how much CPU the
thread used from one to the next, at most and on the average. A machine that does something else makes ticks
late; only the other figure says whether there is too much to do.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import machine, relay
from benchmarks.talkers import FRAME_S, Talkers
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.media import cache
from pbx.media.plane import MediaPlane
from pbx.media.values import CodecName, LegAudio, LegId, LoopStatistics, Sound

# A tick that runs later than this has taken the place of the next one; so much work does not fit into one.
LATE_MS: Final = 20.0
_TYPES: Final[dict[CodecName, int]] = {"PCMU": 0, "PCMA": 8, "G722": 9}
_MUSIC_SECONDS: Final = 30

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
    ratio: float
    goal_us: float | None
    packets: int
    answers: int
    fewest: int
    expected: int
    ticks: int
    late_ticks: int
    full_ticks: int
    skipped_ticks: int
    work_ms: float
    work_most_ms: float
    load: dict[str, Any]

    def line(self) -> str:
        """One row of the table."""
        goal = "-" if self.goal_us is None else f"{self.goal_us:g}"
        return (
            f"{self.name:<28} {self.legs:>5}  {self.us_per_packet:>6.2f}  {goal:>4}"
            f"  {self.bare_us_per_packet:>9.2f}  {self.ratio:>5.2f}  {self.packets:>7}  {self.answers:>7}"
            f"  {self.fewest:>6} of {self.expected:<4}"
            f"  {self.ticks:>5}  {self.late_ticks:>4}  {self.full_ticks:>4}"
            f"  {self.work_ms:>7.2f}  {self.work_most_ms:>7g}  {relay.load_words(self.load)}"
        )


HEADER: Final = (
    f"{'scene':<28}  legs  packet  goal  bare loop  ratio  packets  answers  fewest heard  ticks  late  full"
    "  work ms  at most"
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


@dataclass(frozen=True, slots=True)
class Mixed:
    """One run of a scene: what it cost, and how its ticks were."""

    run: relay.Run
    ticks: int
    late: int
    full: int
    skipped: int
    work_s: float
    work_most_ms: float


def through_plane(talkers: Talkers, scene: Scene, seconds: float, root: Path) -> Mixed:
    """One run of a scene."""
    talkers.secure(None)
    talkers.speak([_TYPES[codec] for codec in scene.codecs])
    plane = MediaPlane(ports=relay.media_ports(talkers.legs), pool=talkers.legs, cache_directory=root)
    plane.start()
    try:
        legs = []
        for codec in scene.codecs:
            leg, port = plane.open()
            own = _TYPES[codec]
            plane.configure(
                leg,
                remote=(HOST, talkers.port),
                receive=True,
                send=True,
                payload_map={0: 0} if own == 0 else {},
                clock_rates={own: 8000},
                audio=LegAudio({own: codec}, codec, own, None, 20),
            )
            legs.append((leg, port))
        scene.join(plane, [leg for leg, _ in legs])
        talkers.connect([port for _, port in legs])
        meter = relay.ThreadMeter(relay.media_thread())
        readings: list[LoopStatistics] = []

        def read() -> None:
            meter()
            readings.append(plane.loop_statistics)

        talk = talkers.talk(seconds, meter=read)
        return _mixed(relay.Run(talk, meter.used_s, meter.waited_s, meter.stolen_s), *readings)
    finally:
        plane.stop()


def _mixed(run: relay.Run, before: LoopStatistics, after: LoopStatistics) -> Mixed:
    late = [new - old for new, old in zip(after.lateness, before.lateness, strict=True)]
    work = [new - old for new, old in zip(after.work, before.work, strict=True)]
    # The last bucket has no upper bound.
    upper = (*after.work_bounds_ms, math.inf)
    return Mixed(
        run,
        ticks=sum(work),
        late=sum(
            count for least, count in zip((0.0, *after.bounds_ms), late, strict=True) if least >= LATE_MS
        ),
        full=sum(count for most, count in zip(upper, work, strict=True) if most > LATE_MS),
        skipped=after.skipped_ticks - before.skipped_ticks,
        work_s=after.work_total_s - before.work_total_s,
        work_most_ms=max((most for most, count in zip(upper, work, strict=True) if count), default=0.0),
    )


def measure(scene: Scene, seconds: float, repeat: int, root: Path) -> Found:
    """A scene and the bare loop in turn, `repeat` times; medians."""
    with Talkers(len(scene.codecs), machine.cores()[1], root) as talkers:
        runs = [
            (through_plane(talkers, scene, seconds, root), relay.through_bare_loop(talkers, seconds))
            for _ in range(repeat)
        ]
    mixed = [one for one, _ in runs]
    ticks = sum(one.ticks for one in mixed)
    return Found(
        name=scene.name,
        legs=len(scene.codecs),
        us_per_packet=round(statistics.median(one.run.us_in for one in mixed), 3),
        bare_us_per_packet=round(statistics.median(bare.us_in for _, bare in runs), 3),
        ratio=round(statistics.median(one.run.us_in / bare.us_in for one, bare in runs), 3),
        goal_us=scene.goal_us,
        packets=sum(one.run.talk.sent for one in mixed),
        answers=sum(one.run.talk.answers for one in mixed),
        fewest=min(one.run.talk.fewest for one in mixed),
        expected=round(seconds / FRAME_S),
        ticks=ticks,
        late_ticks=sum(one.late for one in mixed),
        full_ticks=sum(one.full for one in mixed),
        skipped_ticks=sum(one.skipped for one in mixed),
        work_ms=round(1e3 * sum(one.work_s for one in mixed) / max(1, ticks), 3),
        work_most_ms=max(one.work_most_ms for one in mixed),
        load=relay.load_of([run for one, bare in runs for run in (one.run, bare)]),
    )


def run(chosen: Iterable[Scene], seconds: float, repeat: int, say: Callable[[str], None]) -> list[Found]:
    """Scene after scene."""
    machine.raise_descriptors()
    root = cache.default_directory()
    relay.on_its_core()
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
