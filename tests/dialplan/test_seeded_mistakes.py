"""The office of the guide is sound; ten mistakes sown in it are each found, with a place and what to do."""

import wave
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main
from tests.docs.test_guide import CONFIGURATION, DIALPLANS, SOUNDS

OFFICE = DIALPLANS[-1]


@dataclass(frozen=True)
class Mistake:
    """`found` in the office becomes `sown`; `words` is what is said at `at`, where in the sown text it is."""

    name: str
    found: str
    sown: str
    at: str
    words: str
    code: int = 1


MISTAKES = (
    Mistake(
        "a shadowed rule",
        '        - {to: "1XXX", dial: user, ring: 30s}\n',
        '        - {to: "1XXX", dial: user, ring: 30s}\n        - {to: "1002", reject: 486}\n',
        '{to: "1002", reject',
        "warning: this rule is never reached: rules above it take all its calls ([office.yaml:1XXX]) (for "
        "example a call to 1002 from 1000 in the chain internal) [shadowed-rule]: move it above them, or "
        "take it out",
        0,
    ),
    Mistake(
        "a loop",
        "  night:\n    - play: closed\n    - hangup\n",
        "  night:\n    - goto: inbound  # again\n",
        "inbound  # again",
        "this goto leads in a circle (inbound → night → inbound), for example for a call to +15550100 from "
        "1000: lead it to a chain that ends, or decide here, as with reject: 404",
    ),
    Mistake(
        "a typo in a key",
        "ring: 20s, no-answer: user/1002",
        "rnig: 20s, no-answer: user/1002",
        "rnig",
        "unknown key 'rnig' (did you mean ring?)",
    ),
    Mistake(
        "an unknown queue",
        "queue: support, about",
        "queue: suport, about",
        "suport",
        "there is no queue 'suport' (did you mean support?)",
    ),
    Mistake(
        "a pattern that cannot match",
        '{to: "600", echo: {}',
        '{to: "6-00-00-00", echo: {}',
        '{to: "6-00',
        "warning: numbers come without separators, so that '6-00-00-00' is never called (did you mean "
        "6000000?) [pattern-never-matches]: write numbers as they are dialled, without separators",
        0,
    ),
    Mistake(
        "hours that never open",
        '    open: {mon-fri: "09:00-17:30"}\n    holidays: NL\n    closed: "2026-12-24 - 2026-12-31"\n'
        "    switch: office\n",
        "    holidays: NL\n",
        "office:\n    holidays",
        "in the calendar office nobody is ever there: it has neither open nor opened hours: give it open: "
        '{mon-fri: "09:00-17:00"}, or take it out',
    ),
    Mistake(
        "a duplicate key",
        "  night:\n",
        "  alice:\n    - hangup\n  night:\n",
        "alice:\n    - hangup",
        "the key 'alice' is here twice; the first one is at [office.yaml:alice]: take one out, or give it "
        "another name",
    ),
    Mistake(
        "a missing prompt",
        "prompt: welcome",
        "prompt: welcom",
        "welcom\n",
        "there is no sound 'welcom' (did you mean welcome?)",
    ),
    Mistake(
        "an unreachable handler",
        "    - play: closed\n    - hangup\n",
        "    - hangup\n    - play: closed\n",
        "play: closed\n",
        "warning: play is never asked: hangup at [office.yaml:hangup] always decides [unreachable-handler]: "
        "move it up, or take it out",
    ),
    Mistake(
        "an emergency number that is not routed",
        '        - {to: "112", dial: trunk/carrier}\n',
        "",
        '"112"]',
        "users cannot reach the emergency number 112: it comes to reject 404: add a rule for it above the "
        "others, such as {to: NUMBER, dial: trunk/NAME}",
    ),
)


ELSEWHERE = {
    "[office.yaml:1XXX]": '{to: "1XXX", dial: user, ring: 30s}',
    "[office.yaml:alice]": "alice:\n    - forward",
    "[office.yaml:hangup]": "hangup\n    - play: closed",
}
"""Other places that messages name, by what stands there."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the configuration of the guide and its sounds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALICE_PASSWORD", "a secret")
    monkeypatch.setenv("BOB_PASSWORD", "another one")
    (tmp_path / "pbx.yaml").write_text(CONFIGURATION.replace("dialplan.yaml", "office.yaml"))
    (tmp_path / "sounds").mkdir()
    for name in SOUNDS:
        with wave.open(str(tmp_path / "sounds" / f"{name}.wav"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(bytes(320))
    return tmp_path


def check(here: Path, text: str) -> Result:
    (here / "office.yaml").write_text(text)
    return CliRunner().invoke(main, ["check"], prog_name="pbx")


def place(text: str, words: str) -> str:
    """file:line:column of `words` in `text`, which has them once."""
    assert text.count(words) == 1, words
    before = text[: text.index(words)]
    return f"office.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_the_office_is_sound(here: Path) -> None:
    result = check(here, OFFICE)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "office.yaml: ok (dialplan: 7 chains" in result.stdout


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found(here: Path, mistake: Mistake) -> None:
    assert OFFICE.count(mistake.found) == 1
    text = OFFICE.replace(mistake.found, mistake.sown)
    words = mistake.words
    for mark, there in ELSEWHERE.items():
        words = words.replace(mark, place(text, there)) if mark in words else words
    result = check(here, text)
    assert result.exit_code == mistake.code, result.stderr
    assert f"{place(text, mistake.at)}: {words}" in result.stderr.split("\n"), result.stderr


def test_there_are_ten() -> None:
    assert len(MISTAKES) == 10
