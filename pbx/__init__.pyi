# What type checkers see of `pbx`; at run time the names are loaded when they are first used.

from pbx.dialplan.call import (
    Call,
    Caller,
)
from pbx.dialplan.decisions import (
    Answer,
    Conference,
    Continue,
    Decision,
    Defer,
    Dial,
    DialOutcome,
    Echo,
    Goto,
    Hangup,
    Include,
    Menu,
    Outcome,
    Play,
    Queue,
    Redirect,
    Reject,
    Talk,
    Voicemail,
)
from pbx.dialplan.handler import (
    Handler,
)
from pbx.dialplan.strategy import (
    Standing,
    Strategy,
    Wanted,
)
from pbx.dialplan.tap import (
    Line,
    Samples,
    Side,
    Tap,
)
from pbx.dialplan.targets import (
    TrunkTarget,
    UriTarget,
    UserTarget,
)

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
