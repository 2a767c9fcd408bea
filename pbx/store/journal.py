"""The store's edge: rows are written behind, in a thread of their own, so SIP never waits for a disk."""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from pbx.errors import OperatorError
from pbx.registrar import Binding, BindingEvent
from pbx.store.bindings import Row as BindingRow
from pbx.store.bindings import changes_of, read_bindings, write_bindings
from pbx.store.database import Store

Key = TypeVar("Key")
Row = TypeVar("Row")

# A write that failed (a full disk) is tried again after this many seconds, with what came meanwhile.
RETRY_SECONDS = 5.0


class DelayedCall(Protocol):
    """A call to come that can be called off."""

    def cancel(self) -> None:
        """Call it off."""


class Reactor(Protocol):
    """What the journal needs of the reactor."""

    def callLater(self, delay: float, callable: Callable[..., object]) -> DelayedCall:  # noqa: N802, A002 -- Twisted's names
        """Call after `delay` seconds."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802, A002 -- Twisted's names
        """Call in the reactor's thread."""


class WriteBehind(Generic[Key, Row]):
    """Keeps rows in a Store, written by a thread of their own.

    One write is under way at a time; what is put meanwhile is merged, newest last, and goes next. The memory
    that takes is bounded by the number of keys. `failed` is told of a write that did not succeed, once until
    one succeeds again; `what` says in one word what cannot be stored.
    """

    def __init__(
        self,
        store: Store,
        reactor: Reactor,
        write: Callable[[Store, dict[Key, Row]], None],
        what: str,
        failed: Callable[[OperatorError], None],
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._write_rows = write
        self._what = what
        self._failed = failed
        self._pending: dict[Key, Row] = {}
        self._writing: Deferred[None] | None = None
        self._retry: DelayedCall | None = None
        self._healthy = True
        self._pool = ThreadPool(1, 1, name="store")
        self._pool.start()

    @property
    def pending(self) -> int:
        """How many changes wait to be written; those under way are not counted."""
        return len(self._pending)

    def put(self, rows: Mapping[Key, Row]) -> None:
        """Have these rows written soon."""
        if rows:
            self._pending.update(rows)
            if self._retry is None:
                self._write()

    def _write(self) -> None:
        if self._writing is not None or not self._pending:
            return
        changes, self._pending = self._pending, {}
        written: Deferred[None] = deferToThreadPool(
            cast("IReactorFromThreads", self._reactor), self._pool, self._write_rows, self._store, changes
        )

        def done(result: Failure | None) -> None:
            self._writing = None
            if isinstance(result, Failure):
                self._pending = changes | self._pending
                self._report(result)
                self._retry = self._reactor.callLater(RETRY_SECONDS, self._try_again)
            else:
                self._healthy = True
                self._write()

        self._writing = written
        written.addBoth(done)

    def _report(self, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, OperatorError):
            error = OperatorError(
                f"{self._what} cannot be stored", failure.type.__name__ if failure.type else ""
            )
        if self._healthy:
            self._healthy = False
            self._failed(error)

    def _try_again(self) -> None:
        self._retry = None
        self._write()

    def flush(self) -> Deferred[None]:
        """Fires when nothing waits any more, or a write has failed (and been reported)."""
        if self._retry is not None:
            self._retry.cancel()
            self._try_again()
        if self._writing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()

        def look(_: object) -> None:
            if self._writing is None:
                waiting.callback(None)
            else:
                self._writing.addBoth(look)

        self._writing.addBoth(look)
        return waiting

    def stop(self) -> Deferred[None]:
        """Write what waits, end the thread, close the file."""

        def end(_: object) -> None:
            if self._retry is not None:
                self._retry.cancel()
                self._retry = None
            self._pool.stop()
            self._store.close()

        return self.flush().addCallback(end)


class BindingJournal(WriteBehind[tuple[str, str], BindingRow | None]):
    """Keeps bindings in a Store (it is the registrar's BindingStorage)."""

    def __init__(self, store: Store, reactor: Reactor, *, failed: Callable[[OperatorError], None]) -> None:
        super().__init__(store, reactor, _write_bindings, "bindings", failed)

    def record(self, events: Sequence[BindingEvent], now: float, epoch: float) -> None:
        """Have these events written soon; `epoch` is the wall clock at the monotonic time `now`."""
        if events:
            self.put(changes_of(events, now, epoch))

    def load(self, now: float, epoch: float) -> list[Binding]:
        """What is still bound. Read in the calling thread, at start, before the first `record`."""
        return read_bindings(self._store, now, epoch)


def _write_bindings(store: Store, rows: dict[tuple[str, str], BindingRow | None]) -> None:
    write_bindings(store, rows)
