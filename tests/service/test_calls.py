"""Whole calls through a PBX in memory, seen from two scripted phones."""

from dataclasses import replace

import pytest

from pbx.sip.message import Request
from tests.service.house import DOMAIN, House
from tests.service.phone import Dialogue, Phone


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def alice(house: House) -> Phone:
    phone = Phone(house, "1001", "192.0.2.11", rtp_port=41000)
    phone.register()
    return phone


@pytest.fixture
def bob(house: House) -> Phone:
    phone = Phone(house, "1002", "192.0.2.12", rtp_port=42000)
    phone.register()
    return phone


def talking(alice: Phone, bob: Phone) -> tuple[Dialogue, Dialogue]:
    """A call from alice to bob that is up; the dialogues of each."""
    call = alice.invite("1002")
    invite = bob.answer_last(180)
    bob.answer(invite, 200, body=bob.sdp())
    call.ack()
    return call, Dialogue.answered(bob, invite)


class TestBasicCall:
    def test_goes_from_invite_to_bye(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        assert alice.responses() == [401, 100]
        invite = bob.answer_last(180)
        assert alice.responses() == [401, 100, 180]
        bob.answer(invite, 200, body=bob.sdp())
        assert alice.responses() == [401, 100, 180, 200]
        assert bob.methods() == ["INVITE", "ACK"]
        call.ack()
        call.bye()
        assert alice.responses("BYE") == [200]
        assert bob.methods() == ["INVITE", "ACK", "BYE"]
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_the_callee_may_hang_up(self, house: House, alice: Phone, bob: Phone) -> None:
        _, answered = talking(alice, bob)
        answered.bye()
        assert bob.responses("BYE") == [200]
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_both_hear_each_other(self, house: House, alice: Phone, bob: Phone) -> None:
        talking(alice, bob)
        rows = list(house.media.rows.values())
        assert {row.remote for row in rows} == {("192.0.2.11", 41000), ("192.0.2.12", 42000)}
        assert all(row.receive and row.send for row in rows)
        assert len(house.media.hearing) == 2

    def test_payload_types_are_mapped_between_the_legs(self, house: House, alice: Phone, bob: Phone) -> None:
        bob.formats = (8, 0, 96)
        call = alice.invite("1002")
        invite = bob.requests("INVITE")[0]
        bob.answer(invite, 200, body=bob.sdp(formats=(0, 96)))
        call.ack()
        by_remote = {row.remote: row.payload_map for row in house.media.rows.values()}
        assert by_remote["192.0.2.11", 41000] == {0: 0, 101: 96}
        assert by_remote["192.0.2.12", 42000] == {0: 0, 101: 101, 96: 101}

    def test_the_callee_sees_number_and_name_and_nothing_of_the_other_leg(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        alice.invite("1002", extra="X-Secret: hers\r\nUser-Agent: hers\r\nP-Asserted-Identity: <sip:h@a>\r\n")
        data = house.sent[-1].data.decode()
        invite = bob.requests("INVITE")[0]
        assert invite.from_.display == "Alice"
        assert str(invite.from_.uri) == f"sip:1001@{DOMAIN}"
        for secret in ("192.0.2.11", "hers", "secret", "call-1001", "tag-1001", "sip:h@a"):
            assert secret not in data, secret

    def test_the_caller_sees_nothing_of_the_callee(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        bob.answer_last(200, body=bob.sdp(), extra="Server: his\r\nX-Secret: his\r\n")
        data = next(each.data.decode() for each in reversed(house.sent) if b" 200 " in each.data[:14])
        for secret in ("192.0.2.12", "his", "secret", "tag-1002", "Whatever"):
            assert secret not in data, secret

    def test_one_hop_less_is_left(self, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        assert bob.requests("INVITE")[0].max_forwards == 69


class TestEarlyMedia:
    def test_both_ways_before_the_answer(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        invite = bob.answer_last(183, body=bob.sdp())
        assert alice.responses() == [401, 100, 183]
        assert alice.response().body
        assert len(house.media.hearing) == 2
        bob.answer(invite, 200, body=bob.sdp())
        assert alice.response().status == 200
        call.ack()
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_the_answer_repeats_what_the_early_one_said(self, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        invite = bob.answer_last(183, body=bob.sdp())
        early = alice.response().body
        bob.answer(invite, 200, body=bob.sdp())
        assert alice.response().body == early

    def test_an_answer_without_a_description_keeps_the_early_one(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        alice.invite("1002")
        invite = bob.answer_last(183, body=bob.sdp())
        bob.answer(invite, 200)
        assert alice.response().status == 200
        assert len(house.media.hearing) == 2

    def test_a_183_without_a_description_passes_as_it_is(self, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        bob.answer_last(183)
        assert alice.responses() == [401, 100, 183]
        assert alice.response().body == b""


class TestRefusals:
    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            (486, 486), (600, 600), (603, 603), (404, 404), (480, 480), (488, 488), (415, 415),
            # A challenge, a redirection and faults of the hop behind us are not the caller's.
            (401, 403), (407, 403), (302, 500), (503, 500), (408, 480), (491, 500),
        ],
    )  # fmt: skip
    def test_final_codes_pass_by_policy(
        self, house: House, alice: Phone, bob: Phone, theirs: int, ours: int
    ) -> None:
        call = alice.invite("1002")
        bob.answer_last(theirs, extra="Contact: <sip:elsewhere@192.0.2.99>\r\n" if theirs == 302 else "")
        assert alice.responses()[-1] == ours
        assert b"192.0.2.99" not in house.sent[-1].data
        assert bob.methods() == ["INVITE", "ACK"]
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_nobody_answers_in_time(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        bob.answer_last(180)
        house.advance(29)
        assert alice.responses()[-1] == 180
        house.advance(1.1)
        assert alice.responses()[-1] == 480
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_a_phone_that_never_says_anything(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        house.advance(30.5)
        assert alice.responses()[-1] == 480
        call.acknowledge_refusal()
        assert {request.method for request in bob.requests("INVITE")} == {"INVITE"}
        house.assert_nothing_left()

    def test_no_binding_is_480_and_unknown_users_are_404(self, alice: Phone) -> None:
        alice.invite("1003")
        assert alice.responses()[-1] == 480
        alice.invite("1999")
        assert alice.responses()[-1] == 404

    def test_rules_that_reject_and_redirect(self, house: House, alice: Phone) -> None:
        alice.invite("601").acknowledge_refusal()
        assert alice.responses()[-1] == 486
        alice.invite("603").acknowledge_refusal()
        assert alice.response().status == 302
        assert alice.response().get("contact") == "<sip:elsewhere@example.net>"
        alice.invite("999").acknowledge_refusal()
        assert alice.response().status == 404
        house.assert_nothing_left()

    def test_nothing_in_common_is_488(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(transcode=False)
        call = alice.invite("1002")
        bob.answer_last(200, body=bob.sdp(formats=(9,)))
        assert alice.responses()[-1] == 488
        assert bob.methods() == ["INVITE", "ACK", "BYE"]
        bob.answer_last(200, "BYE")
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_an_outcome_goes_where_the_rule_says(self, alice: Phone, bob: Phone) -> None:
        alice.invite("604")
        assert bob.methods() == ["INVITE"]
        bob.answer_last(200, body=bob.sdp())
        assert alice.responses()[-1] == 200


class TestCancel:
    def test_while_it_rings(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        bob.answer_last(180)
        call.cancel()
        assert alice.responses("CANCEL") == [200]
        assert alice.responses()[-1] == 487
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        call.acknowledge_refusal()
        assert bob.methods() == ["INVITE", "CANCEL", "ACK"]
        house.assert_nothing_left()

    def test_before_the_callee_said_anything_it_waits(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        call.cancel()
        assert alice.responses()[-1] == 487
        assert bob.methods() == ["INVITE"]
        bob.answer_last(100)
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_before_a_decision(self, house: House, alice: Phone, bob: Phone) -> None:
        house.hold_decisions = True
        call = alice.invite("1002")
        call.cancel()
        assert alice.responses()[-1] == 487
        call.acknowledge_refusal()
        assert bob.methods() == []
        house.assert_nothing_left()

    def test_an_answer_that_crosses_it_gets_ack_and_bye(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        invite = bob.answer_last(180)
        call.cancel()
        bob.answer_last(200, "CANCEL")
        bob.answer(invite, 200, body=bob.sdp())
        assert bob.methods() == ["INVITE", "CANCEL", "ACK", "BYE"]
        bob.answer_last(200, "BYE")
        assert alice.responses()[-1] == 487
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_after_the_answer_it_changes_nothing(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        bob.answer_last(200, body=bob.sdp())
        call.cancel()
        assert alice.responses("CANCEL") == [200]
        call.ack()
        assert len(house.switch.calls) == 1
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()


class TestForking:
    @pytest.fixture
    def second(self, house: House) -> Phone:
        """Bob's other phone."""
        phone = Phone(house, "1002", "192.0.2.22", rtp_port=43000)
        phone.register()
        return phone

    def test_all_bindings_ring_and_losers_are_cancelled(
        self, house: House, alice: Phone, bob: Phone, second: Phone
    ) -> None:
        call = alice.invite("1002")
        invite = bob.answer_last(180)
        second.answer_last(180)
        assert alice.responses() == [401, 100, 180, 180]
        bob.answer(invite, 200, body=bob.sdp())
        assert second.methods() == ["INVITE", "CANCEL"]
        second.answer_last(200, "CANCEL")
        second.answer_last(487)
        assert second.methods() == ["INVITE", "CANCEL", "ACK"]
        call.ack()
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_two_answers_cross(self, house: House, alice: Phone, bob: Phone, second: Phone) -> None:
        call = alice.invite("1002")
        first_invite, second_invite = bob.answer_last(180), second.answer_last(180)
        bob.answer(first_invite, 200, body=bob.sdp())
        second.answer(second_invite, 200, body=second.sdp())
        assert second.methods() == ["INVITE", "CANCEL", "ACK", "BYE"]
        second.answer_last(200, "BYE")
        second.answer_last(200, "CANCEL")
        assert alice.responses().count(200) == 1
        call.ack()
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_one_refusal_leaves_the_other_ringing(self, alice: Phone, bob: Phone, second: Phone) -> None:
        alice.invite("1002")
        bob.answer_last(486)
        assert 486 not in alice.responses()
        second.answer_last(200, body=second.sdp())
        assert alice.responses()[-1] == 200

    def test_the_best_refusal_wins(self, alice: Phone, bob: Phone, second: Phone) -> None:
        alice.invite("1002")
        bob.answer_last(404)
        second.answer_last(486)
        assert alice.responses()[-1] == 486

    def test_a_6xx_ends_the_search(self, alice: Phone, bob: Phone, second: Phone) -> None:
        alice.invite("1002")
        second.answer_last(180)
        bob.answer_last(603)
        assert second.methods() == ["INVITE", "CANCEL"]
        assert alice.responses()[-1] == 603

    def test_early_media_of_one_of_several_is_not_passed(
        self, alice: Phone, bob: Phone, second: Phone
    ) -> None:
        alice.invite("1002")
        bob.answer_last(183, body=bob.sdp())
        assert alice.response().body == b""


class TestWithinTheCall:
    def test_an_unchanged_offer_is_answered(self, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        for method in ("INVITE", "UPDATE"):
            call.request(method, body=alice.sdp(version=2))
            assert alice.responses(method)[-1] == 200
            if method == "INVITE":
                call.ack()
        assert bob.methods() == ["INVITE", "ACK"]

    def test_hold_and_resume_reach_the_other_side(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        hold = bob.requests("INVITE")[-1]
        assert b"a=sendonly" in hold.body
        bob.answer(hold, 200, body=bob.sdp(direction="recvonly", version=2))
        assert alice.responses()[-1] == 200
        assert b"a=recvonly" in alice.response().body
        call.ack()
        held = {row.remote: (row.receive, row.send) for row in house.media.rows.values()}
        assert held["192.0.2.11", 41000] == (True, False)
        assert held["192.0.2.12", 42000] == (False, True)
        call.request("INVITE", body=alice.sdp(version=3))
        bob.answer_last(200, body=bob.sdp(version=3))
        call.ack()
        assert all(row.receive and row.send for row in house.media.rows.values())

    def test_the_callee_may_hold_too(self, alice: Phone, bob: Phone) -> None:
        _, answered = talking(alice, bob)
        answered.request("INVITE", body=bob.sdp(direction="inactive", version=2))
        hold = alice.requests("INVITE")[-1]
        assert b"a=inactive" in hold.body
        alice.answer(hold, 200, body=alice.sdp(direction="inactive", version=2))
        assert bob.responses()[-1] == 200

    def test_a_refused_hold_is_refused(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        bob.answer_last(488)
        assert alice.responses()[-1] == 488
        assert all(row.receive and row.send for row in house.media.rows.values())

    @pytest.mark.parametrize(
        ("change", "remote", "types"),
        [
            ({"port": 41500}, ("192.0.2.11", 41500), {0: 0, 8: 8, 101: 101}),
            ({"host": "192.0.2.77"}, ("192.0.2.77", 41000), {0: 0, 8: 8, 101: 101}),
            ({"formats": (0, 96)}, ("192.0.2.11", 41000), {0: 0, 96: 101}),
        ],
    )
    def test_a_new_address_or_numbering_is_between_that_phone_and_us(
        self,
        house: House,
        alice: Phone,
        bob: Phone,
        change: dict[str, object],
        remote: tuple[str, int],
        types: dict[int, int],
    ) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(version=2, **change))  # type: ignore[arg-type]  # test data
        assert alice.responses()[-1] == 200
        assert bob.methods() == ["INVITE", "ACK"]
        row = next(row for row in house.media.rows.values() if row.remote == remote)
        assert row.payload_map == types

    def test_a_stream_that_is_switched_off_holds_the_other_side_and_comes_back(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        """RFC 3264 §8.2: port 0 is answered with port 0, the place is kept; §8.1: a port opens it again."""
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(port=0, version=2))
        hold = bob.requests("INVITE")[-1]
        assert b"a=inactive" in hold.body
        bob.answer(hold, 200, body=bob.sdp(direction="inactive", version=2))
        assert alice.responses()[-1] == 200
        assert b"m=audio 0 RTP/AVP" in alice.response().body
        call.ack()
        assert not any(row.receive or row.send for row in house.media.rows.values())
        call.request("INVITE", body=alice.sdp(port=41800, version=3))
        resume = bob.requests("INVITE")[-1]
        assert b"a=sendrecv" in resume.body
        bob.answer(resume, 200, body=bob.sdp(version=3))
        assert alice.responses()[-1] == 200
        assert b"a=sendrecv" in alice.response().body
        assert b"m=audio 0" not in alice.response().body
        call.ack()
        assert all(row.receive and row.send for row in house.media.rows.values())
        assert ("192.0.2.11", 41800) in [row.remote for row in house.media.rows.values()]

    def test_a_hold_reaches_nobody_whose_stream_is_switched_off(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call, answered = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(port=0, version=2))
        bob.answer_last(200, body=bob.sdp(direction="inactive", version=2))
        call.ack()
        before = len(alice.requests("INVITE"))
        answered.request("INVITE", body=bob.sdp(version=3))
        assert bob.responses()[-1] == 200
        assert b"a=inactive" in bob.response().body
        answered.ack()
        assert len(alice.requests("INVITE")) == before
        call.request("INVITE", body=alice.sdp(version=3))
        bob.answer_last(200, body=bob.sdp(version=4))
        assert b"a=sendrecv" in alice.response().body
        assert all(row.receive and row.send for row in house.media.rows.values())

    def test_our_own_offer_opens_what_was_switched_off(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(port=0, version=2))
        bob.answer_last(200, body=bob.sdp(direction="inactive", version=2))
        call.ack()
        call.request("INVITE")
        offered = alice.response().body
        assert b"m=audio 0" not in offered
        assert offered.count(b"m=") == 1
        call.ack(body=alice.sdp(version=3))
        rows = {row.remote: row for row in house.media.rows.values()}
        assert rows["192.0.2.11", 41000].payload_map

    def test_a_stream_that_is_refused_when_asked_about_a_hold_is_off(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        bob.answer_last(200, body=bob.sdp(port=0, version=2))
        assert alice.responses()[-1] == 200
        assert b"a=inactive" in alice.response().body
        call.ack()
        assert not any(row.receive or row.send for row in house.media.rows.values())

    def test_an_echo_can_be_switched_off_and_on(self, house: House, alice: Phone) -> None:
        call = alice.invite("600")
        call.ack()
        for port, said in ((0, b"m=audio 0"), (41000, b"a=sendrecv")):
            call.request("INVITE", body=alice.sdp(port=port, version=2))
            assert alice.responses()[-1] == 200
            assert said in alice.response().body
            call.ack()

    @pytest.mark.parametrize("formats", [(9,), (101,)])
    def test_without_the_other_sides_codec_it_is_488_and_the_call_goes_on(
        self, house: House, alice: Phone, bob: Phone, formats: tuple[int, ...]
    ) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(version=2, formats=formats))
        assert alice.responses()[-1] == 488
        assert bob.methods() == ["INVITE", "ACK"]
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_an_invite_without_an_offer_gets_ours(self, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE")
        assert alice.responses()[-1] == 200
        assert b"m=audio" in alice.response().body
        call.ack(body=alice.sdp(version=2))

    def test_both_hold_at_once(self, alice: Phone, bob: Phone) -> None:
        call, answered = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        answered.request("INVITE", body=bob.sdp(direction="sendonly", version=2))
        assert bob.responses()[-1] == 491

    def test_requests_follow_a_phone_that_moved(self, house: House, alice: Phone, bob: Phone) -> None:
        call, answered = talking(alice, bob)
        alice.flow = replace(alice.flow, remote=("192.0.2.11", 61234))
        house.listeners[alice.flow.remote] = alice._receive
        call.request("UPDATE")
        assert alice.responses("UPDATE") == [200]
        answered.bye()
        assert alice.heard[-1].flow.remote == ("192.0.2.11", 61234)

    def test_what_belongs_to_no_dialog_is_481(self, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        call.remote = call.remote.replace("tag=", "tag=x")
        call.bye()
        assert alice.responses("BYE") == [481]


class TestLostMessages:
    def test_the_200_is_sent_again_until_the_ack(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("1002")
        bob.answer_last(200, body=bob.sdp())
        house.advance(1.6)
        assert alice.responses().count(200) == 3  # at 0, 0.5 and 1.5 s
        call.ack()
        house.advance(8)
        assert alice.responses().count(200) == 3

    def test_without_an_ack_both_legs_end(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        bob.answer_last(200, body=bob.sdp())
        house.advance(32)
        assert alice.methods() == ["BYE"]
        assert bob.methods()[-1] == "BYE"
        alice.answer_last(200, "BYE")
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_a_repeated_200_gets_its_ack_again(self, alice: Phone, bob: Phone) -> None:
        talking(alice, bob)
        bob.answer(bob.requests("INVITE")[0], 200, body=bob.sdp())
        assert bob.methods() == ["INVITE", "ACK", "ACK"]


class TestEcho:
    def test_echo_answers_and_ends(self, house: House, alice: Phone) -> None:
        call = alice.invite("600")
        assert alice.responses() == [401, 100, 200]
        call.ack()
        (row,) = house.media.rows.values()
        assert row.echo
        assert row.remote == ("192.0.2.11", 41000)
        call.bye()
        assert alice.responses("BYE") == [200]
        house.assert_nothing_left()

    def test_late_offer(self, house: House, alice: Phone) -> None:
        call = alice.invite("600", body="")
        assert b"m=audio" in alice.response().body
        call.ack(body=alice.sdp(formats=(8, 101)))
        (row,) = house.media.rows.values()
        assert row.echo
        assert row.payload_map == {8: 8, 101: 101}

    def test_late_offer_without_an_answer_ends_the_call(self, house: House, alice: Phone) -> None:
        call = alice.invite("600", body="")
        call.ack()
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()


def test_a_late_offer_through_the_bridge(house: House, alice: Phone, bob: Phone) -> None:
    call = alice.invite("1002", body="")
    bob.answer_last(200, body=bob.sdp(formats=(8, 101)))
    assert b"RTP/AVP 8 101" in alice.response().body
    call.ack(body=alice.sdp(formats=(8, 101)))
    assert len(house.media.hearing) == 2
    call.bye()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()


class TestWhoCalls:
    def test_a_trunk_comes_by_its_address_without_a_challenge(self, alice: Phone, house: House) -> None:
        carrier = Phone(house, "+31612345678", "198.51.100.7")
        carrier.invite("+31201234501", extra='P-Asserted-Identity: "Shop" <sip:+31101112222@x.example>\r\n')
        assert carrier.responses() == [100]
        from_ = alice.requests("INVITE")[0].from_
        assert (from_.display, from_.uri.username) == ("Shop", "+31101112222")

    def test_a_trunk_is_given_the_number_and_the_users_caller_id(self, alice: Phone, house: House) -> None:
        carrier = Phone(house, "carrier", "198.51.100.7")
        alice.invite("00612345678")
        invite = carrier.requests("INVITE")[0]
        assert invite.uri == "sip:0612345678@198.51.100.7:5060"
        assert invite.from_.uri.username == "+31201234501"

    def test_a_stranger_reaches_the_public_chain(self, house: House) -> None:
        stranger = Phone(house, "x", "203.0.113.5")
        stranger.send(
            f"INVITE sip:1002@{DOMAIN} SIP/2.0\r\n{stranger.via('z9hG4bKx')}Max-Forwards: 70\r\n"
            f"From: <sip:x@elsewhere.example>;tag=1\r\nTo: <sip:1002@{DOMAIN}>\r\nCall-ID: s\r\n"
            "CSeq: 1 INVITE\r\nContact: <sip:x@203.0.113.5>\r\nContent-Type: application/sdp\r\n",
            stranger.sdp(),
        )
        assert stranger.responses() == [100, 403]

    def test_a_uri_target(self, alice: Phone, house: House) -> None:
        there = Phone(house, "there", "203.0.113.9", 5070)
        alice.invite("700")
        assert there.requests("INVITE")[0].uri == "sip:there@203.0.113.9:5070"


class TestBounds:
    def test_no_ports_left_is_503_with_retry_after_and_recovers(self) -> None:
        house = House(ports=2)
        alice, bob = Phone(house, "1001", "192.0.2.11"), Phone(house, "1002", "192.0.2.12")
        alice.register()
        bob.register()
        call, _ = talking(alice, bob)
        refused = alice.invite("600")
        assert alice.response().status == 503
        assert alice.response().get("retry-after") == "2"
        refused.acknowledge_refusal()
        call.bye()
        bob.answer_last(200, "BYE")
        alice.invite("600").ack()
        assert alice.response().status == 200

    def test_too_many_calls_are_refused(self) -> None:
        house = House(max_calls=1)
        alice = Phone(house, "1001", "192.0.2.11")
        alice.register()
        alice.invite("600").ack()
        alice.invite("600")
        assert alice.response().status == 503
        assert alice.response().has("retry-after")

    def test_draining_takes_no_new_calls(self, house: House, alice: Phone) -> None:
        house.switch.draining = True
        alice.invite("600")
        assert alice.response().status == 503


class TestOutsideCalls:
    def request(self, alice: Phone, method: str, extra: str = "", uri: str = f"sip:{DOMAIN}") -> int:
        alice.send(
            f"{method} {uri} SIP/2.0\r\n{alice.via(alice.branch())}Max-Forwards: 70\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=o\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: o{method}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:1001@{alice.host}>\r\n{extra}"
        )
        return alice.responses(method)[-1]

    def test_options_says_what_we_can(self, alice: Phone) -> None:
        assert self.request(alice, "OPTIONS") == 200
        assert "INVITE" in (alice.response("OPTIONS").get("allow") or "")

    @pytest.mark.parametrize(
        ("method", "status"),
        [("BYE", 481), ("UPDATE", 481), ("INFO", 481), ("SUBSCRIBE", 405), ("MESSAGE", 405), ("FROB", 501)],
    )
    def test_other_methods(self, alice: Phone, method: str, status: int) -> None:
        assert self.request(alice, method) == status
        assert alice.response(method).has("allow") == (status in {405, 501})

    def test_what_is_required_and_unknown_is_420(self, alice: Phone) -> None:
        assert self.request(alice, "INVITE", "Require: frobnication\r\n") == 420
        assert alice.response().get("unsupported") == "frobnication"

    def test_no_hops_left_is_483(self, alice: Phone) -> None:
        alice.send(
            f"INVITE sip:600@{DOMAIN} SIP/2.0\r\n{alice.via(alice.branch())}Max-Forwards: 0\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=o\r\nTo: <sip:600@{DOMAIN}>\r\nCall-ID: m\r\nCSeq: 1 INVITE\r\n"
            f"Contact: <sip:1001@{alice.host}>\r\n"
        )
        assert alice.responses() == [483]

    def test_a_foreign_scheme_is_416(self, alice: Phone) -> None:
        assert self.request(alice, "OPTIONS", uri="http://example.com/") == 416

    def test_nobody_registers_for_somebody_else(self, house: House, alice: Phone) -> None:
        challenge = alice._with_challenge("REGISTER", f"sip:{DOMAIN}")
        for cseq, authorization in enumerate(challenge, 7):
            alice.send(
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n{alice.via(alice.branch())}Max-Forwards: 70\r\n"
                f"From: <sip:1001@{DOMAIN}>;tag=r\r\nTo: <sip:1002@{DOMAIN}>\r\nCall-ID: other\r\n"
                f"CSeq: {cseq} REGISTER\r\nContact: <sip:1001@{alice.host}>\r\n{authorization}"
            )
        assert alice.responses("REGISTER")[-2:] == [401, 403]
        assert house.registrar.bindings("1002", house.now) == []

    def test_what_is_not_sip_is_dropped_and_counted(self, house: House, alice: Phone) -> None:
        before = len(house.sent)
        house.receive(b"\x16\x03\x01 hello", alice.flow)
        assert len(house.sent) == before
        assert b'pbx_sip_dropped_total{cause="malformed",transport="udp"} 1.0' in house.metrics.render()[0]


def test_a_large_invite_goes_by_tcp_and_falls_back_to_udp() -> None:
    house = House(tcp=True)
    alice, bob = Phone(house, "1001", "192.0.2.11"), Phone(house, "1002", "192.0.2.12")
    alice.register()
    bob.register()
    long = alice.sdp() + "".join(
        f"a=rtpmap:{n} CODEC{n}/8000\r\na=fmtp:{n} {'x' * 60}\r\n" for n in range(102, 118)
    )
    long = long.replace("0 8 101", "0 8 101 " + " ".join(str(n) for n in range(102, 118)))
    alice.invite("1002", body=long)
    sent = next(each for each in reversed(house.sent) if each.data.startswith(b"INVITE"))
    assert sent.flow.transport == "tcp"
    assert b"SIP/2.0/TCP" in sent.data
    house.carry_out(house.switch.transport_failed(sent.flow, house.now))
    again = next(each for each in reversed(house.sent) if each.data.startswith(b"INVITE"))
    assert again.flow.transport == "udp"
    assert isinstance(bob.heard[-1].message, Request)
    bob.answer_last(200, body=bob.sdp())
    assert alice.responses()[-1] == 200


class TestHunting:
    """One target after another, each with its ring time, until one answers or says stop."""

    @pytest.fixture
    def carol(self, house: House) -> Phone:
        phone = Phone(house, "1003", "192.0.2.13", rtp_port=43000)
        phone.register()
        return phone

    def hunt(self, house: House, alice: Phone, *stop: int | str) -> Dialogue:
        house.hold_decisions = True
        call = alice.invite("650")
        (ours,) = house.switch.calls.values()
        first, second = house.connect_to("1002"), house.connect_to("1003")
        house.hold_decisions = False
        house.decide(
            ours,
            replace(first, groups=[*first.groups, *second.groups], rings_s=[5, 7], stop=frozenset(stop)),
        )
        return call

    def test_each_has_its_ring_time(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = self.hunt(house, alice)
        bob.answer_last(180)
        house.advance(4.9)
        assert carol.methods() == []
        house.advance(0.1)
        bob.answer_last(200, "CANCEL")
        bob.answer(bob.requests("INVITE")[-1], 487)
        assert carol.methods() == ["INVITE"]
        carol.answer_last(180)
        house.advance(6.9)
        assert alice.responses()[-1] == 180
        house.advance(0.1)
        carol.answer_last(200, "CANCEL")
        carol.answer(carol.requests("INVITE")[-1], 487)
        assert alice.responses()[-1] == 480
        call.acknowledge_refusal()
        house.assert_nothing_left()

    @pytest.mark.parametrize("stop", [486, "busy"])
    def test_a_stop_code_ends_it(
        self, house: House, alice: Phone, bob: Phone, carol: Phone, stop: int | str
    ) -> None:
        call = self.hunt(house, alice, stop, 603)
        bob.answer_last(486)
        assert carol.methods() == []
        assert alice.responses()[-1] == 486
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_another_code_does_not(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = self.hunt(house, alice, 486)
        bob.answer_last(480)
        carol.answer_last(200, body=carol.sdp())
        assert alice.responses()[-1] == 200
        call.ack()
        call.bye()
        carol.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_no_answer_can_stop_it_too(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = self.hunt(house, alice, "no-answer")
        bob.answer_last(180)
        house.advance(5)
        assert carol.methods() == []
        bob.answer_last(200, "CANCEL")
        bob.answer(bob.requests("INVITE")[-1], 487)
        assert alice.responses()[-1] == 480
        call.acknowledge_refusal()
        house.assert_nothing_left()


def test_a_caller_that_vanishes_before_its_ack_is_given_up_after_both_times_64_t1(
    house: House, alice: Phone, bob: Phone
) -> None:
    """32 s for the ACK (§13.3.1.4), then 32 s for the answer to our BYE (§17.1.2.2), and nothing is left."""
    alice.invite("1002")
    bob.answer(bob.answer_last(180), 200, body=bob.sdp())
    house.listeners.clear()
    house.advance(40)
    assert len(house.switch.calls) == 1
    house.advance(30)
    assert house.switch.calls == {}
    house.assert_nothing_left()
