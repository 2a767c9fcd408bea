"""Two phones with INVITE sessions on an in-memory link: messages are printed and parsed, no more.

What a transaction layer would do is left out but for matching by branch: nothing is retransmitted, nothing is
absorbed, so each message that a test sees was sent by a session.
"""

from collections import deque
from collections.abc import Callable, Sequence

from pbx.sip.message import Request, Response, respond
from pbx.sip.session import InviteSession
from pbx.sip.session_events import (
    CancelRequest,
    SendAck,
    SendRequest,
    SendResponse,
    SessionEvent,
    SessionOutput,
)
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from tests.sip.sessions import ANSWER, OFFER, client, incoming, outgoing, server, wire, words


class Phone:
    """One side: a session, what was heard, and the transactions that are open."""

    def __init__(self, link: "Link", name: str) -> None:
        self.link = link
        self.name = name
        self.session_: InviteSession | None = None
        self.heard: list[SessionEvent] = []
        self.inbox: deque[Request | Response | str] = deque()
        self.clients: dict[str, ClientTransaction] = {}
        self.pending: dict[str, ServerTransaction] = {}

    @property
    def session(self) -> InviteSession:
        assert self.session_ is not None
        return self.session_

    @property
    def events(self) -> list[str]:
        """What the owner heard, without the opening and closing of dialogs."""
        return [word for word in words(self.heard) if not word.startswith("Dialog")]

    @property
    def dialogs(self) -> list[str]:
        return [word for word in words(self.heard) if word.startswith("Dialog")]

    def do(self, outputs: Sequence[SessionOutput]) -> list[str]:
        """Carry out what a session said, in order."""
        for output in outputs:
            match output:
                case SendRequest():
                    branch = f"z9hG4bK{self.name}{self.link.next_number()}"
                    transaction = client(output.request, branch)
                    self.clients[branch] = transaction
                    output.session.sent(transaction)
                    self.send(output.request)
                case SendAck():
                    output.request.set(
                        "via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{self.link.next_number()}"
                    )
                    self.send(output.request)
                case SendResponse():
                    if output.response.status >= 300:
                        self.pending.pop(output.transaction.request.top_via.branch or "", None)
                    self.send(output.response)
                case CancelRequest():
                    self.link.log.append(f"{self.name} CANCEL")
                    self.other.inbox.append(output.transaction.branch)
                case _:
                    self.heard.append(output)
        return words(outputs)

    @property
    def other(self) -> "Phone":
        return self.link.bob if self is self.link.alice else self.link.alice

    def send(self, message: Request | Response) -> None:
        word = message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"
        if self.link.lose(self, message):
            self.link.log.append(f"{self.name} {word} lost")
            return
        self.link.log.append(f"{self.name} {word}")
        self.other.inbox.append(wire(message))

    def receive(self, message: Request | Response | str) -> None:
        now = self.link.now
        if isinstance(message, str):  # a CANCEL of the INVITE with this branch
            if message in self.pending:
                self.do(self.session.receive_cancel(now))
        elif isinstance(message, Response):
            transaction = self.clients[message.top_via.branch or ""]
            self.do(self.session.receive_response(transaction, message, now))
        elif message.method == "ACK":
            self.do(self.session.receive_ack(message, now))
        elif message.to.tag is None:
            transaction_ = server(message)
            self.pending[message.top_via.branch or ""] = transaction_
            self.session_ = incoming(message, transaction_)
        else:
            transaction_ = server(message)
            if message.method == "INVITE":
                self.pending[message.top_via.branch or ""] = transaction_
            if self.session_ is None:
                self.send(respond(message, 481))
            else:
                self.do(self.session_.receive_request(transaction_, message, now))


class Link:
    """Alice and Bob. Nothing moves until a test says so: then everything does, or one message."""

    def __init__(self) -> None:
        self.now = 100.0
        self.log: list[str] = []
        self.number = 0
        self.alice = Phone(self, "alice")
        self.bob = Phone(self, "bob")
        self.lose: Callable[[Phone, Request | Response], bool] = lambda _phone, _message: False

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def deliver(self, *phones: Phone) -> None:
        """Let messages arrive (at `phones` only) until there are none."""
        chosen = phones or (self.alice, self.bob)
        while any(phone.inbox for phone in chosen):
            for phone in chosen:
                if phone.inbox:
                    phone.receive(phone.inbox.popleft())

    def advance_to(self, now: float) -> None:
        """Go on in time from one due time to the next, delivering what is sent."""
        while True:
            due: list[float] = []
            for phone in (self.alice, self.bob):
                if phone.session_ is not None:
                    deadline = phone.session_.next_deadline()
                    if deadline is not None and deadline <= now:
                        due.append(deadline)
            if not due:
                break
            self.now = max(self.now, min(due))
            for phone in (self.alice, self.bob):
                if phone.session_ is not None:
                    phone.do(phone.session_.handle_timer(self.now))
            self.deliver()
        self.now = now

    # Ways into a call

    def call(self, body: bytes | None = OFFER) -> None:
        """Alice's INVITE has arrived."""
        self.alice.session_ = outgoing(body)
        self.alice.do(self.alice.session.start(self.now))
        self.deliver()

    def establish(self) -> None:
        """Bob answered, Alice acknowledged; nothing heard so far matters."""
        self.call()
        self.bob.do(self.bob.session.ring(180, "", None, self.now))
        self.bob.do(self.bob.session.accept(ANSWER, self.now))
        self.deliver()
        self.forget()

    def forget(self) -> None:
        self.log.clear()
        self.alice.heard.clear()
        self.bob.heard.clear()
