"""Writing behind: one write at a time, merged changes, failures reported once and tried again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock

from pbx.errors import OperatorError
from pbx.registrar import BindingAdded, BindingRefreshed, BindingRemoved, BindingStorage
from pbx.store import journal as journal_module
from pbx.store.bindings import Changes, read_bindings, write_bindings
from pbx.store.database import Store
from pbx.store.journal import RETRY_SECONDS, BindingJournal
from tests.store.test_store import PHONE, SOFT


class ManualReactor(Clock):
    """Threads of the test's own making: work waits until `run_thread` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.work: list[tuple[Deferred[None], Callable[[], None]]] = []

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802, A002 -- Twisted's names
        callable(*args)

    def defer(
        self, _reactor: object, _pool: object, function: Callable[..., None], *args: object
    ) -> Deferred[None]:
        deferred: Deferred[None] = Deferred()
        self.work.append((deferred, lambda: function(*args)))
        return deferred

    def run_thread(self) -> None:
        deferred, function = self.work.pop(0)
        try:
            function()
        except Exception:  # noqa: BLE001 -- as deferToThreadPool does
            deferred.errback()
        else:
            deferred.callback(None)


class Bench:
    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reactor = ManualReactor()
        monkeypatch.setattr(journal_module, "deferToThreadPool", self.reactor.defer)
        self.failures: list[OperatorError] = []
        self.store = Store(path)
        self.journal = BindingJournal(self.store, self.reactor, failed=self.failures.append)
        self.storage: BindingStorage = self.journal

    def users(self) -> list[str]:
        return [each.user for each in read_bindings(self.store, 0.0, 1000.0)]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "pbx.db", monkeypatch)


def stop(bench: Bench) -> None:
    stopped = bench.journal.stop()
    while bench.reactor.work:
        bench.reactor.run_thread()
    assert stopped.called
    assert bench.reactor.getDelayedCalls() == []


def test_changes_are_merged_while_a_write_is_under_way(bench: Bench) -> None:
    bench.storage.record([BindingAdded(PHONE)], 0.0, 1000.0)
    bench.storage.record([BindingAdded(SOFT)], 0.0, 1000.0)
    bench.storage.record([BindingRefreshed(replace(SOFT, cseq=2), SOFT)], 0.0, 1000.0)
    bench.storage.record([BindingRemoved(PHONE, "removed")], 0.0, 1000.0)
    bench.storage.record([], 0.0, 1000.0)
    assert (len(bench.reactor.work), bench.journal.pending) == (1, 2)
    bench.reactor.run_thread()
    assert bench.users() == ["1001"]
    assert (len(bench.reactor.work), bench.journal.pending) == (1, 0)
    bench.reactor.run_thread()
    (soft,) = bench.journal.load(0.0, 1000.0)
    assert (soft.user, soft.cseq) == ("1002", 2)
    assert bench.reactor.work == []
    stop(bench)


def test_a_failed_write_is_told_once_and_tried_again_with_what_came_since(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_store: Store, _changes: Changes) -> None:
        raise OperatorError("the disk is full")

    monkeypatch.setattr(journal_module, "write_bindings", full)
    bench.storage.record([BindingAdded(PHONE), BindingAdded(SOFT)], 0.0, 1000.0)
    bench.reactor.run_thread()
    assert len(bench.failures) == 1
    bench.storage.record([BindingRemoved(SOFT, "expired")], 0.0, 1000.0)
    assert bench.reactor.work == []
    bench.reactor.advance(RETRY_SECONDS)
    bench.reactor.run_thread()
    assert len(bench.failures) == 1
    monkeypatch.setattr(journal_module, "write_bindings", write_bindings)
    bench.reactor.advance(RETRY_SECONDS)
    bench.reactor.run_thread()
    assert bench.users() == ["1001"]
    stop(bench)


def test_an_unforeseen_fault_is_reported_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_store: Store, _changes: Changes) -> None:
        raise ValueError

    monkeypatch.setattr(journal_module, "write_bindings", broken)
    bench.storage.record([BindingAdded(PHONE)], 0.0, 1000.0)
    bench.reactor.run_thread()
    assert "ValueError" in str(bench.failures[0])
    stop(bench)


def test_flush_waits_for_all_that_was_recorded(bench: Bench) -> None:
    assert bench.journal.flush().called
    bench.storage.record([BindingAdded(PHONE)], 0.0, 1000.0)
    bench.storage.record([BindingAdded(SOFT)], 0.0, 1000.0)
    fired: list[object] = []
    bench.journal.flush().addCallback(fired.append)
    bench.reactor.run_thread()
    assert fired == []
    bench.reactor.run_thread()
    assert fired == [None]
    assert sorted(bench.users()) == ["1001", "1002"]
    stop(bench)


def test_with_the_real_reactor_and_its_thread(tmp_path: Path) -> Deferred[None]:
    from twisted.internet import reactor  # noqa: TID251 -- the edge itself is tested here

    async def run() -> None:
        failures: list[OperatorError] = []
        journal = BindingJournal(Store(tmp_path / "pbx.db"), reactor, failed=failures.append)
        for number in range(20):
            journal.record([BindingAdded(replace(PHONE, user=str(number)))], 0.0, 1000.0)
        await journal.flush()
        assert len(journal.load(0.0, 1000.0)) == 20
        journal.record([BindingRemoved(replace(PHONE, user="7"), "removed")], 0.0, 1000.0)
        await journal.stop()
        assert failures == []
        store = Store(tmp_path / "pbx.db")
        assert len(read_bindings(store, 0.0, 1000.0)) == 19
        store.close()

    return ensureDeferred(run())
