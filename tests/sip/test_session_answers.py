"""The 2xx of an INVITE and what follows it: ACK, late offers, credentials, forks."""

import pytest

from pbx.errors import MisuseError
from pbx.sip.message import Request, Response, respond
from pbx.sip.session_events import (
    Acknowledged,
    Answered,
    DialogOpened,
    SendAck,
)
from pbx.sip.session_machine import MAX_EARLY_DIALOGS
from pbx.sip.session_offers import MAX_ACKS
from pbx.sip.session_table import State
from tests.sip.session_link import Link, Phone
from tests.sip.sessions import (
    ANSWER,
    OFFER,
    asked,
    client,
    final,
    forked,
    in_state,
    incoming,
    only_request,
    only_response,
    peer_request,
    receive,
    received,
    server,
    started,
    state,
    words,
)


class TestAcknowledgement:
    def test_the_2xx_is_sent_again_from_t1_to_t2_until_the_ack(self) -> None:
        session = received()
        sent = only_response(session.accept(ANSWER, 0.0))
        times: list[float] = []
        while len(times) < 9:
            due = session.next_deadline()
            assert due is not None
            again = only_response(session.handle_timer(due))
            assert again is sent
            times.append(due)
        assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5]

    def test_a_late_wake_sends_once_and_keeps_to_the_schedule(self) -> None:
        session = received()
        session.accept(ANSWER, 0.0)
        assert words(session.handle_timer(9.0)) == ["200"]
        assert session.next_deadline() == 11.5

    def test_without_an_ack_it_ends_after_64_t1(self) -> None:
        link = Link()
        link.lose = lambda phone, message: (
            phone is link.alice and isinstance(message, Request) and message.method == "ACK"
        )
        link.call()
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.deliver()
        link.advance_to(link.now + 31.9)
        assert link.bob.events == []
        link.advance_to(link.now + 0.2)
        assert link.bob.events == ["Ended no-ack"]
        assert link.alice.events == ["Answered", "Ended bye"]
        assert link.bob.dialogs == ["DialogOpened", "DialogClosed"]
        assert state(link.bob.session) is State.ENDED

    def test_a_lost_ack_is_sent_again_the_same(self) -> None:
        link = Link()
        acks: list[bytes] = []

        def first_two(phone: Phone, message: Request | Response) -> bool:
            if not (isinstance(message, Request) and message.method == "ACK"):
                return False
            message.remove("via")
            acks.append(message.encode())
            message.set("via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKagain")
            return len(acks) < 3

        link.lose = first_two
        link.call()
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.deliver()
        link.advance_to(link.now + 60)
        assert link.log.count("bob 200 INVITE") == 3
        assert len(acks) == 3
        assert len(set(acks)) == 1
        assert link.alice.events == ["Answered"]
        assert link.bob.events == ["Acknowledged"]

    def test_lost_2xx_is_sent_again(self) -> None:
        link = Link()
        lost = iter([True, True])
        link.lose = lambda _phone, message: isinstance(message, Response) and next(lost, False)
        link.call()
        link.bob.do(link.bob.session.accept(ANSWER, link.now))
        link.advance_to(link.now + 10)
        assert link.log.count("bob 200 INVITE lost") == 2
        assert link.alice.events == ["Answered"]
        assert link.bob.events == ["Acknowledged"]

    def test_a_second_ack_is_ignored(self) -> None:
        session = in_state(State.ACCEPTED)
        ack = peer_request(session, "ACK", 1)
        assert words(session.receive_ack(ack, 0.0)) == ["Acknowledged"]
        assert session.receive_ack(ack, 0.0) == []

    def test_an_ack_with_another_number_is_ignored(self) -> None:
        session = in_state(State.ACCEPTED)
        assert session.receive_ack(peer_request(session, "ACK", 2), 0.0) == []
        assert state(session) is State.ACCEPTED

    def test_the_callee_waits_for_the_ack_with_its_bye(self) -> None:
        session = in_state(State.ACCEPTED)
        assert session.bye(0.0, [("reason", "Q.850;cause=16")]) == []
        assert words(session.handle_timer(0.5)) == ["200"]
        bye = only_request(session.receive_ack(peer_request(session, "ACK", 1), 1.0))
        assert bye.method == "BYE"
        assert bye.get("reason") == "Q.850;cause=16"
        assert state(session) is State.ENDING
        assert session.next_deadline() is None

    def test_or_for_the_ack_to_be_late(self) -> None:
        session = in_state(State.LEAVING)
        assert words(session.handle_timer(32.0)) == ["BYE"]
        assert state(session) is State.ENDING

    def test_credentials_are_copied(self) -> None:
        session = started()
        receive(session, final(session, 407, sdp=False))
        session.authorize("Proxy-Authorization", "Digest one", 0.0)
        session.sent(client(session.request))
        outputs = receive(session, final(session))
        (ack,) = [output.request for output in outputs if isinstance(output, SendAck)]
        assert ack.get("proxy-authorization") == "Digest one"
        assert str(ack.cseq) == "2 ACK"


class TestLateOffer:
    def test_offer_in_the_2xx_answer_in_the_ack(self) -> None:
        link = Link()
        link.call(None)
        assert link.bob.session._called is not None
        assert not link.bob.session._called.offered
        link.bob.do(link.bob.session.accept(OFFER, link.now))
        link.deliver()
        (answered,) = [event for event in link.alice.heard if isinstance(event, Answered)]
        assert answered.body == OFFER
        assert "alice ACK" not in link.log
        link.advance_to(link.now + 2)  # the repeated 2xx gets nothing: there is no answer yet
        assert "alice ACK" not in link.log
        link.alice.do(link.alice.session.acknowledge(ANSWER, link.now))
        link.deliver()
        (acknowledged,) = [event for event in link.bob.heard if isinstance(event, Acknowledged)]
        assert acknowledged.body == ANSWER
        assert link.alice.session.may_offer
        assert link.bob.session.may_offer

    def test_a_2xx_without_any_offer_is_acknowledged_at_once(self) -> None:
        session = started(None)
        outputs = receive(session, final(session, sdp=False))
        assert words(outputs) == ["DialogOpened", "ACK", "Answered"]

    def test_before_the_answer_the_peer_may_not_offer_again(self) -> None:
        session = in_state(State.ANSWERED)
        assert only_response(asked(session, peer_request(session, "UPDATE", body=OFFER))).status == 500
        session = received()
        late = started(None)
        session = incoming(late.request, server(late.request))
        session.accept(OFFER, 0.0)
        assert only_response(asked(session, peer_request(session, "INVITE", body=OFFER))).status == 491


class TestChallenge:
    def test_the_invite_is_sent_again_with_credentials(self) -> None:
        session = started()
        first = session.request
        assert words(receive(session, final(session, 401, sdp=False))) == ["Refused 401"]
        again = only_request(session.authorize("Authorization", "Digest one", 1.0))
        assert str(again.cseq) == "2 INVITE"
        assert again.call_id == first.call_id
        assert again.get("from") == first.get("from")
        assert again.get("to") == first.get("to")
        assert again.body == OFFER
        assert not again.has("via")
        session.sent(client(again))
        # stale: the old credentials are replaced, a second kind is added
        receive(session, final(session, 401, sdp=False))
        again = only_request(
            session.retry([("Authorization", "Digest two"), ("Proxy-Authorization", "Digest p")], 2.0)
        )
        assert again.lines("authorization") == ["Digest two"]
        assert again.lines("proxy-authorization") == ["Digest p"]
        session.sent(client(again))
        outputs = receive(session, final(session))
        assert words(outputs) == ["DialogOpened", "ACK", "Answered"]
        assert only_request(session.bye(0.0)).cseq.number == 4

    def test_the_owner_need_not(self) -> None:
        session = in_state(State.CHALLENGED)
        assert session.end(0.0) == []
        assert state(session) is State.ENDED

    def test_only_after_a_challenge(self) -> None:
        session = started()
        receive(session, final(session, 486))
        with pytest.raises(MisuseError):
            session.authorize("Authorization", "Digest one", 0.0)


class TestForks:
    def test_each_branch_has_its_dialog_and_the_first_2xx_wins(self) -> None:
        session = started()
        opened = []
        for tag in ("b1", "b2"):
            opened += [
                o for o in receive(session, final(session, 180, tag=tag)) if isinstance(o, DialogOpened)
            ]
        assert [event.id[2] for event in opened] == ["b1", "b2"]
        outputs = receive(session, final(session, tag="b2"))
        assert words(outputs) == ["DialogClosed", "ACK", "Answered"]
        assert session.dialog_id is not None
        assert session.dialog_id[2] == "b2"
        # the other one answers as well: ACK and BYE, and for its repetition the same ACK only
        late = receive(session, final(session, tag="b1"))
        assert words(late) == ["ACK", "BYE"]
        bye = only_request(late)
        assert bye.to.tag == "b1"
        again = receive(session, final(session, tag="b1"))
        assert words(again) == ["ACK"]
        assert isinstance(again[0], SendAck)
        assert isinstance(late[0], SendAck)
        assert again[0].request is late[0].request
        # the end of that dialog is not the end of ours, not even when ours is ending
        session.bye(0.0)
        done = respond(bye, 200)
        assert session.receive_response(client(bye), done, 0.0) == []
        assert state(session) is State.ENDING

    def test_a_2xx_from_a_branch_that_never_rang(self) -> None:
        session = forked()
        outputs = receive(session, final(session, tag="b9"))
        assert words(outputs) == ["DialogOpened", "DialogClosed", "DialogClosed", "ACK", "Answered"]

    def test_after_a_cancel_every_2xx_is_ended(self) -> None:
        session = forked()
        session.cancel(0.0)
        assert words(receive(session, final(session, tag="b1"))) == [
            "DialogClosed",
            "ACK",
            "BYE",
            "Cancelled",
        ]
        assert words(receive(session, final(session, tag="b2"))) == ["ACK", "BYE"]

    def test_the_2xx_corrects_route_set_and_target_of_its_early_dialog(self) -> None:
        session = started()
        early = respond(
            session.request,
            180,
            to_tag="b1",
            headers=[("record-route", "<sip:old.example;lr>"), ("contact", "<sip:bob@192.0.2.50>")],
        )
        receive(session, early)
        answer = final(session)
        answer.set("record-route", "<sip:new.example;lr>")
        receive(session, answer)
        bye = only_request(session.bye(0.0))
        assert bye.all("route") == ["<sip:new.example;lr>"]
        assert bye.uri == "sip:bob@192.0.2.2"

    def test_requests_find_their_own_early_dialog(self) -> None:
        session = forked()
        first, second = session._dialogs.values()
        request = peer_request(session, "INFO", 50)
        assert words(asked(session, request)) == ["200"]
        assert (first.remote_cseq, second.remote_cseq) == (50, None)

    def test_early_dialogs_are_bounded(self) -> None:
        session = started()
        for number in range(MAX_EARLY_DIALOGS + 4):
            receive(session, final(session, 180, tag=f"t{number}"))
        assert len(session._dialogs) == MAX_EARLY_DIALOGS
        receive(session, final(session, tag="late"))
        assert state(session) is State.ESTABLISHED
        for number in range(2 * MAX_ACKS):
            receive(session, final(session, tag=f"u{number}"))
        assert len(session._acks) == MAX_ACKS
