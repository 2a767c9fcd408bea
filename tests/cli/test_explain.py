"""`pbx explain` with all that can be given: outcomes, digits, switches, answers of services, headers."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main

DIALPLAN = """\
timezone: Europe/Amsterdam
calendars: {office: {open: {daily: "00:00-24:00"}, switch: key}}
queues: {support: {agents: ["1001"]}}
entry: [{from: anyone, chain: a}]
chains:
  a:
    - routing: [{header: {X-Why: sales}, redirect: "sip:sales@desk.example"}]
    - hours: {calendar: office, closed: {reject: 480}}
    - http: "https://crm.example/{from}"
    - {http: "https://other.example/{from}", id: other}
    - menu: {prompt: p, choices: {"1": {dial: [user/1001, user/1002], mode: in-turn, on: {busy: {goto: b}}}}}
  b:
    - queue: {name: support, on: {full: hangup}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.yaml").write_text(DIALPLAN)


def run(*arguments: str) -> Result:
    call = ("explain", "--from", "+3161", "--to", "5", "--dialplan", "d.yaml")
    return CliRunner().invoke(main, (*call, *arguments), prog_name="pbx")


def printed(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_nothing_is_given() -> None:
    found = printed()
    assert (found["decision"]["kind"], found["then"]) == ("menu", [])
    assert "nothing is asked here" in found["path"][2]["reason"]


def test_a_header() -> None:
    assert printed("--header", "X-Why: sales")["decision"]["contacts"] == ["sip:sales@desk.example"]
    assert printed("--header", "x-why:other")["decision"]["kind"] == "menu"


def test_a_switch() -> None:
    assert printed("--switch", "key=closed")["decision"]["code"] == 480
    assert printed("--switch", "key=open")["decision"]["kind"] == "menu"


def test_what_a_service_answers() -> None:
    assert printed("--http", 'http={"reject": 486}')["decision"]["code"] == 486
    assert printed("--http", 'other={"dial": "user/1002"}')["decision"]["targets"] == ["user/1002"]
    found = printed("--http", "http=error", "--http", 'other={"continue": true}')
    assert found["decision"]["kind"] == "menu"
    assert "nothing is asked here" not in json.dumps(found["path"])


def test_digits_and_outcomes_are_followed() -> None:
    found = printed(
        *("--digits", "7", "--digits", "1"),
        *("--outcome", "user/1001=busy", "--outcome", "user/1002=busy", "--outcome", "queue/support=full"),
    )
    assert [(each["asked"], each["digits"], each["decision"]["kind"]) for each in found["then"]] == [
        ("digits", "7", "menu"),
        ("digits", "1", "dial"),
        ("busy", "", "queue"),
        ("full", "", "hangup"),
    ]
    ladder = run("--digits", "1", "--outcome", "user/1001=busy", "--outcome", "user/1002=answered").stdout
    assert ladder.split("\n")[-4:-1] == [
        "         said  dial user/1001, then user/1002; on busy goto b",
        "         why   menu a, 1",
        "then     dial user/1001, then user/1002; on busy goto b (menu a, 1)",
    ]


def test_an_outcome_for_each_time() -> None:
    found = printed("--digits", "1", "--outcome", "user=no-answer", "--outcome", "user=answered")
    assert found["then"][-1]["decision"]["kind"] == "dial"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--outcome", "user/1001", "found 'user/1001', expected NAME=VALUE"),
        ("--outcome", "user/1001=engaged", "found 'engaged', expected one of busy, no-answer"),
        ("--switch", "key=shut", "found 'shut', expected open or closed"),
        ("--switch", "=closed", "expected NAME=VALUE"),
        ("--http", "http={", "expected JSON, or error"),
        ("--header", "X-Why", "expected NAME:VALUE"),
    ],
)
def test_wrong_use(option: str, value: str, words: str) -> None:
    result = run(option, value)
    assert result.exit_code == 2
    assert words in result.stderr
