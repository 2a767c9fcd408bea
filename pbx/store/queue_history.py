"""The callers of a queue as finished calls tell of them, to be simulated again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, log

from pbx.call.causes import QUEUE_OUTCOMES
from pbx.queues.simulation import SimulatedCaller
from pbx.store.calls import CallRow

_WAITS = frozenset({"queue-served", "queue-gave-up", *(f"queue-{outcome}" for outcome in QUEUE_OUTCOMES)})
_TOLD = _WAITS | {"queue-handled"}


@dataclass(frozen=True, slots=True)
class _Wait:
    """One wait of one caller: when it began (epoch), how it ended, and how long an agent talked, if any."""

    name: str
    began: float
    waited_s: float
    gave_up: bool
    handle_s: float | None


def queue_history(rows: Iterable[CallRow], queue: str, uniform: Callable[[], float]) -> list[SimulatedCaller]:
    """Who came to the queue, in order, seconds after the first of them.

    How long people would have talked who were never answered, and waited who were, nobody knows: they are
    given exponential times around the means. That of patience counts every wait and only those who gave up
    (the likeliest for waits that were cut short), and goes on from the wait that there was.
    """
    waits = sorted(_waits(rows, f"queue/{queue}"), key=lambda wait: wait.began)
    if not waits:
        return []
    handled = [wait.handle_s for wait in waits if wait.handle_s is not None]
    mean_handle_s = sum(handled) / len(handled) if handled else 0.0
    lost = sum(wait.gave_up for wait in waits)
    mean_patience_s = sum(wait.waited_s for wait in waits) / lost if lost else inf

    def about(mean_s: float) -> float:
        return inf if mean_s == inf else -mean_s * log(1.0 - uniform())

    return [
        SimulatedCaller(
            wait.name,
            wait.began - waits[0].began,
            about(mean_handle_s) if wait.handle_s is None else wait.handle_s,
            wait.waited_s if wait.gave_up else wait.waited_s + about(mean_patience_s),
        )
        for wait in waits
    ]


def _waits(rows: Iterable[CallRow], label: str) -> Iterable[_Wait]:
    for row in rows:
        notes = [note for note in row.notes if note.label == label and note.kind in _TOLD]
        for index, note in enumerate(notes):
            if note.kind not in _WAITS or note.value is None:
                continue
            handle_s: float | None = None
            if note.kind == "queue-served":
                after = notes[index + 1] if index + 1 < len(notes) else None
                known = after.value if after is not None and after.kind == "queue-handled" else None
                handle_s = max(0.0, row.ended_epoch - note.noted_epoch) if known is None else known
            yield _Wait(
                row.id if index == 0 else f"{row.id}/{index}",
                note.noted_epoch - note.value,
                note.value,
                note.kind == "queue-gave-up",
                handle_s,
            )
