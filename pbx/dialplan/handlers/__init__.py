"""The built-in handlers, one to a file. A new one is a new file: nothing else has to be told."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from pbx.dialplan.handler import Handler

NOT_YET = frozenset({"park", "pickup", "voicemail"})
"""Handlers that dialplans may come to use and this version does not have; a file with the name wins."""


@cache
def registry() -> Mapping[str, type[Handler]]:
    """Every built-in handler by its name in a dialplan, in alphabetical order."""
    found: dict[str, type[Handler]] = {}
    for module in iter_modules(__path__):
        contents = vars(import_module(f"{__name__}.{module.name}"))
        for value in contents.values():
            if isinstance(value, type) and issubclass(value, Handler) and value.name:
                found[value.name] = value
    return dict(sorted(found.items()))
