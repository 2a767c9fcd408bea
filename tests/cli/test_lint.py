"""`pbx lint`: what is printed, JSON, exit codes; and that `pbx check` fails on errors only."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main

SHADOWED = """\
entry: [{from: users, chain: a}]
chains: {a: [{routing: [{to: 6XX, echo: {}}, {to: 600, reject: 486}]}, reject: 404]}
"""
UNROUTED = SHADOWED + 'emergency: ["112"]\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shadowed.yaml").write_text(SHADOWED)
    (tmp_path / "unrouted.yaml").write_text(UNROUTED)
    (tmp_path / "good.yaml").write_text(SHADOWED.replace("to: 6XX", "to: 6ZX"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="pbx")


def test_a_warning_is_printed_and_is_no_failure() -> None:
    result = run("lint", "shadowed.yaml")
    assert result.exit_code == 0
    assert result.stdout == (
        "shadowed.yaml:2:46: warning: this rule is never reached: rules above it take all its calls "
        "(shadowed.yaml:2:25) (for example a call to 600 from 1000 in the chain a) [shadowed-rule]: "
        "move it above them, or take it out\n"
    )
    assert run("lint", "shadowed.yaml", "--strict").exit_code == 1
    checked = run("check", "shadowed.yaml")
    assert (checked.exit_code, checked.stderr) == (0, result.stdout)
    assert checked.stdout.startswith("shadowed.yaml: ok")
    found = json.loads(run("check", "shadowed.yaml", "--json").stdout)["files"][0]
    assert found["ok"] is True
    assert [(each["code"], each["column"]) for each in found["warnings"]] == [("shadowed-rule", 46)]


def test_an_error_is_a_failure_for_check_too() -> None:
    result = run("lint", "unrouted.yaml")
    assert result.exit_code == 1
    assert "[emergency-unrouted]" in result.stdout
    checked = run("check", "unrouted.yaml")
    assert checked.exit_code == 1
    assert "users cannot reach the emergency number 112: it comes to reject 404" in checked.stderr


def test_nothing_to_say() -> None:
    result = run("lint", "good.yaml")
    assert (result.exit_code, result.stdout) == (0, "good.yaml: nothing to say\n")


def test_json() -> None:
    found = json.loads(run("lint", "unrouted.yaml", "--json").stdout)
    assert found["ok"] is False
    shadowed, unrouted = found["files"][0]["findings"]
    assert (shadowed["code"], shadowed["level"], shadowed["line"]) == ("shadowed-rule", "warning", 2)
    assert shadowed["witness"]["to"] == "600"
    assert shadowed["witness"]["chain"] == "a"
    assert (unrouted["code"], unrouted["witness"]["source"]) == ("emergency-unrouted", "users")
