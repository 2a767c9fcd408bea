"""The 2xx to an INVITE, sent again and again until its ACK comes (RFC 3261 §13.3.1.4)."""

from pbx.sip.session_events import SendResponse
from pbx.sip.timers import Timers


class AwaitedAck:
    """A 2xx whose ACK is awaited: sent again after T1, 2*T1, … T2, on every transport; late at 64*T1."""

    __slots__ = ("_interval", "_t2", "cseq", "due", "late_at", "sent")

    def __init__(self, sent: SendResponse, cseq: int, timers: Timers, now: float) -> None:
        self.sent = sent
        self.cseq = cseq
        self.due = now + timers.t1
        self.late_at = now + 64 * timers.t1
        self._interval = timers.t1
        self._t2 = timers.t2

    def next_deadline(self) -> float:
        """When it is sent again, or is late."""
        return min(self.due, self.late_at)

    def advance(self, now: float) -> None:
        """Move on to the first due time after `now`: who wakes late sends once and keeps to the schedule."""
        while self.due <= now:
            self._interval = min(2 * self._interval, self._t2)
            self.due += self._interval
