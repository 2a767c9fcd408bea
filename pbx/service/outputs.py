"""What the switch asks of the edge: bytes to send, questions to answer, news to pass on."""

from collections.abc import Sequence
from dataclasses import dataclass

from pbx.call import outputs as from_call
from pbx.call.call import Call
from pbx.call.causes import Outcome
from pbx.dialplan.call import Call as RoutedCall
from pbx.registrar.binding import BindingEvent
from pbx.sip.outputs import Transmit


@dataclass(slots=True)
class RouteNeeded:
    """A new call waits for a decision: give it with `Switch.route`."""

    call: Call
    routed: RoutedCall


@dataclass(slots=True)
class OutcomeNeeded:
    """A call's plan ran out: give what follows, or refuse it with `status`, with `Switch.route`.

    `digits` were gathered when the outcome is that.
    """

    call: Call
    outcome: Outcome
    status: int
    digits: str = ""


@dataclass(slots=True)
class BindingsChanged:
    """Bindings were added, refreshed or removed."""

    events: Sequence[BindingEvent]


@dataclass(slots=True)
class CallEnded:
    """A call is over; nothing more will be asked for it."""

    call: Call


Output = (
    Transmit
    | RouteNeeded
    | OutcomeNeeded
    | CallEnded
    | BindingsChanged
    | from_call.Summoned
    | from_call.DigitPressed
    | from_call.Ending
)
