"""The media plane has nothing left for what a call needs: it goes on without, or ends in an orderly way."""

import pytest

from pbx.call.plan import Wait
from tests.call.media import a_sound
from tests.service.house import House
from tests.service.phone import Phone
from tests.service.test_answering import ALICE, BOB, DIALPLAN, calling, registered
from tests.service.test_calls import talking


@pytest.fixture
def house() -> House:
    return House(dialplan=DIALPLAN)


@pytest.fixture
def alice(house: House) -> Phone:
    return registered(house, "1001", 11, ALICE)


@pytest.fixture
def bob(house: House) -> Phone:
    return registered(house, "1002", 12, BOB)


def reached(house: House, what: str) -> int:
    return house.switch.reached.get(f"media-{what}", 0)


@pytest.mark.parametrize("what", ["sources", "bridges"])
class TestSounds:
    def test_a_prompt_is_passed_over(self, house: House, alice: Phone, bob: Phone, what: str) -> None:
        setattr(house.media, f"most_{what}", 0)
        call = calling(alice, "610")
        setattr(house.media, f"most_{what}", 100)
        bob.answer_last(200, body=bob.sdp())
        assert house.media.heard_by(ALICE) == {BOB}
        assert reached(house, what) == 1
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_a_menu_is_silent_and_takes_digits(
        self, house: House, alice: Phone, bob: Phone, what: str
    ) -> None:
        setattr(house.media, f"most_{what}", 0)
        call = calling(alice, "620")
        assert house.media.playing == []
        setattr(house.media, f"most_{what}", 100)
        house.press(ALICE, "1")
        bob.answer_last(200, body=bob.sdp())
        assert house.media.heard_by(ALICE) == {BOB}
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_hold_without_music(self, house: House, alice: Phone, bob: Phone, what: str) -> None:
        house.settings(hold_music=lambda: [a_sound(8)])
        call, _ = talking(alice, bob)
        setattr(house.media, f"most_{what}", 1 if what == "bridges" else 0)
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        assert alice.responses()[-1] == 200
        call.ack()
        assert house.media.heard_by(BOB) == {ALICE}
        call.request("INVITE", body=alice.sdp(version=3))
        call.ack()
        assert house.media.heard_by(ALICE) == {BOB}
        assert reached(house, what) == 1
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()


def test_two_who_cannot_be_bridged(house: House, alice: Phone, bob: Phone) -> None:
    house.media.most_bridges = 0
    call = alice.invite("1002")
    bob.answer_last(200, body=bob.sdp())
    answer = alice.response()
    assert (answer.status, answer.get("retry-after")) == (503, "5")
    call.acknowledge_refusal()
    assert bob.methods() == ["INVITE", "ACK", "BYE"]
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()
    assert house.ended[-1][0].cause == "resources"
    assert reached(house, "bridges") == 1


def answered_first(house: House, alice: Phone, bob: Phone) -> None:
    """Alice waits in silence, then Bob answers her."""
    house.hold_decisions = True
    call = alice.invite("630")
    (ours,) = house.switch.calls.values()
    house.decide(ours, Wait())
    call.ack()
    house.decide(ours, house.connect_to("1002"))
    bob.answer_last(200, body=bob.sdp())


def test_a_caller_who_was_answered_gets_a_bye(house: House, alice: Phone, bob: Phone) -> None:
    house.media.most_bridges = 0
    answered_first(house, alice, bob)
    assert alice.methods() == ["BYE"]
    alice.answer_last(200, "BYE")
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()
    assert house.ended[-1][0].cause == "resources"


def test_a_caller_who_has_a_bridge_keeps_it(house: House, alice: Phone, bob: Phone) -> None:
    house.media.most_bridges = 1
    answered_first(house, alice, bob)
    assert alice.methods() == []
    assert house.media.heard_by(ALICE) == {BOB}


def test_a_room_that_cannot_open(house: House, alice: Phone) -> None:
    house.media.most_bridges = 0
    call = alice.invite("8001")
    call.ack()
    assert alice.methods() == ["BYE"]
    alice.answer_last(200, "BYE")
    house.assert_nothing_left()
    assert house.ended[-1][0].cause == "resources"


def test_a_call_that_cannot_be_recorded_goes_on(house: House, alice: Phone, bob: Phone) -> None:
    call = alice.invite("630")
    house.media.most_bridges = 1
    bob.answer_last(200, body=bob.sdp())
    call.ack()
    assert house.media.heard_by(ALICE) == {BOB}
    assert [name for name, what, _ in house.recorder.log if what == "no bridges left"] == ["630-1001"]
    call.bye()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()
