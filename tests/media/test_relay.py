import threading

import pytest

from pbx.media.plane import MediaPlane
from tests.media.support import Phones, bridged, configure, leg_for, new_plane, obeyed, pause, wait_until

pytestmark = pytest.mark.network


def test_bytes_arrive_intact_both_ways(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    for number in range(20):
        alice.send(bytes([number]) * 160)
        bob.send(bytes([number + 100]) * 80)
        assert bob.hear().payload == bytes([number]) * 160
        assert alice.hear().payload == bytes([number + 100]) * 80
    statistics = plane.statistics(a)
    assert statistics.received.packets == 20
    assert statistics.received.octets == 3200
    assert statistics.received.lost == 0
    assert statistics.received.jitter_ms is not None
    assert statistics.dropped.total == 0
    assert statistics.source == alice.address
    wait_until(lambda: plane.statistics(a).sent.packets == 20)
    assert plane.statistics(a).sent.octets == 1600
    assert plane.statistics(b).received.packets == 20


def test_what_was_not_measured_is_none(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    statistics = plane.statistics(leg)
    assert statistics.received.jitter_ms is None
    assert statistics.received.lost is None
    assert statistics.received.extended_sequence is None
    assert statistics.heard.round_trip_ms is None
    assert statistics.heard.lost is None
    assert statistics.source is None


def test_each_leg_is_an_rtp_session_of_its_own(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    bridged(plane, alice, bob)
    alice.send()
    first = bob.hear()
    assert first.marker
    assert first.ssrc != alice.ssrc
    alice.send()
    second = bob.hear()
    assert not second.marker
    assert second.ssrc == first.ssrc
    assert second.sequence == (first.sequence + 1) & 0xFFFF
    assert second.timestamp == (first.timestamp + 160) & 0xFFFFFFFF
    assert second.source[1] == bob.target[1]


def test_payload_types_are_mapped_and_others_leave_no_gap(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    configure(plane, a, alice.address, payload_map={0: 0, 96: 101}, clock_rates={0: 8000, 96: 8000})
    obeyed(plane)
    alice.send()
    alice.send(b"", payload_type=13)
    alice.send(b"\x05\x0a\x00\xa0", payload_type=96, marker=True)
    voice, digit = bob.hear(), bob.hear()
    assert (digit.payload_type, digit.marker) == (101, True)
    assert digit.sequence == (voice.sequence + 1) & 0xFFFF
    assert digit.timestamp == (voice.timestamp + 320) & 0xFFFFFFFF
    assert plane.statistics(a).dropped.payload_type == 1


def test_loss_on_the_way_to_us_stays_visible(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    alice.send()
    alice.skip(3)
    alice.send()
    first, second = bob.hear(), bob.hear()
    assert (second.sequence - first.sequence) & 0xFFFF == 4
    assert (second.timestamp - first.timestamp) & 0xFFFFFFFF == 640
    assert not second.marker
    assert plane.statistics(a).received.lost == 3


def test_duplicates_are_counted_and_not_passed_on_and_reordering_is_kept(
    plane: MediaPlane, phones: Phones
) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    for number in (0, 1, 1, 3, 2, 4):
        alice.sequence, alice.timestamp = 1000 + number, 160 * number
        alice.send(bytes([number]))
    heard = [bob.hear() for _ in range(5)]
    assert [packet.payload[0] for packet in heard] == [0, 1, 3, 2, 4]
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == [0, 1, 3, 2, 4]
    received = plane.statistics(a).received
    assert (received.duplicated, received.reordered, received.lost) == (1, 1, -1)


def test_a_new_source_goes_on_where_the_old_one_ended(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    for _ in range(3):
        alice.send()
    before = [bob.hear() for _ in range(3)][-1]
    alice.ssrc, alice.sequence, alice.timestamp = 0x9999, 40_000, 7
    alice.send()
    after = bob.hear()
    assert after.ssrc == before.ssrc
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    assert 160 <= (after.timestamp - before.timestamp) & 0xFFFFFFFF < 8000 * 10
    assert after.marker
    assert plane.statistics(a).received.ssrc_changes == 1
    assert plane.statistics(a).received.lost == 0


def test_bridges_change_without_a_gap(plane: MediaPlane, phones: Phones) -> None:
    alice, bob, carol = phones.new(), phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    c = leg_for(plane, carol)
    alice.send()
    first = bob.hear()
    plane.bridge(b, c)
    obeyed(plane)
    carol.send(b"carol")
    second = bob.hear()
    assert second.payload == b"carol"
    assert second.ssrc == first.ssrc
    assert second.sequence == (first.sequence + 1) & 0xFFFF
    assert second.marker
    alice.send()
    wait_until(lambda: plane.statistics(a).dropped.unbridged == 1)
    plane.bridge(a, b)
    obeyed(plane)
    alice.send(b"alice")
    third = bob.hear()
    assert third.payload == b"alice"
    assert third.sequence == (second.sequence + 1) & 0xFFFF
    assert (third.timestamp - second.timestamp) & 0xFFFFFFFF < 8000 * 10
    carol.send()
    wait_until(lambda: plane.statistics(c).dropped.unbridged == 1)
    assert bob.hears_nothing()


def test_what_another_bridge_got_is_no_gap_in_this_one(plane: MediaPlane, phones: Phones) -> None:
    alice, bob, carol = phones.new(), phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    c = leg_for(plane, carol)
    alice.send()
    before = bob.hear()
    plane.bridge(a, c)
    obeyed(plane)
    for _ in range(3):
        alice.send()
        carol.hear()
    plane.bridge(a, b)
    obeyed(plane)
    alice.send()
    after = bob.hear()
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    assert after.timestamp == (before.timestamp + 4 * 160) & 0xFFFFFFFF


def test_hold_withholds_both_ways_and_resumes_without_a_gap(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    alice.send()
    before = bob.hear()
    configure(plane, a, alice.address, receive=False, send=False)
    obeyed(plane)
    for _ in range(5):
        alice.send()
    bob.send()
    wait_until(lambda: plane.statistics(a).dropped.not_receiving == 5)
    wait_until(lambda: plane.statistics(b).dropped.not_sending == 1)
    assert bob.hears_nothing()
    assert alice.hears_nothing()
    configure(plane, a, alice.address)
    obeyed(plane)
    alice.send()
    after = bob.hear()
    assert after.sequence == (before.sequence + 1) & 0xFFFF
    assert after.timestamp == (before.timestamp + 6 * 160) & 0xFFFFFFFF
    assert after.marker
    assert plane.statistics(a).received.lost == 0


def test_hold_by_an_unspecified_address_keeps_the_source(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    alice.send()
    bob.hear()
    configure(plane, a, ("0.0.0.0", alice.address[1]), receive=False)
    obeyed(plane)
    bob.send()
    wait_until(lambda: plane.statistics(b).dropped.not_sending == 1)
    assert plane.statistics(a).source == alice.address
    configure(plane, a, alice.address)
    obeyed(plane)
    bob.send()
    alice.hear()
    assert plane.statistics(a).source == alice.address


def test_unbridged_legs_hear_nothing(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    a, b = bridged(plane, alice, bob)
    plane.unbridge(b)
    obeyed(plane)
    alice.send()
    wait_until(lambda: plane.statistics(a).dropped.unbridged == 1)
    assert bob.hears_nothing()


def test_an_echo_has_a_stream_of_its_own(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    plane.echo(leg)
    obeyed(plane)
    heard = []
    for number in range(10):
        alice.send(bytes([number]) * 160)
        heard.append(alice.hear())
    assert [packet.payload[0] for packet in heard] == list(range(10))
    assert {packet.ssrc for packet in heard} != {alice.ssrc}
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == list(range(10))
    statistics = plane.statistics(leg)
    assert statistics.received.packets == 10
    wait_until(lambda: plane.statistics(leg).sent.packets == 10)


def test_extensions_sources_and_padding_of_one_session_do_not_reach_the_other(
    plane: MediaPlane, phones: Phones
) -> None:
    alice, bob = phones.new(), phones.new()
    bridged(plane, alice, bob)
    head = bytes([0x80 | 0x20 | 0x10 | 2, 0, 0, 1]) + bytes(8)
    alice.send_raw(head + b"\1" * 8 + b"\xbe\xde\0\1abcd" + b"voice" + b"\0\0\3")
    assert bob.hear().payload == b"voice"


def test_with_relaying_off_everything_is_counted_and_nothing_passed_on(phones: Phones) -> None:
    deaf = new_plane(relay=False)
    try:
        alice, bob = phones.new(), phones.new()
        a, b = bridged(deaf, alice, bob)
        for _ in range(5):
            alice.send()
        wait_until(lambda: deaf.statistics(a).received.packets == 5)
        assert bob.hears_nothing()
        assert deaf.statistics(b).sent.packets == 0
    finally:
        deaf.stop()


def test_a_peer_that_answers_with_icmp_does_not_stop_the_loop(plane: MediaPlane, phones: Phones) -> None:
    alice, bob = phones.new(), phones.new()
    _a, b = bridged(plane, alice, bob)
    bob.send()
    alice.hear()
    bob.socket.close()

    def refused() -> bool:
        alice.send()
        return plane.statistics(b).sent.refused >= 3

    wait_until(refused)
    carol = phones.new()
    configure(plane, b, carol.address)
    obeyed(plane)
    alice.send(b"here")
    assert carol.hear().payload == b"here"


def test_a_busy_python_thread_does_not_disturb_the_loop(plane: MediaPlane, phones: Phones) -> None:
    """A thread that never lets the interpreter go but by force: still every packet arrives."""
    alice, bob = phones.new(), phones.new()
    a, _b = bridged(plane, alice, bob)
    ended = threading.Event()

    def burn() -> None:
        number = 0
        while not ended.is_set():
            for _ in range(10_000):
                number += 1

    busy = [threading.Thread(target=burn) for _ in range(2)]
    for thread in busy:
        thread.start()
    try:
        for _ in range(100):
            alice.send()
            if alice.sequence % 20 == 0:
                pause(0.01)
        heard = [bob.hear() for _ in range(100)]
    finally:
        ended.set()
        for thread in busy:
            thread.join()
    assert [(packet.sequence - heard[0].sequence) & 0xFFFF for packet in heard] == list(range(100))
    assert plane.statistics(a).received.lost == 0


def test_snapshots_are_consistent_while_packets_come(plane: MediaPlane, phones: Phones) -> None:
    alice = phones.new()
    leg = leg_for(plane, alice)
    sent = threading.Event()

    def talk() -> None:
        for _ in range(3000):
            alice.send(b"x" * 160)
        sent.set()

    talker = threading.Thread(target=talk)
    talker.start()
    looked = 0
    while not sent.is_set() or looked == 0:
        received = plane.statistics(leg).received
        looked += 1
        assert received.octets == 160 * received.packets
        if received.packets:
            assert received.extended_sequence is not None
            assert received.extended_sequence - 1000 + 1 - received.packets == received.lost
    talker.join()


def test_legs_of_two_threads_are_brought_together(phones: Phones) -> None:
    wide = new_plane(threads=2)
    try:
        alice, bob, carol = phones.new(), phones.new(), phones.new()
        a, b, c = leg_for(wide, alice), leg_for(wide, bob), leg_for(wide, carol)
        assert len({id(wide._home[leg.row]) for leg in (a, b, c)}) == 2
        for one, other, talker, listener in ((a, b, alice, bob), (b, c, bob, carol), (a, c, carol, alice)):
            wide.bridge(one, other)
            obeyed(wide)
            for _ in range(3):
                talker.send(b"hello")
                assert listener.hear().payload == b"hello"
        beside, _ = wide.open(beside=a)
        assert wide._home[beside.row] is wide._home[a.row]
    finally:
        wide.stop()


def test_ipv6_legs_and_a_bridge_between_the_families(plane: MediaPlane, phones: Phones) -> None:
    try:
        alice = phones.new("::1")
    except OSError:
        pytest.skip("this host has no IPv6")
    bob = phones.new()
    a, _ = bridged(plane, alice, bob)
    for number in range(5):
        alice.send(bytes([number]))
        bob.send(bytes([number]))
        assert bob.hear().payload == bytes([number])
        assert alice.hear().payload == bytes([number])
    assert plane.statistics(a).source == alice.address
