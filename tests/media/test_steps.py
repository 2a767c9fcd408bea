"""The loop's steps one at a time, on real sockets but without its thread: what depends on their order."""

import os
import select
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pbx.media import addresses, arrival, layout, mixtables, orders, relay
from tests.media.support import Phone, Phones, free_range, header, wait_until

pytestmark = pytest.mark.network


class Bench:
    """One leg that echoes, served by hand."""

    def __init__(self, phone: Phone) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # A port by number, as in the pool: one of the kernel's choice would be lost when it is disconnected.
        self.socket.bind(("0.0.0.0", free_range(1).start))
        self.arena = layout.Arena()
        self.tables = layout.tables(layout.share(2), self.arena)
        self.mix = mixtables.mix_tables(mixtables.share_mix(2))
        self.tables.control[layout.NEXT_EPOCH] = 1
        self.tables.control[layout.RELAY] = 1
        self.leg: Any = self.tables.legs[0]
        for name, value in {
            "generation": 1,
            "state": layout.OPEN,
            "rtp_descriptor": self.socket.fileno(),
            "address_length": layout.SOCKADDR_IN,
            "configured": 1,
            "connectable": 1,
            "receive": 1,
            "send": 1,
            "peer": 0,
        }.items():
            self.leg[name] = value
        self.tables.addresses[0, layout.SIGNALLED] = np.frombuffer(addresses.pack(phone.address), np.uint8)
        self.tables.payload_map[0, 0] = 0
        self.tables.clock_rates[0, 0] = 8000
        phone.target = ("127.0.0.1", self.socket.getsockname()[1])

    def step(self) -> None:
        ready, _, _ = select.select([self.socket], [], [], 5)
        assert ready
        arrival.take_packet(self.tables, self.mix, 0)


@pytest.fixture
def alice(phones: Phones) -> Phone:
    return phones.new()


@pytest.fixture
def bench(alice: Phone) -> Iterator[Bench]:
    made = Bench(alice)
    yield made
    assert made.arena.intact()
    made.socket.close()


def test_what_was_queued_before_the_socket_was_connected_is_checked(
    bench: Bench, alice: Phone, phones: Phones
) -> None:
    mallory = phones.new()
    mallory.target = alice.target
    alice.send(b"one")
    mallory.send(b"evil")
    alice.send(b"two")
    for _ in range(3):
        bench.step()
    assert bench.leg["connected"] == 1
    assert (bench.leg["packets"], bench.leg["wrong_source"]) == (2, 1)
    assert [alice.hear().payload for _ in range(2)] == [b"one", b"two"]
    mallory.send(b"evil")
    alice.send(b"three")
    bench.step()
    assert alice.hear().payload == b"three"
    assert bench.leg["wrong_source"] == 1


def test_an_icmp_answer_does_not_cost_the_next_packet(bench: Bench, alice: Phone) -> None:
    alice.send()
    bench.step()
    alice.hear()
    port = alice.address[1]
    alice.socket.close()
    places = bench.tables.addresses[0]
    packet = np.frombuffer(header(1, 1, 1) + b"voice", np.uint8).copy()
    assert relay.send_packet(bench.tables, bench.leg, places, packet, packet.shape[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", port))
        again.settimeout(60)
        assert relay.send_packet(bench.tables, bench.leg, places, packet, packet.shape[0])
        assert again.recv(100)[12:] == b"voice"
    assert bench.leg["refused"] == 1


def test_a_full_send_buffer_is_counted_and_nothing_waits(
    bench: Bench, alice: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that cannot take a packet: here one that is no socket at all."""
    alice.send()
    bench.step()
    alice.hear()
    reader, writer = os.pipe()
    try:
        alice.send()
        select.select([bench.socket], [], [], 5)
        known = relay.receive_datagram(bench.tables, bench.leg, bench.socket.fileno(), False)
        now = 1_000_000
        start, size, extended, order, _ = relay.account(bench.tables, 0, known, True, now)
        bench.leg["rtp_descriptor"] = writer
        relay.forward(bench.tables, 0, 0, start, size, extended, order, now)
        assert bench.leg["send_failures"] == 1
        assert bench.leg["sent_packets"] == 1
    finally:
        os.close(reader)
        os.close(writer)


def test_a_row_is_even_again_after_each_step(bench: Bench, alice: Phone) -> None:
    for number in range(5):
        alice.send()
        bench.step()
        assert bench.leg["version"] % 2 == 0
        assert bench.leg["version"] >= 2 * (number + 1)


def test_a_disconnected_socket_hears_everyone_again(bench: Bench, alice: Phone, phones: Phones) -> None:
    alice.send()
    bench.step()
    orders.disconnect(bench.tables, bench.leg)
    stranger = phones.new()
    stranger.target = alice.target
    stranger.send()
    bench.step()
    assert bench.leg["wrong_source"] == 1
    assert bench.leg["connected"] == 0


def test_draining_leaves_nothing(bench: Bench, alice: Phone) -> None:
    for _ in range(50):
        alice.send()
    wait_until(lambda: bool(select.select([bench.socket], [], [], 0)[0]))
    orders.drain(bench.tables, bench.socket.fileno())
    assert not select.select([bench.socket], [], [], 0)[0]
