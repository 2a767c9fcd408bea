"""RFC 4475 against the whole PBX in memory, by datagrams and by a stream, while a call goes on.

The PBX is set up four times, so that the messages are challenged, turned away as a stranger's, and carried
out; see `houses.SETTINGS`.
"""

import itertools

import pytest

from tests.torture.corpus import ABSENT, NEVER_ACCEPTED, RFC4475, Torture, ours, rfc4475
from tests.torture.houses import SETTINGS, Going, open_house
from tests.torture.wire import STRANGER, TRANSPORTS, first_final, messages

EVERY = [*rfc4475(), *ours()]
WAYS = list(itertools.product(SETTINGS, TRANSPORTS))


@pytest.mark.skipif(not RFC4475.is_dir(), reason=ABSENT)
def test_there_are_49_of_them() -> None:
    assert len(rfc4475()) == 49
    assert {torture.name for torture in rfc4475()} >= NEVER_ACCEPTED


@pytest.mark.parametrize(("setting", "transport"), WAYS)
@pytest.mark.parametrize("torture", EVERY, ids=lambda torture: torture.name)
def test_the_verdict(torture: Torture, setting: str, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = open_house(setting, monkeypatch)
    going = Going.start(house)
    peer = TRANSPORTS[transport](house)
    asked = len(house.asked)
    sent = peer.send(torture.octets)
    answers = messages(sent)

    assert first_final(answers) in torture.right_on(transport)
    assert {each.flow.remote[0] for each in sent} <= {STRANGER[0]}
    if torture.name in NEVER_ACCEPTED:
        assert not any(str(answer.start_line).startswith("SIP/2.0 2") for answer in answers)
    if torture.name in {"bcast", "broadcast-via"}:
        assert sent == []
    if torture.name in {"dblreq", "second-request"} and transport == "udp":
        assert len(house.asked) == asked
        assert len(house.switch.calls) == 1
    going.assert_untouched()
    peer.close()
    going.assert_ends_well()


@pytest.mark.parametrize(("setting", "transport"), WAYS)
def test_a_call_survives_all_of_them(setting: str, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = open_house(setting, monkeypatch)
    going = Going.start(house)
    peers = []
    for torture in EVERY:
        peer = TRANSPORTS[transport](house)
        peer.send(torture.octets)
        peers.append(peer)
        house.advance(0.1)
        going.assert_untouched()
    for peer in peers:
        peer.close()
    going.assert_untouched()
    house.advance(120)
    going.assert_untouched()
    assert len(house.switch.calls) == 1
    going.assert_ends_well()


def test_repeated_without_end_they_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = open_house("everyone-is-answered", monkeypatch)
    peer = TRANSPORTS["udp"](house)
    for _ in range(5):
        for torture in EVERY:
            peer.send(torture.octets)
        house.advance(9)
    house.advance(120)
    house.assert_nothing_left()
