"""What operators do with calls that go on, seen from scripted phones."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from pbx.errors import OperatorError
from pbx.service.call_control import CallControl
from pbx.service.originations import Originations
from pbx.service.outputs import Output
from pbx.sip.message import Request
from tests.api.loop import in_loop
from tests.call.media import a_sound
from tests.service.house import BEGAN, House
from tests.service.phone import Dialogue, Phone
from tests.service.test_answering import ALICE, BOB, calling, ended, registered, taken

DIALPLAN = """
timezone: UTC
entry: [{from: users, chain: internal}]
queues:
  support: {agents: ["1002"], music: "70", wrap_up: 10s}
chains:
  internal:
    - routing:
        - {to: "600", echo: {}}
        - {to: "700", queue: support}
        - {to: "800", conference: "800"}
        - {to: "1XXX", dial: user, ring: 20s}
"""
SOUND = "♪5"


class Operating:
    """The part of the conductor that is needed."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operate(self, act: Callable[[float], Sequence[Output]]) -> None:
        self._house.carry_out(act(self._house.now))

    def hang_up(self, call_id: str) -> None:
        self._house.carry_out(self._house.switch.hang_up(call_id, self._house.now))


@pytest.fixture
def house() -> House:
    return House(dialplan=DIALPLAN)


@pytest.fixture
def control(house: House) -> CallControl:
    return control_of(house)


def control_of(house: House) -> CallControl:
    originations = Originations(
        house.users, house.trunks, house.destinations, house._resolve, lambda: house.now, lambda: BEGAN
    )
    return CallControl(
        house.switch,
        cast("Any", Operating(house)),
        originations,
        house.media,
        house._sound,
        lambda: house.now,
        30.0,
    )


@pytest.fixture
def alice(house: House) -> Phone:
    return registered(house, "1001", 11, ALICE)


@pytest.fixture
def bob(house: House) -> Phone:
    return registered(house, "1002", 12, BOB)


def talking(alice: Phone, bob: Phone) -> Dialogue:
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    return call


def given_up(house: House, call: Dialogue, agent: Phone, invite: Request) -> None:
    """The caller leaves the queue while an agent's phone rings."""
    call.bye()
    agent.answer_last(200, "CANCEL")
    agent.answer(invite, 487)
    house.assert_nothing_left()


def kinds(house: House) -> list[tuple[str, str]]:
    """What was noted about the only call, live or ended."""
    live = list(house.switch.calls.values())
    record = live[0].record if live else house.ended[-1][0]
    return [(note.label, note.kind) for note in record.notes]


class TestHangingUp:
    @pytest.mark.parametrize("name", ["ours", "caller", "callee"])
    def test_two_who_talk_get_a_bye(
        self, house: House, control: CallControl, alice: Phone, bob: Phone, name: str
    ) -> None:
        talking(alice, bob)
        (ours,) = house.switch.calls
        names = {
            "ours": ours,
            "caller": alice.response().call_id,
            "callee": bob.requests("INVITE")[0].call_id,
        }
        report = control.hang_up(names[name])
        assert report is not None
        assert report.id == ours
        assert (alice.methods(), bob.methods()) == (["BYE"], ["INVITE", "ACK", "BYE"])
        assert control.hang_up(ours) is not None, "it ends already"
        for phone in (alice, bob):
            phone.answer_last(200, "BYE")
        house.assert_nothing_left()
        assert kinds(house) == [("", "hung-up")]
        assert house.ended[0][0].cause == "answered"

    def test_who_rings_is_given_up(
        self, house: House, control: CallControl, alice: Phone, bob: Phone
    ) -> None:
        call = alice.invite("1002")
        invite = bob.answer_last(180)
        assert control.hang_up(next(iter(house.switch.calls))) is not None
        assert alice.responses()[-1] == 480
        call.acknowledge_refusal()
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer(invite, 487)
        house.assert_nothing_left()

    def test_all_of_them(self, house: House, control: CallControl, alice: Phone, bob: Phone) -> None:
        calling(alice, "600")
        calling(bob, "600")
        ids = list(house.switch.calls)
        assert control.hang_up_all().calls == ids
        for phone in (alice, bob):
            phone.answer_last(200, "BYE")
        house.assert_nothing_left()
        assert control.hang_up_all().calls == []

    def test_one_that_is_not_there(self, control: CallControl) -> None:
        assert control.hang_up("nobody") is None
        assert control.send_digits("nobody", "1", None) is None


class TestDigits:
    def digits(self, house: House, port: int) -> str:
        return house.media.rows[house.media.leg_to(port)].digits

    def test_the_callee_gets_them(self, house: House, control: CallControl, alice: Phone, bob: Phone) -> None:
        call = talking(alice, bob)
        (ours,) = house.switch.calls
        report = control.send_digits(ours, "12#", None)
        assert report is not None
        assert (report.id, report.peer, report.digits) == (ours, "user/1002", "12#")
        control.send_digits(ours, "A", "callee")
        control.send_digits(ours, "9", "caller")
        assert (self.digits(house, ALICE), self.digits(house, BOB)) == ("9", "12#A")
        assert kinds(house)[-2:] == [("user/1002", "digits-sent"), ("user/1001", "digits-sent")]
        ended(house, call, bob)

    def test_without_a_callee_the_caller_does(self, house: House, control: CallControl, alice: Phone) -> None:
        call = calling(alice, "600")
        (ours,) = house.switch.calls
        assert control.send_digits(ours, "5", None) is not None
        assert self.digits(house, ALICE) == "5"
        with pytest.raises(OperatorError, match="no callee"):
            control.send_digits(ours, "5", "callee")
        ended(house, call)

    def test_who_was_not_answered_cannot(
        self, house: House, control: CallControl, alice: Phone, bob: Phone
    ) -> None:
        alice.invite("1002")
        bob.answer_last(180)
        for side in (None, "caller", "callee"):
            with pytest.raises(OperatorError, match=r"no (phone|caller|callee) to send them to"):
                control.send_digits(next(iter(house.switch.calls)), "1", cast("Any", side))

    def test_who_takes_none_or_holds_does_not_get_any(
        self, house: House, control: CallControl, alice: Phone, bob: Phone
    ) -> None:
        alice.formats = (0,)
        call = talking(alice, bob)
        (ours,) = house.switch.calls
        with pytest.raises(OperatorError, match="user/1001 takes no keys"):
            control.send_digits(ours, "1", "caller")
        bob_call = Dialogue.answered(bob, bob.requests("INVITE")[0])
        bob_call.request("INVITE", body=bob.sdp(direction="sendonly", version=2, formats=(0,)))
        alice.answer_last(200, body=alice.sdp(direction="recvonly", version=2))
        bob_call.ack()
        with pytest.raises(OperatorError, match="user/1002"):
            control.send_digits(ours, "1", "callee")
        assert (self.digits(house, ALICE), self.digits(house, BOB)) == ("", "")
        ended(house, call, bob)


class TestPlaying:
    @in_loop
    async def test_two_who_talk_hear_it_and_each_other(self, house: House, alice: Phone, bob: Phone) -> None:
        call = talking(alice, bob)
        control = control_of(house)
        report = await control.play(alice.response().call_id, "5")
        assert report is not None
        assert (report.sound, report.id) == ("5", next(iter(house.switch.calls)))
        assert house.media.heard_by(ALICE) == {BOB, SOUND}
        assert house.media.heard_by(BOB) == {ALICE, SOUND}
        house.sounds_end()
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.bridges == {}, "relayed again"
        assert kinds(house) == [("", "sound-played")]
        ended(house, call, bob)

    @in_loop
    async def test_the_next_one_takes_its_place(self, house: House, alice: Phone, bob: Phone) -> None:
        call = talking(alice, bob)
        control = control_of(house)
        (ours,) = house.switch.calls
        await control.play(ours, "5")
        await control.play(ours, "6")
        assert house.media.heard_by(ALICE) == {BOB, "♪6"}
        ended(house, call, bob)

    @in_loop
    async def test_music_of_who_is_held_comes_back(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(hold_music=lambda: [a_sound(30)])
        call = talking(alice, bob)
        control = control_of(house)
        (ours,) = house.switch.calls
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        call.ack()
        await control.play(ours, "5")
        assert SOUND in house.media.heard_by(BOB)
        house.sounds_end()
        assert house.media.heard_by(BOB) == {"♪30"}
        ended(house, call, bob)

    @in_loop
    async def test_a_refresh_does_not_cut_it_and_a_hold_does(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        house.settings(hold_music=lambda: [a_sound(30)])
        call = talking(alice, bob)
        (ours,) = house.switch.calls
        await control_of(house).play(ours, "5")
        call.request("INVITE", body=alice.sdp(version=2))
        call.ack()
        assert house.media.heard_by(BOB) == {ALICE, SOUND}
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=3))
        call.ack()
        assert house.media.heard_by(BOB) == {"♪30"}
        ended(house, call, bob)

    @in_loop
    async def test_who_waits_has_its_music_again(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        invite = bob.answer_last(180)
        (ours,) = house.switch.calls
        assert house.media.heard_by(ALICE) == {"♪70"}
        await control_of(house).play(ours, "5")
        assert house.media.heard_by(ALICE) == {SOUND}
        house.sounds_end()
        assert house.media.heard_by(ALICE) == {"♪70"}
        given_up(house, call, bob, invite)

    @pytest.mark.parametrize("to", ["600", "800", "1002"])
    def test_in_other_states_it_is_refused(self, house: House, alice: Phone, bob: Phone, to: str) -> object:
        @in_loop
        async def scenario() -> None:
            alice.invite(to)
            (ours,) = house.switch.calls
            with pytest.raises(OperatorError, match="only two who talk"):
                await control_of(house).play(ours, "5")
            assert house.media.sources == {}

        return scenario()

    @in_loop
    async def test_without_a_player_or_a_sound_the_call_goes_on(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = talking(alice, bob)
        (ours,) = house.switch.calls
        with pytest.raises(OperatorError, match="no sound 'nowhere'"):
            await control_of(house).play(ours, "nowhere")
        house.media.most_sources = 0
        with pytest.raises(OperatorError, match="players"):
            await control_of(house).play(ours, "5")
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        ended(house, call, bob)

    @in_loop
    async def test_who_waits_goes_on_waiting_when_no_player_is_left(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = calling(alice, "700")
        invite = bob.answer_last(180)
        (ours,) = house.switch.calls
        house.media.most_sources = 1
        control = control_of(house)
        assert await control.play(ours, "5") is not None, "the player of the music serves for it"
        house.media.most_sources = 0
        with pytest.raises(OperatorError, match="players"):
            await control.play(ours, "6")
        given_up(house, call, bob, invite)

    @in_loop
    async def test_it_ends_with_the_call(self, house: House, alice: Phone, bob: Phone) -> None:
        call = talking(alice, bob)
        (ours,) = house.switch.calls
        await control_of(house).play(ours, "5")
        call.bye()
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()
