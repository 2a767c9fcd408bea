"""`pbx why`, `pbx calls --since`, `pbx replay`, `pbx generations` without a service: from what is on disk."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pbx.call.record import CallRecord, LegTotals, Note
from pbx.cli import main
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import decide_now
from pbx.dialplan.lint import imagined
from pbx.dialplan.recorded import recorded
from pbx.documents import loads
from pbx.media.values import LegStatistics, PeerReport, ReceiveCounts, SendCounts
from pbx.store.calls import write_calls
from pbx.store.database import Store
from pbx.store.entries import Decided, Entry
from pbx.store.generations import GenerationStore, kept_generation
from tests.dialplan.calls import NOON

DIALPLAN = """\
entry: [{from: anyone, chain: public}]
chains:
  public:
    - routing: [{to: "600", echo: {}}, {to: "601", reject: 486}]
"""
STATISTICS = LegStatistics(
    ReceiveCounts(packets=500, lost=5, jitter_ms=1.5, loss_runs=5),
    SendCounts(packets=480),
    heard=PeerReport(lost=0, jitter_ms=2.5, round_trip_ms=30.0),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of a service that is down, with three calls: two to 601, one to 600."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pbx.yaml").write_text("directories: {state: state}\nstore: sqlite:pbx.db\n")
    (tmp_path / "dialplan.yaml").write_text(DIALPLAN)
    generation = compile_dialplan(loads(DIALPLAN, "dialplan.yaml"), number=7)
    store = Store(tmp_path / "pbx.db")
    entries = []
    for number, to in enumerate(("601", "601", "600")):
        record = CallRecord(f"call{number}", "+31\x1b[1m6", to, "anyone", 1.0, ended_at=2.0)
        record.cause, record.status = "busy", 486
        record.legs = [LegTotals("anyone", None, None, None, f"leg/{number}@there")]
        if number == 2:
            record.legs = [LegTotals("anyone", None, "PCMU", STATISTICS, "leg/2@there")]
            record.note(Note(1.5, "anyone", "one-way-audio", "in", 10.0))
        verdict = decide_now(generation.decide(imagined(to, "+31\x1b[1m6", "anyone", NOON)))
        entries.append(Entry(record, [Decided(verdict)], 7, NOON.timestamp() + number))
    write_calls(store, entries, recorded)
    store.close()
    return tmp_path


def pbx(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def value(*arguments: str) -> Any:
    return json.loads(pbx(*arguments, "--json").stdout)


@pytest.mark.parametrize("name", ["call1", "leg/1@there"])
def test_why_prints_the_path_by_any_name(here: Path, name: str) -> None:
    result = pbx("why", name)
    assert result.exit_code == 0
    for words in (
        "dialplan generation 7",
        "public: 1 routing    dialplan.yaml:4:",
        "said  reject 486",
        "busy 486",
    ):
        assert words in result.stdout
    assert "\x1b" not in result.stdout
    assert value("why", name)["routing"]["decided"][0]["words"] == "reject 486"


def test_why_says_what_the_media_came_to(here: Path) -> None:
    lines = pbx("why", "call2").stdout.splitlines()
    (heard,) = [line for line in lines if line.startswith("         heard ")]
    assert heard.startswith("         heard 500 packets, 5 lost, jitter 1.5 ms, MOS 4.")
    assert "         sent  480 packets, 0 lost, jitter 2.5 ms, MOS 4.39" in lines
    assert "         round trip 30 ms" in lines
    assert "noted    after 0 s, anyone: what we hear: audio flows one way only, for 10 s" in lines
    found = value("why", "call2")["call"]
    assert found["notes"][0]["kind"] == "one-way-audio"
    assert found["legs"][0]["peer_mos"] > found["legs"][0]["mos"]
    listed = pbx("calls", "--since", "1970-01-01").stdout
    assert f"{float(heard[-4:]):.1f}!" in listed


def test_why_of_nobodys_call(here: Path) -> None:
    result = pbx("why", "nobody")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "there is no call 'nobody'" in result.stderr


def test_ended_calls_are_listed(here: Path) -> None:
    result = pbx("calls", "--since", "2026-11-01")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 4)
    assert [each["id"] for each in value("calls", "--since", "2026-11-01", "--limit", "2")["calls"]] == [
        "call1", "call2",
    ]  # fmt: skip


@pytest.mark.parametrize("since", ["yesterday", "5", "99999999d", ""])
def test_a_since_that_is_none_is_wrong_use(here: Path, since: str) -> None:
    result = pbx("calls", "--since", since)
    assert result.exit_code == 2
    assert "--since" in result.stderr


def test_a_replay_of_the_same_dialplan(here: Path) -> None:
    result = pbx("replay", "--since", "2026-11-01", "--config", "dialplan.yaml")
    assert (result.exit_code, result.stdout) == (0, "3 calls: 3 the same, 0 different, 0 unknown\n")


@pytest.mark.parametrize("kind", ["dialplan", "configuration"])
def test_a_replay_groups_what_differs(here: Path, kind: str) -> None:
    (here / "new.yaml").write_text(DIALPLAN.replace("486", "603"))
    (here / "other.yaml").write_text("dialplan: new.yaml\n")
    candidate = "new.yaml" if kind == "dialplan" else "other.yaml"
    result = pbx("replay", "--since", "2026-11-01", "--config", candidate)
    assert result.exit_code == 1
    assert "2 calls from anyone: reject 486 → reject 603\n    such as call0 " in result.stdout
    found = value("replay", "--since", "2026-11-01", "--config", candidate)
    assert (found["same"], found["different"], found["unknown"]) == (1, 2, 0)
    assert found["classes"][0]["witness"]["call"] == "call0"


def test_a_replay_of_a_bad_dialplan_says_where(here: Path) -> None:
    (here / "new.yaml").write_text(DIALPLAN.replace("echo", "ehco"))
    result = pbx("replay", "--config", "new.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("new.yaml:4:")


def test_generations_are_listed_and_shown_without_a_service(here: Path) -> None:
    texts = {here / "dialplan.yaml": DIALPLAN.encode()}
    made = kept_generation(1, "dialplan.yaml", texts, loaded_epoch=0.0, summary="1 chain")
    GenerationStore(here / "state" / "generations").went_live(made, texts)
    assert "dialplan.yaml (1 chain)" in pbx("generations").stdout
    assert DIALPLAN in pbx("generations", "1").stdout
    assert pbx("generations", "2").exit_code == 1


@pytest.mark.parametrize("verb", [("reload",), ("rollback",), ("shadow",), ("shadow", "new.yaml")])
def test_what_needs_a_service_says_so(here: Path, verb: tuple[str, ...]) -> None:
    result = pbx(*verb)
    assert result.exit_code == 1
    assert "no service answers at" in result.stderr


def test_a_shadow_is_either_begun_or_ended(here: Path) -> None:
    assert pbx("shadow", "new.yaml", "--off").exit_code == 2
