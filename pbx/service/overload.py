"""Which new calls are refused while we have more to do than we can (local overload control, RFC 6357).

The measure is how late messages are read after they came. Calls under way are never touched: served in time,
they end and make room; not served in time, their peers say everything again and make it worse.
"""

from typing import Final

from pbx.sip.message import Request, Response

# While everything waits longer than the first to be read, and has for STANDING_S, a growing share of INVITEs
# is refused, past the second all: below T1, so that who waits for us has not said it again yet.
EASY_S: Final = 0.2
LATE_S: Final = 0.4
# A stall that is over sooner is caught up with, and costs nobody a call.
STANDING_S: Final = 0.5


class Overload:
    """How late messages have been read lately, and what follows for a new call. Times are seconds."""

    __slots__ = ("_excess", "_late_at", "_late_from")

    def __init__(self) -> None:
        self._late_from: float | None = None
        self._late_at = 0.0
        self._excess = 0.0

    def sheds(self, message: Request | Response, late_s: float, now: float) -> bool:
        """Whether this is an INVITE to be refused: the later it was read, the larger the share that is.

        What is taken now brings more messages soon, so that all or nothing would swing between the two.
        """
        if late_s <= EASY_S:
            self._late_from = None
            return False
        # Nothing waited before this one came: two stalls with silence between them are no standing load.
        if self._late_from is None or now - late_s - self._late_at > STANDING_S:
            self._late_from = now
        self._late_at = now
        if now - self._late_from < STANDING_S:
            return False
        if not isinstance(message, Request) or message.method != "INVITE" or message.to.tag is not None:
            return False
        self._excess += min(1.0, (late_s - EASY_S) / (LATE_S - EASY_S))
        if self._excess < 1.0:
            return False
        self._excess -= 1.0
        return True
