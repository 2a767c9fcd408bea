"""A list in which a single entry needs no brackets."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from pbx.documents import Text


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


OneOrMany = Annotated[
    tuple[Text, ...],
    BeforeValidator(_listed, json_schema_input_type=Text | Annotated[list[Text], Field(min_length=1)]),
    Field(min_length=1),
]
"""One text, or a list of them."""
