"""INVITE sessions for tests: made by their public methods, in any state, with the messages they need."""

from collections.abc import Sequence
from hashlib import sha256

from pbx.ids import Ids
from pbx.sip.flow import Flow
from pbx.sip.message import Message, Request, Response, parse, respond
from pbx.sip.session import InviteSession
from pbx.sip.session_events import (
    CancelRequest,
    Ended,
    Offered,
    OfferRefused,
    Progressed,
    Refused,
    SendAck,
    SendRequest,
    SendResponse,
    SessionOutput,
)
from pbx.sip.session_table import OfferState, State
from pbx.sip.timers import Timers
from pbx.sip.transaction import ClientTransaction, ServerTransaction
from pbx.sip.uri import Uri

TIMERS = Timers()
FLOW = Flow("udp", ("192.0.2.1", 5060), ("192.0.2.2", 5060))
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
HOLD = b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\na=sendonly\r\n"
ANSWER = b"v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\n"


def ids(seed: str) -> Ids:
    count = 0

    def octets(number: int) -> bytes:
        nonlocal count
        blocks = b""
        while len(blocks) < number:
            count += 1
            blocks += sha256(f"{seed}{count}".encode()).digest()
        return blocks[:number]

    return Ids(octets)


def client(request: Request, branch: str = "z9hG4bKtest") -> ClientTransaction:
    request.set("via", f"SIP/2.0/UDP 192.0.2.1;branch={branch}")
    return ClientTransaction(request, FLOW, None, TIMERS, branch=branch)


def server(request: Request) -> ServerTransaction:
    return ServerTransaction(request, FLOW, TIMERS, reply_flow=FLOW)


def outgoing(
    body: bytes | None = OFFER,
    *,
    seed: str = "a",
    headers: Sequence[tuple[str, str]] = (),
    routes: Sequence[str] = (),
) -> InviteSession:
    return InviteSession.outgoing(
        target=Uri.parse("sip:bob@192.0.2.2"),
        from_="Alice <sip:alice@pbx.example>",
        to="<sip:bob@pbx.example>",
        contact="<sip:pbx@192.0.2.1>",
        ids=ids(seed),
        timers=TIMERS,
        allow=ALLOW,
        server="pbx/1",
        routes=routes,
        headers=headers,
        body=body,
    )


def incoming(request: Request, transaction: ServerTransaction, seed: str = "b") -> InviteSession:
    return InviteSession.incoming(
        transaction,
        request,
        contact="<sip:pbx@192.0.2.2>",
        ids=ids(seed),
        timers=TIMERS,
        allow=ALLOW,
        server="pbx/1",
    )


def describe(output: SessionOutput) -> str:
    """One output in a word or two."""
    match output:
        case SendRequest():
            return output.request.method
        case SendAck():
            return "ACK"
        case SendResponse():
            return str(output.response.status)
        case CancelRequest():
            return "CANCEL"
        case Progressed() | Refused() | OfferRefused():
            return f"{type(output).__name__} {output.status}"
        case Ended():
            return f"Ended {output.cause}"
        case Offered():
            return f"Offered {output.method}"
        case _:
            return type(output).__name__


def words(outputs: Sequence[SessionOutput]) -> list[str]:
    return [describe(output) for output in outputs]


def wire(message: Message) -> Request | Response:
    """What the peer reads."""
    return parse(message.encode())


def final(session: InviteSession, status: int = 200, *, tag: str = "b1", sdp: bool = True) -> Response:
    body = ANSWER if sdp else b""
    contact = [("contact", "<sip:bob@192.0.2.2>")] if status < 300 else []
    return respond(
        session.request,
        status,
        to_tag=tag,
        headers=contact,
        body=body,
        content_type="application/sdp" if body else "",
    )


def receive(session: InviteSession, response: Response) -> list[SessionOutput]:
    return session.receive_response(client(session.request), response, 0.0)


def peer_request(session: InviteSession, method: str, cseq: int = 900, body: bytes = b"") -> Request:
    """A request of the peer in the dialog of the session with remote tag b1, or in that of the caller."""
    dialog = next(iter(session._dialogs.values()), None) or session.dialog
    ours = dialog.local_uri if dialog else session.request.get("from") or ""
    theirs = dialog.remote_uri if dialog else "<sip:bob@pbx.example>;tag=b1"
    headers = [
        ("via", "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKpeer"),
        ("from", theirs),
        ("to", ours),
        ("call-id", session.call_id),
        ("cseq", f"{cseq} {method}"),
        ("contact", "<sip:bob@192.0.2.77>"),
    ]
    if body:
        headers.append(("content-type", "application/sdp"))
    return Request.make(method, "sip:pbx@192.0.2.1", headers, body)


def started(body: bytes | None = OFFER) -> InviteSession:
    session = outgoing(body)
    session.start(0.0)
    session.sent(client(session.request))
    return session


def forked() -> InviteSession:
    """Ringing at b1 and b2."""
    session = started()
    receive(session, final(session, 180, tag="b1"))
    receive(session, final(session, 180, tag="b2"))
    return session


def received() -> InviteSession:
    caller = outgoing()
    caller.start(0.0)
    client(caller.request)
    return incoming(caller.request, server(caller.request))


def in_state(state: State) -> InviteSession:
    """A session that was brought there by its public methods."""
    session = in_state_unchecked(state)
    assert session.state is state
    return session


def in_state_unchecked(state: State) -> InviteSession:
    match state:
        case State.IDLE:
            return outgoing()
        case State.CALLING:
            return forked()
        case State.CHALLENGED:
            session = forked()
            receive(session, final(session, 401, sdp=False))
        case State.CANCELLING:
            session = forked()
            session.cancel(0.0)
        case State.ANSWERED:
            session = started(None)
            receive(session, final(session))
        case State.RECEIVED:
            session = received()
        case State.RINGING:
            session = received()
            session.ring(180, "", None, 0.0)
        case State.ACCEPTED:
            session = in_state(State.RINGING)
            session.accept(ANSWER, 0.0)
        case State.LEAVING:
            session = in_state(State.ACCEPTED)
            session.bye(0.0)
        case State.ESTABLISHED:
            session = forked()
            receive(session, final(session))
        case State.ENDING:
            session = in_state(State.ESTABLISHED)
            session.bye(0.0)
        case State.CLEARING:
            session = in_state(State.CANCELLING)
            receive(session, final(session))
        case State.ENDED:
            session = in_state(State.ESTABLISHED)
            request = peer_request(session, "BYE")
            session.receive_request(server(request), request, 0.0)
    return session


def state(session: InviteSession) -> State:
    return session.state


def exchange(session: InviteSession) -> OfferState:
    return session.offer_state


def asked(session: InviteSession, request: Request, now: float = 0.0) -> list[SessionOutput]:
    return session.receive_request(server(request), request, now)


def only_response(outputs: list[SessionOutput]) -> Response:
    (response,) = [output.response for output in outputs if isinstance(output, SendResponse)]
    return response


def only_request(outputs: list[SessionOutput]) -> Request:
    (request,) = [output.request for output in outputs if isinstance(output, SendRequest)]
    return request
