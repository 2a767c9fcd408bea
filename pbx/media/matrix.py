"""Bridges, sources and sinks as the reactor thread keeps them: what exists, who is where, what is ordered.

It mirrors who is in which bridge, since every change is ordered from here; the loop decides what that
comes to.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pbx.errors import MisuseError, ResourcesExhausted
from pbx.media import layout, mixtables
from pbx.media.commands import bridging, command
from pbx.media.rows import Words
from pbx.media.thread import MediaThread
from pbx.media.values import BridgeId, LegId, Member, SinkId, SinkKind, Sound, SourceId, Way

DIGITS: Final = "0123456789*#ABCD!"
_LOUDEST: Final = 16.0
_SHORTEST_DIGIT_MS: Final = 40
_LONGEST_DIGIT_MS: Final = 8000
_SINK_KINDS: Final[Mapping[SinkKind, int]] = {
    "one": mixtables.ONE,
    "mix": mixtables.MIX,
    "stereo": mixtables.STEREO,
}

Samples = npt.NDArray[np.int16]


@dataclass(slots=True)
class _Bridge:
    """A row of its thread's table; one made for a pair ends when fewer than two legs are left."""

    number: int
    home: MediaThread
    row: int
    pair: bool
    members: set[Member] = field(default_factory=set)


@dataclass(slots=True)
class _Retired:
    """What the loop may still read until it has obeyed so many commands."""

    home: MediaThread | None
    posted: int
    row: int
    held: tuple[Any, ...]


class Matrix:
    """The bridges, sources and sinks of a plane; legs are the plane's, which says where each is served.

    `move` brings a leg to another media thread; `home` says which serves it, None when it is closed.
    """

    def __init__(
        self,
        shared: mixtables.SharedMix,
        legs: int,
        threads: Sequence[MediaThread],
        home: Callable[[LegId], MediaThread | None],
        move: Callable[[LegId, MediaThread], None],
    ) -> None:
        self._shared = shared
        self._parts = Words(shared.parts)
        self._legs = legs
        self._threads = threads
        self._home = home
        self._move = move
        self._numbers = 0
        self._generations = 0
        self._bridges: dict[int, _Bridge] = {}
        self._where: dict[Member, _Bridge] = {}
        self._rows: dict[int, deque[int]] = {}
        for thread in threads:
            self._rows[id(thread)] = deque(range(thread.mix.bridges.shape[0]))
        sources, sinks = mixtables.SOURCES, mixtables.SINKS
        self._free_sources = deque(range(legs, legs + sources))
        self._free_sinks = deque(range(legs + sources, legs + sources + sinks))
        self._sources: dict[SourceId, tuple[Any, ...]] = {}
        self._sinks: dict[SinkId, SinkKind] = {}
        self._part_home: dict[SourceId | SinkId, MediaThread] = {}
        self._retired: list[_Retired] = []

    # Legs

    def open_leg(self, leg: LegId) -> None:
        """Make the row of a new leg, before the loop knows of it."""
        self._parts.write(leg.row, mixtables.fresh_leg(leg.generation))

    def forget(self, member: Member) -> None:
        """It is in no bridge any more, by a command that says so itself."""
        bridge = self._where.pop(member, None)
        if bridge is None:
            return
        bridge.members.discard(member)
        if bridge.pair and sum(isinstance(other, LegId) for other in bridge.members) < 2:
            self._end(bridge)

    def _end(self, bridge: _Bridge) -> None:
        for member in bridge.members:
            del self._where[member]
        bridge.members.clear()
        del self._bridges[bridge.number]
        self._rows[id(bridge.home)].append(bridge.row)

    # Bridges

    def _new_bridge(self, home: MediaThread, pair: bool) -> _Bridge:
        rows = self._rows[id(home)]
        if not rows:
            raise ResourcesExhausted("bridges", retry_after=5)
        self._numbers += 1
        bridge = _Bridge(self._numbers, home, rows.popleft(), pair)
        self._bridges[bridge.number] = bridge
        return bridge

    def bridge(self, a: LegId, b: LegId) -> BridgeId | None:
        """A bridge for a pair, in one command; the one that both are in already stays."""
        home = self._home(a)
        if home is None or self._home(b) is None:
            return None
        if a.row == b.row:
            raise MisuseError("a leg cannot be bridged with itself; echo it")
        before = self._where.get(a)
        if before is not None and before is self._where.get(b) and before.pair:
            return BridgeId(before.number)
        # The new row is taken before the old ones are given back, so that it is none of them.
        bridge = self._new_bridge(home, pair=True)
        if self._home(b) is not home:
            self.forget(b)
            self._move(b, home)
        self.forget(a)
        self.forget(b)
        home.post(bridging(a, b, bridge.row, bridge.number))
        for leg in (a, b):
            bridge.members.add(leg)
            self._where[leg] = bridge
        return BridgeId(bridge.number)

    def open_bridge(self) -> BridgeId:
        """A bridge for any number of members."""
        home = min(self._threads, key=lambda thread: int(thread.tables.control[layout.ACTIVE]))
        return BridgeId(self._new_bridge(home, pair=False).number)

    def close_bridge(self, bridge: BridgeId) -> None:
        """All members leave; they stay open."""
        known = self._bridges.get(bridge.number)
        if known is None:
            return
        record = command(layout.CLOSE_BRIDGE, 0, 0)
        record["bridge"], record["bridge_generation"] = known.row, known.number
        known.home.post(record)
        self._end(known)

    def _is_open(self, member: Member) -> bool:
        match member:
            case LegId():
                return self._home(member) is not None
            case SourceId():
                return member in self._sources
            case SinkId():
                return member in self._sinks

    def _bring(self, member: Member, home: MediaThread) -> None:
        """Have a member served by the thread of a bridge."""
        if isinstance(member, LegId):
            if self._home(member) is not home:
                self.forget(member)
                self._move(member, home)
            return
        before = self._part_home.get(member)
        if before is not None and before is not home:
            self.leave(member)
            before.settle()
        self._part_home[member] = home

    def join(self, bridge: BridgeId, member: Member) -> None:
        """Bring a member onto a bridge, away from where it was."""
        known = self._bridges.get(bridge.number)
        if known is None or not self._is_open(member) or self._where.get(member) is known:
            return
        self._bring(member, known.home)
        record = command(layout.JOIN, member.row, member.generation)
        record["bridge"], record["bridge_generation"] = known.row, known.number
        known.home.post(record)
        self.forget(member)
        known.members.add(member)
        self._where[member] = known

    def leave(self, member: Member) -> None:
        """Take a member off its bridge, or end the echo of a leg."""
        home = self._home(member) if isinstance(member, LegId) else self._part_home.get(member)
        if home is not None and self._is_open(member):
            home.post(command(layout.LEAVE, member.row, member.generation))
            self.forget(member)

    def gain(self, bridge: BridgeId, talker: Member, listener: Member, value: float | None) -> None:
        """How loud one hears the other there: 1.0 is as it is, None what it is by default."""
        known = self._bridges.get(bridge.number)
        if known is None or not (self._is_open(talker) and self._is_open(listener)):
            return
        if value is not None and not 0.0 <= value <= _LOUDEST:
            raise MisuseError(f"no gain: {value}")
        self._bring(listener, known.home)
        record = command(layout.GAIN, listener.row, listener.generation)
        record["other_row"], record["other_generation"] = talker.row, talker.generation
        record["bridge"], record["bridge_generation"] = known.row, known.number
        record["value"] = -1 if value is None else round(value * mixtables.UNITY)
        known.home.post(record)

    def tell(self, leg: LegId, operation: int, value: int, duration_ms: int = 0) -> None:
        """One of MUTE, DETECT and DIGIT, to a leg."""
        home = self._home(leg)
        if home is not None:
            record = command(operation, leg.row, leg.generation)
            record["value"], record["duration_ms"] = value, duration_ms
            home.post(record)

    def send_digit(self, leg: LegId, digit: str, duration_ms: int) -> None:
        """One press, after those before it."""
        if len(digit) != 1 or digit.upper() not in DIGITS:
            raise MisuseError(f"no digit: {digit!r}")
        lasting = min(max(duration_ms, _SHORTEST_DIGIT_MS), _LONGEST_DIGIT_MS)
        self.tell(leg, layout.DIGIT, DIGITS.index(digit.upper()), lasting)

    # Sources

    def _generation(self) -> int:
        self._generations += 1
        return self._generations

    def play(self, sounds: Sequence[Sound], *, loops: bool, start: int, gain: float) -> SourceId:
        """A player; sounds beyond what a row can name are put together."""
        if not sounds or not all(sound.rate in {8000, 16000} for sound in sounds):
            raise MisuseError("a player needs sounds of 8000 or 16000 Hz")
        if not 0.0 <= gain <= _LOUDEST or start < 0:
            raise MisuseError(f"no gain or start: {gain}, {start}")
        pieces = _pieces(sounds)
        source = SourceId(self._take(self._free_sources, "sources"), self._generation())
        part = mixtables.fresh_part(mixtables.SOURCE_PART, source.generation)
        part["source_kind"] = mixtables.PLAYER
        part["segments"] = len(pieces)
        part["loops"] = loops
        part["volume"] = round(gain * mixtables.UNITY)
        queue = self._shared.stores["queue"][source.row]
        for number, (samples, rate) in enumerate(pieces):
            queue[3 * number : 3 * number + 3] = (samples.ctypes.data, len(samples), rate)
        position = start % max(1, sum(len(samples) for samples, _ in pieces))
        segment = 0
        while position >= len(pieces[segment][0]) and segment + 1 < len(pieces):
            position -= len(pieces[segment][0])
            segment += 1
        part["segment"], part["position"] = segment, position
        self._place(source.row, part)
        self._sources[source] = tuple(samples for samples, _ in pieces)
        return source

    def open_feed(self, rate: int) -> SourceId:
        """A source that plays what it is fed."""
        if rate not in {8000, 16000}:
            raise MisuseError(f"a feed has 8000 or 16000 Hz, not {rate}")
        source = SourceId(self._take(self._free_sources, "sources"), self._generation())
        part = mixtables.fresh_part(mixtables.SOURCE_PART, source.generation)
        part["source_kind"], part["rate"] = mixtables.FEED, rate
        self._place(source.row, part)
        self._sources[source] = ()
        return source

    def feed(self, source: SourceId, samples: Samples) -> int:
        """Put samples behind those that wait; how many there was room for."""
        if source not in self._sources:
            return 0
        part = self._shared.parts[source.row]
        if part["source_kind"] != mixtables.FEED:
            raise MisuseError("a player is not fed")
        head = int(part["head"])
        room = mixtables.RING - (head - int(part["tail"]))
        given = np.asarray(samples, np.int16)[:room]
        ring = self._shared.rings[source.row - self._legs]
        ring[np.arange(head, head + len(given)) % mixtables.RING] = given
        part["head"] = head + len(given)
        return len(given)

    def feed_waiting(self, source: SourceId) -> int:
        """Samples that a feed has still to play."""
        if source not in self._sources:
            return 0
        part = self._shared.parts[source.row]
        return int(part["head"]) - int(part["tail"])

    def close_source(self, source: SourceId) -> None:
        """End a source; its sounds are let go once the loop does not read them any more."""
        held = self._sources.get(source)
        if held is not None:
            self.leave(source)
            del self._sources[source]
            self._retire(source, held)

    # Sinks

    def open_sink(self, kind: SinkKind, left: LegId | None, right: LegId | None, rate: int) -> SinkId:
        """A sink that collects at 8000 or 16000 Hz."""
        if kind not in _SINK_KINDS or rate not in {8000, 16000}:
            raise MisuseError(f"no sink of kind {kind} at {rate} Hz")
        if (kind == "one" and left is None) or (kind == "stereo" and (left is None or right is None)):
            raise MisuseError(f"a sink of kind {kind} has to know whom it hears")
        sink = SinkId(self._take(self._free_sinks, "sinks"), self._generation())
        part = mixtables.fresh_part(mixtables.SINK_PART, sink.generation)
        part["sink_kind"], part["rate"] = _SINK_KINDS[kind], rate
        part["left"] = -1 if left is None else left.row
        part["right"] = -1 if right is None else right.row
        self._place(sink.row, part)
        self._sinks[sink] = kind
        return sink

    def drain(self, sink: SinkId) -> Samples:
        """What was collected since: (n,), or (n, 2) in stereo. One thread drains a sink, whichever it is."""
        kind = self._sinks.get(sink)
        if kind is None:
            return np.zeros(0, np.int16)
        part = self._shared.parts[sink.row]
        head, tail = int(part["head"]), int(part["tail"])
        ring = self._shared.rings[sink.row - self._legs]
        found = _ringed(ring[: mixtables.RING], tail, head)
        if kind == "stereo":
            found = np.stack((found, _ringed(ring[mixtables.RING :], tail, head)), 1)
        part["tail"] = head
        return found

    def overruns(self, sink: SinkId) -> int:
        """Samples that were lost because nobody drained the sink in time."""
        return int(self._shared.parts["overruns"][sink.row]) if sink in self._sinks else 0

    def close_sink(self, sink: SinkId) -> Samples:
        """End a sink; what was not drained yet."""
        rest = self.drain(sink)
        if sink in self._sinks:
            self.leave(sink)
            del self._sinks[sink]
            self._retire(sink, ())
        return rest

    # Inside

    def shows(self, leg: LegId) -> Way:
        """How a leg is heard at present."""
        bridge = self._where.get(leg)
        if bridge is None:
            return "idle"
        if int(self._shared.parts["buffering"][leg.row]) == 0:
            return "relayed"
        codecs = {
            int(self._shared.parts[name][member.row])
            for member in bridge.members
            if isinstance(member, LegId)
            for name in ("codec_in", "codec_out")
        }
        return "transcoded" if len(codecs - {mixtables.NO_CODEC}) > 1 else "mixed"

    def sweep(self) -> None:
        """Take back what the loop has let go."""
        waiting = []
        for retired in self._retired:
            if retired.home is not None and not retired.home.has_obeyed(retired.posted):
                waiting.append(retired)
            elif retired.row < self._legs + mixtables.SOURCES:
                self._free_sources.append(retired.row)
            else:
                self._free_sinks.append(retired.row)
        self._retired = waiting

    def _take(self, free: deque[int], what: str) -> int:
        if not free:
            self.sweep()
        if not free:
            raise ResourcesExhausted(what, retry_after=2)
        return free.popleft()

    def _place(self, row: int, part: Any) -> None:
        self._shared.stores["samples"][row, mixtables.TAPS :] = 0
        self._shared.parts[row] = part

    def _retire(self, part: SourceId | SinkId, held: tuple[Any, ...]) -> None:
        home = self._part_home.pop(part, None)
        posted = 0 if home is None else home.posted
        self._retired.append(_Retired(home, posted, part.row, held))
        self.sweep()


def _ringed(ring: Samples, tail: int, head: int) -> Samples:
    """A copy of what lies between two counts of a ring."""
    start, end = tail % len(ring), head % len(ring)
    if head > tail and end <= start:
        return np.concatenate((ring[start:], ring[:end]))
    return ring[start:end].copy()


def _pieces(sounds: Sequence[Sound]) -> list[tuple[Samples, int]]:
    """Sounds as contiguous samples, few enough for a row: neighbours of one rate may be put together."""
    pieces = [
        (np.ascontiguousarray(sound.samples, np.int16), sound.rate) for sound in sounds if len(sound.samples)
    ]
    if len(pieces) <= mixtables.SEGMENTS and pieces:
        return pieces
    joined: list[tuple[Samples, int]] = []
    for samples, rate in pieces:
        if joined and joined[-1][1] == rate:
            joined[-1] = (np.concatenate((joined[-1][0], samples)), rate)
        else:
            joined.append((samples, rate))
    if len(joined) > mixtables.SEGMENTS:
        raise MisuseError("a player plays no more than 32 changes of the sample rate")
    return joined or [(np.zeros(1, np.int16), 8000)]
