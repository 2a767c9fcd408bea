"""Dialplans made at random: printed and compiled again they are the same, and no call makes them raise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx.dialplan.call import Call, Caller
from pbx.dialplan.compiler import compile_with_build
from pbx.dialplan.explain import explain, explain_all, explanation_json, followed, ladder
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.recorded import call_from, recorded
from pbx.dialplan.rehearsal import Givens
from pbx.dialplan.scope import Build
from pbx.documents import loads
from tests.dialplan.calls import KNOWN
from tests.dialplan.plans import plans, printed
from tests.docs.test_guide import DIALPLANS
from tests.docs.test_guide import known as guide_names

START = datetime(2026, 1, 1, tzinfo=UTC)
QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])

anything = st.text(max_size=20) | st.text("0123456789+*#", max_size=8) | st.text(st.characters(), max_size=6)
sources = st.sampled_from(["users", "anyone", "trunk/carrier", "trunk/other", "", "trunk/", "\n"])


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Calls that nobody would make, but somebody might send."""
    source, number = draw(sources), draw(anything)
    return Call(
        draw(anything),
        Caller(number, draw(anything), None),
        draw(anything),
        source,
        START + timedelta(minutes=draw(st.integers(0, 2 * 366 * 24 * 60))),
        user=draw(st.sampled_from(["1001", "nobody", "\x00"])) if source == "users" else None,
        trunk=source.removeprefix("trunk/") if source.startswith("trunk/") else None,
        headers=draw(st.dictionaries(st.sampled_from(["x-why", "subject"]), anything, max_size=2)),
    )


answers = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["dial", "on", "busy", "continue", "set", "reject", "queue", "goto", "reason", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
outcomes = st.dictionaries(
    st.sampled_from(["user/1001", "user/1002", "trunk/carrier", "queue/support", "", "user"]),
    st.lists(
        st.sampled_from(["busy", "no-answer", "unavailable", "failed", "timeout", "full", "nonsense"]),
        min_size=1,
        max_size=3,
    ).map(tuple),
    max_size=3,
)
givens = st.builds(
    Givens,
    st.none() | st.frozensets(st.sampled_from(["1001", "1002"])),
    outcomes,
    st.none() | st.lists(anything, max_size=4).map(tuple),
    answers.map(lambda answer: {"http/http": answer, "http/mine": answer}),
)


def compiled(value: Any) -> tuple[Generation, Build]:
    """The dialplan of these values."""
    return compile_with_build(loads(json.dumps(value), "d.yaml"), KNOWN)


def told(verdict: Verdict) -> list[tuple[str, int, str, str, str]]:
    """A verdict without places."""
    return [
        (visit.chain, visit.position, visit.handler, visit.said, visit.reason.partition(" at d.yaml")[0])
        for visit in verdict.path
    ]


@QUICK
@given(plans, st.lists(calls(), min_size=1, max_size=5))
def test_compile_after_print_is_the_identity(value: Any, asked: list[Call]) -> None:
    generation, build = compiled(value)
    text = printed(generation, build)
    again, build_again = compile_with_build(loads(text, "d.yaml"), KNOWN)
    assert printed(again, build_again) == text
    for call in asked:
        one, other = explain(generation, call), explain(again, call)
        assert told(one) == told(other)
        assert (one.decision, one.call) == (other.decision, other.call)


@QUICK
@given(plans, calls(), givens)
def test_no_call_makes_a_dialplan_raise(value: Any, call: Call, given_: Givens) -> None:
    examine(compiled(value)[0], call, given_)


OFFICE = compile_with_build(loads(DIALPLANS[-1], "office.yaml"), guide_names())[0]


@QUICK
@given(calls(), givens)
def test_no_call_makes_the_office_raise(call: Call, given_: Givens) -> None:
    examine(OFFICE, call, given_)


def examine(generation: Generation, call: Call, given_: Givens) -> None:
    """Explain a call in every way there is: what is said is printable, JSON, and enough to do it again."""
    first = explain(generation, call)
    assert all(line.isprintable() for line in ladder(generation, call, first).split("\n"))
    verdicts = explain_all(generation, call, given_).verdicts
    assert all(line.isprintable() for line in followed(verdicts[1:]))
    json.dumps(explanation_json(generation, call, verdicts[0], verdicts[1:]))
    kept = json.loads(json.dumps(recorded(first, call, generation.name)))
    same, facts = call_from(kept)
    assert same == call
    assert recorded(explain(generation, same), same, generation.name)["path"] == kept["path"]
    assert facts.answers == {}
