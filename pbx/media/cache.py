"""Where compiled code is kept between starts.

numba does not notice that a function which a cached one calls *in another file* has changed. So each state of
the sources that the loop is compiled from, of numba and of Python has a directory of its own, named by a
digest of them all.
"""

import ast
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from pbx.errors import OperatorError

# Other states of the sources whose code is kept, so that going back and forth between two does not recompile.
_KEPT = 4

_PACKAGE: Final = "pbx.media"
# The modules that the loop is compiled from: these, and those of this package that they import.
_ROOTS: Final = ("loop", "kernels")
_LOCK: Final = "compiling"


def default_directory() -> Path:
    """The user's cache directory (XDG base directories)."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path("~/.cache").expanduser()) / "pbx" / "media"


def digest() -> str:
    """Names the state of everything that compiled code depends on."""
    state = hashlib.sha256()
    for part in (version("numba"), version("llvmlite"), version("numpy"), sys.version, platform.machine()):
        state.update(part.encode() + b"\0")
    for source in compiled_sources():
        state.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return state.hexdigest()[:20]


def compiled_sources() -> list[Path]:
    """The files that decide what the loop is compiled to; the rest of this package can change without it."""
    package = Path(__file__).parent
    waiting = [source for root in _ROOTS for source in _files_of(package / root)]
    found: set[Path] = set()
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            waiting += [each for name in _imported(source) for each in _files_of(package / name)]
    return sorted(found)


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.py"))
    return [path.with_suffix(".py")] if path.with_suffix(".py").is_file() else []


def _imported(source: Path) -> Iterator[str]:
    """The modules of this package that a file imports, as paths in it."""
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module == _PACKAGE:
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_PACKAGE}."):
            yield (node.module or "").removeprefix(f"{_PACKAGE}.").replace(".", "/")


def prepare(directory: Path | None = None) -> Path:
    """Point numba at the directory for this state of the sources, made if need be, and return it.

    This imports numba. It must come before any module of kernels is imported. Raises OperatorError when the
    directory cannot be written.
    """
    root = directory or default_directory()
    chosen = root / digest()
    try:
        chosen.mkdir(parents=True, exist_ok=True)
        os.utime(chosen)
        _forget(root, chosen)
    except (OSError, RuntimeError) as error:
        raise OperatorError(
            f"cannot keep compiled media code in {root} ({error})", "name a directory that can be written"
        ) from error
    if not os.access(chosen, os.W_OK | os.X_OK):
        raise OperatorError(f"cannot write to {chosen}", "name a directory that can be written")
    import numba

    numba.config.CACHE_DIR = str(chosen)  # type: ignore[attr-defined]  # numba makes its settings at run time
    return chosen


def is_filled(chosen: Path) -> bool:
    """Whether the loop was compiled into this directory before."""
    return any(chosen.glob("**/loop.run-*.nbc"))


@contextlib.contextmanager
def compiling(chosen: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Compile what this directory lacks, one process at a time: the next one finds what it has left."""
    with (chosen / _LOCK).open("w") as lock:
        if not is_filled(chosen):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("another process is compiling the media loop; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_filled(chosen):
                progress("compiling the media loop; this is done once and takes about a minute")
        yield


def _forget(root: Path, chosen: Path) -> None:
    others = [
        entry for entry in root.iterdir() if entry != chosen and entry.is_dir() and len(entry.name) == 20
    ]
    others.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in others[_KEPT:]:
        shutil.rmtree(entry, ignore_errors=True)
