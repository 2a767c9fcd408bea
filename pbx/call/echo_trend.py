"""Readings of an echo in a row: one alone may be chance."""

from typing import Final

from pbx.call.quality_events import Echo, EchoReading, EchoSuspected

# An echo is looked for so often, and when there seems to be one as soon as all that is known is new.
_ECHO_EVERY_S: Final = 9.0
_ECHO_AGAIN_S: Final = 4.5
# By how much the delay of one and the same echo may differ between two readings.
_ECHO_WANDERS_MS: Final = 40.0


class EchoTrend:
    """Readings of one leg; `said` while the alarm lasts. Times are monotonic seconds."""

    __slots__ = ("_clear", "_due", "_row", "said")

    def __init__(self, now: float) -> None:
        self.said = False
        self._row: list[Echo] = []
        self._clear = 0
        self._due = now + _ECHO_EVERY_S

    def due(self, now: float) -> bool:
        """Whether it is time to look: no more often than what is looked at is new, and seldom at first."""
        return now >= self._due

    def take(self, reading: EchoReading | None, now: float, wanted: int) -> EchoSuspected | None:
        """The alarm, when this is the last of as many readings in a row as are wanted; None cannot tell."""
        echo = None if reading is None else reading.echo
        if reading is None:
            pass
        elif echo is None:
            self._row.clear()
            self._clear += 1
            if self._clear >= wanted:
                self.said = False
        else:
            self._clear = 0
            if self._row and abs(self._row[-1].delay_ms - echo.delay_ms) > _ECHO_WANDERS_MS:
                self._row.clear()
            self._row = [*self._row[1 - wanted :], echo] if wanted > 1 else [echo]
        self._due = now + (_ECHO_AGAIN_S if self._row else _ECHO_EVERY_S)
        if self.said or len(self._row) < wanted:
            return None
        self.said = True
        count = len(self._row)
        delay_ms = sum(each.delay_ms for each in self._row) / count
        return EchoSuspected(now, delay_ms, sum(each.loss_db for each in self._row) / count)
