"""The files that one load reads: remembered as they are read, or given again from what was remembered."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path


class Sources:
    """What was read during one load, by absolute path, in the order of the first reading."""

    def __init__(self, kept: Mapping[Path, bytes] | None = None) -> None:
        self.texts: dict[Path, bytes] = {}
        self._kept = kept

    def read(self, path: Path, limit: int) -> bytes:
        """The first `limit` octets at `path`. Raises OSError."""
        where = Path(os.path.abspath(path))
        if self._kept is not None:
            if where not in self._kept:
                raise FileNotFoundError(2, "it was not kept with this generation")
            data = self._kept[where][:limit]
        else:
            data = _from_disk(path, limit)
        self.texts[where] = data
        return data


_CURRENT: ContextVar[Sources | None] = ContextVar("sources", default=None)


@contextmanager
def reading(sources: Sources) -> Iterator[Sources]:
    """Have everything that `read_source` reads inside go through `sources`."""
    token = _CURRENT.set(sources)
    try:
        yield sources
    finally:
        _CURRENT.reset(token)


def read_source(path: Path, limit: int) -> bytes:
    """The first `limit` octets of a file that belongs to a document. Raises OSError."""
    sources = _CURRENT.get()
    return _from_disk(path, limit) if sources is None else sources.read(path, limit)


def _from_disk(path: Path, limit: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(limit)
