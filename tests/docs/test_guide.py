"""Every YAML block of the guide is sound, passes its tests, and leaves lint nothing to say."""

import re
from pathlib import Path

import pytest

from pbx.config import Settings
from pbx.config.candidates import kind_of
from pbx.dialplan.compiler import compile_with_build
from pbx.dialplan.lint import lint
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import coverage, run_cases
from pbx.documents import loads

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
CONFIGURATION, *DIALPLANS = BLOCKS
SOUNDS = frozenset({"welcome", "wrong-number", "closed", "nobody-came"})


def known() -> KnownNames:
    """The users and trunks of the guide's own configuration."""
    document = loads(CONFIGURATION, "pbx.yaml")
    settings = Settings.from_document(document, Path("pbx.yaml"), {}, secrets=False)
    return KnownNames(frozenset(settings.users), frozenset(settings.trunks), sounds=SOUNDS)


def test_there_are_blocks() -> None:
    assert [kind_of(loads(text, "block.yaml")) for text in BLOCKS] == ["configuration"] + ["dialplan"] * 4


@pytest.mark.parametrize("text", DIALPLANS, ids=lambda text: str(DIALPLANS.index(text) + 1))
def test_a_block(text: str) -> None:
    generation, build = compile_with_build(loads(text, "block.yaml"), known())
    trials = run_cases(generation)
    assert len(trials) >= 2
    assert [(trial.case.name, trial.failures) for trial in trials if not trial.passed] == []
    assert [str(finding) for finding in lint(generation, build)] == []


def test_the_tests_of_the_office_reach_nearly_all_of_it() -> None:
    generation, _ = compile_with_build(loads(DIALPLANS[-1], "office.yaml"), known())
    found = coverage(generation, run_cases(generation))
    assert len(found.missed) <= 6, [str(part) for part in found.missed]
