"""Calls with SRTP on one leg, both or none, seen from scripted phones (RFC 4568)."""

from base64 import b64encode

import pytest

from pbx.sdp.crypto import KEY_OCTETS, Crypto, Security, SrtpPolicy, Suite, lines_of
from pbx.sdp.description import parse
from pbx.service.admission import User
from tests.call.media import Row
from tests.service.house import House
from tests.service.phone import Dialogue, Phone

SUITE: Suite = "AES_CM_128_HMAC_SHA1_80"
ALICE_KEY, BOB_KEY, NEW_KEY = (bytes([number]) * KEY_OCTETS[SUITE] for number in (1, 2, 3))


def line(key: bytes, tag: int = 1, suite: Suite = SUITE) -> str:
    return f"a=crypto:{tag} {suite} inline:{b64encode(key).decode()}\r\n"


def secure(body: str, *lines: str, protocol: str = "RTP/SAVP") -> str:
    return body.replace("RTP/AVP", protocol) + "".join(lines)


def crypto_in(body: bytes) -> tuple[str, list[Crypto]]:
    stream = parse(body).media[0]
    return stream.protocol, lines_of(stream.attributes)


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


def policy(house: House, **policies: SrtpPolicy) -> None:
    users = house.switch._admission._users
    for name, srtp in policies.items():
        assert isinstance(users, dict)
        users[name[1:]] = User(srtp=srtp)


def row_of(house: House, phone: Phone) -> Row:
    return next(row for row in house.media.rows.values() if row.remote == (phone.host, phone.rtp_port))


def up(alice: Phone, bob: Phone, offer: str) -> tuple[Dialogue, Dialogue]:
    """A call whose caller offers `offer` and whose callee answers what it is offered."""
    call = alice.invite("1002", body=offer)
    invite = bob.answer_last(180)
    protocol, lines = crypto_in(invite.body)
    body = secure(bob.sdp(), line(BOB_KEY, lines[0].tag), protocol=protocol) if lines else bob.sdp()
    bob.answer(invite, 200, body=body)
    call.ack()
    return call, Dialogue.answered(bob, invite)


def test_a_secure_caller_talks_with_a_plain_callee(house: House, alice: Phone, bob: Phone) -> None:
    call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY, 5)))
    assert crypto_in(bob.requests("INVITE")[0].body) == ("RTP/AVP", [])
    protocol, lines = crypto_in(alice.response().body)
    assert (protocol, [each.tag for each in lines]) == ("RTP/SAVP", [5])
    assert row_of(house, alice).security == Security(SUITE, ALICE_KEY, lines[0].key)
    assert row_of(house, bob).security is None
    assert len(house.media.hearing) == 2
    call.bye()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()


@pytest.mark.parametrize(("srtp", "protocol"), [("optional", "RTP/AVP"), ("required", "RTP/SAVP")])
def test_a_plain_caller_talks_with_a_secure_callee(
    house: House, alice: Phone, bob: Phone, srtp: SrtpPolicy, protocol: str
) -> None:
    policy(house, u1002=srtp)
    up(alice, bob, alice.sdp())
    offered, lines = crypto_in(bob.requests("INVITE")[0].body)
    assert (offered, len(lines)) == (protocol, 4)
    assert crypto_in(alice.response().body) == ("RTP/AVP", [])
    assert row_of(house, bob).security == Security(SUITE, BOB_KEY, lines[0].key)
    assert row_of(house, alice).security is None


def test_each_leg_has_keys_of_its_own(house: House, alice: Phone, bob: Phone) -> None:
    policy(house, u1001="required", u1002="required")
    up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
    one, other = row_of(house, alice).security, row_of(house, bob).security
    assert one is not None
    assert other is not None
    assert len({one.receive, one.send, other.receive, other.send}) == 4
    assert ALICE_KEY not in bob.requests("INVITE")[0].body


@pytest.mark.parametrize(
    ("srtp", "offer"),
    [("required", "plain"), ("off", "secure"), ("required", "unusable"), ("accepted", "unusable")],
)
def test_what_a_policy_does_not_take_is_refused_before_anybody_rings(
    house: House, alice: Phone, bob: Phone, srtp: SrtpPolicy, offer: str
) -> None:
    policy(house, u1001=srtp)
    body = {
        "plain": alice.sdp(),
        "secure": secure(alice.sdp(), line(ALICE_KEY)),
        "unusable": secure(alice.sdp(), line(ALICE_KEY).replace("\r\n", " UNENCRYPTED_SRTP\r\n")),
    }[offer]
    alice.invite("1002", body=body).acknowledge_refusal()
    assert alice.responses()[-1] == 488
    assert bob.requests("INVITE") == []
    house.assert_nothing_left()


def test_the_echo_is_refused_and_protected_alike(house: House, alice: Phone) -> None:
    call = alice.invite("600", body=secure(alice.sdp(), line(ALICE_KEY)))
    call.ack()
    assert row_of(house, alice).security is not None
    call.bye()
    policy(house, u1001="required")
    alice.invite("600").acknowledge_refusal()
    assert alice.responses()[-1] == 488
    house.assert_nothing_left()


@pytest.mark.parametrize("lines", [(), (line(BOB_KEY, 9),)])
def test_a_callee_that_must_and_does_not_ends_the_attempt(
    house: House, alice: Phone, bob: Phone, lines: tuple[str, ...]
) -> None:
    policy(house, u1002="required")
    call = alice.invite("1002")
    bob.answer_last(200, body=secure(bob.sdp(), *lines))
    assert alice.responses()[-1] == 488
    assert bob.methods() == ["INVITE", "ACK", "BYE"]
    call.acknowledge_refusal()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()


def test_a_callee_may_decline_an_optional_offer(house: House, alice: Phone, bob: Phone) -> None:
    policy(house, u1002="optional")
    alice.invite("1002")
    bob.answer_last(200, body=bob.sdp())
    assert alice.responses()[-1] == 200
    assert row_of(house, bob).security is None


class TestWithinTheCall:
    def test_the_same_key_stays(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
        before = row_of(house, alice).security
        call.request("INVITE", body=secure(alice.sdp(version=2), line(ALICE_KEY)))
        assert alice.responses()[-1] == 200
        assert row_of(house, alice).security == before

    def test_a_new_key_changes_both_directions_of_that_leg(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        policy(house, u1002="required")
        call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
        before, other = row_of(house, alice).security, row_of(house, bob).security
        call.request("INVITE", body=secure(alice.sdp(version=2), line(NEW_KEY, 2)))
        _, lines = crypto_in(alice.response().body)
        after = row_of(house, alice).security
        assert before is not None
        assert after == Security(SUITE, NEW_KEY, lines[0].key)
        assert after.send != before.send
        assert row_of(house, bob).security == other
        assert bob.methods() == ["INVITE", "ACK"]

    def test_hold_keeps_the_keys_of_both_legs(self, house: House, alice: Phone, bob: Phone) -> None:
        policy(house, u1002="required")
        call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
        before = [row_of(house, phone).security for phone in (alice, bob)]
        call.request("INVITE", body=secure(alice.sdp(direction="sendonly", version=2), line(ALICE_KEY)))
        hold = bob.requests("INVITE")[-1]
        protocol, lines = crypto_in(hold.body)
        assert (protocol, len(lines)) == ("RTP/SAVP", 1)
        held = secure(bob.sdp(direction="recvonly", version=2), line(BOB_KEY, lines[0].tag))
        bob.answer(hold, 200, body=held)
        assert alice.responses()[-1] == 200
        assert [row_of(house, phone).security for phone in (alice, bob)] == before

    def test_a_leg_that_must_be_secure_does_not_become_plain(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        policy(house, u1001="required")
        call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
        before = row_of(house, alice).security
        call.request("INVITE", body=alice.sdp(version=2))
        assert alice.responses()[-1] == 488
        assert row_of(house, alice).security == before

    def test_a_leg_that_may_be_either_becomes_plain(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = up(alice, bob, secure(alice.sdp(), line(ALICE_KEY)))
        call.request("INVITE", body=alice.sdp(version=2))
        assert alice.responses()[-1] == 200
        assert row_of(house, alice).security is None


def test_early_media_and_the_answer_have_the_same_keys(house: House, alice: Phone, bob: Phone) -> None:
    policy(house, u1002="required")
    call = alice.invite("1002", body=secure(alice.sdp(), line(ALICE_KEY)))
    invite = bob.requests("INVITE")[0]
    body = secure(bob.sdp(), line(BOB_KEY))
    bob.answer(invite, 183, body=body)
    early = crypto_in(alice.response().body)
    before = [row_of(house, phone).security for phone in (alice, bob)]
    assert None not in before
    bob.answer(invite, 200, body=body)
    call.ack()
    assert crypto_in(alice.response().body) == early
    assert [row_of(house, phone).security for phone in (alice, bob)] == before


def test_a_late_offer_of_ours_follows_the_policy(house: House, alice: Phone, bob: Phone) -> None:
    policy(house, u1001="required")
    call = alice.invite("1002", body="")
    bob.answer_last(200, body=bob.sdp())
    protocol, lines = crypto_in(alice.response().body)
    assert (protocol, len(lines)) == ("RTP/SAVP", 4)
    call.ack(secure(alice.sdp(), line(ALICE_KEY, lines[0].tag)))
    assert row_of(house, alice).security == Security(SUITE, ALICE_KEY, lines[0].key)
    assert len(house.media.hearing) == 2
