"""Every YAML block of the guide is sound, passes its tests, and leaves lint nothing to say."""

import re
from pathlib import Path

import pytest

from pbx.dialplan.compiler import compile_with_build
from pbx.dialplan.lint import lint
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import run_cases
from pbx.documents import loads

GUIDE = Path(__file__).parents[2] / "docs" / "dialplan.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
KNOWN = KnownNames(frozenset({"1001", "1002"}), frozenset({"carrier"}))


def test_there_are_blocks() -> None:
    assert len(BLOCKS) == 3


@pytest.mark.parametrize("text", BLOCKS, ids=lambda text: str(BLOCKS.index(text) + 1))
def test_a_block(text: str) -> None:
    generation, build = compile_with_build(loads(text, "block.yaml"), KNOWN)
    trials = run_cases(generation)
    assert len(trials) >= 2
    assert [(trial.case.name, trial.failures) for trial in trials if not trial.passed] == []
    assert [str(finding) for finding in lint(generation, build)] == []
