"""Anything at all sent to the real loop: it is counted, the loop goes on, and nothing is written astray."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx.media.plane import MediaPlane
from tests.media.support import Phones, bridged, free_pairs, header, wait_until

pytestmark = pytest.mark.network

heads = st.builds(
    header,
    sequence=st.integers(0, 65535),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 3),
    payload_type=st.sampled_from([0, 0, 13, 101, 127, 200, 255]),
    first=st.integers(0, 255),
)
datagrams = st.one_of(st.binary(max_size=64), st.tuples(heads, st.binary(max_size=80)).map(b"".join))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(datagrams, min_size=1, max_size=40), st.lists(st.binary(max_size=100), max_size=10))
def test_any_datagrams_on_both_ports_are_survived(
    plane: MediaPlane, phones: Phones, rtp: list[bytes], rtcp: list[bytes]
) -> None:
    alice, bob = phones.new(), phones.new()
    legs = bridged(plane, alice, bob)
    a, _b = legs
    alice.send(b"first")
    assert bob.hear().payload == b"first"
    for datagram in rtp:
        alice.send_raw(datagram)
    port = alice.target[1]
    for datagram in rtcp:
        alice.socket.sendto(datagram, (alice.host, port + 1))
    bob.send(b"still here")
    assert alice.hear().payload == b"still here"

    def counted() -> bool:
        statistics = plane.statistics(a)
        return statistics.received.packets + statistics.dropped.malformed == 1 + len(
            rtp
        ) and statistics.rtcp.received + statistics.rtcp.malformed == len(rtcp)

    wait_until(counted, "a count of every datagram")
    assert plane.canaries_stand()
    for leg in legs:
        plane.close(leg)
    wait_until(lambda: free_pairs(plane) >= 4)


@pytest.mark.parametrize("size", [0, 1, 11, 1472, 4095, 4096, 4097, 9000, 65_000])
def test_datagrams_of_any_size_stay_within_the_buffer(plane: MediaPlane, phones: Phones, size: int) -> None:
    alice, bob = phones.new(), phones.new()
    a, _ = bridged(plane, alice, bob)
    data = (header(1, 1, 1) + os.urandom(65_536))[:size]
    alice.send_raw(data)
    if 12 <= size <= 4096:
        assert bob.hear().payload == data[12:]
        assert plane.statistics(a).dropped.malformed == 0
    else:
        wait_until(lambda: plane.statistics(a).dropped.malformed == 1)
    assert plane.canaries_stand()
    alice.send(b"after")
    assert bob.hear().payload == b"after"
