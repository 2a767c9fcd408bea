"""Every YAML block of the dialplan's reference is sound, passes its tests, and leaves lint nothing to say."""

import re
from pathlib import Path

import pytest

from pbx.dialplan.cases import CallShape, CaseShape, ExpectShape, LiveShape
from pbx.dialplan.compiler import compile_with_build
from pbx.dialplan.handlers import registry
from pbx.dialplan.handlers.routing import RuleShape
from pbx.dialplan.lint import lint
from pbx.dialplan.queues import QueueShape
from pbx.dialplan.schema import DialplanFile
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import coverage, run_cases
from pbx.documents import Shape, loads

PAGE = (Path(__file__).parents[2] / "docs" / "dialplan.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
SOUNDS = frozenset({"welcome", "hours", "choose", "nobody-came", "busy"})
KNOWN = KnownNames(frozenset({"1001", "1002"}), frozenset({"carrier", "backup"}), sounds=SOUNDS)
SOURCES = {"inbound": "trunk/carrier", "internal": "users", "public": "anyone"}


def whole(block: str) -> str:
    """A block with the entries that the page says it has."""
    chains = loads(block, "block.yaml").value["chains"]
    entries = [f"{{from: {source}, chain: {name}}}" for name, source in SOURCES.items() if name in chains]
    return f"{block}entry: [{', '.join(entries)}]\n"


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: str(BLOCKS.index(block) + 1))
def test_a_block(block: str) -> None:
    generation, build = compile_with_build(loads(whole(block), "block.yaml"), KNOWN)
    trials = run_cases(generation)
    assert trials
    assert [(trial.case.name, trial.failures) for trial in trials if not trial.passed] == []
    assert [str(finding) for finding in lint(generation, build)] == []
    missed = [str(part.place) for part in coverage(generation, trials).missed]
    assert len(missed) <= 2, missed


def test_every_handler_is_shown() -> None:
    used = {
        link.handler.name
        for block in BLOCKS
        for chain in compile_with_build(loads(whole(block), "b.yaml"), KNOWN)[0].chains.values()
        for link in chain.links
    }
    inside = {name for name in registry() if re.search(rf"^ .*\b{name}:", "\n".join(BLOCKS), re.MULTILINE)}
    assert used | inside == set(registry())


def keys(shape: type[Shape]) -> set[str]:
    return {field.alias or name for name, field in shape.model_fields.items()}


@pytest.mark.parametrize(
    "shape",
    [DialplanFile, RuleShape, QueueShape, CaseShape, CallShape, LiveShape, ExpectShape]
    + [kind.Options for kind in registry().values()],
    ids=lambda shape: shape.__qualname__,
)
def test_every_key_is_named(shape: type[Shape]) -> None:
    words = set(re.findall(r"[a-z_0-9-]+", " ".join(re.findall(r"`([^`]*)`", PAGE))))
    unnamed = {"answer", "voicemail"} if shape is ExpectShape else set()
    assert keys(shape) - words - unnamed - {getattr(shape, "shorthand", "")} == set()
