"""What a queue counts, since it was set up and by interval. What was not measured is None."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice

from pbx.queues.settings import QueueOutcome

INTERVAL_S = 900.0
# Two days of quarters of an hour in which something happened.
MAX_INTERVALS = 192
# The expected wait is worked out from so many conversations, and from no fewer than so many.
_RECENT = 50
_ENOUGH = 5


@dataclass(slots=True)
class Tally:
    """Counts and sums; times in seconds.

    `joined` stood in line; `refused` never did. Those who left the line unserved are in `abandoned` (they
    hung up) or in `overflowed`. `in_time` of the `answered` waited no longer than the service level's time.
    `wait_s` and `longest_wait_s` are of the answered, `patience_s` is the waiting of the abandoned.
    `handled` conversations are over and took `handle_s` together. `fallbacks` counts offers that the
    strategy failed to make.
    """

    joined: int = 0
    answered: int = 0
    in_time: int = 0
    abandoned: int = 0
    handled: int = 0
    offers: int = 0
    failed_offers: int = 0
    fallbacks: int = 0
    wait_s: float = 0.0
    longest_wait_s: float = 0.0
    patience_s: float = 0.0
    handle_s: float = 0.0
    refused: dict[QueueOutcome, int] = field(default_factory=dict)
    overflowed: dict[QueueOutcome, int] = field(default_factory=dict)

    @property
    def mean_wait_s(self) -> float | None:
        """Of those who were answered."""
        return self.wait_s / self.answered if self.answered else None

    @property
    def mean_handle_s(self) -> float | None:
        """Of the conversations that are over."""
        return self.handle_s / self.handled if self.handled else None

    @property
    def mean_patience_s(self) -> float | None:
        """How long those waited who hung up."""
        return self.patience_s / self.abandoned if self.abandoned else None

    @property
    def service_level(self) -> float | None:
        """The share (0 to 1) that was answered in time of all who stood in line and do no more."""
        left = self.answered + self.abandoned + sum(self.overflowed.values())
        return self.in_time / left if left else None

    def copy(self) -> "Tally":
        """The same, apart."""
        return replace(self, refused=dict(self.refused), overflowed=dict(self.overflowed))


@dataclass(frozen=True, slots=True)
class Interval:
    """What happened in the `INTERVAL_S` seconds from `started_at` (monotonic) on."""

    started_at: float
    tally: Tally


class Statistics:
    """The tallies of one queue: `total`, and one for each interval in which something happened."""

    __slots__ = ("_aligned_at", "_busy_s", "_intervals", "total")

    def __init__(self, aligned_at: float = 0.0) -> None:
        """Intervals begin at `aligned_at` and whole `INTERVAL_S` before and after it."""
        self.total = Tally()
        self._intervals: deque[Interval] = deque(maxlen=MAX_INTERVALS)
        self._busy_s: deque[float] = deque(maxlen=_RECENT)
        self._aligned_at = aligned_at

    def _both(self, now: float) -> tuple[Tally, Tally]:
        started_at = now - (now - self._aligned_at) % INTERVAL_S
        intervals = self._intervals
        # A rounding error must not make two intervals of one.
        if not intervals or started_at > intervals[-1].started_at + INTERVAL_S / 2:
            intervals.append(Interval(started_at, Tally()))
        return self.total, intervals[-1].tally

    def refuse(self, outcome: QueueOutcome, now: float) -> None:
        """A caller was not let in."""
        for tally in self._both(now):
            tally.refused[outcome] = tally.refused.get(outcome, 0) + 1

    def join(self, now: float) -> None:
        """A caller stands in line."""
        for tally in self._both(now):
            tally.joined += 1

    def offer(self, now: float, *, fallback: bool) -> None:
        """An agent is rung; `fallback` when the strategy gave nobody."""
        for tally in self._both(now):
            tally.offers += 1
            tally.fallbacks += fallback

    def fail_offer(self, now: float) -> None:
        """An agent did not take an offer."""
        for tally in self._both(now):
            tally.failed_offers += 1

    def answer(self, waited_s: float, now: float, *, in_time: bool) -> None:
        """A caller and an agent are together."""
        for tally in self._both(now):
            tally.answered += 1
            tally.in_time += in_time
            tally.wait_s += waited_s
            tally.longest_wait_s = max(tally.longest_wait_s, waited_s)

    def abandon(self, waited_s: float, now: float) -> None:
        """A caller hung up in line."""
        for tally in self._both(now):
            tally.abandoned += 1
            tally.patience_s += waited_s

    def overflow(self, outcome: QueueOutcome, now: float) -> None:
        """A caller was made to leave the line, or chose to."""
        for tally in self._both(now):
            tally.overflowed[outcome] = tally.overflowed.get(outcome, 0) + 1

    def handle(self, handle_s: float, wrap_up_s: float, now: float) -> None:
        """A conversation is over, and the agent wraps up for so long."""
        self._busy_s.append(handle_s + wrap_up_s)
        for tally in self._both(now):
            tally.handled += 1
            tally.handle_s += handle_s

    def expected_wait_s(self, position: int, agents: int) -> float | None:
        """How long a caller at `position` will wait, with so many agents at work; None when nobody can know.

        Each agent is free again after the mean of the latest conversations and their wrap-up, so that one of
        `agents` is every `agents`-th part of it. Nothing is said before there were a few of them.
        """
        if len(self._busy_s) < _ENOUGH or not agents:
            return None
        return position * sum(self._busy_s) / len(self._busy_s) / agents

    def intervals(self, latest: int | None = None) -> tuple[Interval, ...]:
        """The intervals, or so many of the latest, oldest first, as copies."""
        known = self._intervals
        first = 0 if latest is None else max(0, len(known) - latest)
        return tuple(Interval(each.started_at, each.tally.copy()) for each in islice(known, first, None))

    def restore(self, total: Tally, intervals: Iterable[Interval]) -> None:
        """Go on from what was kept."""
        self.total = total.copy()
        self._intervals.clear()
        self._intervals.extend(Interval(each.started_at, each.tally.copy()) for each in intervals)
