"""`pbx sipp` as a command: what it prints and how it exits."""

import json
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from pbx.cli.sipp import sipp
from tests.interop.wire import Wire


def run(*arguments: str) -> Result:
    return CliRunner().invoke(sipp, arguments)


def test_the_cases_are_listed() -> None:
    result = run("--list")
    assert result.exit_code == 0
    assert "basic-call               two phones talk" in result.output
    told = json.loads(run("--list", "--json", "busy").output)
    assert [case["name"] for case in told] == ["busy"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("busi",), "did you mean busy?"),
        (("--target", "pbx"), "'pbx' is not HOST:PORT"),
        (("--target", "pbx:99999"), "is not HOST:PORT"),
        (("--metrics", "pbx:80"), "--metrics goes with --target"),
        (("--cases", "/nowhere"), "there is no such file"),
        (("--jobs", "0"), "Invalid value"),
        (("--jobs", "2", "--target", "127.0.0.1:5060"), "--jobs does not go with --target"),
    ],
)
def test_wrong_use_is_one_message_and_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, "Traceback" in result.output) == (2, False)
    assert said in result.output


def test_a_machine_without_sipp_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = run("busy")
    assert result.exit_code == 2
    assert result.output == "SIPp is not installed: apt-get install sip-tester\n"


@pytest.mark.phones
def test_cases_that_pass_and_fail_against_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report = tmp_path / "sipp.xml"
    with Wire() as wire:
        passed = run("--target", wire.address, "busy", "--junit", str(report))
        assert (passed.exit_code, passed.output.splitlines()[-1]) == (0, "1 passed, 0 failed")
        failed = run("--target", wire.address, "--json", "busy", "wrong-password")
    assert failed.exit_code == 1
    told = json.loads(failed.output)
    assert [(case["name"], case["passed"]) for case in told["cases"]] == [
        ("busy", True),
        ("wrong-password", False),
    ]
    suite = ElementTree.parse(report).getroot().find("testsuite")
    assert suite is not None
    assert suite.get("tests") == "1"
