"""Re-INVITE, UPDATE and glare (RFC 3261 §14, RFC 3311)."""

import pytest

from pbx.errors import MisuseError
from pbx.sip.message import Request, respond
from pbx.sip.session_events import (
    OfferAccepted,
    Offered,
    SendAck,
)
from pbx.sip.session_offers import MAX_GLARES
from pbx.sip.session_table import OfferState, State
from tests.sip.session_link import Link
from tests.sip.sessions import (
    ANSWER,
    HOLD,
    OFFER,
    asked,
    client,
    exchange,
    forked,
    in_state,
    incoming,
    only_request,
    only_response,
    outgoing,
    peer_request,
    server,
    state,
    words,
)


class TestReinvite:
    def test_accepted(self) -> None:
        link = Link()
        link.establish()
        link.alice.do(link.alice.session.offer(HOLD, link.now))
        link.deliver()
        (offered,) = [event for event in link.bob.heard if isinstance(event, Offered)]
        assert (offered.body, offered.method) == (HOLD, "INVITE")
        assert exchange(link.bob.session) is OfferState.ASKED
        link.bob.do(link.bob.session.answer(ANSWER, link.now))
        link.deliver()
        (accepted,) = [event for event in link.alice.heard if isinstance(event, OfferAccepted)]
        assert accepted.body == ANSWER
        assert link.log == ["alice INVITE", "bob 100 INVITE", "bob 200 INVITE", "alice ACK"]
        assert link.alice.session.may_offer
        assert link.bob.session.may_offer
        assert link.bob.session.next_deadline() is None

    def test_it_says_what_it_must(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        assert request.get("contact") == "<sip:pbx@192.0.2.1>"
        assert request.get("allow")
        assert request.content_type == "application/sdp"
        assert str(request.cseq) == "2 INVITE"
        assert request.uri == "sip:bob@192.0.2.2"

    def test_refused_and_the_call_goes_on(self) -> None:
        link = Link()
        link.establish()
        link.alice.do(link.alice.session.offer(HOLD, link.now))
        link.deliver()
        link.bob.do(link.bob.session.refuse_offer(488, link.now))
        link.deliver()
        assert link.alice.events == ["OfferRefused 488"]
        assert link.alice.session.may_offer
        assert link.bob.session.may_offer

    def test_its_lost_ack(self) -> None:
        link = Link()
        link.establish()
        lost = iter([True])
        link.lose = lambda _phone, message: (
            isinstance(message, Request) and message.method == "ACK" and next(lost, False)
        )
        link.alice.do(link.alice.session.offer(HOLD, link.now))
        link.deliver()
        link.bob.do(link.bob.session.answer(ANSWER, link.now))
        link.deliver()
        assert exchange(link.bob.session) is OfferState.REPLIED
        link.advance_to(link.now + 5)
        assert link.log.count("bob 200 INVITE") == 2
        assert link.alice.events == ["OfferAccepted"]
        assert link.bob.session.may_offer

    def test_never_acknowledged(self) -> None:
        link = Link()
        link.establish()
        link.lose = lambda _phone, message: isinstance(message, Request) and message.method == "ACK"
        link.alice.do(link.alice.session.offer(HOLD, link.now))
        link.deliver()
        link.bob.do(link.bob.session.answer(ANSWER, link.now))
        link.advance_to(link.now + 33)
        assert link.bob.events == ["Offered INVITE", "Ended no-ack"]
        assert link.alice.events == ["OfferAccepted", "Ended bye"]

    def test_without_an_offer_the_2xx_brings_one(self) -> None:
        session = in_state(State.ESTABLISHED)
        (offered,) = [
            o for o in asked(session, peer_request(session, "INVITE", 900)) if isinstance(o, Offered)
        ]
        assert offered.body is None
        assert only_response(session.answer(OFFER, 0.0)).body == OFFER
        assert only_response(asked(session, peer_request(session, "INVITE", 901, OFFER))).status == 491
        (accepted,) = session.receive_ack(peer_request(session, "ACK", 900, ANSWER), 0.0)
        assert isinstance(accepted, OfferAccepted)
        assert accepted.body == ANSWER

    def test_target_is_refreshed_both_ways(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        assert session.dialog is not None
        assert str(session.dialog.remote_target) == "sip:bob@192.0.2.2"  # not before it is accepted
        session.answer(ANSWER, 0.0)
        assert str(session.dialog.remote_target) == "sip:bob@192.0.2.77"
        session.receive_ack(peer_request(session, "ACK", 900), 0.0)
        request = only_request(session.offer(HOLD, 0.0))
        response = respond(request, 200, headers=[("contact", "<sip:bob@192.0.2.88>")])
        outputs = session.receive_response(client(request), response, 0.0)
        assert isinstance(outputs[0], SendAck)
        assert outputs[0].request.uri == "sip:bob@192.0.2.88"

    def test_a_refused_one_moves_no_target(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        session.refuse_offer(488, 0.0)
        assert session.dialog is not None
        assert str(session.dialog.remote_target) == "sip:bob@192.0.2.2"

    def test_repeated_2xx(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        response = respond(request, 200, body=ANSWER, content_type="application/sdp")
        first = session.receive_response(client(request), response, 0.0)
        again = session.receive_response(client(request), response, 0.0)
        assert words(first) == ["ACK", "OfferAccepted"]
        assert words(again) == ["ACK"]
        assert isinstance(first[0], SendAck)
        assert isinstance(again[0], SendAck)
        assert first[0].request is again[0].request

    def test_a_2xx_after_our_bye_is_acknowledged(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        session.bye(0.0)
        assert words(session.receive_response(client(request), respond(request, 200), 0.0)) == ["ACK"]
        assert words(session.receive_response(client(request), respond(request, 200), 0.0)) == ["ACK"]

    def test_provisional_responses_to_it_say_nothing(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        assert session.receive_response(client(request), respond(request, 180), 0.0) == []

    def test_one_while_another_waits_gets_500(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        response = only_response(asked(session, peer_request(session, "INVITE", 901, OFFER)))
        assert response.status == 500
        assert 0 <= int(response.get("retry-after") or "-1") <= 10

    def test_one_before_the_first_has_its_answer_gets_500(self) -> None:
        session = in_state(State.RINGING)
        for method in ("INVITE", "UPDATE"):
            response = only_response(asked(session, peer_request(session, method, 901, OFFER)))
            assert response.status == 500
            assert response.has("retry-after")

    def test_one_that_overtakes_the_ack_proves_the_2xx_arrived(self) -> None:
        session = in_state(State.ACCEPTED)
        outputs = asked(session, peer_request(session, "INVITE", 900, OFFER))
        assert words(outputs) == ["Acknowledged", "100", "Offered INVITE"]
        assert state(session) is State.ESTABLISHED
        assert session.next_deadline() is None
        assert session.receive_ack(peer_request(session, "ACK", 1), 0.0) == []

    def test_one_after_a_lost_ack_of_another(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        session.answer(ANSWER, 0.0)
        assert words(asked(session, peer_request(session, "INVITE", 901, OFFER))) == ["100", "Offered INVITE"]
        assert session.next_deadline() is None

    def test_cancelled(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        assert words(session.receive_cancel(0.0)) == ["487", "OfferWithdrawn"]
        assert session.receive_cancel(0.0) == []
        with pytest.raises(MisuseError):
            session.answer(ANSWER, 0.0)

    @pytest.mark.parametrize(("status", "cause"), [(481, "gone"), (408, "timeout")])
    def test_a_peer_that_knows_no_dialog(self, status: int, cause: str) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        outputs = session.receive_response(client(request), respond(request, status), 0.0)
        assert words(outputs) == ["BYE", f"Ended {cause}"]
        bye = only_request(outputs)
        assert words(session.receive_response(client(bye), respond(bye, 481), 0.0)) == ["DialogClosed"]

    def test_no_response_at_all(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        assert words(session.transaction_failed(client(request), "timeout", 0.0)) == ["BYE", "Ended timeout"]

    def test_not_sent_at_all(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        assert words(session.transaction_failed(client(request), "transport", 0.0)) == ["OfferRefused 503"]
        assert session.may_offer

    @pytest.mark.parametrize("where", [State.CALLING, State.ACCEPTED, State.ENDING, State.ENDED])
    def test_not_in_this_state(self, where: State) -> None:
        session = in_state(where)
        assert not session.may_offer
        with pytest.raises(MisuseError):
            session.offer(HOLD, 0.0)
        assert state(session) is where

    def test_not_two_at_once(self) -> None:
        session = in_state(State.ESTABLISHED)
        session.offer(HOLD, 0.0)
        with pytest.raises(MisuseError):
            session.offer(HOLD, 0.0)

    @pytest.mark.parametrize("status", [200, 299, 700])
    def test_refused_with_a_refusal(self, status: int) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "INVITE", 900, OFFER))
        with pytest.raises(MisuseError):
            session.refuse_offer(status, 0.0)


class TestGlare:
    def test_both_offer_at_once_and_both_get_through(self) -> None:
        link = Link()
        link.establish()
        link.alice.do(link.alice.session.offer(HOLD, link.now))
        link.bob.do(link.bob.session.offer(OFFER, link.now))
        link.deliver()
        assert sorted(link.log) == ["alice 491 INVITE", "alice INVITE", "bob 491 INVITE", "bob INVITE"]
        assert exchange(link.alice.session) is exchange(link.bob.session) is OfferState.WAITING
        alice_due, bob_due = link.alice.session.next_deadline(), link.bob.session.next_deadline()
        assert alice_due is not None
        assert bob_due is not None
        assert 2.1 <= alice_due - link.now <= 4.0  # the owner of the Call-ID
        assert 0.0 <= bob_due - link.now <= 2.0
        link.advance_to(bob_due)
        assert exchange(link.bob.session) is OfferState.OFFERED
        # Alice's offer gave way to Bob's, which her owner has to answer.
        assert link.alice.events == ["OfferRefused 491", "Offered INVITE"]
        link.alice.do(link.alice.session.answer(ANSWER, link.now))
        link.deliver()
        assert link.bob.events == ["OfferAccepted"]
        assert link.alice.session.may_offer
        assert link.alice.session.next_deadline() is None

    def test_the_pause_is_random_in_its_range(self) -> None:
        own, others = set(), set()
        for number in range(300):
            caller = outgoing(seed=f"s{number}")
            caller.start(0.0)
            client(caller.request)
            callee = incoming(caller.request, server(caller.request), f"s{number}")
            own.add(round(caller._offers._glare_pause() * 100))
            others.add(round(callee._offers._glare_pause() * 100))
        assert min(own) >= 210
        assert max(own) <= 400
        assert min(others) >= 0
        assert max(others) <= 200
        assert len(own) > 100
        assert len(others) > 100

    def test_the_retry_has_the_next_cseq_and_the_same_body(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        assert session.receive_response(client(request), respond(request, 491), 0.0) == []
        assert session.handle_timer(2.0) == []
        due = session.next_deadline()
        assert due is not None
        again = only_request(session.handle_timer(due))
        assert again.cseq.number == request.cseq.number + 1
        assert again.body == HOLD

    def test_it_gives_up_at_last(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        for _ in range(MAX_GLARES):
            assert session.receive_response(client(request), respond(request, 491), 0.0) == []
            request = only_request(session.handle_timer(5.0))
        assert words(session.receive_response(client(request), respond(request, 491), 0.0)) == [
            "OfferRefused 491"
        ]

    def test_a_bye_meanwhile_stops_it(self) -> None:
        session = in_state(State.ESTABLISHED)
        request = only_request(session.offer(HOLD, 0.0))
        session.receive_response(client(request), respond(request, 491), 0.0)
        session.bye(0.0)
        assert session.next_deadline() is None
        assert session.handle_timer(10.0) == []

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    def test_before_our_first_invite_is_answered(self, method: str) -> None:
        session = forked()
        assert only_response(asked(session, peer_request(session, method, 5, OFFER))).status == 491


class TestUpdate:
    def test_with_an_offer(self) -> None:
        session = in_state(State.ESTABLISHED)
        outputs = asked(session, peer_request(session, "UPDATE", 900, OFFER))
        assert words(outputs) == ["Offered UPDATE"]
        response = only_response(session.answer(ANSWER, 0.0))
        assert response.body == ANSWER
        assert response.get("contact") == "<sip:pbx@192.0.2.1>"
        assert session.next_deadline() is None
        assert session.may_offer
        assert session.dialog is not None
        assert str(session.dialog.remote_target) == "sip:bob@192.0.2.77"

    def test_refused(self) -> None:
        session = in_state(State.ESTABLISHED)
        asked(session, peer_request(session, "UPDATE", 900, OFFER))
        assert only_response(session.refuse_offer(488, 0.0)).status == 488
        assert session.may_offer

    @pytest.mark.parametrize("where", [State.ESTABLISHED, State.ACCEPTED, State.RINGING])
    def test_without_an_offer_it_refreshes_the_target(self, where: State) -> None:
        session = in_state(where)
        response = only_response(asked(session, peer_request(session, "UPDATE", 900)))
        assert response.status == 200
        assert session.dialog is not None
        assert str(session.dialog.remote_target) == "sip:bob@192.0.2.77"
        assert state(session) is where

    def test_before_the_ack_of_an_answered_call(self) -> None:
        session = in_state(State.ACCEPTED)
        assert words(asked(session, peer_request(session, "UPDATE", 900, OFFER))) == ["Offered UPDATE"]
        assert words(session.answer(ANSWER, 0.0)) == ["200"]
        assert words(session.receive_ack(peer_request(session, "ACK", 1), 0.0)) == ["Acknowledged"]
        assert session.may_offer

    def test_while_ours_is_out(self) -> None:
        session = in_state(State.ESTABLISHED)
        session.offer(HOLD, 0.0)
        assert only_response(asked(session, peer_request(session, "UPDATE", 900, OFFER))).status == 491
