"""YAML documents whose every value knows its place, and shapes that say what was expected there.

`reader` turns text into plain values without YAML 1.1's traps; `shapes` holds the pydantic base class,
the scalar types both kinds of file share, and the translation of pydantic's errors into problems with
file, line and column.
"""

from pbx.documents.reader import Document, Fraction, load, loads, shown
from pbx.documents.scalars import Count, Duration, Flag, Size, Text, Whole, duration, size, text_of
from pbx.documents.shapes import Shape, ShapeError, nearest, to_problem, validate

__all__ = [
    "Count",
    "Document",
    "Duration",
    "Flag",
    "Fraction",
    "Shape",
    "ShapeError",
    "Size",
    "Text",
    "Whole",
    "duration",
    "load",
    "loads",
    "nearest",
    "shown",
    "size",
    "text_of",
    "to_problem",
    "validate",
]
