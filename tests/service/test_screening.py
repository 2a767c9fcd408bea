"""What a request outside a dialog has to pass (RFC 3261 §8.2)."""

import pytest

from pbx.service.screening import ALLOW, screen
from pbx.sip.message import Request
from pbx.sip.session_events import UnacceptableError

SDP = ("content-type", "application/sdp")


def request(
    method: str = "INVITE",
    *headers: tuple[str, str],
    uri: str = "sip:1002@pbx.example",
    hops: int = 70,
    body: bytes = b"",
) -> Request:
    return Request.make(method, uri, [("max-forwards", str(hops)), *headers], body)


def refused(one: Request) -> tuple[int, list[tuple[str, str]]]:
    with pytest.raises(UnacceptableError) as error:
        screen(one)
    return error.value.status, list(error.value.headers)


@pytest.mark.parametrize(
    "one",
    [
        request(), request("REGISTER"), request("OPTIONS"),
        request("INVITE", SDP, body=b"v=0"),
        request("INVITE", ("accept", "text/plain, application/sdp;level=1")),
        request("INVITE", ("accept", "*/*")), request("INVITE", ("accept", "Application/*")),
        request("INVITE", ("content-encoding", "identity"), SDP, body=b"v=0"),
        request(uri="sips:1002@pbx.example"), request(uri="tel:+31201234501"), request(uri="SIP:1002@pbx"),
        request("OPTIONS", hops=0), request("REGISTER", hops=0), request("INVITE", hops=1),
    ],
)  # fmt: skip
def test_passes(one: Request) -> None:
    screen(one)


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "PRACK", "NOTIFY"])
def test_what_only_makes_sense_in_a_dialog(method: str) -> None:
    assert refused(request(method)) == (481, [])


@pytest.mark.parametrize(
    ("method", "status"),
    [("MESSAGE", 405), ("PUBLISH", 405), ("REFER", 405), ("SUBSCRIBE", 405), ("FOO", 501), ("invite", 501)],
)
def test_methods_that_are_not_served_are_told_which_are(method: str, status: int) -> None:
    assert refused(request(method)) == (status, [("allow", ALLOW)])


@pytest.mark.parametrize("uri", ["http://pbx.example/", "urn:service:sos", "mailto:x@pbx.example"])
def test_a_foreign_scheme(uri: str) -> None:
    assert refused(request(uri=uri))[0] == 416


def test_no_hop_left() -> None:
    assert refused(request(hops=0))[0] == 483


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_extensions_that_are_demanded(method: str) -> None:
    one = request(method, ("require", "100rel, foo"), ("require", "bar"))
    assert refused(one) == (420, [("unsupported", "100rel, foo, bar")])


def test_bodies_that_are_no_sdp() -> None:
    one = request("INVITE", ("content-type", "text/plain"), body=b"hello")
    assert refused(one) == (415, [("accept", "application/sdp")])
    packed = request("INVITE", ("content-encoding", "gzip"), SDP, body=b"v=0")
    assert refused(packed) == (415, [("accept-encoding", "identity")])


@pytest.mark.parametrize("accept", ["text/plain", "application/pidf+xml, text/html", "application/sdpx"])
def test_callers_that_take_no_sdp(accept: str) -> None:
    assert refused(request("INVITE", ("accept", accept)))[0] == 406
