"""A file that may be a configuration or a dialplan, told apart by its top-level keys."""

from pathlib import Path
from typing import Literal

from pbx.config.settings import Settings
from pbx.dialplan.compiler import NOT_YET, compile_dialplan
from pbx.dialplan.generation import Generation
from pbx.dialplan.schema import DialplanFile
from pbx.dialplan.scope import KnownNames
from pbx.documents import Document, load
from pbx.errors import DocumentError, Problem

Kind = Literal["dialplan", "configuration", "unknown"]


def kind_of(document: Document) -> Kind:
    """What a document is, by its top-level keys; an empty one is a configuration of defaults only."""
    value = document.value
    if value is None or value == {}:
        return "configuration"
    if not isinstance(value, dict):
        return "unknown"
    dialplan = len(value.keys() & {*DialplanFile.model_fields, *NOT_YET})
    configuration = len(value.keys() & set(Settings.model_fields))
    if dialplan == configuration == 0:
        return "unknown"
    return "dialplan" if dialplan >= configuration else "configuration"


def load_candidate(path: Path, known: KnownNames | None = None) -> Generation:
    """The dialplan at `path`, or the one that a configuration there names, compiled; it has no number.

    A dialplan is for the users, trunks and plugins in `known`, a configuration brings its own. Its tests are
    not run. Raises OperatorError, or DocumentError with every problem.
    """
    document = load(path)
    kind = kind_of(document)
    if kind == "unknown":
        message = "found neither a dialplan (entry, chains) nor a configuration (listen, users, dialplan, …)"
        raise DocumentError((Problem(document.place(()), message),))
    if kind == "configuration":
        settings = Settings.load(path, secrets=False)
        return compile_dialplan(load(settings.dialplan), settings.known, 0, settings.dialplan.parent)
    return compile_dialplan(document, known, 0, path.parent)
