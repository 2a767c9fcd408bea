"""Calls that we make for somebody: their phone rings, then they are the caller of what the dialplan says."""

import pytest

from pbx.dialplan.generation import decide_now
from pbx.errors import OperatorError
from pbx.service.originations import Originations
from tests.api.loop import in_loop
from tests.call.media import a_sound
from tests.service.house import BEGAN, DOMAIN, House
from tests.service.phone import Dialogue, Phone
from tests.service.test_answering import ALICE, BOB, registered, taken
from tests.service.test_call_control import control_of
from tests.service.test_counting import value

DIALPLAN = """
timezone: UTC
entry:
  - {from: trunk/carrier, chain: inbound}
  - {from: users, chain: internal}
  - {from: anyone, chain: public}
queues:
  support: {agents: ["1002"], music: "70", wrap_up: 10s}
chains:
  internal:
    - limit: {user: 1, else: {reject: 486}}
    - routing:
        - {to: "600", echo: {}}
        - {to: "610", goto: choice}
        - {to: "620", dial: user/1003, on: {unavailable: {dial: user/1002}}}
        - {to: "700", queue: support}
        - {to: "8XXX", conference: "{to}"}
        - {to: "1XXX", dial: user, ring: 20s}
        - {to: "0.", strip: 1, dial: trunk/carrier}
  choice:
    - menu: {prompt: "5", choices: {"1": {dial: user/1002}}}
  inbound:
    - routing:
        - {to: "+31201234501", dial: user/1002}
  public:
    - reject: 403
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


def originate(house: House, whom: str, called: str, *, ring_s: float = 20.0, shown: str = "") -> str:
    """Make a call; gives its id."""
    originations = Originations(
        house.users, house.trunks, house.destinations, house._resolve, lambda: house.now, lambda: BEGAN
    )
    origin = decide_now(originations.origin(whom, called, shown))
    id_, out = house.switch.originate(origin.routed, origin.destinations, ring_s, house.now)
    house.carry_out(out)
    return id_


def picked_up(phone: Phone, body: str = "") -> Dialogue:
    """The phone that is to be the caller answers."""
    invite = phone.answer_last(200, body=body or phone.sdp())
    assert "ACK" in phone.methods()
    return Dialogue.answered(phone, invite)


def talking(house: House, alice: Phone, bob: Phone) -> tuple[Dialogue, Dialogue]:
    originate(house, "1001", "1002")
    first = picked_up(alice)
    return first, taken(bob)


def over(house: House, *phones: Phone) -> None:
    """Whoever got a BYE says yes to it, and nothing is left."""
    for phone in phones:
        phone.answer_last(200, "BYE")
    house.assert_nothing_left()


class TestTwoWhoTalk:
    def test_the_first_is_shown_the_second_and_then_calls_it(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        house.settings(ringback=[a_sound(20)])
        id_ = originate(house, "1001", "1002")
        invite = alice.requests("INVITE")[0]
        assert (invite.from_.display, str(invite.from_.uri)) == ("Bob", f"sip:1002@{DOMAIN}")
        assert b"m=audio" in invite.body
        assert bob.methods() == []
        assert list(house.switch.calls) == [id_]
        first = picked_up(alice)
        shown = bob.requests("INVITE")[0].from_
        assert (shown.display, str(shown.uri)) == ("Alice", f"sip:1001@{DOMAIN}")
        bob.answer_last(180)
        assert house.media.heard_by(ALICE) == {"♪20"}
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        assert house.media.heard_by(BOB) == {ALICE}
        assert house.media.bridges == {}, "two legs of one codec are relayed"
        first.bye()
        over(house, bob)

    def test_its_record_says_what_happened(self, house: House, alice: Phone, bob: Phone) -> None:
        id_ = originate(house, "1001", "1002")
        house.advance(3)
        first = picked_up(alice)
        house.advance(4)
        taken(bob)
        house.advance(5)
        first.bye()
        over(house, bob)
        ((record, generation, decided),) = house.ended
        assert (record.id, record.caller, record.called, record.source) == (id_, "1001", "1002", "users")
        assert (record.answered_by, record.cause, record.status) == ("user/1002", "answered", 200)
        assert (record.setup_s, record.talked_s) == (3, 9)
        assert [leg.label for leg in record.legs] == ["user/1001", "user/1002"]
        assert [note.kind for note in record.notes] == ["originated"]
        assert generation == 1
        verdict = decided[0].verdict
        assert verdict is not None
        assert verdict.path[0].chain == "internal"
        assert (verdict.call.user, verdict.call.id) == ("1001", id_)

    def test_the_metrics_count_two_legs_and_no_call_that_came(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        first, _ = talking(house, alice, bob)
        house.advance(5)
        first.bye()
        over(house, bob)
        page = house.metrics.render()[0].decode()
        assert value(page, 'pbx_call_attempts_total{direction="out",trunk=""}') == 2
        assert value(page, 'pbx_call_answers_total{direction="out",trunk=""}') == 2
        assert 'direction="in",trunk=""} 1' not in "".join(
            line for line in page.splitlines() if line.startswith("pbx_call_")
        )

    def test_the_second_may_hang_up(self, house: House, alice: Phone, bob: Phone) -> None:
        _, second = talking(house, alice, bob)
        second.bye()
        assert alice.methods()[-1] == "BYE"
        over(house, alice)

    def test_the_first_may_hold(self, house: House, alice: Phone, bob: Phone) -> None:
        first, _ = talking(house, alice, bob)
        first.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
        assert b"a=sendonly" in bob.requests("INVITE")[-1].body
        bob.answer_last(200, body=bob.sdp(direction="recvonly", version=2))
        assert alice.response().status == 200
        first.ack()
        first.bye()
        over(house, bob)

    def test_the_operator_may_end_it(self, house: House, alice: Phone, bob: Phone) -> None:
        talking(house, alice, bob)
        assert control_of(house).hang_up_all().calls == [next(iter(house.switch.calls))]
        over(house, alice, bob)

    @pytest.mark.parametrize("formats", [(0, 101), (8,)])
    def test_whatever_codec_the_first_takes(
        self, house: House, alice: Phone, bob: Phone, formats: tuple[int, ...]
    ) -> None:
        originate(house, "1001", "1002")
        first = picked_up(alice, alice.sdp(formats=formats))
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        first.bye()
        over(house, bob)


class TestNobodyPicksUp:
    def end(self, house: House) -> tuple[str | None, int]:
        house.assert_nothing_left()
        ((record, _, decided),) = house.ended
        assert (record.answered_at, list(decided)) == (None, [])
        return record.cause, record.status

    @pytest.mark.parametrize(
        ("status", "cause", "shown"),
        [(486, "busy", 486), (603, "rejected", 603), (480, "unavailable", 480), (401, "error", 403)],
    )
    def test_a_refusal_is_the_end(
        self, house: House, alice: Phone, bob: Phone, status: int, cause: str, shown: int
    ) -> None:
        originate(house, "1001", "1002")
        alice.answer_last(status)
        assert alice.methods() == ["INVITE", "ACK"]
        assert bob.methods() == []
        assert self.end(house) == (cause, shown)

    def test_nor_in_time(self, house: House, alice: Phone) -> None:
        originate(house, "1001", "1002", ring_s=15)
        invite = alice.answer_last(180)
        house.advance(15)
        alice.answer_last(200, "CANCEL")
        alice.answer(invite, 487)
        assert self.end(house) == ("no-answer", 480)

    def test_who_answers_too_late_gets_a_bye(self, house: House, alice: Phone) -> None:
        originate(house, "1001", "1002", ring_s=15)
        invite = alice.answer_last(180)
        house.advance(15)
        alice.answer_last(200, "CANCEL")
        alice.answer(invite, 200, body=alice.sdp())
        assert alice.methods() == ["INVITE", "CANCEL", "ACK", "BYE"]
        alice.answer_last(200, "BYE")
        assert self.end(house) == ("no-answer", 480)

    def test_a_phone_that_says_nothing(self, house: House, alice: Phone) -> None:
        originate(house, "1001", "1002", ring_s=60)
        house.advance(40)
        assert self.end(house) == ("unavailable", 480)

    def test_an_answer_that_is_none(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "1002")
        alice.answer_last(200, body="v=0\r\n")
        assert alice.methods() == ["INVITE", "ACK", "BYE"]
        alice.answer_last(200, "BYE")
        assert bob.methods() == []
        assert self.end(house)[0] == "error"

    def test_it_may_be_called_off(self, house: House, alice: Phone) -> None:
        id_ = originate(house, "1001", "1002")
        invite = alice.answer_last(180)
        house.carry_out(house.switch.hang_up(id_, house.now))
        alice.answer_last(200, "CANCEL")
        alice.answer(invite, 487)
        assert self.end(house) == ("cancelled", 487)


class TestSeveralPhones:
    @pytest.fixture
    def other(self, house: House, alice: Phone) -> Phone:
        """Another phone of 1001."""
        return registered(house, "1001", 21, 41100)

    def test_the_first_who_answers_is_the_caller(
        self, house: House, alice: Phone, other: Phone, bob: Phone
    ) -> None:
        originate(house, "1001", "1002")
        invite = alice.answer_last(180)
        other.answer_last(180)
        first = picked_up(other)
        assert alice.methods() == ["INVITE", "CANCEL"]
        alice.answer_last(200, "CANCEL")
        alice.answer(invite, 487)
        taken(bob)
        assert house.media.heard_by(41100) == {BOB}
        first.bye()
        over(house, bob)

    @pytest.mark.parametrize("refuser", [0, 1])
    def test_one_that_refuses_leaves_the_other_ringing(
        self, house: House, alice: Phone, other: Phone, bob: Phone, refuser: int
    ) -> None:
        phones = (alice, other)
        originate(house, "1001", "1002")
        phones[refuser].answer_last(486)
        first = picked_up(phones[1 - refuser])
        taken(bob)
        first.bye()
        over(house, bob)
        assert house.ended[0][0].cause == "answered"

    def test_a_person_who_says_no_speaks_for_all(self, house: House, alice: Phone, other: Phone) -> None:
        originate(house, "1001", "1002")
        invite = other.answer_last(180)
        alice.answer_last(603)
        assert other.methods() == ["INVITE", "CANCEL"]
        other.answer_last(200, "CANCEL")
        other.answer(invite, 487)
        house.assert_nothing_left()
        assert house.ended[0][0].cause == "rejected"


class TestWhatFollows:
    def test_the_first_hangs_up_while_the_second_rings(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "1002")
        first = picked_up(alice)
        invite = bob.answer_last(180)
        first.bye()
        assert alice.response("BYE").status == 200
        assert bob.methods() == ["INVITE", "CANCEL"]
        bob.answer_last(200, "CANCEL")
        bob.answer(invite, 487)
        house.assert_nothing_left()

    @pytest.mark.parametrize("called", ["1002", "1009", "9999"])
    def test_when_it_comes_to_nothing_the_first_gets_a_bye(
        self, house: House, alice: Phone, bob: Phone, called: str
    ) -> None:
        originate(house, "1001", called)
        picked_up(alice)
        if called == "1002":
            bob.answer_last(486)
        assert alice.methods() == ["INVITE", "ACK", "BYE"]
        over(house, alice)

    def test_outcomes_lead_on(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "620")
        first = picked_up(alice)
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        first.bye()
        over(house, bob)

    def test_early_media_of_the_second_is_ringback(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(ringback=[a_sound(20)])
        originate(house, "1001", "1002")
        first = picked_up(alice)
        bob.answer_last(183, body=bob.sdp())
        assert house.media.heard_by(ALICE) == {"♪20"}
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        first.bye()
        over(house, bob)

    def test_early_media_of_the_first_is_nobodys(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "1002")
        alice.answer_last(183, body=alice.sdp())
        assert bob.methods() == []
        first = picked_up(alice)
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        first.bye()
        over(house, bob)

    def test_the_echo(self, house: House, alice: Phone) -> None:
        originate(house, "1001", "600")
        first = picked_up(alice)
        assert house.media.rows[house.media.leg_to(ALICE)].echo
        first.bye()
        house.assert_nothing_left()

    def test_a_menu(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "610")
        first = picked_up(alice)
        assert house.media.heard_by(ALICE) == {"♪5"}
        house.press(ALICE, "1")
        taken(bob)
        first.bye()
        over(house, bob)

    def test_a_room(self, house: House, alice: Phone) -> None:
        originate(house, "1001", "8001")
        first = picked_up(alice)
        assert house.switch.shared.rooms.members("8001") == 1
        first.bye()
        house.assert_nothing_left()

    def test_a_queue(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1001", "700")
        first = picked_up(alice)
        assert house.media.heard_by(ALICE) == {"♪70"}
        taken(bob)
        assert house.media.heard_by(ALICE) == {BOB}
        first.bye()
        over(house, bob)

    def test_who_is_called_first_is_busy_for_queues(self, house: House, alice: Phone, bob: Phone) -> None:
        originate(house, "1002", "600")
        first = picked_up(bob)
        assert house.desk.queues.agent("1002").state == "busy"
        first.bye()
        house.assert_nothing_left()
        assert house.desk.queues.agent("1002").state != "busy"


class TestLimits:
    def test_the_dialplan_counts_the_call_once(self, house: House, alice: Phone, bob: Phone) -> None:
        """One call a user: the call itself is none beside it, another is."""
        first, _ = talking(house, alice, bob)
        originate(house, "1001", "600")
        picked_up(alice)
        assert alice.methods()[-1] == "BYE", "there is one already"
        alice.answer_last(200, "BYE")
        house.advance(1)
        call = alice.invite("600")
        assert alice.response().status == 486
        call.acknowledge_refusal()
        first.bye()
        bob.answer_last(200, "BYE")
        house.advance(1)
        again = alice.invite("600")
        assert alice.response().status == 200
        again.ack()
        again.bye()
        house.assert_nothing_left()

    def test_there_are_as_many_calls_as_may_be(self) -> None:
        house = House(dialplan=DIALPLAN, max_calls=1)
        alice = registered(house, "1001", 11, ALICE)
        originate(house, "1001", "600")
        with pytest.raises(OperatorError, match="as many calls"):
            originate(house, "1001", "600")
        assert house.switch.reached["calls"] == 1
        picked_up(alice).bye()
        house.assert_nothing_left()

    def test_the_service_is_drained(self, house: House, alice: Phone) -> None:
        house.switch.draining = True
        with pytest.raises(OperatorError, match="drained"):
            originate(house, "1001", "600")
        house.assert_nothing_left()

    def test_there_are_no_ports(self, alice: Phone, house: House) -> None:
        registered(house, "1001", 21, 41100)
        house.media.limit = 1
        with pytest.raises(OperatorError, match="no media ports left"):
            originate(house, "1001", "600")
        assert alice.methods() == []
        house.assert_nothing_left()


class TestTargets:
    def test_a_trunk_is_the_caller_of_its_chain(self, house: House, bob: Phone) -> None:
        carrier = Phone(house, "carrier", "198.51.100.7", rtp_port=ALICE)
        originate(house, "trunk/carrier/+31612345678", "+31201234501", shown="+31201234599")
        invite = carrier.requests("INVITE")[0]
        assert invite.request_uri.username == "+31612345678"
        assert invite.from_.uri.username == "+31201234599"
        first = picked_up(carrier)
        assert bob.requests("INVITE")[0].from_.uri.username == "+31612345678"
        taken(bob)
        first.bye()
        over(house, bob)
        record = house.ended[0][0]
        assert (record.source, record.caller) == ("trunk/carrier", "+31612345678")

    def test_a_trunk_sees_the_number_of_the_user_who_will_be_called(self, house: House) -> None:
        carrier = Phone(house, "carrier", "198.51.100.7", rtp_port=ALICE)
        originate(house, "trunk/carrier/+31612345678", "1001")
        assert carrier.requests("INVITE")[0].from_.uri.username == "+31201234501"

    def test_a_uri_is_anyone(self, house: House) -> None:
        there = Phone(house, "there", "203.0.113.9", 5070, rtp_port=ALICE)
        originate(house, "sip:there@203.0.113.9:5070", "1002")
        picked_up(there)
        assert there.methods() == ["INVITE", "ACK", "BYE"], "the public chain rejects"
        over(house, there)

    @pytest.mark.parametrize(
        ("whom", "said"),
        [
            ("1009", "there is no user 1009"),
            ("user/1009", "there is no user 1009"),
            ("1003", "user 1003 has no phone that is registered"),
            ("trunk/nobody/1", "there is no trunk nobody"),
            ("trunk/carrier", "says no number to call"),
            ("user", "there is no user user"),
            ("sip:", "expected a SIP URI"),
            ("trunk/", "found 'trunk/'"),
        ],
    )
    def test_who_cannot_be_rung(self, house: House, whom: str, said: str) -> None:
        with pytest.raises(OperatorError, match=said):
            originate(house, whom, "600")
        house.assert_nothing_left()

    def test_what_cannot_be_dialled(self, house: House, alice: Phone) -> None:
        with pytest.raises(OperatorError, match="nothing that can be dialled"):
            originate(house, "1001", "6\x1b0")


@in_loop
async def test_the_control_socket_asks_for_it() -> None:
    house = House(dialplan=DIALPLAN)
    alice = registered(house, "1001", 11, ALICE)
    report = await control_of(house).originate("user/1001", "600", None, "")
    assert report.model_dump() == {
        "id": next(iter(house.switch.calls)),
        "rings": "user/1001",
        "called": "600",
    }
    invite = alice.answer_last(180)
    house.advance(29)
    assert alice.methods() == ["INVITE"]
    house.advance(1)
    assert alice.methods() == ["INVITE", "CANCEL"]
    alice.answer_last(200, "CANCEL")
    alice.answer(invite, 487)
    house.assert_nothing_left()
