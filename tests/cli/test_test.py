"""`pbx test`: what is printed, JSON, JUnit, exit codes; and that `pbx check` runs the tests."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main

DEMO = str(Path(__file__).parents[2] / "dialplans" / "demo.yaml")
DIALPLAN = """\
entry: [{from: users, chain: a}]
chains: {a: [{routing: [{to: 600, echo: {}}, {to: 7, reject: 486}]}]}
tests:
  - {name: echo, call: {user: 1001, to: 600}, expect: echo}
"""
WRONG = DIALPLAN + '  - {name: "wrong <&", call: {user: 1001, to: 600}, expect: {reject: 404}}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(DIALPLAN)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "broken.yaml").write_text(DIALPLAN.replace("expect", "expct"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="pbx")


def test_tests_that_pass_and_what_they_did_not_reach() -> None:
    result = run("test", "good.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "good.yaml: 1 of 1 tests passed, 1 of 2 handlers and rules reached",
        "good.yaml:2:46: no test reached a: 1 routing, rule 2, to 7",
    ]


def test_a_failure_has_its_place_and_its_path() -> None:
    result = run("test", "wrong.yaml", "good.yaml")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "wrong.yaml:5:5: the test 'wrong <&' failed"
    assert lines[1].strip() == "expected reject 404, found echo"
    assert any("said  echo" in line for line in lines)
    assert "good.yaml: 1 of 1 tests passed" in result.stdout


def test_a_misspelt_key_is_a_problem() -> None:
    result = run("test", "broken.yaml")
    assert result.exit_code == 1
    assert "unknown key 'expct' (did you mean expect?)" in result.stderr


def test_json() -> None:
    result = run("test", "wrong.yaml", "broken.yaml", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["ok"] is False
    wrong, broken = found["files"]
    assert [(each["name"], each["passed"], each["line"]) for each in wrong["tests"]] == [
        ("echo", True, 4),
        ("wrong <&", False, 5),
    ]
    assert wrong["tests"][1]["failures"] == ["expected reject 404, found echo"]
    assert (wrong["coverage"]["reached"], wrong["coverage"]["total"]) == (1, 2)
    assert wrong["coverage"]["missed"][0]["rule"] == 2
    assert broken["coverage"] is None
    assert "expect" in {problem["suggestion"] for problem in broken["problems"]}


def test_junit(here: Path) -> None:
    assert run("test", "wrong.yaml", "broken.yaml", "--junit", "report.xml").exit_code == 1
    root = ElementTree.parse(here / "report.xml").getroot()
    wrong, broken = root.findall("testsuite")
    assert (wrong.get("tests"), wrong.get("failures"), wrong.get("errors")) == ("2", "1", "0")
    cases = {case.get("name"): case for case in wrong.findall("testcase")}
    failure = cases["wrong <&"].find("failure")
    assert failure is not None
    assert failure.get("message") == "expected reject 404, found echo"
    assert cases["echo"].find("failure") is None
    assert (broken.get("tests"), broken.get("errors")) == ("1", "1")


def test_a_junit_report_that_cannot_be_written() -> None:
    result = run("test", "good.yaml", "--junit", "nowhere/report.xml")
    assert result.exit_code == 1
    assert result.stderr == (
        "pbx: nowhere/report.xml cannot be written (no such file or directory): name another --junit\n"
    )


def test_check_runs_the_tests() -> None:
    result = run("check", "wrong.yaml")
    assert result.exit_code == 1
    assert result.stderr == "wrong.yaml:5:5: the test 'wrong <&' failed: expected reject 404, found echo\n"
    assert "ok (dialplan: 1 chain, 1 handler, 2 rules, 1 test)" in run("check", "good.yaml").stdout


def test_the_demo_has_nothing_for_lint() -> None:
    result = run("lint", "--strict", DEMO)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "note:" not in result.stdout


def test_the_demo() -> None:
    result = run("test", DEMO)
    assert result.exit_code == 0
    assert "16 of 16 tests passed, 21 of 21 handlers and rules reached" in result.stdout


def test_without_files_the_configuration_names_the_dialplan(here: Path) -> None:
    assert "there is no pbx.yaml here" in run("test").stderr
    (here / "pbx.yaml").write_text("dialplan: good.yaml\nusers: {1001: {password: a}}\n")
    result = run("test")
    assert result.exit_code == 0
    assert "1 of 1 tests passed" in result.stdout
