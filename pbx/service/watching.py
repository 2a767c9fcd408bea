"""Watching the dialplan's files: a change that has come to rest is a reload."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

INTERVAL_S = 1.0

Stamp = tuple[int, int, int] | None
"""Modification time (ns), size and inode; None when there is no such file."""


class Delayed(Protocol):
    """A call to come that can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Watcher:
    """Looks at files every `INTERVAL_S`; `changed` is called when they differ and two looks agree.

    Only what changes after `start`, or after the last call of `changed`, counts: a file that is wrong is
    reported once, not every second. `files` is asked at every look.
    """

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        changed: Callable[[], None],
        call_later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        self._files = files
        self._changed = changed
        self._call_later = call_later
        self._seen: dict[Path, Stamp] = {}
        self._moving: dict[Path, Stamp] | None = None
        self._due: Delayed | None = None

    def start(self) -> None:
        """Begin to look."""
        self._seen = self._stamps()
        self._due = self._call_later(INTERVAL_S, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _look(self) -> None:
        self._due = self._call_later(INTERVAL_S, self._look)
        stamps = self._stamps()
        # A file that is watched for the first time has not changed.
        known = {path: self._seen.get(path, stamp) for path, stamp in stamps.items()}
        if stamps == known:
            self._seen, self._moving = stamps, None
        elif stamps == self._moving:
            self._seen, self._moving = stamps, None
            self._changed()
        else:
            self._seen = known
            self._moving = stamps

    def _stamps(self) -> dict[Path, Stamp]:
        return {path: _stamp(path) for path in self._files()}


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
