"""Sessions over the real transaction layer, on a network that delays, reorders and loses datagrams."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import assert_never

import pytest

from pbx.ids import Ids
from pbx.sip.dialog import DialogId, received_id
from pbx.sip.flow import Flow
from pbx.sip.message import Request, parse, respond, validate_request, validate_response
from pbx.sip.outputs import (
    AckReceived,
    CancelReceived,
    Output,
    RequestReceived,
    ResponseReceived,
    ResponseUndelivered,
    TransactionFailed,
    Transmit,
)
from pbx.sip.session import InviteSession
from pbx.sip.session_events import (
    CancelRequest,
    DialogClosed,
    DialogOpened,
    SendAck,
    SendRequest,
    SendResponse,
    SessionEvent,
    SessionOutput,
)
from pbx.sip.session_table import OfferState, State
from pbx.sip.timers import Timers
from pbx.sip.transactions import TransactionLayer
from tests.sip.sessions import ALLOW, ANSWER, OFFER, ids, outgoing, words

TIMERS = Timers()


class Agent:
    """What the owner of sessions does: carries outputs between them and the layer."""

    def __init__(self, network: "Network", host: str, peer: str, seed: str) -> None:
        self.network = network
        self.flow = Flow("udp", (host, 5060), (peer, 5060))
        self.ids = ids(f"{seed}{host}")
        self.layer = TransactionLayer(
            TIMERS, self.ids, sent_by=lambda flow: f"{flow.local[0]}:{flow.local[1]}"
        )
        self.dialogs: dict[DialogId, InviteSession] = {}
        self.session_: InviteSession | None = None
        self.heard: list[SessionEvent] = []
        self.sent: list[str] = []

    @property
    def session(self) -> InviteSession:
        assert self.session_ is not None
        return self.session_

    @property
    def events(self) -> list[str]:
        return [word for word in words(self.heard) if not word.startswith("Dialog")]

    def receive(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Request):
            validate_request(message)
        else:
            validate_response(message)
        self.from_layer(self.layer.receive(message, self.flow, self.network.now))

    def from_layer(self, outputs: list[Output]) -> None:
        now = self.network.now
        for output in outputs:
            match output:
                case Transmit():
                    self.network.send(self, output.data)
                case RequestReceived():
                    self.request(output)
                case CancelReceived():
                    self.do(self.session.receive_cancel(now))
                case AckReceived():
                    session = self.dialogs.get(received_id(output.request))
                    if session is not None:
                        self.do(session.receive_ack(output.request, now))
                case ResponseReceived():
                    assert isinstance(output.user, InviteSession)
                    self.do(output.user.receive_response(output.transaction, output.response, now))
                case TransactionFailed():
                    assert isinstance(output.user, InviteSession)
                    self.do(output.user.transaction_failed(output.transaction, output.cause, now))
                case ResponseUndelivered():
                    self.do(self.session.response_undelivered(output.transaction, now))
                case _:
                    assert_never(output)

    def request(self, received: RequestReceived) -> None:
        now, request = self.network.now, received.request
        session = self.dialogs.get(received_id(request))
        if session is not None:
            self.do(session.receive_request(received.transaction, request, now))
        elif request.method == "INVITE" and request.to.tag is None:
            self.session_ = InviteSession.incoming(
                received.transaction,
                request,
                contact=f"<sip:{self.flow.local[0]}>",
                ids=self.ids,
                timers=TIMERS,
                allow=ALLOW,
                server="pbx/1",
            )
            self.do(self.session.trying(now))
        else:
            self.from_layer(self.layer.respond(received.transaction, respond(request, 481), now))

    def do(self, outputs: list[SessionOutput]) -> None:
        now = self.network.now
        for output in outputs:
            match output:
                case SendRequest():
                    transaction, more = self.layer.send_request(
                        output.request, self.flow, output.session, now
                    )
                    output.session.sent(transaction)
                    self.from_layer(more)
                case SendAck():
                    self.from_layer(self.layer.send_ack(output.request, self.flow))
                case SendResponse():
                    self.from_layer(self.layer.respond(output.transaction, output.response, now))
                case CancelRequest():
                    self.from_layer(self.layer.cancel(output.transaction, now))
                case DialogOpened():
                    self.dialogs[output.id] = self.session
                case DialogClosed():
                    del self.dialogs[output.id]
                case _:
                    self.heard.append(output)

    def next_deadline(self) -> float | None:
        own = None if self.session_ is None else self.session_.next_deadline()
        dues = [due for due in (own, self.layer.next_deadline()) if due is not None]
        return min(dues, default=None)

    def handle_timer(self) -> None:
        self.from_layer(self.layer.handle_timer(self.network.now))
        if self.session_ is not None:
            self.do(self.session_.handle_timer(self.network.now))


class Network:
    """Two agents; `loss` of 256 datagrams is lost, each takes 5 to 260 ms, so they overtake each other."""

    def __init__(self, seed: str = "x", loss: int = 0, *, jitter: bool = False) -> None:
        self.now = 1000.0
        self.random: Ids = ids(seed)
        self.loss = loss
        self.jitter = jitter
        self.serial = 0
        self.queue: list[tuple[float, int, Agent, bytes]] = []
        self.alice = Agent(self, "192.0.2.1", "192.0.2.2", seed)
        self.bob = Agent(self, "192.0.2.2", "192.0.2.1", seed)
        self.log: list[str] = []

    def send(self, agent: Agent, data: bytes) -> None:
        self.serial += 1
        message = parse(data)
        self.log.append(
            message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
        )
        if self.random.number(8) < self.loss:
            return
        delay = 0.005 + (self.random.number(8) / 1000 if self.jitter else 0.0)
        peer = self.bob if agent is self.alice else self.alice
        heappush(self.queue, (self.now + delay, self.serial, peer, data))

    def run(self, until: float) -> None:
        """Go from one event to the next."""
        for _ in range(10_000):
            dues = [due for due in (self.alice.next_deadline(), self.bob.next_deadline()) if due is not None]
            if self.queue:
                dues.append(self.queue[0][0])
            due = min(dues, default=until)
            if due >= until:
                self.now = until
                return
            self.now = max(self.now, due)
            while self.queue and self.queue[0][0] <= self.now:
                _, _, agent, data = heappop(self.queue)
                agent.receive(data)
            self.alice.handle_timer()
            self.bob.handle_timer()
        raise AssertionError("it does not come to rest")

    def call(self) -> None:
        self.alice.session_ = outgoing(seed=f"{self.random.token()}")
        self.alice.do(self.alice.session.start(self.now))

    def leftovers(self) -> list[object]:
        """What is still kept for a call that is over."""
        return [
            *self.alice.dialogs,
            *self.bob.dialogs,
            *[
                kind
                for agent in (self.alice, self.bob)
                for kind, count in agent.layer.counts.items()
                if count
            ],
            *[due for agent in (self.alice, self.bob) if (due := agent.next_deadline()) is not None],
        ]


def test_a_call() -> None:
    network = Network()
    network.call()
    network.run(network.now + 1)
    network.bob.do(network.bob.session.ring(180, "", None, network.now))
    network.run(network.now + 1)
    network.bob.do(network.bob.session.accept(ANSWER, network.now))
    network.run(network.now + 1)
    network.alice.do(network.alice.session.bye(network.now))
    network.run(network.now + 1)
    assert network.log == [
        "INVITE", "100 INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE",
    ]  # fmt: skip
    assert network.alice.events == ["Progressed 180", "Answered", "Ended bye"]
    assert network.bob.events == ["Acknowledged", "Ended bye"]
    network.run(network.now + 40)
    assert network.leftovers() == []


def test_cancel_before_any_response() -> None:
    network = Network()
    network.call()
    network.alice.do(network.alice.session.cancel(network.now))
    network.run(network.now + 1)
    assert network.log == ["INVITE", "100 INVITE", "CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert network.alice.events == network.bob.events == ["Cancelled"]
    network.run(network.now + 40)
    assert network.leftovers() == []


def test_an_answer_that_crosses_the_cancel() -> None:
    network = Network()
    network.call()
    network.run(network.now + 1)
    network.alice.do(network.alice.session.cancel(network.now))
    network.bob.do(network.bob.session.accept(ANSWER, network.now))
    network.run(network.now + 1)
    assert network.alice.events == ["Cancelled"]
    assert network.bob.events == ["Acknowledged", "Ended bye"]
    assert network.log.count("ACK") == 1
    network.run(network.now + 40)
    assert network.leftovers() == []


def test_nobody_there() -> None:
    network = Network(loss=256)
    network.call()
    network.run(network.now + 33)
    assert network.alice.events == ["Refused 408"]
    assert network.leftovers() == []


def test_the_peer_is_gone() -> None:
    network = Network()
    network.call()
    network.run(network.now + 1)
    network.bob.do(network.bob.session.accept(ANSWER, network.now))
    network.run(network.now + 1)
    network.loss = 256
    network.alice.do(network.alice.session.offer(OFFER, network.now))
    network.run(network.now + 33)
    assert network.alice.events == ["Answered", "Ended timeout"]
    assert state(network.alice) is State.CLEARING
    network.run(network.now + 33)
    assert state(network.alice) is State.ENDED
    assert network.alice.dialogs == {}
    network.bob.do(network.bob.session.bye(network.now))
    network.run(network.now + 40)
    assert network.bob.events == ["Acknowledged", "Ended bye"]
    assert network.leftovers() == []


def test_glare() -> None:
    network = Network()
    network.call()
    network.run(network.now + 1)
    network.bob.do(network.bob.session.accept(ANSWER, network.now))
    network.run(network.now + 1)
    network.alice.do(network.alice.session.offer(OFFER, network.now))
    network.bob.do(network.bob.session.offer(OFFER, network.now))
    network.run(network.now + 2.05)
    assert network.log.count("491 INVITE") == 2
    assert network.alice.events == ["Answered", "OfferRefused 491", "Offered INVITE"]
    network.alice.do(network.alice.session.answer(ANSWER, network.now))
    network.run(network.now + 1)
    assert network.bob.events == ["Acknowledged", "OfferAccepted"]
    network.alice.do(network.alice.session.end(network.now))
    network.run(network.now + 40)
    assert network.leftovers() == []


def state(agent: Agent) -> State:
    return agent.session.state


def answer_what_waits(network: Network, agent: Agent) -> None:
    if agent.session_ is not None and agent.session.offer_state in {
        OfferState.ASKED,
        OfferState.ASKED_UPDATE,
    }:
        agent.do(agent.session.answer(ANSWER, network.now))


def accept(network: Network) -> None:
    session = network.bob.session_
    if session is not None and session.state in {State.RECEIVED, State.RINGING}:
        network.bob.do(session.accept(ANSWER, network.now))


def ring(network: Network) -> None:
    session = network.bob.session_
    if session is not None and session.state in {State.RECEIVED, State.RINGING}:
        network.bob.do(session.ring(180, "", None, network.now))


def offer(network: Network) -> None:
    for agent in (network.alice, network.bob):
        if agent.session_ is not None and agent.session.may_offer:
            agent.do(agent.session.offer(OFFER, network.now))


def end(agent: str) -> Callable[[Network], None]:
    def act(network: Network) -> None:
        chosen: Agent = getattr(network, agent)
        if chosen.session_ is not None:
            chosen.do(chosen.session.end(network.now))

    return act


SCRIPTS: dict[str, list[Callable[[Network], None]]] = {
    "the caller hangs up": [ring, accept, end("alice")],
    "the callee hangs up": [ring, accept, end("bob")],
    "both hang up": [ring, accept, end("alice"), end("bob")],
    "cancelled": [ring, end("alice")],
    "cancelled while answered": [end("alice"), accept],
    "refused": [ring, end("bob")],
    "offers in a talk": [accept, offer, offer, offer, end("alice")],
    "never ended by the caller": [accept, offer, end("bob")],
}
FINAL = {"Refused", "Cancelled", "Ended"}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_call_ends_and_leaves_nothing(script: str, seed: int) -> None:
    network = Network(f"{script}{seed}", loss=seed * 12, jitter=True)
    network.call()
    for act in SCRIPTS[script]:
        network.run(network.now + 0.02 * (1 + network.random.number(8)))
        act(network)
        for _ in range(3):
            network.run(network.now + 0.1)
            answer_what_waits(network, network.alice)
            answer_what_waits(network, network.bob)
    network.run(network.now + 40)
    end("alice")(network)
    end("bob")(network)
    network.run(network.now + 140)
    assert network.leftovers() == []
    assert state(network.alice) is State.ENDED
    assert outcomes(network.alice) == network.alice.events[-1:]
    if network.bob.session_ is not None:  # else nothing ever reached it
        assert state(network.bob) is State.ENDED
        assert len(outcomes(network.bob)) <= 1  # none after its own refusal


def outcomes(agent: Agent) -> list[str]:
    return words([event for event in agent.heard if type(event).__name__ in FINAL])
