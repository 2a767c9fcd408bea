"""Callers and agents on the phone: what queues say is done, and what calls do is heard by queues."""

from collections.abc import Callable

import pytest

from pbx.call.causes import QUEUE_OUTCOMES
from pbx.call.plan import Manner
from pbx.call.quality_events import alarm_words
from pbx.errors import OperatorError, ResourcesExhausted
from pbx.service.queue_notes import _FAILED, _WITHDRAWN, MAX_OFFERS
from pbx.sip.message import Request
from tests.service.house import House
from tests.service.phone import Dialogue, Phone
from tests.service.test_answering import ALICE, BOB, CAROL, calling, registered, taken

DIALPLAN = """
timezone: UTC
entry: [{from: users, chain: internal}, {from: trunk/carrier, chain: inbound}]
queues:
  support:
    agents: [user/1002, "1003"]
    music: "70"
    ring: 15s
    wrap_up: 10s
    max_wait: 2m
    leave: "0"
    announcements: {first: 20s, every: 30s, wait: false, sounds: "90", sounds_every: 25s}
  small: {agents: ["1002"], capacity: 1, music: "70", on: {full: {reject: 486}}}
  whispered: {agents: ["1002"], music: "70", whisper: "80"}
  direct: {agents: ["1002"], music: "70", direct: true, ring: 10s, retry: 30s}
  everyone: {strategy: ring-all, agents: ["1002", "1003"], music: "70"}
  automatic: {agents: [{agent: "1002", auto_answer: true}], music: "70"}
  outside: {agents: [trunk/carrier/+316, "sip:there@203.0.113.9"], music: "70", retry: 30s}
  first: {agents: ["1002"], music: "70", max_wait: 30s, on: {timeout: {queue: second}}}
  second: {agents: ["1003"], music: "71"}
chains:
  internal:
    - routing:
        - {to: "700", queue: support, on: {timeout: {goto: sorry}, left: {dial: user/1003}}}
        - {to: "701", queue: small}
        - {to: "702", queue: whispered}
        - {to: "703", queue: direct}
        - {to: "704", queue: everyone}
        - {to: "705", queue: automatic}
        - {to: "706", queue: outside}
        - {to: "707", queue: first}
        - {to: "*50", goto: begin}
        - {to: "*51", goto: end}
        - {to: "1XXX", dial: user, ring: 20s}
  begin: [{agent: log-in}, {agent: unpause}, {play: "60"}]
  end: [{agent: pause}, {reject: 480}]
  inbound: [{queue: support}]
  sorry: [{play: "5"}, {reject: 480}]
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


def another(house: House, number: int) -> Phone:
    """One more caller, who is user 1001 too."""
    return registered(house, "1001", number, 41000 + 2 * number)


def state(house: House, agent: str) -> str:
    return house.desk.queues.agent(agent).state


def waiting(house: House, queue: str) -> list[str]:
    return [each.state for each in house.desk.queues.callers(queue)]


def over(house: House, call: Dialogue, *others: Phone) -> None:
    call.bye()
    for phone in others:
        phone.answer_last(200, "BYE")
    nothing_left(house)


def nothing_left(house: House) -> None:
    house.advance(60)
    house.assert_nothing_left()
    desk = house.desk
    assert (desk.queues.callers(), desk._callers, desk._offers, desk._direct, desk._watchers) == (
        (),
        {},
        {},
        set(),
        {},
    )
    assert {each.state for each in desk.queues.agents()} <= {"available", "offline"}


def rung(phone: Phone) -> Request:
    return phone.requests("INVITE")[-1]


class TestWaiting:
    def test_a_caller_hears_music_and_then_the_agent(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        assert house.media.heard_by(ALICE) == {"♪70"}
        assert state(house, "1002") == "offered"
        bob.answer_last(180)
        assert house.media.heard_by(ALICE) == {"♪70"}
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        assert state(house, "1002") == "busy"
        call.bye()
        assert state(house, "1002") == "wrap-up"
        bob.answer_last(200, "BYE")
        house.advance(9)
        assert state(house, "1002") == "wrap-up"
        house.advance(2)
        assert state(house, "1002") == "available"
        nothing_left(house)
        tally = house.desk.queues.statistics("support")
        assert (tally.joined, tally.answered, tally.handled) == (1, 1, 1)

    def test_the_agent_may_end_it(self, house: House, alice: Phone, bob: Phone) -> None:
        calling(alice, "700")
        conversation = taken(bob)
        conversation.bye()
        assert state(house, "1002") == "wrap-up"
        alice.answer_last(200, "BYE")
        nothing_left(house)

    def test_nobody_waits_where_nobody_answers(self, house: House, alice: Phone) -> None:
        alice.invite("700")
        assert alice.responses()[-1] == 480
        tally = house.desk.queues.statistics("support")
        assert (tally.joined, tally.refused) == (0, {"unavailable": 1})

    def test_who_can_hear_no_music_waits_in_silence(
        self, house: House, alice: Phone, bob: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise ResourcesExhausted("sources", 2)

        monkeypatch.setattr(house.media, "play", full)
        call = calling(alice, "700")
        assert house.media.heard_by(ALICE) == set()
        assert waiting(house, "support") == ["offered"]
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)

    def test_who_hangs_up_leaves_at_once(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        assert waiting(house, "support") == ["offered"]
        call.bye()
        assert waiting(house, "support") == []
        assert state(house, "1002") == "available"
        assert bob.methods() == ["INVITE", "CANCEL"] or bob.methods() == ["INVITE"]
        bob.answer_last(180)
        assert bob.methods()[-1] == "CANCEL"
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        nothing_left(house)
        assert house.desk.queues.statistics("support").abandoned == 1

    def test_first_come_first_served(self, house: House, alice: Phone, bob: Phone) -> None:
        first = calling(alice, "702")
        late = another(house, 21)
        second = calling(late, "702")
        assert waiting(house, "whispered") == ["offered", "waiting"]
        taken(bob)
        house.sounds_end()
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.heard_by(late.rtp_port) == {"♪70"}
        first.bye()
        bob.answer_last(200, "BYE")
        assert len(bob.requests("INVITE")) == 2, "there is no wrap-up here"
        taken(bob)
        house.sounds_end()
        assert house.media.heard_by(BOB) == {late.rtp_port}
        over(house, second, bob)

    def test_no_answer_goes_to_the_next_agent(
        self, house: House, alice: Phone, bob: Phone, carol: Phone
    ) -> None:
        call = calling(alice, "700")
        (first,) = [phone for phone in (bob, carol) if phone.methods()]
        other = carol if first is bob else bob
        first.answer_last(180)
        house.advance(16)
        assert first.methods()[:2] == ["INVITE", "CANCEL"]
        assert set(other.methods()) == {"INVITE"}
        first.answer_last(200, "CANCEL")
        first.answer_last(487)
        assert house.media.heard_by(ALICE) == {"♪70"}
        taken(other)
        over(house, call, other)

    @pytest.mark.parametrize(("status", "counted"), [(486, 0), (603, 1), (480, 1), (500, 1)])
    def test_a_refusal_goes_to_the_next_agent(
        self, house: House, alice: Phone, bob: Phone, status: int, counted: int
    ) -> None:
        call = calling(alice, "700")
        bob.answer_last(status)
        assert state(house, "1002") == "resting"
        assert house.desk.queues.agent("1002").no_answers == counted
        assert waiting(house, "support") == ["waiting"]
        house.advance(4)
        assert len(bob.requests("INVITE")) == 1
        house.advance(1.1)
        assert len(bob.requests("INVITE")) == 2
        taken(bob)
        over(house, call, bob)

    def test_after_so_many_the_agent_is_paused(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        for _ in range(3):
            bob.answer_last(603)
            house.advance(6)
        assert state(house, "1002") == "paused"
        assert waiting(house, "support") == ["waiting"]
        call.bye()
        house.ask_queues(lambda queues, now: queues.unpause("1002", now))
        nothing_left(house)

    def test_position_and_prompts_are_said_over_the_music(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        house.sounds.update({"queue.next": 101})
        hang_up = calling_user(bob, house)
        call = calling(alice, "700")
        heard: dict[int, list[int]] = {}
        for second in range(1, 61):
            house.advance(1)
            if house.media.playing != [70]:
                heard[second] = house.media.playing
                house.sounds_end()
                assert house.media.playing == [70], "music again"
        assert heard == {20: [101], 25: [90], 50: [101], 51: [90]}, "one after the other"
        call.bye()
        hang_up()
        nothing_left(house)

    def test_what_is_due_together_is_said_one_after_the_other(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        house.sounds.update({"queue.next": 101})
        house.sounds_last_s = 6.0
        hang_up = calling_user(bob, house)
        call = calling(alice, "700")
        heard: list[tuple[int, int]] = []
        for second in range(1, 64):
            house.advance(1)
            (playing,) = house.media.playing
            if playing != 70 and (not heard or heard[-1][1] != playing):
                heard.append((second, playing))
        assert heard == [(20, 101), (26, 90), (50, 101), (56, 90)]
        call.bye()
        hang_up()
        nothing_left(house)

    def test_what_would_be_said_later_is_not_when_somebody_is_rung(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        house.sounds.update({"queue.next": 101})
        house.sounds_last_s = 6.0
        house.ask_queues(lambda queues, now: queues.pause("1002", now))
        call = calling(alice, "700")
        house.advance(25)
        house.ask_queues(lambda queues, now: queues.unpause("1002", now))
        house.advance(3)
        assert house.media.playing == [101]
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        house.advance(5)
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)

    def test_the_maximum_wait(self, house: House, alice: Phone, bob: Phone) -> None:
        hang_up = calling_user(bob, house)
        calling(alice, "700")
        house.advance(119)
        assert waiting(house, "support") == ["waiting"]
        house.advance(2)
        assert waiting(house, "support") == []
        assert house.media.heard_by(ALICE) == {"♪5"}
        house.sounds_end()
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        hang_up()
        nothing_left(house)
        assert house.desk.queues.statistics("support").overflowed == {"timeout": 1}

    def test_a_key_leaves(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        calling(alice, "700")
        house.press(ALICE, "5")
        assert waiting(house, "support") == ["offered"]
        house.press(ALICE, "0")
        assert waiting(house, "support") == []
        assert carol.methods()[-1] in {"INVITE", "CANCEL"}

    def test_too_many(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "701")
        late = another(house, 21)
        late.invite("701")
        assert late.responses()[-1] == 486
        call.bye()
        bob.answer_last(200, "CANCEL") if bob.requests("CANCEL") else bob.answer_last(180)
        if bob.requests("CANCEL"):
            bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        nothing_left(house)

    def test_one_queue_overflows_into_another(
        self, house: House, alice: Phone, bob: Phone, carol: Phone
    ) -> None:
        call = calling(alice, "707")
        bob.answer_last(180)
        house.advance(31)
        assert waiting(house, "first") == []
        assert waiting(house, "second") == ["offered"]
        assert house.media.heard_by(ALICE) == {"♪71"}
        for method, status in (("CANCEL", 200), ("INVITE", 487)):
            if bob.requests("CANCEL"):
                bob.answer_last(status, method)
        taken(carol)
        assert house.media.heard_by(ALICE) == {CAROL}
        over(house, call, carol)

    def test_an_agent_who_calls_the_queue_is_not_offered_that_call(
        self, house: House, bob: Phone, carol: Phone
    ) -> None:
        call = calling(bob, "700")
        assert state(house, "1002") == "busy"
        assert bob.methods() == []
        taken(carol)
        over(house, call, carol)


def calling_user(phone: Phone, house: House) -> Callable[[], None]:
    """Have both agents talk with each other; gives what ends that."""
    other = registered(house, "1003", 13, CAROL)
    call = phone.invite("1003")
    other.answer_last(200, body=other.sdp())
    call.ack()

    def end() -> None:
        call.bye()
        other.answer_last(200, "BYE")

    return end


class TestAgents:
    def test_whoever_is_in_a_call_is_busy(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        direct = alice.invite("1002")
        assert state(house, "1002") == "busy", "the phone rings already"
        bob.answer_last(486)
        assert state(house, "1002") == "available"
        direct = alice.invite("1002")
        bob.answer_last(200, body=bob.sdp())
        direct.ack()
        assert state(house, "1002") == "busy"
        over(house, direct, bob)
        assert state(house, "1002") == "available"

    def test_who_has_no_phone_is_offline(self, house: House, alice: Phone, bob: Phone) -> None:
        assert state(house, "1002") == "available"
        assert state(house, "1003") == "offline"
        bob.register(expires=0)
        assert state(house, "1002") == "offline"

    def test_all_are_rung_and_one_has_the_caller(
        self, house: House, alice: Phone, bob: Phone, carol: Phone
    ) -> None:
        call = calling(alice, "704")
        for phone in (bob, carol):
            phone.answer_last(180)
        taken(carol)
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        assert house.media.heard_by(ALICE) == {CAROL}
        assert (state(house, "1002"), state(house, "1003")) == ("available", "busy")
        over(house, call, carol)

    def test_the_name_of_the_queue_is_whispered(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "702")
        taken(bob)
        assert house.media.heard_by(BOB) == {"♪80"}
        assert house.media.heard_by(ALICE) == {"♪70"}
        assert waiting(house, "whispered") == ["connecting"]
        house.sounds_end()
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)

    def test_what_cannot_be_whispered_is_left_out(
        self, house: House, alice: Phone, bob: Phone, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*_: object, **__: object) -> None:
            raise ResourcesExhausted("sources", 2)

        call = calling(alice, "702")
        monkeypatch.setattr(house.media, "play", full)
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)

    def test_an_agent_who_goes_while_it_is_whispered_leaves_the_caller_waiting(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = calling(alice, "702")
        conversation = taken(bob)
        conversation.bye()
        assert waiting(house, "whispered") == ["waiting"]
        assert house.media.heard_by(ALICE) == {"♪70"}
        house.advance(6)
        taken(bob)
        house.sounds_end()
        over(house, call, bob)

    def test_a_caller_who_goes_while_it_is_whispered(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "702")
        taken(bob)
        over(house, call, bob)
        assert house.desk.queues.statistics("whispered").abandoned == 1

    def test_straight_to_a_free_agent(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("703")
        assert alice.responses()[-1] == 100
        bob.answer_last(180)
        assert alice.responses()[-1] == 180
        taken(bob)
        assert alice.responses()[-1] == 200
        call.ack()
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)

    def test_who_was_not_answered_hears_music_when_the_agent_is_not_there(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = alice.invite("703")
        bob.answer_last(180)
        house.advance(11)
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
        assert alice.responses()[-1] == 200
        call.ack()
        assert house.media.heard_by(ALICE) == {"♪70"}
        over(house, call)

    def test_phones_are_asked_to_answer_by_themselves(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "705")
        invite = rung(bob)
        assert invite.get("answer-mode") == "Auto"
        assert "answer-after=0" in (invite.get("call-info") or "")
        taken(bob)
        over(house, call, bob)

    def test_agents_elsewhere(self, house: House, alice: Phone) -> None:
        far = Phone(house, "far", "198.51.100.7", rtp_port=47000)
        there = Phone(house, "there", "203.0.113.9", rtp_port=47002)
        call = calling(alice, "706")
        assert rung(far).request_uri.username == "+316"
        far.answer_last(486)
        assert rung(there).request_uri.username == "there"
        taken(there)
        assert house.media.heard_by(ALICE) == {47002}
        over(house, call, there)

    def test_another_codec(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        invite = bob.answer_last(200, body=bob.sdp(formats=(9, 101)))
        Dialogue.answered(bob, invite)
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, call, bob)


class TestCodes:
    def test_a_break_and_its_end(self, house: House, bob: Phone) -> None:
        bob.invite("*51")
        assert bob.responses()[-1] == 480
        assert state(house, "1002") == "paused"
        call = calling(bob, "*50")
        assert house.media.playing == [60]
        over(house, call)
        assert state(house, "1002") == "available"

    def test_who_is_no_agent_stays_who_they_are(self, house: House, alice: Phone) -> None:
        alice.invite("*51")
        assert alice.responses()[-1] == 480


class TestSupervisors:
    @pytest.fixture
    def talk(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> Dialogue:
        house.ask_queues(lambda queues, now: queues.log_out("1003", now))
        call = calling(alice, "700")
        taken(bob)
        return call

    @pytest.mark.parametrize(
        ("manner", "alice_hears", "bob_hears"),
        [
            ("listen", {BOB}, {ALICE}),
            ("whisper", {BOB}, {ALICE, CAROL}),
            ("barge", {BOB, CAROL}, {ALICE, CAROL}),
        ],
    )
    def test_manners(
        self, house: House, talk: Dialogue, bob: Phone, carol: Phone, manner: Manner,
        alice_hears: set[int], bob_hears: set[int],
    ) -> None:  # fmt: skip
        house.supervise("1002", "1003", manner)
        there = taken(carol)
        assert house.media.heard_by(CAROL) == {ALICE, BOB}
        assert house.media.heard_by(ALICE) == alice_hears
        assert house.media.heard_by(BOB) == bob_hears
        there.bye()
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.bridges == {}
        over(house, talk, bob)

    def test_one_manner_after_the_other(self, house: House, talk: Dialogue, bob: Phone, carol: Phone) -> None:
        house.supervise("1002", "1003", "listen")
        taken(carol)
        house.supervise("1002", "1003", "whisper")
        assert house.media.heard_by(BOB) == {ALICE, CAROL}
        house.supervise("1002", "1003", "take-over")
        assert house.media.heard_by(ALICE) == {CAROL}
        assert bob.methods()[-1] == "BYE"
        bob.answer_last(200, "BYE")
        assert state(house, "1002") == "wrap-up"
        over(house, talk, carol)

    def test_taking_over_at_once(self, house: House, talk: Dialogue, bob: Phone, carol: Phone) -> None:
        house.supervise("1002", "1003", "take-over")
        assert house.media.heard_by(ALICE) == {BOB}
        taken(carol)
        assert house.media.heard_by(ALICE) == {CAROL}
        bob.answer_last(200, "BYE")
        over(house, talk, carol)

    def test_the_conversation_ends_for_the_supervisor_too(
        self, house: House, talk: Dialogue, bob: Phone, carol: Phone
    ) -> None:
        house.supervise("1002", "1003", "listen")
        taken(carol)
        over(house, talk, bob, carol)

    def test_a_supervisor_who_does_not_answer(
        self, house: House, talk: Dialogue, bob: Phone, carol: Phone
    ) -> None:
        house.supervise("1002", "1003", "listen")
        carol.answer_last(486)
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, talk, bob)

    def test_without_room_for_a_supervisor_the_conversation_goes_on(
        self, house: House, talk: Dialogue, bob: Phone, carol: Phone
    ) -> None:
        house.supervise("1002", "1003", "listen")
        house.media.most_bridges = 1
        taken(carol)
        assert carol.methods()[-1] == "BYE"
        carol.answer_last(200, "BYE")
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.switch.reached["media-bridges"] == 1
        over(house, talk, bob)

    def test_a_supervisor_who_is_not_heard_of_leaves_alone(
        self, house: House, talk: Dialogue, bob: Phone, carol: Phone
    ) -> None:
        house.supervise("1002", "1003", "listen")
        taken(carol)
        (ours,) = house.switch.calls.values()
        (joined,) = [leg for leg in ours.legs if leg.summons is not None]
        house.carry_out(
            house.switch.tell(ours.record.id, lambda call: call.media_lost(joined, house.now), house.now)
        )
        assert carol.methods()[-1] == "BYE"
        carol.answer_last(200, "BYE")
        assert house.media.heard_by(ALICE) == {BOB}
        over(house, talk, bob)

    def test_nobody_to_listen_to(self, house: House, alice: Phone, bob: Phone) -> None:
        with pytest.raises(OperatorError, match="has no caller"):
            house.supervise("1002", "1003", "listen")

    def test_assigning_a_caller(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = calling(alice, "702")
        bob.answer_last(486)
        house.ask_queues(lambda queues, now: queues.assign(queues.callers()[0].caller, "1003", now))
        taken(carol)
        house.sounds_end()
        assert house.media.heard_by(ALICE) == {CAROL}
        over(house, call, carol)


def noted(house: House) -> list[tuple[str, str, float | None]]:
    (record,) = [each[0] for each in house.ended]
    return [(note.label, note.kind, note.value) for note in record.notes]


def cause(house: House) -> str | None:
    (record,) = [each[0] for each in house.ended]
    return record.cause


JOINED = ("queue/support", "queue-joined", 1.0)


class TestNotes:
    def test_who_is_served(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        house.advance(5)
        taken(bob)
        house.advance(7)
        over(house, call, bob)
        assert noted(house) == [
            JOINED,
            ("user/1002", "offer-accepted", 5.0),
            ("queue/support", "queue-served", 5.0),
            ("queue/support", "queue-handled", 7.0),
        ]
        assert cause(house) == "answered"

    def test_who_gives_up(self, house: House, alice: Phone, bob: Phone) -> None:
        house.ask_queues(lambda queues, now: queues.pause("1002", now))
        call = calling(alice, "700")
        house.advance(9)
        call.bye()
        assert noted(house) == [JOINED, ("queue/support", "queue-gave-up", 9.0)]
        assert cause(house) == "abandoned"

    def test_who_gives_up_while_an_agent_rings(self, house: House, alice: Phone, bob: Phone) -> None:
        call = calling(alice, "700")
        invite = bob.answer_last(180)
        house.advance(4)
        call.bye()
        bob.answer_last(200, "CANCEL")
        bob.answer(invite, 487)
        house.assert_nothing_left()
        assert set(noted(house)) == {
            JOINED,
            ("user/1002", "offer-caller-left", 4.0),
            ("queue/support", "queue-gave-up", 4.0),
        }
        assert cause(house) == "abandoned"
        assert not house.desk._notes._made
        assert not house.desk._notes._rung

    def test_who_gives_up_before_being_answered(self, house: House, alice: Phone, bob: Phone) -> None:
        call = alice.invite("703")
        invite = bob.answer_last(180)
        house.advance(3)
        call.cancel()
        bob.answer_last(200, "CANCEL")
        bob.answer(invite, 487)
        call.acknowledge_refusal()
        house.assert_nothing_left()
        assert cause(house) == "abandoned"

    def test_who_overflows(self, house: House, alice: Phone, bob: Phone) -> None:
        house.ask_queues(lambda queues, now: queues.pause("1002", now))
        call = calling(alice, "700")
        house.advance(121)
        call.bye()
        assert noted(house) == [JOINED, ("queue/support", "queue-timeout", 120.0)]

    def test_who_leaves_by_a_key(self, house: House, alice: Phone, bob: Phone) -> None:
        house.ask_queues(lambda queues, now: queues.pause("1002", now))
        calling(alice, "700")
        house.advance(2)
        house.press(ALICE, "0")
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()
        assert noted(house) == [JOINED, ("queue/support", "queue-left", 2.0)]
        assert cause(house) == "unavailable", "user 1003 has no phone, and nothing follows"

    def test_what_agents_said(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = calling(alice, "704")
        house.advance(1)
        carol.answer_last(603)
        house.advance(2)
        taken(bob)
        over(house, call, bob)
        assert noted(house)[:4] == [
            ("queue/everyone", "queue-joined", 1.0),
            ("user/1003", "offer-refused", 1.0),
            ("user/1002", "offer-accepted", 3.0),
            ("queue/everyone", "queue-served", 3.0),
        ]

    def test_the_quicker_agent(self, house: House, alice: Phone, bob: Phone, carol: Phone) -> None:
        call = calling(alice, "704")
        invite = carol.answer_last(180)
        house.advance(3)
        taken(bob)
        carol.answer_last(200, "CANCEL")
        carol.answer(invite, 487)
        over(house, call, bob)
        assert ("user/1003", "offer-taken", 3.0) in noted(house)
        assert not house.desk._notes._made

    def test_who_does_not_answer_is_told_until_there_is_too_much(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = calling(alice, "705")
        for _ in range(MAX_OFFERS + 5):
            bob.answer_last(486)
            house.advance(6)
        bob.answer_last(486)
        call.bye()
        kinds = [kind for _, kind, _ in noted(house)]
        assert kinds.count("offer-busy") == MAX_OFFERS
        assert noted(house)[-2:] == [
            ("queue/automatic", "queue-more-offers", 6.0),
            ("queue/automatic", "queue-gave-up", 6.0 * (MAX_OFFERS + 5)),
        ]
        house.assert_nothing_left()
        assert not house.desk._notes._made

    def test_every_kind_has_words(self) -> None:
        kinds = {*_FAILED.values(), *_WITHDRAWN.values(), *(f"queue-{outcome}" for outcome in QUEUE_OUTCOMES)}
        kinds |= {"queue-joined", "queue-served", "queue-handled", "queue-gave-up", "queue-more-offers"}
        for kind in kinds:
            assert alarm_words(kind, "", 7.0) != kind
            assert "7" in alarm_words(kind, "", 7.0)
