"""The command: verbs, exit codes, what is on stdout and what on stderr, and what is never imported."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pbx.cli import VERBS, main

ROOT = Path(__file__).parents[2]
DEMO = str(ROOT / "dialplans" / "demo.yaml")
CONFIG = "users: {1001: {name: Alice, password: a}, 1002: {name: Bob, password: b}}\n"
HEAVY = ("numba", "numpy", "fastapi", "uvicorn", "twisted", "sqlite3", "prometheus_client")
DIALPLAN = """\
timezone: Europe/Amsterdam
entry:
  - {from: trunk/carrier, chain: inbound}
  - {from: users, chain: internal}
  - {from: anyone, chain: public}
chains:
  inbound: [{routing: [{to: "+31201234501", dial: user/1001}]}]
  internal: [{routing: [{to: 1XXX, dial: user}]}]
  public: [{reject: 403}]
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a configuration and a dialplan, which is the current one."""
    (tmp_path / "pbx.yaml").write_text(CONFIG + "trunks: {carrier: {host: c.example}}\n")
    (tmp_path / "dialplan.yaml").write_text(DIALPLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="pbx")


def printed(*arguments: str, code: int = 0) -> Any:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def test_help_lists_every_verb_with_its_summary() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, verb in VERBS.items():
        assert any(line.split()[:1] == [name] and verb.summary in line for line in result.stdout.split("\n"))


@pytest.mark.parametrize("verb", ["check", "explain", "schema"])
def test_every_verb_has_help(verb: str) -> None:
    result = run(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: pbx {verb}")


def test_version() -> None:
    assert run("--version").stdout.startswith("pbx")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], "there is no verb 'chek'; did you mean check?"),
        (["zzz"], "there is no verb 'zzz'; the verbs are run, check, test, lint, explain"),
        (["--zzz"], "No such option"),
        (["check", "--zzz"], "No such option"),
        (["explain", "--from", "1"], "Missing option '--to'"),
        (
            ["explain", "--from", "1", "--to", "2", "--dialplan", DEMO, "--at", "soon"],
            "expected a time such as",
        ),
        (["schema", "dialpln"], "'dialpln' is not one of"),
    ],
)
def test_wrong_use_exits_with_2(arguments: Sequence[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("here")
def test_check_without_files_checks_the_configuration_and_its_dialplan() -> None:
    result = run("check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.split("\n")[:2] == [
        "pbx.yaml: ok (configuration: 2 users, 1 trunk)",
        "dialplan.yaml: ok (dialplan: 3 chains, 3 handlers, 2 rules)",
    ]


def test_check_prints_places_and_suggestions_on_stderr(here: Path) -> None:
    broken = DIALPLAN.replace("dial: user/1001", "dial: user/1010").replace("1XXX, dial", "1XXX, dail")
    (here / "broken.yaml").write_text(broken)
    result = run("check", "broken.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("broken.yaml:7:51: there is no user '1010' in the configuration (did you mean")
    assert lines[1] == "broken.yaml:8:36: found 'dail', which is no ending (did you mean dial?)"


def test_check_knows_a_file_by_its_keys(here: Path) -> None:
    (here / "other.yaml").write_text("colour: red\n")
    (here / "conf.yaml").write_text("users: {}\ndialplan: nowhere.yaml\n")
    found = printed("check", "other.yaml", "conf.yaml", "dialplan.yaml", "--json", code=1)
    assert found["ok"] is False
    assert [(each["file"], each["kind"], each["ok"]) for each in found["files"]] == [
        ("other.yaml", "unknown", False),
        ("conf.yaml", "configuration", True),
        ("nowhere.yaml", "dialplan", False),
        ("dialplan.yaml", "dialplan", True),
    ]
    assert found["files"][2]["problems"] == [
        {
            "file": "conf.yaml",
            "line": 2,
            "column": 11,
            "message": "nowhere.yaml: there is no such file: check the path",
            "suggestion": "",
        }
    ]


def test_check_without_a_configuration_checks_the_form_of_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("check", DEMO).exit_code == 0
    (tmp_path / "d.yaml").write_text(DIALPLAN.replace("user/1001", "user/4711"))
    assert run("check", "d.yaml").exit_code == 0
    (tmp_path / "c.yaml").write_text(CONFIG)
    result = run("check", "d.yaml", "--config", "c.yaml")
    assert result.exit_code == 1
    assert "there is no trunk 'carrier'" in result.stderr
    assert "there is no user '4711'" in result.stderr


def test_check_reads_the_sounds_of_the_configuration(here: Path) -> None:
    (here / "sounds").mkdir()
    (here / "sounds" / "open.wav").write_bytes(b"RIFF")
    result = run("check")
    assert result.exit_code == 1
    assert "open.wav is not a WAV file: make it 16 bit PCM" in result.stderr
    assert result.stderr.startswith("pbx.yaml:1:1: ")
    assert "dialplan.yaml: ok" in result.stdout


def test_check_knows_the_sounds_there_are(here: Path) -> None:
    (here / "dialplan.yaml").write_text(
        "entry: [{from: anyone, chain: c}]\nchains: {c: [{play: wellcome}, {reject: 403}]}\n"
    )
    result = run("check")
    assert result.exit_code == 1
    assert "dialplan.yaml:2:21: there is no sound 'wellcome' (did you mean welcome?)" in result.stderr


def test_check_reports_a_broken_configuration_beside_the_dialplan(here: Path) -> None:
    (here / "pbx.yaml").write_text("usrs: {}\n")
    result = run("check", "dialplan.yaml")
    assert result.exit_code == 1
    assert result.stderr == "pbx.yaml:1:1: unknown key 'usrs' (did you mean users?)\n"
    assert result.stdout.startswith("dialplan.yaml: ok")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["check", "nowhere.yaml"], "pbx: nowhere.yaml: there is no such file: check the path"),
        (["check"], "pbx: there is no pbx.yaml here: name a FILE, or a --config"),
        (
            ["explain", "--from", "1", "--to", "2"],
            "pbx: there is no pbx.yaml here: name a --config or a --dialplan",
        ),
    ],
)
def test_what_the_operator_can_mend_is_one_line(
    arguments: Sequence[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", line + "\n")


@pytest.mark.parametrize(
    ("arguments", "source", "decision"),
    [
        (["--from", "1001", "--to", "1002"], "users", {"kind": "dial", "targets": ["user/1002"]}),
        (["--from", "1001", "--to", "1009"], "users", {"kind": "reject", "code": 404}),
        (["--from", "1009", "--to", "1002"], "anyone", {"kind": "reject", "code": 403}),
        (
            ["--from", "+31 6 12345678", "--to", "+31 (20) 123-4501", "--via", "carrier"],
            "trunk/carrier",
            {"kind": "dial", "targets": ["user/1001"]},
        ),
        (["--from", "1001", "--to", "1002", "--via", "trunk/carrier"], "trunk/carrier", {"code": 404}),
    ],
)
@pytest.mark.usefixtures("here")
def test_explain(arguments: Sequence[str], source: str, decision: dict[str, object]) -> None:
    found = printed("explain", *arguments, "--json")
    assert found["call"]["source"] == source
    assert decision.items() <= found["decision"].items()
    assert found["path"][0]["file"] == "dialplan.yaml"


@pytest.mark.usefixtures("here")
def test_explain_reads_times_in_the_zone_of_the_dialplan() -> None:
    arguments = ["explain", "--from", "1001", "--to", "1002", "--json", "--at"]
    assert printed(*arguments, "2026-07-01 10:00")["call"]["at"] == "2026-07-01T10:00:00+02:00"
    assert printed(*arguments, "2026-12-01T10:00Z")["call"]["at"] == "2026-12-01T11:00:00+01:00"


@pytest.mark.usefixtures("here")
def test_explain_prints_a_ladder() -> None:
    result = run("explain", "--from", "1001", "--to", "1002")
    assert result.exit_code == 0
    assert "said  dial user/1002" in result.stdout
    assert result.stdout.rstrip().endswith("decision dial user/1002 (rule 1, to 1XXX)")


@pytest.mark.usefixtures("here")
def test_explain_does_not_know_the_trunk() -> None:
    result = run("explain", "--from", "1", "--to", "2", "--via", "carier")
    assert result.exit_code == 1
    assert result.stderr == "pbx: there is no trunk 'carier' in the configuration: did you mean carrier?\n"


def test_explain_needs_no_secrets(here: Path) -> None:
    (here / "pbx.yaml").write_text("users: {1001: {password: env:NOT_SET}, 1002: {password: file:x}}\n")
    (here / "dialplan.yaml").write_text(DIALPLAN.replace("  - {from: trunk/carrier, chain: inbound}\n", ""))
    assert run("explain", "--from", "1001", "--to", "1002").exit_code == 0
    assert "the secret is missing" in run("check").stderr


@pytest.mark.parametrize("kind", ["dialplan", "config"])
def test_schema(kind: str) -> None:
    found = printed("schema", kind)
    assert found["$schema"].startswith("https://json-schema.org/")
    assert ("chains" if kind == "dialplan" else "listen") in found["properties"]


def test_a_verb_that_is_not_there_yet_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    verbs = {**VERBS, "bench": type(VERBS["run"])("pbx.cli.nowhere:bench", "Measure.")}
    monkeypatch.setattr("pbx.cli.VERBS", verbs)
    result = run("bench")
    assert (result.exit_code, result.stderr) == (1, "pbx: this version of pbx has no bench yet\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", DEMO],
        ["explain", "--from", "1", "--to", "2", "--dialplan", DEMO],
        ["schema", "config"],
    ],
)
def test_quick_verbs_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from pbx.cli import main\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "print(*({*sys.modules} & {*HEAVY}), file=sys.stderr)\n"
    ).replace("HEAVY", repr(HEAVY))
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        # The source tree may have the pbx.yaml of a `make run`, whose sounds would be looked for.
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout
    assert result.stderr == "\n"


def test_the_module_runs_as_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pbx.cli", "check", DEMO],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "ok (dialplan: 7 chains" in result.stdout
