"""What is taken from the floor to outlive the process, and what an earlier process gives back to it."""

from collections.abc import Iterable

from pbx.queues.floor import Floor
from pbx.queues.snapshot import AgentRecord, QueueRecord, Snapshot
from pbx.queues.values import Output


def taken(
    floor: Floor, agents: Iterable[str], queues: Iterable[str], intervals: int | None = None
) -> Snapshot:
    """These agents and queues as records; of the intervals all, or so many of the latest."""
    return Snapshot(
        tuple(
            AgentRecord(
                agent.name,
                agent.logged_in,
                agent.paused,
                agent.no_answers,
                {queue: seat.answered for queue, seat in agent.seats.items()},
            )
            for agent in map(floor.agents.get, agents)
            if agent is not None
        ),
        tuple(
            QueueRecord(
                line.name, line.closed, line.statistics.total.copy(), line.statistics.intervals(intervals)
            )
            for line in map(floor.lines.get, queues)
            if line is not None
        ),
    )


def take_back(floor: Floor, kept: Snapshot, now: float, out: list[Output]) -> None:
    """Go on from what was kept; names that are gone are left out."""
    for each in kept.agents:
        agent = floor.agents.get(each.agent)
        if agent is None:
            continue
        agent.no_answers = each.no_answers
        for queue, seat in agent.seats.items():
            seat.answered = each.answered.get(queue, 0)
        agent.answered = sum(seat.answered for seat in agent.seats.values())
        floor.presence(agent, now, out, logged_in=each.logged_in, paused=each.paused)
        floor.refresh(agent)
    for record in kept.queues:
        line = floor.lines.get(record.queue)
        if line is not None:
            line.closed = record.closed
            line.statistics.restore(record.total, record.intervals)
