"""`calendars:` in a dialplan: when somebody is there, by the clock on the wall of a zone.

The hours of a day belong to the day they begin, those after midnight too: a closed Friday has no Friday
night. `opened` wins over `closed`, that over holidays, and those over the weekly hours. What the clock shows
decides, so that hours in the gap of a change to summer time do not happen and those in an overlap happen
twice, as the sign on the door says.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from pbx.dialplan.events import Events, read_events
from pbx.dialplan.live import Switched, facts
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.times import (
    DAY_MINUTES,
    LONG_WEEKDAYS,
    WEEKDAYS,
    Days,
    Range,
    Span,
    parse_days,
    parse_hours,
    parse_occasion,
)
from pbx.dialplan.zones import Zone
from pbx.documents import Document, Shape, Text, nearest, shown, validate
from pbx.errors import Place, Problem

T = TypeVar("T")


class HolidaysShape(Shape):
    """The public holidays of a country, which move with the years."""

    country: Text = Field(description="The ISO 3166 code of the country, such as NL.")
    subdivision: Text = Field("", description="Its state, province or canton, such as BY.")
    except_: OneOrMany | None = Field(
        None, alias="except", description="Holidays by name on which the usual hours apply."
    )


def _holidays(value: Any) -> Any:
    return {"country": value} if isinstance(value, str) else value


class EventsShape(Shape):
    """The events of an iCalendar file."""

    file: Text = Field(description="The file, relative to this one.")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


_Occasion = Text | EventsShape
Occasions = Annotated[
    tuple[_Occasion, ...],
    BeforeValidator(_listed, json_schema_input_type=_Occasion | list[_Occasion]),
]


class CalendarShape(Shape):
    """When somebody is there."""

    timezone: Zone | None = Field(None, description="The IANA zone; the file's when left out.")
    open: dict[str, OneOrMany] = Field(
        default_factory=dict,
        description='The weekly hours: mon-fri: "09:00-17:30", sat: ["10:00-12:00", "13:00-15:00"], '
        'fri: "22:00-02:00" over midnight; days of which nothing is said are closed.',
    )
    holidays: (
        Annotated[
            HolidaysShape,
            BeforeValidator(_holidays, json_schema_input_type=str | HolidaysShape),
        ]
        | None
    ) = Field(None, description="Closed on the public holidays of a country: NL, or {country: DE, …}.")
    closed: Occasions = Field(
        (),
        description="Days or times with nobody there: 2026-12-24, 2026-12-24 - 2026-12-26, "
        "2026-12-31 12:00-24:00, 2026-12-24 17:00 - 2026-12-27 09:00, or {file: leave.ics}, the events of "
        "an iCalendar file.",
    )
    opened: Occasions = Field(
        (),
        description="Days on which the usual hours apply although it is a holiday or closed, "
        "or times with somebody there in any case; {file: duty.ics} too.",
    )
    switch: Text = Field(
        "",
        description="The name of a switch with which people say closed, or open, until they say otherwise; "
        "it wins over everything else.",
    )


@dataclass(frozen=True, slots=True)
class State:
    """What a calendar says of one moment, and why; `holiday` when it is closed because of one."""

    open: bool
    reason: str
    holiday: bool = False


@dataclass(frozen=True, slots=True)
class Holidays:
    """The public holidays of a country, without some of them."""

    country: str
    subdivision: str = ""
    without: frozenset[str] = frozenset()

    def name_of(self, day: date) -> str:
        """The name of the holiday on `day`, or an empty text."""
        name = holidays_of(self.country, self.subdivision, day.year).get(day, "")
        return "" if name in self.without else name


@lru_cache(maxsize=256)
def holidays_of(country: str, subdivision: str, year: int) -> Mapping[date, str]:
    """The public holidays of a year by day, in English where there is a translation."""
    from holidays import country_holidays

    found = country_holidays(country, subdiv=subdivision or None, years=year, expand=False, language="en_US")
    return dict(found.items())


_KEPT_MINUTES = 64


@dataclass(frozen=True, slots=True)
class Calendar:
    """A compiled calendar; `state` is what `hours` asks. `weekly` begins with Monday."""

    name: str
    place: Place
    zone: tzinfo
    weekly: tuple[tuple[Range, ...], ...]
    holidays: Holidays | None = None
    closed_days: tuple[Days, ...] = ()
    closed_times: tuple[Span, ...] = ()
    opened_days: tuple[Days, ...] = ()
    opened_times: tuple[Span, ...] = ()
    closed_events: tuple[Events, ...] = ()
    opened_events: tuple[Events, ...] = ()
    switch: str = ""
    _known: dict[int, State] = field(default_factory=dict, compare=False, repr=False)

    def state(self, at: datetime, switched: Switched | None = None) -> State:
        """Whether somebody is there at `at`, an aware time, when its switch is as `switched` says."""
        if switched is not None:
            return State(switched == "open", f"{switched}: the switch {self.switch}")
        if self.closed_events or self.opened_events:
            return self._state(at)
        # All but events begins and ends with a minute, and so does every change of the clock.
        minute = int(at.timestamp() // 60)
        state = self._known.get(minute)
        if state is None:
            if len(self._known) >= _KEPT_MINUTES:
                self._known.clear()
            state = self._known[minute] = self._state(at)
        return state

    def _state(self, at: datetime) -> State:
        wall = at.astimezone(self.zone).replace(tzinfo=None)
        for span in self.opened_times:
            if span.start <= wall < span.end:
                return State(True, f"open: {span.text}")
        for events in self.opened_events:
            found = events.at(wall)
            if found is not None:
                return State(True, f"open: {found.text}")
        for span in self.closed_times:
            if span.start <= wall < span.end:
                return State(False, f"closed: {span.text}")
        for events in self.closed_events:
            found = events.at(wall)
            if found is not None:
                return State(False, f"closed: {found.text}")
        today = wall.date()
        minute = wall.hour * 60 + wall.minute
        ranges, because = self._hours(today)
        for each in ranges:
            if each.start <= minute < each.end:
                return State(True, f"open: {WEEKDAYS[today.weekday()]} {each}")
        yesterday = today - timedelta(days=1)
        for each in self._hours(yesterday)[0]:
            if each.start <= minute + DAY_MINUTES < each.end:
                return State(True, f"open: {WEEKDAYS[yesterday.weekday()]} {each}")
        if because:
            return State(False, f"closed: {because}", self._is_holiday(because, today))
        long = LONG_WEEKDAYS[today.weekday()]
        return State(False, f"closed: {f'outside the hours of {long}' if ranges else f'no hours on {long}'}")

    def _hours(self, day: date) -> tuple[tuple[Range, ...], str]:
        """The hours that begin on `day`, and why there are none when an exception took them."""
        usual = self.weekly[day.weekday()]
        for days in self.opened_days:
            if days.first <= day <= days.last:
                return usual, ""
        for days in self.closed_days:
            if days.first <= day <= days.last:
                return (), days.text
        name = self.holidays.name_of(day) if self.holidays is not None else ""
        return ((), name) if name else (usual, "")

    def _is_holiday(self, because: str, day: date) -> bool:
        return self.holidays is not None and self.holidays.name_of(day) == because

    def edges(self, first: date, days: int) -> Iterator[datetime]:
        """Moments, one at least in every stretch of time from `first` on in which the state is the same.

        Minute by minute on days on which the zone's clock is changed.
        """
        for offset in range(-1, days + 1):
            day = first + timedelta(days=offset)
            midnight = datetime.combine(day, time(), self.zone)
            following = datetime.combine(day + timedelta(days=1), time(), self.zone)
            if midnight.utcoffset() != following.utcoffset():
                start = midnight.astimezone(UTC)
                minutes = int((following.astimezone(UTC) - start).total_seconds()) // 60
                for minute in range(minutes):
                    yield (start + timedelta(minutes=minute)).astimezone(self.zone)
                continue
            for minute in self._minutes(day):
                yield midnight + timedelta(minutes=minute)

    def _minutes(self, day: date) -> list[int]:
        """The minutes of `day` at which something may begin or end."""
        minutes = {0}
        for each, offset in (
            *((each, 0) for each in self.weekly[day.weekday()]),
            *((each, DAY_MINUTES) for each in self.weekly[day.weekday() - 1]),
        ):
            minutes |= {each.start - offset, each.end - offset}
        events = [span for each in (*self.opened_events, *self.closed_events) for span in each.on(day)]
        for span in (*self.opened_times, *self.closed_times, *events):
            for moment in (span.start, span.end):
                if moment.date() == day:
                    minutes.add(moment.hour * 60 + moment.minute)
        return sorted(minute for minute in minutes if 0 <= minute < DAY_MINUTES)


def state_now(calendar: Calendar, at: datetime) -> State:
    """What a calendar says of a moment, once its switch has been looked at."""
    return calendar.state(at, facts().switch(calendar.switch) if calendar.switch else None)


# How many calendars are asked altogether for what they say at one time or another.
_MOST_STATES = 50_000


def moments(calendars: Collection[Calendar], first: datetime) -> list[datetime]:
    """`first`, and moments of a week from then on in which the calendars say all that they say in it."""
    found: dict[tuple[bool, ...], datetime] = {}
    edges = [first, *(edge for each in calendars for edge in each.edges(first.date(), 7))]
    for edge in dict.fromkeys(edges[: _MOST_STATES // (len(calendars) + 1) + 1]):
        found.setdefault(tuple(each.state(edge).open for each in calendars), edge)
    return list(found.values())


def compile_calendars(
    values: Any,
    document: Document,
    zone: tzinfo,
    problems: list[Problem],
    directory_of: Callable[[tuple[str | int, ...]], Path],
) -> dict[str, Calendar]:
    """The calendars of a dialplan by name; what is wrong with them is added to `problems`.

    `directory_of` is the directory of the file in which something stands.
    """
    calendars: dict[str, Calendar] = {}
    for name, value in values.items() if isinstance(values, dict) else ():
        path = ("calendars", name)
        place = document.key_place(path)
        shape = validate(CalendarShape, value if value is not None else {}, document, problems, path)
        if shape is None:
            calendars[name] = Calendar(name, place, zone, ((),) * 7)
            continue
        directory = directory_of(path)
        calendars[name] = _Calendars(document, problems, path, directory).compile(name, shape, place, zone)
    return calendars


class _Calendars:
    """Compiles one calendar that stands at `path`."""

    def __init__(
        self, document: Document, problems: list[Problem], path: tuple[str, ...], directory: Path
    ) -> None:
        self._directory = directory
        self._document = document
        self._problems = problems
        self._path = path

    def compile(self, name: str, shape: CalendarShape, place: Place, zone: tzinfo) -> Calendar:
        weekly = self._weekly(shape)
        zone = shape.timezone or zone
        opened_days, opened_times, opened_events = self._occasions(shape.opened, "opened", zone)
        for index, days in enumerate(opened_days):
            span = min((days.last - days.first).days + 1, 7)
            if not any(weekly[(days.first.weekday() + offset) % 7] for offset in range(span)):
                text = f"{days.text} has no hours of its own: say them, as in {days.first} 09:00-17:00"
                self._report(text, "", "opened", index)
        closed_days, closed_times, closed_events = self._occasions(shape.closed, "closed", zone)
        holidays = self._holidays(shape.holidays)
        return Calendar(
            name,
            place,
            zone,
            weekly,
            holidays,
            closed_days,
            closed_times,
            opened_days,
            opened_times,
            closed_events,
            opened_events,
            shape.switch,
        )

    def _weekly(self, shape: CalendarShape) -> tuple[tuple[Range, ...], ...]:
        weekly: list[list[Range]] = [[] for _ in range(7)]
        for key, texts in shape.open.items():
            days = self._read(parse_days, key, "open", key, key=True) or []
            for index, text in enumerate(texts):
                for each in self._read(parse_hours, text, "open", key, index) or []:
                    for day in days:
                        weekly[day].append(each)
        return tuple(tuple(sorted(ranges, key=lambda each: each.start)) for ranges in weekly)

    def _occasions(
        self, texts: tuple[str | EventsShape, ...], key: str, zone: tzinfo
    ) -> tuple[tuple[Days, ...], tuple[Span, ...], tuple[Events, ...]]:
        days: list[Days] = []
        spans: list[Span] = []
        files: list[Events] = []
        for index, text in enumerate(texts):
            if isinstance(text, EventsShape):
                events = self._read(
                    lambda name: read_events(self._directory / name, zone), text.file, key, index
                )
                if events is not None:
                    files.append(events)
                continue
            found = self._read(parse_occasion, text, key, index)
            if isinstance(found, Days):
                days.append(found)
            elif found is not None:
                spans.extend(found)
        return tuple(days), tuple(spans), tuple(files)

    def _holidays(self, shape: HolidaysShape | None) -> Holidays | None:
        if shape is None:
            return None
        from holidays import list_supported_countries

        countries = list_supported_countries()
        if shape.country not in countries:
            guess = shape.country.upper() if shape.country.upper() in countries else ""
            message = f"found {shown(shape.country)}, expected a country with known holidays such as NL"
            self._report(message, guess, "holidays", "country")
            return None
        if shape.subdivision and shape.subdivision not in countries[shape.country]:
            message = f"{shape.country} has no part {shown(shape.subdivision)} with holidays of its own"
            guess = nearest(shape.subdivision, countries[shape.country])
            self._report(message, guess, "holidays", "subdivision")
            return None
        names = (
            {
                name
                for year in range(2020, 2041)
                for name in holidays_of(shape.country, shape.subdivision, year).values()
            }
            if shape.except_
            else set()
        )
        for index, name in enumerate(shape.except_ or ()):
            if name not in names:
                message = f"{shape.country} has no holiday {shown(name)}"
                self._report(message, nearest(name, sorted(names)), "holidays", "except", index)
        return Holidays(shape.country, shape.subdivision, frozenset(shape.except_ or ()))

    def _read(
        self, reader: Callable[[str], T], text: str, *location: str | int, key: bool = False
    ) -> T | None:
        try:
            return reader(text)
        except ValueError as error:
            message, *suggestion = map(str, error.args)
            self._report(message, "".join(suggestion), *location, key=key)
            return None

    def _report(self, message: str, suggestion: str, *location: str | int, key: bool = False) -> None:
        path = self._path + location
        place = self._document.key_place(path) if key else self._document.place(path)
        self._problems.append(Problem(place, message, suggestion))
