"""The runner on a stand-in for the PBX: what is right passes, and each thing that is wrong is found."""

from pathlib import Path
from typing import Self

import pytest

from pbx.cli.interop.case import find_suite
from pbx.cli.interop.ends import AudioThread
from pbx.cli.interop.runner import Options, Outcome, Runner
from tests.interop.wire import Sound, Wire

pytestmark = pytest.mark.phones


def run(name: str, tmp_path: Path, sound: Sound = "relayed") -> Outcome:
    suite = find_suite()
    with Wire(sound) as wire, Runner(suite, Options(target=wire.address, directory=tmp_path)) as runner:
        return runner.run(suite.cases[name])


@pytest.mark.parametrize("name", ["basic-call", "early-media", "busy", "cancel", "register"])
def test_a_case_passes_where_all_is_well(name: str, tmp_path: Path) -> None:
    outcome = run(name, tmp_path)
    assert outcome.faults == ()
    assert list(tmp_path.iterdir()) == [], "files of a case that passed are removed"


@pytest.mark.parametrize(
    ("sound", "fault"),
    [
        ("lost", "alice, answered: heard nothing"),
        ("returned", "alice, answered: heard alice (440 Hz), which it should not, in 100% of the time"),
        ("bare", "alice, answered: the synchronisation source of another phone came through"),
    ],
)
def test_spoilt_sound_is_found(sound: Sound, fault: str, tmp_path: Path) -> None:
    outcome = run("basic-call", tmp_path, sound)
    assert fault in outcome.faults
    assert any(each.startswith("bob, answered: ") for each in outcome.faults)


def test_a_wrong_answer_is_found_and_the_traces_are_kept(tmp_path: Path) -> None:
    outcome = run("wrong-password", tmp_path)
    (fault,) = outcome.faults
    assert fault == "mallory: SIPp says that the call failed (exit 1) in step 1, refused.xml"
    assert outcome.directory is not None
    assert (outcome.directory / "1-mallory.messages").is_file()
    assert any("while expecting '401'" in text for text in outcome.traces.values())


def stalling(wire: Wire, sounds: list[Sound], late_s: float, played: list[Sound]) -> type[AudioThread]:
    """Audio threads that say the machine came so late, and play to the next of these sounds each time."""

    class Stalled(AudioThread):
        def __enter__(self) -> Self:
            wire.sound = sounds[min(len(played), len(sounds) - 1)]
            played.append(wire.sound)
            return super().__enter__()

        def __exit__(self, *raised: object) -> None:
            super().__exit__(*raised)
            self.late_s = late_s

    return Stalled


@pytest.mark.parametrize(
    ("sounds", "late_s", "played", "passed"),
    [
        (["lost", "relayed"], 0.5, ["lost", "relayed"], True),
        (["lost"], 0.5, ["lost", "lost", "lost"], False),
        (["lost"], 0.05, ["lost"], False),
        (["relayed"], 0.5, ["relayed"], True),
    ],
)
def test_a_case_that_failed_while_the_machine_stood_still_is_played_again(
    sounds: list[Sound],
    late_s: float,
    played: list[Sound],
    passed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suite, seen = find_suite(), list[Sound]()
    with Wire() as wire, Runner(suite, Options(target=wire.address, directory=tmp_path)) as runner:
        monkeypatch.setattr("pbx.cli.interop.runner.AudioThread", stalling(wire, sounds, late_s, seen))
        outcome = runner.run(suite.cases["basic-call"])
    assert (outcome.passed, outcome.tries, seen) == (passed, len(played), played)
