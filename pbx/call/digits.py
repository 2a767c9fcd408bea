"""Digits that a caller presses: as SIP INFO, one event per press, and gathered for a menu."""

import re
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from pbx.call.plan import Collect

Way = Literal["media", "info"]
"""How a press came: in the RTP stream (RFC 4733, or heard), or in an INFO request."""

RELAY: Final = "application/dtmf-relay"
PLAIN: Final = "application/dtmf"

DIGITS: Final = "0123456789*#ABCD"
"""What a press can be, in the order of the events (RFC 4733 §3.2)."""

_SIGNAL = re.compile(rb"^signal[ \t]*=[ \t]*([^\r\n]*?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(rb"^duration[ \t]*=[ \t]*([0-9]{1,6})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_DURATION_MS: Final = 160
_LONGEST_MS: Final = 8000
_MOST_OCTETS: Final = 256
# As long as a press may last, after which the INFO about it can still come.
_SAME_PRESS_S: Final = 2.0
_REMEMBERED: Final = 16


@dataclass(frozen=True, slots=True)
class Press:
    """One press of a key: 0-9, *, #, A-D, and how long it was held."""

    digit: str
    duration_ms: int = _DURATION_MS


def parse_info(content_type: str, body: bytes) -> Press | None:
    """The press that an INFO tells of, None when it tells of none.

    application/dtmf-relay has lines `Signal=5` and `Duration=160`; application/dtmf is the digit alone. Some
    phones write the number of the event (RFC 4733 §3.2) for * to D: 10 to 15.
    """
    kind = content_type.partition(";")[0].strip().lower()
    body = body[:_MOST_OCTETS]
    duration_ms = _DURATION_MS
    if kind == RELAY:
        signal = _SIGNAL.search(body)
        if signal is None:
            return None
        said = signal[1]
        duration = _DURATION.search(body)
        if duration is not None:
            duration_ms = min(int(duration[1]), _LONGEST_MS) or _DURATION_MS
    elif kind == PLAIN:
        said = body.strip()
    else:
        return None
    text = said.decode("ascii", "replace").upper()
    if text.isascii() and text.isdigit() and len(text) == 2 and 10 <= int(text) <= 15:
        text = DIGITS[int(text)]
    return Press(text, duration_ms) if len(text) == 1 and text in DIGITS else None


class Presses:
    """Makes one event of a press that is told twice, in the stream and by INFO."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: deque[tuple[str, Way, float]] = deque(maxlen=_REMEMBERED)

    def is_new(self, digit: str, way: Way, now: float) -> bool:
        """Whether this is a press that was not told the other way already."""
        for known in self._told:
            told, by, at = known
            if told == digit and by != way and now - at < _SAME_PRESS_S:
                self._told.remove(known)
                return False
        self._told.append((digit, way, now))
        return True


class Gathering:
    """The digits of one `Collect`: `due` is when they are over, None while the prompt plays."""

    __slots__ = ("_plan", "digits", "due", "prompting")

    def __init__(self, plan: Collect) -> None:
        self._plan = plan
        self.digits = ""
        self.due: float | None = None
        self.prompting = True

    def prompted(self, now: float) -> None:
        """The prompt is over: the first digit is waited for."""
        if self.prompting:
            self.prompting = False
            self.due = now + self._plan.first_s

    def press(self, digit: str, now: float) -> bool:
        """Take a digit; True when it was the last. What is pressed over a prompt without `barge` is lost."""
        plan = self._plan
        if self.prompting and not plan.barge:
            return False
        self.prompting = False
        if digit == plan.terminator:
            return True
        self.digits += digit
        self.due = now + plan.between_s
        return len(self.digits) >= plan.max_digits or self.digits in plan.complete
