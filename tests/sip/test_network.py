"""Transactions over a bad network: each one ends, its user hears one outcome, and nothing is left over."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response, respond
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    Output,
    RequestReceived,
    ResponseReceived,
    ResponseUndelivered,
    TransactionFailed,
)
from pbx.sip.timers import Timers
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from pbx.sip.transaction_tables import State
from tests.sip.network import Network, Node, Weather

TIMERS = Timers()


@dataclass
class Caller:
    """Sends requests, acknowledges 2xx, and notes what each request came to."""

    finals: dict[ClientTransaction, list[int]] = field(default_factory=dict)
    failures: dict[ClientTransaction, list[str]] = field(default_factory=dict)
    provisionals: Counter[int] = field(default_factory=Counter)

    def call(
        self, node: Node, flow: Flow, method: str, number: int, fallback: Flow | None = None
    ) -> ClientTransaction:
        request = Request.make(
            method,
            "sip:callee@pbx.example",
            [
                ("Max-Forwards", "70"),
                ("From", f"<sip:caller@pbx.example>;tag=c{number}"),
                ("To", "<sip:callee@pbx.example>"),
                ("Call-ID", f"call-{number}"),
                ("CSeq", f"1 {method}"),
            ],
        )
        transaction, outputs = node.layer.send_request(request, flow, number, node.now, fallback=fallback)
        self.finals[transaction] = []
        self.failures[transaction] = []
        node.do(outputs)
        return transaction

    def take(self, node: Node, output: Output) -> None:
        match output:
            case ResponseReceived(user, transaction, response, flow):
                assert isinstance(user, int)
                if response.status < 200:
                    self.provisionals[response.status] += 1
                    return
                self.finals[transaction].append(response.status)
                if transaction.method == "INVITE" and response.status < 300:
                    node.do(node.layer.send_ack(self.ack(transaction, response), flow))
            case TransactionFailed(user, transaction, cause):
                assert isinstance(user, int)
                self.failures[transaction].append(cause)
            case _:
                raise AssertionError(output)

    @staticmethod
    def ack(transaction: ClientTransaction, response: Response) -> Request:
        headers = [(name, response.get(name) or "") for name in ("from", "to", "call-id")]
        return Request.make(
            "ACK", transaction.request.uri, [*headers, ("cseq", "1 ACK"), ("max-forwards", "70")]
        )


@dataclass
class Callee:
    """Rings for a while and answers as the dice say; repeats its 2xx until the ACK, as a session does."""

    statuses: tuple[int, ...] = (200, 200, 302, 404, 486, 603)
    ring: tuple[float, float] = (0.0, 70.0)
    think: tuple[float, float] = (0.0, 6.0)
    requests: Counter[str] = field(default_factory=Counter)
    pending: dict[ServerTransaction, Request] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    undelivered: int = 0
    cancelled: int = 0

    def take(self, node: Node, output: Output) -> None:
        match output:
            case RequestReceived(transaction, request, _):
                self.requests[request.top_via.branch or ""] += 1
                self.pending[transaction] = request
                self.serve(node, transaction)
            case CancelReceived(transaction):
                self.cancelled += 1
                self.answer(node, transaction, 487)
            case AckReceived(request, _):
                self.acknowledged.add(request.call_id)
            case ResponseUndelivered(transaction):
                self.undelivered += 1
                self.answer(node, transaction, 480)
            case _:
                raise AssertionError(output)

    def serve(self, node: Node, transaction: ServerTransaction) -> None:
        dice = node.network.dice
        status = dice.choose(self.statuses)
        delay = dice.between(*self.think)
        if transaction.method == "INVITE":
            self.answer(node, transaction, 100)
            node.later(min(delay, 1.0), lambda: self.answer(node, transaction, 180))
            delay = dice.between(*self.ring)
        node.later(delay, lambda: self.answer(node, transaction, status))

    def answer(self, node: Node, transaction: ServerTransaction, status: int) -> None:
        request = self.pending.get(transaction)
        if request is None:
            return
        response = respond(request, status, to_tag="callee")
        if status >= 200:
            del self.pending[transaction]
            if transaction.method == "INVITE" and status < 300:
                self.repeat(
                    node, transaction, response, request.call_id, TIMERS.t1, node.now + 64 * TIMERS.t1
                )
                return
        node.do(node.layer.respond(transaction, response, node.now))

    def repeat(
        self,
        node: Node,
        transaction: ServerTransaction,
        ok: Response,
        call_id: str,
        interval: float,
        end: float,
    ) -> None:
        """§13.3.1.4: a 2xx again, at intervals up to T2, until its ACK."""
        if call_id in self.acknowledged or node.now >= end:
            return
        node.do(node.layer.respond(transaction, ok, node.now))
        following = min(2 * interval, TIMERS.t2)
        node.later(interval, lambda: self.repeat(node, transaction, ok, call_id, following, end))


@dataclass
class World:
    """A caller, a callee and what is between them."""

    network: Network
    caller: Caller
    callee: Callee
    here: Node
    there: Node

    def call(
        self, method: str, number: int, flow: Flow | None = None, fallback: Flow | None = None
    ) -> ClientTransaction:
        flow = flow or self.here.flow(self.there)
        return self.caller.call(self.here, flow, method, number, fallback)

    def ring(self, number: int, flow: Flow | None = None, *, patience: float = 200.0) -> None:
        """Call for a limited time: a transaction alone would wait for a phone that is gone (§17.1.1.2)."""
        transaction = self.call("INVITE", number, flow)
        self.here.later(patience, lambda: self.cancel(transaction))

    def cancel(self, transaction: ClientTransaction) -> None:
        self.here.do(self.here.layer.cancel(transaction, self.network.now))

    def outcome(self, transaction: ClientTransaction) -> int | str:
        """What the one request came to; fails unless it came to one thing."""
        finals, failures = self.caller.finals[transaction], self.caller.failures[transaction]
        assert transaction.state is State.TERMINATED
        if failures:
            assert (finals, len(failures)) == ([], 1)
            return failures[0]
        assert len(set(finals)) == 1
        assert len(finals) == 1 or (transaction.method == "INVITE" and finals[0] < 300)
        return finals[0]

    def outcomes(self) -> list[int | str]:
        return [self.outcome(transaction) for transaction in self.caller.finals]

    def assert_at_rest(self) -> None:
        assert not self.callee.pending
        assert set(self.callee.requests.values()) <= {1}
        for node in self.network.nodes.values():
            layer = node.layer
            assert (len(layer), layer.next_deadline(), len(layer._deadlines)) == (0, None, 0)
            for book in (layer._clients, layer._servers, layer._merge, layer._by_remote):
                assert not book
            assert layer.counters.malformed == 0


def make_world(seed: object, weather: Weather | None = None, callee: Callee | None = None) -> World:
    network = Network(seed, weather, TIMERS)
    caller, callee = Caller(), callee or Callee()
    return World(network, caller, callee, network.add("192.0.2.1", caller), network.add("192.0.2.2", callee))


def start_at_random(world: World, count: int) -> None:
    """Requests of both kinds over half a minute, some of which are cancelled."""
    dice = world.network.dice

    for number in range(count):
        begin, patience = dice.between(0.0, 30.0), dice.between(0.0, 80.0) if dice.chance(0.4) else 200.0
        if dice.chance(0.6):
            world.network.plan(begin, partial(world.ring, number, patience=patience))
        else:
            world.network.plan(begin, partial(world.call, "OPTIONS", number))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    loss=st.floats(0.0, 0.9),
    duplication=st.floats(0.0, 0.6),
    spread=st.floats(0.0, 2.0),
)
def test_everything_ends_once_and_nothing_is_left(
    seed: int, loss: float, duplication: float, spread: float
) -> None:
    world = make_world(seed, Weather(loss, duplication, (0.001, 0.001 + spread)))
    start_at_random(world, 8)
    world.network.run()
    assert len(world.outcomes()) == 8
    world.assert_at_rest()


@pytest.mark.parametrize("seed", range(5))
def test_a_third_of_all_datagrams_may_be_lost(seed: int) -> None:
    """Retransmission does its work: with 30 % loss (seeded), hardly anything fails."""
    world = make_world(seed, Weather(0.3, 0.1, (0.01, 0.3)))
    for number in range(20):
        if number % 2:
            world.ring(number)
        else:
            world.call("OPTIONS", number)
    world.network.run()
    world.assert_at_rest()
    assert Counter(type(outcome) for outcome in world.outcomes())[int] >= 19


def test_when_nothing_arrives_everything_times_out() -> None:
    world = make_world(1, Weather(loss=1.0))
    world.call("INVITE", 1)
    world.call("OPTIONS", 2)
    world.network.run()
    assert world.outcomes() == ["timeout", "timeout"]
    assert world.network.datagrams == 7 + 11
    assert world.network.now == 32.0
    world.assert_at_rest()


def messages(node: Node) -> list[str | int]:
    return [message.method if isinstance(message, Request) else message.status for message in node.received]


@pytest.mark.parametrize("status", [200, 486])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_in_good_weather_nothing_is_said_twice(status: int, transport: str) -> None:
    world = make_world(1, callee=Callee((status,), ring=(10.0, 10.0)))
    invite = world.call("INVITE", 1, world.here.flow(world.there, transport))
    world.network.run()
    assert world.outcome(invite) == status
    assert messages(world.there) == ["INVITE", "ACK"]
    assert messages(world.here) == [100, 180, status]
    world.assert_at_rest()


def test_a_phone_that_rings_for_five_minutes_can_still_answer() -> None:
    world = make_world(1, Weather(loss=0.2), Callee((200,), ring=(300.0, 300.0)))
    invite = world.call("INVITE", 1)
    world.network.run()
    assert world.outcome(invite) == 200
    world.assert_at_rest()


def test_a_slow_answer_to_another_request_is_waited_for() -> None:
    world = make_world(1, callee=Callee((200,), think=(5.0, 5.0)))
    options = world.call("OPTIONS", 1)
    world.network.run()
    assert world.outcome(options) == 200
    assert messages(world.there) == ["OPTIONS"] * 4  # at 0, 0.5, 1.5 and 3.5 s
    assert messages(world.here) == [200]
    world.assert_at_rest()


def test_a_cancelled_call_ends_in_487() -> None:
    world = make_world(1)
    invite = world.call("INVITE", 1)
    world.cancel(invite)
    world.network.run()
    assert world.outcome(invite) == 487
    assert messages(world.there) == ["INVITE", "CANCEL", "ACK"]
    assert world.callee.cancelled == 1
    world.assert_at_rest()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_streams_that_break_leave_nothing_behind(seed: int) -> None:
    world = make_world(seed)
    network, dice = world.network, world.network.dice

    def call(number: int) -> None:
        flow = world.here.flow(world.there, "tcp")
        if dice.chance(0.6):
            world.ring(number, flow)
        else:
            world.call("OPTIONS", number, flow)

    for number in range(6):
        network.plan(dice.between(0.0, 30.0), partial(call, number))

    def break_one() -> None:
        if network.streams:
            network.close(*dice.choose(network.streams))

    for _ in range(4):
        network.plan(dice.between(0.0, 60.0), break_one)
    network.run()
    assert len(world.outcomes()) == 6
    assert set(world.outcomes()) <= {200, 302, 404, 486, 603, 480, "transport", "timeout"}
    world.assert_at_rest()


def test_where_streams_are_refused_a_datagram_gets_through() -> None:
    world = make_world(1, callee=Callee((200,)))
    refused = Flow("tcp", world.here.address, ("192.0.2.99", 5060), 0)
    invite = world.call("INVITE", 1, refused, fallback=world.here.flow(world.there))
    lost = world.call("OPTIONS", 2, refused)
    world.network.run()
    assert (world.outcome(invite), world.outcome(lost)) == (200, "transport")
    world.assert_at_rest()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_gives_the_same_run(seed: int) -> None:
    def trace() -> list[list[str | int]]:
        world = make_world(seed, Weather(0.3, 0.3, (0.01, 1.0)))
        start_at_random(world, 6)
        world.network.run()
        return [messages(world.here), messages(world.there)]

    assert trace() == trace()
