"""Placeholders in texts: `{to}`, `{from}`, `{user}`, `{trunk}`, `{digits}` that were chosen in a menu,
`{1}`… and the names given by `set`."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pbx.dialplan.call import Call
from pbx.documents import nearest, shown

BUILT_IN = ("to", "from", "name", "user", "trunk", "digits")

_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders; `literal` is the text itself when there are none."""

    text: str
    literal: str | None
    parts: tuple[tuple[bool, str], ...]

    def expand(
        self,
        call: Call,
        escape: Callable[[str], str] | None = None,
        here: Mapping[str, str] | None = None,
    ) -> str:
        """The text for `call`; what is put in goes through `escape`, what was written does not.

        `here` has what some names stand for here only.
        """
        if self.literal is not None:
            return self.literal
        if escape is None:
            known = here or {}
            return "".join(
                [
                    text if written else known[text] if text in known else value_of(text, call)
                    for written, text in self.parts
                ]
            )
        pieces = []
        for written, text in self.parts:
            if written:
                piece = text
            elif here is not None and text in here:
                piece = here[text]
            else:
                piece = value_of(text, call)
            pieces.append(piece if written else escape(piece))
        return "".join(pieces)


def compile_template(text: str, names: Collection[str] = (), groups: int = 0) -> Template:
    """Compile `text`, in which `names` and the first `groups` numbers are known besides the built-in ones.

    Raises ValueError that says what was expected, with the nearest spelling.
    """
    parts: list[tuple[bool, str]] = []
    for match in _PART.finditer(text):
        name, written, stray = match.groups()
        if stray:
            raise ValueError(f"found {shown(text)}, expected each {{ to be closed by a }}")
        if written:
            parts.append((True, written))
        elif name.isascii() and name.isdigit():
            if not 1 <= int(name) <= groups:
                raise ValueError(f"found {{{name}}}, but {_groups_found(groups)}")
            parts.append((False, name))
        elif name in BUILT_IN or name in names:
            parts.append((False, name))
        else:
            known = (*BUILT_IN, *names)
            guess = nearest(name, known)
            expected = f"; did you mean {{{guess}}}?" if guess else f", expected one of {', '.join(known)}"
            raise ValueError(f"found the placeholder {shown('{' + name + '}')}{expected}")
    literal = None if any(not written for written, _ in parts) else text
    return Template(text, literal, tuple(parts))


def value_of(name: str, call: Call) -> str:
    """What a placeholder stands for in `call`; a name without a value is an empty text."""
    getter = _GETTERS.get(name)
    return call.variables.get(name, "") if getter is None else getter(call)


_GETTERS: Mapping[str, Callable[[Call], str]] = {
    "to": lambda call: call.called,
    "from": lambda call: call.caller.number,
    "name": lambda call: call.caller.name,
    "user": lambda call: call.user or "",
    "trunk": lambda call: call.trunk or "",
}


def _groups_found(groups: int) -> str:
    if groups == 0:
        return "there is no regular expression with groups here"
    return f"the regular expression has only {groups} group{'s' if groups > 1 else ''}"
