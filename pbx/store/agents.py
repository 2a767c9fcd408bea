"""What agents have said (logged in, on a break) and what queues have counted, in the SQLite file."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from pbx.errors import OperatorError
from pbx.queues import AgentRecord, Interval, QueueRecord, Snapshot, Tally
from pbx.store.database import Store
from pbx.store.journal import Reactor, WriteBehind

Row = tuple[object, ...]
Key = tuple[str, ...]

# How long statistics by interval are kept: two days, as many as a queue keeps in memory if it is never idle.
KEEP_S = 2 * 86400

_WRITES = {
    "agent": "INSERT OR REPLACE INTO agent (name, logged_in, paused, no_answers, answered) "
    "VALUES (?, ?, ?, ?, ?)",
    "queue": "INSERT OR REPLACE INTO queue (name, closed, total) VALUES (?, ?, ?)",
    "interval": "INSERT OR REPLACE INTO queue_interval (queue, started_epoch, tally) VALUES (?, ?, ?)",
}
_FORGET = "DELETE FROM queue_interval WHERE started_epoch < ?"
_TALLY_FIELDS = frozenset(field.name for field in fields(Tally))


def rows_of(changes: Snapshot, now: float, epoch: float) -> dict[Key, Row]:
    """Changes as rows, by table and key; `epoch` is the wall clock at the monotonic time `now`."""
    rows: dict[Key, Row] = {}
    for agent in changes.agents:
        rows["agent", agent.agent] = (
            agent.agent,
            int(agent.logged_in),
            agent.paused,
            agent.no_answers,
            json.dumps(dict(agent.answered)),
        )
    for queue in changes.queues:
        rows["queue", queue.queue] = (queue.queue, int(queue.closed), _tally_json(queue.total))
        for interval in queue.intervals:
            started_epoch = round(epoch - now + interval.started_at)
            rows["interval", queue.queue, str(started_epoch)] = (
                queue.queue,
                started_epoch,
                _tally_json(interval.tally),
            )
    return rows


def write_agents(store: Store, rows: dict[Key, Row]) -> None:
    """Write rows, and forget intervals that are older than two days. Raises OperatorError."""
    newest = 0
    with store.transaction() as connection:
        for (table, *_), row in rows.items():
            connection.execute(_WRITES[table], row)
            if table == "interval" and isinstance(row[1], int):
                newest = max(newest, row[1])
        if newest:
            connection.execute(_FORGET, (newest - KEEP_S,))


def read_agents(store: Store, now: float, epoch: float) -> Snapshot:
    """What was kept, its times counted from `now`. A row that cannot be read is as if it were not there."""
    agents = [
        AgentRecord(str(name), bool(logged_in), str(paused), _whole(no_answers), _counts(str(answered)))
        for name, logged_in, paused, no_answers, answered in store.query(
            "SELECT name, logged_in, paused, no_answers, answered FROM agent ORDER BY name"
        )
    ]
    intervals: dict[str, list[Interval]] = {}
    for queue, started_epoch, tally in store.query(
        "SELECT queue, started_epoch, tally FROM queue_interval WHERE started_epoch >= ? "
        "ORDER BY started_epoch",
        round(epoch) - KEEP_S,
    ):
        started_at = now + _whole(started_epoch) - epoch
        intervals.setdefault(str(queue), []).append(Interval(started_at, _tally(str(tally))))
    queues = [
        QueueRecord(str(name), bool(closed), _tally(str(total)), tuple(intervals.get(str(name), ())))
        for name, closed, total in store.query("SELECT name, closed, total FROM queue ORDER BY name")
    ]
    return Snapshot(tuple(agents), tuple(queues))


class AgentJournal(WriteBehind[Key, Row]):
    """Keeps agents and statistics in a Store (it is the queues' AgentStorage)."""

    def __init__(self, store: Store, reactor: Reactor, *, failed: Callable[[OperatorError], None]) -> None:
        super().__init__(store, reactor, write_agents, "agents", failed)

    def record(self, changes: Snapshot, now: float, epoch: float) -> None:
        """Keep what changed; returns at once."""
        self.put(rows_of(changes, now, epoch))

    def load(self, now: float, epoch: float) -> Snapshot:
        """What was kept. Read in the calling thread, at start, before the first `record`."""
        return read_agents(self._store, now, epoch)


def _tally_json(tally: Tally) -> str:
    return json.dumps(asdict(tally))


def _tally(text: str) -> Tally:
    known = {name: value for name, value in _read(text).items() if name in _TALLY_FIELDS}
    return Tally(**known)


def _counts(text: str) -> dict[str, int]:
    return {str(queue): _whole(number) for queue, number in _read(text).items()}


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
