"""Every cell of the four transaction tables, present and absent, each with the rule that says so."""

from collections.abc import Mapping
from enum import StrEnum
from itertools import product

import pytest

from pbx.sip.transaction_tables import (
    INVITE_CLIENT_TABLE,
    INVITE_SERVER_TABLE,
    NON_INVITE_CLIENT_TABLE,
    NON_INVITE_SERVER_TABLE,
    Action,
    ClientAction,
    Input,
    Machine,
    ServerAction,
    State,
    Table,
)

CALLING, TRYING, PROCEEDING = State.CALLING, State.TRYING, State.PROCEEDING
COMPLETED, CONFIRMED = State.COMPLETED, State.CONFIRMED
ACCEPTED, TERMINATED = State.ACCEPTED, State.TERMINATED
I = Input  # noqa: E741 - the tables below are read column by column
C, S = ClientAction, ServerAction

# What is there: action, new state, rule. What is not: the rule alone. RFC 3261 unless another is named.
Cell = tuple[StrEnum, State, str] | str
Expected = Mapping[State, Mapping[Input, Cell]]

NOT_RUNNING = "this timer does not run in this state"
GONE = "§17: the transaction was destroyed the instant it terminated; the layer matches nothing with it"
NO_FLOW_LEFT = "§18.1.1: another flow is tried only before any response"

INVITE_CLIENT: Expected = {
    CALLING: {
        I.PROVISIONAL: (C.PROCEED, PROCEEDING, "§17.1.1.2: 1xx passed up, timers A and B stop"),
        I.SUCCESS: (C.ACCEPT, ACCEPTED, "RFC 6026 §7.2: 2xx passed up, timer M"),
        I.FAILURE: (C.ACKNOWLEDGE, COMPLETED, "§17.1.1.2, §17.1.1.3: ACK, passed up, timer D"),
        I.CANCEL: (C.HOLD_CANCEL, CALLING, "§9.1: wait for a provisional response"),
        I.TIMER_A: (C.RESEND_REQUEST, CALLING, "§17.1.1.2: retransmit, double"),
        I.TIMER_B: (C.TIME_OUT, TERMINATED, "§17.1.1.2: inform the user of a timeout"),
        I.TIMER_D: NOT_RUNNING,
        I.TIMER_M: NOT_RUNNING,
        I.CANCEL_TIMER: NOT_RUNNING,
        I.OTHER_FLOW: (C.MOVE_REQUEST, CALLING, "§18.1.1: TCP refused, retry over UDP"),
        I.TRANSPORT_ERROR: (C.FAIL, TERMINATED, "§17.1.4: inform the user of a transport failure"),
    },
    PROCEEDING: {
        I.PROVISIONAL: (C.DELIVER, PROCEEDING, "§17.1.1.2: further 1xx passed up"),
        I.SUCCESS: (C.ACCEPT, ACCEPTED, "RFC 6026 §7.2"),
        I.FAILURE: (C.ACKNOWLEDGE, COMPLETED, "§17.1.1.2"),
        I.CANCEL: (C.SEND_CANCEL, PROCEEDING, "§9.1: the CANCEL goes out"),
        I.TIMER_A: NOT_RUNNING,
        I.TIMER_B: NOT_RUNNING,
        I.TIMER_D: NOT_RUNNING,
        I.TIMER_M: NOT_RUNNING,
        I.CANCEL_TIMER: (C.TIME_OUT, TERMINATED, "§9.1: no final response 64*T1 after the CANCEL"),
        I.OTHER_FLOW: NO_FLOW_LEFT,
        I.TRANSPORT_ERROR: (C.FAIL, TERMINATED, "§17.1.4: the flow by which the answer would come is gone"),
    },
    COMPLETED: {
        I.PROVISIONAL: "§17.1.1.2: a provisional response after the final one is discarded",
        I.SUCCESS: "§17.1.1: a transaction has one kind of final response; a 2xx after another is discarded",
        I.FAILURE: (C.RESEND_ACK, COMPLETED, "§17.1.1.2: the ACK again, nothing passed up"),
        I.CANCEL: "§9.1: no CANCEL after a final response",
        I.TIMER_A: NOT_RUNNING,
        I.TIMER_B: NOT_RUNNING,
        I.TIMER_D: (C.END, TERMINATED, "§17.1.1.2"),
        I.TIMER_M: NOT_RUNNING,
        I.CANCEL_TIMER: NOT_RUNNING,
        I.OTHER_FLOW: NO_FLOW_LEFT,
        I.TRANSPORT_ERROR: (C.END, TERMINATED, "figure 5; the user has had its one outcome"),
    },
    ACCEPTED: {
        I.PROVISIONAL: "RFC 6026 §7.2: only 2xx are passed up",
        I.SUCCESS: (C.DELIVER, ACCEPTED, "RFC 6026 §7.2: every further 2xx passed up, for its own ACK"),
        I.FAILURE: "RFC 6026 §7.2: a refusal by another branch after a 2xx is discarded",
        I.CANCEL: "§9.1: no CANCEL after a final response",
        I.TIMER_A: NOT_RUNNING,
        I.TIMER_B: NOT_RUNNING,
        I.TIMER_D: NOT_RUNNING,
        I.TIMER_M: (C.END, TERMINATED, "RFC 6026 §7.2"),
        I.CANCEL_TIMER: NOT_RUNNING,
        I.OTHER_FLOW: NO_FLOW_LEFT,
        I.TRANSPORT_ERROR: "RFC 6026 §7.2: nothing is sent in Accepted; a 2xx may come by a new stream",
    },
    TERMINATED: dict.fromkeys(
        (
            I.PROVISIONAL, I.SUCCESS, I.FAILURE, I.CANCEL, I.TIMER_A, I.TIMER_B, I.TIMER_D, I.TIMER_M,
            I.CANCEL_TIMER, I.OTHER_FLOW, I.TRANSPORT_ERROR,
        ),
        GONE,
    ),
}  # fmt: skip

NON_INVITE_CLIENT: Expected = {
    TRYING: {
        I.PROVISIONAL: (C.DELIVER, PROCEEDING, "§17.1.2.2: passed up; timers E and F go on"),
        I.FINAL: (C.DELIVER_FINAL, COMPLETED, "§17.1.2.2: passed up, timer K"),
        I.CANCEL: "§9.1: only an INVITE is cancelled",
        I.TIMER_E: (C.RESEND_REQUEST, TRYING, "§17.1.2.2: retransmit, double up to T2"),
        I.TIMER_F: (C.TIME_OUT, TERMINATED, "§17.1.2.2: inform the user of a timeout"),
        I.TIMER_K: NOT_RUNNING,
        I.OTHER_FLOW: (C.MOVE_REQUEST, TRYING, "§18.1.1: TCP refused, retry over UDP"),
        I.TRANSPORT_ERROR: (C.FAIL, TERMINATED, "§17.1.2.2, §17.1.4"),
    },
    PROCEEDING: {
        I.PROVISIONAL: (C.DELIVER, PROCEEDING, "figure 6"),
        I.FINAL: (C.DELIVER_FINAL, COMPLETED, "§17.1.2.2"),
        I.CANCEL: "§9.1: only an INVITE is cancelled",
        I.TIMER_E: (C.RESEND_REQUEST, PROCEEDING, "§17.1.2.2: retransmit, then every T2"),
        I.TIMER_F: (C.TIME_OUT, TERMINATED, "§17.1.2.2"),
        I.TIMER_K: NOT_RUNNING,
        I.OTHER_FLOW: NO_FLOW_LEFT,
        I.TRANSPORT_ERROR: (C.FAIL, TERMINATED, "§17.1.2.2, §17.1.4"),
    },
    COMPLETED: {
        I.PROVISIONAL: "§17.1.2.2: Completed absorbs further responses",
        I.FINAL: "§17.1.2.2: Completed absorbs repeated final responses",
        I.CANCEL: "§9.1: only an INVITE is cancelled",
        I.TIMER_E: NOT_RUNNING,
        I.TIMER_F: NOT_RUNNING,
        I.TIMER_K: (C.END, TERMINATED, "§17.1.2.2"),
        I.OTHER_FLOW: NO_FLOW_LEFT,
        I.TRANSPORT_ERROR: "figure 6: nothing is sent in Completed",
    },
    TERMINATED: dict.fromkeys(
        (I.PROVISIONAL, I.FINAL, I.CANCEL, I.TIMER_E, I.TIMER_F, I.TIMER_K, I.OTHER_FLOW, I.TRANSPORT_ERROR),
        GONE,
    ),
}

INVITE_SERVER: Expected = {
    PROCEEDING: {
        I.PROVISIONAL: (S.SEND_RESPONSE, PROCEEDING, "§17.2.1: any number of provisional responses"),
        I.SUCCESS: (S.SEND_SUCCESS, ACCEPTED, "RFC 6026 §7.1: sent, timer L"),
        I.FAILURE: (S.SEND_FAILURE, COMPLETED, "§17.2.1: sent, timers G (unreliable transports) and H"),
        I.REQUEST: (S.RESEND_RESPONSE, PROCEEDING, "§17.2.1: the most recent provisional response again"),
        I.ACK: "§17.2.1: an ACK before any final response acknowledges nothing",
        I.CANCEL: (S.DELIVER_CANCEL, PROCEEDING, "§9.2: the user answers the INVITE with 487"),
        I.TIMER_G: NOT_RUNNING,
        I.TIMER_H: NOT_RUNNING,
        I.TIMER_I: NOT_RUNNING,
        I.TIMER_L: NOT_RUNNING,
        I.OTHER_FLOW: (S.MOVE, PROCEEDING, "§18.2.2: the connection closed, responses go by a new one"),
        I.TRANSPORT_ERROR: (S.UNDELIVERED, PROCEEDING, "§17.2.4 as RFC 6026 amends it: inform, stay"),
    },
    COMPLETED: {
        I.PROVISIONAL: "§17.2.1: a response after the final one is discarded",
        I.SUCCESS: "§17.2.1: a second final response is discarded",
        I.FAILURE: "§17.2.1: a second final response is discarded",
        I.REQUEST: (S.RESEND_RESPONSE, COMPLETED, "§17.2.1: the final response again"),
        I.ACK: (S.CONFIRM, CONFIRMED, "§17.2.1: timer G stops, timer I"),
        I.CANCEL: "§9.2: no effect after a final response",
        I.TIMER_G: (S.RESEND_RESPONSE, COMPLETED, "§17.2.1: again, double up to T2"),
        I.TIMER_H: (S.UNDELIVERED, TERMINATED, "§17.2.1: the ACK never came, inform the user"),
        I.TIMER_I: NOT_RUNNING,
        I.TIMER_L: NOT_RUNNING,
        I.OTHER_FLOW: (S.MOVE_RESPONSE, COMPLETED, "§18.2.2: sent again by a new connection"),
        I.TRANSPORT_ERROR: (S.UNDELIVERED, COMPLETED, "§17.2.4 as RFC 6026 amends it: inform, stay"),
    },
    CONFIRMED: {
        I.PROVISIONAL: "§17.2.1: a response after the final one is discarded",
        I.SUCCESS: "§17.2.1: a second final response is discarded",
        I.FAILURE: "§17.2.1: a second final response is discarded",
        I.REQUEST: "§17.2.1: the client has the response already; a late copy of the INVITE is absorbed",
        I.ACK: "§17.2.1: Confirmed absorbs further ACKs",
        I.CANCEL: "§9.2: no effect after a final response",
        I.TIMER_G: NOT_RUNNING,
        I.TIMER_H: NOT_RUNNING,
        I.TIMER_I: (S.END, TERMINATED, "§17.2.1"),
        I.TIMER_L: NOT_RUNNING,
        I.OTHER_FLOW: "figure 7: nothing is sent in Confirmed",
        I.TRANSPORT_ERROR: "figure 7: nothing is sent in Confirmed",
    },
    ACCEPTED: {
        I.PROVISIONAL: "RFC 6026 §7.1: only 2xx are sent",
        I.SUCCESS: (S.SEND_RESPONSE, ACCEPTED, "RFC 6026 §7.1: the user repeats its 2xx until the ACK"),
        I.FAILURE: "RFC 6026 §7.1: only 2xx are sent",
        I.REQUEST: "RFC 6026 §7.1: a repeated INVITE is absorbed, not passed up and not answered",
        I.ACK: (S.DELIVER_ACK, ACCEPTED, "RFC 6026 §7.1: passed up"),
        I.CANCEL: "§9.2: no effect after a final response",
        I.TIMER_G: NOT_RUNNING,
        I.TIMER_H: NOT_RUNNING,
        I.TIMER_I: NOT_RUNNING,
        I.TIMER_L: (S.END, TERMINATED, "RFC 6026 §7.1"),
        I.OTHER_FLOW: (S.MOVE, ACCEPTED, "§18.2.2: the next 2xx goes by a new connection"),
        I.TRANSPORT_ERROR: (S.UNDELIVERED, ACCEPTED, "RFC 6026 §7.1: inform, stay"),
    },
    TERMINATED: dict.fromkeys(
        (
            I.PROVISIONAL, I.SUCCESS, I.FAILURE, I.REQUEST, I.ACK, I.CANCEL, I.TIMER_G, I.TIMER_H, I.TIMER_I,
            I.TIMER_L, I.OTHER_FLOW, I.TRANSPORT_ERROR,
        ),
        GONE,
    ),
}  # fmt: skip

NON_INVITE_SERVER: Expected = {
    TRYING: {
        I.PROVISIONAL: (S.SEND_RESPONSE, PROCEEDING, "§17.2.2"),
        I.FINAL: (S.SEND_FINAL, COMPLETED, "§17.2.2: sent, timer J"),
        I.REQUEST: "§17.2.2: there is nothing to repeat yet; discarded",
        I.CANCEL: "§9.2: only an INVITE is cancelled",
        I.TIMER_J: NOT_RUNNING,
        I.OTHER_FLOW: (S.MOVE, TRYING, "§18.2.2: the response will go by a new connection"),
        I.TRANSPORT_ERROR: "figure 8: nothing has been sent; the response will be tried",
    },
    PROCEEDING: {
        I.PROVISIONAL: (S.SEND_RESPONSE, PROCEEDING, "§17.2.2"),
        I.FINAL: (S.SEND_FINAL, COMPLETED, "§17.2.2"),
        I.REQUEST: (S.RESEND_RESPONSE, PROCEEDING, "§17.2.2: the most recent provisional response again"),
        I.CANCEL: "§9.2: only an INVITE is cancelled",
        I.TIMER_J: NOT_RUNNING,
        I.OTHER_FLOW: (S.MOVE, PROCEEDING, "§18.2.2"),
        I.TRANSPORT_ERROR: "§17.2.4 as RFC 6026 amends it: stay; nobody waits for an acknowledgement",
    },
    COMPLETED: {
        I.PROVISIONAL: "§17.2.2: discarded after the final response",
        I.FINAL: "§17.2.2: any other final response is discarded",
        I.REQUEST: (S.RESEND_RESPONSE, COMPLETED, "§17.2.2: the final response again"),
        I.CANCEL: "§9.2: no effect after a final response",
        I.TIMER_J: (S.END, TERMINATED, "§17.2.2"),
        I.OTHER_FLOW: "§17.2.2: timer J is zero on the transports that have connections",
        I.TRANSPORT_ERROR: "§17.2.4 as RFC 6026 amends it: stay; the request may come again",
    },
    TERMINATED: dict.fromkeys(
        (I.PROVISIONAL, I.FINAL, I.REQUEST, I.CANCEL, I.TIMER_J, I.OTHER_FLOW, I.TRANSPORT_ERROR), GONE
    ),
}

MACHINES = (
    (INVITE_CLIENT_TABLE, INVITE_CLIENT),
    (NON_INVITE_CLIENT_TABLE, NON_INVITE_CLIENT),
    (INVITE_SERVER_TABLE, INVITE_SERVER),
    (NON_INVITE_SERVER_TABLE, NON_INVITE_SERVER),
)


def walk() -> list[object]:
    return [
        pytest.param(table, state, what, expected.get(state, {}).get(what), id=f"{table.name}/{state}/{what}")
        for table, expected in MACHINES
        for state, what in product(State, Input)
    ]


@pytest.mark.parametrize(("table", "state", "what", "cell"), walk())
def test_cell(table: Table[Action], state: State, what: Input, cell: Cell | None) -> None:
    machine = Machine(table)
    machine.state = state
    action = machine.step(what)
    if cell is None or isinstance(cell, str):  # None: not a state or an input of this machine
        assert action is None
        assert machine.state is state
    else:
        assert (action, machine.state) == cell[:2]


@pytest.mark.parametrize(("table", "expected"), MACHINES, ids=lambda value: getattr(value, "name", ""))
def test_every_pair_of_the_machine_has_a_rule(table: Table[Action], expected: Expected) -> None:
    inputs = set(expected[State.TERMINATED])
    assert {state: set(cells) for state, cells in expected.items()} == dict.fromkeys(expected, inputs)
    assert set(expected) == {state for state, _ in table.cells} | {to for _, to in table.cells.values()}
    assert {what for _, what in table.cells} <= inputs
    for cell in (cell for cells in expected.values() for cell in cells.values()):
        assert (cell if isinstance(cell, str) else cell[2]).strip()


@pytest.mark.parametrize(("table", "_expected"), MACHINES, ids=lambda value: getattr(value, "name", ""))
def test_every_state_is_reached_and_left(table: Table[Action], _expected: Expected) -> None:
    reached = {table.initial} | {to for _, to in table.cells.values()}
    left = {state for state, _ in table.cells}
    assert reached - left == {TERMINATED}
    assert left <= reached


def test_every_action_is_used() -> None:
    used = {action for table, _ in MACHINES for action, _ in table.cells.values()}
    assert used >= {*ClientAction, *ServerAction}


@pytest.mark.parametrize(
    ("table", "repeat", "expiry"),
    [
        (
            INVITE_CLIENT_TABLE,
            {CALLING: I.TIMER_A},
            {CALLING: I.TIMER_B, PROCEEDING: I.CANCEL_TIMER, COMPLETED: I.TIMER_D, ACCEPTED: I.TIMER_M},
        ),
        (
            NON_INVITE_CLIENT_TABLE,
            {TRYING: I.TIMER_E, PROCEEDING: I.TIMER_E},
            {TRYING: I.TIMER_F, PROCEEDING: I.TIMER_F, COMPLETED: I.TIMER_K},
        ),
        (
            INVITE_SERVER_TABLE,
            {COMPLETED: I.TIMER_G},
            {COMPLETED: I.TIMER_H, CONFIRMED: I.TIMER_I, ACCEPTED: I.TIMER_L},
        ),
        (NON_INVITE_SERVER_TABLE, {}, {COMPLETED: I.TIMER_J}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_timers_by_state(
    table: Table[Action], repeat: Mapping[State, Input], expiry: Mapping[State, Input]
) -> None:
    assert table.repeat == repeat
    assert table.expiry == expiry
