"""The runner on a stand-in for the PBX: what is right passes, and each thing that is wrong is found."""

from pathlib import Path
from typing import Self

import pytest

from pbx.cli.interop.case import find_suite
from pbx.cli.interop.clock import now
from pbx.cli.interop.ends import AudioThread
from pbx.cli.interop.runner import Options, Outcome, Runner, _ended, _Run
from pbx.cli.interop.service import Service
from pbx.cli.interop.trace import Window
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


STILL, ON_TIME = 0.5, 0.0
GOOD = Outcome("basic-call", "two phones talk", 1.0, stalled_s=STILL)
LATE = Outcome("basic-call", "two phones talk", 1.0, ("heard nothing",), stalled_s=STILL)
BAD = Outcome("basic-call", "two phones talk", 1.0, ("heard nothing",), stalled_s=ON_TIME)


@pytest.mark.parametrize(
    ("outcomes", "tries", "passed"),
    [
        ([GOOD], 1, True),
        ([BAD], 1, False),
        ([LATE, GOOD], 2, True),
        ([LATE, BAD], 2, False),
        ([LATE, LATE, GOOD], 3, True),
        ([LATE, LATE, LATE], 3, False),
    ],
)
def test_a_case_that_failed_while_the_machine_stood_still_is_played_again(
    outcomes: list[Outcome], tries: int, passed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, left = find_suite(), iter(outcomes)
    monkeypatch.setattr(Runner, "_once", lambda *_: next(left))
    with Runner(suite, Options(directory=tmp_path)) as runner:
        outcome = runner.run(suite.cases["basic-call"])
    assert (outcome.tries, outcome.passed, list(left)) == (tries, passed, [])
    assert bool(list(tmp_path.iterdir())) == (not passed), "files are kept when a case failed, and only then"


def test_a_stall_is_what_the_phones_were_kept_from_speaking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Sound] = []

    class Stalled(AudioThread):
        """The machine stands still while the first of them speaks, and nothing is heard then."""

        def __enter__(self) -> Self:
            wire.sound = "relayed" if played else "lost"
            played.append(wire.sound)
            self._began = now()
            return super().__enter__()

        def __exit__(self, *raised: object) -> None:
            super().__exit__(*raised)
            self.stalls.append(Window(self._began, self._began + STILL))

    monkeypatch.setattr("pbx.cli.interop.runner.AudioThread", Stalled)
    suite = find_suite()
    with Wire() as wire, Runner(suite, Options(target=wire.address, directory=tmp_path)) as runner:
        outcome = runner.run(suite.cases["basic-call"])
    assert outcome.faults == ()
    assert outcome.tries == len(played) > 1
    assert list(tmp_path.iterdir()) == [], "what the first attempt left is removed, too"


@pytest.mark.parametrize(
    ("log", "running", "blamed"),
    [
        ("all is well\n", True, []),
        ("all is well\n", False, ["the PBX ended by itself (-11)"]),
        (
            "Traceback (most recent call last):\n",
            True,
            ["the PBX's log says: Traceback (most recent call last):"],
        ),
    ],
)
def test_a_pbx_that_ends_or_complains_is_to_blame_whatever_the_machine_did(
    log: str, running: bool, blamed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service([], None, log=tmp_path / "pbx.log")
    (tmp_path / "pbx.log").write_text(log, encoding="utf-8")
    monkeypatch.setattr(Service, "running", running)
    monkeypatch.setattr(Service, "stop", lambda _: -11)
    run = _Run(find_suite().cases["basic-call"], tmp_path, {}, {}, {})
    run.faults, run.stalls = ["alice: SIPp timed out"], [Window(1.0, 1.0 + STILL)]
    run.fail_for_good(_ended(service, 0))
    assert run.faults == ["alice: SIPp timed out", *blamed]
    assert bool(run.stalls) == (not blamed), "it is played again when only the machine can be to blame"
