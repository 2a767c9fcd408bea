"""Days and times from iCalendar files (RFC 5545), with what recurs, as calendars of a dialplan see them."""

from collections import OrderedDict
from datetime import date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

from pbx.dialplan.times import Span
from pbx.documents import shown
from pbx.documents.sources import read_source

MAX_FILE_BYTES = 1024 * 1024
MAX_EVENTS = 5000
MAX_A_DAY = 200
_KEPT_DAYS = 800
_TOO_OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")


class Events:
    """The events of one file, a day at a time; what was worked out is kept."""

    __slots__ = ("_calendar", "_days", "_zone", "name")

    def __init__(self, name: str, calendar: Any, zone: tzinfo) -> None:
        self.name = name
        self._calendar = calendar
        self._zone = zone
        self._days: OrderedDict[date, tuple[Span, ...]] = OrderedDict()

    def on(self, day: date) -> tuple[Span, ...]:
        """What there is on `day`, by the clock on the wall of the zone."""
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = self._worked_out(day)
            if len(self._days) > _KEPT_DAYS:
                self._days.popitem(last=False)
        return known

    def at(self, wall: datetime) -> Span | None:
        """The first event at a time on the wall."""
        return next((span for span in self.on(wall.date()) if span.start <= wall < span.end), None)

    def _worked_out(self, day: date) -> tuple[Span, ...]:
        import recurring_ical_events

        start = datetime.combine(day, time(), self._zone)
        end = datetime.combine(day + timedelta(days=1), time(), self._zone)
        found = recurring_ical_events.of(self._calendar, skip_bad_series=True).between(start, end)
        spans = [self._span(each) for each in found[:MAX_A_DAY]]
        return tuple(sorted(spans, key=lambda each: (each.start, each.end, each.text)))

    def _span(self, event: Any) -> Span:
        title = " ".join(str(event.get("SUMMARY", "")).split())[:60] or "an event"
        text = f"{title if title.isprintable() else shown(title)} ({self.name})"
        start, end = self._wall(event.start), self._wall(event.end)
        if end <= start:
            end = start + timedelta(days=0 if isinstance(event.start, datetime) else 1)
        return Span(text, start, end)

    def _wall(self, moment: date | datetime) -> datetime:
        if not isinstance(moment, datetime):
            return datetime.combine(moment, time())
        if moment.tzinfo is None:
            return moment
        return moment.astimezone(self._zone).replace(tzinfo=None)


def read_events(path: Path, zone: tzinfo) -> Events:
    """The events of the file at `path`; raises ValueError that says what is wrong with it."""
    try:
        data = read_source(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise ValueError(f"the calendar {path} cannot be read: {reason}") from None
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"the calendar {path} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
    import icalendar

    try:
        calendar = icalendar.Calendar.from_ical(data)
        if not isinstance(calendar, icalendar.Calendar):
            raise ValueError("it has no VCALENDAR")
        events = calendar.walk("VEVENT")
    except Exception as error:  # noqa: BLE001  # the library raises many things for what is no calendar
        raise ValueError(
            f"the calendar {path} is no iCalendar file: {' '.join(str(error).split())[:80]}"
        ) from None
    if len(events) > MAX_EVENTS:
        raise ValueError(f"the calendar {path} has more than {MAX_EVENTS} events")
    for event in events:
        _check(event, path)
    return Events(path.name, calendar, zone)


def _check(event: Any, path: Path) -> None:
    title = shown(str(event.get("SUMMARY", "")))
    if event.get("DTSTART") is None:
        raise ValueError(f"the event {title} in {path} does not say when it begins")
    rules = event.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules] if rules else []:
        often = {str(each).upper() for each in rule.get("FREQ", [])}
        if often & set(_TOO_OFTEN) or any(key in rule for key in ("BYHOUR", "BYMINUTE", "BYSECOND")):
            raise ValueError(f"the event {title} in {path} recurs within a day, which calendars here do not")
