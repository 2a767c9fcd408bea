"""The two clocks of the service: monotonic for everything that is due, the time of day for people."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is monotonic seconds, `wall` the time of day with a zone."""

    now: Callable[[], float]
    wall: Callable[[], datetime]
