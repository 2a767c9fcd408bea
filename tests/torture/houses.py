"""The PBXs that torture is sent to, each with a call that goes on meanwhile."""

from dataclasses import dataclass
from typing import Final

import pytest

from pbx.media.values import LegId
from tests.service import house as houses
from tests.service import phone as phones
from tests.service.house import DIALPLAN, House
from tests.service.phone import Dialogue, Phone
from tests.torture.media import StrictMedia

_PUBLIC: Final = 'routing: [{to: "/.*/", echo: {}}]'


@dataclass(frozen=True)
class Setting:
    """Which domain is ours, and what a stranger may do: how far a message gets depends on both."""

    domain: str
    dialplan: str


SETTINGS: Final = {
    # Nobody in the RFC's messages is ours, and strangers are turned away.
    "strangers": Setting("pbx.example", DIALPLAN),
    # The callers of most INVITEs are ours, and so are those of most other requests.
    "callers-are-ours": Setting("example.net", DIALPLAN),
    "others-are-ours": Setting("example.com", DIALPLAN),
    # Strangers are answered, so every INVITE that is well formed becomes a call.
    "everyone-is-answered": Setting("pbx.example", DIALPLAN.replace("reject: 403", _PUBLIC)),
}


@dataclass
class Going:
    """A call between two phones that goes on while something else happens."""

    house: House
    alice: Phone
    bob: Phone
    call: Dialogue
    rows: dict[LegId, object]

    @classmethod
    def start(cls, house: House) -> "Going":
        alice = Phone(house, "1001", "192.0.2.11", rtp_port=41000)
        bob = Phone(house, "1002", "192.0.2.12", rtp_port=42000)
        alice.register()
        bob.register()
        call = alice.invite("1002")
        bob.answer(bob.answer_last(180), 200, body=bob.sdp())
        call.ack()
        assert len(house.switch.calls) == 1
        assert house.media.hearing == {(20002, 20004), (20004, 20002)}
        return cls(house, alice, bob, call, dict(house.media.rows))

    def assert_untouched(self) -> None:
        """The two still hear each other, and neither heard of anything else."""
        assert self.alice.methods() == []
        assert self.bob.methods() == ["INVITE", "ACK"]
        assert {leg: self.house.media.rows.get(leg) for leg in self.rows} == self.rows
        assert {(20002, 20004), (20004, 20002)} <= self.house.media.hearing

    def assert_ends_well(self) -> None:
        """Its BYE works and nothing is left of it, nor of anything else."""
        self.call.bye()
        assert self.alice.responses("BYE") == [200]
        self.bob.answer_last(200, "BYE")
        # A call that a stranger did not acknowledge ends after 32 s with a BYE, to which nobody answers.
        self.house.advance(80)
        self.house.assert_nothing_left()
        assert len(self.house.registrar) == 2


def open_house(setting: str, monkeypatch: pytest.MonkeyPatch) -> House:
    """A PBX of this setting, whose media plane refuses what the real one refuses."""
    chosen = SETTINGS[setting]
    for module in (houses, phones):
        monkeypatch.setattr(module, "DOMAIN", chosen.domain)
    monkeypatch.setattr(houses, "FakeMedia", StrictMedia)
    return House(dialplan=chosen.dialplan)
