"""What of agents and queues outlives the process, and where it is kept. Live calls and callers never do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pbx.queues.statistics import Interval, Tally


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent. `paused` is the reason, "" when not; `answered` counts callers by queue."""

    agent: str
    logged_in: bool
    paused: str
    no_answers: int
    answered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A queue's statistics; intervals start at monotonic seconds. `closed` until somebody opens it."""

    queue: str
    closed: bool
    total: Tally
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Agents and queues, all of them or those that have changed."""

    agents: tuple[AgentRecord, ...] = ()
    queues: tuple[QueueRecord, ...] = ()


class AgentStorage(Protocol):
    """Where agents and statistics outlive the process. `epoch` is wall-clock seconds at `now`."""

    def record(self, changes: Snapshot, now: float, epoch: float) -> None:
        """Keep what changed; returns at once, a failure is reported elsewhere."""

    def load(self, now: float, epoch: float) -> Snapshot:
        """What was kept, its times counted from `now`."""
