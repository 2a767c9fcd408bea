"""A session whose peer and owner do anything at any time."""

from collections.abc import Callable
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.errors import MisuseError
from pbx.sip.dialog import DialogId
from pbx.sip.message import Request, respond
from pbx.sip.session import InviteSession
from pbx.sip.session_events import (
    Cancelled,
    DialogClosed,
    DialogOpened,
    Ended,
    Refused,
    SendRequest,
    SessionOutput,
)
from pbx.sip.session_table import State
from tests.sip.sessions import (
    ANSWER,
    HOLD,
    OFFER,
    asked,
    client,
    peer_request,
    received,
    started,
)

METHODS = ["INVITE", "UPDATE", "BYE", "OPTIONS", "INFO", "REFER"]
STATUSES = [100, 180, 183, 199, 200, 302, 401, 407, 408, 481, 486, 491, 500]
STEPS = st.one_of(
    st.tuples(st.just("request"), st.sampled_from(METHODS), st.booleans()),
    st.tuples(st.just("response"), st.sampled_from(STATUSES), st.sampled_from(["b1", "b2", ""])),
    st.tuples(st.just("ack"), st.sampled_from([1, 2, 900, 901]), st.booleans()),
    st.tuples(st.just("owner"), st.integers(0, 10), st.booleans()),
    st.tuples(st.just("time"), st.sampled_from([0.5, 4.0, 40.0]), st.booleans()),
    st.tuples(st.just("fail"), st.sampled_from(["timeout", "transport"]), st.booleans()),
    st.tuples(st.just("cancel"), st.just(0), st.booleans()),
)


class Storm:
    """A session whose peer and owner do anything at any time."""

    def __init__(self, session: InviteSession) -> None:
        self.session = session
        self.now = 0.0
        self.cseq = 900
        self.sent: list[Request] = [session.request] if session.state is State.CALLING else []
        self.outcomes = 0
        self.dialogs: set[DialogId] = set()

    def note(self, outputs: list[SessionOutput]) -> None:
        for output in outputs:
            match output:
                case SendRequest():
                    self.sent.append(output.request)
                    self.session.sent(client(output.request))
                case DialogOpened():
                    assert output.id not in self.dialogs
                    self.dialogs.add(output.id)
                case DialogClosed():
                    self.dialogs.remove(output.id)
                case Ended() | Cancelled():
                    self.outcomes += 1
                case Refused():
                    self.outcomes += self.session.state is State.ENDED
                case _:
                    pass

    def step(self, kind: str, what: str | float, flag: bool) -> list[SessionOutput]:
        session, now = self.session, self.now
        match kind, what:
            case "request", str():
                self.cseq += 1 if flag else 0
                return asked(session, peer_request(session, what, self.cseq, OFFER if flag else b""), now)
            case "ack", int():
                return session.receive_ack(peer_request(session, "ACK", what, ANSWER if flag else b""), now)
            case "fail", str() if self.sent:
                cause: Literal["timeout", "transport"] = "timeout" if what == "timeout" else "transport"
                return session.transaction_failed(client(self.sent[-1]), cause, now)
            case "cancel", _:
                return session.receive_cancel(now)
            case "time", float():
                self.now += what
                return session.handle_timer(self.now)
            case "owner", int():
                return self.owner(what)
            case _:
                return []

    def respond(self, status: int, tag: str) -> list[SessionOutput]:
        if not self.sent:
            return []
        request = self.sent[-1]
        contact = [("contact", "<sip:bob@192.0.2.2>")]
        response = respond(
            request, status, to_tag=tag, headers=contact, body=ANSWER, content_type="application/sdp"
        )
        return self.session.receive_response(client(request), response, self.now)

    def owner(self, number: int) -> list[SessionOutput]:
        session, now = self.session, self.now
        imperatives: list[Callable[[], list[SessionOutput]]] = [
            lambda: session.trying(now),
            lambda: session.ring(180, "", None, now),
            lambda: session.accept(ANSWER, now),
            lambda: session.refuse(486, "", now),
            lambda: session.cancel(now),
            lambda: session.authorize("Authorization", "Digest x", now),
            lambda: session.acknowledge(ANSWER, now),
            lambda: session.bye(now),
            lambda: session.offer(HOLD, now),
            lambda: session.answer(ANSWER, now),
            lambda: session.refuse_offer(488, now),
        ]
        before = session.state
        try:
            return imperatives[number]()
        except MisuseError:
            assert session.state is before
            return []


@given(side=st.sampled_from(["calling", "calling late", "called"]), steps=st.lists(STEPS, max_size=30))
@settings(max_examples=400, deadline=None)
def test_anything_at_any_time(side: str, steps: list[tuple[str, str | int | float, bool | str]]) -> None:
    """Only MisuseError is raised, one outcome told, dialogs open and close in pairs, and it ends."""
    session = received() if side == "called" else started(OFFER if side == "calling" else None)
    storm = Storm(session)
    for kind, what, flag in steps:
        if kind == "response":
            storm.note(storm.respond(int(what), str(flag)))
        else:
            storm.note(storm.step(kind, what, bool(flag)))
    storm.note(session.end(storm.now))
    storm.note(session.handle_timer(storm.now + 100.0))
    if session.state is State.CANCELLING:
        request = session.request
        storm.note(session.transaction_failed(client(request), "timeout", storm.now))
    if session.state is not State.ENDED:
        bye = storm.sent[-1]
        assert bye.method == "BYE" or session.state in {State.ENDING, State.CLEARING}
        byes = [request for request in storm.sent if request.method == "BYE"]
        for request in byes:
            storm.note(session.receive_response(client(request), respond(request, 200), storm.now))
    assert session.state is State.ENDED
    assert storm.dialogs == set()
    assert storm.outcomes <= 1
    assert session.next_deadline() is None
