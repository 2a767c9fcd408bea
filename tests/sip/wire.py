"""Messages and flows for the tests of the transaction layer."""

from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response, parse, respond

ALICE = ("192.0.2.1", 5060)
PBX = ("192.0.2.9", 5060)

UDP = Flow("udp", PBX, ALICE)
TCP = Flow("tcp", PBX, ("192.0.2.1", 40001), 7)
OUT_TCP = Flow("tcp", PBX, ALICE, 0)


def request(
    method: str = "INVITE",
    *,
    uri: str = "sip:bob@pbx.example",
    via: str = "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKone",
    from_tag: str = "alice",
    to_tag: str = "",
    call_id: str = "call-1",
    cseq: int = 1,
    cseq_method: str = "",
    more: tuple[str, ...] = (),
    body: str = "",
) -> Request:
    """A request as it comes from the wire."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        f"From: <sip:alice@pbx.example>{';tag=' + from_tag if from_tag else ''}",
        f"To: <sip:bob@pbx.example>{';tag=' + to_tag if to_tag else ''}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {cseq_method or method}",
        *more,
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    parsed = parse("\r\n".join(lines).encode())
    assert isinstance(parsed, Request)
    return parsed


def outgoing(method: str = "INVITE", *, to_tag: str = "", more: tuple[tuple[str, str], ...] = ()) -> Request:
    """A request as a transaction user makes it: without a Via."""
    return Request.make(
        method,
        "sip:alice@192.0.2.1",
        [
            ("Max-Forwards", "70"),
            ("From", "<sip:bob@pbx.example>;tag=bob"),
            ("To", f"<sip:alice@pbx.example>{';tag=' + to_tag if to_tag else ''}"),
            ("Call-ID", "call-out"),
            ("CSeq", f"1 {method}"),
            *more,
        ],
    )


def answer(sent: Request | bytes, status: int, *, to_tag: str = "peer", body: bytes = b"") -> Response:
    """What the peer answers to a request that we sent."""
    received = parse(sent) if isinstance(sent, bytes) else sent
    assert isinstance(received, Request)
    response = parse(respond(received, status, to_tag=to_tag, body=body).encode())
    assert isinstance(response, Response)
    return response


def read_request(data: bytes) -> Request:
    """What somebody who gets `data` reads."""
    message = parse(data)
    assert isinstance(message, Request)
    return message


def read_response(data: bytes) -> Response:
    """What somebody who gets `data` reads."""
    message = parse(data)
    assert isinstance(message, Response)
    return message
