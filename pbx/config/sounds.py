"""Which sounds a dialplan may name: the files in the directory of sounds, and those that come with pbx."""

from pathlib import Path

SUFFIX = ".wav"
MAX_SOUNDS = 100_000

BUILT_IN: frozenset[str] = frozenset()
"""Sounds that are there without a file."""


def known_sounds(directory: Path, built_in: frozenset[str] = BUILT_IN) -> frozenset[str] | None:
    """The names of the sounds in `directory` and below it (`menus/welcome` is menus/welcome.wav).

    None when there is neither a directory nor anything built in, so that nothing can be said of a name.
    """
    if not directory.is_dir():
        return built_in or None
    names = set(built_in)
    for path in directory.rglob(f"*{SUFFIX}"):
        names.add(path.relative_to(directory).with_suffix("").as_posix())
        if len(names) > MAX_SOUNDS:
            return None
    return frozenset(names)
