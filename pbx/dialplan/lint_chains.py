"""Which parts of a chain no call can reach, by comparing its rules as automata."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pbx.dialplan.chain import Chain, Link
from pbx.dialplan.handler import Ending
from pbx.dialplan.handlers.allowlist import AllowlistHandler
from pbx.dialplan.handlers.blacklist import BlacklistHandler
from pbx.dialplan.handlers.hours import HoursHandler
from pbx.dialplan.handlers.include import IncludeHandler
from pbx.dialplan.handlers.limit import LimitHandler
from pbx.dialplan.handlers.menu import Choice, MenuHandler
from pbx.dialplan.handlers.record import RecordHandler
from pbx.dialplan.handlers.routing import CompiledRule, RoutingHandler
from pbx.dialplan.handlers.set import SetHandler
from pbx.dialplan.languages import (
    EVERYTHING,
    Area,
    Effort,
    Language,
    TooManyStates,
    language_of,
    uncovered,
)
from pbx.dialplan.patterns import Pattern, compile_pattern, plain_beginning, sample
from pbx.errors import Place


@dataclass(frozen=True, slots=True)
class Dead:
    """A rule, or without one a whole handler, that no call reaches; `sample` fits the rule."""

    link: Link
    rule: CompiledRule | None
    message: str
    sample: tuple[str, str] | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Undecided:
    """A call of the chain that no handler need decide about."""

    called: str
    caller: str


@dataclass(frozen=True, slots=True)
class Entangled:
    """Rules that could not be compared."""

    place: Place


def dead_parts(
    chain: Chain, chains: Mapping[str, Chain], effort: Effort | None = None
) -> Iterator[Dead | Undecided | Entangled]:
    """What no call reaches, in order; at the end, a call that runs out of handlers if there may be one.

    All chains of a dialplan share one `effort`.
    """
    walk = _Walk(chains, effort or Effort())
    for link in chain.links:
        if walk.ended:
            yield Dead(link, None, f"{link.name} is never asked: {walk.ended} always decides")
            continue
        yield from walk.pass_by(link)
    if not walk.ended:
        try:
            found = uncovered(EVERYTHING, walk.areas, walk.effort)
        except TooManyStates:
            return
        if found is not None:
            yield Undecided(*found)


class _Walk:
    """The rules passed so far, by the plain beginning of what they match."""

    def __init__(self, chains: Mapping[str, Chain], effort: Effort) -> None:
        self.ended = ""
        self.effort = effort
        self._chains = chains
        self._included = 0
        self._depth = 0
        self._rules: list[CompiledRule] = []
        self._by_prefix: dict[str, list[int]] = {}
        self._prefixes: list[str] = []

    @property
    def areas(self) -> list[Area]:
        """What the rules take for certain."""
        return _areas(self._rules)

    def pass_by(self, link: Link) -> Iterator[Dead | Entangled]:
        """What is dead in the next handler, and whether any call gets past it."""
        handler = link.handler
        where = f"{link.name} at {link.place}"
        if isinstance(handler, RoutingHandler):
            for rule in handler.rules:
                yield from self._pass_rule(link, rule)
            if not all(rule.ending.settles() for rule in handler.rules):
                self._keep([rule for rule in self._rules if rule.ending.settles()])
            if self._takes_everything():
                self.ended = where
        elif isinstance(handler, Ending):
            if isinstance(handler, MenuHandler):
                yield from _choices(link, handler, self.effort)
            if handler.settles():
                self.ended = where
        elif isinstance(handler, HoursHandler):
            said = {what for what, _ in handler.branches()}
            if {"open", "closed"} <= said and all(each.settles() for each in handler.endings()):
                self.ended = where
        elif isinstance(handler, IncludeHandler):
            self._include(handler.options.chain, where)
        elif isinstance(handler, SetHandler):
            if handler.changes_caller:
                self._keep([rule for rule in self._rules if not rule.from_])
        elif not isinstance(handler, _WITHOUT_EFFECT):
            self._keep([])

    def _include(self, name: str, where: str) -> None:
        """Pass by the handlers of another chain, whose own faults are found there."""
        chain = self._chains.get(name)
        if chain is None or self._included > _MAX_INCLUDED or self._depth >= _MAX_DEPTH:
            self._keep([])
            return
        self._depth += 1
        self._pass_included(chain, where)
        self._depth -= 1

    def _pass_included(self, chain: Chain, where: str) -> None:
        for link in chain.links:
            self._included += 1
            self.effort.left -= _HANDLER_STEPS
            if self.effort.left < 0:
                self._keep([])
                return
            for _ in self.pass_by(link):
                pass
            if self.ended:
                self.ended = where
                return

    def _pass_rule(self, link: Link, rule: CompiledRule) -> Iterator[Dead | Entangled]:
        try:
            above = self._covering(rule)
        except TooManyStates:
            if not self.effort.told:
                yield Entangled(rule.rule.place)
            self.effort.told = self.effort.told or self.effort.left < 0
            above = []
        if above:
            first = ", ".join(str(each.rule.place) for each in above[:3])
            more = f" and {len(above) - 3} more" if len(above) > 3 else ""
            message = f"this rule is never reached: rules above it take all its calls ({first}{more})"
            yield Dead(link, rule, message, _sample(rule))
        self._add(rule)

    def _covering(self, rule: CompiledRule) -> list[CompiledRule]:
        """The earlier rules that together take every call of `rule`; none when some call gets past them."""
        self.effort.spend(1)
        callers = tuple(language_of(pattern) or _OPAQUE for pattern in rule.from_)
        taking: dict[int, CompiledRule] = {}
        for pattern in rule.to or (_ANY,):
            target = Area((language_of(pattern) or _OPAQUE,), callers)
            areas: list[tuple[Area, CompiledRule]] = []
            rivals = self._rivals(pattern)
            self.effort.spend(len(rivals))
            for each in rivals:
                area = _against(each, pattern, rule)
                if area is not None:
                    areas.append((area, each))
            if not areas or uncovered(target, [area for area, _ in areas], self.effort) is not None:
                return []
            alone = next(
                (each for area, each in areas if uncovered(target, [area], self.effort) is None), None
            )
            for each in [alone] if alone is not None else [each for _, each in areas]:
                taking[each.rule.number] = each
        return list(taking.values())

    def _rivals(self, pattern: Pattern) -> list[CompiledRule]:
        """Earlier rules that may match something that `pattern` does."""
        if pattern.kind == "regex":
            return self._rules
        prefix = plain_beginning(pattern)
        numbers: set[int] = set()
        for length in range(len(prefix) + 1):
            numbers.update(self._by_prefix.get(prefix[:length], ()))
        if pattern.kind != "exact":
            at = bisect_left(self._prefixes, prefix)
            while at < len(self._prefixes) and self._prefixes[at].startswith(prefix):
                numbers.update(self._by_prefix[self._prefixes[at]])
                at += 1
        return [self._rules[number] for number in sorted(numbers)]

    def _takes_everything(self) -> bool:
        """Whether no call gets past; only rules that may begin with anything can have a part in that."""
        try:
            wide = [self._rules[number] for number in self._by_prefix.get("", ())]
            return uncovered(EVERYTHING, _areas(wide), self.effort) is None
        except TooManyStates:
            return False

    def _add(self, rule: CompiledRule) -> None:
        number = len(self._rules)
        self._rules.append(rule)
        for prefix in {plain_beginning(pattern) for pattern in rule.to} or {""}:
            if prefix not in self._by_prefix:
                self._by_prefix[prefix] = []
                insort(self._prefixes, prefix)
            self._by_prefix[prefix].append(number)

    def _keep(self, rules: Sequence[CompiledRule]) -> None:
        self._rules, self._by_prefix, self._prefixes = [], {}, []
        for each in rules:
            self._add(each)


_WITHOUT_EFFECT = (BlacklistHandler, AllowlistHandler, LimitHandler, RecordHandler)
_MAX_INCLUDED = 10_000
_MAX_DEPTH = 50
# Passing by a handler costs about as much as so many steps of automata.
_HANDLER_STEPS = 20

_ANY = compile_pattern("*")

# A regular expression, to rules above it: it may match the empty text, and a text like no other.
_OPAQUE = Language([(frozenset("\ue000"), True)])


def _choices(link: Link, menu: MenuHandler, effort: Effort) -> Iterator[Dead]:
    """The choices of a menu that others above them take."""
    above: list[Choice] = []
    for choice in menu.choices:
        areas = [Area((each.language,), ()) for each in above]
        try:
            found = uncovered(Area((choice.language,), ()), areas, effort)
        except TooManyStates:
            found = ("", "")
        if found is None:
            message = f"the choice {choice.text} is never reached: choices above it take its digits"
            yield Dead(link, None, message, place=choice.rule.place)
        above.append(choice)


def _against(rival: CompiledRule, pattern: Pattern, rule: CompiledRule) -> Area | None:
    """What `rival` takes of the calls to `pattern`; None when that is nothing for certain."""
    if rival.conditions is not None:
        words = () if rule.conditions is None else rule.conditions.words
        if not set(rival.conditions.words) <= set(words):
            return None
    to: tuple[Language, ...] = ()
    if pattern.kind == "exact":
        if rival.to and not any(each.test(pattern.text) for each in rival.to):
            return None
    elif rival.to and pattern.text not in {each.text for each in rival.to}:
        to = _languages(rival.to)
        if not to:
            return None
    from_: tuple[Language, ...] = ()
    if rival.from_ and not (rule.from_ and _texts(rule.from_) <= _texts(rival.from_)):
        from_ = _languages(rival.from_)
        if not from_:
            return None
    return Area(to, from_)


def _areas(rules: Sequence[CompiledRule]) -> list[Area]:
    """What the rules take for certain: a regular expression, nothing."""
    areas = []
    for rule in rules:
        if rule.conditions is not None:
            continue
        to, from_ = _languages(rule.to), _languages(rule.from_)
        if bool(to) == bool(rule.to) and bool(from_) == bool(rule.from_):
            areas.append(Area(to, from_))
    return areas


def _languages(patterns: Sequence[Pattern]) -> tuple[Language, ...]:
    found = (language_of(pattern) for pattern in patterns)
    return tuple(each for each in found if each is not None)


def _texts(patterns: Sequence[Pattern]) -> set[str]:
    return {pattern.text for pattern in patterns}


def _sample(rule: CompiledRule) -> tuple[str, str] | None:
    """A number called and a caller that the rule fits; None for regular expressions."""
    called = _samples(rule.to) if rule.to else ["1000"]
    callers = _samples(rule.from_) if rule.from_ else ["1000"]
    return (called[0], callers[0]) if called and callers else None


def _samples(patterns: Sequence[Pattern]) -> list[str]:
    return [text for text in map(sample, patterns) if text is not None]
