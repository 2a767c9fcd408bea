"""Finished calls: batches, bounds, retention, reading back; and files of the schema before."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pbx.call.record import CallRecord, LegTotals, Note
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.lint import imagined
from pbx.dialplan.recorded import recorded
from pbx.documents import loads
from pbx.errors import OperatorError
from pbx.media.values import LegStatistics, PeerReport, ReceiveCounts, SendCounts
from pbx.store import ledger as ledger_module
from pbx.store.calls import (
    CallRow,
    NoteRow,
    calls_since,
    find_call,
    forget_calls,
    routings_since,
    write_calls,
)
from pbx.store.database import MIGRATIONS, Store
from pbx.store.entries import Decided, Entry
from pbx.store.journal import RETRY_SECONDS
from pbx.store.ledger import BATCH, GATHER_SECONDS, Ledger, Retention
from tests.dialplan.calls import NOON
from tests.store.test_journal import ManualReactor

DIALPLAN = """
entry: [{from: anyone, chain: public}]
chains:
  public:
    - set: {variables: {mood: good}}
    - routing: [{to: "600", echo: {}}, {to: "1XXX", dial: user, on: {busy: {reject: 486}}}]
"""
STATISTICS = LegStatistics(
    ReceiveCounts(packets=500, octets=80_000, lost=5, jitter_ms=1.5),
    SendCounts(packets=480, octets=76_800),
    heard=PeerReport(lost=0, jitter_ms=2.5, round_trip_ms=30.0),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "pbx.db")


def generation() -> Generation:
    return compile_dialplan(loads(DIALPLAN, "test.yaml"), number=7)


def verdicts(to: str = "1001") -> list[Decided]:
    made = generation()
    first = decide_now(made.decide(imagined(to, "+31612345678", "anyone", NOON)))
    following = decide_now(made.after(first, "busy")) if to == "1001" else None
    return [Decided(first), Decided(following, "busy")] if following else [Decided(first)]


def entry(name: str = "c1", *, epoch: float = 1_000_000.0, decided: list[Decided] | None = None) -> Entry:
    record = CallRecord(name, "+31612345678", "1001", "trunk/carrier", 50.0, 51.0, 52.0, 60.0)
    record.cause, record.status, record.answered_by = "answered", 200, "user/1001"
    record.legs = [
        LegTotals("trunk/carrier", "carrier", "PCMU", STATISTICS, f"in/{name}@there"),
        LegTotals("user/1001", None, None, None, f"out-{name}"),
    ]
    record.note(Note(55.0, "user/1001", "one-way-audio", "in", 10.0))
    record.note(Note(56.0, "", "from-the-future"))
    return Entry(record, verdicts() if decided is None else decided, 7, epoch)


def names(store: Store) -> list[str]:
    return [row.id for row in calls_since(store, 0.0)]


class TestRows:
    def test_a_call_is_read_back_with_its_times_legs_and_quality(self, store: Store) -> None:
        assert write_calls(store, [entry()], recorded) == 1
        found = find_call(store, "c1")
        assert found is not None
        row, routing = found
        assert (row.started_epoch, row.progressed_epoch, row.answered_epoch, row.ended_epoch) == (
            999_990.0, 999_991.0, 999_992.0, 1_000_000.0,
        )  # fmt: skip
        assert (row.trunk, row.user, row.answered_by, row.cause, row.status, row.generation) == (
            "carrier", None, "user/1001", "answered", 200, 7,
        )  # fmt: skip
        assert row.talked_s == 8.0
        incoming, outgoing = row.legs
        assert (incoming.call_id, incoming.codec, incoming.packets_received) == ("in/c1@there", "PCMU", 500)
        assert (incoming.packets_lost, incoming.jitter_ms, incoming.round_trip_ms) == (5, 1.5, 30.0)
        assert incoming.mos is not None
        assert incoming.peer_mos is not None
        assert incoming.peer_mos > incoming.mos > 3
        assert (outgoing.packets_received, outgoing.mos) == (None, None)
        assert (incoming.worst_mos, incoming.burst_ratio, incoming.one_way_seconds) == (None, 1.0, 0.0)
        assert row.notes == (
            NoteRow(999_995.0, "user/1001", "one-way-audio", "in", 10.0),
            NoteRow(999_996.0, "", "from-the-future", "", None),
        )
        assert [note.words for note in row.notes] == [
            "what we hear: audio flows one way only, for 10 s",
            "from-the-future",
        ]
        first, second = routing["decided"]
        assert (first["outcome"], first["words"]) == ("", "dial user/1001")
        assert [visit["handler"] for visit in first["verdict"]["path"]] == ["set", "routing"]
        assert (second["outcome"], second["words"]) == ("busy", "reject 486")

    @pytest.mark.parametrize("name", ["in/c2@there", "out-c2", "c2"])
    def test_it_is_found_by_any_of_its_names(self, store: Store, name: str) -> None:
        write_calls(store, [entry("c1"), entry("c2"), entry("c3")], recorded)
        found = find_call(store, name)
        assert found is not None
        assert found[0].id == "c2"

    def test_a_name_is_text_and_never_sql(self, store: Store) -> None:
        write_calls(store, [entry("c1")], recorded)
        assert find_call(store, "' OR 1=1 --") is None

    def test_the_same_call_twice_is_written_once(self, store: Store) -> None:
        write_calls(store, [entry()], recorded)
        assert write_calls(store, [entry()], recorded) == 0
        assert names(store) == ["c1"]

    def test_a_verdict_that_cannot_be_recorded_costs_only_the_routing(self, store: Store) -> None:
        def broken(_: Verdict) -> Mapping[str, Any]:
            raise ZeroDivisionError("a handler's words")

        write_calls(store, [entry()], broken)
        found = find_call(store, "c1")
        assert found is not None
        assert found[1] == {
            "version": 1, "decided": [], "error": "ZeroDivisionError: a handler's words",
        }  # fmt: skip

    def test_a_record_that_somebody_edited_is_an_empty_one(self, store: Store) -> None:
        write_calls(store, [entry()], recorded)
        for text in ("{", "[]", '{"decided": 5}'):
            with store.transaction() as connection:
                connection.execute("UPDATE call_routing SET record = ?", (text,))
            found = find_call(store, "c1")
            assert found is not None
            assert found[1]["decided"] == []

    def test_since_and_limit(self, store: Store) -> None:
        write_calls(store, [entry(f"c{n}", epoch=1000.0 + n) for n in range(5)], recorded)
        assert [row.id for row in calls_since(store, 1003.0)] == ["c3", "c4"]
        assert [row.id for row in calls_since(store, 0.0, limit=2, newest=True)] == ["c4", "c3"]
        assert [name for name, *_ in routings_since(store, 1004.0)] == ["c4"]


class TestRetention:
    def test_the_oldest_go_first_by_number_and_by_age(self, store: Store) -> None:
        write_calls(store, [entry(f"c{n}", epoch=1000.0 + n) for n in range(10)], recorded)
        assert forget_calls(store, 1002.0, 100) == 2
        assert forget_calls(store, 0.0, 5) == 3
        assert names(store) == [f"c{n}" for n in range(5, 10)]
        with store.transaction() as connection:
            for table in ("call_leg", "call_routing"):
                assert len({row[0] for row in connection.execute(f"SELECT call FROM {table}")}) == 5

    def test_never_more_at_once_than_asked(self, store: Store) -> None:
        write_calls(store, [entry(f"c{n}") for n in range(10)], recorded)
        assert forget_calls(store, 0.0, 1, most=4) == 4
        assert names(store) == [f"c{n}" for n in range(4, 10)]


class Bench:
    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.reactor = ManualReactor()
        monkeypatch.setattr(ledger_module, "deferToThreadPool", self.reactor.defer)
        self.failures: list[OperatorError] = []
        self.store = Store(path)
        self.ledger = Ledger(
            self.store,
            self.reactor,
            recorded,
            retention=options.pop("retention", Retention(keep_s=1e9)),
            failed=self.failures.append,
            **options,
        )

    def turn(self) -> None:
        self.reactor.advance(GATHER_SECONDS)
        while self.reactor.work:
            self.reactor.run_thread()

    def stop(self) -> None:
        stopped = self.ledger.stop()
        while self.reactor.work:
            self.reactor.run_thread()
        assert stopped.called
        assert self.reactor.getDelayedCalls() == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pbx.db"


class TestLedger:
    def test_calls_are_gathered_and_written_together(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(path, monkeypatch)
        for n in range(3):
            bench.ledger.record(entry(f"c{n}"))
        assert (bench.reactor.work, bench.ledger.waiting) == ([], 3)
        bench.reactor.advance(GATHER_SECONDS)
        assert len(bench.reactor.work) == 1
        assert [each.record.id for each in bench.ledger.entries()] == ["c2", "c1", "c0"]
        bench.turn()
        assert (bench.ledger.written, bench.ledger.waiting, names(bench.store)) == (3, 0, ["c0", "c1", "c2"])
        bench.stop()

    def test_a_full_queue_loses_records_and_counts_them(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(path, monkeypatch, max_waiting=2)
        for n in range(5):
            bench.ledger.record(entry(f"c{n}"))
        assert (bench.ledger.waiting, bench.ledger.lost) == (2, 3)
        bench.turn()
        bench.ledger.record(entry("c9"))
        bench.stop()
        assert bench.ledger.written == 3

    def test_a_large_number_goes_in_batches(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = Bench(path, monkeypatch)
        for n in range(BATCH + 1):
            bench.ledger.record(entry(f"c{n}", decided=[]))
        bench.reactor.advance(GATHER_SECONDS)
        bench.reactor.run_thread()
        assert bench.ledger.written == BATCH
        bench.stop()
        assert bench.ledger.written == BATCH + 1

    def test_a_failure_is_reported_once_and_nothing_is_lost(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bench = Bench(path, monkeypatch)
        with sqlite3.connect(path) as line:
            line.execute("ALTER TABLE call_leg RENAME TO elsewhere")
        bench.ledger.record(entry("c1"))
        bench.turn()
        bench.reactor.advance(RETRY_SECONDS)
        bench.turn()
        assert (len(bench.failures), bench.ledger.waiting, bench.ledger.written) == (1, 1, 0)
        with sqlite3.connect(path) as line:
            line.execute("ALTER TABLE elsewhere RENAME TO call_leg")
        bench.reactor.advance(RETRY_SECONDS)
        bench.turn()
        assert (bench.ledger.waiting, bench.ledger.written) == (0, 1)
        bench.stop()

    def test_the_retention_is_kept_while_writing(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bench = Bench(path, monkeypatch, retention=Retention(keep_s=60.0, calls=2))
        bench.ledger.record(entry("old", epoch=1000.0))
        bench.turn()
        for n in range(3):
            bench.ledger.record(entry(f"c{n}", epoch=2000.0))
            bench.turn()
        assert names(bench.store) == ["c1", "c2"]
        bench.stop()


class TestFiles:
    def test_a_file_of_the_first_schema_is_brought_up_to_date(self, path: Path) -> None:
        Store(path, migrations=MIGRATIONS[:1]).close()
        store = Store(path)
        assert store.schema_version == len(MIGRATIONS)
        write_calls(store, [entry()], recorded)
        assert names(store) == ["c1"]
        store.close()

    def test_it_is_read_beside_the_service_that_writes_it(self, path: Path) -> None:
        writer = Store(path)
        write_calls(writer, [entry()], recorded)
        reader = Store(path, readonly=True)
        assert names(reader) == ["c1"]
        with pytest.raises(OperatorError, match="cannot be used"), reader.transaction() as connection:
            connection.execute("DELETE FROM call")
        reader.close()
        writer.close()

    def test_what_cannot_be_read_is_one_line(self, path: Path) -> None:
        with pytest.raises(OperatorError, match="there is no database"):
            Store(path, readonly=True)
        Store(path, migrations=MIGRATIONS[:1]).close()
        with pytest.raises(OperatorError, match="start the service of this version once"):
            Store(path, readonly=True)
        other = path.with_name("other.db")
        sqlite3.connect(other).execute("CREATE TABLE a (b)").connection.close()
        with pytest.raises(OperatorError, match="another program"):
            Store(other, readonly=True)


def test_a_call_that_nobody_answered_talked_no_time() -> None:
    row = CallRow("c", 1.0, None, None, 2.0, "a", "b", "users", "a", None, "", "busy", 486, 1)
    assert row.talked_s is None
    assert row._replace(answered_epoch=1.5).talked_s == 0.5
