"""A call that is over is freed by its last reference: no cycle waits for the garbage collector.

The service raises the collector's thresholds so far that what a cycle keeps would stay for hours.
"""

import gc
from collections.abc import Callable, Iterator

import pytest

from pbx.call.call import Call
from pbx.call.leg import Leg
from pbx.sip.message import Request, Response
from pbx.sip.session import InviteSession
from pbx.sip.transaction_base import Transaction
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
def bobs(house: House) -> list[Phone]:
    """Two phones of one user."""
    phones = [Phone(house, "1002", f"192.0.2.1{number}", rtp_port=42000 + 2 * number) for number in (2, 3)]
    for phone in phones:
        phone.register()
    return phones


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def answered(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    for bob in bobs:
        bob.answer_last(180)
    bobs[0].answer(bobs[0].requests("INVITE")[0], 200, body=bobs[0].sdp())
    bobs[1].answer_last(200, "CANCEL")
    bobs[1].answer_last(487)
    call.ack()
    call.bye()
    bobs[0].answer_last(200, "BYE")


def cancelled(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    for bob in bobs:
        bob.answer_last(180)
    call.cancel()
    for bob in bobs:
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
    call.acknowledge_refusal()


def refused(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    for bob in bobs:
        bob.answer_last(486)
    call.acknowledge_refusal()


def unanswered(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    for bob in bobs:
        bob.answer_last(180)
    alice.house.advance(31)
    for bob in bobs:
        bob.answer_last(200, "CANCEL")
        bob.answer_last(487)
    call.acknowledge_refusal()


def crossed(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    for bob in bobs:
        bob.answer_last(180)
    call.cancel()
    for bob in bobs:
        bob.answer_last(200, "CANCEL")
        bob.answer(bob.requests("INVITE")[0], 200, body=bob.sdp())
        bob.answer_last(200, "BYE")
    call.acknowledge_refusal()


def held(alice: Phone, bobs: list[Phone]) -> None:
    call = alice.invite("1002")
    bobs[1].answer_last(180)
    bobs[0].answer_last(200, body=bobs[0].sdp())
    bobs[1].answer_last(200, "CANCEL")
    bobs[1].answer_last(487)
    call.ack()
    call.request("INVITE", body=alice.sdp(direction="sendonly", version=2))
    bobs[0].answer_last(200, body=bobs[0].sdp(direction="recvonly", version=2))
    call.ack()
    call.bye()
    bobs[0].answer_last(200, "BYE")


def echoed(alice: Phone, _: list[Phone]) -> None:
    call = alice.invite("600")
    call.ack()
    call.bye()


def rejected(alice: Phone, _: list[Phone]) -> None:
    alice.invite("601").acknowledge_refusal()


def never_acknowledged(alice: Phone, bobs: list[Phone]) -> None:
    alice.invite("1002")
    bobs[1].answer_last(180)
    bobs[0].answer_last(200, body=bobs[0].sdp())
    bobs[1].answer_last(200, "CANCEL")
    bobs[1].answer_last(487)
    alice.house.advance(33)
    alice.answer_last(200, "BYE")
    bobs[0].answer_last(200, "BYE")


def kept() -> list[object]:
    """What there is of calls and messages, that of other tests included."""
    kinds = (Call, Leg, InviteSession, Transaction, Request, Response)
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


SCENES = [
    answered, cancelled, refused, unanswered, crossed, held, echoed, rejected, never_acknowledged,
]  # fmt: skip


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: str(scene.__name__))
def test_nothing_of_a_call_waits_for_the_collector(
    scene: Callable[[Phone, list[Phone]], None], house: House, alice: Phone, bobs: list[Phone]
) -> None:
    before = kept()
    scene(alice, bobs)
    house.assert_nothing_left()
    house.switch.handle_timer(house.now)  # the layer lets go of what ended at its next turn
    house.asked.clear()
    for phone in (alice, *bobs):
        phone.heard.clear()
    assert [each for each in kept() if not any(each is other for other in before)] == []


def test_a_repeated_200_gets_its_ack_after_the_call_is_over(alice: Phone, bobs: list[Phone]) -> None:
    answered(alice, bobs)
    bob = bobs[0]
    before = len(bob.requests("ACK"))
    assert not alice.house.switch.calls
    bob.answer(bob.requests("INVITE")[0], 200, body=bob.sdp())
    assert len(bob.requests("ACK")) == before + 1
