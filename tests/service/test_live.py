"""Facts for the dialplan: counted as calls come and go."""

import pytest

from pbx.service.live import MAX_ATTEMPTS, MAX_KEYS, LiveFacts
from tests.service.house import House
from tests.service.phone import Phone


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


def test_calls_are_counted_by_caller_user_and_chain(house: House, alice: Phone, bob: Phone) -> None:
    live = house.switch.live
    call = alice.invite("1002")
    (name,) = house.switch.calls
    for kind, who in (("caller", "1001"), ("user", "1001"), ("user", "1002"), ("chain", "internal")):
        assert live.active(kind, who) == 1, kind  # type: ignore[arg-type]
        assert live.beside(name, house.now).active_calls(kind, who) == 0, kind  # type: ignore[arg-type]
    assert live.uses["user/1002"] == 1
    bob.answer_last(486)
    assert live.active("user", "1002") == 0
    call.acknowledge_refusal()
    house.assert_nothing_left()
    assert not live._active
    assert not live._of_call


def test_trunks(house: House, alice: Phone) -> None:
    carrier = Phone(house, "carrier", "198.51.100.7")
    live = house.switch.live
    call = alice.invite("0201234567")
    assert live.active("trunk", "carrier") == 1
    assert live.uses["trunk/carrier"] == 1
    incoming = carrier.invite("+31201234501", authenticate=False)
    assert live.active("trunk", "carrier") == 2
    carrier.answer(carrier.requests("INVITE")[0], 503)
    call.acknowledge_refusal()
    assert live.active("trunk", "carrier") == 1
    alice.answer_last(486)
    incoming.acknowledge_refusal()
    assert live.active("trunk", "carrier") == 0
    assert not live._active


def test_a_user_with_two_phones_is_used_once(house: House, alice: Phone, bob: Phone) -> None:
    second = Phone(house, "1002", "192.0.2.22", rtp_port=42002)
    second.register()
    live = house.switch.live
    call = alice.invite("1002")
    assert live.uses["user/1002"] == 1
    bob.answer_last(486)
    assert live.active("user", "1002") == 1, "the other phone rings"
    second.answer_last(486)
    assert live.active("user", "1002") == 0
    call.acknowledge_refusal()
    house.assert_nothing_left()


def test_attempts_within_a_window(house: House) -> None:
    live = LiveFacts(house.registrar)
    assert [live.attempts("a", 10, now) for now in (0.0, 1.0, 9.0, 10.0, 11.5, 40.0)] == [1, 2, 3, 3, 3, 1]
    assert live.beside("", 41.0).attempts("a", 10) == 2
    assert live.attempts("b", 10, 40.0) == 1


def test_attempts_are_bounded(house: House) -> None:
    live = LiveFacts(house.registrar)
    for number in range(MAX_KEYS + 10):
        live.attempts(str(number), 10, 0.0)
    assert len(live._attempts) == MAX_KEYS
    for _ in range(MAX_ATTEMPTS + 10):
        last = live.attempts("x", 10, 0.0)
    assert last == MAX_ATTEMPTS


def test_who_is_registered(house: House, alice: Phone) -> None:
    beside = house.switch.live.beside("", house.now)
    assert beside.registered("1001")
    assert not beside.registered("1002")


def test_what_somebody_said(house: House) -> None:
    live = house.switch.live
    beside = live.beside("", house.now)
    assert beside.switch("office") is None
    live.switches["office"] = "closed"
    assert beside.switch("office") == "closed"
    assert beside.queue("support") == {"waiting": 0, "agents": 0, "free": 0}
