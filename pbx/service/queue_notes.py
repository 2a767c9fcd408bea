"""What queues did with a caller, as notes of its call: how it came in, whom it was offered to, how it left.

Notes of a queue are labelled `queue/NAME`; those of an offer as the leg that rang, `user/1002`, and their
value is for how many seconds it did.
"""

from collections.abc import Mapping
from typing import Final

from pbx.call.call import Call
from pbx.call.record import Note
from pbx.dialplan.queue_settings import target_of
from pbx.queues import (
    Abandoned,
    Handled,
    Joined,
    Offer,
    OfferFailure,
    Overflow,
    Served,
    WithdrawCause,
    WithdrawOffer,
)
from pbx.queues import Output as QueueOutput

# So many offers of a call are told one by one; of the others, how many they were.
MAX_OFFERS = 20

_FAILED: Final[Mapping[OfferFailure, str]] = {
    "no-answer": "offer-no-answer",
    "refused": "offer-refused",
    "busy": "offer-busy",
    "unavailable": "offer-unavailable",
}
_WITHDRAWN: Final[Mapping[WithdrawCause, str]] = {
    "no-answer": "offer-no-answer",
    "caller-left": "offer-caller-left",
    "taken": "offer-taken",
    "agent-left": "offer-agent-left",
    "agent-busy": "offer-agent-busy",
}


class QueueNotes:
    """Writes the notes; `calls` are those that go on, by id."""

    def __init__(self, calls: Mapping[str, Call]) -> None:
        self._calls = calls
        # Offers that are open: the caller, the agent, since when.
        self._rung: dict[int, tuple[str, str, float]] = {}
        # How many offers of a caller are over.
        self._made: dict[str, int] = {}

    def heard(self, output: QueueOutput, now: float, over: Call | None = None) -> None:
        """A queue said something; a moment after a caller's call is `over` its notes are still taken."""
        match output:
            case Joined(caller, queue, position):
                self._queue(caller, queue, "queue-joined", float(position), now, over)
            case Offer(number, caller, agent):
                self._rung[number] = (caller, agent, now)
            case WithdrawOffer(number, _, _, why):
                self._offered(number, _WITHDRAWN[why], now, over)
            case Served(caller, agent, queue, waited_s):
                for number, rung in list(self._rung.items()):
                    if rung[:2] == (caller, agent):
                        self._offered(number, "offer-accepted", now, over)
                self._left(caller, queue, "queue-served", waited_s, now, over)
            case Handled(caller, _, queue, seconds):
                self._queue(caller, queue, "queue-handled", seconds, now, over)
            case Abandoned(caller, queue, waited_s):
                call = self._left(caller, queue, "queue-gave-up", waited_s, now, over)
                if call is not None and call.record.cause in {None, "answered", "cancelled"}:
                    # It was answered for the music; nobody has talked with it.
                    call.record.cause = "abandoned"
            case Overflow(caller, queue, outcome, waited_s):
                self._left(caller, queue, f"queue-{outcome}", waited_s, now, over)
            case _:
                pass

    def failed(self, number: int, failure: OfferFailure, now: float) -> None:
        """Whoever was rung for an offer does not take it."""
        self._offered(number, _FAILED[failure], now, None)

    def forget(self, caller: str) -> None:
        """The call of a caller is over."""
        self._made.pop(caller, None)
        for number in [number for number, rung in self._rung.items() if rung[0] == caller]:
            del self._rung[number]

    def _offered(self, number: int, kind: str, now: float, over: Call | None) -> None:
        rung = self._rung.pop(number, None)
        if rung is None:
            return
        caller, agent, since = rung
        call = self._call(caller, over)
        if call is None:
            return
        made = self._made[caller] = self._made.get(caller, 0) + 1
        if made <= MAX_OFFERS:
            call.record.note(Note(now, target_of(agent), kind, value=round(now - since, 3)))

    def _left(
        self, caller: str, queue: str, kind: str, waited_s: float, now: float, over: Call | None
    ) -> Call | None:
        more = self._made.pop(caller, 0) - MAX_OFFERS
        if more > 0:
            self._queue(caller, queue, "queue-more-offers", float(more), now, over)
        return self._queue(caller, queue, kind, waited_s, now, over)

    def _queue(
        self, caller: str, queue: str, kind: str, value: float, now: float, over: Call | None
    ) -> Call | None:
        call = self._call(caller, over)
        if call is not None:
            call.record.note(Note(now, f"queue/{queue}", kind, value=round(value, 3)))
        return call

    def _call(self, caller: str, over: Call | None) -> Call | None:
        return over if over is not None and over.record.id == caller else self._calls.get(caller)
