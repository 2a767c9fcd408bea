"""Finding queues whose overflow leads back to them, over whatever chains, with a call that goes round."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pbx.dialplan.decisions import Outcome, Play, Queue, Talk
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.scope import Build
from pbx.errors import MisuseError, Place, Problem

Spend = Callable[[int], bool]
"""Says that so many handlers were asked, and learns whether more may be."""

# Where a caller waits: the queue, the chain and position of the step, and the number that was called. Within
# the endings of one step, positions are 0: there, no way leads back.
_Wait = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True)
class _Overflow:
    """An outcome of the wait that `queue` is the verdict on, and what followed it first."""

    queue: Verdict
    outcome: Outcome
    following: Verdict


@dataclass(frozen=True, slots=True)
class QueueCircle:
    """The queues of one round, the first of them again at the end, and what closed it."""

    queues: tuple[str, ...]
    closed_by: _Overflow


@dataclass(frozen=True, slots=True)
class _Step:
    verdict: Verdict
    way: tuple[_Wait, ...]
    after: _Overflow | None


def queue_circle(generation: Generation, verdict: Verdict, spend: Spend) -> QueueCircle | None:
    """The first circle of queues that a call comes into when nobody comes, whatever the outcomes are.

    Announcements in between are followed. A menu or a dial is not: with these, people decide.
    """
    seen: set[_Wait] = set()
    left = [_Step(verdict, (), None)]
    while left:
        step = left.pop()
        way = step.way
        place = _waiting(step.verdict)
        if place is not None:
            if place[2] and step.after is not None and place in way:
                names = [each[0] for each in way[way.index(place) :]]
                return QueueCircle((*names, place[0]), step.after)
            if place[2] and place in seen:
                continue
            seen.add(place)
            way = (*way, place)
        for outcome, following in _following(generation, step.verdict, spend):
            after = step.after
            if isinstance(step.verdict.decision, Queue):
                after = _Overflow(step.verdict, outcome, following)
            left.append(_Step(following, way, after))
    return None


def _following(generation: Generation, verdict: Verdict, spend: Spend) -> Iterator[tuple[Outcome, Verdict]]:
    decision = verdict.decision
    outcomes: tuple[Outcome, ...] = ()
    if isinstance(decision, Queue):
        outcomes = tuple(decision.on)
    elif isinstance(decision, Play | Talk):
        outcomes = ("played",)
    for outcome in outcomes:
        try:
            following = decide_now(generation.after(verdict, outcome))
        except MisuseError:
            following = None
        if not spend(1 + (0 if following is None else len(following.path))):
            return
        if following is not None and not following.went_round:
            yield outcome, following


def _waiting(verdict: Verdict) -> _Wait | None:
    """Where the verdict has a caller wait; None for anything else."""
    decision, link = verdict.decision, verdict.link
    if not isinstance(decision, Queue) or link is None:
        return None
    return (decision.name, link.chain, link.position if verdict.path else 0, verdict.call.called)


def queue_problem(build: Build, circle: QueueCircle) -> Problem:
    """What is wrong, at the goto that closes the circle."""
    closed_by = circle.closed_by
    call = closed_by.following.call
    way = " → ".join(circle.queues)
    witness = f"a call to {call.called} from {call.caller.number}"
    message = f"on {closed_by.outcome}, this leads back to a queue that the caller has waited in ({way})"
    hint = "lead it to what ends, such as reject: 480, or have callers wait longer (max_wait)"
    return Problem(_place(build, closed_by), f"{message}, for example for {witness}: {hint}")


def _place(build: Build, overflow: _Overflow) -> Place:
    """Where what follows the outcome stands: in the queue's own on:, or in the step's."""
    decision, link = overflow.queue.decision, overflow.queue.link
    first = overflow.following.path[0].link
    assert isinstance(decision, Queue)
    plan = build.queues.get(decision.name)
    endings: Mapping[str, object] = {} if plan is None else dict(plan.shape.on.items())
    own = endings.get(overflow.outcome)
    if isinstance(own, dict) and own.get("goto") == first.chain:
        return build.document.place(("queues", decision.name, "on", overflow.outcome, "goto"))
    origin = "" if link is None else link.chain
    found = [edge.place for edge in build.edges if edge.origin == origin and edge.chain == first.chain]
    return found[-1] if found else first.place
