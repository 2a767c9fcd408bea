"""IANA time zones in files."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, WithJsonSchema

from pbx.documents import ShapeError, nearest, shown


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
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
"""The name of an IANA zone."""
