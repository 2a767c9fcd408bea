"""What the fuzzers found in the whole PBX, each in its smallest form."""

from unittest.mock import patch

import pytest

from tests.service import house as houses
from tests.service.house import House
from tests.service.phone import Phone
from tests.torture.media import StrictMedia


@pytest.fixture
def house() -> House:
    with patch.object(houses, "FakeMedia", StrictMedia):
        return House()


def test_the_ring_time_of_a_call_that_was_given_up_does_not_stay_due(house: House) -> None:
    # The callee never answers the CANCEL, so the call waits for it past its ring time of 30 s.
    alice, bob = Phone(house, "1001", "192.0.2.11"), Phone(house, "1002", "192.0.2.12")
    bob.register()
    call = alice.invite("1002")
    bob.answer_last(180)
    house.advance(5)
    call.cancel()
    assert bob.requests("CANCEL")
    due = []
    for _ in range(50):
        deadline = house.switch.next_deadline()
        if deadline is None:
            break
        due.append(deadline)
        house.now = deadline
        house.carry_out(house.switch.handle_timer(deadline))
    assert len(due) < 50
    assert len(set(due)) == len(due), "something was due again at the moment it had just been dealt with"
    house.assert_nothing_left()


@pytest.mark.parametrize("rate", [384_001, 999_999_999])
def test_a_clock_rate_beyond_all_codecs_is_no_codec(house: House, rate: int) -> None:
    # The media plane has no room for it, and must not be asked.
    alice = Phone(house, "1001", "192.0.2.11")
    body = alice.sdp(formats=(0,)).replace("a=rtpmap:0 PCMU/8000", f"a=rtpmap:96 fast/{rate}")
    alice.invite("600", body=body.replace("RTP/AVP 0", "RTP/AVP 96"))
    assert alice.responses()[-1] == 488
    house.assert_nothing_left()


def test_media_of_the_other_family_is_refused(house: House) -> None:
    alice = Phone(house, "1001", "192.0.2.11")
    alice.invite("600", body=alice.sdp().replace("c=IN IP4 192.0.2.11", "c=IN IP6 2001:db8::9"))
    assert alice.responses()[-1] == 488
    house.assert_nothing_left()


def test_an_offer_that_is_refused_changes_nothing(house: House) -> None:
    # RFC 3264 §8, RFC 3261 §14.2: an address of the other family is refused before anything is settled by it.
    alice, bob = Phone(house, "1001", "192.0.2.11"), Phone(house, "1002", "192.0.2.12")
    bob.register()
    call = alice.invite("1002")
    bob.answer_last(200, body=bob.sdp())
    call.ack()
    audio = next(iter(house.switch.calls.values())).caller.audio
    before = audio.agreed, audio.sent, audio.received
    call.request("INVITE", body=alice.sdp(version=2).replace("IP4 192.0.2.11", "IP6 2001:db8::9"))
    assert alice.responses()[-1] == 488
    assert (audio.agreed, audio.sent, audio.received) == before
    call.ack()
    call.bye()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()
