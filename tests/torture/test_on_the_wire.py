"""RFC 4475 over real sockets to a real `pbx run`: 49 of 49, and a call in progress survives them all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from pbx.cli.interop.clock import wait_until
from pbx.cli.interop.service import Service
from pbx.sip.message import Message, Response
from tests.service import phone as phones
from tests.service.house import House
from tests.service.phone import Dialogue, Phone
from tests.torture.corpus import NEVER_ACCEPTED, Torture, ours, rfc4475
from tests.torture.live import STRANGER, LiveNetwork, LiveStranger, address
from tests.torture.wire import first_final

pytestmark = pytest.mark.network

DOMAIN = "example.net"
EVERY = [*rfc4475(), *ours()]
# These have the branch of another message, so a service that remembers that one takes them for it (§17.2.3).
SAME_BRANCH = frozenset({"regescrt", "cparam02"})
DIALPLAN = """
timezone: UTC
entry: [{from: users, chain: internal}, {from: anyone, chain: public}]
chains:
  internal: [{routing: [{to: "1XXX", dial: user, ring: 30s}]}]
  public: [{routing: [{to: "/.*/", echo: {}}]}]
"""
# The calls that the torture makes are answered, never acknowledged, and gone 64*T1 later.
CONFIG = {
    "domain": DOMAIN,
    "users": {name: {"password": f"secret-{name}"} for name in ("1001", "1002")},
    "sip": {"t1": "50ms", "t2": "400ms", "t4": "500ms"},
    "drain": "0s",
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    dialplan = tmp_path / "dialplan.yaml"
    dialplan.write_text(DIALPLAN)
    running = Service.start({**CONFIG, "dialplan": str(dialplan)}, tmp_path / "service")
    yield running
    running.stop()


@pytest.fixture
def stranger(service: Service) -> Iterator[LiveStranger]:
    one = LiveStranger(address(service.sip["udp"]), address(service.sip["tcp"]))
    try:
        one.open()
    except OSError as error:
        one.close()
        pytest.skip(f"a port of {STRANGER} is taken: {error}")
    yield one
    one.close()


@pytest.fixture
def network(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveNetwork]:
    monkeypatch.setattr(phones, "DOMAIN", DOMAIN)
    one = LiveNetwork(address(service.sip["udp"]))
    yield one
    one.close()


def talking(network: LiveNetwork) -> tuple[Phone, Phone, Dialogue]:
    """Two phones in a call."""
    house = cast("House", network)
    alice, bob = (Phone(house, name, *network.bind(), rtp_port=9) for name in ("1001", "1002"))
    alice.register()
    bob.register()
    call = alice.invite("1002")
    network.until(lambda: bob.requests("INVITE"))
    bob.answer_last(200, body=bob.sdp())
    network.until(lambda: 200 in alice.responses())
    call.ack()
    network.until(lambda: bob.requests("ACK"))
    return alice, bob, call


def unmet(transport: str, send: Callable[[bytes], list[Message]]) -> list[tuple[str, int | None]]:
    """The messages that are not answered as they should be, each with its answer."""
    return [
        (torture.name, answer)
        for torture in EVERY
        if (answer := first_final(of(torture, transport, send))) not in torture.right_on(transport)
    ]


def of(torture: Torture, transport: str, send: Callable[[bytes], list[Message]]) -> list[Message]:
    """What is sent because of one message; requests are BYEs of calls that nobody acknowledged."""
    octets = torture.octets
    if torture.name in SAME_BRANCH:
        octets = octets.replace(b"branch=z9hG4bK", b"branch=z9hG4bK-" + torture.name.encode())
    heard: list[Message] = [
        message
        for message in send(octets)
        if isinstance(message, Response) and (message.get("call-id") or "").encode() in torture.octets
    ]
    if torture.name in NEVER_ACCEPTED:
        assert not any(message.start_line.startswith("SIP/2.0 2") for message in heard), torture.name
    if torture.name in {"bcast", "broadcast-via"}:
        assert heard == []
    return heard


def test_every_verdict_and_a_call_that_survives(
    service: Service, stranger: LiveStranger, network: LiveNetwork
) -> None:
    assert service.log is not None
    before = service.snapshot()
    alice, bob, call = talking(network)
    assert unmet("udp", stranger.udp) == []
    # By stream the same messages come again; they must not pass for retransmissions.
    assert wait_until(lambda: not service.numbers().value("pbx_transactions_active"), 60)
    assert unmet("tcp", stranger.tcp) == []

    assert alice.methods() == []
    assert set(bob.methods()) == {"INVITE", "ACK"}
    call.bye()
    assert alice.responses("BYE") == [200]
    network.until(lambda: bob.requests("BYE"))
    bob.answer_last(200, "BYE")

    assert service.left_after(before, registrations=2, seconds=60) == []
    assert service.trouble(0) == []
    assert service.stop() == 0


@pytest.mark.skipif(not rfc4475(), reason="RFC 4475's own messages are not at hand")
def test_all_49_were_among_them() -> None:
    assert len([torture for torture in EVERY if torture in rfc4475()]) == 49
