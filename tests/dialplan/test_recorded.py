"""What is recorded of a decision, that it is enough to decide again, and what is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.call import Call, Caller, CallerId, Record
from pbx.dialplan.explain import explain
from pbx.dialplan.generation import decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.recorded import UnreadableRecord, call_from, call_from_json, call_json, recorded
from tests.dialplan.calls import call, decide, generation

texts = st.text(max_size=8)
times = st.datetimes(
    datetime(2020, 1, 1),  # hypothesis adds the zone
    datetime(2030, 1, 1),  # as above
    timezones=st.sampled_from(
        [UTC, ZoneInfo("Europe/Amsterdam"), ZoneInfo("America/New_York"), timezone(timedelta(hours=3))]
    ),
    allow_imaginary=False,
)
whole_calls = st.builds(
    Call,
    texts,
    st.builds(Caller, texts, texts, st.none() | texts),
    texts,
    st.sampled_from(["users", "anyone", "trunk/carrier"]),
    times,
    st.none() | texts,
    st.none() | texts,
    st.dictionaries(texts, texts, max_size=2),
    st.dictionaries(texts, texts, max_size=2),
    st.none() | st.builds(CallerId, texts, texts, st.booleans()),
    st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
    st.none() | st.builds(Record, st.sampled_from(["caller", "both"]), st.just("pcm"), texts),
)


@settings(deadline=None)
@given(whole_calls)
def test_a_call_comes_back_from_json(asked: Call) -> None:
    again = call_from_json(json.loads(json.dumps(call_json(asked))))
    assert again == asked
    assert again.at.utcoffset() == asked.at.utcoffset()


def test_a_record_of_the_first_version_is_read() -> None:
    # As it was written by the first version; later ones must read it for ever.
    kept: dict[str, Any] = {
        "schema": 1,
        "generation": {"number": 7, "name": "office.yaml"},
        "after": None,
        "inputs": {
            "call": {
                "id": "c1",
                "from": "+31612345678",
                "name": "Carol",
                "caller_user": None,
                "to": "+31201234501",
                "source": "trunk/carrier",
                "at": "2026-11-23T10:00:00+01:00",
                "zone": "Europe/Amsterdam",
                "user": None,
                "via": "carrier",
                "headers": {"subject": "hello"},
                "variables": {},
                "shown": None,
                "sent_headers": [],
                "record": None,
            },
            "facts": {"active_calls/caller/+31612345678": 2},
        },
        "path": [],
        "decision": {"kind": "echo", "reason": ""},
        "said": "echo",
        "left": {},
    }
    asked, facts = call_from(kept)
    assert asked == Call(
        "c1",
        Caller("+31612345678", "Carol"),
        "+31201234501",
        "trunk/carrier",
        datetime(2026, 11, 23, 10, tzinfo=ZoneInfo("Europe/Amsterdam")),
        trunk="carrier",
        headers={"subject": "hello"},
    )
    assert facts.active_calls("caller", "+31612345678") == 2
    assert facts.offline


def test_a_decision_is_recorded_with_all_that_it_rested_on() -> None:
    tree = generation(
        "  main:\n    - limit: {caller: 1, else: {goto: full}}\n    - echo\n  full:\n    - reject: 486\n"
    )
    asked = call("1")
    verdict = decide_now(tree.decide(asked, facts=Facts(None, {"active_calls/caller/1001": 3})))
    kept = json.loads(json.dumps(recorded(verdict, asked, tree.name)))
    assert kept["schema"] == 1
    assert kept["generation"] == {"number": tree.number, "name": "d.yaml"}
    assert kept["after"] is None
    assert kept["inputs"]["facts"] == {"active_calls/caller/1001": 3}
    assert kept["decision"]["code"] == 486
    first = kept["path"][0]
    assert {key: first[key] for key in ("chain", "position", "handler", "rule", "said")} == {
        "chain": "main",
        "position": 1,
        "handler": "limit",
        "rule": 1,
        "said": "goto full",
    }
    assert (first["file"], first["line"]) == ("d.yaml", 4)
    assert kept["left"]["to"] == "1"
    again, facts = call_from(kept)
    assert decide_now(tree.decide(again, facts=facts)).decision == verdict.decision


def test_what_followed_an_outcome_names_it() -> None:
    tree = generation("  main:\n    - menu: {prompt: p, choices: {'1': echo}}\n    - hangup\n")
    verdict = decide_now(tree.after(decide(tree, call("5")), "digits", digits="1"))
    assert verdict is not None
    assert recorded(verdict)["after"] == {"outcome": "digits", "digits": "1"}


def test_the_call_in_a_record_is_the_one_that_came() -> None:
    tree = generation("  main:\n    - set: {caller_number: '9', variables: {a: b}}\n    - echo\n")
    asked = call("1")
    kept = recorded(explain(tree, asked), asked)
    assert (kept["inputs"]["call"]["from"], kept["inputs"]["call"]["variables"]) == ("1001", {})
    assert (kept["left"]["from"], kept["left"]["variables"]) == ("9", {"a": "b"})


GOOD = recorded(explain(generation("  main:\n    - echo\n"), call("1")), call("1"))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {**GOOD, "schema": 2},
        {**GOOD, "schema": None},
        {**GOOD, "schema": "1"},
        {"schema": 1},
        {**GOOD, "inputs": None},
        {**GOOD, "inputs": {"call": {}, "facts": {}}},
        {**GOOD, "inputs": {"call": {**GOOD["inputs"]["call"], "at": "yesterday"}, "facts": {}}},
        {**GOOD, "inputs": {"call": {**GOOD["inputs"]["call"], "zone": "Moon/Base"}, "facts": {}}},
        {**GOOD, "inputs": {"call": {**GOOD["inputs"]["call"], "zone": "../../etc/passwd"}, "facts": {}}},
        {**GOOD, "inputs": {"call": {**GOOD["inputs"]["call"], "shown": 3}, "facts": {}}},
        {**GOOD, "inputs": {"call": {**GOOD["inputs"]["call"], "sent_headers": [[1]]}, "facts": {}}},
        {**GOOD, "inputs": {"call": GOOD["inputs"]["call"], "facts": 3}},
    ],
)
def test_what_is_no_record_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRecord):
        call_from(values)


def test_hostile_texts_are_recorded_as_they_came() -> None:
    tree = generation("  main:\n    - reject: 404\n")
    asked = replace(
        call("1\x00\x1b[2J\ud800", from_="'; DROP TABLE calls; --"), headers={"x": "\r\nInjected: 1"}
    )
    kept = json.loads(json.dumps(recorded(explain(tree, asked), asked)))
    again, _ = call_from(kept)
    assert again == asked
