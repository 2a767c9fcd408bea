"""The scalar types that both kinds of file share: text as written, durations, strict numbers."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from pbx.documents.reader import Fraction, shown

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _as_written(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Fraction):
        return str(value)
    return value


def text_of(value: Any) -> str | None:
    """A scalar of a document as the text it was written as; None for anything that is no text or number."""
    if isinstance(value, bool):
        return None
    written = _as_written(value)
    return written if isinstance(written, str) else None


def duration(text: Any) -> float:
    """Seconds from "500ms", "20s", "5m", "2h" or "1d"; raises ValueError that says what was expected.

    A plain `float`, which no document contains, comes from code and is in seconds already.
    """
    if type(text) is float:
        return text
    if isinstance(text, str):
        match = _DURATION.fullmatch(text)
        if match:
            return float(match.group(1)) * _SECONDS[match.group(2)]
        raise ValueError(f"found {shown(text)}, expected a duration such as 500ms, 20s, 5m or 1h")
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(f"found {text} without a unit, expected a duration such as {text}s")
    raise ValueError("expected a duration such as 500ms, 20s, 5m or 1h")


_SIZE = re.compile(r"([0-9]{1,6})(KiB|MiB|GiB)")
_OCTETS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text: Any) -> int:
    """Octets from "64KiB", "500MiB" or "1GiB"; raises ValueError that says what was expected."""
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        found = f"found {shown(text)}, " if isinstance(text, str) else ""
        raise ValueError(f"{found}expected a size such as 64KiB, 500MiB or 1GiB")
    return int(match.group(1)) * _OCTETS[match.group(2)]


Text = Annotated[str, BeforeValidator(_as_written), WithJsonSchema({"type": ["string", "number"]})]
"""Text exactly as the file has it: `1001` without quotes is "1001"."""

Flag = Annotated[bool, Strict()]
Whole = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]

Duration = Annotated[
    float,
    BeforeValidator(duration),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["500ms", "20s", "5m"]}
    ),
]
"""Seconds, written with a unit."""

Size = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{_SIZE.pattern}$", "examples": ["64KiB", "500MiB", "1GiB"]}
    ),
]
"""Octets, written with a unit."""
