"""Whom an event of the media plane concerns."""

from typing import TYPE_CHECKING

from pbx.media.values import LegId, SourceId

if TYPE_CHECKING:
    from pbx.call.call import Call


class Listeners:
    """The calls that wait for the end of a source, or for digits on a leg; few beside all calls."""

    __slots__ = ("legs", "sources")

    def __init__(self) -> None:
        self.sources: dict[SourceId, Call] = {}
        self.legs: dict[LegId, Call] = {}
