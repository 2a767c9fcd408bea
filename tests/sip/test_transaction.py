"""Every cell of the transaction tables, done by the real machines; what lingers is light."""

from itertools import product

import pytest

from pbx.errors import MisuseError
from pbx.sip.flow import Flow
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    Output,
    ResponseReceived,
    ResponseUndelivered,
    TransactionFailed,
    Transmit,
)
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from pbx.sip.transaction_tables import (
    INVITE_CLIENT_TABLE,
    INVITE_SERVER_TABLE,
    NON_INVITE_CLIENT_TABLE,
    NON_INVITE_SERVER_TABLE,
    ClientAction,
    Input,
    ServerAction,
    State,
    Table,
)
from tests.sip.machines import USER, client, kinds, sent, server
from tests.sip.wire import PBX, UDP, answer, request


def client_in(table: Table[ClientAction], state: State) -> ClientTransaction:
    machine = client("INVITE" if table is INVITE_CLIENT_TABLE else "OPTIONS")
    first = sent(machine.start(0.0))
    reach = {State.PROCEEDING: 180, State.ACCEPTED: 200}
    if state is State.COMPLETED:
        machine.receive(answer(first, 486), UDP, 0.0)
    elif state in reach:
        machine.receive(answer(first, reach[state]), UDP, 0.0)
    elif state is State.TERMINATED:
        machine.transport_failed(0.0)
    assert machine.state is state
    return machine


def server_in(table: Table[ServerAction], state: State) -> ServerTransaction:
    machine = server("INVITE" if table is INVITE_SERVER_TABLE else "OPTIONS")
    asked = machine.request
    if state is State.PROCEEDING:
        machine.respond(answer(asked, 180), 0.0)
    elif state in {State.COMPLETED, State.CONFIRMED, State.TERMINATED}:
        machine.respond(answer(asked, 486), 0.0)
    elif state is State.ACCEPTED:
        machine.respond(answer(asked, 200), 0.0)
    if state is State.CONFIRMED:
        machine.receive_ack(request("ACK"), UDP, 0.0)
    if state is State.TERMINATED:
        machine.handle_timer(1000.0)
    assert machine.state is state
    return machine


def tell_client(machine: ClientTransaction, what: Input) -> list[Output]:
    statuses = {Input.PROVISIONAL: 181, Input.SUCCESS: 202, Input.FAILURE: 603, Input.FINAL: 404}
    if what in statuses:
        invite = request(machine.method)
        return machine.receive(answer(invite, statuses[what]), UDP, 1.0)
    match what:
        case Input.CANCEL:
            machine.cancel(1.0)
            return []
        case Input.OTHER_FLOW:
            machine.fallback = Flow("udp", PBX, ("192.0.2.3", 5060))
            return machine.move(1.0)
        case Input.TRANSPORT_ERROR:
            return machine.transport_failed(1.0)
        case _:
            return fire(machine, what)


def tell_server(machine: ServerTransaction, what: Input) -> list[Output]:
    statuses = {Input.PROVISIONAL: 181, Input.SUCCESS: 202, Input.FAILURE: 603, Input.FINAL: 404}
    if what in statuses:
        return machine.respond(answer(request(machine.method), statuses[what]), 1.0)
    match what:
        case Input.REQUEST:
            return machine.receive_again(1.0)
        case Input.ACK:
            return machine.receive_ack(request("ACK"), UDP, 1.0)
        case Input.CANCEL:
            return machine.receive_cancel(1.0)
        case Input.OTHER_FLOW:
            machine.return_port = 5060
            return machine.transport_failed(1.0)
        case Input.TRANSPORT_ERROR:
            return machine.transport_failed(1.0)
        case _:
            return fire(machine, what)


def fire(machine: ClientTransaction | ServerTransaction, timer: Input) -> list[Output]:
    """Wake the machine when `timer` is due; a timer that does not run in this state has no time."""
    if timer is machine.table.repeat.get(machine.state):
        assert machine.resend_at < machine.expires_at
        return machine.handle_timer(machine.resend_at)
    if timer is machine.table.expiry.get(machine.state):
        if timer is Input.CANCEL_TIMER:
            assert isinstance(machine, ClientTransaction)
            machine.cancel(1.0)
        return machine.handle_timer(machine.expires_at)
    assert machine.step(timer) is None
    return []


SERVER_OUTPUTS: dict[ServerAction, list[type[Output]]] = {
    ServerAction.SEND_RESPONSE: [Transmit],
    ServerAction.SEND_SUCCESS: [Transmit],
    ServerAction.SEND_FAILURE: [Transmit],
    ServerAction.SEND_FINAL: [Transmit],
    ServerAction.RESEND_RESPONSE: [Transmit],
    ServerAction.MOVE: [],
    ServerAction.MOVE_RESPONSE: [Transmit],
    ServerAction.CONFIRM: [],
    ServerAction.DELIVER_ACK: [AckReceived],
    ServerAction.DELIVER_CANCEL: [CancelReceived],
    ServerAction.UNDELIVERED: [ResponseUndelivered],
    ServerAction.END: [],
}
CLIENT_OUTPUTS: dict[ClientAction, list[type[Output]]] = {
    ClientAction.DELIVER: [ResponseReceived],
    ClientAction.PROCEED: [ResponseReceived],
    ClientAction.DELIVER_FINAL: [ResponseReceived],
    ClientAction.ACCEPT: [ResponseReceived],
    ClientAction.ACKNOWLEDGE: [Transmit, ResponseReceived],
    ClientAction.RESEND_ACK: [Transmit],
    ClientAction.RESEND_REQUEST: [Transmit],
    ClientAction.MOVE_REQUEST: [Transmit],
    ClientAction.HOLD_CANCEL: [],
    ClientAction.SEND_CANCEL: [],
    ClientAction.TIME_OUT: [TransactionFailed],
    ClientAction.FAIL: [TransactionFailed],
    ClientAction.END: [],
}


def states_and_inputs(table: Table[ClientAction] | Table[ServerAction]) -> list[tuple[State, Input]]:
    states = {state for state, _ in table.cells} | {State.TERMINATED}
    inputs = {what for _, what in table.cells}
    return sorted(product(states, inputs))


@pytest.mark.parametrize(
    "table", [INVITE_CLIENT_TABLE, NON_INVITE_CLIENT_TABLE], ids=lambda table: table.name
)
def test_client_does_what_its_cells_say(table: Table[ClientAction]) -> None:
    for state, what in states_and_inputs(table):
        machine = client_in(table, state)
        cell = table.cells.get((state, what))
        outputs = tell_client(machine, what)
        assert kinds(outputs) == (CLIENT_OUTPUTS[cell[0]] if cell else []), (state, what)
        assert machine.state is (cell[1] if cell else state), (state, what)
        assert_timers_fit(machine)


@pytest.mark.parametrize(
    "table", [INVITE_SERVER_TABLE, NON_INVITE_SERVER_TABLE], ids=lambda table: table.name
)
def test_server_does_what_its_cells_say(table: Table[ServerAction]) -> None:
    for state, what in states_and_inputs(table):
        machine = server_in(table, state)
        cell = table.cells.get((state, what))
        expected = SERVER_OUTPUTS[cell[0]] if cell else []
        assert kinds(tell_server(machine, what)) == expected, (state, what)
        assert machine.state is (cell[1] if cell else state), (state, what)
        assert_timers_fit(machine)


def assert_timers_fit(machine: ClientTransaction | ServerTransaction) -> None:
    """A due time only where the table has a timer for it, and none after the end."""
    never = float("inf")
    assert machine.state in machine.table.repeat or machine.resend_at == never
    assert machine.state in machine.table.expiry or machine.expires_at == never
    assert machine.state is not State.TERMINATED or machine.next_deadline() is None


# What lingers is light


def test_a_shed_transaction_gives_up_its_request() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 486), UDP, 0.1)
    machine.shed()
    assert machine._request is None
    assert machine.user is None
    with pytest.raises(MisuseError):
        _ = machine.request
    assert kinds(machine.receive(answer(first, 486), UDP, 0.7)) == [Transmit]


def test_an_accepted_client_keeps_what_later_2xx_need() -> None:
    machine = client()
    first = sent(machine.start(0.0))
    machine.receive(answer(first, 200), UDP, 0.1)
    machine.shed()
    (output,) = machine.receive(answer(first, 200, to_tag="fork"), UDP, 0.7)
    assert isinstance(output, ResponseReceived)
    assert output.user is USER
    assert machine.request.method == "INVITE"


def test_a_shed_server_still_answers() -> None:
    machine = server("OPTIONS")
    machine.user = USER
    final = sent(machine.respond(answer(machine.request, 200), 0.0))
    machine.shed()
    assert (machine._request, machine.user, machine.last) == (None, None, None)
    assert machine.receive_again(0.5) == [Transmit(UDP, final)]


def test_an_acknowledged_server_lets_go_of_its_user() -> None:
    machine = server()
    machine.user = USER
    machine.respond(answer(machine.request, 486), 0.0)
    machine.shed()
    assert machine.user is USER  # timer H would be told to it
    machine.receive_ack(request("ACK"), UDP, 0.1)
    assert machine.user is None


def test_it_prints_its_kind_and_state() -> None:
    assert repr(client()) == "<INVITE client transaction Calling>"
    assert repr(server("OPTIONS")) == "<non-INVITE server transaction Trying>"
