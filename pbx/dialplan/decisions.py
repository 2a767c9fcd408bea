"""What a handler may answer: frozen values, each with the reason it was given for.

`Continue` (not mine, ask the next) and `Defer` (mine, I decide later, within a deadline) are two values for
two things. Reasons, and the rule a decision came from, are for people: decisions that differ only in them
are equal.
"""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pbx.call.causes import OUTCOMES, QUEUE_OUTCOMES, DialOutcome, Outcome, outcome_of
from pbx.dialplan.call import Call
from pbx.dialplan.targets import Target, parse_targets
from pbx.errors import Place

__all__ = [
    "DECISIONS",
    "OUTCOMES",
    "QUEUE_OUTCOMES",
    "Answer",
    "Conference",
    "Continue",
    "Decision",
    "Defer",
    "Dial",
    "DialOutcome",
    "Echo",
    "Final",
    "Goto",
    "Hangup",
    "Include",
    "Menu",
    "Mode",
    "Outcome",
    "Play",
    "Queue",
    "Redirect",
    "Reject",
    "Rule",
    "Talk",
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
    own ring time. In turn, `rings` has one for each target, None for `ring`; when it is empty `ring` is for
    all of them; and `stop` are the final codes and outcomes after which the targets that are left are not
    tried. `on` says what follows an outcome; one that is not in it ends with its mapped code. Targets may be
    written as text: `Dial("user/1001")`.
    """

    targets: tuple[Target, ...]
    ring: float | None
    mode: Mode
    on: Mapping[Outcome, "Decision"]
    reason: str = field(compare=False)
    rule: Rule | None = field(compare=False, repr=False)
    rings: tuple[float | None, ...]
    stop: frozenset[int | str]

    def __init__(
        self,
        targets: str | Target | Iterable[str | Target],
        *,
        ring: float | None = None,
        mode: Mode = "parallel",
        on: Mapping[Outcome, "Decision"] | None = None,
        reason: str = "",
        rule: Rule | None = None,
        rings: Iterable[float | None] = (),
        stop: Iterable[int | str] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "targets", targets if type(targets) is tuple else parse_targets(targets))
        put(self, "ring", ring)
        put(self, "mode", mode)
        put(self, "on", on or {})
        put(self, "reason", reason)
        put(self, "rule", rule)
        put(self, "rings", tuple(rings))
        put(self, "stop", frozenset(stop))

    def ring_of(self, index: int) -> float | None:
        """How long the target at `index` may ring, in seconds; None is the service's own ring time."""
        if index < len(self.rings) and self.rings[index] is not None:
            return self.rings[index]
        return self.ring

    def stops(self, outcome: Outcome, code: int = 0) -> bool:
        """Whether targets that are left are not tried after one ended in `outcome` (with `code`)."""
        stop = self.stop
        return outcome in stop or code in stop or (code >= 300 and outcome_of(code) in stop)


@dataclass(frozen=True, slots=True)
class Queue:
    """Wait in the queue `name` for an agent, before those of a lower `priority`; `on` as for `Dial`."""

    name: str
    on: Mapping[Outcome, "Decision"] = field(default_factory=dict)
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)
    priority: int = 0


@dataclass(frozen=True, slots=True, init=False)
class Play:
    """Play sounds one after another, `times` over, then ask the next handler of the chain.

    `early` plays without answering (183). The outcome is `played`. One sound may be written as text:
    `Play("closed")`.
    """

    sounds: tuple[str, ...]
    early: bool
    times: int
    reason: str = field(compare=False)
    rule: Rule | None = field(compare=False, repr=False)

    def __init__(
        self,
        sounds: str | Iterable[str],
        early: bool = False,
        reason: str = "",
        rule: Rule | None = None,
        *,
        times: int = 1,
    ) -> None:
        put = object.__setattr__
        put(self, "sounds", (sounds,) if isinstance(sounds, str) else tuple(sounds))
        put(self, "early", early)
        put(self, "times", times)
        put(self, "reason", reason)
        put(self, "rule", rule)


@dataclass(frozen=True, slots=True)
class Menu:
    """Let the caller choose by digits in the menu `name`, while `prompt` is played.

    At most `max_digits`; the first has to come within `first_s` seconds of the end of the prompt, each other
    within `between_s` of the one before. `terminator` ends the input and is not part of it ("" for none).
    With `barge`, a digit ends the prompt. After the strings in `complete` nothing longer can follow, so that
    they are acted on at once. The outcome is `digits`, "" when none came in time.

    `choices` says what follows: patterns of digits as in rules, the first that fits wins, and `timeout` and
    `invalid`; what is not said asks the next handler. In a menu of the dialplan it is empty, and `key` names
    the handler that decides; `attempt` counts from 1 how often the caller was asked.
    """

    name: str
    prompt: tuple[str, ...] = ()
    max_digits: int = 1
    first_s: float = 5.0
    between_s: float = 3.0
    terminator: str = "#"
    barge: bool = True
    complete: frozenset[str] = frozenset()
    choices: Mapping[str, "Decision"] = field(default_factory=dict)
    attempt: int = 1
    key: str = field(default="", compare=False, repr=False)
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
    """Join the room `room`; `muted` only listens, `announce` plays these sounds to the caller first."""

    room: str
    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)
    muted: bool = False
    announce: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Echo:
    """Answer and send the caller's voice back."""

    reason: str = field(default="", compare=False)
    rule: Rule | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Talk:
    """Answer, and let the plugin that says so be the other side, by the tap it gives (`Handler.tap`).

    When the tap leaves, or there is none, the next handler of the chain is asked, as after a `Play`.
    """

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
class Include:
    """Ask another chain, and when it runs out the next handler here; with `call`, both see that instead."""

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


Final = (
    Answer | Dial | Queue | Play | Menu | Voicemail | Conference | Echo | Talk | Redirect | Reject | Hangup
)
"""What a walk can end with."""

Decision = Continue | Goto | Include | Defer | Final
DECISIONS = (
    Continue,
    Goto,
    Include,
    Defer,
    Answer,
    Dial,
    Queue,
    Play,
    Menu,
    Voicemail,
    Conference,
    Echo,
    Talk,
    Redirect,
    Reject,
    Hangup,
)
