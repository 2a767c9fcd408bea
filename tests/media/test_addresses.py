import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import addresses

ports = st.integers(1, 65535)


@given(st.ip_addresses(v=4).map(str), ports)
def test_ipv4_addresses_survive_the_kernels_form(host: str, port: int) -> None:
    assert addresses.unpack(addresses.pack((host, port))) == (host, port)
    assert addresses.host_of(host).family == 4


@given(st.ip_addresses(v=6).map(str), ports)
def test_ipv6_addresses_survive_the_kernels_form(host: str, port: int) -> None:
    assert addresses.unpack(addresses.pack((host, port))) == (host.partition("%")[0], port)
    assert addresses.host_of(host).family == 6


def test_a_zone_is_a_number_or_an_interface() -> None:
    index = socket.if_nametoindex("lo")
    assert addresses.pack(("fe80::1%lo", 4000)) == addresses.pack((f"fe80::1%{index}", 4000))
    assert addresses.pack(("fe80::1%lo", 4000)) != addresses.pack(("fe80::1", 4000))


@pytest.mark.parametrize(
    "address", [("", 1), ("localhost", 1), ("1.2.3", 1), ("1.2.3.4", 0), ("1.2.3.4", 65536)]
)
def test_what_is_no_address_is_refused(address: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        addresses.pack(address)


@pytest.mark.parametrize(("host", "expected"), [("0.0.0.0", True), ("::", True), ("127.0.0.1", False)])
def test_old_holds_are_known(host: str, expected: bool) -> None:
    assert addresses.host_of(host).is_unspecified is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [("239.1.1.1", True), ("ff02::1", True), ("255.255.255.255", True), ("10.0.0.1", False)],
)
def test_groups_are_known(host: str, expected: bool) -> None:
    assert addresses.host_of(host).is_multicast is expected
