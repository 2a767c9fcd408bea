"""What finished calls tell of a queue: who came when, talked how long, and lost patience."""

from math import inf

import pytest

from pbx.store.calls import CallRow, NoteRow
from pbx.store.queue_history import queue_history

Q = "queue/q"


def row(name: str, *notes: NoteRow, ended: float = 2000.0) -> CallRow:
    return CallRow(name, 0.0, None, None, ended, "1", "2", "users", None, None, "", "", 200, 1, (), notes)


def test_who_was_answered_talks_as_long_again_and_has_waited_at_least_as_long() -> None:
    rows = [
        row("b", NoteRow(1030.0, Q, "queue-served", "", 10.0), NoteRow(1090.0, Q, "queue-handled", "", 60.0)),
        row("a", NoteRow(1005.0, Q, "queue-gave-up", "", 5.0)),
        row("c", NoteRow(1100.0, Q, "queue-served", "", 0.0), ended=1120.0),
        row("d", NoteRow(1100.0, "queue/other", "queue-gave-up", "", 1.0)),
        row("e", NoteRow(1.0, "leg", "dead-air", "")),
    ]
    a, b, c = queue_history(rows, "q", lambda: 0.0)
    assert (a.name, a.at, a.handle_s, a.patience_s) == ("a", 0.0, 0.0, 5.0)
    assert (b.name, b.at, b.handle_s, b.patience_s) == ("b", 20.0, 60.0, 10.0)
    assert (c.name, c.at, c.handle_s, c.patience_s) == ("c", 100.0, 20.0, 0.0)


def test_what_nobody_knows_is_around_the_means() -> None:
    rows = [
        row("a", NoteRow(1005.0, Q, "queue-gave-up", "", 5.0)),
        row("b", NoteRow(1030.0, Q, "queue-served", "", 15.0), NoteRow(1090.0, Q, "queue-handled", "", 60.0)),
    ]
    drawn = 1.0 - 2.718281828459045**-1
    a, b = queue_history(rows, "q", lambda: drawn)
    assert a.handle_s == pytest.approx(60.0)
    assert b.patience_s == pytest.approx(15.0 + 20.0)


def test_where_nobody_gave_up_everybody_waits() -> None:
    rows = [row("a", NoteRow(1005.0, Q, "queue-timeout", "", 5.0))]
    (a,) = queue_history(rows, "q", lambda: 0.5)
    assert (a.patience_s, a.handle_s) == (inf, 0.0)
    assert queue_history([], "q", lambda: 0.5) == []


def test_a_call_may_wait_twice() -> None:
    rows = [
        row(
            "a",
            NoteRow(1005.0, Q, "queue-timeout", "", 5.0),
            NoteRow(1009.0, Q, "queue-gave-up", "", 2.0),
        )
    ]
    assert [(each.name, each.at) for each in queue_history(rows, "q", lambda: 0.5)] == [
        ("a", 0.0),
        ("a/1", 7.0),
    ]
