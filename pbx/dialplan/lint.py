"""What a sound dialplan still says wrongly: rules that never decide, chains without an end, silent hours.

Every finding has a code that stays the same, a level (`pbx check` fails on errors only), a place, one
sentence, and a witness where there is one: a call whose decision shows what is meant.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Literal, Protocol

from pbx.dialplan.calendars import Calendar, moments
from pbx.dialplan.call import Call, Caller, normalised
from pbx.dialplan.cases import NO_TIME
from pbx.dialplan.decisions import Dial
from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.handlers.routing import CompiledRule, RoutingHandler
from pbx.dialplan.languages import Effort
from pbx.dialplan.lint_chains import Dead, Undecided, dead_parts
from pbx.dialplan.loops import dial_circles
from pbx.dialplan.overflow_circles import dial_words
from pbx.dialplan.patterns import Pattern
from pbx.dialplan.rehearsal import Givens, Rehearsal
from pbx.dialplan.scope import Build
from pbx.dialplan.times import DAY_MINUTES, WEEKDAYS
from pbx.dialplan.words import said
from pbx.errors import MisuseError, Place, Problem

Level = Literal["error", "warning", "note"]

CODES: dict[str, tuple[Level, str]] = {
    "emergency-unrouted": ("error", "an emergency number that a user cannot reach"),
    "hours-never-open": ("error", "a calendar in which nobody is ever there"),
    "shadowed-rule": ("warning", "a rule whose every call is taken by rules above it"),
    "unreachable-handler": ("warning", "a handler after one that always decides"),
    "pattern-never-matches": ("warning", "a pattern that no number has the form of"),
    "hours-overlap": ("warning", "hours of one day that overlap"),
    "dial-circle": ("warning", "dials that lead back to each other when nobody takes the call"),
    "unused-chain": ("warning", "a chain that no entry leads to"),
    "unused-list": ("warning", "a list that no handler asks"),
    "unused-calendar": ("warning", "a calendar that no handler asks"),
    "unused-queue": ("warning", "a queue that no call waits in"),
    "too-complex": ("note", "patterns too entangled to be compared"),
    "may-end-undecided": ("note", "a chain that can run out of handlers, and then rejects with 404"),
    "hours-skipped": ("note", "hours that do not happen when the clock is put forward"),
    "hours-repeated": ("note", "hours that happen twice when the clock is put back"),
}
"""Every code, its level, and what it finds."""

ADVICE: dict[str, str] = {
    "emergency-unrouted": "add a rule for it above the others, such as {to: NUMBER, dial: trunk/NAME}",
    "hours-never-open": 'give it open: {mon-fri: "09:00-17:00"}, or take it out',
    "shadowed-rule": "move it above them, or take it out",
    "unreachable-handler": "move it up, or take it out",
    "pattern-never-matches": "write numbers as they are dialled, without separators",
    "hours-overlap": "write the hours as one range",
    "dial-circle": "lead one of them to what ends, such as reject: 480, or to a queue",
    "unused-chain": "lead an entry, goto or include to it, or take it out",
    "unused-list": "name it in a blacklist or allowlist, or take it out",
    "unused-calendar": "name it in hours, or take it out",
    "unused-queue": "lead calls to it with queue, or take it out",
    "too-complex": "write the patterns with fewer dots",
    "may-end-undecided": "end it with what such calls should get, such as reject: 404",
    "hours-skipped": "move the hours out of the hour that is left out",
    "hours-repeated": "move the hours out of the hour that comes twice",
}
"""What to do about it."""

_YEAR = 366
# How many handlers are asked altogether to see that emergency numbers are routed.
_MOST_ASKED = 10_000

# Patterns as other dialplans write them: _1XXX, 0[1-9]X.
_ELSEWHERE = re.compile(r"_[0-9+*#XZN.!\[\]-]+|[0-9+*#XZN.]*\[[0-9-]+\][0-9+*#XZN.\[\]-]*")


class _Named(Protocol):
    @property
    def place(self) -> Place: ...


@dataclass(frozen=True, slots=True)
class Witness:
    """A call that shows what a finding means; `chain` is where it is decided, "" where it enters."""

    call: Call
    chain: str = ""

    def __str__(self) -> str:
        where = f" in the chain {self.chain}" if self.chain else f", coming from {self.call.source}"
        called = self.call.called or "an empty number"
        return f"a call to {called} from {self.call.caller.number or 'nobody'}{where}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that lint found."""

    code: str
    problem: Problem
    witness: Witness | None = None

    @property
    def level(self) -> Level:
        """How bad it is: only errors keep a dialplan from being loaded."""
        return CODES[self.code][0]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]

    @property
    def advised(self) -> Problem:
        """The problem, with what to do about it."""
        problem = self.problem
        return Problem(problem.place, f"{problem.message}: {self.advice}", problem.suggestion)

    def __str__(self) -> str:
        shown = f" (for example {self.witness})" if self.witness is not None else ""
        words = f"{self.problem.place}: {self.level}: {_with_hint(self.problem)}{shown}"
        return f"{words} [{self.code}]: {self.advice}"


def errors(generation: Generation, build: Build) -> list[Finding]:
    """The errors among what `lint` finds, without looking for the rest."""
    found = [*_emergencies(generation, build)]
    for calendar in generation.calendars.values():
        found.extend(_never_open(calendar))
    return [finding for finding in found if finding.level == "error"]


def lint(generation: Generation, build: Build, today: date | None = None) -> list[Finding]:
    """Everything there is to find, in file order; changes of the clock in the year from `today`."""
    findings = [
        *_chains(generation, build),
        *_dial_circles(generation, build),
        *_unused(generation, build),
        *_patterns(generation),
        *_emergencies(generation, build),
    ]
    for calendar in generation.calendars.values():
        findings.extend(_never_open(calendar))
        findings.extend(_calendar(calendar, today or NO_TIME.date()))
    return sorted(findings, key=lambda each: (each.problem.place.line, each.problem.place.column))


def imagined(called: str, number: str, source: str = "users", at: datetime = NO_TIME) -> Call:
    """A call to decide about; one from users is by a user with the caller's number."""
    user = number if source == "users" else None
    trunk = source.removeprefix("trunk/") if source.startswith("trunk/") else None
    return Call("imagined", Caller(number, "", user), called, source, at, user=user, trunk=trunk)


def _with_hint(problem: Problem) -> str:
    return problem.message + (f" (did you mean {problem.suggestion}?)" if problem.suggestion else "")


def _finding(
    code: str, place: Place, message: str, suggestion: str = "", witness: Witness | None = None
) -> Finding:
    return Finding(code, Problem(place, message, suggestion), witness)


def _chains(generation: Generation, build: Build) -> Iterator[Finding]:
    ending = {entry.chain for entry in generation.entries}
    ending |= {edge.chain for edge in build.edges if not edge.returns}
    included = {edge.chain for edge in build.edges if edge.returns} - ending
    effort = Effort()
    for chain in generation.chains.values():
        for part in dead_parts(chain, generation.chains, effort):
            if isinstance(part, Dead) and part.place is not None:
                yield _finding("shadowed-rule", part.place, part.message)
            elif isinstance(part, Dead) and part.rule is None:
                yield _finding("unreachable-handler", part.link.place, part.message)
            elif isinstance(part, Dead):
                assert part.rule is not None
                witness = _shadowed(generation, part)
                yield _finding("shadowed-rule", part.rule.rule.place, part.message, witness=witness)
            elif isinstance(part, Undecided):
                if chain.name in included:
                    continue  # what includes it goes on
                place = chain.links[-1].place
                witness = _runs_out(generation, part, chain.name)
                message = f"the chain {chain.name} can run out of handlers, and then rejects with 404"
                yield _finding("may-end-undecided", place, message, witness=witness)
            else:
                yield _finding("too-complex", part.place, "these rules are too entangled to be compared")


def _dial_circles(generation: Generation, build: Build) -> Iterator[Finding]:
    for chain, call, circle in dial_circles(generation, build):
        place, message = dial_words(build, circle)
        yield _finding("dial-circle", place, message, witness=Witness(call, chain))


def _shadowed(generation: Generation, part: Dead) -> Witness | None:
    """A call that fits the rule and is decided elsewhere."""
    assert part.rule is not None
    if part.sample is None:
        return None
    witness = Witness(imagined(*part.sample), part.link.chain)
    for visit in _path(generation, witness):
        if (visit.chain, visit.position) == (part.link.chain, part.link.position):
            return witness if visit.rule != part.rule.rule else None
    return witness


def _runs_out(generation: Generation, part: Undecided, chain: str) -> Witness | None:
    witness = Witness(imagined(part.called, part.caller), chain)
    path = _path(generation, witness)
    ended = bool(path) and path[-1].chain == chain and path[-1].said.startswith("continue")
    return witness if ended else None


def _path(generation: Generation, witness: Witness) -> tuple[Any, ...]:
    try:
        return decide_now(generation.decide(witness.call, witness.chain or None)).path
    except MisuseError:
        return ()


def _unused(generation: Generation, build: Build) -> Iterator[Finding]:
    reached = {entry.chain for entry in generation.entries}
    waiting = list(reached)
    while waiting:
        chain = waiting.pop()
        for edge in build.edges:
            if edge.origin == chain and edge.chain not in reached:
                reached.add(edge.chain)
                waiting.append(edge.chain)
    document = build.document
    for name in generation.chains:
        if name not in reached:
            place = document.key_place(("chains", name))
            yield _finding("unused-chain", place, f"no entry and no goto leads to the chain {name}")
    named: tuple[tuple[str, Mapping[str, _Named]], ...] = (
        ("list", generation.lists),
        ("calendar", generation.calendars),
        ("queue", generation.queues),
    )
    for kind, names in named:
        for name, each in names.items():
            if (kind, name) not in build.used:
                yield _finding(f"unused-{kind}", each.place, f"no handler asks the {kind} {name}")


def _patterns(generation: Generation) -> Iterator[Finding]:
    for rule in _rules(generation):
        for pattern in (*rule.to, *rule.from_):
            found = _never_matches(pattern)
            if found:
                yield _finding("pattern-never-matches", rule.rule.place, *found)


def _rules(generation: Generation) -> Iterator[CompiledRule]:
    for chain in generation.chains.values():
        for link in chain.links:
            if isinstance(link.handler, RoutingHandler):
                yield from link.handler.rules


def _never_matches(pattern: Pattern) -> tuple[str, str] | None:
    text = pattern.text
    if pattern.kind == "exact" and normalised(text) != text:
        return f"numbers come without separators, so that {text!r} is never called", normalised(text)
    if pattern.kind == "exact" and set(text) & set("xzn") and not set(text) - set("0123456789+*#.xznXZN"):
        return f"{text!r} is a name: in number patterns X, Z and N are capital letters", text.upper()
    if pattern.kind == "exact" and _ELSEWHERE.fullmatch(text):
        message = f"{text!r} is a name: write a number pattern without _ and [], or /a regular expression/"
        return message, text[1:] if text.startswith("_") and "[" not in text else ""
    if pattern.kind != "regex" and any(
        before in "0123456789XZN+" and here == "+" for before, here in pairwise(text)
    ):
        return f"a number has its + at the front, so that {text!r} is never called", ""
    return None


def _emergencies(generation: Generation, build: Build) -> Iterator[Finding]:
    number = min(generation.known.users or ("1000",))
    raw = build.document.value.get("emergency", ())
    times = moments(generation.calendars.values(), NO_TIME)
    asked = 0
    for index, called in enumerate(raw if isinstance(raw, list) else ()):
        for at in times:
            call = imagined(str(called), number, "users", at)
            rehearsal = Rehearsal(generation, call, Givens())
            if asked > _MOST_ASKED:
                place = build.document.place(("emergency", index))
                yield _finding("too-complex", place, "there are too many times to try this number at")
                return
            try:
                decision = rehearsal.run(follows=False).decision
            except MisuseError:
                continue
            finally:
                asked += sum(len(each.path) for each in rehearsal.verdicts) + 1
            if not isinstance(decision, Dial):
                place = build.document.place(("emergency", index))
                message = f"users cannot reach the emergency number {called}: it comes to {said(decision)}"
                yield _finding("emergency-unrouted", place, message, witness=Witness(call))
                break


def _never_open(calendar: Calendar) -> Iterator[Finding]:
    never = not any(calendar.weekly) and not calendar.opened_times and not calendar.opened_events
    if never and not calendar.switch:
        message = (
            f"in the calendar {calendar.name} nobody is ever there: it has neither open nor opened hours"
        )
        yield _finding("hours-never-open", calendar.place, message)


def _calendar(calendar: Calendar, today: date) -> Iterator[Finding]:
    weekly = calendar.weekly
    for day in range(7):
        before = [(each.start - DAY_MINUTES, each.end - DAY_MINUTES, each) for each in weekly[day - 1]]
        ranges = sorted(
            [
                *(each for each in before if each[1] > 0),
                *((each.start, each.end, each) for each in weekly[day]),
            ],
            key=lambda each: each[:2],
        )
        for (_, end, one), (start, _, other) in pairwise(ranges):
            if start < end:
                message = f"in the calendar {calendar.name} {one} and {other} overlap on {WEEKDAYS[day]}"
                yield _finding("hours-overlap", calendar.place, message)
    for when, before_, after in _changes(calendar.zone, today):
        yield from _changed(calendar, when, before_, after)


def _changes(zone: tzinfo, today: date) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """The days of the coming year on which the clock of a zone changes, with the offsets around it."""
    for offset in range(_YEAR):
        day = datetime.combine(today + timedelta(days=offset), datetime.min.time(), zone)
        before, after = day.utcoffset(), (day + timedelta(days=1)).utcoffset()
        if before is not None and after is not None and before != after:
            yield day, before, after


def _changed(calendar: Calendar, day: datetime, before: timedelta, after: timedelta) -> Iterator[Finding]:
    """Hours that lie wholly in the gap or the overlap of a day."""
    forward = after > before
    minutes = [day.replace(tzinfo=None) + timedelta(minutes=minute) for minute in range(DAY_MINUTES)]
    odd = set()
    for minute, wall in enumerate(minutes):
        first, second = wall.replace(tzinfo=calendar.zone, fold=0), wall.replace(tzinfo=calendar.zone, fold=1)
        if first.utcoffset() != second.utcoffset():
            odd.add(minute)
    for each in calendar.weekly[day.weekday()]:
        if odd and set(range(each.start, each.end)) <= odd:
            happens = "do not happen" if forward else "happen twice"
            message = f"in the calendar {calendar.name} the hours {each} {happens} on {day.date()}"
            yield _finding("hours-skipped" if forward else "hours-repeated", calendar.place, message)
