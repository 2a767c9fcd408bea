"""What a handler may answer: frozen values, each with the reason it was given for.

`Continue` (not mine, ask the next) and `Defer` (mine, I decide later, within a deadline) are two values for
two things. Reasons, and the rule a decision came from, are for people: decisions that differ only in them
are equal.
"""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pbx.call.causes import OUTCOMES, Outcome
from pbx.dialplan.call import Call
from pbx.dialplan.targets import Target, parse_targets
from pbx.errors import Place

__all__ = [
    "DECISIONS",
    "OUTCOMES",
    "Answer",
    "Conference",
    "Continue",
    "Decision",
    "Defer",
    "Dial",
    "Echo",
    "Final",
    "Goto",
    "Hangup",
    "Menu",
    "Mode",
    "Outcome",
    "Play",
    "Queue",
    "Redirect",
    "Reject",
    "Rule",
    "Voicemail",
]

Mode = Literal["parallel", "in-turn"]


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule of a handler that decided; `number` counts from 1 in the order of the file."""

    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class Continue:
    """Not mine: the next handler is asked; with `call`, it and those after it see that call instead."""

    reason: str = field(default="", compare=False)
    call: Call | None = None
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the call and keep it, with nobody at the other side yet."""

    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, init=False)
class Dial:
    """Call one or many targets: in parallel (the first to answer wins) or in turn.

    `ring` is how long each target may ring, in seconds (all at once when in parallel); None is the service's
    own ring time. `on` says what follows an outcome; one that is not in it ends with its mapped code.
    Targets may be written as text: `Dial("user/1001")`.
    """

    targets: tuple[Target, ...]
    ring: float | None
    mode: Mode
    on: Mapping[Outcome, "Decision"]
    reason: str = field(compare=False)
    rule: Rule | None = field(compare=False, repr=False)

    def __init__(
        self,
        targets: str | Target | Iterable[str | Target],
        *,
        ring: float | None = None,
        mode: Mode = "parallel",
        on: Mapping[Outcome, "Decision"] | None = None,
        reason: str = "",
        rule: Rule | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "targets", targets if type(targets) is tuple else parse_targets(targets))
        put(self, "ring", ring)
        put(self, "mode", mode)
        put(self, "on", on or {})
        put(self, "reason", reason)
        put(self, "rule", rule)


@dataclass(frozen=True, slots=True)
class Queue:
    """Wait in the queue `name` for an agent; `on` as for `Dial`."""

    name: str
    on: Mapping[Outcome, "Decision"] = field(default_factory=dict)
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Play:
    """Play the sound `name`, then ask the next handler; `early` plays without answering (183)."""

    name: str
    early: bool = False
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Menu:
    """Let the caller choose by digits in the menu `name`."""

    name: str
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Voicemail:
    """Take a message for `mailbox`."""

    mailbox: str
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Conference:
    """Join the room `room`."""

    room: str
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Echo:
    """Answer and send the caller's voice back."""

    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with a 3xx and these Contact URIs, in order of preference (RFC 3261 §21.3)."""

    contacts: tuple[str, ...]
    code: int = 302
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse with a final code; `phrase` is the reason phrase on the wire, empty for the usual one.

    `retry_after` is in seconds (RFC 3261 §20.33).
    """

    code: int
    reason: str = field(default="", compare=False)
    phrase: str = ""
    retry_after: int | None = None
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Goto:
    """Go on in another chain and do not come back; with `call`, that chain sees that call instead."""

    chain: str
    reason: str = field(default="", compare=False)
    call: Call | None = None
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call: BYE when it was answered, 480 when not."""

    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Defer:
    """Mine, but I decide later: `later` gives the decision.

    When it has not by `deadline` seconds, fails, or nothing can wait for it, `otherwise` is the decision.
    """

    later: Awaitable["Decision"] = field(repr=False)
    deadline: float = 10.0
    otherwise: "Decision" = Reject(480, "the deferred decision never came")
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


Final = Answer | Dial | Queue | Play | Menu | Voicemail | Conference | Echo | Redirect | Reject | Hangup
"""What a walk can end with."""

Decision = Continue | Goto | Defer | Final
DECISIONS = (
    Continue,
    Goto,
    Defer,
    Answer,
    Dial,
    Queue,
    Play,
    Menu,
    Voicemail,
    Conference,
    Echo,
    Redirect,
    Reject,
    Hangup,
)
