"""Requests that a session refuses, or serves aside from the call."""

import pytest

from pbx.errors import PeerError
from pbx.sip.message import Response
from pbx.sip.session_events import (
    InfoReceived,
    UnacceptableError,
)
from pbx.sip.session_messages import refusal
from pbx.sip.session_table import State
from tests.sip.sessions import (
    OFFER,
    asked,
    in_state,
    incoming,
    only_response,
    peer_request,
    server,
    started,
    state,
    words,
)


class TestNotAcceptable:
    def refused(self, *headers: tuple[str, str], body: bytes = b"") -> Response:
        request = started().request
        for name, value in headers:
            request.set(name, value)
        request.body = body
        with pytest.raises(PeerError) as raised:
            incoming(request, server(request))
        return refusal(request, raised.value, "t1")

    def test_required_extensions(self) -> None:
        response = self.refused(("require", "100rel, foo"))
        assert response.status == 420
        assert response.get("unsupported") == "100rel, foo"
        assert response.to.tag == "t1"

    def test_body_types(self) -> None:
        response = self.refused(("content-type", "multipart/mixed;boundary=x"), body=b"--x")
        assert response.status == 415
        assert response.get("accept") == "application/sdp"

    def test_content_encoding(self) -> None:
        response = self.refused(("content-encoding", "gzip"), body=b"x")
        assert response.status == 415
        assert response.get("accept-encoding") == "identity"

    def test_a_body_without_a_type(self) -> None:
        request = started().request
        request.remove("content-type")
        with pytest.raises(UnacceptableError) as raised:
            incoming(request, server(request))
        assert raised.value.status == 415

    def test_contact(self) -> None:
        request = started().request
        request.remove("contact")
        with pytest.raises(PeerError) as raised:
            incoming(request, server(request))
        assert raised.value.status == 400

    def test_an_unknown_dialog(self) -> None:
        assert self.refused(("to", "<sip:bob@pbx.example>;tag=x")).status == 481


class TestOtherRequests:
    @pytest.mark.parametrize(
        "method", ["MESSAGE", "REFER", "NOTIFY", "SUBSCRIBE", "PRACK", "PUBLISH", "FROB"]
    )
    def test_not_understood(self, method: str) -> None:
        session = in_state(State.ESTABLISHED)
        response = only_response(asked(session, peer_request(session, method)))
        assert response.status == 405
        assert "INVITE" in (response.get("allow") or "")

    def test_options(self) -> None:
        response = only_response(
            asked(in_state(State.ESTABLISHED), peer_request(in_state(State.ESTABLISHED), "OPTIONS"))
        )
        assert response.status == 200
        assert response.get("allow")
        assert response.get("accept") == "application/sdp"

    @pytest.mark.parametrize("kind", ["application/dtmf-relay", "application/dtmf", "Application/DTMF-Relay"])
    def test_info_with_a_digit(self, kind: str) -> None:
        session = in_state(State.ESTABLISHED)
        request = peer_request(session, "INFO")
        request.body = b"Signal=5\r\nDuration=160\r\n"
        request.set("content-type", kind)
        outputs = asked(session, request)
        assert words(outputs) == ["200", "InfoReceived"]
        assert isinstance(outputs[1], InfoReceived)
        assert outputs[1].body == request.body
        assert outputs[1].content_type == kind.lower()

    @pytest.mark.parametrize("kind", ["text/plain", ""])
    def test_info_with_something_else(self, kind: str) -> None:
        session = in_state(State.ESTABLISHED)
        request = peer_request(session, "INFO")
        request.body = b"x"
        if kind:
            request.set("content-type", kind)
        response = only_response(asked(session, request))
        assert response.status == 415
        assert response.get("accept") == "application/dtmf-relay, application/dtmf"

    def test_info_with_nothing(self) -> None:
        session = in_state(State.ESTABLISHED)
        assert words(asked(session, peer_request(session, "INFO"))) == ["200"]

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "OPTIONS", "INFO", "BYE"])
    def test_required_extensions(self, method: str) -> None:
        session = in_state(State.ESTABLISHED)
        request = peer_request(session, method)
        request.set("require", "timer")
        response = only_response(asked(session, request))
        assert response.status == 420
        assert response.get("unsupported") == "timer"
        assert state(session) is State.ESTABLISHED

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "OPTIONS", "INFO", "BYE"])
    def test_a_lower_cseq(self, method: str) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "OPTIONS", 900))
        assert only_response(asked(session, peer_request(session, method, 899))).status == 500
        assert state(session) is State.ESTABLISHED

    def test_a_contact_that_leads_nowhere(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = peer_request(session, "INVITE", body=OFFER)
        request.set("contact", "<tel:+31>")
        assert only_response(asked(session, request)).status == 400
        assert session.may_offer

    def test_another_tag(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = peer_request(session, "BYE")
        request.set("from", "<sip:bob@pbx.example>;tag=other")
        assert only_response(asked(session, request)).status == 481
        assert state(session) is State.ESTABLISHED
