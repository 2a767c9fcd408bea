"""Whether a call was decided as explain says, on decisions as they are recorded."""

import json
from typing import Any

from pbx.cli.interop.agreement import _compared
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.recorded import recorded
from tests.dialplan.calls import call, generation

PLAN = """\
  main:
    - limit: {caller: 2, else: {reject: 486}}
    - dial: user/1001
      on: {busy: {goto: second}}
  second:
    - dial: user/1002
"""


def step(verdict: Verdict | None, outcome: str = "") -> dict[str, Any]:
    kept = None if verdict is None else json.loads(json.dumps(recorded(verdict)))
    return {"outcome": outcome, "digits": "", "verdict": kept}


def decided(tree: Generation, active: int = 0) -> list[dict[str, Any]]:
    """A call that found the first phone busy and the second one too."""
    facts = Facts(None, {"active_calls/caller/1001": active})
    first = decide_now(tree.decide(call("5"), facts=facts))
    if active >= 2:
        return [step(first)]
    second = decide_now(tree.after(first, "busy"))
    assert second is not None
    return [step(first), step(second, "busy"), step(decide_now(tree.after(second, "busy")), "busy")]


def test_the_same_tree_agrees() -> None:
    tree = generation(PLAN)
    assert _compared(tree, decided(tree)) == []
    # What the service knew meanwhile is part of what is asked.
    assert _compared(tree, decided(tree, active=3)) == []


def test_another_tree_does_not() -> None:
    kept = decided(generation(PLAN))
    (line,) = _compared(generation(PLAN.replace("user/1001", "user/1003")), kept)
    assert line.startswith("why says the path")
    (line,) = _compared(generation(PLAN.replace("dial: user/1002", "reject: 404")), kept)
    assert "explain says" in line
    assert _compared(generation(PLAN.replace("busy: {goto", "failed: {goto")), kept) != []


def test_what_follows_has_to_be_the_same() -> None:
    tree = generation(PLAN)
    kept = decided(tree)
    kept[2] = {**kept[1]}
    assert _compared(tree, kept) == ["what follows is not the same"]
