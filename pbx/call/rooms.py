"""Conference rooms: names that stand for a bridge as long as somebody is there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pbx.call.media import Media
from pbx.media.values import BridgeId, LegId, SinkId, Sound, SourceId


@dataclass(slots=True)
class Room:
    """One room that is open: its bridge, who is in it, and what is announced there at the moment."""

    name: str
    bridge: BridgeId
    members: set[LegId] = field(default_factory=set)
    sources: set[SourceId] = field(default_factory=set)


class Rooms:
    """All rooms that have members; a room opens with the first and closes with the last."""

    __slots__ = ("_media", "_of_source", "open")

    def __init__(self, media: Media) -> None:
        self._media = media
        self.open: dict[str, Room] = {}
        self._of_source: dict[SourceId, Room] = {}

    def members(self, name: str) -> int:
        """How many legs are in a room; 0 for one that is not open."""
        room = self.open.get(name)
        return 0 if room is None else len(room.members)

    def join(self, name: str, leg: LegId, *, muted: bool = False, announce: Sequence[Sound] = ()) -> None:
        """Bring a leg into a room; everybody there, the leg too, hears `announce`."""
        media = self._media
        room = self.open.get(name)
        if room is None:
            room = self.open[name] = Room(name, media.open_bridge())
        room.members.add(leg)
        media.mute(leg, muted)
        media.join(room.bridge, leg)
        if announce:
            source = media.play(announce)
            room.sources.add(source)
            self._of_source[source] = room
            media.join(room.bridge, source)

    def listen(self, name: str, sink: SinkId) -> None:
        """Let a sink hear a room; its owner closes it."""
        room = self.open.get(name)
        if room is not None:
            self._media.join(room.bridge, sink)

    def leave(self, name: str, leg: LegId) -> None:
        """Take a leg out of a room; a leg that is not there is no error."""
        room = self.open.get(name)
        if room is None or leg not in room.members:
            return
        room.members.remove(leg)
        self._media.leave(leg)
        self._media.mute(leg, False)
        if not room.members:
            del self.open[name]
            for source in room.sources:
                del self._of_source[source]
                self._media.close_source(source)
            self._media.close_bridge(room.bridge)

    def sound_ended(self, source: SourceId) -> None:
        """An announcement was heard; one of a room that has closed is gone already."""
        room = self._of_source.pop(source, None)
        if room is not None:
            room.sources.remove(source)
            self._media.close_source(source)
