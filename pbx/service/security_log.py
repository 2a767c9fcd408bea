"""The security log: a line for each attempt that did not prove who it is, for people and for fail2ban."""

import json
import logging
from collections.abc import Callable

from pbx.sip.flow import Flow

log = logging.getLogger("pbx")

# So many lines at once, and so many a second after that: a flood of attempts does not fill the disk.
BURST_LINES = 50
LINES_A_SECOND = 1.0
# What was left out is told so long after the first that was.
TOLD_AFTER_S = 60.0
# Of a user name, which anybody may have written.
MAX_USER_CHARACTERS = 64


class SecurityLog:
    """Writes at most BURST_LINES, and LINES_A_SECOND on average; the others are counted, and told together.

    The line is `authentication failed: METHOD from ADDRESS port PORT over TRANSPORT: REASON, user "USER"`,
    with the user as JSON writes it, in ASCII, last: nothing that a stranger chose comes before the address.
    """

    __slots__ = ("_left_out", "_lines", "_looked_at", "_write")

    def __init__(self, write: Callable[[str], object] = log.warning) -> None:
        self._write = write
        self._lines = float(BURST_LINES)
        self._looked_at = 0.0
        self._left_out = 0

    def failed(self, method: str, flow: Flow, reason: str, user: str, now: float) -> float | None:
        """Somebody failed to prove who they are; when `handle_timer` is to be called, if that is new."""
        gained = max(0.0, now - self._looked_at) * LINES_A_SECOND
        self._lines = min(float(BURST_LINES), self._lines + gained)
        self._looked_at = now
        if self._lines < 1.0:
            self._left_out += 1
            return now + TOLD_AFTER_S if self._left_out == 1 else None
        self._lines -= 1.0
        host, port = flow.remote
        shown = json.dumps(user[:MAX_USER_CHARACTERS])
        self._write(
            f"authentication failed: {method} from {host} port {port} over {flow.transport}: "
            f"{reason}, user {shown}"
        )
        return None

    def handle_timer(self) -> None:
        """Tell what was left out."""
        left_out, self._left_out = self._left_out, 0
        self._write(f"authentication failures not logged in the last {TOLD_AFTER_S:g} s: {left_out}")
