import pytest

from pbx.media.plane import MediaPlane
from pbx.media.values import SourceProven
from tests.media.support import (
    Phone,
    Phones,
    bridged,
    configure,
    leg_for,
    next_event,
    obeyed,
    pause,
    wait_until,
)

pytestmark = pytest.mark.network


def silent_address(phones: Phones) -> tuple[str, int]:
    """An address that nothing ever comes from."""
    return phones.new().address


def learn(phone: Phone) -> None:
    """Enough packets in sequence, over enough time, to be believed."""
    for _ in range(5):
        phone.send()
        pause(0.015)


def test_the_signalled_address_is_proven_by_its_first_packet(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    alice.send()
    assert next_event(plane, SourceProven) == SourceProven(leg, alice.address)


def test_an_injector_is_neither_passed_on_nor_answered(plane: MediaPlane, phones: Phones) -> None:
    alice, bob, mallory = phones.new(), phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    mallory.target = alice.target
    for _ in range(3):
        mallory.send(b"evil")
    wait_until(lambda: plane.statistics(a).dropped.wrong_source == 3)
    alice.send(b"good")
    assert bob.hear().payload == b"good"
    for _ in range(50):
        mallory.send(b"evil")
    for _ in range(5):
        alice.send(b"good")
    assert [bob.hear().payload for _ in range(5)] == [b"good"] * 5
    bob.send()
    alice.hear()
    assert mallory.hears_nothing()
    assert plane.statistics(a).received.packets == 6


def test_an_injector_on_an_echo_gets_nothing(plane: MediaPlane, phones: Phones) -> None:
    alice, mallory = phones.new(), phones.new()
    leg = leg_for(plane, alice)
    plane.echo(leg)
    obeyed(plane)
    mallory.target = alice.target
    alice.send()
    alice.hear()
    learn(mallory)
    alice.send()
    alice.hear()
    assert mallory.hears_nothing()
    assert alice.hears_nothing()


def test_what_was_queued_before_the_lock_is_still_checked(plane: MediaPlane, phones: Phones) -> None:
    alice, bob, mallory = phones.new(), phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    mallory.target = alice.target
    for _ in range(20):
        mallory.send(b"evil")
        alice.send(b"good")
    assert {bob.hear().payload for _ in range(20)} == {b"good"}
    assert bob.hears_nothing()
    assert plane.statistics(a).received.packets == 20


def test_another_source_is_learned_once_and_then_locked(plane: MediaPlane, phones: Phones) -> None:
    """A phone behind a NAT: what it signalled is not where it sends from."""
    alice, bob, mallory = phones.new(), phones.new(), phones.new()
    a, _b = bridged(plane, alice, bob)
    configure(plane, a, silent_address(phones))
    obeyed(plane)
    learn(alice)
    event = next_event(plane, SourceProven)
    assert event == SourceProven(a, alice.address)
    bob.send(b"back")
    assert alice.hear().payload == b"back"
    mallory.target = alice.target
    learn(mallory)
    bob.send()
    alice.hear()
    assert mallory.hears_nothing()
    assert plane.statistics(a).source == alice.address
    assert plane.statistics(a).dropped.wrong_source >= 3


def test_packets_out_of_sequence_are_never_learned(plane: MediaPlane, phones: Phones) -> None:
    alice, mallory = phones.new(), phones.new()
    leg = leg_for(plane, alice)
    mallory.target = alice.target
    for number in range(20):
        mallory.sequence = 7 * number
        mallory.send()
        pause(0.005)
    wait_until(lambda: plane.statistics(leg).dropped.wrong_source == 20)
    assert plane.statistics(leg).source is None
    alice.send()
    wait_until(lambda: plane.statistics(leg).source == alice.address)


def test_a_new_remote_address_is_proven_anew_and_the_old_source_barred(
    plane: MediaPlane, phones: Phones
) -> None:
    alice, bob, desk = phones.new(), phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    alice.send()
    before = bob.hear()
    configure(plane, a, desk.address)
    obeyed(plane)
    learn(alice)
    assert plane.statistics(a).source is None
    assert bob.hears_nothing()
    desk.target = alice.target
    desk.ssrc = 77
    desk.send(b"desk")
    after = bob.hear()
    assert after.payload == b"desk"
    assert after.ssrc == before.ssrc
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    bob.send()
    desk.hear()
    assert alice.hears_nothing()


def test_the_same_remote_address_again_keeps_the_lock(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    signalled = silent_address(phones)
    configure(plane, a, signalled)
    obeyed(plane)
    learn(alice)
    next_event(plane, SourceProven)
    configure(plane, a, signalled)
    obeyed(plane)
    assert plane.statistics(a).source == alice.address


def test_a_source_that_the_kernel_would_filter_out_is_heard_again(plane: MediaPlane, phones: Phones) -> None:
    """Connecting narrows the socket to one address of ours; the peer may have been given another."""
    alice, bob = phones.new(), phones.new("127.0.0.1")
    a, _ = bridged(plane, alice, bob)
    alice.target = ("127.0.0.2", alice.target[1])
    alice.send()
    bob.hear()

    def heard_again() -> bool:
        alice.send(b"again")
        return plane.statistics(a).received.packets > 3

    wait_until(heard_again)
    assert bob.hear().payload == b"again"


@pytest.mark.parametrize("port", [0, 1])
def test_stray_packets_to_a_leg_without_an_address_are_counted(
    plane: MediaPlane, phones: Phones, port: int
) -> None:
    mallory = phones.new()
    leg, first = plane.open()
    obeyed(plane)
    mallory.target = ("127.0.0.1", first + port)
    mallory.send_raw(bytes([0x80, 201, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][: 8 if port else 12]))

    def counted() -> bool:
        statistics = plane.statistics(leg)
        return statistics.dropped.wrong_source + statistics.rtcp.wrong_source == 1

    wait_until(counted)
