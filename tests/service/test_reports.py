"""What calls are shown as."""

from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from pbx.api.models import CallReport, CallState
from pbx.call.table import State
from pbx.service.clock import Clock
from pbx.service.reports import Reports, call_state
from tests.call.media import a_sound
from tests.service.house import BEGAN, DOMAIN, House
from tests.service.phone import Dialogue, Phone


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("answered", [False, True])
def test_every_state_of_a_call_can_be_shown(state: State, answered: bool) -> None:
    assert call_state(state, answered=answered) in get_args(CallState)


@pytest.mark.parametrize("state", ["playing", "collecting"])
def test_sounds_before_the_answer_are_early_media(state: State) -> None:
    assert call_state(state, answered=False) == "early"
    assert call_state(state, answered=True) == "answered"


@pytest.mark.parametrize("state", ["waiting", "conferring", "echoing", "talking"])
def test_a_call_in_a_queue_or_a_room_is_answered(state: State) -> None:
    assert call_state(state, answered=True) == "answered"
    assert call_state(state, answered=True, held=True) == "held"


@pytest.mark.parametrize("state", ["deciding", "dialling", "ending"])
def test_who_does_not_talk_is_not_held(state: State) -> None:
    assert call_state(state, answered=True, held=True) == call_state(state, answered=True)


class TestWhoHolds:
    @pytest.fixture
    def house(self) -> House:
        return House()

    @pytest.fixture
    def alice(self, house: House) -> Phone:
        phone = Phone(house, "1001", "192.0.2.11", rtp_port=41000)
        phone.register()
        return phone

    @pytest.fixture
    def bob(self, house: House) -> Phone:
        phone = Phone(house, "1002", "192.0.2.12", rtp_port=42000)
        phone.register()
        return phone

    def shown(self, house: House) -> CallReport:
        """The only call."""
        media = SimpleNamespace(statistics=house.media.statistics, shows=lambda _: "relayed")
        reports = Reports(
            DOMAIN,
            house.switch,
            house.router,
            cast("Any", media),
            cast("Any", None),
            Clock(lambda: house.now, lambda: BEGAN),
        )
        (call,) = reports.calls()
        return call

    def holding(self, house: House) -> tuple[str, list[bool]]:
        call = self.shown(house)
        return call.state, [leg.holds for leg in call.legs]

    def test_a_leg_is_known_by_its_call_id(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.invite("1002")
        invite = bob.answer_last(180)
        assert [leg.id for leg in self.shown(house).legs] == [alice.response().call_id, invite.call_id]

    @pytest.mark.parametrize("music", [False, True])
    def test_hold_and_resume_of_the_caller(self, house: House, alice: Phone, bob: Phone, music: bool) -> None:
        if music:
            house.settings(hold_music=lambda: [a_sound(30)])
        call = alice.invite("1002")
        assert self.holding(house) == ("ringing", [False, False])
        bob.answer_last(200, body=bob.sdp())
        call.ack()
        assert self.holding(house) == ("answered", [False, False])
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        if not music:
            bob.answer_last(200, body=bob.sdp(direction="recvonly", version=2))
        call.ack()
        assert self.holding(house) == ("held", [True, False])
        call.request("INVITE", body=alice.sdp(version=3))
        if not music:
            bob.answer_last(200, body=bob.sdp(version=3))
        call.ack()
        assert self.holding(house) == ("answered", [False, False])

    def test_the_callee_who_switches_its_stream_off_holds(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = alice.invite("1002")
        invite = bob.answer_last(200, body=bob.sdp())
        call.ack()
        answered = Dialogue.answered(bob, invite)
        answered.request("INVITE", body=bob.sdp(port=0, version=2))
        alice.answer_last(200, body=alice.sdp(direction="sendrecv", version=2))
        answered.ack()
        assert self.holding(house) == ("held", [False, True])
