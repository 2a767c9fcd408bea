"""Plugins as files, for the tests of how they are found and asked."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from pbx.dialplan.generation import Generation
from pbx.dialplan.plugins import Plugins, load_plugins
from pbx.dialplan.scope import KnownNames
from pbx.errors import DocumentError
from tests.dialplan.calls import KNOWN, generation

IMPORTS = """
import asyncio
import os
import threading
import time
from pathlib import Path

from pbx import Call, Continue, Decision, Defer, Dial, Echo, Goto, Handler, Redirect, Reject
from pbx.errors import OperatorError
"""


def write(directory: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    return directory


def loaded(directory: Path, text: str) -> Plugins:
    """The plugins of one file with the usual imports above `text`."""
    directory.mkdir(exist_ok=True)
    (directory / "mine.py").write_text(IMPORTS + dedent(text))
    return load_plugins([directory], installed=False)


def known(plugins: Plugins) -> KnownNames:
    return KnownNames(KNOWN.users, KNOWN.trunks, plugins)


def deciding(directory: Path, body: str, *, kind: str = "def", step: str = "mine") -> Generation:
    """A chain of one plugin whose `decide` is `body`, and a rejection with 480 after it."""
    indented = "\n".join(f"        {line}" for line in dedent(body).strip().split("\n"))
    plugins = loaded(
        directory,
        f"""
class Mine(Handler):
    name = "mine"

    {kind} decide(self, call: Call) -> Decision:
{indented}
""",
    )
    chains = f"  main:\n    - {step}\n    - reject: 480\n  night:\n    - reject: 486\n"
    return generation(chains, known=known(plugins))


def faults(directory: Path) -> list[str]:
    """What is wrong with the plugins of a directory, with its path left out."""
    try:
        load_plugins([directory], installed=False)
    except DocumentError as error:
        return [str(problem).replace(f"{directory}/", "") for problem in error.problems]
    return []
