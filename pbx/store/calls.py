"""Finished calls as rows: what happened, what each leg's media came to, and how the call was routed.

Here monotonic times become wall-clock times, and decisions become JSON; in the ledger's thread, not where
messages are handled.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

from pydantic_core import to_json

from pbx.call.quality_events import QualityTotals, alarm_words
from pbx.call.record import CallRecord, LegTotals
from pbx.dialplan.decisions import Dial, Queue, Reject
from pbx.dialplan.generation import Verdict
from pbx.dialplan.outside import answer_json, answers_of
from pbx.dialplan.words import said
from pbx.store.database import Store
from pbx.store.entries import Decided, Entry

ROUTING_VERSION = 1
"""The version of the JSON that says how a call was routed."""

Recorded = Callable[[Verdict], Mapping[str, Any]]
"""Makes plain values of a verdict."""


class LegRow(NamedTuple):
    """One leg of a finished call, by column; None was not measured. `peer_…` is what the peer says it heard.

    `worst_mos` is of its worst interval, `burst_ratio` 1 when loss came at random (G.107 §7.5).
    """

    call_id: str
    label: str
    trunk: str | None = None
    codec: str | None = None
    packets_received: int | None = None
    packets_sent: int | None = None
    packets_lost: int | None = None
    jitter_ms: float | None = None
    mos: float | None = None
    peer_packets_lost: int | None = None
    peer_jitter_ms: float | None = None
    peer_mos: float | None = None
    round_trip_ms: float | None = None
    worst_mos: float | None = None
    peer_worst_mos: float | None = None
    burst_ratio: float | None = None
    one_way_seconds: float | None = None
    dead_air_seconds: float | None = None


class NoteRow(NamedTuple):
    """Something that was noted about a leg, or with an empty label about the call (pbx.call.record.Note)."""

    noted_epoch: float
    label: str
    kind: str
    direction: str
    value: float | None = None

    @property
    def words(self) -> str:
        """What it is, for a person."""
        return alarm_words(self.kind, self.direction, self.value)


class CallRow(NamedTuple):
    """One finished call, by column; times are seconds since 1970, `answered_epoch` None without an answer."""

    id: str
    started_epoch: float
    progressed_epoch: float | None
    answered_epoch: float | None
    ended_epoch: float
    caller: str
    called: str
    source: str
    user: str | None
    trunk: str | None
    answered_by: str
    cause: str
    status: int
    generation: int
    legs: tuple[LegRow, ...] = ()
    notes: tuple[NoteRow, ...] = ()

    @property
    def talked_s(self) -> float | None:
        """From the answer to the end."""
        return None if self.answered_epoch is None else self.ended_epoch - self.answered_epoch


_CALL = CallRow._fields[:-2]
_LEG = LegRow._fields

# The texts are our own literals.
_INSERT_CALL = f"INSERT OR IGNORE INTO call ({', '.join(_CALL)}) VALUES ({', '.join('?' * len(_CALL))})"  # noqa: S608 -- as said
_INSERT_NOTE = (
    "INSERT INTO call_note (call, position, noted_epoch, label, kind, direction, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_ROUTING = "INSERT INTO call_routing (call, record) VALUES (?, ?)"
_TABLES = (("call_routing", "call"), ("call_leg", "call"), ("call_note", "call"), ("call", "number"))
_SELECT_CALL = f"SELECT number, {', '.join(_CALL)} FROM call"  # noqa: S608 -- as said
_SELECT_LEGS = f"SELECT {', '.join(_LEG)} FROM call_leg WHERE call = ? ORDER BY position"  # noqa: S608 -- as said
_SELECT_NOTES = (
    "SELECT noted_epoch, label, kind, direction, value FROM call_note WHERE call = ? ORDER BY position"
)


def row_of(entry: Entry) -> CallRow:
    """The row of a finished call."""
    record = entry.record
    ended_at = record.started_at if record.ended_at is None else record.ended_at
    # The entry was made at the end of the call.
    offset = entry.epoch - ended_at
    kind, _, trunk = record.source.partition("/")
    return CallRow(
        record.id,
        record.started_at + offset,
        None if record.progressed_at is None else record.progressed_at + offset,
        None if record.answered_at is None else record.answered_at + offset,
        entry.epoch,
        record.caller,
        record.called,
        record.source,
        _user(record, entry.decided),
        trunk if kind == "trunk" else None,
        record.answered_by,
        record.cause or "",
        record.status,
        entry.generation,
        tuple(_leg_row(leg) for leg in record.legs),
        tuple(
            NoteRow(note.at + offset, note.label, note.kind, note.direction, note.value)
            for note in record.notes
        ),
    )


def _user(record: CallRecord, decided: Sequence[Decided]) -> str | None:
    verdict = decided[0].verdict if decided else None
    if verdict is not None:
        return verdict.call.user
    return record.caller if record.source == "users" else None


def _leg_row(leg: LegTotals) -> LegRow:
    statistics = leg.statistics
    if statistics is None:
        return LegRow(leg.call_id, leg.label, leg.trunk, leg.codec)
    received, sent, heard = statistics.received, statistics.sent, statistics.heard
    quality = leg.quality or QualityTotals()
    return LegRow(
        leg.call_id,
        leg.label,
        leg.trunk,
        leg.codec,
        received.packets,
        sent.packets,
        received.lost,
        received.jitter_ms,
        _rounded(quality.heard.mos),
        heard.lost,
        heard.jitter_ms,
        _rounded(quality.said.mos),
        heard.round_trip_ms,
        _rounded(quality.heard.worst_mos),
        _rounded(quality.said.worst_mos),
        _rounded(quality.heard.burst_ratio),
        _rounded(quality.one_way_s, 1),
        _rounded(quality.dead_air_s, 1),
    )


def _rounded(value: float | None, digits: int = 2) -> float | None:
    return round(value, digits) if value else value


def in_words(verdict: Verdict) -> str:
    """What a verdict comes to, in words that are the same exactly when the call goes the same way.

    What would follow an outcome is left out: what did follow is a verdict of its own.
    """
    decision = verdict.decision
    if isinstance(decision, Dial | Queue) and decision.on:
        decision = replace(decision, on={})
    words = said(decision)
    if isinstance(decision, Reject) and decision.retry_after is not None:
        words += f", again after {decision.retry_after} s"
    if isinstance(decision, Dial | Queue):
        call = verdict.call
        shown = call.shown
        if shown is not None:
            words += f" as {'nobody' if shown.hidden else f'{shown.name} {shown.number}'.strip()}"
        if call.record is not None:
            words += f", recorded ({call.record.what})"
        if call.sent_headers:
            words += ", with " + ", ".join(f"{name}: {value}" for name, value in call.sent_headers)
    return words


def routing_of(decided: Iterable[Decided], recorded: Recorded) -> dict[str, Any]:
    """How a call was routed, as plain values: {"version", "decided": [{…}]}.

    Each decision has `outcome` (empty for the first) and `digits`, and of what was decided `words`, `verdict`
    (what `recorded` makes of it) and `answers` (of plugins and web services, by what they were asked); or
    nulls when the dialplan says nothing about the outcome.
    """
    return {
        "version": ROUTING_VERSION,
        "decided": [
            {
                "outcome": each.outcome,
                "digits": each.digits,
                "words": None if each.verdict is None else in_words(each.verdict),
                "verdict": None if each.verdict is None else recorded(each.verdict),
                "answers": {} if each.verdict is None else _answers(each.verdict),
            }
            for each in decided
        ],
    }


def _answers(verdict: Verdict) -> dict[str, Any]:
    return {question: answer_json(answer) for question, answer in answers_of(verdict.path).items()}


def write_calls(store: Store, entries: Iterable[Entry], recorded: Recorded) -> int:
    """Write finished calls, all or none, and give how many; one of a known id is passed over.

    Raises OperatorError.
    """
    rows = [(row_of(entry), _routing_text(entry.decided, recorded)) for entry in entries]
    # By their columns: to say NULL by leaving a column out costs less than to bind it.
    legs: defaultdict[tuple[str, ...], list[tuple[object, ...]]] = defaultdict(list)
    notes: list[tuple[object, ...]] = []
    routings: list[tuple[object, ...]] = []
    with store.transaction() as connection:
        for row, routing in rows:
            cursor = connection.execute(_INSERT_CALL, row[: len(_CALL)])
            if cursor.rowcount:
                number = cursor.lastrowid
                for at, leg in enumerate(row.legs):
                    known = [index for index, value in enumerate(leg) if value is not None]
                    legs[tuple([_LEG[index] for index in known])].append(
                        (number, at, *[leg[index] for index in known])
                    )
                notes += [(number, at, *note) for at, note in enumerate(row.notes)]
                routings.append((number, routing))
        for columns, values in legs.items():
            connection.executemany(_insert_leg(columns), values)
        connection.executemany(_INSERT_NOTE, notes)
        connection.executemany(_INSERT_ROUTING, routings)
    return len(routings)


def _insert_leg(columns: Sequence[str]) -> str:
    marks = ", ".join("?" * (len(columns) + 2))
    return f"INSERT INTO call_leg (call, position, {', '.join(columns)}) VALUES ({marks})"  # noqa: S608 -- the names are our own literals


def _routing_text(decided: Sequence[Decided], recorded: Recorded) -> str:
    try:
        routing = routing_of(decided, recorded)
    except Exception as error:  # noqa: BLE001 -- a handler's words are anybody's code, and the call is kept
        routing = {"version": ROUTING_VERSION, "decided": [], "error": f"{type(error).__name__}: {error}"}
    # A third of what the standard library takes.
    return to_json(routing, serialize_unknown=True).decode()


def forget_calls(store: Store, before_epoch: float, keep: int, most: int = 500) -> int:
    """Delete the oldest calls: those that ended before `before_epoch`, and those beyond the newest `keep`.

    At most so many of them at once, so that a writer never waits long; gives how many. Raises OperatorError.
    """
    with store.transaction() as connection:
        newest = connection.execute("SELECT max(number) FROM call").fetchone()[0] or 0
        gone = connection.execute(
            "SELECT number FROM call WHERE number <= ? OR ended_epoch < ? ORDER BY number LIMIT ?",
            (newest - keep, before_epoch, most),
        ).fetchall()
        for table, column in _TABLES:
            connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)  # noqa: S608 -- our own literals
    return len(gone)


def find_call(store: Store, name: str) -> tuple[CallRow, dict[str, Any]] | None:
    """The newest finished call with this id, or with a leg of this Call-ID, and its routing.

    Raises OperatorError.
    """
    where = " WHERE id = ? OR number IN (SELECT call FROM call_leg WHERE call_id = ?) ORDER BY number DESC"
    for row in store.query(_SELECT_CALL + where + " LIMIT 1", name, name):
        return _call_row(store, row), _routing(store, row[0])
    return None


def calls_since(store: Store, epoch: float, *, limit: int = -1, newest: bool = False) -> Iterator[CallRow]:
    """Calls that ended at `epoch` or later: the oldest first, or the newest. Raises OperatorError."""
    order = "DESC" if newest else "ASC"
    rows = store.query(
        _SELECT_CALL + f" WHERE ended_epoch >= ? ORDER BY ended_epoch {order} LIMIT ?", epoch, limit
    )
    for row in rows:
        yield _call_row(store, row)


def routings_since(store: Store, epoch: float) -> Iterator[tuple[str, float, dict[str, Any]]]:
    """Id, start and routing of each call that ended since `epoch`, oldest first; raises OperatorError."""
    statement = (
        "SELECT id, started_epoch, record FROM call JOIN call_routing ON call_routing.call = call.number"
        " WHERE ended_epoch >= ? ORDER BY ended_epoch"
    )
    for id_, started, text in store.query(statement, epoch):
        yield str(id_), float(str(started)), _parsed(text)


def _call_row(store: Store, row: Sequence[Any]) -> CallRow:
    number, *values = row
    legs = tuple(LegRow(*cast("Any", leg)) for leg in store.query(_SELECT_LEGS, number))
    fields: dict[str, Any] = dict(zip(_CALL, values, strict=True))
    notes = tuple(NoteRow(*cast("Any", note)) for note in store.query(_SELECT_NOTES, number))
    return CallRow(**fields, legs=legs, notes=notes)


def _routing(store: Store, number: object) -> dict[str, Any]:
    for (text,) in store.query("SELECT record FROM call_routing WHERE call = ?", number):
        return _parsed(text)
    return {"version": ROUTING_VERSION, "decided": []}


def _parsed(text: object) -> dict[str, Any]:
    """A routing read back; an empty one when somebody edited the file."""
    try:
        value = json.loads(str(text))
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("decided"), list):
        return value
    return {"version": ROUTING_VERSION, "decided": []}
