"""What a routing rule may ask besides the two numbers: where a call comes from, its headers, and the time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pbx.dialplan.calendars import Calendar, state_now
from pbx.dialplan.call import Call
from pbx.dialplan.patterns import Pattern
from pbx.dialplan.scope import Scope
from pbx.dialplan.times import Range, parse_days, parse_hours
from pbx.documents import nearest, shown

Condition = Callable[[Call], bool]
_MOMENTS = ("open", "closed", "holiday")


@dataclass(frozen=True, slots=True)
class Conditions:
    """The further conditions of a rule: all have to hold. `words` say them, `timed` whether time is one."""

    tests: tuple[Condition, ...]
    words: tuple[str, ...]
    timed: bool
    calendars: tuple[Calendar, ...] = ()

    def hold(self, call: Call) -> bool:
        """Whether all of them hold for `call`."""
        return all(test(call) for test in self.tests)


def compile_conditions(
    scope: Scope,
    source: tuple[str, ...] | None,
    header: Mapping[str, tuple[str, ...]],
    when: Any,
    at: tuple[str, ...] | None,
) -> Conditions | None:
    """The conditions of the rule at `scope`; None when there are none."""
    tests: list[Condition] = []
    words: list[str] = []
    calendars: list[Calendar] = []
    if source is not None:
        tests.append(_source(scope, source))
        words.append(f"source {' or '.join(source)}")
    for name, texts in header.items():
        tests.append(_header(scope, name, texts))
        words.append(f"header {name} {' or '.join(texts)}")
    wanted = when if isinstance(when, dict) else {when: "open"} if isinstance(when, str) else {}
    if when is not None and not wanted:
        scope.problem("expected a calendar, or one with open, closed or holiday: {office: closed}", "when")
    for name, moment in wanted.items():
        calendar = scope.calendar(name, "when")
        if moment not in _MOMENTS:
            guess = nearest(str(moment), _MOMENTS)
            message = f"found {shown(str(moment))}, expected {', '.join(_MOMENTS)}"
            scope.problem(message, "when", name, suggestion=guess)
        elif calendar is not None:
            tests.append(_calendar(calendar, moment))
            words.append(f"{name} {moment}")
            calendars.append(calendar)
    if at is not None:
        hours = _hours(scope, at)
        if hours is not None:
            tests.append(_calendar(hours, "open"))
            words.append(f"at {' or '.join(at)}")
            calendars.append(hours)
    if not tests:
        return None
    return Conditions(tuple(tests), tuple(words), bool(calendars), tuple(calendars))


def _source(scope: Scope, sources: tuple[str, ...]) -> Condition:
    for index, source in enumerate(sources):
        kind, _, trunk = source.partition("/")
        if trunk and kind == "trunk":
            scope.check_trunk(trunk, "source", index)
        elif source not in ("users", "anyone", "trunk"):
            guess = nearest(source, ("users", "anyone", "trunk"))
            message = f"found {shown(source)}, expected users, anyone, trunk or trunk/NAME"
            scope.problem(message, "source", index, suggestion=guess)
    wanted = frozenset(sources)
    if "trunk" in wanted:
        return lambda call: call.source in wanted or call.source.startswith("trunk/")
    return lambda call: call.source in wanted


def _header(scope: Scope, name: str, texts: tuple[str, ...]) -> Condition:
    lower = name.lower()
    found: list[Pattern] = []
    for index, text in enumerate(texts):
        pattern = scope.pattern(text, "header", name, index)
        if pattern is not None:
            found.append(pattern)
    tests = [pattern.test for pattern in found]

    def holds(call: Call) -> bool:
        value = call.headers.get(lower)
        return value is not None and any(test(value) for test in tests)

    return holds


def _calendar(calendar: Calendar, moment: str) -> Condition:
    if moment == "open":
        return lambda call: state_now(calendar, call.at).open
    if moment == "closed":
        return lambda call: not state_now(calendar, call.at).open
    return lambda call: state_now(calendar, call.at).holiday


def _hours(scope: Scope, texts: tuple[str, ...]) -> Calendar | None:
    weekly: list[list[Range]] = [[] for _ in range(7)]
    for index, text in enumerate(texts):
        days, _, hours = text.strip().rpartition(" ")
        try:
            ranges = parse_hours(hours)
            for day in parse_days(days or "daily"):
                weekly[day].extend(ranges)
        except ValueError as error:
            message, *suggestion = map(str, error.args)
            scope.problem(
                f"{message}, as in mon-fri 09:00-17:00", "at", index, suggestion="".join(suggestion)
            )
            return None
    name = " or ".join(texts)
    return Calendar(name, scope.place("at"), scope.build.zone, tuple(map(tuple, weekly)))
