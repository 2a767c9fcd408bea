"""What a call asks of its owner, and what it reports."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pbx.call.causes import Outcome
from pbx.sip.session_events import (
    CancelRequest,
    DialogClosed,
    DialogOpened,
    SendAck,
    SendRequest,
    SendResponse,
)

if TYPE_CHECKING:
    from pbx.call.call import Call
    from pbx.call.leg import Leg


SignalOutput = SendRequest | SendAck | SendResponse | CancelRequest | DialogOpened | DialogClosed
SIGNALS: Final = (SendResponse, SendRequest, DialogOpened, DialogClosed, SendAck, CancelRequest)
"""The same for `isinstance`, which tells them from a session's news at once; the frequent ones in front."""


Signal = tuple["Leg", SignalOutput]
"""Carry out what a leg's session wants sent, along the leg's flow, or keep its dialog findable.

A pair, for it is by far the most frequent of a call's outputs.
"""


@dataclass(slots=True)
class DecisionNeeded:
    """The plan ran out: a dial's best answer was `status`, which a dialplan's `on:` knows as `outcome`.

    When it played sounds or gathered `digits`, `status` is what ends the call if nothing follows.
    """

    call: "Call"
    outcome: Outcome
    status: int
    digits: str = ""


@dataclass(slots=True)
class LegOpened:
    """A new leg of the call exists."""

    leg: "Leg"


@dataclass(slots=True)
class LegClosed:
    """A leg's dialog is over and its media row is closed."""

    leg: "Leg"


@dataclass(slots=True)
class Progressed:
    """The caller is told for the first time that somebody rings or speaks early."""

    call: "Call"


@dataclass(slots=True)
class Established:
    """The call was answered."""

    call: "Call"


@dataclass(slots=True)
class LegAnswered:
    """A leg that was called talks with a caller who had been answered before."""

    leg: "Leg"


@dataclass(slots=True)
class PickedUp:
    """Somebody answered a call that we make, and is its caller now: a first plan is needed."""

    call: "Call"


@dataclass(slots=True)
class Summoned:
    """How a summons goes: answered, then ready to be put through.

    Or over, with `status`: nobody answered, or whoever did is gone.
    """

    call: "Call"
    number: int
    state: Literal["answered", "ready", "over"]
    status: int = 200


@dataclass(slots=True)
class DigitPressed:
    """The waiting caller pressed a key."""

    call: "Call"
    digit: str


@dataclass(slots=True)
class Ending:
    """A call that somebody was summoned for begins to end; `Finished` follows when every leg is gone."""

    call: "Call"


@dataclass(slots=True)
class Finished:
    """Every leg is gone; the call's record is complete."""

    call: "Call"


CallOutput = (
    Signal
    | DecisionNeeded
    | LegOpened
    | LegClosed
    | Progressed
    | Established
    | LegAnswered
    | PickedUp
    | Summoned
    | DigitPressed
    | Ending
    | Finished
)
