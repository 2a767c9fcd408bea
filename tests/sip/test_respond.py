"""RFC 3261 §8.2.6: what an answer takes over from its request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.headers import CSeq
from pbx.sip.message import Request, Response, parse, respond, validate_response
from pbx.sip.reasons import REASONS, reason_for

from .examples import request
from .strategies import requests


def test_an_answer_copies_what_it_must() -> None:
    message = request(
        {
            "Via": "SIP/2.0/UDP a, SIP/2.0/UDP b",
            "v": "SIP/2.0/UDP c",
            "Record-Route": "<sip:p;lr>",
            "Timestamp": "54",
            "Subject": "no",
        },
        method="INVITE",
    )
    ringing = respond(message, 180, to_tag="tt", headers=[("Contact", "<sip:x@y>")])
    assert ringing.reason == "Ringing"
    assert [via.host for via in ringing.vias] == ["a", "b", "c"]
    assert (ringing.from_, ringing.call_id, ringing.cseq) == (message.from_, "c1", CSeq(1, "INVITE"))
    assert ringing.to.tag == "tt"
    assert [str(route) for route in ringing.record_routes] == ["<sip:p;lr>"]
    assert not ringing.has("timestamp")
    assert not ringing.has("subject")
    validate_response(ringing)


def test_a_100_has_timestamp_and_neither_tag_nor_routes() -> None:
    message = request({"Timestamp": "54", "Record-Route": "<sip:p;lr>"}, method="INVITE")
    trying = respond(message, 100, to_tag="tt")
    assert trying.get("timestamp") == "54"
    assert trying.to.tag is None
    assert not trying.has("record-route")


@pytest.mark.parametrize(
    ("method", "status", "tag", "copied"),
    [
        ("INVITE", 200, "", True),
        ("SUBSCRIBE", 202, "", True),
        ("INVITE", 300, "", False),
        ("OPTIONS", 200, "", False),
        ("INVITE", 200, ";tag=in-dialog", False),
    ],
)
def test_record_route_is_copied_when_a_dialog_forms(method: str, status: int, tag: str, copied: bool) -> None:
    message = request({"Record-Route": "<sip:p;lr>", "To": f"<sip:b@b>{tag}"}, method=method)
    assert respond(message, status).has("record-route") == copied


def test_a_tag_that_is_there_stays() -> None:
    assert respond(request({"To": "sip:b@b;tag=old"}), 200, to_tag="new").to.tag == "old"
    assert respond(request({"To": "sip:b@b"}), 200, to_tag="new").to.tag == "new"
    assert respond(request(), 200).to.tag is None


def test_body_and_type() -> None:
    answer = respond(request(), 200, "Fine", body=b"v=0", content_type="application/sdp")
    assert answer.encode().startswith(b"SIP/2.0 200 Fine\r\n")
    assert (answer.body, answer.content_type) == (b"v=0", "application/sdp")


def test_an_answer_to_next_to_nothing() -> None:
    message = request({"From": None, "To": None, "Call-ID": None, "CSeq": None})
    assert respond(message, 400, to_tag="t").encode() == (
        b"SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKabc\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_the_first_of_doubled_headers_is_answered_to() -> None:
    answer = respond(request({"i": "c2", "t": "<sip:other@x>"}), 400, to_tag="t")
    validate_response(answer)
    assert answer.call_id == "c1"


@given(requests, st.integers(100, 699))
def test_any_request_can_be_answered(message: Request, status: int) -> None:
    answer = parse(respond(message, status, to_tag="t").encode())
    assert isinstance(answer, Response)
    assert answer.status == status
    assert answer.lines("via") == message.lines("via")


def test_reasons() -> None:
    assert all(100 <= status <= 699 for status in REASONS)
    assert reason_for(486) == "Busy Here"
    assert [reason_for(status) for status in (199, 299, 399, 499, 599, 699)] == [
        "Early Dialog Terminated",
        "OK",
        "Multiple Choices",
        "Bad Request",
        "Server Internal Error",
        "Decline",
    ]
