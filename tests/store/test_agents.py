"""Agents and statistics in the file: what is written is read again, counted from another clock."""

from pathlib import Path

import pytest

from pbx.queues import AgentRecord, Interval, Member, QueueRecord, Queues, QueueSettings, Snapshot, Tally
from pbx.store.agents import KEEP_S, read_agents, rows_of, write_agents
from pbx.store.database import Store

EPOCH = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pbx.db"


def kept(path: Path, changes: Snapshot, now: float, epoch: float) -> None:
    store = Store(path)
    write_agents(store, rows_of(changes, now, epoch))
    store.close()


def read(path: Path, now: float, epoch: float) -> Snapshot:
    store = Store(path)
    try:
        return read_agents(store, now, epoch)
    finally:
        store.close()


def test_what_is_written_is_read(path: Path) -> None:
    tally = Tally(3, 2, 1, wait_s=4.5, refused={"full": 2}, overflowed={"timeout": 1})
    written = Snapshot(
        (AgentRecord("1001", False, "lunch", 2, {"q": 7}), AgentRecord("trunk/c/+31", True, "", 0, {})),
        (QueueRecord("q", True, tally, (Interval(100.0, Tally(1)), Interval(1000.0, tally))),),
    )
    kept(path, written, 1500.0, EPOCH + 1500)
    # Another process, a minute later, whose clock began elsewhere.
    found = read(path, 20.0, EPOCH + 1560)
    assert found.agents == written.agents
    assert found.queues == (
        QueueRecord("q", True, tally, (Interval(-1440.0, Tally(1)), Interval(-540.0, tally))),
    )


def test_the_latest_word_counts(path: Path) -> None:
    for logged_in in (True, False):
        kept(path, Snapshot((AgentRecord("1001", logged_in, "", 0, {}),)), 0.0, EPOCH)
    assert [each.logged_in for each in read(path, 0.0, EPOCH).agents] == [False]


def test_old_intervals_are_forgotten(path: Path) -> None:
    for at in (0.0, KEEP_S + 900.0):
        kept(
            path,
            Snapshot((), (QueueRecord("q", False, Tally(1), (Interval(at, Tally(1)),)),)),
            at,
            EPOCH + at,
        )
    (queue,) = read(path, KEEP_S + 900.0, EPOCH + KEEP_S + 900).queues
    assert [each.started_at for each in queue.intervals] == [KEEP_S + 900.0]


def test_what_cannot_be_read_is_as_if_it_were_not_there(path: Path) -> None:
    kept(
        path,
        Snapshot((AgentRecord("1001", True, "", 0, {"q": 1}),), (QueueRecord("q", False, Tally(), ()),)),
        0,
        0,
    )
    store = Store(path)
    with store.transaction() as connection:
        connection.execute("UPDATE agent SET answered = '[broken'")
        connection.execute("""UPDATE queue SET total = '{"joined": 4, "of_another_version": 5}'""")
    store.close()
    found = read(path, 0.0, 0.0)
    assert found.agents[0].answered == {}
    assert found.queues[0].total == Tally(4)


def test_queues_go_on_from_the_file(path: Path) -> None:
    settings = QueueSettings("q", (Member("a"), Member("b")))
    queues = Queues([settings], lambda _: 0)
    queues.join("c1", "q", 10.0)
    queues.join("c2", "q", 10.0)
    queues.log_out("b", 11.0)
    kept(path, queues.changes(), 12.0, EPOCH)
    again = Queues([settings], lambda _: 0, now=5000.0)
    again.restore(read(path, 5000.0, EPOCH + 60), 5000.0)
    assert [each.state for each in again.agents()] == ["available", "offline"]
    assert again.callers() == ()
    again.join("c3", "q", 5001.0)
    assert again.statistics("q").joined == 3
    assert sum(each.tally.joined for each in again.intervals("q")) == 3
