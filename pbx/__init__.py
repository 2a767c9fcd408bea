"""A programmable PBX: a SIP back-to-back user agent, its dialplans and its media plane.

The names here are what plugins and dialplan tools import. They are loaded when they are first used, so that
`import pbx.sip` brings in no dialplan; `__init__.pyi` beside this file tells type checkers what they are.
"""

from importlib import import_module
from typing import Any

__all__ = [
    "Answer",
    "Call",
    "Caller",
    "Conference",
    "Continue",
    "Decision",
    "Defer",
    "Dial",
    "DialOutcome",
    "Echo",
    "Goto",
    "Handler",
    "Hangup",
    "Include",
    "Line",
    "Menu",
    "Outcome",
    "Play",
    "Queue",
    "Redirect",
    "Reject",
    "Samples",
    "Side",
    "Standing",
    "Strategy",
    "Talk",
    "Tap",
    "TrunkTarget",
    "UriTarget",
    "UserTarget",
    "Voicemail",
    "Wanted",
]

_HOMES = {
    "Call": "call",
    "Caller": "call",
    "Handler": "handler",
    "Line": "tap",
    "Samples": "tap",
    "Side": "tap",
    "Standing": "strategy",
    "Strategy": "strategy",
    "Tap": "tap",
    "TrunkTarget": "targets",
    "UriTarget": "targets",
    "UserTarget": "targets",
    "Wanted": "strategy",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"pbx.dialplan.{_HOMES.get(name, 'decisions')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
