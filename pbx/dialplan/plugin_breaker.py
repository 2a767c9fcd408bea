"""A circuit breaker: what keeps failing is left alone for a while, then tried again with one call."""

from typing import Literal

BreakerState = Literal["closed", "trying", "open"]

FAILURES = 5
"""Failures in a row that open the breaker."""

PAUSE_S = 30.0
"""How long it stays open the first time; each failed trial doubles the pause."""

LONGEST_PAUSE_S = 300.0


class Breaker:
    """Closed: every call is let through. Open: none is. Trying: one is, and its end decides.

    Pure; `now` is in monotonic seconds.
    """

    __slots__ = ("_failures", "_pause_s", "_until", "state")

    def __init__(self) -> None:
        self.state: BreakerState = "closed"
        self._failures = 0
        self._pause_s = PAUSE_S
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Whether a call may be tried; the first one after a pause is the trial."""
        if self.state == "closed":
            return True
        if now < self._until:
            return False
        # A trial that is never heard of again does not keep the breaker open for ever.
        self.state = "trying"
        self._until = now + self._pause_s
        return True

    def succeeded(self) -> None:
        """A call that was let through went well."""
        self.state = "closed"
        self._failures = 0
        self._pause_s = PAUSE_S

    def failed(self, now: float) -> None:
        """A call that was let through failed."""
        self._failures += 1
        if self.state == "trying":
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        elif self.state == "open" or self._failures < FAILURES:
            return
        self.state = "open"
        self._until = now + self._pause_s

    def opens_in(self, now: float) -> float:
        """Seconds until the next trial."""
        return max(0.0, self._until - now)
