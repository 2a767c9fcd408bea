"""The media plane as the reactor thread sees it: legs with ports, bridges, statistics and events."""

import contextlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from pbx.errors import MisuseError, PbxError, PeerError, ResourcesExhausted
from pbx.media import addresses, cache, layout, mixtables, snapshots
from pbx.media.commands import command, configuration, plain
from pbx.media.matrix import DIGITS, Matrix, Samples
from pbx.media.ports import PortPool, descriptor_budget, pairs_in
from pbx.media.rows import RANDOM_OCTETS, Rows, Words
from pbx.media.srtp_sessions import SrtpSessions, function_addresses
from pbx.media.thread import MediaThread
from pbx.media.values import (
    Address,
    BridgeId,
    DigitHeard,
    Envelope,
    Family,
    LegAudio,
    LegId,
    LegStatistics,
    LoopStatistics,
    MediaEvent,
    MediaStopped,
    Member,
    SinkId,
    SinkKind,
    Sound,
    SourceEnded,
    SourceId,
    SourceProven,
    Way,
)
from pbx.sdp.crypto import Security

# Pairs that are bound when a leg is opened while the pool is below its size: more than the one it takes.
_GROWTH = 4
_STOP_PATIENCE = 5.0
_MICROSECONDS = 1_000_000


def _quiet(_message: str) -> None:
    """Progress that nobody asked for."""


class MediaPlane:
    """Legs, each an RTP session on a pair of ports of its own, and who is heard by whom.

    `ports` is the range that pairs are taken from, `pool` how many are kept bound ahead of need. A closed
    leg's pair rests until it was quiet for `quarantine` seconds (five times that at most). An RTCP report is
    sent about every `report_interval` seconds (0: never). With `relay` off everything is counted and nothing
    is passed on, so that a test of audio can fail.

    Except for `start` and `stop`, nothing here waits. All methods belong to one thread, the reactor's, which
    watches `event_descriptor` and calls `events` when it can be read.
    """

    def __init__(
        self,
        *,
        ports: range,
        threads: int = 1,
        pool: int = 64,
        cache_directory: Path | None = None,
        relay: bool = True,
        quarantine: float = 2.0,
        report_interval: float = 5.0,
        progress: Callable[[str], None] = _quiet,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if threads < 1 or not pairs_in(ports):
            raise MisuseError("the media plane needs a thread and a pair of ports")
        self._ports = ports
        self._threads_wanted = threads
        self._pool_size = pool
        self._cache_directory = cache_directory
        self._relay = relay
        self._quarantine = quarantine
        self._times = (
            round(quarantine * _MICROSECONDS),
            round(report_interval * _MICROSECONDS),
        )
        self._progress = progress
        self._random_bytes = random_bytes
        self.event_descriptor = -1
        self._threads: list[MediaThread] = []
        self._open: dict[int, int] = {}
        self._home: dict[int, MediaThread] = {}
        self._families: dict[int, Family] = {}
        self._generation = 0
        self._srtp = SrtpSessions()
        self._pending: list[MediaEvent] = []
        self._stopped_said = False

    # Life

    def start(self) -> None:
        """Compile, bind the pool and start the threads; ready when it returns.

        Raises OperatorError when the cache cannot be written or the ports cannot be bound.
        """
        if self._threads:
            raise MisuseError("the media plane was started already")
        directory = cache.prepare(self._cache_directory)
        from pbx.media import loop

        limit = min(pairs_in(self._ports), descriptor_budget(pairs_in(self._ports)))
        self._pool = PortPool(self._ports, limit)
        self._shared = layout.share(limit)
        self._rows = Rows(self._shared)
        self._pool.grow(4, min(self._pool_size, limit))
        self.event_descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        shared = mixtables.share_mix(limit)
        self._parts = Words(shared.parts)
        self._threads = [
            MediaThread(
                number,
                self._shared,
                self.event_descriptor,
                relay=self._relay,
                times=self._times,
                mix=mixtables.mix_tables(shared),
            )
            for number in range(self._threads_wanted)
        ]
        self._matrix = Matrix(shared, limit, self._threads, self._home_of, self._move)
        for thread in self._threads:
            thread.tables.srtp[:] = function_addresses()
        first = self._threads[0]
        with cache.compiling(directory, self._progress):
            loop.ready(first.tables, first.mix)
        for thread in self._threads:
            thread.start(loop.run)

    def stop(self) -> None:
        """End the threads and close every port; no leg survives it."""
        if not self._threads:
            return
        threads, self._threads = self._threads, []
        ended = [thread.stop(_STOP_PATIENCE) for thread in threads]
        if not all(ended):
            raise PbxError("a media thread does not end")
        self._pool.close()
        os.close(self.event_descriptor)
        self.event_descriptor = -1
        self._open.clear()
        self._srtp.clear()

    # Legs

    def open(self, family: Family = 4, beside: LegId | None = None) -> tuple[LegId, int]:
        """A new leg and its RTP port (even; RTCP is the next). It hears nobody until it is configured.

        `beside` names a leg that it will be bridged with, so that one media thread serves both. Raises
        ResourcesExhausted when all ports are taken and OperatorError when the host does not speak the family.
        """
        if self._pool.free(family) < max(1, self._pool_size):
            self._pool.grow(family, _GROWTH)
        pair = self._pool.take(family)
        if pair is None:
            self._collect()
            pair = self._pool.take(family)
        if pair is None:
            raise ResourcesExhausted("media ports", retry_after=max(1, math.ceil(self._quarantine)))
        row = pair.row
        self._generation += 1
        leg = LegId(row, self._generation)
        octets = self._random_bytes(RANDOM_OCTETS)
        self._rows.fill_in(row, leg.generation, family, pair.rtp.fileno(), pair.rtcp.fileno(), octets)
        self._matrix.open_leg(leg)
        home = self._home[beside.row] if beside is not None and self._is_open(beside) else self._least_busy()
        self._home[row] = home
        self._families[row] = family
        self._open[row] = leg.generation
        home.post(plain(layout.ACTIVATE, leg))
        return leg, pair.port

    def configure(
        self,
        leg: LegId,
        *,
        remote: Address,
        receive: bool,
        send: bool,
        payload_map: Mapping[int, int],
        clock_rates: Mapping[int, int],
        audio: LegAudio | None = None,
    ) -> None:
        """Say where the leg's peer is, which directions are on, and which payload types it sends.

        `payload_map`: payload types accepted from this leg, each with the one that the leg it is bridged with
        (or echoed to) gets; others are dropped and counted. `clock_rates`: in Hz, by accepted payload type. A
        remote address that differs from the one before makes the source prove itself anew; 0.0.0.0, :: or
        port 0 leave the source as it is and stop sending. Raises PeerError for an address that no leg can
        use.
        """
        if not self._is_open(leg):
            return
        packed = self._remote(remote, self._families[leg.row])
        order = configuration(leg, packed, receive, send, payload_map, clock_rates, audio)
        self._home[leg.row].post(order)

    def secure(self, leg: LegId, security: Security | None) -> None:
        """Say what the leg's RTP and RTCP are protected with (RFC 3711); None is nothing, as at first.

        It comes before the `configure` that it belongs to, so that nothing goes out in the clear. Packets of
        another key, changed or repeated ones are dropped and counted. Raises PeerError when the suite cannot
        be had.
        """
        if not self._is_open(leg):
            return
        changed = self._srtp.change(leg.row, security)
        if changed is None:
            return
        record = command(layout.SECURE, leg.row, leg.generation)
        record["srtp_receive"], record["srtp_send"], ended = changed
        home = self._home[leg.row]
        home.post(record)
        self._srtp.retire(home, ended)

    def bridge(self, a: LegId, b: LegId) -> BridgeId | None:
        """Let two legs hear each other; a bridge or echo that either had before ends.

        They are relayed when their payload types map to each other and nobody else listens, mixed otherwise.
        The bridge ends when either leaves it; until then others can join it. None: a leg is closed.
        """
        return self._matrix.bridge(a, b)

    def unbridge(self, a: LegId) -> None:
        """End the bridge or the echo of a leg, for both sides."""
        self._matrix.leave(a)

    def echo(self, leg: LegId) -> None:
        """Let a leg hear itself."""
        self._order(layout.ECHO, leg)
        self._matrix.forget(leg)

    def open_bridge(self) -> BridgeId:
        """A bridge where everybody hears everybody else: sources are heard by all, sinks hear all."""
        return self._matrix.open_bridge()

    def join(self, bridge: BridgeId, member: Member) -> None:
        """Bring a leg, source or sink onto a bridge, away from where it was, without a gap."""
        self._matrix.join(bridge, member)

    def leave(self, member: Member) -> None:
        """Take it off its bridge."""
        self._matrix.leave(member)

    def gain(self, bridge: BridgeId, talker: Member, listener: Member, value: float | None) -> None:
        """How loud `listener` hears `talker`, in steps of 1/256: 0.0 is silence, None the default of 1.0.

        It can be said before either joins, so that nothing is heard in between; it ends when either leaves.
        """
        self._matrix.gain(bridge, talker, listener, value)

    def mute(self, leg: LegId, muted: bool) -> None:
        """Let nobody hear a leg, or everybody again; silence is sent in its place."""
        self._matrix.tell(leg, layout.MUTE, int(muted))

    def close_bridge(self, bridge: BridgeId) -> None:
        """Nobody on it hears anybody any more; its members stay open."""
        self._matrix.close_bridge(bridge)

    def play(
        self, sounds: Sequence[Sound], *, loops: bool = False, start: int = 0, gain: float = 1.0
    ) -> SourceId:
        """A source that plays these one after the other, from the sample `start` on, once it is on a bridge.

        At the end `SourceEnded` is said, unless it loops. Raises ResourcesExhausted.
        """
        return self._matrix.play(sounds, loops=loops, start=start, gain=gain)

    def open_feed(self, rate: int = 16000) -> SourceId:
        """A source that plays what `feed` gives it, and silence when that is too late."""
        return self._matrix.open_feed(rate)

    def feed(self, source: SourceId, samples: Samples) -> int:
        """Give a feed samples; how many there was room for (about two seconds at 16 kHz)."""
        return self._matrix.feed(source, samples)

    def feed_waiting(self, source: SourceId) -> int:
        """How many samples of a feed have still to be heard."""
        return self._matrix.feed_waiting(source)

    def close_source(self, source: SourceId) -> None:
        """End a source; its sounds are let go once the loop has."""
        self._matrix.close_source(source)

    def open_sink(
        self,
        *,
        kind: SinkKind,
        left: LegId | None = None,
        right: LegId | None = None,
        rate: int = 8000,
    ) -> SinkId:
        """A sink that collects, once it is on a bridge: one leg (`left`), everybody, or two legs apart.

        Raises ResourcesExhausted.
        """
        return self._matrix.open_sink(kind, left, right, rate)

    def drain(self, sink: SinkId) -> Samples:
        """What was collected since the last time: (n,) samples, (n, 2) in stereo, in any one thread."""
        return self._matrix.drain(sink)

    def sink_overruns(self, sink: SinkId) -> int:
        """Samples that a sink lost because it was not drained for two seconds or more."""
        return self._matrix.overruns(sink)

    def close_sink(self, sink: SinkId) -> Samples:
        """End a sink; what was not drained yet."""
        return self._matrix.close_sink(sink)

    def send_digit(self, leg: LegId, digit: str, duration_ms: int = 160) -> None:
        """Send a press of a key as telephone-event (RFC 4733), after those that are being sent."""
        self._matrix.send_digit(leg, digit, duration_ms)

    def detect_inband(self, leg: LegId, on: bool) -> None:
        """Listen for keys in the sound of a leg, as long as it is on a bridge."""
        self._matrix.tell(leg, layout.DETECT, int(on))

    def shows(self, leg: LegId) -> Way:
        """How a leg is heard: relayed packet by packet, mixed, transcoded (mixed, several codecs) or not."""
        return self._matrix.shows(leg)

    def close(self, leg: LegId) -> LegStatistics:
        """End a leg and return its last statistics; its ports come back to the pool once they are quiet."""
        if not self._is_open(leg):
            return LegStatistics()
        last = snapshots.leg_statistics(self._rows, leg, self._parts)
        self._order(layout.CLOSE, leg)
        self._matrix.forget(leg)
        self._unsecure(leg)
        del self._open[leg.row]
        return last

    def statistics(self, leg: LegId) -> LegStatistics:
        """A consistent snapshot; of a leg that is not open, an empty one."""
        return (
            snapshots.leg_statistics(self._rows, leg, self._parts) if self._is_open(leg) else LegStatistics()
        )

    def envelope(self, leg: LegId) -> Envelope:
        """How loud a leg was in the latest five seconds; of a leg that is not open, empty."""
        return snapshots.envelope(self._shared, leg) if self._is_open(leg) else Envelope(0, np.zeros(0))

    def hold(self, held: bool) -> None:
        """Gather what is ordered while `held`, and hand it over when it is not: one wake-up for all of it."""
        for thread in self._threads:
            thread.held = held
            if not held and thread.backlog:
                thread.flush()

    # What the reactor watches

    def events(self) -> list[MediaEvent]:
        """What happened since the last call."""
        if not self._threads:
            return []
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.event_descriptor)
        for thread in self._threads:
            thread.flush()
        self._collect()
        events, self._pending = self._pending, []
        return events

    # What is counted

    @property
    def ports_in_use(self) -> int:
        """Pairs of ports that open legs hold; those at rest after a call do not count."""
        return len(self._open)

    @property
    def ports_total(self) -> int:
        """Pairs of ports that can be in use at once: the range, or what the process may have open."""
        return self._pool.limit if self._threads else pairs_in(self._ports)

    @property
    def loop_statistics(self) -> LoopStatistics:
        """How the media threads keep up."""
        return snapshots.loop_statistics(
            [thread.tables for thread in self._threads],
            [thread.mix for thread in self._threads],
        )

    def canaries_stand(self) -> bool:
        """Whether nothing was written beside the buffers that the kernel fills."""
        return all(thread.arena.intact() for thread in self._threads)

    # Inside

    def _is_open(self, leg: LegId) -> bool:
        return self._open.get(leg.row) == leg.generation

    def _home_of(self, leg: LegId) -> MediaThread | None:
        return self._home[leg.row] if self._is_open(leg) else None

    def _order(self, operation: int, leg: LegId) -> None:
        if self._is_open(leg):
            self._home[leg.row].post(plain(operation, leg))

    def _unsecure(self, leg: LegId) -> None:
        """A closed leg's sessions end once the loop knows that it is closed."""
        ended = self._srtp.change(leg.row, None)
        if ended is not None:
            self._srtp.retire(self._home[leg.row], ended[2])

    def _least_busy(self) -> MediaThread:
        threads = self._threads
        if len(threads) == 1:
            return threads[0]
        return min(threads, key=lambda thread: int(thread.tables.control[layout.ACTIVE]))

    @staticmethod
    def _remote(remote: Address, family: Family) -> bytes | None:
        if remote[1] == 0:
            return None
        try:
            host = addresses.host_of(remote[0])
            if host.is_unspecified:
                return None
            if host.family == family and not host.is_multicast:
                return addresses.pack(remote)
        except (ValueError, OSError):
            pass
        raise PeerError(488, "No usable media address")

    def _move(self, leg: LegId, home: MediaThread) -> None:
        old = self._home[leg.row]
        old.post(plain(layout.RELEASE, leg))
        old.settle()
        self._home[leg.row] = home
        home.post(plain(layout.ADOPT, leg))

    def _collect(self) -> None:
        self._srtp.sweep()
        self._matrix.sweep()
        for thread in self._threads:
            for kind, row, generation, value, address in thread.events():
                if kind == layout.EVENT_RELEASED:
                    self._pool.put_back(row)
                elif kind == layout.EVENT_SOURCE_ENDED:
                    self._pending.append(SourceEnded(SourceId(row, generation)))
                elif self._open.get(row) == generation:
                    self._pending.append(_event(kind, LegId(row, generation), value, address))
            if thread.ended and not self._stopped_said:
                self._stopped_said = True
                self._pending.append(MediaStopped("the media loop ended by itself"))


def _event(kind: int, leg: LegId, value: int, address: bytes) -> MediaEvent:
    if kind == layout.EVENT_DIGIT:
        return DigitHeard(leg, DIGITS[value & 0xFF], value >> 16, bool(value >> 8 & 1))
    return SourceProven(leg, addresses.unpack(address))
