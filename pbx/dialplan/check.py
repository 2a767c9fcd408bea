"""Checking a dialplan: everything that would keep it from being loaded, and a summary of what it has."""

from dataclasses import dataclass
from pathlib import Path

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation
from pbx.dialplan.handlers.routing import RoutingHandler
from pbx.dialplan.scope import KnownNames
from pbx.documents import Document, load
from pbx.errors import DocumentError, Problem


@dataclass(frozen=True, slots=True)
class Summary:
    """How much there is in a sound dialplan."""

    chains: int
    handlers: int
    rules: int

    def __str__(self) -> str:
        counts = ((self.chains, "chain"), (self.handlers, "handler"), (self.rules, "rule"))
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)


def check_file(path: Path, known: KnownNames | None = None) -> list[Problem]:
    """The problems of the dialplan at `path`, in file order; raises OperatorError when it cannot be read."""
    try:
        check_document(load(path), known, path.parent)
    except DocumentError as error:
        return list(error.problems)
    return []


def check_document(document: Document, known: KnownNames | None, directory: Path) -> Summary:
    """Compile `document` and count what is in it; raises DocumentError with every problem."""
    return summary_of(compile_dialplan(document, known, directory=directory))


def summary_of(generation: Generation) -> Summary:
    """Count what is in a generation."""
    handlers = [link.handler for chain in generation.chains.values() for link in chain.links]
    rules = sum(len(handler.options.rules) for handler in handlers if isinstance(handler, RoutingHandler))
    return Summary(len(generation.chains), len(handlers), rules)
