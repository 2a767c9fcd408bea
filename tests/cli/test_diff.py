"""`pbx diff`: what is printed, JSON and exit codes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main
from tests.docs.test_guide import CONFIGURATION, DIALPLANS

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


@pytest.mark.parametrize(
    ("one", "other"),
    [('"+3120123450X"', '"+3120123450Z"'), ('"1XXX"', '"2XXX"'), ('"09:00', '"08:00'), ("+1900", "+1901")],
)
def test_every_witness_is_confirmed_by_explain(tmp_path: Path, one: str, other: str) -> None:
    old = DIALPLANS[2]
    assert one in old
    (tmp_path / "pbx.yaml").write_text(CONFIGURATION)
    (tmp_path / "old.yaml").write_text(old)
    (tmp_path / "new.yaml").write_text(old.replace(one, other))
    found = json.loads(run("old.yaml", "new.yaml", "--start", "2026-11-23", "--json").stdout)
    assert found["complete"]
    assert found["differences"]
    for each in found["differences"]:
        assert each["kinds"] == len(each["witnesses"])
        for witness in each["witnesses"][:3]:
            assert explained("old.yaml", witness) == each["old"].partition(",")[0]
            assert explained("new.yaml", witness) == each["new"].partition(",")[0]


def explained(file: str, witness: dict[str, str]) -> str:
    """What `pbx explain` says of a witness, without what follows an outcome."""
    via = [f"--via={witness['source']}"] if witness["source"].startswith("trunk/carrier") else []
    arguments = [
        "explain",
        f"--from={witness['from']}",
        f"--to={witness['to']}",
        f"--at={witness['at']}",
        *via,
    ]
    result = CliRunner().invoke(main, [*arguments, f"--dialplan={file}"], prog_name="pbx")
    assert result.exit_code == 0, result.output
    line = result.stdout.rstrip().split("\n")[-1]
    return line.removeprefix("decision ").partition(" (")[0].partition(";")[0].partition(",")[0]


def test_all_prints_a_witness_of_each_kind() -> None:
    few = run("old.yaml", "new.yaml", "--start", "2026-11-23").stdout.splitlines()
    every = run("old.yaml", "new.yaml", "--start", "2026-11-23", "--all").stdout.splitlines()
    assert [line for line in every if not line.startswith("  ")] == few
    kinds = sum(int(line.rpartition("(")[2].split()[0]) if "kinds" in line else 1 for line in few)
    assert len(every) == kinds


def test_a_broken_file_is_named() -> None:
    result = run("old.yaml", "broken.yaml")
    assert result.exit_code == 1
    assert "broken.yaml:2:35: found 'ecko', which is no ending (did you mean echo?)" in result.stderr
