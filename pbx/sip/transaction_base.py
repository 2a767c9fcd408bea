"""What client and server transactions have in common: a request, a flow, and at most two due times."""

from typing import Final, Generic

from pbx.errors import MisuseError
from pbx.sip.flow import Flow
from pbx.sip.message import Request
from pbx.sip.timers import Timers
from pbx.sip.transaction_tables import Action, Machine, Table

NEVER: Final = float("inf")

Key = tuple[str | int | None, ...]
"""What a message is matched by; made in matching.py."""


class Transaction(Machine[Action], Generic[Action]):
    """What client and server transactions share: a request, a flow, and at most two due times."""

    __slots__ = (
        "_request", "armed", "data", "expires_at", "flow", "interval", "key", "method", "resend_at", "timers",
        "user",
    )  # fmt: skip

    def __init__(
        self, table: Table[Action], request: Request, flow: Flow, user: object, timers: Timers, key: Key
    ) -> None:
        super().__init__(table)
        self._request: Request | None = request
        self.method = request.method
        self.flow = flow
        self.user = user
        """Belongs to the transaction user."""
        self.timers = timers
        self.key = key
        self.data: bytes | None = None
        """What is sent again: the request, the last response or the ACK."""
        self.resend_at = NEVER
        self.interval = 0.0
        self.expires_at = NEVER
        self.armed = NEVER
        """The due time that the layer has noted."""

    def __repr__(self) -> str:
        return f"<{self.table.name} transaction {self.state}>"

    @property
    def request(self) -> Request:
        """The request, with the Via as sent or, for a server transaction, `received` and `rport` filled in.

        A transaction that only lingers (timers D, I, J, K, L) gives it up once the outputs of the call that
        ended it have been handled; whoever wants it longer keeps it. Raises MisuseError afterwards.
        """
        if self._request is None:
            raise MisuseError("the request of a transaction that has ended")
        return self._request

    def next_deadline(self) -> float | None:
        """When `handle_timer` is due, or None."""
        due = min(self.resend_at, self.expires_at)
        return None if due == NEVER else due

    def _start_resending(self, now: float) -> None:
        self.interval = self.timers.t1
        self.resend_at = now + self.interval

    def _plan_resending(self, now: float, cap: float) -> None:
        """Go along the schedule to its next time after `now`, so a late wake never causes a burst."""
        while self.resend_at <= now:
            self.interval = min(2 * self.interval, cap)
            self.resend_at += self.interval

    def _stop(self) -> None:
        self.resend_at = self.expires_at = NEVER

    def _linger(self, now: float, seconds: float) -> None:
        """Stay for `seconds` more; 0, as on reliable transports: the state's timer fires at once."""
        self.resend_at = NEVER
        self.expires_at = now + seconds
        if not seconds:
            self.step(self.table.expiry[self.state])
            self._end()

    def _end(self) -> None:
        self._stop()
        self.data = None
