"""Messages that several tests begin from."""

from collections.abc import Mapping

from pbx.sip.message import Request, Response, parse

INVITE = (
    b"INVITE sip:bob@biloxi.example SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pc33.atlanta.example:5060;branch=z9hG4bK776asdhds;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'To: "Bob" <sip:bob@biloxi.example>\r\n'
    b"From: Alice <sip:alice@atlanta.example>;tag=1928301774\r\n"
    b"Call-ID: a84b4c76e66710@pc33.atlanta.example\r\n"
    b"CSeq: 314159 INVITE\r\n"
    b"Contact: <sip:alice@pc33.atlanta.example;transport=udp>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)

# The properties of a message that are read when asked.
LAZY = (
    "top_via",
    "vias",
    "from_",
    "to",
    "cseq",
    "call_id",
    "contacts",
    "contact_star",
    "max_forwards",
    "content_length",
    "expires",
    "routes",
    "record_routes",
    "content_type",
    "headers",
)

BASIC = {
    "Via": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKabc",
    "Max-Forwards": "70",
    "From": "<sip:a@example.com>;tag=1",
    "To": "<sip:b@example.com>",
    "Call-ID": "c1",
    "CSeq": "1 OPTIONS",
}


def text_of(start: str, headers: Mapping[str, str | None], body: str = "") -> bytes:
    """A message of these lines over BASIC; a header given as None is left out."""
    merged: dict[str, str | None] = {**BASIC, **headers}
    lines = [start, *[f"{name}: {value}" for name, value in merged.items() if value is not None]]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("utf-8", "surrogateescape")


def request(headers: Mapping[str, str | None] | None = None, *, method: str = "OPTIONS") -> Request:
    message = parse(
        text_of(f"{method} sip:b@example.com SIP/2.0", {"CSeq": f"1 {method}", **(headers or {})})
    )
    assert isinstance(message, Request)
    return message


def response(headers: Mapping[str, str | None] | None = None, *, start: str = "SIP/2.0 200 OK") -> Response:
    message = parse(text_of(start, headers or {}))
    assert isinstance(message, Response)
    return message
