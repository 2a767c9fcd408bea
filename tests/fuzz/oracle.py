"""What must be true of every message that we send, judged by our parser and by sipmessage's."""

import sipmessage

from pbx.sip.message import Request, parse, validate_request, validate_response
from pbx.sip.uri import Uri

INJECTED = "x-injected"


def check(data: bytes) -> None:
    """Assert that a message of ours is whole, and that two readers see the same headers and body."""
    message = parse(data)
    head, _, body = data.partition(b"\r\n\r\n")
    assert message.body == body
    assert not message.has(INJECTED)
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\0" not in head.replace(b"\\\0", b"")
    text = head.decode("utf-8", "replace")
    start, _, fields = text.partition("\r\n")
    if isinstance(message, Request):
        validate_request(message)
        Uri.parse(message.uri)
        # sipmessage's idea of a URI is narrower than ours: what is compared is where things begin and end.
        start = f"{message.method} sip:pbx.example SIP/2.0"
    elif message.status not in {400, 413, 416, 505, 513}:
        validate_response(message)  # the answer to what was malformed repeats its Via, From and To
    other = sipmessage.Message.parse(f"{start}\r\n{fields}\r\n\r\n".encode() + body)
    seen = {name.lower(): values for name, values in other.headers._list}
    ours: dict[str, list[str]] = {}
    for name, value in message.headers:
        ours.setdefault(name, []).append(value.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    assert {name: [value.strip() for value in values] for name, values in ours.items()} == seen
    assert other.body == body
