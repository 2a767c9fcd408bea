"""The book of calls: how each call is and was routed, and the finished ones on their way to disk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed

from pbx.call.record import CallRecord
from pbx.config.settings import Settings
from pbx.dialplan.recorded import recorded
from pbx.errors import OperatorError
from pbx.metrics.metrics import Metrics
from pbx.service.clock import Clock
from pbx.service.router import Router
from pbx.service.switch import Switch
from pbx.store.calls import CallRow, routing_of, row_of
from pbx.store.database import Store
from pbx.store.entries import Decided, Entry
from pbx.store.ledger import Ledger, Retention


class CallBook:
    """Takes every finished call, and knows how those that go on were routed so far."""

    def __init__(self, settings: Settings, reactor: Any, router: Router, clock: Clock) -> None:
        self._settings = settings
        self._reactor = reactor
        self._router = router
        self._clock = clock
        self._ledger: Ledger | None = None
        self._counts = (0, 0)

    def open(self, failed: Callable[[OperatorError], None]) -> None:
        """Open the store, whose directory exists. Raises OperatorError."""
        kept = self._settings.records
        self._ledger = Ledger(
            Store(self._settings.store.path),
            self._reactor,
            recorded,
            retention=Retention(kept.keep, kept.max),
            failed=failed,
        )

    def observe(self, metrics: Metrics) -> None:
        """Have what is written and lost counted."""
        metrics.observe("pbx_call_records_waiting", lambda: self._ledger.waiting if self._ledger else None)
        metrics.observe_counts("pbx_call_records", self._written)

    def ended(self, record: CallRecord, generation: int, decided: Sequence[Decided]) -> None:
        """A call is over."""
        if self._ledger is not None:
            self._ledger.record(Entry(record, decided, generation, self._clock.wall().timestamp()))

    def cut_short(self, switch: Switch) -> None:
        """The service stops: calls that have not ended by then end here, for all that the book can say."""
        for call in list(switch.calls.values()):
            record = call.record
            record.ended_at = self._clock.now()
            generation, decided = self._router.forget(call)
            self.ended(record, generation, decided)

    def routing(self, name: str, switch: Switch) -> tuple[CallRow, Mapping[str, Any], bool] | None:
        """A call with this id, or with a leg of this Call-ID, how it was routed, and whether it goes on.

        None when there is none, or it ended and is in the store already.
        """
        for call in switch.calls.values():
            if call.record.id == name or any(leg.session.call_id == name for leg in call.legs):
                decided = self._router.decided(call.record.id)
                verdict = self._router.verdict(call.record.id)
                number = self._router.generation.number if verdict is None else verdict.generation
                # Its end is now, as far as anybody knows.
                epoch = self._clock.wall().timestamp() - (self._clock.now() - call.record.started_at)
                legs = [*call.record.legs, *map(call.totals, call.legs)]
                row = row_of(Entry(replace(call.record, legs=legs), decided, number, epoch))
                return row, routing_of(decided, recorded), True
        for entry in self._ledger.entries() if self._ledger is not None else ():
            record = entry.record
            if record.id == name or any(leg.call_id == name for leg in record.legs):
                return row_of(entry), routing_of(entry.decided, recorded), False
        return None

    def stop(self) -> "Deferred[None]":
        """Write what waits, and close the store."""
        ledger, self._ledger = self._ledger, None
        if ledger is None:
            return succeed(None)
        self._counts = (ledger.written, ledger.lost)
        return ledger.stop()

    def _written(self) -> Mapping[str, int]:
        ledger = self._ledger
        written, lost = self._counts if ledger is None else (ledger.written, ledger.lost)
        return {"written": written, "lost": lost}
