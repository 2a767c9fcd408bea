"""Hours and dates as calendars write them; all of it is what a clock on the wall in the zone shows.

Hours are `09:00-17:30`, several with commas between; an end before the beginning is on the next day, and
`24:00` is the end of the day. Days are `mon`, `mon-fri`, `sat,sun` or `daily`. Dates are `2026-12-24`,
`2026-12-24 - 2026-12-26`, `2026-12-31 09:00-12:00` or `2026-12-24 17:00 - 2026-12-27 09:00`.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from pbx.documents import nearest, shown

DAY_MINUTES = 24 * 60
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONG_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_NUMBERS = {name: number for names in (WEEKDAYS, LONG_WEEKDAYS) for number, name in enumerate(names)}
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_HOURS = re.compile(r"\s*([0-9:]+)\s*-\s*([0-9:]+)\s*")
_BETWEEN = re.compile(r"\s+(?:-|to)\s+")
_ONE_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\s+([0-9]{1,2}:[0-9]{2}\s*-(?!.*[0-9]{4}-).*)")


@dataclass(frozen=True, slots=True)
class Range:
    """Minutes of a day, `end` not included; over midnight, `end` is more than a day."""

    start: int
    end: int

    def __str__(self) -> str:
        return (
            f"{_clock(self.start)}-{_clock(self.end if self.end <= DAY_MINUTES else self.end - DAY_MINUTES)}"
        )


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days, both ends included."""

    text: str
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Span:
    """From one time on the wall to another, the end not included."""

    text: str
    start: datetime
    end: datetime


def parse_days(text: str) -> list[int]:
    """Weekdays, Monday being 0; raises ValueError that says what was expected."""
    if text.strip().lower() in ("daily", "every day"):
        return list(range(7))
    days: list[int] = []
    for part in text.lower().split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        start = _weekday(first, text)
        end = _weekday(last, text) if dash else start
        days.extend((start + offset) % 7 for offset in range((end - start) % 7 + 1))
    return days


def _weekday(name: str, text: str) -> int:
    if name in _NUMBERS:
        return _NUMBERS[name]
    raise ValueError(
        f"found {shown(text)}, expected days such as mon, mon-fri, sat,sun or daily", nearest(name, WEEKDAYS)
    )


def parse_hours(text: str) -> list[Range]:
    """Ranges of hours, several with commas between; raises ValueError that says what was expected."""
    ranges = []
    for part in text.split(","):
        match = _HOURS.fullmatch(part)
        if match is None:
            raise ValueError(f"found {shown(text)}, expected hours such as 09:00-17:30")
        start, end = _minutes(match.group(1), text), _minutes(match.group(2), text)
        if start == DAY_MINUTES:
            raise ValueError(f"found {shown(text)}, expected it to begin at 23:59 or before")
        if start == end:
            raise ValueError(
                f"found {shown(text)}, which ends when it begins; a whole day is 00:00-24:00", "00:00-24:00"
            )
        ranges.append(Range(start, end if end > start else end + DAY_MINUTES))
    return ranges


def _minutes(text: str, whole: str) -> int:
    match = _TIME.fullmatch(text)
    minutes = int(match.group(1)) * 60 + int(match.group(2)) if match else -1
    if match is None or int(match.group(2)) > 59 or minutes > DAY_MINUTES:
        raise ValueError(f"found {shown(whole)}, expected times from 00:00 to 24:00")
    return minutes


def parse_occasion(text: str) -> Days | list[Span]:
    """Days or times of a calendar's exceptions; raises ValueError that says what was expected."""
    one = _ONE_DAY.fullmatch(text.strip())
    if one is not None:
        day = _date(one.group(1), text)
        midnight = datetime.combine(day, time())
        return [
            Span(text, midnight + timedelta(minutes=each.start), midnight + timedelta(minutes=each.end))
            for each in parse_hours(one.group(2))
        ]
    pieces = _BETWEEN.split(text.strip())
    if len(pieces) > 2:
        raise _no_date(text)
    if not any(" " in piece or "T" in piece for piece in pieces):
        first, last = _date(pieces[0], text), _date(pieces[-1], text)
        if last < first:
            raise ValueError(f"found {shown(text)}, which ends before it begins")
        return Days(text, first, last)
    if len(pieces) == 1:
        raise _no_date(text)
    start, end = _moment(pieces[0], text), _moment(pieces[1], text, last=True)
    if end <= start:
        raise ValueError(f"found {shown(text)}, which ends before it begins")
    return [Span(text, start, end)]


def _no_date(text: str) -> ValueError:
    return ValueError(
        f"found {shown(text)}, expected 2026-12-24, 2026-12-24 - 2026-12-26, 2026-12-31 09:00-12:00 or "
        "2026-12-24 17:00 - 2026-12-27 09:00"
    )


def _date(text: str, whole: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise ValueError(f"found {shown(whole)}, but there is no such day: {error}") from None
        raise _no_date(whole) from None


def _moment(text: str, whole: str, *, last: bool = False) -> datetime:
    day, _, clock = text.replace("T", " ").partition(" ")
    midnight = datetime.combine(_date(day, whole), time())
    if not clock:
        return midnight + timedelta(days=1 if last else 0)
    return midnight + timedelta(minutes=_minutes(clock.strip(), whole))


@lru_cache(maxsize=2 * DAY_MINUTES)
def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
