"""INVITE sessions from the first message to the last: calls, CANCEL, BYE."""

import pytest

from pbx.errors import MisuseError
from pbx.sip.dialog import received_id
from pbx.sip.message import Request, Response, respond
from pbx.sip.session import InviteSession
from pbx.sip.session_events import (
    Answered,
    Ended,
    Progressed,
    Refused,
    SendAck,
)
from pbx.sip.session_table import State
from tests.sip.session_link import Link
from tests.sip.sessions import (
    ANSWER,
    OFFER,
    TIMERS,
    asked,
    client,
    final,
    ids,
    in_state,
    incoming,
    only_request,
    only_response,
    outgoing,
    peer_request,
    receive,
    received,
    server,
    started,
    state,
    wire,
    words,
)


class TestCall:
    def test_from_invite_to_bye(self) -> None:
        link = Link()
        link.call()
        assert words(link.bob.session.trying(link.now)) == ["100"]
        link.bob.do(link.bob.session.ring(180, "", None, link.now))
        link.bob.do(link.bob.session.ring(183, "", ANSWER, link.now))
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.deliver()
        assert link.alice.events == ["Progressed 180", "Progressed 183", "Answered"]
        assert link.bob.events == ["Acknowledged"]
        assert link.alice.dialogs == link.bob.dialogs == ["DialogOpened"]
        progressed = [event for event in link.alice.heard if isinstance(event, Progressed)]
        assert [event.body for event in progressed] == [None, ANSWER]
        (answered,) = [event for event in link.alice.heard if isinstance(event, Answered)]
        assert answered.body == ANSWER
        assert state(link.alice.session) is state(link.bob.session) is State.ESTABLISHED
        assert link.alice.session.dialog_id is not None
        call_id, ours, theirs = link.alice.session.dialog_id
        assert link.bob.session.dialog_id == (call_id, theirs, ours)
        assert link.alice.session.next_deadline() is None
        assert link.bob.session.next_deadline() is None
        link.forget()
        link.alice.do(link.alice.session.bye(link.now))
        link.deliver()
        assert link.log == ["alice BYE", "bob 200 BYE"]
        assert link.alice.events == link.bob.events == ["Ended bye"]
        assert link.alice.dialogs == link.bob.dialogs == ["DialogClosed"]
        (alice_ended,) = [event for event in link.alice.heard if isinstance(event, Ended)]
        (bob_ended,) = [event for event in link.bob.heard if isinstance(event, Ended)]
        assert alice_ended.request is None
        assert bob_ended.request is not None
        assert state(link.alice.session) is state(link.bob.session) is State.ENDED

    def test_the_invite_says_what_it_must(self) -> None:
        session = outgoing(headers=[("p-asserted-identity", "<sip:alice@pbx.example>")])
        request = only_request(session.start(0.0))
        assert request.uri == "sip:bob@192.0.2.2"
        assert request.from_.tag
        assert request.to.tag is None
        assert request.max_forwards == 70
        assert str(request.cseq) == "1 INVITE"
        assert request.get("contact") == "<sip:pbx@192.0.2.1>"
        assert request.get("user-agent") == "pbx/1"
        assert request.get("p-asserted-identity") == "<sip:alice@pbx.example>"
        assert request.content_type == "application/sdp"
        assert request.body == OFFER
        assert not request.has("supported")

    def test_preloaded_routes(self) -> None:
        loose = only_request(outgoing(routes=["<sip:p.example;lr>"]).start(0.0))
        assert loose.uri == "sip:bob@192.0.2.2"
        assert loose.all("route") == ["<sip:p.example;lr>"]
        strict = only_request(outgoing(routes=["<sip:p.example>", "<sip:q.example;lr>"]).start(0.0))
        assert strict.uri == "sip:p.example"
        assert strict.all("route") == ["<sip:q.example;lr>", "<sip:bob@192.0.2.2>"]

    def test_responses_say_what_they_must(self) -> None:
        session = received()
        trying = only_response(session.trying(0.0))
        assert trying.to.tag is None
        ringing = only_response(session.ring(180, "Ringing here", None, 0.0))
        assert ringing.reason == "Ringing here"
        accepted = only_response(session.accept(ANSWER, 0.0))
        for response in (ringing, accepted):
            assert response.to.tag == session.dialog_id[1] if session.dialog_id else False
            assert response.get("contact") == "<sip:pbx@192.0.2.2>"
            assert response.get("allow")
            assert response.get("server") == "pbx/1"
            assert not response.has("require")
        assert accepted.content_type == "application/sdp"
        assert accepted.body == ANSWER

    def test_record_route_reaches_both_route_sets(self) -> None:
        caller = started()
        caller.request.add("record-route", "<sip:p2.example;lr>")
        caller.request.add("record-route", "<sip:p1.example;lr>")
        callee = incoming(caller.request, server(caller.request))
        response = wire(only_response(callee.accept(ANSWER, 0.0)))
        assert isinstance(response, Response)
        outputs = caller.receive_response(client(caller.request), response, 0.0)
        (ack,) = [output.request for output in outputs if isinstance(output, SendAck)]
        assert ack.uri == "sip:pbx@192.0.2.2"
        assert ack.all("route") == ["<sip:p1.example;lr>", "<sip:p2.example;lr>"]
        callee.receive_ack(ack, 0.0)
        assert only_request(callee.bye(0.0)).all("route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]

    def test_refused(self) -> None:
        link = Link()
        link.call()
        link.bob.do(link.bob.session.refuse(486, "", link.now, [("retry-after", "9")]))
        link.deliver()
        (refused,) = [event for event in link.alice.heard if isinstance(event, Refused)]
        assert (refused.status, refused.reason) == (486, "Busy Here")
        assert refused.response is not None
        assert refused.response.get("retry-after") == "9"
        assert link.bob.heard == []
        assert state(link.alice.session) is state(link.bob.session) is State.ENDED

    def test_redirected(self) -> None:
        session = received()
        response = only_response(session.refuse(302, "", 0.0, [("contact", "<sip:carol@192.0.2.3>")]))
        assert [str(contact.uri) for contact in response.contacts] == ["sip:carol@192.0.2.3"]

    @pytest.mark.parametrize(("cause", "status"), [("timeout", 408), ("transport", 503)])
    def test_no_response_at_all(self, cause: str, status: int) -> None:
        session = started()
        transaction = client(session.request)
        outputs = session.transaction_failed(
            transaction, "timeout" if cause == "timeout" else "transport", 0.0
        )
        (refused,) = outputs
        assert isinstance(refused, Refused)
        assert (refused.status, refused.response) == (status, None)

    def test_100_and_199_are_no_progress(self) -> None:
        session = started()
        assert receive(session, final(session, 100, tag="")) == []
        assert receive(session, final(session, 199)) == []
        assert state(session) is State.CALLING

    def test_progress_without_a_tag_opens_no_dialog(self) -> None:
        session = started()
        assert words(receive(session, final(session, 180, tag=""))) == ["Progressed 180"]

    def test_a_body_that_is_no_sdp_is_not_passed_on(self) -> None:
        session = started()
        response = respond(session.request, 183, to_tag="b1", body=b"ring", content_type="text/plain")
        (progressed,) = [o for o in receive(session, response) if isinstance(o, Progressed)]
        assert progressed.body is None

    def test_a_2xx_that_cannot_be_acknowledged_is_a_refusal(self) -> None:
        session = started()
        response = respond(session.request, 200, to_tag="b1", headers=[("contact", "<tel:+31>")])
        assert words(receive(session, response)) == ["Refused 502"]
        assert state(session) is State.ENDED

    def test_it_rings_again_every_minute_until_answered(self) -> None:
        link = Link()
        link.call()
        link.bob.do(link.bob.session.ring(180, "", None, link.now))
        link.advance_to(link.now + 200)
        assert link.log.count("bob 180 INVITE") == 4
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.deliver()
        assert link.bob.session.next_deadline() is None

    def test_a_late_wake_rings_once(self) -> None:
        session = received()
        session.ring(180, "", None, 0.0)
        assert words(session.handle_timer(200.0)) == ["180"]
        assert session.next_deadline() == 240.0

    def test_a_lost_caller(self) -> None:
        session = in_state(State.RINGING)
        assert session._called is not None
        transaction = session._called.transaction
        assert transaction is not None
        assert words(session.response_undelivered(transaction, 0.0)) == ["500", "Ended error", "DialogClosed"]
        assert session.response_undelivered(transaction, 0.0) == []

    @pytest.mark.parametrize("status", [100, 199, 200])
    def test_what_is_no_ringing(self, status: int) -> None:
        with pytest.raises(MisuseError):
            received().ring(status, "", None, 0.0)

    @pytest.mark.parametrize("status", [200, 299, 700])
    def test_what_is_no_refusal(self, status: int) -> None:
        with pytest.raises(MisuseError):
            received().refuse(status, "", 0.0)


class TestCancel:
    def test_while_ringing(self) -> None:
        link = Link()
        link.call()
        link.bob.do(link.bob.session.ring(180, "", None, link.now))
        link.deliver()
        link.alice.do(link.alice.session.cancel(link.now))
        link.deliver()
        assert link.log[-2:] == ["alice CANCEL", "bob 487 INVITE"]
        assert link.alice.events == ["Progressed 180", "Cancelled"]
        assert link.bob.events == ["Cancelled"]
        assert link.alice.dialogs == link.bob.dialogs == ["DialogOpened", "DialogClosed"]

    def test_a_2xx_that_crosses_it_is_acknowledged_and_ended(self) -> None:
        link = Link()
        link.call()
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.alice.do(link.alice.session.cancel(link.now))
        link.deliver()
        assert link.log == [
            "alice INVITE", "bob 200 INVITE", "alice CANCEL", "alice ACK", "alice BYE", "bob 200 BYE",
        ]  # fmt: skip
        assert link.alice.events == ["Cancelled"]
        assert link.alice.dialogs == ["DialogOpened", "DialogClosed"]
        assert link.bob.events == ["Acknowledged", "Ended bye"]
        assert state(link.alice.session) is state(link.bob.session) is State.ENDED

    def test_a_cancel_after_the_answer_changes_nothing(self) -> None:
        session = in_state(State.ACCEPTED)
        assert session.receive_cancel(0.0) == []
        assert state(session) is State.ACCEPTED

    def test_a_busy_callee_that_crosses_it(self) -> None:
        session = started()
        session.cancel(0.0)
        assert words(receive(session, final(session, 486))) == ["Cancelled"]

    def test_no_final_response_after_it(self) -> None:
        session = started()
        session.cancel(0.0)
        assert words(session.transaction_failed(client(session.request), "timeout", 32.0)) == ["Cancelled"]
        assert state(session) is State.ENDED

    def test_not_before_the_invite_was_sent(self) -> None:
        session = outgoing()
        session.start(0.0)
        for imperative in (session.cancel, session.end):
            with pytest.raises(MisuseError):
                imperative(0.0)
        assert state(session) is State.CALLING

    def test_no_answer_then_accept_is_misuse(self) -> None:
        session = received()
        session.receive_cancel(0.0)
        with pytest.raises(MisuseError):
            session.accept(ANSWER, 0.0)


class TestBye:
    def test_both_at_once(self) -> None:
        link = Link()
        link.establish()
        link.alice.do(link.alice.session.bye(link.now))
        link.bob.do(link.bob.session.bye(link.now))
        link.deliver()
        assert sorted(link.log) == ["alice 200 BYE", "alice BYE", "bob 200 BYE", "bob BYE"]
        assert link.alice.events == link.bob.events == ["Ended bye"]

    def test_no_answer_to_it(self) -> None:
        session = in_state(State.ESTABLISHED)
        bye = only_request(session.bye(0.0))
        assert words(session.transaction_failed(client(bye), "timeout", 32.0)) == [
            "Ended bye",
            "DialogClosed",
        ]
        assert state(session) is State.ENDED

    @pytest.mark.parametrize("status", [200, 401, 408, 481, 500])
    def test_any_final_answer_to_it(self, status: int) -> None:
        session = in_state(State.ESTABLISHED)
        bye = only_request(session.bye(0.0))
        assert session.receive_response(client(bye), respond(bye, 100), 0.0) == []
        outputs = session.receive_response(client(bye), respond(bye, status), 0.0)
        assert words(outputs) == ["Ended bye", "DialogClosed"]

    def test_it_crosses_the_ack(self) -> None:
        # Alice's ACK is lost and she hangs up: the BYE is as good as the ACK.
        link = Link()
        link.lose = lambda _phone, message: isinstance(message, Request) and message.method == "ACK"
        link.call()
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.deliver()
        link.alice.do(link.alice.session.bye(link.now))
        link.deliver()
        assert link.bob.events == ["Ended bye"]
        assert link.bob.session.next_deadline() is None

    def test_the_caller_ends_an_early_dialog_with_it(self) -> None:
        session = in_state(State.RINGING)
        outputs = asked(session, peer_request(session, "BYE"))
        assert words(outputs) == ["200", "487", "Ended bye", "DialogClosed"]

    def test_a_waiting_reinvite_is_refused_first(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", body=OFFER))
        assert words(session.bye(0.0)) == ["487", "BYE"]
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        outputs = asked(session, peer_request(session, "BYE", 901))
        assert words(outputs) == ["200", "487", "Ended bye", "DialogClosed"]

    def test_after_it_there_is_no_dialog(self) -> None:
        link = Link()
        link.establish()
        request = peer_request(link.bob.session, "OPTIONS")
        bye = peer_request(link.bob.session, "BYE", 901)
        asked(link.bob.session, bye)
        for late in (request, bye):
            assert only_response(asked(link.bob.session, late)).status == 481

    def test_without_acknowledge_the_ack_goes_without_an_answer(self) -> None:
        session = in_state(State.ANSWERED)
        outputs = session.bye(0.0)
        assert words(outputs) == ["ACK", "BYE"]
        assert isinstance(outputs[0], SendAck)
        assert outputs[0].request.body == b""

    def test_2xx_repeated_after_the_peers_bye_is_acknowledged(self) -> None:
        session = in_state(State.ANSWERED)
        asked(session, peer_request(session, "BYE"))
        assert words(receive(session, final(session))) == ["ACK"]
        assert state(session) is State.ENDED

    def test_an_answered_session_knows_no_transaction(self) -> None:
        session = in_state(State.ESTABLISHED)
        assert session._calling is not None
        assert session._calling.transaction is None

    def test_an_ended_session_knows_no_transaction(self) -> None:
        session = in_state(State.ENDED)
        assert session._calling is not None
        assert session._calling.transaction is None
        session = in_state(State.RINGING)
        session.receive_cancel(0.0)
        assert session._called is not None
        assert session._called.transaction is None


def test_the_peers_requests_are_found_by_the_id_of_the_dialog() -> None:
    link = Link()
    link.establish()
    bye = only_request(link.alice.session.bye(link.now))
    assert received_id(bye) == link.bob.session.dialog_id


def test_two_sessions_of_one_generator_share_no_tags() -> None:
    generator = ids("shared")
    sessions = []
    for _ in range(2):
        caller = started()
        sessions.append(
            InviteSession.incoming(
                server(caller.request),
                caller.request,
                contact="<sip:a@b>",
                ids=generator,
                timers=TIMERS,
                allow="INVITE",
                server="x",
            )
        )
    first, second = (session.dialog_id for session in sessions)
    assert first is not None
    assert second is not None
    assert first[1] != second[1]
