"""A list that stays sorted; to find, add and take out costs the same for ten items and thousands."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from pbx.errors import MisuseError

Item = TypeVar("Item")
Key = tuple[float, ...]


class Ordered(Generic[Item]):
    """Items in the order of their keys; no two have the same key."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[Key, Item]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Item]:
        """The items, lowest key first. Nothing may be added or taken out meanwhile."""
        return (item for _, item in self._entries)

    def add(self, key: Key, item: Item) -> None:
        """Put an item in its place."""
        insort(self._entries, (key, item), key=_key)

    def remove(self, key: Key) -> None:
        """Take out the item with this key; there must be one."""
        at = self.place(key)
        if at == len(self._entries) or self._entries[at][0] != key:
            raise MisuseError("nothing has this key")
        del self._entries[at]

    def place(self, key: Key) -> int:
        """How many keys are lower; for a key that is in, its place from 0."""
        return bisect_left(self._entries, key, key=_key)

    def at(self, place: int) -> Item:
        """The item at a place, from 0."""
        return self._entries[place][1]

    def key_at(self, place: int) -> Key:
        """The key at a place, from 0."""
        return self._entries[place][0]


def _key(entry: tuple[Key, Any]) -> Key:
    return entry[0]
