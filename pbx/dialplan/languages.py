"""Number patterns as automata: is everything that one matches taken by others, and if not, by which text?

A pattern is a row of elements, each a set of characters (None for any), once or any number of times. A state
is a set of positions in that row, as the bits of an integer. Regular expressions have no automaton here.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pbx.dialplan.patterns import Pattern
from pbx.errors import PbxError

MAX_STATES = 50_000
MAX_EFFORT = 500_000
"""How many steps of automata one search of a dialplan for dead rules may take."""

_CLASSES = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
_DIGITS = "5208136479"
_OTHERS = "abcdefghijklmnopqrstuvwxyz_"

Element = tuple[frozenset[str] | None, bool]


class TooManyStates(PbxError):
    """The patterns are too entangled to be compared within the bound."""


@dataclass(slots=True)
class Effort:
    """What is left to spend on comparing patterns; `told` is whether it was said that nothing is left."""

    left: int = MAX_EFFORT
    told: bool = False

    def spend(self, steps: int) -> None:
        """Take `steps` off; raises TooManyStates when there are not as many left."""
        self.left -= steps
        if self.left < 0:
            raise TooManyStates(f"more than {MAX_EFFORT} steps")


class Language:
    """The texts that one pattern matches."""

    __slots__ = ("_final", "_steps", "_tail", "elements", "start", "text")

    def __init__(self, elements: Sequence[Element], text: str = "") -> None:
        self.text = text
        self.elements = tuple(elements)
        self._final = 1 << len(self.elements)
        self._tail = 0
        if self.elements and self.elements[-1] == (None, True):
            self._tail = 1 << (len(self.elements) - 1)
        self._steps: dict[tuple[int, str], int] = {}
        self.start = self._closed(1)

    def step(self, state: int, character: str) -> int:
        """The state after `character`; 0 when nothing can match any more."""
        key = (state, character)
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self._step(state, character)
        return known

    def accepts(self, state: int) -> bool:
        """Whether the text so far matches."""
        return bool(state & self._final)

    def accepts_everything(self, state: int) -> bool:
        """Whether the text so far matches, whatever follows."""
        return bool(state & self._tail)

    def after(self, text: str) -> int:
        """The state after a whole text."""
        state = self.start
        for character in text:
            state = self.step(state, character)
        return state

    def matches(self, text: str) -> bool:
        """Whether `text` matches."""
        return self.accepts(self.after(text))

    def _step(self, state: int, character: str) -> int:
        following = 0
        for position, (characters, many) in enumerate(self.elements):
            if state >> position & 1 and (characters is None or character in characters):
                following |= 1 << (position if many else position + 1)
        return self._closed(following)

    def _closed(self, state: int) -> int:
        for position, (_, many) in enumerate(self.elements):
            if many and state >> position & 1:
                state |= 1 << (position + 1)
        return state


ANYTHING = Language([(None, True)], "*")


def language_of(pattern: Pattern) -> Language | None:
    """The language of a pattern; None for a regular expression."""
    if pattern.kind == "regex":
        return None
    if pattern.kind == "exact":
        return Language([(frozenset(each), False) for each in pattern.text], pattern.text)
    return Language(tuple(_elements(pattern.text)), pattern.text)


def _elements(text: str) -> Iterator[Element]:
    for position, character in enumerate(text):
        if character == ".":
            yield None, False
            yield None, True
        elif character == "*" and position == len(text) - 1:
            yield None, True
        else:
            yield frozenset(_CLASSES.get(character, character)), False


def alphabet(languages: Iterable[Language]) -> list[str]:
    """One character for each kind that the languages tell apart; digits first, a stranger to all last."""
    sets = {characters for each in languages for characters, _ in each.elements if characters is not None}
    named = set().union(*sets) if sets else set()
    kinds: dict[tuple[bool, ...], str] = {}
    rest = sorted(named - set(_DIGITS))
    stranger = next(each for each in _OTHERS + "\x00" if each not in named)
    ordered = list(sets)
    for character in (*_DIGITS, *rest, stranger):
        kinds.setdefault(tuple(character in each for each in ordered), character)
    return list(kinds.values())


@dataclass(slots=True)
class _Budget:
    effort: Effort
    states: int


@dataclass(frozen=True, slots=True)
class Area:
    """Pairs of texts, numbers called and callers, that a rule fits; an empty tuple is any text."""

    to: tuple[Language, ...]
    from_: tuple[Language, ...]


EVERYTHING = Area((), ())


def uncovered(area: Area, others: Sequence[Area], effort: Effort | None = None) -> tuple[str, str] | None:
    """A number called and a caller in `area` and in none of `others`; None when there are none.

    Raises TooManyStates when that would take too long to find out.
    """
    budget = _Budget(effort or Effort(), MAX_STATES)
    budget.effort.spend(len(others) + 1)
    known: dict[frozenset[int], str | None] = {}
    for target in area.to or (ANYTHING,):
        found = _uncovered_to(target, area, others, known, budget)
        if found is not None:
            return found
    return None


def _uncovered_to(
    target: Language,
    area: Area,
    others: Sequence[Area],
    known: dict[frozenset[int], str | None],
    budget: _Budget,
) -> tuple[str, str] | None:
    rivals = [(index, each) for index, other in enumerate(others) for each in other.to or (ANYTHING,)]
    total = {index for index, other in enumerate(others) if not other.from_}
    for text, accepted in _walk(target, rivals, total, budget):
        if not accepted & total:
            if accepted not in known:
                known[accepted] = _uncovered_from(area, [others[index] for index in accepted], budget)
            caller = known[accepted]
            if caller is not None:
                return text, caller
    return None


def _walk(
    target: Language, rivals: Sequence[tuple[int, Language]], total: set[int], budget: _Budget
) -> Iterator[tuple[str, frozenset[int]]]:
    """For each way in which texts of `target` fit rivals: a shortest text, and the rivals' owners.

    Where an owner in `total` takes whatever follows, nothing is looked for any more.
    """
    letters = alphabet([target, *(language for _, language in rivals)])
    first = (target.start, tuple((index, each.start) for index, (_, each) in enumerate(rivals)))
    seen = {first}
    waiting = deque([("", first)])
    while waiting:
        text, (state, states) = waiting.popleft()
        if any(rivals[at][0] in total and rivals[at][1].accepts_everything(each) for at, each in states):
            continue
        if target.accepts(state):
            yield text, frozenset(rivals[at][0] for at, each in states if rivals[at][1].accepts(each))
        for letter in letters:
            following = target.step(state, letter)
            if not following:
                continue
            steps = ((at, rivals[at][1].step(each, letter)) for at, each in states)
            joint = (following, tuple((at, each) for at, each in steps if each))
            budget.effort.spend(len(states) + 1)
            if joint not in seen:
                budget.states -= 1
                if budget.states < 0:
                    raise TooManyStates(f"more than {MAX_STATES} states")
                seen.add(joint)
                waiting.append((text + letter, joint))


def _uncovered_from(area: Area, others: Sequence[Area], budget: _Budget) -> str | None:
    rivals = [(index, each) for index, other in enumerate(others) for each in other.from_]
    owners = set(range(len(others)))
    for target in area.from_ or (ANYTHING,):
        for text, accepted in _walk(target, rivals, owners, budget):
            if not accepted:
                return text
    return None
