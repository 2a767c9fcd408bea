"""The database file: schema, migrations, restarts, and every way in which a file can be wrong."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pbx.errors import OperatorError
from pbx.registrar import Binding, BindingAdded, BindingEvent, BindingRefreshed, BindingRemoved
from pbx.sip.flow import Flow
from pbx.sip.uri import Uri
from pbx.store.bindings import changes_of, read_bindings, write_bindings
from pbx.store.database import APPLICATION_ID, MIGRATIONS, Store

NOBODY = 65534

PHONE = Binding(
    user="1001",
    contact=Uri.parse("sip:1001@192.168.1.5:5060;ob"),
    flow=Flow("udp", ("0.0.0.0", 5060), ("198.51.100.7", 40000)),
    expires_at=700.0,
    call_id="c1@phone",
    cseq=7,
    q=0.5,
    parameters=';q=0.5;+sip.instance="<urn:uuid:1>"',
    instance="<urn:uuid:1>",
    reg_id=1,
    path=("<sip:edge1.example;lr>", "<sip:edge2.example;lr>"),
    user_agent="Desk 1.0",
)
SOFT = Binding(
    user="1002",
    contact=Uri.parse("sip:1002@[2001:db8::5]:5070;transport=tcp"),
    flow=Flow("tcp", ("::", 5060), ("2001:db8::5", 51000), 9),
    expires_at=400.0,
    call_id="c2",
    cseq=1,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pbx.db"


@contextmanager
def unprivileged() -> Iterator[None]:
    """For root every directory is writable, so root becomes nobody for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def opened_to_all(directory: Path) -> None:
    """Let nobody search the temporary directories that pytest makes for root."""
    for each in (directory, *directory.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o055)


def test_a_new_file_is_ours_private_and_in_wal_mode(path: Path) -> None:
    store = Store(path)
    assert store.schema_version == len(MIGRATIONS)
    store.close()
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_bindings_outlive_a_restart_with_the_time_that_is_left(path: Path) -> None:
    store = Store(path)
    write_bindings(store, changes_of([BindingAdded(PHONE), BindingAdded(SOFT)], now=100.0, epoch=1_000_000.0))
    store.close()
    # The machine was restarted: its monotonic clock began anew, 250 seconds of wall clock have passed.
    store = Store(path)
    phone, soft = read_bindings(store, now=5.0, epoch=1_000_250.0)
    assert phone == replace(PHONE, expires_at=5.0 + 350.0)
    assert soft == replace(SOFT, flow=replace(SOFT.flow, connection=0), expires_at=5.0 + 50.0)
    assert [each.user for each in read_bindings(store, now=55.0, epoch=1_000_300.0)] == ["1001"]
    # What had expired is deleted, not only hidden.
    assert [each.user for each in read_bindings(store, now=0.0, epoch=1_000_000.0)] == ["1001"]
    store.close()


def test_events_become_rows(path: Path) -> None:
    store = Store(path)
    moved = replace(PHONE, contact=Uri.parse("sip:1001@10.0.0.1"), expires_at=900.0)
    renamed = replace(SOFT, contact=Uri.parse("sip:1002@[2001:db8::5]:5071"))
    events: list[BindingEvent] = [BindingAdded(PHONE), BindingAdded(SOFT), BindingRefreshed(moved, PHONE)]
    write_bindings(store, changes_of(events, 0.0, 1000.0))
    write_bindings(store, changes_of([BindingRefreshed(renamed, SOFT)], 0.0, 1000.0))
    kept = {each.user: str(each.contact) for each in read_bindings(store, 0.0, 1000.0)}
    assert kept == {"1001": "sip:1001@10.0.0.1", "1002": "sip:1002@[2001:db8::5]:5071"}
    write_bindings(store, changes_of([BindingRemoved(moved, "removed"), BindingAdded(moved)], 0.0, 1000.0))
    write_bindings(store, changes_of([BindingRemoved(renamed, "expired")], 0.0, 1000.0))
    write_bindings(store, {})
    assert [each.user for each in read_bindings(store, 0.0, 1000.0)] == ["1001"]
    store.close()


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    store = Store(path)
    changes = changes_of([BindingAdded(PHONE)], 0.0, 1000.0)
    with pytest.raises(OperatorError):
        write_bindings(store, {**changes, ("x", "y"): ("too", "short")})
    assert read_bindings(store, 0.0, 1000.0) == []
    write_bindings(store, changes)

    def fail_half_way() -> None:
        with store.transaction() as connection:
            connection.execute("DELETE FROM binding")
            raise LookupError

    with pytest.raises(LookupError):
        fail_half_way()
    assert len(read_bindings(store, 0.0, 1000.0)) == 1
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "contact = 'not a uri'",
        "contact = 'sip:elsewhere@192.0.2.1', reg_id = 0",
        "path = 'not json'",
        "path = '7'",
        "transport = 'pigeon'",
        "cseq = 'x'",
        "contact = x'00ff'",
        "q = 'x'",
    ],
)
def test_rows_that_nobody_can_read_are_dropped(path: Path, damage: str) -> None:
    store = Store(path)
    write_bindings(store, changes_of([BindingAdded(PHONE), BindingAdded(SOFT)], 0.0, 1000.0))
    with store.transaction() as connection:
        connection.execute(f"UPDATE binding SET {damage} WHERE user = '1001'")
    assert [each.user for each in read_bindings(store, 0.0, 1000.0)] == ["1002"]
    with store.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM binding").fetchone() == (1,)
    store.close()


def test_migrations_run_once_each_and_in_order(path: Path) -> None:
    Store(path).close()
    more = (*MIGRATIONS, ("CREATE TABLE two (x)",), ("INSERT INTO two VALUES (3)",))
    for _ in range(2):
        store = Store(path, migrations=more)
        assert store.schema_version == len(more)
        with store.transaction() as connection:
            assert connection.execute("SELECT x FROM two").fetchall() == [(3,)]
        store.close()


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path) -> None:
    broken = (*MIGRATIONS, ("CREATE TABLE two (x)", "nonsense"))
    with pytest.raises(OperatorError):
        Store(path, migrations=broken)
    store = Store(path)
    assert store.schema_version == len(MIGRATIONS)
    with store.transaction() as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'two'").fetchone() == (0,)
    store.close()


def refused(path: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        Store(path)
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    return text


def test_a_newer_schema_is_refused(path: Path) -> None:
    Store(path, migrations=(*MIGRATIONS, ("CREATE TABLE two (x)",))).close()
    assert "newer" in refused(path)


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE theirs (x)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"]
)
def test_another_program_s_database_is_refused_and_left_alone(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    assert "another program" in refused(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"dear diary, " * 200)
    assert "move it away" in refused(path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    assert f"create the directory {tmp_path / 'nowhere'}" in refused(tmp_path / "nowhere" / "pbx.db")


def test_a_read_only_directory_is_one_line(tmp_path: Path) -> None:
    opened_to_all(tmp_path)
    directory = tmp_path / "var"
    directory.mkdir(mode=0o555)
    with unprivileged():
        text = refused(directory / "pbx.db")
    assert f"make {directory} writable" in text


def test_a_file_that_cannot_be_written_is_found_at_start(tmp_path: Path) -> None:
    opened_to_all(tmp_path)
    directory = tmp_path / "var"
    directory.mkdir()
    path = directory / "pbx.db"
    Store(path).close()
    path.chmod(0o444)
    directory.chmod(0o555)
    with unprivileged():
        text = refused(path)
    assert "writable" in text


def test_a_locked_file_is_explained(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.store.database._BUSY_SECONDS", 0.0)
    store = Store(path)
    other = Store(path)
    with store.transaction(), pytest.raises(OperatorError, match="locked"), other.transaction():
        pass
    store.close()
    other.close()
