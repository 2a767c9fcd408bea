"""Where compiled code is kept between starts.

numba does not notice that a function which a cached one calls *in another file* has changed. So each state of
the sources, of numba and of Python has a directory of its own, named by a digest of them all.
"""

import hashlib
import os
import platform
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from pbx.errors import OperatorError

# Other states of the sources whose code is kept, so that going back and forth between two does not recompile.
_KEPT = 4


def default_directory() -> Path:
    """The user's cache directory (XDG base directories)."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path("~/.cache").expanduser()) / "pbx" / "media"


def digest() -> str:
    """Names the state of everything that compiled code depends on."""
    state = hashlib.sha256()
    for part in (version("numba"), version("llvmlite"), version("numpy"), sys.version, platform.machine()):
        state.update(part.encode() + b"\0")
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        state.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return state.hexdigest()[:20]


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
    """Whether code was compiled into this directory before."""
    return any(chosen.glob("*/*.nbc")) or any(chosen.glob("*.nbc"))


def _forget(root: Path, chosen: Path) -> None:
    others = [
        entry for entry in root.iterdir() if entry != chosen and entry.is_dir() and len(entry.name) == 20
    ]
    others.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    for entry in others[_KEPT:]:
        shutil.rmtree(entry, ignore_errors=True)
