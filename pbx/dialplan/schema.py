"""The shape of a dialplan file, and its JSON Schema for editors."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, WithJsonSchema

from pbx.dialplan.handler import Ending
from pbx.dialplan.handlers import registry
from pbx.dialplan.handlers.routing import RuleShape
from pbx.documents import Shape, ShapeError, Text, nearest, shown


def _zone(value: Any) -> ZoneInfo:
    if not isinstance(value, str):
        raise ShapeError("expected a time zone such as Europe/Amsterdam")
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        message = f"there is no time zone {shown(value)}, expected one such as Europe/Amsterdam"
        raise ShapeError(message, nearest(value, available_timezones())) from None


Zone = Annotated[
    ZoneInfo,
    BeforeValidator(_zone),
    WithJsonSchema({"type": "string", "examples": ["Europe/Amsterdam", "UTC"]}),
]


DIALECT = "https://json-schema.org/draft/2020-12/schema"


class EntryShape(Shape):
    """Where calls of one source enter."""

    from_: Text = Field(
        alias="from",
        description="users, anyone (every call), trunk (any trunk) or trunk/NAME; the first wins.",
    )
    chain: Text = Field(description="The chain in which they enter.")


class DialplanFile(Shape):
    """A dialplan: where calls enter, and the chains that decide about them."""

    timezone: Zone = Field(
        ZoneInfo("UTC"), description="The IANA zone of every time in this file; UTC if not said."
    )
    entry: tuple[EntryShape, ...] = Field(
        min_length=1, description="In order; the first that takes a call wins."
    )
    chains: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        min_length=1, description="Chains by name: handlers in order, each asked until one decides."
    )


def dialplan_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a dialplan file, with the options of every handler."""
    schema = DialplanFile.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    definitions.update(_step_definitions())
    chains = schema["properties"]["chains"]
    chains["additionalProperties"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}
    return {"$schema": DIALECT, **_resolved(schema)}


def _step_definitions() -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    steps: list[Any] = []
    endings: list[Any] = []
    rules: list[Any] = []
    conditions = RuleShape.model_json_schema()["properties"]
    identity = {"id": {"type": "string", "description": "A name for this handler in explain and tests."}}
    for name, kind in registry().items():
        options = kind.Options.model_json_schema()
        definitions.update(options.pop("$defs", {}))
        options["title"] = name
        definitions[name] = options
        beside = options.get("properties", {})
        steps.append(_named(name, kind.Options.shorthand, beside, identity))
        if issubclass(kind, Ending):
            endings.append(_named(name, kind.Options.shorthand, beside, {}))
            rules.append(_named(name, kind.Options.shorthand, beside, conditions))
    names = {
        "enum": [
            name for name, kind in registry().items() if not kind.Options.model_json_schema().get("required")
        ]
    }
    definitions["step"] = {"anyOf": [names, *steps]}
    definitions["ending"] = {"anyOf": [names, *endings]}
    definitions["rule"] = {"anyOf": rules}
    return definitions


def _named(name: str, shorthand: str, options: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = {"anyOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}
    if shorthand:
        value["anyOf"].append(options[shorthand])
    return {
        "type": "object",
        "properties": {
            **others,
            **{key: each for key, each in options.items() if key != shorthand},
            name: value,
        },
        "required": [name],
        "additionalProperties": False,
    }


def _resolved(schema: Any) -> Any:
    """`schema` with the marks that handlers leave for endings and rules made into references."""
    if isinstance(schema, dict):
        if schema.get("$comment") in ("ending", "rule"):
            return {"$ref": f"#/$defs/{schema['$comment']}"}
        return {key: _resolved(each) for key, each in schema.items()}
    if isinstance(schema, list):
        return [_resolved(each) for each in schema]
    return schema
