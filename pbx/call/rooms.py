"""Conference rooms: names that stand for a bridge as long as somebody is there."""

from dataclasses import dataclass, field

from pbx.call.media import Media
from pbx.media.values import BridgeId, LegId, SinkId


@dataclass(slots=True)
class Room:
    """One room that is open: its bridge, and who is in it."""

    name: str
    bridge: BridgeId
    members: set[LegId] = field(default_factory=set)


class Rooms:
    """All rooms that have members; a room opens with the first and closes with the last."""

    __slots__ = ("_media", "open")

    def __init__(self, media: Media) -> None:
        self._media = media
        self.open: dict[str, Room] = {}

    def members(self, name: str) -> int:
        """How many legs are in a room; 0 for one that is not open."""
        room = self.open.get(name)
        return 0 if room is None else len(room.members)

    def join(self, name: str, leg: LegId, *, muted: bool = False) -> None:
        """Bring a leg into a room, which opens if it has to; `muted` only listens.

        Raises ResourcesExhausted when it cannot open.
        """
        media = self._media
        room = self.open.get(name)
        if room is None:
            room = self.open[name] = Room(name, media.open_bridge())
        room.members.add(leg)
        media.mute(leg, muted)
        media.join(room.bridge, leg)

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
            self._media.close_bridge(room.bridge)
