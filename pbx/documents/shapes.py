"""Shapes that documents are checked against, and pydantic's errors as problems with places."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from pbx.documents.reader import Document, Fraction, Path_, shown
from pbx.errors import Problem

S = TypeVar("S", bound="Shape")

_LISTED = 12
_EXPECTED = {
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "string_type": "text",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "path_type": "a path",
}


class Shape(BaseModel):
    """The base of every mapping in a file: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class ShapeError(PydanticCustomError):
    """Raised by a validator: what was found, what was expected, and the nearest right spelling."""

    def __new__(cls, message: str, suggestion: str = "") -> Self:
        """Make a fault; `message` is taken literally."""
        context = {"message": message, "suggestion": suggestion}
        return super().__new__(cls, "fault", "{message}", context)


_LONGEST_WORD = 200
_MOST_WORDS = 1000


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be, or an empty text."""
    if len(word) > _LONGEST_WORD:
        return ""
    length, lower = len(word), word.lower()
    # Words of other lengths cannot be near enough: twice what is common by both lengths is less than 0.6.
    likely = [each for each in known if 0.6 * (length + len(each)) <= 2 * min(length, len(each))]
    if len(likely) > _MOST_WORDS:
        likely = [each for each in likely if each[:2].lower() == lower[:2]][:_MOST_WORDS]
    matches = get_close_matches(lower, {entry.lower(): entry for entry in likely}, n=1, cutoff=0.6)
    return next((entry for entry in likely if matches and entry.lower() == matches[0]), "")


def validate(
    shape: type[S],
    value: Any,
    document: Document,
    problems: list[Problem],
    path: Path_ = (),
    context: object = None,
) -> S | None:
    """`value`, which stands at `path` in `document`, as a `shape`; or None after adding to `problems`."""
    try:
        return shape.model_validate(value, context=context)
    except ValidationError as error:
        problems.extend(to_problem(details, shape, document, path) for details in listed(error))
        return None


def listed(error: ValidationError) -> list[ErrorDetails]:
    """The errors of one validation; a list that is empty only because its entries are wrong is not one."""
    errors = error.errors(include_url=False)
    return [
        each
        for each in errors
        if each["type"] != "too_short"
        or not any(other is not each and other["loc"][: len(each["loc"])] == each["loc"] for other in errors)
    ]


def to_problem(
    details: ErrorDetails, shape: type[BaseModel], document: Document, path: Path_ = ()
) -> Problem:
    """One of pydantic's errors as a problem at its place in `document`."""
    location = details["loc"]
    full = path + location
    kind = details["type"]
    if kind == "extra_forbidden":
        key = str(location[-1])
        message, suggestion = unknown_key(key, known_keys(shape, location[:-1]))
        return Problem(document.key_place(full), message, suggestion)
    message, suggestion = explained(details)
    place = document.key_place(full[:-1]) if kind == "missing" else document.place(full)
    if location and location[-1] == "[key]":
        place = document.key_place(full[:-1])
    return Problem(place, message, suggestion)


def unknown_key(key: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and suggestion for a key that nothing reads."""
    names = sorted(set(known))
    suggestion = nearest(key, names)
    listing = (
        "" if suggestion or not names or len(names) > _LISTED else f", expected one of {', '.join(names)}"
    )
    return f"unknown key {shown(key)}{listing}", suggestion


def explained(details: ErrorDetails) -> tuple[str, str]:
    """What was found and what was expected, in plain words, and a suggestion."""
    kind, found, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "fault":
        return str(context["message"]), str(context["suggestion"])
    if kind == "missing":
        return f"the key {shown(str(details['loc'][-1]))} is missing", ""
    if kind in _EXPECTED:
        return f"found {described(found)}, expected {_EXPECTED[kind]}", _quoted_placeholder(found)
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        choices = [choice.strip("'") for choice in re.split(", | or ", expected)]
        suggestion = nearest(found, choices) if isinstance(found, str) else ""
        return f"found {described(found)}, expected {_either(choices)}", suggestion
    if kind == "value_error":
        return str(context.get("error", details["msg"])), ""
    for name, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than")):
        if name in context:
            return f"found {described(found)}, expected {words} {context[name]}", ""
    if kind in ("too_short", "string_too_short"):
        return "found nothing, expected at least one", ""
    return f"found {described(found)}: {details['msg'].lower()}", ""


def described(value: Any) -> str:
    """A value of a document in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Fraction):
        return str(value)
    if isinstance(value, str):
        return shown(value)
    return "a list" if isinstance(value, list | tuple) else "a mapping"


def known_keys(shape: type[BaseModel], location: Path_) -> set[str]:
    """The keys that the mapping at `location` inside a `shape` may have."""
    shapes = {shape}
    for step in location:
        inner = {
            below
            for each in shapes
            for name, field in each.model_fields.items()
            if step == (field.alias or name)
            for below in _shapes_in(field.annotation)
        }
        shapes = inner or shapes
    return {field.alias or name for each in shapes for name, field in each.model_fields.items()}


def _shapes_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _shapes_in(argument)


def _either(choices: list[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def _quoted_placeholder(found: Any) -> str:
    """`{to}` without quotes is a mapping to YAML; say so."""
    if isinstance(found, dict) and len(found) == 1:
        ((key, value),) = found.items()
        if value is None:
            return f'"{{{key}}}" in quotes'
    return ""
