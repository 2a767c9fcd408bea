"""IP addresses and the choice of our own."""

import socket

import pytest

from pbx.net.addresses import Routes, canonical, family_of, from_kernel, is_literal, is_wildcard, to_kernel
from tests.net.fakes import FixedRoutes


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("192.0.2.1", 4), ("::1", 6), ("2001:db8:0:0::1", 6), ("fe80::1%eth0", 6), ("::ffff:192.0.2.1", 6),
        ("pbx.example", None), ("127.1", None), ("192.0.2.1.5", None), ("0177.0.0.1", None), ("", None),
        ("[::1]", None), ("::g", None), ("1:2", None), ("a\0b", None), ("192.0.2.1 ", None),
    ],
)  # fmt: skip
def test_family(host: str, family: int | None) -> None:
    assert family_of(host) == family
    assert is_literal(host) == (family is not None)


def test_canonical_is_what_the_kernel_writes() -> None:
    assert canonical("2001:DB8:0:0::1") == "2001:db8::1"
    assert canonical("FE80:0::1%eth0") == "fe80::1%eth0"
    assert canonical("192.0.2.1") == "192.0.2.1"


def test_wildcards() -> None:
    assert is_wildcard("0.0.0.0")
    assert is_wildcard("::")
    assert not is_wildcard("::1")


def test_zones_to_the_kernel_and_back() -> None:
    index, name = socket.if_nameindex()[0]
    assert to_kernel((f"fe80::1%{name}", 5060)) == ("fe80::1", 5060, 0, index)
    assert to_kernel((f"fe80::1%{index}", 5060)) == ("fe80::1", 5060, 0, index)
    assert from_kernel(("fe80::1", 5060, 0, index)) == (f"fe80::1%{name}", 5060)
    assert from_kernel(("2001:db8::1", 5060, 0, 0)) == ("2001:db8::1", 5060)
    assert to_kernel(("2001:db8::1", 5060)) == ("2001:db8::1", 5060)
    with pytest.raises(OSError, match="no interface"):
        to_kernel(("fe80::1%no-such-interface", 5060))


class TestOurAddress:
    routes = FixedRoutes({"192.0.2.9": "192.0.2.1", "8.8.8.8": "192.0.2.1"})

    def test_a_wildcard_listener_has_what_the_kernel_chooses(self) -> None:
        assert self.routes.address_to("192.0.2.9", "0.0.0.0") == "192.0.2.1"

    def test_any_other_has_its_own(self) -> None:
        assert self.routes.address_to("192.0.2.9", "192.0.2.77") == "192.0.2.77"

    def test_no_zone_is_shown_to_others(self) -> None:
        assert self.routes.address_to("fe80::9%eth0", "fe80::1%eth0") == "fe80::1"

    def test_without_a_route_it_is_the_peers_and_asked_again(self) -> None:
        table = {"192.0.2.9": "192.0.2.1"}
        routes = FixedRoutes(table)
        assert routes.address_to("198.51.100.1", "0.0.0.0") == "198.51.100.1"
        table["198.51.100.1"] = "192.0.2.1"
        assert routes.address_to("198.51.100.1", "0.0.0.0") == "192.0.2.1"

    @pytest.mark.parametrize(
        ("peer", "ours"),
        [
            ("8.8.8.8", "203.0.113.7"),  # out there
            ("192.168.1.9", "10.0.0.1"),
            ("127.0.0.1", "10.0.0.1"),
            ("169.254.3.3", "10.0.0.1"),
            ("100.64.0.9", "10.0.0.1"),  # shared by a provider's NAT, or an overlay network: on our side
            ("2600::1", "2001:db8::1"),  # an address of the other family is none of its peers' business
        ],
    )
    def test_the_external_address_is_for_the_internet(self, peer: str, ours: str) -> None:
        routes = FixedRoutes({peer: ours}, external_address="203.0.113.7")
        assert routes.address_to(peer, "::" if ":" in peer else "0.0.0.0") == ours

    def test_an_external_address_goes_before_the_listeners(self) -> None:
        routes = FixedRoutes({}, external_address="203.0.113.7")
        assert routes.address_to("8.8.8.8", "10.0.0.1") == "203.0.113.7"


@pytest.mark.network
class TestKernel:
    def test_loopback(self) -> None:
        routes = Routes()
        assert routes.source("127.0.0.1") == "127.0.0.1"
        assert routes.source("127.0.0.1") == "127.0.0.1"

    def test_no_route_is_none(self) -> None:
        assert Routes().source("fe80::1%no-such-interface") is None
        assert Routes().source("name.example") is None

    def test_memory_is_bounded(self) -> None:
        routes = Routes()
        for number in range(4200):
            routes.source(f"127.0.{number // 250}.{number % 250 + 1}")
        assert len(routes._sources) <= 4096
