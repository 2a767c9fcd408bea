"""Explain, its JSON, the words for every decision, the JSON Schema, and the demo dialplan."""

from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.check import check_file, summary_of
from pbx.dialplan.compiler import load_dialplan
from pbx.dialplan.decisions import (
    DECISIONS,
    Answer,
    Conference,
    Continue,
    Decision,
    Defer,
    Dial,
    Echo,
    Goto,
    Hangup,
    Include,
    Menu,
    Play,
    Queue,
    Redirect,
    Reject,
    Talk,
    Voicemail,
)
from pbx.dialplan.explain import explain, explanation_json, ladder
from pbx.dialplan.handlers import registry
from pbx.dialplan.schema import dialplan_json_schema
from pbx.dialplan.words import as_json, said
from tests.dialplan.calls import KNOWN, call, generation, stranger

DEMO = Path(__file__).parents[2] / "dialplans" / "demo.yaml"


class Never(Awaitable[Decision]):
    def __await__(self) -> Generator[None, None, Decision]:
        yield
        raise AssertionError


WORDS: list[tuple[Decision, str, dict[str, Any]]] = [
    (Continue("no"), "continue", {"kind": "continue", "reason": "no"}),
    (Continue("", call("2")), "continue with a changed call", {"kind": "continue", "reason": ""}),
    (Goto("night"), "goto night", {"kind": "goto", "chain": "night", "reason": ""}),
    (
        Defer(Never(), 2.5, Reject(480)),
        "defer for at most 2.5 s",
        {"kind": "defer", "deadline": 2.5, "otherwise": as_json(Reject(480)), "reason": ""},
    ),
    (Answer(), "answer", {"kind": "answer", "reason": ""}),
    (
        Dial(["user/1001", "trunk/c/1"], ring=20, on={"busy": Goto("b"), "failed": Hangup()}),
        "dial user/1001 and trunk/c/1 for 20 s; on busy goto b, on failed hangup",
        {
            "kind": "dial",
            "targets": ["user/1001", "trunk/c/1"],
            "ring": 20,
            "mode": "parallel",
            "on": {"busy": as_json(Goto("b")), "failed": as_json(Hangup())},
            "rings": [],
            "stop": [],
            "reason": "",
        },
    ),
    (
        Dial(["user", "sip:a@b"], mode="in-turn"),
        "dial user, then sip:a@b",
        {
            "kind": "dial",
            "targets": ["user", "sip:a@b"],
            "ring": None,
            "mode": "in-turn",
            "on": {},
            "rings": [],
            "stop": [],
            "reason": "",
        },
    ),
    (
        Dial(["user/1001", "user/1002"], mode="in-turn", rings=(5, None), stop={"busy", 603}),
        "dial user/1001 for 5 s, then user/1002, stopping at 603, busy",
        {
            "kind": "dial",
            "targets": ["user/1001", "user/1002"],
            "ring": None,
            "mode": "in-turn",
            "on": {},
            "rings": [5, None],
            "stop": ["603", "busy"],
            "reason": "",
        },
    ),
    (
        Queue("support", {"timeout": Hangup()}, priority=2),
        "queue support with priority 2; on timeout hangup",
        {
            "kind": "queue",
            "name": "support",
            "priority": 2,
            "on": {"timeout": as_json(Hangup())},
            "reason": "",
        },
    ),
    (
        Play(["hi", "there"], True, times=2),
        "play hi, there early, 2 times",
        {"kind": "play", "sounds": ["hi", "there"], "early": True, "times": 2, "reason": ""},
    ),
    (
        Menu("main", ("welcome",), attempt=2),
        "menu main, asked 2 times",
        {
            "kind": "menu",
            "name": "main",
            "prompt": ["welcome"],
            "max_digits": 1,
            "attempt": 2,
            "reason": "",
        },
    ),
    (Include("b"), "include b", {"kind": "include", "chain": "b", "reason": ""}),
    (Voicemail("1"), "voicemail 1", {"kind": "voicemail", "mailbox": "1", "reason": ""}),
    (
        Conference("8", muted=True, announce=("hi",)),
        "conference 8 muted",
        {"kind": "conference", "room": "8", "muted": True, "announce": ["hi"], "reason": ""},
    ),
    (Echo(), "echo", {"kind": "echo", "reason": ""}),
    (Talk("why"), "talk", {"kind": "talk", "reason": "why"}),
    (
        Redirect(("sip:a@b", "sip:c@d")),
        "redirect 302 to sip:a@b, sip:c@d",
        {"kind": "redirect", "contacts": ["sip:a@b", "sip:c@d"], "code": 302, "reason": ""},
    ),
    (
        Reject(486, "why", "Later", 5),
        "reject 486 Later",
        {"kind": "reject", "code": 486, "phrase": "Later", "retry_after": 5, "reason": "why"},
    ),
    (Hangup(), "hangup", {"kind": "hangup", "reason": ""}),
]


@pytest.mark.parametrize(("decision", "words", "json"), WORDS)
def test_words_and_json(decision: Decision, words: str, json: dict[str, Any]) -> None:
    assert said(decision) == words
    assert as_json(decision) == json


def test_every_decision_has_words() -> None:
    assert {type(decision) for decision, _, _ in WORDS} == set(DECISIONS)


def test_the_demo_dialplan() -> None:
    assert check_file(DEMO, KNOWN) == []
    tree = load_dialplan(DEMO, KNOWN)
    assert str(summary_of(tree)) == "7 chains, 12 handlers, 9 rules, 16 tests"
    assert explain(tree, call("600")).decision == Echo()
    assert explain(tree, call("601")).decision == Reject(486)
    assert explain(tree, call("1002")).decision == Dial("user/1002", ring=30)
    assert explain(tree, call("1009")).decision == Reject(404)
    assert explain(tree, call("7")).decision == Reject(404)
    assert explain(tree, stranger("600")).decision == Reject(403)
    extensions = [extension.patterns for extension in tree.extensions("users")]
    assert extensions[:2] == [("600",), ("601",)]
    assert extensions[-1] == ("1XXX",)


def test_ladder() -> None:
    tree = generation("  main:\n    - set: {caller_name: Shop}\n    - routing: [{to: 1XXX, dial: user}]\n")
    asked = call("1002")
    assert ladder(tree, asked, explain(tree, asked)).split("\n") == [
        "call     from Alice <1001> to 1002, coming from users, at 2026-11-23 12:00 UTC",
        "entry    anyone → chain main    d.yaml:1:9",
        "main: 1 set    d.yaml:4:7",
        "         saw   to 1002, from 1001",
        "         said  continue with a changed call",
        "         why   set caller name",
        "main: 2 routing    d.yaml:5:17",
        "         saw   to 1002, from 1001",
        "         said  dial user/1002",
        "         why   rule 1, to 1XXX",
        "decision dial user/1002 (rule 1, to 1XXX)",
    ]


def test_ladder_and_json_without_an_entry() -> None:
    tree = generation("  main:\n    - echo\n", entry="[{from: users, chain: main}]")
    asked = stranger("1")
    verdict = explain(tree, asked)
    assert "entry    none takes calls from anyone" in ladder(tree, asked, verdict)
    assert explanation_json(tree, asked, verdict)["entry"] is None


def test_a_hostile_number_cannot_draw_on_the_terminal() -> None:
    tree = generation("  main:\n    - reject: 404\n")
    asked = stranger("1\x1b[2J\nforged", "\r\x07")
    text = ladder(tree, asked, explain(tree, asked))
    assert not set(text) & {"\x1b", "\r", "\x07"}
    assert "forged" not in [line.strip() for line in text.split("\n")]


def test_json() -> None:
    tree = generation("  main:\n    - routing: [{to: 1, hangup: }]\n")
    asked = call("1")
    assert explanation_json(tree, asked, explain(tree, asked)) == {
        "dialplan": "d.yaml",
        "call": {
            "from": "1001",
            "name": "Alice",
            "user": "1001",
            "to": "1",
            "source": "users",
            "via": None,
            "at": "2026-11-23T12:00:00+00:00",
        },
        "entry": {"source": "anyone", "chain": "main", "file": "d.yaml", "line": 1, "column": 9},
        "path": [
            {
                "chain": "main",
                "position": 1,
                "handler": "routing",
                "rule": 1,
                "file": "d.yaml",
                "line": 4,
                "column": 17,
                "saw": "to 1, from 1001",
                "said": "hangup",
                "reason": "rule 1, to 1",
                "decision": {"kind": "hangup", "reason": "rule 1, to 1"},
            }
        ],
        "decision": {"kind": "hangup", "reason": "rule 1, to 1"},
        "then": [],
        "queued": [],
    }


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["users", "anyone", "trunk/carrier", "trunk/x"]))
def test_explain_never_raises(to: str, from_: str, source: str) -> None:
    tree = load_dialplan(DEMO, KNOWN)
    asked = call(to, from_=from_, source=source)
    verdict = explain(tree, asked)
    assert ladder(tree, asked, verdict)
    assert explanation_json(tree, asked, verdict)["decision"]["kind"] in {"dial", "echo", "reject"}


def references(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        inner = {found for value in schema.values() for found in references(value)}
        return inner | ({schema["$ref"]} if "$ref" in schema else set())
    if isinstance(schema, list):
        return {found for value in schema for found in references(value)}
    return set()


def test_the_schema_names_every_handler_and_every_reference_is_there() -> None:
    schema = dialplan_json_schema()
    definitions = schema["$defs"]
    assert set(registry()) <= set(definitions)
    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= set(definitions)
    steps = {name for each in definitions["step"]["anyOf"] for name in each.get("required", ())}
    assert steps == set(registry())
    endings = {name for each in definitions["rule"]["anyOf"] for name in each["required"]}
    assert endings == {
        *("conference", "dial", "echo", "forward", "goto", "hangup"),
        *("menu", "play", "queue", "redirect", "reject"),
    }
    assert "$comment" not in str(schema)
    assert definitions["dial"]["properties"]["on"]["additionalProperties"] == {"$ref": "#/$defs/ending"}
