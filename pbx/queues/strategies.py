"""Which of the free agents is offered a caller: small pure functions, and the place where plugins add theirs.

A strategy is two functions. `rank` orders the agents of a queue who are free; the machine keeps them in that
order, so that choosing need not look at all of them. `choose` gives agents in the order in which they should
be asked; the machine offers the caller to the first who matches, or to all with `everyone`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pbx.queues.ordered import Ordered
from pbx.queues.settings import STRATEGY_NAMES
from pbx.queues.values import Standing, Wanted

Rank = tuple[float, ...]
"""Lower is asked first. It begins with the penalty: agents with a higher one are asked only when those
with a lower one are all taken, and ends with the agent's position, which no other has."""

Draw = Callable[[int], int]
"""`draw(n)` is a random number from 0 to n - 1."""

PluginChoice = Callable[[Wanted, Sequence[Standing]], "str | Iterable[str] | None"]
"""A plugin's strategy: given the caller and the free agents who match, the longest idle first, it names one
agent, or several in the order in which to ask them."""


class StrategyFault(Exception):
    """Why a plugin's strategy named nobody, in words."""


class Free(Ordered[str]):
    """The agents of a queue who are free, in the order of their ranks."""

    __slots__ = ("_standing",)

    def __init__(self, standing: Callable[[str], Standing]) -> None:
        """`standing` gives what is known of an agent, for strategies that look at everyone."""
        super().__init__()
        self._standing = standing

    def penalties(self) -> Iterator[tuple[float, int, int]]:
        """Each penalty, the lowest first, with the first place of those who have it, and that after them."""
        start = 0
        while start < len(self):
            penalty = self.key_at(start)[0]
            end = self.place((penalty + 1,))
            yield penalty, start, end
            start = end

    def standings(self) -> tuple[Standing, ...]:
        """What is known of each, in order; this looks at everyone."""
        return tuple(map(self._standing, self))


def matches(caller: Wanted, agent: Standing) -> bool:
    """Whether the agent may be offered this caller: somebody else, with the skills that are needed."""
    return agent.agent != caller.user and has_skills(agent.skills, caller.needs)


def has_skills(skills: Mapping[str, int], needs: Mapping[str, int]) -> bool:
    """Whether every skill that is needed is there, at its least level."""
    return all(skills.get(skill, 0) >= level for skill, level in needs.items())


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a queue picks agents. `choose` may raise or give nonsense: then the longest idle is taken."""

    name: str
    rank: Callable[[Standing], Rank]
    choose: Callable[[Wanted, Free, Draw], Iterable[str]]
    everyone: bool = False


def by_idleness(agent: Standing) -> Rank:
    """Who became free first comes first."""
    return (agent.penalty, agent.idle_since, agent.position)


def by_calls(agent: Standing) -> Rank:
    """Who has taken the fewest callers of this queue comes first, then who became free first."""
    return (agent.penalty, agent.answered, agent.idle_since, agent.position)


def by_position(agent: Standing) -> Rank:
    """The order of the file."""
    return (agent.penalty, agent.position)


def in_rank(_caller: Wanted, free: Free, _draw: Draw) -> Iterable[str]:
    """As they are ranked."""
    return free


def same_penalty(caller: Wanted, free: Free, _draw: Draw) -> list[str]:
    """All who match and share the lowest penalty."""
    matching = [agent for agent in free.standings() if matches(caller, agent)]
    return [agent.agent for agent in matching if agent.penalty == matching[0].penalty]


def next_in_turn(caller: Wanted, free: Free, _draw: Draw) -> Iterator[str]:
    """Who comes after the agent that got the last offer, in the order of the file, round and round."""
    for penalty, start, end in free.penalties():
        yield from _round(free, start, free.place((penalty, caller.last_offered + 1)), end)


def drawn(_caller: Wanted, free: Free, draw: Draw) -> Iterator[str]:
    """Anyone of those who share a penalty."""
    for _, start, end in free.penalties():
        yield from _round(free, start, start + draw(end - start), end)


def _round(free: Free, start: int, first: int, end: int) -> Iterator[str]:
    """Those from place `start` to `end`, once round from `first`."""
    return map(free.at, chain(range(first, end), range(start, first)))


def best_skilled(caller: Wanted, free: Free, _draw: Draw) -> Iterator[str]:
    """Whose levels in the skills that are needed add up to the most; among equals the longest idle."""
    standings = free.standings()
    ordered = sorted(
        range(len(standings)),
        key=lambda at: (
            standings[at].penalty,
            -sum(standings[at].skills.get(skill, 0) for skill in caller.needs),
            at,
        ),
    )
    return (standings[at].agent for at in ordered)


def same_as_before(caller: Wanted, free: Free, _draw: Draw) -> Iterator[str]:
    """Who served this number before, if free; else the longest idle."""
    if caller.last_agent is not None:
        yield caller.last_agent
    yield from free


STRATEGIES: Mapping[str, Strategy] = {
    each.name: each
    for each in (
        Strategy("ring-all", by_position, same_penalty, everyone=True),
        Strategy("longest-idle", by_idleness, in_rank),
        Strategy("round-robin", by_position, next_in_turn),
        Strategy("fewest-calls", by_calls, in_rank),
        Strategy("random", by_position, drawn),
        Strategy("in-order", by_position, in_rank),
        Strategy("skills", by_idleness, best_skilled),
        Strategy("sticky", by_idleness, same_as_before),
    )
}
assert tuple(STRATEGIES) == STRATEGY_NAMES

LONGEST_IDLE = STRATEGIES["longest-idle"]


def plugin_strategy(name: str, choice: PluginChoice, *, everyone: bool = False) -> Strategy:
    """The strategy of a plugin; it looks at all who are free, and ranks them by idleness for the fallback."""

    def choose(caller: Wanted, free: Free, _draw: Draw) -> Iterable[str]:
        chosen = choice(caller, [agent for agent in free.standings() if matches(caller, agent)])
        if chosen is None:
            return ()
        return (chosen,) if isinstance(chosen, str) else chosen

    return Strategy(name, by_idleness, choose, everyone)
