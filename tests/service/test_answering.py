"""Callers that the PBX answers itself, seen from scripted phones: sounds, menus, rooms, recordings."""

import pytest

from pbx.call.plan import Connect, PlaySounds, Refuse, Wait
from pbx.media.values import SourceEnded
from tests.call.media import a_sound
from tests.service.house import House
from tests.service.phone import Dialogue, Phone

ALICE, BOB, CAROL = 41000, 42000, 43000
DIALPLAN = """
timezone: UTC
entry:
  - {from: users, chain: internal}
chains:
  internal:
    - routing:
        - {to: "610", goto: announcement}
        - {to: "611", goto: early}
        - {to: "612", goto: missing}
        - {to: "613", goto: early-then-busy}
        - {to: "620", goto: choice}
        - {to: "621", goto: patient}
        - {to: "630", goto: recorded}
        - {to: "8XXX", conference: "{to}"}
        - {to: "890", conference: {room: quiet, muted: true, announce: "7"}}
        - {to: "600", echo: {}}
        - {to: "1XXX", dial: user, ring: 20s}
  announcement:
    - play: ["1", "2"]
    - routing:
        - {to: "*", dial: user/1002, ring: 20s}
  early:
    - play: {sounds: "3", early: true}
    - routing:
        - {to: "*", dial: user/1002, ring: 20s}
  early-then-busy:
    - play: {sounds: "3", early: true}
    - reject: 486
  missing:
    - play: nowhere
    - play: "4"
  choice:
    - menu:
        prompt: "5"
        invalid_prompt: "6"
        retries: 1
        choices:
          "1": {dial: user/1002}
          "2": {echo: {}}
          "34": {reject: 603}
    - play: "9"
  patient:
    - menu: {prompt: "5", barge: false, choices: {"1": {echo: {}}, "22": {echo: {}}}, retries: 0}
    - reject: 480
  recorded:
    - record: {what: both, name: "{to}-{from}"}
    - routing:
        - {to: "*", dial: user/1002}
"""


@pytest.fixture
def house() -> House:
    return House(dialplan=DIALPLAN)


@pytest.fixture
def alice(house: House) -> Phone:
    return registered(house, "1001", 11, ALICE)


@pytest.fixture
def bob(house: House) -> Phone:
    return registered(house, "1002", 12, BOB)


@pytest.fixture
def carol(house: House) -> Phone:
    return registered(house, "1003", 13, CAROL)


def registered(house: House, name: str, number: int, rtp_port: int) -> Phone:
    phone = Phone(house, name, f"192.0.2.{number}", rtp_port=rtp_port)
    phone.register()
    return phone


def calling(phone: Phone, to: str) -> Dialogue:
    """A call that the PBX answers at once."""
    call = phone.invite(to)
    assert phone.response().status == 200
    call.ack()
    return call


def taken(phone: Phone) -> Dialogue:
    """The phone answers the call that it is asked to take."""
    invite = phone.answer_last(200, body=phone.sdp())
    return Dialogue.answered(phone, invite)


def ended(house: House, call: Dialogue, *others: Phone) -> None:
    """The caller hangs up, and nothing is left."""
    call.bye()
    for phone in others:
        phone.answer_last(200, "BYE")
    house.assert_nothing_left()


class TestSounds:
    def test_they_are_heard_one_after_the_other(self, house: House, alice: Phone) -> None:
        call = calling(alice, "610")
        assert house.media.heard_by(ALICE) == {"♪1", "♪2"}
        ended(house, call)

    def test_the_call_goes_on_after_them(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "610")
        assert bob.methods() == []
        house.sounds_end()
        assert house.media.playing == []
        assert bob.methods() == ["INVITE"]
        bob.answer_last(180)
        assert alice.responses()[-1] == 200, "who was answered hears our ringback and is told nothing"
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.bridges == {}, "two legs of one codec are relayed"
        ended(house, call, bob)

    def test_who_was_answered_hears_ringback(self, alice: Phone, bob: Phone, house: House) -> None:
        house.settings(ringback=[a_sound(70)])
        call = calling(alice, "610")
        house.sounds_end()
        assert house.media.heard_by(ALICE) == {"♪70"}
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        ended(house, call, bob)

    def test_a_call_that_nobody_takes_ends_with_a_bye(self, alice: Phone, bob: Phone, house: House) -> None:
        house.settings(ringback=[a_sound(70)])
        calling(alice, "610")
        house.sounds_end()
        bob.answer_last(486)
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_the_callee_may_hang_up(self, alice: Phone, bob: Phone, house: House) -> None:
        calling(alice, "610")
        house.sounds_end()
        taken(bob).bye()
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_a_bye_while_they_play(self, house: House, alice: Phone) -> None:
        ended(house, calling(alice, "610"))
        assert alice.responses("BYE") == [200]

    def test_a_bye_while_somebody_rings(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "610")
        house.sounds_end()
        bob.answer_last(180)
        call.bye()
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer(bob.requests("INVITE")[-1], 487)
        house.assert_nothing_left()

    def test_one_that_is_missing_is_passed_over(
        self, house: House, alice: Phone, caplog: pytest.LogCaptureFixture
    ) -> None:
        calling(alice, "612")
        assert house.media.heard_by(ALICE) == {"♪4"}
        assert "nowhere" in caplog.text
        house.sounds_end()
        assert alice.methods() == ["BYE"], "a chain that runs out ends a call that was answered"
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_a_sound_that_ended_when_the_call_did(self, house: House, alice: Phone) -> None:
        call = calling(alice, "610")
        (source,) = house.media.sources
        call.bye()
        house.media_says(SourceEnded(source))
        house.assert_nothing_left()

    def test_a_late_offer_plays_when_its_answer_is_there(self, house: House, alice: Phone) -> None:
        call = alice.invite("610", body="")
        assert alice.response().status == 200
        assert house.media.playing == []
        call.ack(alice.sdp())
        assert house.media.heard_by(ALICE) == {"♪1", "♪2"}
        ended(house, call)

    def test_a_late_offer_without_an_answer_ends(self, house: House, alice: Phone) -> None:
        call = alice.invite("610", body="")
        call.ack()
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_what_we_cannot_encode_is_488(self, house: House, alice: Phone) -> None:
        body = alice.sdp(formats=(0,)).replace("RTP/AVP 0", "RTP/AVP 18").replace("0 PCMU", "18 G729")
        alice.invite("610", body=body).acknowledge_refusal()
        assert alice.responses()[-1] == 488
        house.assert_nothing_left()

    def test_no_ports_is_503(self) -> None:
        house = House(dialplan=DIALPLAN, ports=0)
        phone = registered(house, "1001", 11, ALICE)
        phone.invite("610").acknowledge_refusal()
        assert phone.responses()[-1] == 503
        house.assert_nothing_left()


class TestEarlySounds:
    def test_they_are_heard_before_the_answer(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("611")
        assert alice.responses() == [401, 100, 183]
        early = alice.response().body
        assert house.media.heard_by(ALICE) == {"♪3"}
        house.sounds_end()
        assert alice.responses() == [401, 100, 183]
        bob.answer_last(180)
        taken(bob)
        assert alice.response().status == 200
        assert alice.response().body == early
        call.ack()
        assert house.media.heard_by(ALICE) == {BOB}
        ended(house, call, bob)

    def test_the_call_may_be_refused_after_them(self, house: House, alice: Phone) -> None:
        call = alice.invite("613")
        house.sounds_end()
        assert alice.responses()[-1] == 486
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_cancel(self, house: House, alice: Phone) -> None:
        call = alice.invite("613")
        call.cancel()
        assert alice.responses()[-1] == 487
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_without_an_offer_there_is_no_early_media(self, house: House, alice: Phone) -> None:
        alice.invite("613", body="").acknowledge_refusal()
        assert alice.responses() == [401, 100, 486]
        house.assert_nothing_left()


class TestMenu:
    def test_a_digit_ends_the_prompt_and_chooses(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "620")
        assert house.media.heard_by(ALICE) == {"♪5"}
        house.press(ALICE, "1")
        assert house.media.playing == []
        assert bob.methods() == ["INVITE"]
        taken(bob)
        assert house.media.heard_by(BOB) == {ALICE}
        ended(house, call, bob)

    def test_a_choice_of_two_digits(self, house: House, alice: Phone) -> None:
        calling(alice, "620")
        house.press(ALICE, "3")
        assert alice.methods() == []
        house.press(ALICE, "4")
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()

    def test_digits_by_info(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        info(call, "Signal=2\r\nDuration=100\r\n")
        assert alice.responses("INFO") == [200]
        assert house.media.heard_by(ALICE) == {ALICE}
        ended(house, call)

    def test_one_press_that_is_told_twice_counts_once(self, house: House, alice: Phone) -> None:
        call = calling(alice, "621")
        house.sounds_end()
        house.press(ALICE, "2")
        info(call, "Signal=2")
        assert house.media.heard_by(ALICE) == set(), "the second 2 is awaited"
        info(call, "Signal=2")
        assert house.media.heard_by(ALICE) == {ALICE}
        ended(house, call)

    def test_nothing_pressed_in_time(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.advance(60)
        assert house.media.heard_by(ALICE) == {"♪5"}, "the time runs from the end of the prompt"
        house.sounds_end()
        house.advance(4.9)
        assert house.media.playing == []
        house.advance(0.1)
        assert house.media.heard_by(ALICE) == {"♪5"}, "asked again"
        house.sounds_end()
        house.advance(5)
        assert house.media.heard_by(ALICE) == {"♪9"}, "the next handler"
        ended(house, call)

    def test_a_pause_ends_the_digits(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.press(ALICE, "3")
        house.advance(2.9)
        assert house.media.playing == []
        house.advance(0.1)
        assert house.media.heard_by(ALICE) == {"♪6", "♪5"}, "3 alone is no choice"
        ended(house, call)

    def test_a_wrong_digit_is_told_at_once(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.press(ALICE, "7")
        assert house.media.heard_by(ALICE) == {"♪6", "♪5"}
        ended(house, call)

    def test_the_terminator_ends_the_digits(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.press(ALICE, "3#")
        assert house.media.heard_by(ALICE) == {"♪6", "♪5"}
        ended(house, call)

    def test_without_barge_digits_count_after_the_prompt(self, house: House, alice: Phone) -> None:
        call = calling(alice, "621")
        house.press(ALICE, "1")
        assert house.media.heard_by(ALICE) == {"♪5"}
        house.sounds_end()
        house.press(ALICE, "1")
        assert house.media.heard_by(ALICE) == {ALICE}
        ended(house, call)

    def test_a_phone_without_telephone_events_is_listened_to(self, house: House, alice: Phone) -> None:
        alice.formats = (0, 8)
        call = calling(alice, "620")
        row = house.media.rows[house.media.leg_to(ALICE)]
        listened = [row.inband]
        house.press(ALICE, "2")
        listened.append(row.inband)
        assert listened == [True, False]
        ended(house, call)

    def test_a_flash_is_no_digit(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.press(ALICE, "!")
        assert house.media.heard_by(ALICE) == {"♪5"}
        ended(house, call)

    def test_a_bye_in_the_middle(self, house: House, alice: Phone) -> None:
        call = calling(alice, "620")
        house.press(ALICE, "3")
        ended(house, call)


class TestRooms:
    def test_each_hears_the_others(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        calls = [calling(phone, "8123") for phone in (alice, bob, carol)]
        assert house.media.heard_by(ALICE) == {BOB, CAROL}
        assert house.media.heard_by(BOB) == {ALICE, CAROL}
        assert house.media.heard_by(CAROL) == {ALICE, BOB}
        assert house.switch.shared.rooms.members("8123") == 3
        calls[0].bye()
        assert house.media.heard_by(BOB) == {CAROL}
        calls[1].bye()
        assert house.media.heard_by(CAROL) == set()
        ended(house, calls[2])

    def test_rooms_are_apart(self, house: House, alice: Phone, bob: Phone) -> None:
        first, second = calling(alice, "8123"), calling(bob, "8124")
        assert house.media.heard_by(ALICE) == house.media.heard_by(BOB) == set()
        first.bye()
        ended(house, second)

    def test_a_muted_member_only_listens(self, house: House, alice: Phone, bob: Phone) -> None:
        first = calling(alice, "890")
        assert house.media.heard_by(ALICE) == {"♪7"}
        assert house.switch.shared.rooms.members("quiet") == 0
        house.sounds_end()
        assert house.media.heard_by(ALICE) == set()
        second = calling(bob, "890")
        house.sounds_end()
        assert house.media.heard_by(ALICE) == house.media.heard_by(BOB) == set()
        assert house.switch.shared.rooms.members("quiet") == 2
        first.bye()
        ended(house, second)

    def test_hold_and_resume_are_answered_here(self, house: House, alice: Phone, bob: Phone) -> None:
        first, second = calling(alice, "8123"), calling(bob, "8123")
        first.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        assert alice.response().status == 200
        assert b"a=recvonly" in alice.response().body
        first.ack()
        assert house.media.heard_by(ALICE) == set()
        first.request("INVITE", body=alice.sdp(version=3))
        first.ack()
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        assert bob.methods() == []
        first.bye()
        ended(house, second)


def info(call: Dialogue, body: str, kind: str = "application/dtmf-relay") -> None:
    """INFO with a digit; `Dialogue.request` says application/sdp for a body, so it is made here."""
    call.cseq += 1
    phone = call.phone
    phone.send(
        f"INFO sip:pbx@192.0.2.1:5060 SIP/2.0\r\n{phone.via(phone.branch())}Max-Forwards: 70\r\n"
        f"{call.identity()}CSeq: {call.cseq} INFO\r\nContent-Type: {kind}\r\n",
        body,
    )


@pytest.mark.parametrize("to", ["610", "620", "8123"])
def test_hold_while_we_talk_with_the_caller(house: House, alice: Phone, to: str) -> None:
    call = calling(alice, to)
    call.request("INVITE", body=alice.sdp(direction="inactive", version=2))
    assert alice.response().status == 200
    assert b"a=inactive" in alice.response().body
    call.ack()
    call.request("INVITE", body=alice.sdp(version=3))
    assert b"a=sendrecv" in alice.response().body
    call.ack()
    ended(house, call)


class TestWaiting:
    def test_music_until_something_else_is_decided(self, house: House, alice: Phone, bob: Phone) -> None:
        house.hold_decisions = True
        call = alice.invite("1002")
        (ours,) = house.switch.calls.values()
        house.decide(ours, Wait([a_sound(8)]))
        call.ack()
        assert house.media.heard_by(ALICE) == {"♪8"}
        house.decide(ours, Wait([a_sound(18)]))
        assert house.media.heard_by(ALICE) == {"♪18"}
        house.decide(ours, self.to_bob(house))
        bob.answer_last(180)
        assert house.media.heard_by(ALICE) == {"♪18"}, "the music goes on while somebody rings"
        bob.answer_last(486)
        assert house.media.heard_by(ALICE) == {"♪18"}, "and while nothing is decided"
        house.decide(ours, Wait([a_sound(8)]))
        house.decide(ours, self.to_bob(house))
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        ended(house, call, bob)

    def test_a_message_in_between(self, house: House, alice: Phone) -> None:
        house.hold_decisions = True
        call = alice.invite("1002")
        (ours,) = house.switch.calls.values()
        house.decide(ours, Wait([a_sound(8)]))
        call.ack()
        house.decide(ours, PlaySounds([a_sound(9)]))
        assert house.media.heard_by(ALICE) == {"♪9"}
        house.sounds_end()
        assert house.media.heard_by(ALICE) == set()
        house.decide(ours, Refuse(486))
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.hold_decisions = False
        house.assert_nothing_left()

    def test_a_late_offer_while_somebody_rings(self, house: House, alice: Phone, bob: Phone) -> None:
        house.hold_decisions = True
        call = alice.invite("1002", body="")
        (ours,) = house.switch.calls.values()
        house.decide(ours, Wait([a_sound(8)]))
        house.decide(ours, self.to_bob(house, music=True))
        taken(bob)
        assert house.media.hearing == set()
        call.ack(alice.sdp())
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        house.hold_decisions = False
        ended(house, call, bob)

    @staticmethod
    def to_bob(house: House, *, music: bool = False) -> Connect:
        connect = house.connect_to("1002")
        connect.music = [a_sound(19)] if music else ()
        return connect


class TestRecording:
    def test_two_that_talk_are_recorded_apart(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("630")
        assert house.recorder.now == {}
        taken(bob)
        call.ack()
        ((name, kind, _),) = house.recorder.log
        assert (name, kind) == ("630-1001", "stereo")
        (sink,) = house.media.sinks.values()
        assert sink.left == house.media.leg_to(ALICE)
        assert sink.right == house.media.leg_to(BOB)
        assert house.recorder.hears() == {ALICE, BOB}
        assert house.media.heard_by(ALICE) == {BOB}
        ended(house, call, bob)
        assert house.recorder.now == {}

    def test_hold_and_resume_leave_it_running(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(hold_music=lambda: [a_sound(30)])
        call = alice.invite("630")
        taken(bob)
        call.ack()
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        call.ack()
        assert house.media.heard_by(BOB) == {"♪30"}
        assert house.recorder.hears() == {ALICE, BOB}
        call.request("INVITE", body=alice.sdp(version=3))
        call.ack()
        assert house.media.heard_by(BOB) == {ALICE}
        assert len(house.recorder.log) == 1
        ended(house, call, bob)

    def test_without_a_sink_the_call_goes_on(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("630")
        house.media.limit = 0
        taken(bob)
        call.ack()
        ((name, reason, _),) = house.recorder.log
        assert (name, reason) == ("630-1001", "no sinks left")
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        ended(house, call, bob)

    def test_off_and_on_in_a_call(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("630")
        taken(bob)
        call.ack()
        (ours,) = house.switch.calls.values()
        wanted = ours.recording
        ours.record_as(None)
        assert house.recorder.now == {}
        assert len(house.media.hearing) == 2, "relayed again"
        ours.record_as(wanted)
        assert house.recorder.hears() == {ALICE, BOB}
        ended(house, call, bob)


class TestHoldMusic:
    @pytest.fixture
    def call(self, house: House, alice: Phone, bob: Phone) -> Dialogue:
        house.settings(hold_music=lambda: [a_sound(30)])
        call = alice.invite("1002")
        taken(bob)
        call.ack()
        return call

    def test_the_other_side_hears_music(self, house: House, alice: Phone, bob: Phone, call: Dialogue) -> None:
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        assert b"a=recvonly" in alice.response().body
        call.ack()
        assert bob.methods() == ["INVITE", "ACK"], "the other side is not asked"
        assert house.media.heard_by(BOB) == {"♪30"}
        assert house.media.heard_by(ALICE) == set()
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=3))
        call.ack()
        assert house.media.heard_by(BOB) == {"♪30"}
        call.request("INVITE", body=alice.sdp(version=4))
        call.ack()
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.bridges == {}
        assert len(house.media.hearing) == 2
        ended(house, call, bob)

    def test_both_hold(self, house: House, alice: Phone, bob: Phone, call: Dialogue) -> None:
        theirs = Dialogue.answered(bob, bob.requests("INVITE")[-1])
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        call.ack()
        theirs.request("INVITE", body=bob.sdp(direction="sendonly", version=2))
        theirs.ack()
        assert house.media.heard_by(BOB) == house.media.heard_by(ALICE) == set()
        call.request("INVITE", body=alice.sdp(version=3))
        call.ack()
        assert house.media.heard_by(ALICE) == {"♪30"}
        ended(house, call, bob)

    def test_a_bye_in_the_middle(self, house: House, alice: Phone, bob: Phone, call: Dialogue) -> None:
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        call.ack()
        ended(house, call, bob)


class TestTranscoding:
    def test_legs_without_a_common_codec(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.formats, bob.formats = (0, 101), (8, 101)
        call = alice.invite("1002")
        offered = bob.requests("INVITE")[-1].body.decode()
        assert "RTP/AVP 0 101 8 9\r\n" in offered
        taken(bob)
        assert b"RTP/AVP 0 101\r\n" in alice.response().body
        call.ack()
        first = house.media.rows[house.media.leg_to(ALICE)].audio
        second = house.media.rows[house.media.leg_to(BOB)].audio
        assert first is not None
        assert second is not None
        assert (first.encode, first.payload_type, first.telephone_event) == ("PCMU", 0, 101)
        assert (second.encode, second.payload_type, second.telephone_event) == ("PCMA", 8, 101)
        assert first.decode == {0: "PCMU", 101: "telephone-event"}
        ended(house, call, bob)

    def test_a_common_codec_is_relayed(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.formats, bob.formats = (0, 101), (0, 101)
        call = alice.invite("1002")
        taken(bob)
        call.ack()
        row = house.media.rows[house.media.leg_to(ALICE)]
        assert row.payload_map == {0: 0, 101: 101}
        ended(house, call, bob)

    def test_not_by_policy(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(transcode=False)
        alice.formats = (0, 101)
        call = alice.invite("1002")
        assert "RTP/AVP 0 101\r\n" in bob.requests("INVITE")[-1].body.decode()
        bob.answer_last(488)
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_a_codec_that_we_only_relay_is_not_transcoded(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        body = alice.sdp(formats=(0,)).replace("RTP/AVP 0", "RTP/AVP 18").replace("0 PCMU", "18 G729")
        call = alice.invite("1002", body=body)
        assert "RTP/AVP 18\r\n" in bob.requests("INVITE")[-1].body.decode()
        bob.answer_last(488)
        call.acknowledge_refusal()
        house.assert_nothing_left()

    def test_hold_and_resume(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.formats, bob.formats = (0, 101), (8, 101)
        call = alice.invite("1002")
        taken(bob)
        call.ack()
        call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        bob.answer_last(200, body=bob.sdp(direction="recvonly", version=2))
        assert alice.response().status == 200
        call.ack()
        call.request("INVITE", body=alice.sdp(version=3))
        bob.answer_last(200, body=bob.sdp(version=3))
        assert alice.response().status == 200
        call.ack()
        assert house.media.heard_by(BOB) == {ALICE}
        ended(house, call, bob)

    def test_after_the_answer_too(self, house: House, alice: Phone, bob: Phone) -> None:
        alice.formats, bob.formats = (8, 101), (0, 101)
        call = calling(alice, "610")
        house.sounds_end()
        assert "RTP/AVP 8 101 0 9\r\n" in bob.requests("INVITE")[-1].body.decode()
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        ended(house, call, bob)


class TestInfoBetweenTwo:
    @pytest.mark.parametrize(("formats", "digits"), [((0,), "5"), ((0, 101), "")])
    def test_it_crosses_as_an_event_when_the_phone_has_no_other_way(
        self, house: House, alice: Phone, bob: Phone, formats: tuple[int, ...], digits: str
    ) -> None:
        alice.formats = formats
        call = alice.invite("1002")
        taken(bob)
        call.ack()
        info(call, "Signal=5\r\nDuration=100\r\n")
        assert alice.responses("INFO") == [200]
        assert house.media.rows[house.media.leg_to(BOB)].digits == digits
        ended(house, call, bob)


def test_hanging_up_from_outside(house: House, alice: Phone) -> None:
    for to in ("610", "620", "8123"):
        calling(alice, to)
        (name,) = house.switch.calls
        house.carry_out(house.switch.hang_up(name, house.now))
        alice.answer_last(200, "BYE")
    house.assert_nothing_left()
