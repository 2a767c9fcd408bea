"""Finding gotos, and queues that overflow, that lead in circles, each with a call that would go round."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import product

from pbx.dialplan.calendars import moments
from pbx.dialplan.call import Call, Caller
from pbx.dialplan.decisions import Dial, Queue
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.overflow_circles import Circle, Spend, outcome_circle, queue_problem
from pbx.dialplan.patterns import sample
from pbx.dialplan.scope import Build, Edge
from pbx.errors import MisuseError, Problem

_ORDINARY = ("1000", "+15550100", "anonymous")
_NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
# With more numbers than this, they are tried as numbers called only; and no more than so many of those.
_MAX_CALLERS = 32
_MAX_NUMBERS = 1000
# How many handlers are asked altogether; a circle that was not found is ended by the bounds on each call.
_MOST_ASKED = 30_000


def find_loops(generation: Generation, build: Build) -> list[Problem]:
    """One problem for each circle of chains that some imagined call goes round without end.

    Only chains that a goto can lead back to are tried, with a number for each pattern in them. A circle in
    which the number is rewritten until it fits elsewhere is no loop, and is not reported.
    """
    problems = _included(build.edges)
    if problems:
        return problems
    reported: set[str] = set()
    left = [_MOST_ASKED]
    times = moments(build.calendars.values(), _NOON)
    for circle in _circles(build.edges):
        if reported & circle:
            continue
        numbers = sorted(_numbers(build, circle))[:_MAX_NUMBERS]
        for chain in sorted(circle):
            problem = _round(generation, build, chain, numbers, times, left)
            if problem is not None:
                problems.append(problem)
                reported |= circle
                break
    return problems


def dial_circles(generation: Generation, build: Build) -> Iterator[tuple[str, Call, Circle]]:
    """Dials that lead back to each other when nobody takes the call: the chain, a call and the way it goes.

    At most one for each set of chains that lead to one another.
    """
    left = [_MOST_ASKED // 3]

    def spend(asked: int) -> bool:
        left[0] -= asked
        return left[0] >= 0

    times = moments(build.calendars.values(), _NOON)
    for circle in _circles([edge for edge in build.edges if not edge.returns]):
        # A user that may be called, too: `dial: user` rings nobody else.
        numbers = sorted(_numbers(build, circle) | set(sorted(generation.known.users or ())[:1]))
        numbers = numbers[:_MAX_NUMBERS]
        found = _dials(generation, sorted(circle), list(product(numbers, times)), spend)
        if found is not None:
            yield found


def _dials(
    generation: Generation, chains: list[str], ways: list[tuple[str, datetime]], spend: Spend
) -> tuple[str, Call, Circle] | None:
    for chain, (called, at) in product(chains, ways):
        call = _imagined(called, "1000", at)
        try:
            verdict = decide_now(generation.decide(call, chain))
        except MisuseError:
            continue
        if not spend(len(verdict.path) + 1):
            return None
        found = outcome_circle(generation, verdict, spend, Dial)
        if found is not None:
            return chain, call, found
    return None


def _circles(edges: list[Edge]) -> Iterator[set[str]]:
    """The sets of chains that lead to one another (strongly connected, or one that leads to itself)."""
    following = {edge.origin: set[str]() for edge in edges}
    for edge in edges:
        following[edge.origin].add(edge.chain)
    for circle in sorted(map(sorted, _connected(following))):
        if len(circle) > 1 or circle[0] in following.get(circle[0], ()):
            yield set(circle)


def _connected(following: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """The strongly connected parts of a graph (Tarjan), without recursion."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in following:
        if root in numbers:
            continue
        way = [(root, iter(sorted(following[root])))]
        numbers[root] = lowest[root] = len(numbers)
        stack.append(root)
        on_stack.add(root)
        while way:
            chain, others = way[-1]
            other = next(others, None)
            if other is None:
                way.pop()
                if way:
                    lowest[way[-1][0]] = min(lowest[way[-1][0]], lowest[chain])
                if lowest[chain] == numbers[chain]:
                    part = set()
                    while chain not in part:
                        part.add(stack.pop())
                    on_stack -= part
                    yield part
            elif other not in numbers:
                numbers[other] = lowest[other] = len(numbers)
                stack.append(other)
                on_stack.add(other)
                way.append((other, iter(sorted(following.get(other, ())))))
            elif other in on_stack:
                lowest[chain] = min(lowest[chain], numbers[other])


def _included(edges: list[Edge]) -> list[Problem]:
    """A problem for each include that leads back to its own chain: it would never come back."""
    including = [edge for edge in edges if edge.returns]
    circle_of = {chain: number for number, circle in enumerate(_circles(including)) for chain in circle}
    problems = []
    for edge in including:
        if edge.origin in circle_of and circle_of[edge.origin] == circle_of.get(edge.chain):
            message = (
                f"this include leads in a circle ({edge.origin} → {edge.chain} → …): say goto, or take it out"
            )
            problems.append(Problem(edge.place, message))
    return problems


def _numbers(build: Build, circle: set[str]) -> set[str]:
    numbers = set(_ORDINARY)
    for chain in circle:
        for pattern in build.patterns.get(chain, ()):
            text = sample(pattern)
            if text is not None:
                numbers.add(text)
    return numbers


def _round(
    generation: Generation,
    build: Build,
    chain: str,
    numbers: list[str],
    times: list[datetime],
    left: list[int],
) -> Problem | None:
    """What is wrong when some call goes round from `chain`."""

    def spend(asked: int) -> bool:
        left[0] -= asked
        return left[0] >= 0

    callers = ("1000", *numbers) if len(numbers) <= _MAX_CALLERS else ("1000",)
    for called, number, at in product(numbers, callers, times):
        try:
            verdict = decide_now(generation.decide(_imagined(called, number, at), chain))
        except MisuseError:
            left[0] -= 1
            continue
        if verdict.went_round:
            return _problem(build, verdict)
        if not spend(len(verdict.path) + 1):
            break
        circle = outcome_circle(generation, verdict, spend, Queue) if build.queues else None
        if circle is not None:
            return queue_problem(build, circle)
    return None


def _imagined(called: str, number: str, at: datetime) -> Call:
    return Call("imagined", Caller(number), called, "users", at, user="1000")


def _problem(build: Build, verdict: Verdict) -> Problem:
    way = _way(verdict)
    call = verdict.path[0].call
    if way[0] != way[-1]:
        place = next(edge.place for edge in build.edges if edge.origin == way[0])
        message = f"from here, a call to {call.called} passes more than {len(way)} chains, and ends with 482"
        return Problem(place, f"{message}: lead it on by fewer gotos")
    place = next(edge.place for edge in build.edges if edge.origin == way[-2] and edge.chain == way[-1])
    witness = f"a call to {call.called} from {call.caller.number}"
    message = f"this goto leads in a circle ({' → '.join(way)}), for example for {witness}"
    return Problem(place, f"{message}: lead it to a chain that ends, or decide here, as with reject: 404")


def _way(verdict: Verdict) -> list[str]:
    """The chains of one round, the first of them again at the end; without a round, all there were."""
    visited: list[str] = []
    for visit in verdict.path:
        if visit.position == 1:
            if visit.chain in visited:
                return [*visited[visited.index(visit.chain) :], visit.chain]
            visited.append(visit.chain)
    return visited
