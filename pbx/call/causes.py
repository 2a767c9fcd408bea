"""Why a call did not go through or ended, and which final code the caller is given.

Outcomes are what a dialplan's `on:` names; causes are the closed set of labels that records and metrics use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Outcome = Literal[
    "busy",
    "no-answer",
    "unavailable",
    "rejected",
    "failed",
    "timeout",
    "closed",
    "full",
    "left",
    "played",
    "digits",
]
"""How what the dialplan asked for ended, when the dialplan says what follows.

Of a dial: busy: the callee is in a call (486, 600). no-answer: it rang, and the ring time ended. unavailable:
there is nobody to ring (480, 404, 410, no binding). rejected: the callee said no (603, 403, other 4xx and
6xx). failed: the far side broke (5xx, media that does not fit). timeout: the far side said nothing (408).
Of a queue: timeout: the longest wait is over. closed: nobody takes calls of it now. full: too many wait.
left: the caller chose not to wait. unavailable: no agent is there.
played: the sounds of a play are over. digits: the caller has chosen in a menu, or has let the time pass.
"""

DialOutcome = Literal["busy", "no-answer", "unavailable", "rejected", "failed", "timeout"]
QueueOutcome = Literal["timeout", "closed", "full", "left", "unavailable"]

OUTCOMES: tuple[Outcome, ...] = ("busy", "no-answer", "unavailable", "rejected", "failed", "timeout")
"""How a dial may end."""

QUEUE_OUTCOMES: tuple[Outcome, ...] = ("timeout", "closed", "full", "left", "unavailable")
"""How waiting in a queue may end."""

Cause = Literal[
    "answered",  # a conversation that ended with BYE
    "cancelled",  # the caller gave up before an answer
    "abandoned",  # the caller gave up waiting in a queue
    "busy",
    "no-answer",
    "unavailable",
    "rejected",
    "not-found",
    "forbidden",
    "unacceptable",  # no codec or stream in common, or content that nobody takes
    "resources",  # a bound of ours was reached
    "no-ack",  # the caller never confirmed our answer
    "media",  # neither RTP nor RTCP came for too long
    "error",
]

_OUTCOME_OF_STATUS: Mapping[int, Outcome] = {
    404: "unavailable",
    408: "timeout",
    410: "unavailable",
    480: "unavailable",
    484: "unavailable",
    486: "busy",
    488: "failed",
    600: "busy",
    604: "unavailable",
    606: "failed",
}


def outcome_of(status: int) -> Outcome:
    """The outcome that a final code of 300 or more from a callee stands for (RFC 3261 §21.3 to §21.6)."""
    known = _OUTCOME_OF_STATUS.get(status)
    if known is not None:
        return known
    return "rejected" if 400 <= status < 500 or status >= 600 else "failed"


def cause_of(status: int) -> Cause:
    """The record's cause for a call that ended with the final code `status`."""
    match status:
        case 404 | 410 | 484 | 604:
            return "not-found"
        case 403 | 433 | 603 | 607 | 608:
            return "forbidden" if status == 403 else "rejected"
        case 415 | 416 | 488 | 606:
            return "unacceptable"
        case 487:
            return "cancelled"
        case 503:
            return "resources"
        case 480 | 408:
            return "unavailable"
        case 486 | 600:
            return "busy"
        case _:
            return "error"


CAUSE_OF_OUTCOME: Mapping[Outcome, Cause] = {
    "busy": "busy",
    "no-answer": "no-answer",
    "unavailable": "unavailable",
    "rejected": "rejected",
    "failed": "error",
    "timeout": "unavailable",
    "closed": "unavailable",
    "full": "unavailable",
    "left": "unavailable",
    "played": "unavailable",
    "digits": "unavailable",
}

# What the caller is told when a dial ends in an outcome that no `on:` takes and no code came with it.
STATUS_OF_OUTCOME: Mapping[Outcome, int] = {
    "busy": 486,
    "no-answer": 480,
    "unavailable": 480,
    "rejected": 603,
    "failed": 500,
    "timeout": 480,
    "closed": 480,
    "full": 486,
    "left": 480,
    "played": 480,
    "digits": 480,
}


@dataclass(frozen=True, slots=True)
class FinalCodePolicy:
    """Which of a callee's final codes the caller may see; the reason phrase is always ours.

    `replaced` maps a code to the one given instead. `shown_classes` are the classes (4, 5, 6) that pass
    unchanged; a code of another class becomes the default of its outcome.
    """

    name: str
    shown_classes: frozenset[int]
    replaced: dict[int, int]

    def final_code(self, status: int) -> int:
        """The code for the caller when the best answer of all branches was `status`."""
        if status in self.replaced:
            return self.replaced[status]
        if status // 100 in self.shown_classes:
            return status
        return STATUS_OF_OUTCOME[outcome_of(status)]


# A challenge is for us, not for the caller, whose credentials are of another realm; a redirection would show
# one leg's addresses to the other; 408 and 503 speak of the hop behind us (RFC 3261 §16.7 step 6), and 481 to
# 483, 491 of our own messages.
_OURS = {
    401: 403,
    407: 403,
    408: 480,
    481: 480,
    482: 500,
    483: 500,
    487: 480,
    491: 500,
    493: 488,
    494: 500,
    502: 500,
    503: 500,
    505: 500,
    513: 500,
}

PASS = FinalCodePolicy("pass", frozenset({4, 5, 6}), _OURS)
HIDE = FinalCodePolicy("hide", frozenset(), {486: 486, 600: 486, 488: 488, 606: 488, 404: 404})

POLICIES: dict[str, FinalCodePolicy] = {policy.name: policy for policy in (PASS, HIDE)}


def better(one: int, other: int) -> int:
    """The better of two branches' final codes (RFC 3261 §16.7 step 6): any 6xx, then the lowest class.

    Within the class, a code that says what a person did (busy, declined) beats one that says nothing.
    """
    return min(one, other, key=_preference)


def _preference(status: int) -> tuple[int, int]:
    kind = status // 100
    rank = 0 if kind == 6 else kind
    return rank, 0 if outcome_of(status) in {"busy", "rejected"} else 1
