"""Due times by key: the one structure every machine keeps its timers in."""

from collections.abc import Hashable, Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# Cancelled entries stay in the heap until they surface; past this share of the heap it is rebuilt,
# so a flood of short-lived keys cannot grow it without bound.
_REBUILD_AT = 1024


class Deadlines(Generic[Key]):
    """At most one due time (monotonic seconds) for each key; setting a key again replaces its due time."""

    __slots__ = ("_due", "_heap", "_serial")

    def __init__(self) -> None:
        self._due: dict[Key, tuple[float, int, Key]] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, key: Key) -> bool:
        return key in self._due

    def set(self, key: Key, due: float) -> None:
        """Make `key` due at `due`, whatever it was before."""
        self._serial = serial = self._serial + 1
        self._due[key] = entry = (due, serial, key)
        heappush(self._heap, entry)
        if len(self._heap) > _REBUILD_AT and len(self._heap) > 2 * len(self._due):
            self._heap = list(self._due.values())
            heapify(self._heap)

    def cancel(self, key: Key) -> None:
        """Forget `key`; a key that is not there is no error."""
        self._due.pop(key, None)

    def due(self, key: Key) -> float | None:
        """When `key` is due, or None."""
        entry = self._due.get(key)
        return entry[0] if entry else None

    def next(self) -> float | None:
        """The earliest due time, or None when nothing is due."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if self._due.get(entry[2]) is entry:
                return entry[0]
            heappop(heap)
        return None

    def expire(self, now: float) -> Iterator[tuple[Key, float]]:
        """Take out, in order, each key that is due at `now`, with the time it was due.

        The due time is given because a timer is re-armed from when it was due, not from when it ran.
        Keys set while iterating are seen in the same pass if they are due already.
        """
        while (due := self.next()) is not None and due <= now:
            key = heappop(self._heap)[2]
            del self._due[key]
            yield key, due
