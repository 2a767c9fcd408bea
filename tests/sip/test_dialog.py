"""Dialogs: RFC 3261 §12, from messages as they come off the wire."""

import pytest

from pbx.errors import PeerError
from pbx.sip.dialog import Dialog, first_hop, received_id, request_uri
from pbx.sip.message import Request, Response, parse, respond
from pbx.sip.uri import Uri


def invite(
    *extra: str, contact: str = "<sip:alice@192.0.2.1:5066>", uri: str = "sip:bob@pbx.example"
) -> Request:
    lines = [
        f"INVITE {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.1:5066;branch=z9hG4bKa",
        "Max-Forwards: 70",
        'From: "Alice" <sip:alice@pbx.example>;tag=a1',
        "To: Bob <sip:bob@pbx.example>",
        "Call-ID: c1",
        "CSeq: 7 INVITE",
        *([f"Contact: {contact}"] if contact else []),
        *extra,
    ]
    message = parse(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert isinstance(message, Request)
    return message


def answer(request: Request, status: int = 200, *headers: tuple[str, str], tag: str = "b1") -> Response:
    return respond(request, status, to_tag=tag, headers=headers)


def in_dialog(method: str, cseq: int, contact: str = "") -> Request:
    headers = [
        ("from", '"Alice" <sip:alice@pbx.example>;tag=a1'),
        ("to", "Bob <sip:bob@pbx.example>;tag=b1"),
        ("call-id", "c1"),
        ("cseq", f"{cseq} {method}"),
    ]
    if contact:
        headers.append(("contact", contact))
    return Request.make(method, "sip:bob@pbx.example", headers)


def state_of(dialog: Dialog) -> str:
    return dialog.state


class TestCalled:
    def test_takes_over_what_the_invite_says(self) -> None:
        dialog = Dialog.from_request(
            invite(
                "Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>", "Record-Route: <sip:p0.example;lr>"
            ),
            "b1",
        )
        assert dialog.id == ("c1", "b1", "a1")
        assert dialog.state == "early"
        assert dialog.remote_cseq == 7
        assert not dialog.secure
        # §12.1.1: in order
        assert dialog.route_set == ("<sip:p2.example;lr>", "<sip:p1.example;lr>", "<sip:p0.example;lr>")
        assert str(dialog.remote_target) == "sip:alice@192.0.2.1:5066"

    def test_requests_go_along_the_route_set(self) -> None:
        dialog = Dialog.from_request(invite("Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>"), "b1")
        bye = dialog.make_request("BYE")
        assert bye.uri == "sip:alice@192.0.2.1:5066"
        assert bye.all("route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
        assert bye.get("from") == "Bob <sip:bob@pbx.example>;tag=b1"
        assert bye.get("to") == '"Alice" <sip:alice@pbx.example>;tag=a1'
        assert bye.call_id == "c1"
        assert (bye.cseq.number, bye.cseq.method) == (1, "BYE")
        assert bye.max_forwards == 70
        assert not bye.has("contact")
        assert not bye.has("via")

    def test_addr_spec_from_keeps_its_tag_outside_the_uri(self) -> None:
        request = invite()
        request.set("to", "sip:bob@pbx.example")
        dialog = Dialog.from_request(request, "b1")
        assert dialog.make_request("BYE").from_.tag == "b1"

    def test_a_caller_without_a_tag_has_the_empty_one(self) -> None:
        request = invite()
        request.set("from", "<sip:alice@pbx.example>")
        dialog = Dialog.from_request(request, "b1")
        assert dialog.remote_tag == ""
        assert dialog.make_request("BYE").to.tag is None

    @pytest.mark.parametrize("contact", ["", "<tel:+3120123>", "*"])
    def test_needs_a_sip_contact(self, contact: str) -> None:
        with pytest.raises(PeerError) as raised:
            Dialog.from_request(invite(contact=contact), "b1")
        assert raised.value.status == 400

    def test_a_client_of_rfc_2543_may_have_none(self) -> None:
        request = invite(contact="")
        request.set("via", "SIP/2.0/UDP 192.0.2.1")
        dialog = Dialog.from_request(request, "b1")
        assert str(dialog.remote_target) == str(request.from_.uri)
        request.set("from", "<tel:+3120123>")
        with pytest.raises(PeerError):
            Dialog.from_request(request, "b1")

    def test_sips_is_secure(self) -> None:
        dialog = Dialog.from_request(
            invite(uri="sips:bob@pbx.example", contact="<sips:alice@192.0.2.1>"), "b1"
        )
        assert dialog.secure

    def test_cseq_may_jump_but_not_fall(self) -> None:
        dialog = Dialog.from_request(invite(), "b1")
        assert dialog.receive_request(in_dialog("INFO", 90))
        assert not dialog.receive_request(in_dialog("INFO", 89))
        assert dialog.remote_cseq == 90
        assert dialog.receive_request(in_dialog("BYE", 91))


class TestCalling:
    def test_route_set_is_reversed(self) -> None:
        request = invite()
        response = answer(
            request,
            200,
            ("record-route", "<sip:p2.example;lr>, <sip:p1.example;lr>"),
            ("contact", "<sip:b@198.51.100.2>"),
        )
        dialog = Dialog.from_response(request, response)
        assert dialog.state == "confirmed"
        assert dialog.id == ("c1", "a1", "b1")
        assert dialog.route_set == ("<sip:p1.example;lr>", "<sip:p2.example;lr>")
        assert dialog.remote_cseq is None
        bye = dialog.make_request("BYE")
        assert bye.cseq.number == 8
        assert bye.uri == "sip:b@198.51.100.2"
        assert bye.from_.tag == "a1"
        assert bye.to.tag == "b1"

    def test_any_first_cseq_of_the_peer_is_in_order(self) -> None:
        request = invite()
        dialog = Dialog.from_response(request, answer(request))
        assert dialog.receive_request(in_dialog("BYE", 1))

    def test_early_then_confirmed_with_another_route_set_and_target(self) -> None:
        request = invite()
        early = Dialog.from_response(
            request,
            answer(
                request, 180, ("record-route", "<sip:old.example;lr>"), ("contact", "<sip:b@198.51.100.1>")
            ),
        )
        assert state_of(early) == "early"
        early.receive_request(in_dialog("INFO", 30))
        early.make_request("INFO")
        early.confirm(
            Dialog.from_response(
                request,
                answer(
                    request,
                    200,
                    ("record-route", "<sip:new.example;lr>"),
                    ("contact", "<sip:b@198.51.100.2>"),
                ),
            )
        )
        assert state_of(early) == "confirmed"
        assert early.remote_cseq == 30
        bye = early.make_request("BYE")
        assert bye.cseq.number == 9
        assert bye.all("route") == ["<sip:new.example;lr>"]
        assert bye.uri == "sip:b@198.51.100.2"

    def test_ringing_without_contact_aims_at_the_request_uri(self) -> None:
        request = invite()
        assert str(Dialog.from_response(request, answer(request, 180)).remote_target) == "sip:bob@pbx.example"

    def test_a_peer_without_to_tag(self) -> None:
        request = invite()
        dialog = Dialog.from_response(
            request, answer(request, 200, ("contact", "<sip:b@198.51.100.2>"), tag="")
        )
        assert dialog.id == ("c1", "a1", "")

    def test_ack_has_the_number_of_the_invite(self) -> None:
        request = invite()
        dialog = Dialog.from_response(request, answer(request, 200, ("contact", "<sip:b@198.51.100.2>")))
        dialog.make_request("INFO")
        ack = dialog.make_ack(7, [("authorization", "Digest x")], b"v=0")
        assert (ack.method, ack.cseq.number, ack.cseq.method) == ("ACK", 7, "ACK")
        assert ack.get("authorization") == "Digest x"
        assert ack.body == b"v=0"
        assert dialog.local_cseq == 8


class TestRouting:
    def test_a_strict_router_gets_the_request_uri(self) -> None:
        # §12.2.1.1: its URI becomes the Request-URI, the remote target goes last.
        dialog = Dialog.from_request(
            invite("Record-Route: <sip:strict.example;method=INVITE?x=y>, <sip:p1.example;lr>"), "b1"
        )
        bye = dialog.make_request("BYE")
        assert bye.uri == "sip:strict.example"
        assert bye.all("route") == ["<sip:p1.example;lr>", "<sip:alice@192.0.2.1:5066>"]

    def test_a_strict_router_further_on_changes_nothing(self) -> None:
        dialog = Dialog.from_request(invite("Record-Route: <sip:p1.example;lr>, <sip:strict.example>"), "b1")
        bye = dialog.make_request("BYE")
        assert bye.uri == "sip:alice@192.0.2.1:5066"
        assert bye.all("route") == ["<sip:p1.example;lr>", "<sip:strict.example>"]

    def test_route_parameters_are_kept_as_written(self) -> None:
        route = '"Edge one" <sip:p1.example;lr;ftag=Ab>;x="a;b"'
        dialog = Dialog.from_request(invite(f"Record-Route: {route}"), "b1")
        assert dialog.make_request("BYE").all("route") == [route]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("sip:a@h.example;method=BYE;transport=tcp", "sip:a@h.example;transport=tcp"),
            ("sip:a@h.example?Subject=x", "sip:a@h.example"),
            ("sip:a@[2001:db8::1]:5070;ob", "sip:a@[2001:db8::1]:5070;ob"),
        ],
    )
    def test_request_uri_leaves_out_what_it_may_not_have(self, text: str, expected: str) -> None:
        assert request_uri(Uri.parse(text)) == expected

    @pytest.mark.parametrize(
        ("routes", "expected"),
        [
            ((), ""),
            (("<sip:p.example;lr>",), ""),
            (("<sip:p.example>", "<sip:q.example;lr>"), "sip:p.example"),
        ],
    )
    def test_first_hop(self, routes: tuple[str, ...], expected: str) -> None:
        assert first_hop(routes) == expected


class TestTargetRefresh:
    def test_a_contact_moves_the_target_and_nothing_else(self) -> None:
        dialog = Dialog.from_request(invite("Record-Route: <sip:p1.example;lr>"), "b1")
        dialog.refresh(in_dialog("UPDATE", 8, "<sip:alice@192.0.2.99>"))
        bye = dialog.make_request("BYE")
        assert bye.uri == "sip:alice@192.0.2.99"
        assert bye.all("route") == ["<sip:p1.example;lr>"]

    @pytest.mark.parametrize("contact", ["", "<tel:+31>", "<<"])
    def test_without_a_usable_contact_it_stays(self, contact: str) -> None:
        dialog = Dialog.from_request(invite(), "b1")
        dialog.refresh(in_dialog("UPDATE", 8, contact))
        assert str(dialog.remote_target) == "sip:alice@192.0.2.1:5066"


def test_a_received_request_finds_its_dialog() -> None:
    dialog = Dialog.from_request(invite(), "b1")
    assert received_id(in_dialog("BYE", 8)) == dialog.id
