"""What asking a plugin comes to: what it gave, or why it gave nothing; what it raises goes no further."""

import traceback
from dataclasses import dataclass
from inspect import isawaitable
from typing import Literal

from pbx.dialplan.call import Call
from pbx.dialplan.handler import Handler
from pbx.errors import OperatorError

Cause = Literal["timeout", "exception", "decision", "overload", "switched-off", "process", "start", "stopped"]

FrameKind = Literal["heard", "lost", "said"]
"""What became of 20 ms of sound that a tap was to hear, or said."""

_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Given:
    """What the plugin gave, not checked yet."""

    value: object


@dataclass(frozen=True, slots=True)
class Fault:
    """Why it gave nothing, in one line."""

    cause: Cause
    text: str


Answer = Given | Fault


def describe(error: BaseException) -> str:
    """An exception in one line: its type, what it says, and the last line of code it passed."""
    if isinstance(error, OperatorError):
        return str(error)
    try:
        words = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # a plugin's exceptions may be anything
        words = ""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return (f"{type(error).__name__}: {words}" if words else type(error).__name__)[:_LONGEST] + where


async def finish(handler: Handler, call: Call) -> Answer:
    """Ask `handler` about `call`, here and now."""
    try:
        given = handler.decide(call)
        return Given(await given if isawaitable(given) else given)
    except BaseException as error:  # noqa: BLE001  # a handler may be anybody's code, and may raise SystemExit
        return Fault("exception", f"it raised {describe(error)}")
