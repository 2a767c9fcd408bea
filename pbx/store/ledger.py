"""The ledger's edge: finished calls are written behind, in batches, by a thread of their own."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from pbx.errors import OperatorError
from pbx.store.calls import Recorded, forget_calls, write_calls
from pbx.store.database import Store
from pbx.store.entries import Entry
from pbx.store.journal import RETRY_SECONDS, DelayedCall, Reactor

# How long the first call of a batch waits for others, and how many are written at once: few enough that the
# thread which makes their JSON never holds up signalling noticeably.
GATHER_SECONDS = 0.25
BATCH = 100
# Calls that may wait to be written; those that end beyond are lost to the ledger, and counted.
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Calls are kept for so long after their end, and at most so many."""

    keep_s: float = 30 * 86400.0
    calls: int = 1_000_000


class Ledger:
    """Keeps finished calls in a Store. `record` costs an append; nothing ever waits for the disk.

    `failed` is told of a write that did not succeed, once until one succeeds again. `lost` counts calls that
    found the queue full, `written` those in the file.
    """

    def __init__(
        self,
        store: Store,
        reactor: Reactor,
        recorded: Recorded,
        *,
        retention: Retention,
        failed: Callable[[OperatorError], None],
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._store = store
        self._reactor = reactor
        self._recorded = recorded
        self._retention = retention
        self._failed = failed
        self._max_waiting = max_waiting
        self._waiting: deque[Entry] = deque()
        self._under_way: list[Entry] = []
        self._writing: Deferred[None] | None = None
        self._due: DelayedCall | None = None
        self._healthy = True
        self._stopping = False
        self.lost = 0
        self.written = 0
        self._pool = ThreadPool(1, 1, name="ledger")
        self._pool.start()

    @property
    def waiting(self) -> int:
        """How many calls are not in the file yet."""
        return len(self._waiting) + len(self._under_way)

    def record(self, entry: Entry) -> None:
        """Have a finished call written soon."""
        if self.waiting >= self._max_waiting:
            self.lost += 1
            return
        self._waiting.append(entry)
        if self._due is None and self._writing is None:
            self._due = self._reactor.callLater(GATHER_SECONDS, self._write)

    def entries(self) -> Iterator[Entry]:
        """The calls that are not in the file yet, the newest first."""
        yield from reversed(self._waiting)
        yield from reversed(self._under_way)

    def _write(self) -> None:
        self._due = None
        if self._writing is not None or not self._waiting:
            return
        batch = list(islice(self._waiting, BATCH))
        for _ in batch:
            self._waiting.popleft()
        self._under_way = batch
        epoch = batch[-1].epoch
        written: Deferred[None] = deferToThreadPool(
            cast("IReactorFromThreads", self._reactor),
            self._pool,
            self._write_batch,
            batch,
            epoch - self._retention.keep_s,
        )
        self._writing = written
        written.addBoth(self._done)

    def _write_batch(self, batch: list[Entry], before_epoch: float) -> None:
        """In the ledger's thread."""
        write_calls(self._store, batch, self._recorded)
        # Twice as many as were written, so that a shorter retention is caught up with.
        forget_calls(self._store, before_epoch, self._retention.calls, 2 * BATCH)

    def _done(self, result: Failure | None) -> None:
        self._writing = None
        batch, self._under_way = self._under_way, []
        if isinstance(result, Failure):
            self._report(result)
            if isinstance(result.value, OperatorError):
                self._waiting.extendleft(reversed(batch))
                if not self._stopping:
                    self._due = self._reactor.callLater(RETRY_SECONDS, self._write)
                return
            # A call that cannot be written, ever, must not keep the others from it.
            self.lost += len(batch)
        else:
            self._healthy = True
            self.written += len(batch)
        if self._stopping or len(self._waiting) >= BATCH:
            self._write()
        elif self._waiting:
            self._due = self._reactor.callLater(GATHER_SECONDS, self._write)

    def _report(self, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, OperatorError):
            error = OperatorError("finished calls cannot be stored", failure.getErrorMessage())
        if self._healthy:
            self._healthy = False
            self._failed(error)

    def flush(self) -> Deferred[None]:
        """Fires when nothing waits any more, or a write has failed (and been reported)."""
        if self._due is not None:
            self._due.cancel()
            self._write()
        if self._writing is None:
            return succeed(None)
        waiting: Deferred[None] = Deferred()

        def look(_: object) -> None:
            if self._writing is not None:
                self._writing.addBoth(look)
            elif self._waiting and self._healthy:
                self.flush().addBoth(look)
            else:
                waiting.callback(None)

        self._writing.addBoth(look)
        return waiting

    def stop(self) -> Deferred[None]:
        """Write what waits, end the thread, close the file."""
        self._stopping = True

        def end(_: object) -> None:
            if self._due is not None:
                self._due.cancel()
                self._due = None
            self._pool.stop()
            self._store.close()

        return self.flush().addCallback(end)
