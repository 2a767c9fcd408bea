"""The four transaction machines as tables: RFC 3261 §17, with the Accepted states of RFC 6026 §7.

Each table is `{(state, input): (action, new state)}`. A pair that is not there changes nothing: what arrived
is absorbed or discarded, by the rule that tests/sip/test_transaction_tables.py names for that cell. Only
`Machine` changes a state, and only as its table says. docs/states.md is drawn from these tables.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from typing import Generic, TypeVar


@unique
class State(StrEnum):
    """The states of RFC 3261 figures 5 to 8 and of RFC 6026."""

    CALLING = "Calling"
    TRYING = "Trying"
    PROCEEDING = "Proceeding"
    COMPLETED = "Completed"
    CONFIRMED = "Confirmed"
    ACCEPTED = "Accepted"
    TERMINATED = "Terminated"


@unique
class Input(StrEnum):
    """What can happen to a transaction.

    For a client transaction the responses are received; for a server transaction they are given by its user.
    `FINAL` is any final response to a request other than INVITE.
    """

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    FINAL = "200-699"
    REQUEST = "request again"
    ACK = "ACK"
    CANCEL = "CANCEL"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    CANCEL_TIMER = "64*T1 after CANCEL"
    TRANSPORT_ERROR = "transport error"
    OTHER_FLOW = "transport error, another flow left"


@unique
class ClientAction(StrEnum):
    """What a client transaction does about an input."""

    DELIVER = "pass the response up"
    PROCEED = "pass the response up, stop timers A and B"
    DELIVER_FINAL = "pass the response up, start timer K"
    ACCEPT = "pass the response up, start timer M"
    ACKNOWLEDGE = "send ACK, pass the response up, start timer D"
    RESEND_ACK = "send the ACK again"
    RESEND_REQUEST = "send the request again"
    MOVE_REQUEST = "send the request by the other flow"
    HOLD_CANCEL = "wait for a provisional response"
    SEND_CANCEL = "send CANCEL, wait 64*T1"
    TIME_OUT = "tell the user of the timeout"
    FAIL = "tell the user of the transport error"
    END = "end"


@unique
class ServerAction(StrEnum):
    """What a server transaction does about an input."""

    SEND_RESPONSE = "send the response"
    SEND_SUCCESS = "send the response, start timer L"
    SEND_FAILURE = "send the response, start timers G and H"
    SEND_FINAL = "send the response, start timer J"
    RESEND_RESPONSE = "send the last response again"
    MOVE = "answer by the other flow"
    MOVE_RESPONSE = "send the last response again by the other flow"
    CONFIRM = "start timer I"
    DELIVER_ACK = "pass the ACK up"
    DELIVER_CANCEL = "tell the user of the CANCEL"
    UNDELIVERED = "tell the user that it is undelivered"
    END = "end"


ClientCells = Mapping[tuple[State, Input], tuple[ClientAction, State]]
ServerCells = Mapping[tuple[State, Input], tuple[ServerAction, State]]

# RFC 3261 §17.1.1 (figure 5) and RFC 6026 §7.2. Timer B runs in Calling only: a phone may ring for any time.
INVITE_CLIENT: ClientCells = {
    (State.CALLING, Input.PROVISIONAL): (ClientAction.PROCEED, State.PROCEEDING),
    (State.CALLING, Input.SUCCESS): (ClientAction.ACCEPT, State.ACCEPTED),
    (State.CALLING, Input.FAILURE): (ClientAction.ACKNOWLEDGE, State.COMPLETED),
    (State.CALLING, Input.CANCEL): (ClientAction.HOLD_CANCEL, State.CALLING),
    (State.CALLING, Input.TIMER_A): (ClientAction.RESEND_REQUEST, State.CALLING),
    (State.CALLING, Input.TIMER_B): (ClientAction.TIME_OUT, State.TERMINATED),
    (State.CALLING, Input.OTHER_FLOW): (ClientAction.MOVE_REQUEST, State.CALLING),
    (State.CALLING, Input.TRANSPORT_ERROR): (ClientAction.FAIL, State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): (ClientAction.DELIVER, State.PROCEEDING),
    (State.PROCEEDING, Input.SUCCESS): (ClientAction.ACCEPT, State.ACCEPTED),
    (State.PROCEEDING, Input.FAILURE): (ClientAction.ACKNOWLEDGE, State.COMPLETED),
    (State.PROCEEDING, Input.CANCEL): (ClientAction.SEND_CANCEL, State.PROCEEDING),
    (State.PROCEEDING, Input.CANCEL_TIMER): (ClientAction.TIME_OUT, State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (ClientAction.FAIL, State.TERMINATED),
    (State.COMPLETED, Input.FAILURE): (ClientAction.RESEND_ACK, State.COMPLETED),
    (State.COMPLETED, Input.TIMER_D): (ClientAction.END, State.TERMINATED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (ClientAction.END, State.TERMINATED),
    (State.ACCEPTED, Input.SUCCESS): (ClientAction.DELIVER, State.ACCEPTED),
    (State.ACCEPTED, Input.TIMER_M): (ClientAction.END, State.TERMINATED),
}

# RFC 3261 §17.1.2 (figure 6).
NON_INVITE_CLIENT: ClientCells = {
    (State.TRYING, Input.PROVISIONAL): (ClientAction.DELIVER, State.PROCEEDING),
    (State.TRYING, Input.FINAL): (ClientAction.DELIVER_FINAL, State.COMPLETED),
    (State.TRYING, Input.TIMER_E): (ClientAction.RESEND_REQUEST, State.TRYING),
    (State.TRYING, Input.TIMER_F): (ClientAction.TIME_OUT, State.TERMINATED),
    (State.TRYING, Input.OTHER_FLOW): (ClientAction.MOVE_REQUEST, State.TRYING),
    (State.TRYING, Input.TRANSPORT_ERROR): (ClientAction.FAIL, State.TERMINATED),
    (State.PROCEEDING, Input.PROVISIONAL): (ClientAction.DELIVER, State.PROCEEDING),
    (State.PROCEEDING, Input.FINAL): (ClientAction.DELIVER_FINAL, State.COMPLETED),
    (State.PROCEEDING, Input.TIMER_E): (ClientAction.RESEND_REQUEST, State.PROCEEDING),
    (State.PROCEEDING, Input.TIMER_F): (ClientAction.TIME_OUT, State.TERMINATED),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (ClientAction.FAIL, State.TERMINATED),
    (State.COMPLETED, Input.TIMER_K): (ClientAction.END, State.TERMINATED),
}

# RFC 3261 §17.2.1 (figure 7) and RFC 6026 §7.1; a response that cannot be sent leaves the state as it is
# (§17.2.4 as amended by RFC 6026).
INVITE_SERVER: ServerCells = {
    (State.PROCEEDING, Input.PROVISIONAL): (ServerAction.SEND_RESPONSE, State.PROCEEDING),
    (State.PROCEEDING, Input.SUCCESS): (ServerAction.SEND_SUCCESS, State.ACCEPTED),
    (State.PROCEEDING, Input.FAILURE): (ServerAction.SEND_FAILURE, State.COMPLETED),
    (State.PROCEEDING, Input.REQUEST): (ServerAction.RESEND_RESPONSE, State.PROCEEDING),
    (State.PROCEEDING, Input.CANCEL): (ServerAction.DELIVER_CANCEL, State.PROCEEDING),
    (State.PROCEEDING, Input.OTHER_FLOW): (ServerAction.MOVE, State.PROCEEDING),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (ServerAction.UNDELIVERED, State.PROCEEDING),
    (State.COMPLETED, Input.REQUEST): (ServerAction.RESEND_RESPONSE, State.COMPLETED),
    (State.COMPLETED, Input.ACK): (ServerAction.CONFIRM, State.CONFIRMED),
    (State.COMPLETED, Input.TIMER_G): (ServerAction.RESEND_RESPONSE, State.COMPLETED),
    (State.COMPLETED, Input.TIMER_H): (ServerAction.UNDELIVERED, State.TERMINATED),
    (State.COMPLETED, Input.OTHER_FLOW): (ServerAction.MOVE_RESPONSE, State.COMPLETED),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (ServerAction.UNDELIVERED, State.COMPLETED),
    (State.CONFIRMED, Input.TIMER_I): (ServerAction.END, State.TERMINATED),
    (State.ACCEPTED, Input.SUCCESS): (ServerAction.SEND_RESPONSE, State.ACCEPTED),
    (State.ACCEPTED, Input.ACK): (ServerAction.DELIVER_ACK, State.ACCEPTED),
    (State.ACCEPTED, Input.TIMER_L): (ServerAction.END, State.TERMINATED),
    (State.ACCEPTED, Input.OTHER_FLOW): (ServerAction.MOVE, State.ACCEPTED),
    (State.ACCEPTED, Input.TRANSPORT_ERROR): (ServerAction.UNDELIVERED, State.ACCEPTED),
}

# RFC 3261 §17.2.2 (figure 8).
NON_INVITE_SERVER: ServerCells = {
    (State.TRYING, Input.PROVISIONAL): (ServerAction.SEND_RESPONSE, State.PROCEEDING),
    (State.TRYING, Input.FINAL): (ServerAction.SEND_FINAL, State.COMPLETED),
    (State.TRYING, Input.OTHER_FLOW): (ServerAction.MOVE, State.TRYING),
    (State.PROCEEDING, Input.PROVISIONAL): (ServerAction.SEND_RESPONSE, State.PROCEEDING),
    (State.PROCEEDING, Input.FINAL): (ServerAction.SEND_FINAL, State.COMPLETED),
    (State.PROCEEDING, Input.REQUEST): (ServerAction.RESEND_RESPONSE, State.PROCEEDING),
    (State.PROCEEDING, Input.OTHER_FLOW): (ServerAction.MOVE, State.PROCEEDING),
    (State.COMPLETED, Input.REQUEST): (ServerAction.RESEND_RESPONSE, State.COMPLETED),
    (State.COMPLETED, Input.TIMER_J): (ServerAction.END, State.TERMINATED),
}

# Timers that send something again; every other timer of a state ends what the state waits for.
REPEATING = frozenset({Input.TIMER_A, Input.TIMER_E, Input.TIMER_G})
TIMERS = frozenset(what for what in Input if what.name.startswith("TIMER_")) | {Input.CANCEL_TIMER}

Action = TypeVar("Action", bound=StrEnum)


class Table(Generic[Action]):
    """The cells of one machine, with what follows from them."""

    __slots__ = ("cells", "expiry", "initial", "name", "repeat", "responses")

    def __init__(
        self, name: str, initial: State, cells: Mapping[tuple[State, Input], tuple[Action, State]]
    ) -> None:
        self.name = name
        self.initial = initial
        invite = any(what is Input.SUCCESS for _, what in cells)
        success, failure = (Input.SUCCESS, Input.FAILURE) if invite else (Input.FINAL, Input.FINAL)
        self.responses = (Input.PROVISIONAL, Input.PROVISIONAL, success, *[failure] * 4)
        """The input that a response is, by the first digit of its status."""
        self.cells = cells
        self.repeat = {state: what for state, what in cells if what in REPEATING}
        """The timer that sends again in a state."""
        self.expiry = {state: what for state, what in cells if what in TIMERS - REPEATING}
        """The timer that ends the waiting in a state."""


INVITE_CLIENT_TABLE = Table("INVITE client", State.CALLING, INVITE_CLIENT)
NON_INVITE_CLIENT_TABLE = Table("non-INVITE client", State.TRYING, NON_INVITE_CLIENT)
INVITE_SERVER_TABLE = Table("INVITE server", State.PROCEEDING, INVITE_SERVER)
NON_INVITE_SERVER_TABLE = Table("non-INVITE server", State.TRYING, NON_INVITE_SERVER)


class Machine(Generic[Action]):
    """A place in a table. The only code that changes the state of a transaction."""

    __slots__ = ("state", "table")

    def __init__(self, table: Table[Action]) -> None:
        self.table = table
        self.state = table.initial

    def step(self, what: Input) -> Action | None:
        """Take the cell for `what`: its action, or None, and the state unchanged, when there is none."""
        cell = self.table.cells.get((self.state, what))
        if cell is None:
            return None
        self.state = cell[1]
        return cell[0]
