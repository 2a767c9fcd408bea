"""Whether calls that were placed were decided as `pbx explain` says: the same tree, asked without a call."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pbx.cli.records import configuration, opened
from pbx.dialplan.compiler import load_dialplan
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.recorded import call_from, recorded

_SAME = ("chain", "position", "handler", "rule", "file", "line", "column", "saw", "said", "reason")


def disagreements(config: Path, began_epoch: float) -> tuple[int, list[str]]:
    """How many calls that ended since then were decided, and how they differ from what explain says.

    Each is what `pbx why` has: the call, what the service knew meanwhile, the outcomes in their order. The
    dialplan is compiled anew and asked the same, with no service behind it. Raises OperatorError.
    """
    from pbx.store.calls import routings_since

    settings = configuration(config)
    generation = load_dialplan(settings.dialplan, settings.known)
    with opened(settings) as store:
        found = [(name, routing["decided"]) for name, _, routing in routings_since(store, began_epoch)]
    calls = [(name, decided) for name, decided in found if decided]
    return len(calls), [
        f"call {name}: {line}" for name, decided in calls for line in _compared(generation, decided)
    ]


def _compared(generation: Generation, decided: Sequence[Mapping[str, Any]]) -> list[str]:
    verdict: Verdict | None = None
    for step in decided:
        kept = step["verdict"]
        facts = call_from(kept)[1] if kept is not None else None
        if verdict is None:
            asked, _ = call_from(kept)
            verdict = decide_now(generation.decide(replace(asked, id="explain"), facts=facts))
        else:
            verdict = decide_now(
                generation.after(verdict, step["outcome"], digits=step["digits"], facts=facts)
            )
        if verdict is None or kept is None:
            return [] if verdict is None and kept is None else ["what follows is not the same"]
        explained = recorded(verdict)
        for what, here, there in (
            ("path", _path(kept), _path(explained)),
            ("decision", kept["decision"], explained["decision"]),
        ):
            if here != there:
                return [f"why says the {what} {here}, explain says {there}"]
    return []


def _path(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{key: visit[key] for key in _SAME} for visit in values["path"]]
