"""A programmable PBX: a SIP back-to-back user agent, its dialplans and its media plane.

The names here are what plugins and dialplan tools import. They are loaded when they are first used, so that
`import pbx.sip` brings in no dialplan.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pbx.dialplan.call import Call, Caller
    from pbx.dialplan.decisions import (
        Answer,
        Conference,
        Continue,
        Decision,
        Defer,
        Dial,
        Echo,
        Goto,
        Hangup,
        Menu,
        Outcome,
        Play,
        Queue,
        Redirect,
        Reject,
        Voicemail,
    )
    from pbx.dialplan.handler import Handler
    from pbx.dialplan.targets import TrunkTarget, UriTarget, UserTarget

__all__ = [
    "Answer",
    "Call",
    "Caller",
    "Conference",
    "Continue",
    "Decision",
    "Defer",
    "Dial",
    "Echo",
    "Goto",
    "Handler",
    "Hangup",
    "Menu",
    "Outcome",
    "Play",
    "Queue",
    "Redirect",
    "Reject",
    "TrunkTarget",
    "UriTarget",
    "UserTarget",
    "Voicemail",
]

_HOMES = {
    "Call": "call",
    "Caller": "call",
    "Handler": "handler",
    "TrunkTarget": "targets",
    "UriTarget": "targets",
    "UserTarget": "targets",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"pbx.dialplan.{_HOMES.get(name, 'decisions')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
