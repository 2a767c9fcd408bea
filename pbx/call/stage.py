"""Who hears what in one call when it is more than two legs that hear each other."""

from collections.abc import Sequence
from typing import Literal

from pbx.call.media import Media
from pbx.errors import ResourcesExhausted
from pbx.media.values import BridgeId, LegId, Member, SinkId, Sound, SourceId


class Stage:
    """The legs of a call, a source that they hear and a sink that hears them.

    `seat`, `play`, `feed`, `listen` and `tap` raise ResourcesExhausted when the media plane has nothing left
    for them. After all but the first everything is as it was, but for what was playing before; after that
    nobody may hear anybody.

    Two legs with neither hear each other by `Media.bridge`, which relays when it can; anything else is a
    bridge of its own. `source` is what is playing, `sink` what listens, `deaf` the leg that hears nobody and
    is heard by nobody while that plays; None: nothing, nobody. `taps` are sinks of plugins.
    """

    __slots__ = ("_apart", "_bridge", "_media", "deaf", "rows", "sink", "source", "taps")

    def __init__(self, media: Media) -> None:
        self._media = media
        self._bridge: BridgeId | None = None
        self._apart: tuple[tuple[LegId, LegId], ...] = ()
        self.deaf: LegId | None = None
        self.rows: tuple[LegId, ...] = ()
        self.source: SourceId | None = None
        self.sink: SinkId | None = None
        self.taps: list[SinkId] = []

    def seat(self, *rows: LegId, apart: Sequence[tuple[LegId, LegId]] = ()) -> None:
        """These legs and no others hear each other, beside what is playing; who was there leaves.

        Of `apart`, pairs of a talker and a listener, the listener does not hear the talker.
        """
        self._keep_apart(None)
        self._apart = tuple(apart)
        for row in self.rows:
            if row not in rows:
                self._media.leave(row)
        self.rows = rows
        self._settle()

    def play(
        self, sounds: Sequence[Sound], *, loops: bool, deaf: LegId | None = None, start: int = 0
    ) -> SourceId:
        """Let everybody hear these instead of what was playing; neither `deaf` nor who it talks to does.

        They begin with sample `start`.
        """
        self._forget_source()
        try:
            source = self.source = self._media.play(sounds, loops=loops, start=start)
            self.deaf = deaf
            self._settle()
        except ResourcesExhausted:
            self._forget_source()
            if self._bridge is not None:
                self._settle()
            raise
        return source

    def feed(self, rate: int) -> SourceId:
        """Let everybody hear what is fed instead of what was playing."""
        self._forget_source()
        source = self.source = self._media.open_feed(rate)
        try:
            self._settle()
        except ResourcesExhausted:
            self._forget_source()
            raise
        return source

    def silence(self) -> None:
        """What is playing ends."""
        if self.source is not None:
            self._forget_source()
            self._settle()

    def listen(
        self, kind: Literal["one", "mix", "stereo"], left: LegId | None, right: LegId | None
    ) -> SinkId:
        """Open a sink that hears everything that is said here."""
        sink = self.sink = self._media.open_sink(kind=kind, left=left, right=right)
        try:
            self._settle()
        except ResourcesExhausted:
            self.sink = None
            self._media.close_sink(sink)
            raise
        return sink

    def tap(
        self, kind: Literal["one", "mix", "stereo"], left: LegId | None, right: LegId | None, rate: int
    ) -> SinkId:
        """Open a sink for a plugin; its owner closes it, and says so by taking it out of `taps`."""
        sink = self._media.open_sink(kind=kind, left=left, right=right, rate=rate)
        self.taps.append(sink)
        try:
            self._settle()
        except ResourcesExhausted:
            self.taps.remove(sink)
            self._media.close_sink(sink)
            raise
        return sink

    def settle(self) -> None:
        """Have the members that are left hear each other by the cheapest way."""
        self._settle()

    def unlisten(self) -> None:
        """The sink, which its owner has closed, is gone."""
        self.sink = None
        self._settle()

    def clear(self) -> None:
        """Nobody hears anybody here any more; sinks are their owners' to close, before."""
        self._forget_source()
        self._keep_apart(None)
        self._apart = ()
        self.sink = None
        self.taps.clear()
        for row in self.rows:
            self._media.leave(row)
        self.rows = ()
        self._close_bridge()

    def _forget_source(self) -> None:
        source = self.source
        if source is not None:
            self._hush(None)
            self.source = None
            self._media.close_source(source)
        self.deaf = None

    def _settle(self) -> None:
        if not self.rows:
            self._close_bridge()
            return
        alone = self.source is None and self.sink is None and not self.taps
        if alone and len(self.rows) == 2 and self._relay(*self.rows):
            self._close_bridge()
            return
        if self._bridge is None:
            self._bridge = self._media.open_bridge()
        members: tuple[Member | None, ...] = (*self.rows, self.source, self.sink, *self.taps)
        for member in members:
            if member is not None:
                self._media.join(self._bridge, member)
        self._hush(0.0)
        self._keep_apart(0.0)

    def _relay(self, one: LegId, other: LegId) -> bool:
        """Let the two hear each other without mixing; where there is no room for that, they stay mixed."""
        try:
            self._media.bridge(one, other)
        except ResourcesExhausted:
            if self._bridge is None:
                raise
            return False
        return True

    def _keep_apart(self, value: float | None) -> None:
        if self._bridge is not None:
            for talker, listener in self._apart:
                self._media.gain(self._bridge, talker, listener, value)

    def _hush(self, value: float | None) -> None:
        """The leg that put the others on hold hears nothing, and is not heard beside their music."""
        deaf, source, bridge = self.deaf, self.source, self._bridge
        if deaf is None or bridge is None:
            return
        if source is not None:
            self._media.gain(bridge, source, deaf, value)
        for row in self.rows:
            if row != deaf:
                self._media.gain(bridge, deaf, row, value)
                self._media.gain(bridge, row, deaf, value)

    def _close_bridge(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is not None:
            self._media.close_bridge(bridge)
