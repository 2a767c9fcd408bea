"""What each fuzzer calls: octets in; an exception other than the one that the parser promises is a finding.

Each target also asserts what holds for whatever is accepted: it prints, and reads the same again.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pbx.dialplan.compiler import compile_dialplan
from pbx.documents import loads
from pbx.errors import DocumentError, MisuseError, PeerError
from pbx.ids import Ids
from pbx.rtp import packet, rtcp, telephone_event
from pbx.rtp.packet import RtpError
from pbx.sdp import description, negotiation
from pbx.sdp.errors import NothingFits, SdpError
from pbx.sdp.formats import MAX_CLOCK_RATE, PCMA, PCMU
from pbx.sip.authentication import Authenticator, Challenge
from pbx.sip.dialog import Dialog
from pbx.sip.digest import DigestChallenge, DigestCredentials, Ha1, authorize, can_answer
from pbx.sip.framing import Framed, FramingError, KeepAlive, StreamFraming
from pbx.sip.limits import MAX_BODY, MAX_HEADER_SECTION
from pbx.sip.message import (
    MalformedMessage,
    Message,
    Request,
    parse,
    respond,
    validate_request,
    validate_response,
)

_LOCAL: Final = negotiation.LocalMedia("192.0.2.1", 20000)
_ORIGIN: Final = negotiation.LocalOrigin(1, 1)


def message(data: bytes) -> None:
    """One datagram: read, checked, answered, printed."""
    try:
        found = parse(data)
        if isinstance(found, Request):
            validate_request(found)
        else:
            validate_response(found)
    except MalformedMessage as fault:
        if fault.request is not None:
            _answered(fault.request, fault.status)
        return
    _read_all(found)
    again = parse(found.encode())
    assert again.headers == [each for each in found.headers if each[0] != "content-length"] + [
        ("content-length", str(len(found.body)))
    ]
    assert (again.start_line, again.body) == (found.start_line, found.body)
    if isinstance(found, Request):
        _answered(found, 200)
        with suppress(PeerError):
            dialog = Dialog.from_request(found, "ours")
            for method in ("BYE", "INVITE"):
                parse(dialog.make_request(method, "<sip:pbx@192.0.2.1>").encode())


def _answered(request: Request, status: int) -> None:
    answer = parse(respond(request, status, to_tag="ours").encode())
    assert answer.lines("via") == request.lines("via")


def _read_all(found: Message) -> None:
    """Everything that a validated message promises not to raise for."""
    _ = found.top_via, found.vias, found.from_, found.to, found.cseq, found.call_id, found.contacts
    _ = found.contact_star, found.routes, found.record_routes, found.max_forwards, found.content_length
    _ = found.expires, found.content_type
    for address in (found.from_, found.to, *found.contacts):
        _ = address.uri.aor, address.uri.username, address.uri.transport, address.uri.same_as(address.uri)
        assert str(type(address).parse(str(address))) == str(address)
    for via in found.vias:
        assert str(type(via).parse(str(via))) == str(via)


def framing(data: bytes) -> None:
    """A stream: however it is cut, it gives the same, and what is kept is bounded."""
    if not data:
        return
    step, stream = 1 + 4 * data[0], data[1:]
    whole = _framed(StreamFraming().receive(stream))
    reader = StreamFraming()
    pieces: list[Framed] = []
    for start in range(0, len(stream), step):
        pieces += reader.receive(stream[start : start + step])
        assert reader.kept <= MAX_HEADER_SECTION + MAX_BODY + 8
    assert _framed(pieces) == whole
    for item in pieces:
        if isinstance(item, bytes):
            message(item)


def _framed(items: list[Framed]) -> list[object]:
    shown: list[object] = []
    for item in items:
        match item:
            case KeepAlive():
                shown.append("ping")
            case FramingError(fault):
                shown.append(fault.status)
            case _:
                shown.append(item)
    return shown


def sdp(data: bytes) -> None:
    """A description as an offer, as an answer, and as a new offer."""
    try:
        received = description.parse(data)
    except SdpError:
        return
    assert description.parse(received.encode()) == received
    with suppress(NothingFits):
        relayed = negotiation.relay_offer(received, _LOCAL, _ORIGIN, None)
        assert description.parse(relayed.encode()) == relayed
    with suppress(NothingFits):
        ours = negotiation.answer(received, _LOCAL, _ORIGIN)
        assert len(description.parse(ours.encode()).media) == len(received.media)
        agreed = negotiation.agreed_as_answerer(received, ours)
        rates = negotiation.clock_rates(agreed)
        for accepted, given in negotiation.payload_map(agreed, agreed).items():
            assert 0 <= accepted < 128
            assert 0 <= given < 128
            assert 0 < rates[accepted] <= MAX_CLOCK_RATE
        description.parse(negotiation.renewed(ours, agreed, "sendonly").encode())
    offered = negotiation.offer([PCMU, PCMA], _LOCAL, _ORIGIN)
    with suppress(NothingFits, SdpError):
        negotiation.accepted(offered, received)


def rtp(data: bytes) -> None:
    """A datagram on an RTP port, also as telephone-events."""
    packet.is_rtcp(data)
    try:
        found = packet.parse(data)
    except RtpError:
        return
    assert packet.parse(found.encode()) == found
    with suppress(RtpError):
        event = telephone_event.parse(found.payload)
        assert telephone_event.parse(event.encode()) == event
    receiver = telephone_event.DigitReceiver()
    with suppress(RtpError):
        receiver.receive(found, 1.0)
        receiver.receive(found, 1.02)
        receiver.handle_timer(100.0)


def compound(data: bytes) -> None:
    """A datagram on an RTCP port."""
    try:
        found = rtcp.parse_compound(data)
    except RtpError:
        return
    for each in found:
        if isinstance(each, rtcp.SenderReport | rtcp.ReceiverReport):
            for block in each.blocks:
                rtcp.round_trip(0x12345678, block)
    with suppress(MisuseError):  # what padding hid need not be whole words
        assert rtcp.parse_compound(rtcp.encode_compound(found)) == found


_REALM: Final = "pbx.example"
_SECRETS: Final = {"1001": Ha1.from_password("1001", _REALM, "secret")}


def digest(data: bytes) -> None:
    """An Authorization or WWW-Authenticate value."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(PeerError):
        credentials = DigestCredentials.parse(text)
        if credentials is not None:
            credentials.expected_response("0" * 32, "INVITE")
            with suppress(MisuseError):
                assert DigestCredentials.parse(str(credentials)) is not None
    with suppress(PeerError):
        challenge = DigestChallenge.parse(text)
        if challenge is not None and can_answer(challenge):
            authorize(challenge, "1001", "secret", "REGISTER", "sip:pbx.example", cnonce="c0ffee")
    if not text.isprintable():
        return
    authenticator = Authenticator(_REALM, _SECRETS.get, Ids(bytes), b"s" * 32)
    request = Request.make("REGISTER", "sip:pbx.example", [("authorization", text)])
    with suppress(PeerError):
        # Nobody guesses a signed nonce.
        assert isinstance(authenticator.check(request, 1.0), Challenge)


def yaml(data: bytes) -> None:
    """A document, and a dialplan if it is one."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        document = loads(text, "fuzzed.yaml")
    except DocumentError:
        return
    document.place(())
    with suppress(DocumentError):
        compile_dialplan(document)


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "message": message,
    "framing": framing,
    "sdp": sdp,
    "rtp": rtp,
    "rtcp": compound,
    "digest": digest,
    "yaml": yaml,
}
