"""Two baresips: first with each other, which proves the harness, then through the PBX."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.cli.interop.audio import RATE, Samples, faults
from pbx.cli.interop.clock import pause, wait_until
from pbx.cli.interop.service import GAUGES, Service
from tests.interop.baresip import HOST, Baresip

pytestmark = pytest.mark.phones

ALICE, BOB = 440.0, 540.0
TALK_SECONDS = 3.0
PASSWORDS = {"1001": "alice-says-hello", "1002": "bob-answers"}
DOMAIN = "pbx.test"


def middle(sound: Samples) -> Samples:
    """The sound without its first and last quarter of a second, when the call came and went."""
    return sound[RATE // 4 : -RATE // 4]


def talk(alice: Baresip, bob: Baresip, called: str) -> None:
    alice.command("dial", called)
    bob.wait_event("CALL_INCOMING")
    bob.command("accept")
    for phone in (alice, bob):
        phone.wait_event("CALL_ESTABLISHED")
    pause(TALK_SECONDS)
    alice.command("hangup")
    bob.wait_event("CALL_CLOSED")


def judge(alice: Baresip, bob: Baresip) -> None:
    for phone, own, other in ((alice, ALICE, BOB), (bob, BOB, ALICE)):
        assert faults(middle(phone.said()), {"own": own}, {"other": other}) == []
        heard = middle(phone.heard())
        assert len(heard) >= (TALK_SECONDS - 1) * RATE
        assert faults(heard, {"other": other}, {"own": own}) == []


def test_two_baresips_call_each_other_without_a_pbx(tmp_path: Path) -> None:
    with Baresip(tmp_path / "alice", "1001", ALICE) as alice, Baresip(tmp_path / "bob", "1002", BOB) as bob:
        talk(alice, bob, f"sip:1002@{HOST}:{bob.sip_port}")
    judge(alice, bob)


@pytest.fixture
def service(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Service]:
    """The service; its parameter is the SRTP policy of each user."""
    dialplan = tmp_path / "dialplan.yaml"
    dialplan.write_text(
        "timezone: Europe/Amsterdam\n"
        "entry: [{from: users, chain: internal}]\n"
        "chains:\n"
        "  internal:\n"
        '    - routing: [{to: "1XXX", dial: user}]\n'
    )
    config = {
        "domain": DOMAIN,
        "sip": {"t1": "50ms", "t2": "400ms", "t4": "500ms"},
        "users": {
            user: {"name": user, "password": password, "srtp": srtp}
            for (user, password), srtp in zip(PASSWORDS.items(), request.param, strict=True)
        },
        "dialplan": str(dialplan),
    }
    started = Service.start(config, tmp_path / "pbx")
    try:
        yield started
    finally:
        started.stop()


@pytest.mark.parametrize(
    ("service", "alices", "bobs"),
    [
        (("off", "off"), "", ""),
        (("optional", "optional"), "srtp-mand", ""),
        (("optional", "required"), "", "srtp-mand"),
        (("optional", "optional"), "srtp", "srtp"),
    ],
    indirect=["service"],
)
def test_two_baresips_register_and_talk_through_the_pbx(
    service: Service, tmp_path: Path, alices: str, bobs: str
) -> None:
    def phone(user: str, tone: float, encryption: str) -> Baresip:
        registrar = service.target("udp", HOST)
        assert registrar is not None
        return Baresip(
            tmp_path / user,
            user,
            tone,
            domain=DOMAIN,
            password=PASSWORDS[user],
            registrar=registrar,
            encryption=encryption,
        )

    before = service.numbers()
    with phone("1001", ALICE, alices) as alice, phone("1002", BOB, bobs) as bob:
        # baresip registers as it starts, before anybody can listen to its events.
        for each in (alice, bob):
            assert wait_until(each.registered, 15)
        assert service.numbers().value("pbx_registrations_active") == 2
        talk(alice, bob, f"sip:1002@{DOMAIN}")
    judge(alice, bob)

    def nothing_left() -> bool:
        numbers = service.numbers()
        return all(numbers.value(gauge) == 0 for gauge in GAUGES)

    assert wait_until(nothing_left, 20, 0.25)
    after = service.numbers()
    assert after.counted('pbx_call_answers_total{direction="in"}', before) == 1
    assert after.counted("pbx_auth_failures_total", before) == 0
