"""The shape of a dialplan file, and its JSON Schema for editors."""

from collections.abc import Mapping
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, WithJsonSchema

from pbx.dialplan.calendars import CalendarShape
from pbx.dialplan.cases import CaseShape
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.handlers import registry
from pbx.dialplan.handlers.routing import RuleShape
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.queues import QueueShape
from pbx.dialplan.zones import Zone
from pbx.documents import Shape, Text


def _one_key(key: str, description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key: {"type": "string", "description": description}},
        "required": [key],
        "additionalProperties": False,
    }


DIALECT = "https://json-schema.org/draft/2020-12/schema"

LIST_SCHEMA: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            {"type": ["string", "number"], "description": "A number, a pattern or anonymous."},
            _one_key("country", "An ISO 3166 code: every number of that country."),
            _one_key("file", "A text file with an entry a line, relative to this one."),
        ]
    },
}


class EntryShape(Shape):
    """Where calls of one source enter."""

    from_: Text = Field(
        alias="from",
        description="users, anyone (every call), trunk (any trunk) or trunk/NAME; the first wins.",
    )
    chain: Text = Field(description="The chain in which they enter.")


class DialplanFile(Shape):
    """A dialplan: where calls enter, and the chains that decide about them."""

    include: OneOrMany | None = Field(
        None, description="Other files of this dialplan, relative to this one; names are shared by all."
    )
    timezone: Zone = Field(
        ZoneInfo("UTC"), description="The IANA zone of every time in this file; UTC if not said."
    )
    entry: tuple[EntryShape, ...] = Field(
        min_length=1, description="In order; the first that takes a call wins."
    )
    lists: dict[str, Annotated[list[Any], WithJsonSchema(LIST_SCHEMA), Field(min_length=1)]] = Field(
        default_factory=dict, description="Lists of callers by name, for blacklist and allowlist."
    )
    calendars: dict[str, Annotated[Any, WithJsonSchema({"$comment": "calendar"})]] = Field(
        default_factory=dict, description="Calendars by name, for hours."
    )
    queues: dict[str, Annotated[Any, WithJsonSchema({"$comment": "queuing"})]] = Field(
        default_factory=dict, description="Queues by name: who answers, and what callers hear meanwhile."
    )
    emergency: tuple[Text, ...] = Field(
        (), description="Numbers that no list or limit holds back, and that lint insists are routed."
    )
    tests: list[Annotated[Any, WithJsonSchema({"$comment": "test"})]] = Field(
        default_factory=list, description="Imagined calls and where they have to end; check runs them."
    )
    chains: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        min_length=1, description="Chains by name: handlers in order, each asked until one decides."
    )


def dialplan_json_schema(handlers: Mapping[str, type[Handler]] | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a dialplan file, with the options of every handler.

    `handlers` are those of a service with plugins; without them, the built-in ones.
    """
    schema = DialplanFile.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for name, shape in (("calendar", CalendarShape), ("queuing", QueueShape), ("test", CaseShape)):
        found = shape.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(found.pop("$defs", {}))
        definitions[name] = found
    definitions.update(_step_definitions(registry() if handlers is None else handlers))
    chains = schema["properties"]["chains"]
    chains["additionalProperties"] = {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/step"}}
    return {"$schema": DIALECT, **_resolved(schema)}


def _step_definitions(handlers: Mapping[str, type[Handler]]) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    steps: list[Any] = []
    endings: list[Any] = []
    rules: list[Any] = []
    conditions = RuleShape.model_json_schema()["properties"]
    identity = {"id": {"type": "string", "description": "A name for this handler in explain and tests."}}
    for name, kind in handlers.items():
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
            name for name, kind in handlers.items() if not kind.Options.model_json_schema().get("required")
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
        if schema.get("$comment") in ("ending", "rule", "calendar", "queuing", "test"):
            return {"$ref": f"#/$defs/{schema['$comment']}"}
        return {key: _resolved(each) for key, each in schema.items()}
    if isinstance(schema, list):
        return [_resolved(each) for each in schema]
    return schema
