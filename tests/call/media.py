"""A media plane that opens no socket: it remembers what it was told, and says who would hear whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pbx.call.recording import Recording
from pbx.errors import ResourcesExhausted
from pbx.media.values import (
    BridgeId,
    Envelope,
    LegAudio,
    LegId,
    LegStatistics,
    Member,
    SinkId,
    Sound,
    SourceId,
)
from pbx.media.wav import Samples
from pbx.sdp.crypto import Security

FEED = 99
"""The number that stands for a feed among sounds."""


def a_sound(number: int = 1) -> Sound:
    """A sound that is told from others by its only sample."""
    return Sound(np.array([number], np.int16), 8000)


@dataclass
class Row:
    """What one leg was told last."""

    port: int
    family: int
    remote: tuple[str, int] | None = None
    receive: bool = False
    send: bool = False
    payload_map: dict[int, int] = field(default_factory=dict)
    audio: LegAudio | None = None
    echo: bool = False
    security: Security | None = None
    peer: LegId | None = None
    muted: bool = False
    inband: bool = False
    digits: str = ""


@dataclass
class Source:
    """What one source plays."""

    sounds: Sequence[Sound]
    loops: bool

    @property
    def numbers(self) -> list[int]:
        """Which sounds, as `a_sound` numbered them."""
        return [int(sound.samples[0]) for sound in self.sounds]


@dataclass
class Sink:
    """What one sink was opened for."""

    kind: str
    left: LegId | None
    right: LegId | None
    waiting: Samples
    overruns: int = 0


class FakeMedia:
    """Implements pbx.call.media.Media; `limit` port pairs."""

    def __init__(self, limit: int = 1000) -> None:
        self.limit = limit
        self.most_sources = limit
        self.most_bridges = limit
        self.rows: dict[LegId, Row] = {}
        self.closed: list[LegId] = []
        self.bridges: dict[BridgeId, set[Member]] = {}
        self.gains: dict[tuple[BridgeId, Member, Member], float] = {}
        self.sources: dict[SourceId, Source] = {}
        self.sinks: dict[SinkId, Sink] = {}
        # What feeds were given and have not played.
        self.fed: dict[SourceId, Samples] = {}
        # What is counted of a leg; nothing, unless a test says otherwise.
        self.counted: dict[LegId, LegStatistics] = {}
        # How loud legs were; not known, unless a test says so.
        self.envelopes: dict[LegId, Envelope] = {}
        self._next = 0

    def open(self, family: Literal[4, 6] = 4, beside: LegId | None = None) -> tuple[LegId, int]:
        if len(self.rows) >= self.limit:
            raise ResourcesExhausted("media ports", 2)
        self._next += 1
        leg = LegId(self._next, 1)
        self.rows[leg] = Row(20000 + 2 * self._next, family)
        return leg, self.rows[leg].port

    def configure(
        self,
        leg: LegId,
        *,
        remote: tuple[str, int],
        receive: bool,
        send: bool,
        payload_map: Mapping[int, int],
        clock_rates: Mapping[int, int],
        audio: LegAudio | None = None,
    ) -> None:
        row = self.rows[leg]
        row.remote, row.receive, row.send, row.payload_map = remote, receive, send, dict(payload_map)
        row.audio = audio
        assert set(payload_map) <= set(clock_rates)

    def secure(self, leg: LegId, security: Security | None) -> None:
        self.rows[leg].security = security

    def bridge(self, a: LegId, b: LegId) -> None:
        if self.rows[a].peer != b:
            self._want_bridge()
        self.leave(a)
        self.leave(b)
        self.rows[a].peer, self.rows[b].peer = b, a

    def _want_bridge(self) -> None:
        pairs = sum(row.peer is not None for row in self.rows.values()) // 2
        if pairs + len(self.bridges) >= self.most_bridges:
            raise ResourcesExhausted("bridges", 5)

    def unbridge(self, a: LegId) -> None:
        peer, self.rows[a].peer = self.rows[a].peer, None
        if peer is not None:
            self.rows[peer].peer = None

    def echo(self, leg: LegId) -> None:
        self.leave(leg)
        self.rows[leg].echo = True

    def open_bridge(self) -> BridgeId:
        self._want_bridge()
        self._next += 1
        bridge = BridgeId(self._next)
        self.bridges[bridge] = set()
        return bridge

    def join(self, bridge: BridgeId, member: Member) -> None:
        assert self._known(member), "joined after it was closed"
        if member not in self.bridges[bridge]:
            self.leave(member)
            self.bridges[bridge].add(member)

    def leave(self, member: Member) -> None:
        for bridge, members in self.bridges.items():
            if member in members:
                assert not any(member in gain[1:] for gain in self.gains if gain[0] == bridge)
                members.discard(member)
        if isinstance(member, LegId) and member in self.rows:
            self.unbridge(member)

    def gain(self, bridge: BridgeId, talker: Member, listener: Member, value: float | None) -> None:
        assert talker in self.bridges[bridge]
        assert listener in self.bridges[bridge]
        self.gains.pop((bridge, talker, listener), None)
        if value is not None:
            self.gains[bridge, talker, listener] = value

    def mute(self, leg: LegId, muted: bool) -> None:
        self.rows[leg].muted = muted

    def close_bridge(self, bridge: BridgeId) -> None:
        del self.bridges[bridge]

    def play(
        self, sounds: Sequence[Sound], *, loops: bool = False, start: int = 0, gain: float = 1.0
    ) -> SourceId:
        assert sounds
        if len(self.sources) >= self.most_sources:
            raise ResourcesExhausted("sources", 2)
        self._next += 1
        source = SourceId(self._next, 1)
        self.sources[source] = Source(sounds, loops)
        return source

    def open_feed(self, rate: int = 16000) -> SourceId:
        source = self.play([a_sound(FEED)], loops=True)
        self.fed[source] = np.zeros(0, np.int16)
        return source

    def feed(self, source: SourceId, samples: Samples) -> int:
        self.fed[source] = np.concatenate((self.fed[source], samples))
        return len(samples)

    def feed_waiting(self, source: SourceId) -> int:
        return len(self.fed[source])

    def heard_of(self, source: SourceId) -> Samples:
        """What a feed was given since, which is heard now."""
        found = self.fed[source]
        self.fed[source] = found[:0]
        return found

    def close_source(self, source: SourceId) -> None:
        self.leave(source)
        del self.sources[source]
        self.fed.pop(source, None)

    def open_sink(
        self,
        *,
        kind: Literal["one", "mix", "stereo"],
        left: LegId | None = None,
        right: LegId | None = None,
        rate: int = 8000,
    ) -> SinkId:
        if len(self.sinks) >= self.limit:
            raise ResourcesExhausted("sinks", 2)
        self._next += 1
        sink = SinkId(self._next, 1)
        nothing = np.zeros((0, 2) if kind == "stereo" else 0, np.int16)
        self.sinks[sink] = Sink(kind, left, right, nothing)
        return sink

    def hear(self, sink: SinkId, samples: Samples) -> None:
        """Let a sink hear something."""
        self.sinks[sink].waiting = np.concatenate((self.sinks[sink].waiting, samples))

    def drain(self, sink: SinkId) -> Samples:
        found = self.sinks[sink].waiting
        self.sinks[sink].waiting = found[:0]
        return found

    def sink_overruns(self, sink: SinkId) -> int:
        return self.sinks[sink].overruns

    def close_sink(self, sink: SinkId) -> Samples:
        rest = self.drain(sink)
        self.leave(sink)
        del self.sinks[sink]
        return rest

    def send_digit(self, leg: LegId, digit: str, duration_ms: int = 160) -> None:
        self.rows[leg].digits += digit

    def detect_inband(self, leg: LegId, on: bool) -> None:
        self.rows[leg].inband = on

    def close(self, leg: LegId) -> LegStatistics:
        self.leave(leg)
        del self.rows[leg]
        self.closed.append(leg)
        return self.counted.pop(leg, LegStatistics())

    def envelope(self, leg: LegId) -> Envelope:
        return self.envelopes.get(leg, Envelope(0, np.zeros(0)))

    def statistics(self, leg: LegId) -> LegStatistics:
        return self.counted.get(leg, LegStatistics())

    def _known(self, member: Member) -> bool:
        return member in self.rows or member in self.sources or member in self.sinks

    # -- who hears whom --------------------------------------------------------------------------------------

    @property
    def hearing(self) -> set[tuple[int, int]]:
        """Which ports are bridged with which, both ways."""
        return {
            (row.port, self.rows[row.peer].port)
            for row in self.rows.values()
            if row.peer is not None and row.peer in self.rows
        }

    def leg_to(self, rtp_port: int) -> LegId:
        """The leg whose peer receives at `rtp_port`."""
        (found,) = [leg for leg, row in self.rows.items() if row.remote and row.remote[1] == rtp_port]
        return found

    def heard_by(self, rtp_port: int) -> set[int | str]:
        """Whom the phone at `rtp_port` hears: the RTP ports of other phones, sounds as "♪" and a number."""
        leg = self.leg_to(rtp_port)
        row = self.rows[leg]
        if not row.send:
            return set()
        heard: set[int | str] = {rtp_port} if row.echo else set()
        talkers: list[Member] = [row.peer] if row.peer is not None else []
        for bridge, members in self.bridges.items():
            if leg in members:
                talkers += [
                    each
                    for each in members
                    if each != leg and self.gains.get((bridge, each, leg), 1.0) and each not in self.sinks
                ]
        for talker in talkers:
            if isinstance(talker, SourceId):
                heard |= {f"♪{number}" for number in self.sources[talker].numbers}
            elif isinstance(talker, LegId):
                other = self.rows[talker]
                if other.receive and not other.muted and other.remote is not None:
                    heard.add(other.remote[1])
        return heard

    @property
    def playing(self) -> list[int]:
        """The numbers of all sounds that play somewhere."""
        return [number for source in self.sources.values() for number in source.numbers]


class FakeRecorder:
    """Implements pbx.call.recording.Recorder: what is recorded now, and everything that ever was."""

    def __init__(self, media: FakeMedia) -> None:
        self._media = media
        self.now: dict[SinkId, Recording] = {}
        self.log: list[tuple[str, str, str]] = []

    def begin(self, sink: SinkId, recording: Recording, call_id: str) -> None:
        self.now[sink] = recording
        self.log.append((recording.name, self._media.sinks[sink].kind, call_id))

    def refused(self, recording: Recording, call_id: str, reason: str) -> None:
        self.log.append((recording.name, reason, call_id))

    def end(self, sink: SinkId) -> None:
        del self.now[sink]
        self._media.close_sink(sink)

    def hears(self) -> set[int]:
        """The RTP ports of the phones that are on a bridge with a sink."""
        return {
            row.remote[1]
            for members in self._media.bridges.values()
            if any(sink in members for sink in self.now)
            for leg, row in self._media.rows.items()
            if leg in members and row.remote is not None
        }
