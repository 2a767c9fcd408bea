"""Which calls go elsewhere under another dialplan: kinds of calls, and a witness decided under both.

Numbers called, callers, sources and times are divided into the kinds that the patterns, lists and calendars
of the two files tell apart; a few calls of each kind are decided under both. Regular expressions divide the
numbers that are tried, and are not themselves searched for numbers that fit them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pbx.dialplan.calendars import Calendar
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import OUTCOMES, QUEUE_OUTCOMES, Dial, Menu, Play, Queue, Reject, Talk
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.handlers.routing import CompiledRule, RoutingHandler
from pbx.dialplan.languages import Element, Language, alphabet, language_of
from pbx.dialplan.lint import imagined
from pbx.dialplan.lists import NumberList, sample_of_country
from pbx.dialplan.patterns import Pattern, compile_pattern
from pbx.dialplan.rehearsal import verdict_goes_on
from pbx.dialplan.words import said
from pbx.errors import MisuseError

# How many texts of a kind are tried, how many states of the joint automaton, and how many calls altogether.
SAMPLES = 3
MAX_STATES = 30_000
MAX_CALLS = 400_000
_MAX_NUMBERS = 300
_MAX_DEPTH = 4
_MENU_DEPTH = 2
# More often than any menu asks again.
_ATTEMPTS = 100
_DAYS = 366

Kind = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Kinds of calls that went one way and now go another: where to, and a witness of each kind."""

    witnesses: tuple[Call, ...]
    old: str
    new: str

    @property
    def witness(self) -> Call:
        """The witness of the first kind."""
        return self.witnesses[0]

    @property
    def kinds(self) -> int:
        """How many kinds of calls do so."""
        return len(self.witnesses)

    def __str__(self) -> str:
        more = f" ({self.kinds} kinds of calls)" if self.kinds > 1 else ""
        return f"{presented(self.witness)}: {self.old} → {self.new}{more}"


def presented(call: Call) -> str:
    """An imagined call in words."""
    caller = call.caller.number or "nobody"
    return f"from {caller} to {call.called}, coming from {call.source}, at {call.at:%a %Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found; `complete` is False when there were too many kinds of calls to try them all."""

    differences: tuple[Difference, ...]
    kinds: frozenset[Kind]
    calls: int
    complete: bool


class Partition:
    """The kinds of calls that two generations tell apart."""

    def __init__(self, old: Generation, new: Generation) -> None:
        generations = (old, new)
        rules = [rule for each in generations for rule in _rules(each)]
        users = sorted({user for each in generations for user in each.known.users or ()})
        self._lists = [found for each in generations for found in each.lists.values()]
        self._calendars: list[Calendar] = [c for each in generations for c in each.calendars.values()]
        self._calendars += [
            calendar
            for rule in rules
            if rule.conditions is not None
            for calendar in rule.conditions.calendars
            if calendar not in self._calendars
        ]
        self._users = frozenset(users) if any(each.known.users is not None for each in generations) else None
        self._entries = sorted({entry.source for each in generations for entry in each.entries})
        called = [pattern for rule in rules for pattern in rule.to] + [
            compile_pattern(user) for user in users
        ]
        callers = [pattern for rule in rules for pattern in rule.from_]
        callers += [pattern for found in self._lists for pattern in found.patterns]
        callers += [compile_pattern(user) for user in users]
        self._called = _Texts(called, _before(rules))
        self._callers = _Texts(callers, [])

    def kind_of(self, call: Call) -> Kind:
        """The kind of a call."""
        caller = call.caller.number
        return (
            self._called.kind_of(call.called),
            self._callers.kind_of(caller),
            tuple(bool(each.found(caller)) for each in self._lists),
            call.source,
            tuple(_said_by(each, call.at) for each in self._calendars),
        )

    def calls(self, start: datetime) -> Iterator[Call]:
        """Calls of every kind, within a year from `start`."""
        times = self._times(start)
        callers = self._all_callers()
        called = list(self._called.samples())
        for source in self._sources():
            for caller in callers:
                if source == "users" and self._users is not None and caller not in self._users:
                    continue
                for number in called:
                    for at in times:
                        yield imagined(number, caller, source, at)

    def _sources(self) -> list[str]:
        trunks = [each for each in self._entries if each.startswith("trunk/")]
        return ["users", "anyone", *trunks, "trunk/another"]

    def _times(self, start: datetime) -> list[datetime]:
        found: dict[object, datetime] = {}
        edges = (edge for each in self._calendars for edge in each.edges(start.date(), _DAYS))
        for edge in (start, *edges):
            if edge >= start:
                found.setdefault(tuple(_said_by(each, edge) for each in self._calendars), edge)
        return list(found.values())

    def _all_callers(self) -> list[str]:
        texts = dict.fromkeys(self._callers.samples())
        kinds: dict[tuple[bool, ...], int] = {}
        for number in (number for each in self._lists for number in (*each.numbers, *_odd(each))):
            kind = tuple(bool(each.found(number)) for each in self._lists)
            kinds[kind] = kinds.get(kind, 0) + 1
            if kinds[kind] <= SAMPLES:
                texts[number] = None
        return list(texts)


def compare(old: Generation, new: Generation, start: datetime) -> Comparison:
    """Decide calls of every kind under both; those that differ are gathered by where they went and go."""
    partition = Partition(old, new)
    found: dict[tuple[str, str, str], dict[Kind, Call]] = {}
    kinds: set[Kind] = set()
    calls = 0
    for call in partition.calls(start):
        if calls >= MAX_CALLS:
            break
        calls += 1
        before, after = destination(old, call), destination(new, call)
        if before != after:
            kind = partition.kind_of(call)
            kinds.add(kind)
            found.setdefault((call.source, before, after), {}).setdefault(kind, call)
    differences = tuple(
        Difference(tuple(each.values()), before, after) for (_, before, after), each in found.items()
    )
    return Comparison(differences, frozenset(kinds), calls, calls < MAX_CALLS)


def destination(generation: Generation, call: Call) -> str:
    """Where `call` goes, in words that are the same exactly when the call goes the same way."""
    try:
        return _described(generation, call, decide_now(generation.decide(call)), 0)
    except MisuseError:
        return "not known before a plugin has answered"


def _described(generation: Generation, call: Call, verdict: Verdict, depth: int) -> str:
    decision = verdict.decision
    if isinstance(decision, Reject) and decision.retry_after is not None:
        return f"{said(decision)}, again after {decision.retry_after} s"
    if isinstance(decision, Play | Talk):
        if depth >= _MAX_DEPTH or not verdict_goes_on(generation, verdict):
            return said(decision)
        following = decide_now(generation.after(verdict, "played"))
        then = "" if following is None else _described(generation, call, following, depth + 1)
        return f"{said(decision)}, then {then}"
    if isinstance(decision, Menu):
        return _menu(generation, call, verdict, decision, depth)
    if not isinstance(decision, Dial | Queue):
        return said(decision) + _left(call, verdict.call)
    text = said(replace(decision, on={})) + _left(call, verdict.call)
    for outcome in QUEUE_OUTCOMES if isinstance(decision, Queue) else OUTCOMES:
        if outcome in decision.on and depth < _MAX_DEPTH:
            following = decide_now(generation.after(verdict, outcome))
            if following is not None:
                text += f", on {outcome} ({_described(generation, call, following, depth + 1)})"
    return text


def _menu(generation: Generation, call: Call, verdict: Verdict, menu: Menu, depth: int) -> str:
    """A menu, and where its choices lead."""
    text = f"{said(menu)} asking {', '.join(menu.prompt)}"
    handler = generation.menus.get(menu.key)
    if handler is None or depth >= _MENU_DEPTH:
        return text
    last = replace(verdict, decision=replace(menu, attempt=_ATTEMPTS))
    for choice in (*handler.choices, None):
        digits = "" if choice is None else choice.sample
        following = decide_now(generation.after(last, "digits", digits=digits))
        if following is not None:
            text += f", {digits or 'nothing'} ({_described(generation, call, following, depth + 1)})"
    return text


def _left(call: Call, left: Call) -> str:
    """What the dialplan changed of the call, in words."""
    caller, text = left.caller, ""
    if (caller.number, caller.name) != (call.caller.number, call.caller.name):
        text += f" as {caller.name!r} {caller.number}"
    if left.shown is not None:
        number = "anonymous" if left.shown.hidden else left.shown.number
        text += f" shown as {left.shown.name!r} {number}"
    if left.sent_headers:
        text += " with " + ", ".join(f"{name}: {value}" for name, value in left.sent_headers)
    return text + (f" recording {left.record.what}" if left.record is not None else "")


class _Texts:
    """Texts divided by patterns: what each kind is, and samples of it."""

    def __init__(self, patterns: Sequence[Pattern], languages: Sequence[Language]) -> None:
        unique = {pattern.text: pattern for pattern in patterns}
        self._exact = {text for text, pattern in unique.items() if pattern.kind == "exact"}
        self._tests = [pattern.test for pattern in unique.values() if pattern.kind != "exact"]
        wild = [pattern for pattern in unique.values() if pattern.kind == "number"]
        if len(self._exact) <= _MAX_NUMBERS:
            wild += [unique[text] for text in sorted(self._exact)]
        found = [each for pattern in wild if (each := language_of(pattern)) is not None]
        self._shifted = list({each.elements: each for each in languages}.values())
        self._languages = [*found, *self._shifted]

    def kind_of(self, text: str) -> Kind:
        """The kind of a text."""
        return (
            text if text in self._exact else "",
            *(bool(test(text)) for test in self._tests),
            *(each.matches(text) for each in self._shifted),
        )

    def samples(self) -> Iterator[str]:
        """Texts of every kind, a few of each."""
        found: dict[Kind, int] = {}
        for text in (*self._walk(), *sorted(self._exact)):
            kind = self.kind_of(text)
            found[kind] = found.get(kind, 0) + 1
            if found[kind] <= SAMPLES:
                yield text

    def _walk(self) -> Iterator[str]:
        letters = alphabet(self._languages)
        first = tuple((index, each.start) for index, each in enumerate(self._languages))
        times = {first: 1}
        waiting = deque([("", first)])
        while waiting:
            text, states = waiting.popleft()
            yield text
            for letter in letters:
                steps = ((at, self._languages[at].step(each, letter)) for at, each in states)
                joint = tuple((at, each) for at, each in steps if each)
                known = times.get(joint, 0)
                if known < SAMPLES and len(times) < MAX_STATES:
                    times[joint] = known + 1
                    waiting.append((text + letter, joint))


def _before(rules: Sequence[CompiledRule]) -> list[Language]:
    """What a number is before a rule rewrites it into one that a pattern matches, and where that ends."""
    shifts = {(rule.strip, rule.prefix) for rule in rules if rule.strip or rule.prefix}
    whole = [each for rule in rules for pattern in rule.to if (each := language_of(pattern)) is not None]
    found: list[Language] = []
    for strip, prefix in sorted(shifts):
        taken: list[Element] = [(None, False)] * strip
        found.append(Language(taken))
        found.append(Language([*taken, (None, True)]))
        found.append(Language([*((frozenset(each), False) for each in prefix), (None, True)]))
        for language in whole:
            state = language.after(prefix)
            found.extend(
                Language([*taken, *language.elements[position:]])
                for position in range(len(language.elements) + 1)
                if state >> position & 1
            )
    return found


def _rules(generation: Generation) -> Iterator[CompiledRule]:
    for chain in generation.chains.values():
        for link in chain.links:
            if isinstance(link.handler, RoutingHandler):
                yield from link.handler.rules


def _odd(found: NumberList) -> Iterable[str]:
    if found.anonymous:
        yield "anonymous"
    for country in sorted(found.countries):
        yield sample_of_country(country)


def _said_by(calendar: Calendar, at: datetime) -> tuple[bool, bool]:
    state = calendar.state(at)
    return state.open, state.holiday


def default_start(now: datetime) -> datetime:
    """The hour after `now`."""
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
