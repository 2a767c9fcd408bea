"""The rounds: every leg that talks is looked at in turn, and what its quality comes to is told.

Looking costs a snapshot of the media plane and some arithmetic, which many legs must not want all at once:
each is due an interval after it began or was last looked at, and no turn takes more than a few of them.
"""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from pbx.call.call import Call
from pbx.call.echo import look_for_echo
from pbx.call.leg import Leg
from pbx.call.media import Media
from pbx.call.quality_events import (
    Alarm,
    FlowsAgain,
    QualityLimits,
    QualityRecovered,
    QualitySample,
    RtpTimeout,
    alarm_words,
    told,
)
from pbx.call.quality_watch import QualityWatch, levels_between
from pbx.call.record import Note
from pbx.media.values import LegStatistics
from pbx.service.counting import Counting

log = logging.getLogger("pbx")

INTERVAL_S: Final = 5.0
# Legs that are due this soon are looked at together, so that the loop is woken less often.
_TOGETHER_S: Final = 0.05
# About a millisecond's work.
_AT_ONCE: Final = 16
_NOTHING: Final = LegStatistics()
# An RTP timeout shorter than the interval would be noticed late.
_LOOKS_A_TIMEOUT: Final = 4


class QualityRounds:
    """The legs that talk, the one that is due first in front. Times are monotonic seconds."""

    def __init__(self, media: Media, limits: QualityLimits, observer: Counting) -> None:
        self._media = media
        self._limits = limits
        self._observer = observer
        self._due: OrderedDict[Leg, float] = OrderedDict()
        timeout_s = limits.rtp_timeout_s
        self._interval_s = min(INTERVAL_S, timeout_s / _LOOKS_A_TIMEOUT) if timeout_s else INTERVAL_S

    def __len__(self) -> int:
        return len(self._due)

    def begin(self, leg: Leg, now: float) -> None:
        """A leg talks from now on; one that did already goes on."""
        if leg.audio.row is not None:
            self._due.setdefault(leg, now + self._interval_s)

    def end(self, leg: Leg) -> None:
        """A leg is closed: what its media came to since the last look is counted."""
        self._due.pop(leg, None)
        last = leg.audio.statistics
        if last is not None:
            self._observer.media_counted(_NOTHING if leg.watch is None else leg.watch.last, last)

    def next_deadline(self) -> float | None:
        """When the first leg is due."""
        return next(iter(self._due.values()), None)

    def handle_timer(self, now: float) -> list[Leg]:
        """Look at those that are due; gives the legs of which nothing has been heard for too long."""
        return [leg for leg in self._taken(now) if leg.watch is not None and self._look(leg, leg.watch, now)]

    def _taken(self, now: float) -> Iterable[Leg]:
        first = self.next_deadline()
        if first is None or first > now:
            return ()
        taken: list[Leg] = []
        for leg, due in self._due.items():
            if due > now + _TOGETHER_S or len(taken) == _AT_ONCE:
                break
            taken.append(leg)
            if leg.watch is None:
                # Made no sooner, for many a call is over by now.
                leg.watch = QualityWatch("", due - self._interval_s, self._limits)
        for leg in taken:
            self._due[leg] = now + self._interval_s
            self._due.move_to_end(leg)
        return taken

    def _look(self, leg: Leg, watch: QualityWatch, now: float) -> bool:
        row, agreed = leg.audio.row, leg.audio.agreed
        if row is None or agreed is None:
            return False
        statistics = self._media.statistics(row)
        before = watch.last
        watch.encoding = agreed.codec.encoding
        lost = False
        levels = levels_between(before, statistics, _said_dbov(leg))
        for event in watch.receive_snapshot(
            statistics, now, receiving=agreed.receive, sending=agreed.send, levels=levels
        ):
            if isinstance(event, QualitySample):
                continue
            lost = lost or isinstance(event, RtpTimeout)
            self._tell(leg, event)
        if watch.looks_for_echo(now):
            other = _other(leg)
            reading = None
            if other is not None and other.audio.row is not None:
                reading = look_for_echo(self._media.envelope(other.audio.row), self._media.envelope(row))
            suspected = watch.receive_echo(reading, now)
            if suspected is not None:
                self._tell(leg, suspected)
        self._observer.media_counted(before, statistics)
        return lost

    def _tell(self, leg: Leg, alarm: Alarm) -> None:
        kind, direction, value = told(alarm)
        self._observer.alarmed(kind, direction, leg.trunk)
        call = leg.call
        if isinstance(call, Call):
            good = isinstance(alarm, QualityRecovered | FlowsAgain)
            log.log(
                logging.INFO if good else logging.WARNING,
                "call %s, leg %r: %s",
                call.record.id,
                leg.label,
                alarm_words(kind, direction, value),
            )
            call.record.note(Note(alarm.at, leg.label, kind, direction, value))


def _said_dbov(leg: Leg) -> float | None:
    """How loud the other of two who talk was when last looked at; None of more, of prompts and of music."""
    other = _other(leg)
    return None if other is None or other.watch is None else other.watch.heard_dbov


def _other(leg: Leg) -> Leg | None:
    """The other of two who talk."""
    call = leg.call
    if not isinstance(call, Call) or call.state != "talking" or call.other is None:
        return None
    other = call.other if leg is call.caller else call.caller
    return None if other is leg else other
