"""When Python's cycle collector runs: while hardly anybody waits for us, and seldom otherwise.

What a call leaves behind dies by reference count. By its own rule the collector counts objects made less
objects gone: under an even load it waits until its youngest generation holds everything of the last half
minute, and then the service stands still (0.7 s at 200 calls a second, where peers begin to say everything
again after 0.5 s).
"""

import gc
from collections.abc import Callable
from typing import Final, Protocol

LOOK_S: Final = 10.0
# With so few transactions at most, a collection takes some milliseconds.
QUIET: Final = 200
# A service that is never quiet stands still once in this time. Calls leave no cycles; what gathers meanwhile
# is Twisted's, four small objects for each batch of call records.
BUSY_S: Final = 3600.0
# Fewer new objects than this are not worth a look.
WORTH_IT: Final = 1_000
# New objects at which the collector runs whatever else is going on: a plugin may leave cycles of any size.
MOST_OBJECTS: Final = 1_000_000


class DelayedCall(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Clock(Protocol):
    """The reactor's time."""

    def seconds(self) -> float:
        """Monotonic seconds."""
        ...

    def callLater(self, delay: float, call: Callable[[], None], /) -> DelayedCall:  # noqa: N802 -- Twisted's name
        """Have something called."""
        ...


class Collecting:
    """Decides when cycles are collected, from `start` to `stop`; `transactions` says how busy we are."""

    def __init__(
        self,
        clock: Clock,
        transactions: Callable[[], int],
        collect: Callable[[], object] = gc.collect,
        new_objects: Callable[[], int] = lambda: gc.get_count()[0],
    ) -> None:
        self._clock = clock
        self._transactions = transactions
        self._collect = collect
        self._new_objects = new_objects
        self._at = 0.0
        self._due: DelayedCall | None = None
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        """Take what lives as long as the service out of the collector's sight, and look from now on."""
        self._collect()
        gc.freeze()
        self._thresholds = gc.get_threshold()
        gc.set_threshold(MOST_OBJECTS, *self._thresholds[1:])
        self._at = self._clock.seconds()
        self._due = self._clock.callLater(LOOK_S, self._look)

    def stop(self) -> None:
        """Leave it to Python again; a second time is no error."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()

    def _look(self) -> None:
        self._due = self._clock.callLater(LOOK_S, self._look)
        now = self._clock.seconds()
        quiet = self._transactions() <= QUIET and self._new_objects() >= WORTH_IT
        if quiet or now - self._at >= BUSY_S:
            self._at = now
            self._collect()
