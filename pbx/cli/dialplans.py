"""Which dialplans a verb is about: those that are named, or that of the configuration; and loading them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pbx.errors import DocumentError, OperatorError, Problem

if TYPE_CHECKING:
    from pbx.config.settings import Settings
    from pbx.dialplan.generation import Generation
    from pbx.dialplan.scope import Build


@dataclass(frozen=True, slots=True)
class Loaded:
    """A dialplan that a verb works on; without a generation, the problems that kept it from being one."""

    file: str
    problems: Sequence[Problem] = ()
    generation: "Generation | None" = None
    build: "Build | None" = None


def loaded_dialplans(files: Sequence[Path], config: Path | None) -> Iterator[Loaded]:
    """Load the dialplans; without `files`, the one that the configuration names.

    Raises OperatorError when a file cannot be read or there is nothing to work on.
    """
    settings = settings_of(config)
    if not files:
        if settings is None:
            from pbx.config.settings import DEFAULT_FILE

            raise OperatorError(f"there is no {DEFAULT_FILE} here", "name a FILE, or a --config")
        files = (settings.dialplan,)
    for file in files:
        yield loaded_dialplan(file, settings)


def loaded_dialplan(file: Path, settings: "Settings | None") -> Loaded:
    """Load one dialplan for the users, trunks and plugins of `settings`."""
    from pbx.dialplan.compiler import compile_with_build
    from pbx.documents import load

    known = None if settings is None else settings.known
    try:
        generation, build = compile_with_build(load(file), known, directory=file.parent)
    except DocumentError as error:
        return Loaded(str(file), error.problems)
    return Loaded(str(file), (), generation, build)


def settings_of(config: Path | None) -> "Settings | None":
    """The configuration, ./pbx.yaml when it is there, or None; secrets are not read."""
    from pbx.config.settings import DEFAULT_FILE, Settings

    if config is None and not DEFAULT_FILE.is_file():
        return None
    return Settings.load(config or DEFAULT_FILE, secrets=False)
