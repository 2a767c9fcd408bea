"""The SQLite file: opening, its schema and its migrations. Synchronous; one thread at a time uses it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pbx.errors import OperatorError

# "pbx" and a zero octet: tells our file from another program's (PRAGMA application_id).
APPLICATION_ID = 0x70627800

# One entry for each version of the schema, each a list of statements; entries are added, never changed.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE binding (
            user TEXT NOT NULL,
            key TEXT NOT NULL,
            contact TEXT NOT NULL,
            parameters TEXT NOT NULL,
            q REAL NOT NULL,
            instance TEXT NOT NULL,
            reg_id INTEGER NOT NULL,
            path TEXT NOT NULL,
            transport TEXT NOT NULL,
            local_host TEXT NOT NULL,
            local_port INTEGER NOT NULL,
            remote_host TEXT NOT NULL,
            remote_port INTEGER NOT NULL,
            call_id TEXT NOT NULL,
            cseq INTEGER NOT NULL,
            user_agent TEXT NOT NULL,
            expires_epoch REAL NOT NULL,
            PRIMARY KEY (user, key)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX binding_expires ON binding (expires_epoch)",
    ),
    (
        """
        CREATE TABLE call (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            started_epoch REAL NOT NULL,
            progressed_epoch REAL,
            answered_epoch REAL,
            ended_epoch REAL NOT NULL,
            caller TEXT NOT NULL,
            called TEXT NOT NULL,
            source TEXT NOT NULL,
            user TEXT,
            trunk TEXT,
            answered_by TEXT NOT NULL,
            cause TEXT NOT NULL,
            status INTEGER NOT NULL,
            generation INTEGER NOT NULL
        )
        """,
        "CREATE INDEX call_ended ON call (ended_epoch)",
        """
        CREATE TABLE call_leg (
            call INTEGER NOT NULL,
            position INTEGER NOT NULL,
            call_id TEXT NOT NULL,
            label TEXT NOT NULL,
            trunk TEXT,
            codec TEXT,
            packets_received INTEGER,
            packets_sent INTEGER,
            packets_lost INTEGER,
            jitter_ms REAL,
            mos REAL,
            peer_packets_lost INTEGER,
            peer_jitter_ms REAL,
            peer_mos REAL,
            round_trip_ms REAL,
            PRIMARY KEY (call, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX call_leg_call_id ON call_leg (call_id)",
        "CREATE TABLE call_routing (call INTEGER PRIMARY KEY, record TEXT NOT NULL)",
    ),
    (
        """
        CREATE TABLE agent (
            name TEXT PRIMARY KEY,
            logged_in INTEGER NOT NULL,
            paused TEXT NOT NULL,
            no_answers INTEGER NOT NULL,
            answered TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE queue (
            name TEXT PRIMARY KEY, closed INTEGER NOT NULL, total TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE queue_interval (
            queue TEXT NOT NULL,
            started_epoch INTEGER NOT NULL,
            tally TEXT NOT NULL,
            PRIMARY KEY (queue, started_epoch)
        ) WITHOUT ROWID
        """,
    ),
    (
        "ALTER TABLE call_leg ADD COLUMN worst_mos REAL",
        "ALTER TABLE call_leg ADD COLUMN peer_worst_mos REAL",
        "ALTER TABLE call_leg ADD COLUMN burst_ratio REAL",
        "ALTER TABLE call_leg ADD COLUMN one_way_seconds REAL",
        "ALTER TABLE call_leg ADD COLUMN dead_air_seconds REAL",
        """
        CREATE TABLE call_note (
            call INTEGER NOT NULL,
            position INTEGER NOT NULL,
            noted_epoch REAL NOT NULL,
            label TEXT NOT NULL,
            kind TEXT NOT NULL,
            direction TEXT NOT NULL,
            value REAL,
            PRIMARY KEY (call, position)
        ) WITHOUT ROWID
        """,
    ),
)

_BUSY_SECONDS = 5.0


class Store:
    """An open database. Every failure is an OperatorError of one line that names the file."""

    def __init__(
        self, path: Path, *, migrations: Sequence[Sequence[str]] = MIGRATIONS, readonly: bool = False
    ) -> None:
        """Open or create the file, and bring its schema up to date. The directory must exist.

        With `readonly` a file that is there is opened to be looked at, also beside a service that writes it.
        """
        self.path = path
        if readonly:
            self._connection = self._look(migrations)
            return
        self._create()
        with self._explained():
            # The thread that writes is not the one that opens: `check_same_thread` would refuse that.
            connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        self._connection = connection
        try:
            with self._explained():
                self._prepare(migrations)
        except OperatorError:
            connection.close()
            raise

    def _look(self, migrations: Sequence[Sequence[str]]) -> sqlite3.Connection:
        if not self.path.is_file():
            raise OperatorError(f"there is no database {self.path} yet", "it is made when the service starts")
        with self._explained():
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        self._connection = connection
        try:
            with self._explained():
                version, application = self._pragma("user_version"), self._pragma("application_id")
            if application != APPLICATION_ID:
                raise OperatorError(
                    f"{self.path} is a database of another program", "name another file as `store`"
                )
            if version != len(migrations):
                raise OperatorError(
                    f"{self.path} has schema {version}, this pbx reads {len(migrations)}",
                    "start the service of this version once"
                    if version < len(migrations)
                    else "use the pbx that wrote it",
                )
        except OperatorError:
            connection.close()
            raise
        return connection

    def query(self, statement: str, *values: object) -> Iterator[tuple[object, ...]]:
        """The rows of a SELECT, read as they are asked for. Raises OperatorError."""
        with self._explained():
            yield from self._connection.execute(statement, values)

    def _create(self) -> None:
        # SQLite itself would make the file readable for everybody; what is in it is nobody else's affair.
        try:
            if not self.path.exists():
                self.path.touch(mode=0o600)
        except OSError as error:
            directory = self.path.parent
            advice = (
                f"make {directory} writable for the user that runs pbx ({error.strerror})"
                if directory.is_dir()
                else f"create the directory {directory}"
            )
            raise OperatorError(f"the database {self.path} cannot be used", advice) from error

    def _prepare(self, migrations: Sequence[Sequence[str]]) -> None:
        execute = self._connection.execute
        version = self._pragma("user_version")
        application = self._pragma("application_id")
        tables = execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application != APPLICATION_ID and (tables or version or application):
            raise OperatorError(
                f"{self.path} is a database of another program", "name another file as `store`"
            )
        if version > len(migrations):
            raise OperatorError(
                f"{self.path} was written by a newer pbx (schema {version}, here {len(migrations)})",
                "run that version, or name another file as `store`",
            )
        execute("PRAGMA journal_mode = WAL")
        # With WAL this loses at most the last moments at a power cut, and never the file.
        execute("PRAGMA synchronous = NORMAL")
        if version == len(migrations):
            # An old file may have become unwritable: find out now, not at the first registration.
            with self.transaction():
                execute(f"PRAGMA user_version = {version}")
            return
        for number, statements in enumerate(migrations[version:], version + 1):
            with self.transaction():
                for statement in statements:
                    execute(statement)
                execute(f"PRAGMA application_id = {APPLICATION_ID}")
                execute(f"PRAGMA user_version = {number}")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    @property
    def schema_version(self) -> int:
        """The version of the schema in the file."""
        return self._pragma("user_version")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is done inside, or nothing. Raises OperatorError."""
        with self._explained():
            connection = self._connection
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                # After some faults (a full disk) SQLite has rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OperatorError(
                f"the database {self.path} cannot be used", _advice(error, self.path)
            ) from error

    def close(self) -> None:
        """Close the file; a second time is no error."""
        self._connection.close()


def _advice(error: sqlite3.Error, path: Path) -> str:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return f"make {path.parent} and the file writable for the user that runs pbx"
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return "another program holds it locked; stop that one first"
    if primary in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return "it is damaged or no SQLite file; move it away and start again"
    if primary == sqlite3.SQLITE_FULL:
        return "the disk is full; make room"
    return str(error)
