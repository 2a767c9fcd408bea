"""`pbx diff`: what is printed, JSON and exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main

OLD = "entry: [{from: anyone, chain: a}]\nchains: {a: [{routing: [{to: 12X, echo: {}}]}]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(OLD.replace("12X", "13X"))
    (tmp_path / "broken.yaml").write_text(OLD.replace("echo", "ecko"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments], prog_name="pbx")


def test_nothing_differs() -> None:
    result = run("old.yaml", "old.yaml")
    assert (result.exit_code, result.stdout) == (0, "every call goes the same way\n")


def test_differences() -> None:
    result = run("old.yaml", "new.yaml", "--start", "2026-11-23")
    assert result.exit_code == 1
    assert any(
        line.startswith("from ")
        and "to 125, coming from anyone, at Mon 2026-11-23 00:00: echo → reject 404" in line
        for line in result.stdout.splitlines()
    )


def test_json() -> None:
    result = run("old.yaml", "new.yaml", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["same"], found["complete"]) == (1, False, True)
    assert {(each["old"], each["new"]) for each in found["differences"]} == {
        ("echo", "reject 404"),
        ("reject 404", "echo"),
    }


def test_a_broken_file_is_named() -> None:
    result = run("old.yaml", "broken.yaml")
    assert result.exit_code == 1
    assert "broken.yaml:2:35: found 'ecko', which is no ending (did you mean echo?)" in result.stderr
