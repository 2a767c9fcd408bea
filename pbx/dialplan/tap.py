"""What a plugin hears of a call, and says in it: 20 ms of samples at a time."""

import threading
from collections import deque
from collections.abc import Awaitable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pbx.dialplan.call import Call
from pbx.errors import MisuseError

Samples = npt.NDArray[np.int16]
"""16 bit linear samples of one side, (n,)."""

Side = Literal["caller", "callee", "mix"]
"""Who is heard; the mix is everybody, music included."""

Sides = Literal["caller", "callee", "both", "mix"]
"""Whom a tap wants: one side, both apart, or the mix."""

Rate = Literal[8000, 16000]
"""Samples a second."""

FRAME_S: Final = 0.02

MOST_SAID_S: Final = 60.0
"""How much may wait to be said."""


class Line:
    """A tap's own end of the call. Its methods may be called in any thread, and never wait."""

    __slots__ = ("_closed", "_lock", "_said", "_waiting", "call", "left", "rate", "talks")

    def __init__(self, call: Call, rate: int, *, talks: bool) -> None:
        self.call = call
        self.rate = rate
        self.talks = talks
        """Whether the tap is the caller's other side, as `Talk` decided; only then it can say something."""
        self.left = False
        """Whether `leave` was called."""
        self._lock = threading.Lock()
        self._said: deque[Samples] = deque()
        self._waiting = 0
        self._closed = False

    @property
    def waiting_s(self) -> float:
        """How much of what was said has still to be heard, in seconds."""
        return self._waiting / self.rate

    def say(self, samples: Samples) -> int:
        """Have the caller hear these after what waits already; how many there was room for.

        `samples` are (n,) of 16 bits at the tap's rate. There is room for a minute; none once the call is
        over. Raises MisuseError for anything else, and in a tap of two who talk.
        """
        if not self.talks:
            raise MisuseError("only a tap that decided Talk can say something; this one overhears two")
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype != np.int16:
            raise MisuseError(f"say takes (n,) samples of int16, not {given.shape} of {given.dtype}")
        with self._lock:
            room = 0 if self._closed else round(MOST_SAID_S * self.rate) - self._waiting
            taken = given[:room].copy()
            if len(taken):
                self._said.append(taken)
                self._waiting += len(taken)
        return len(taken)

    def hush(self) -> None:
        """Say nothing of what still waits; the last 80 ms may be on their way already."""
        with self._lock:
            self._said.clear()
            self._waiting = 0

    def leave(self) -> None:
        """Hear and say no more; after `Talk`, the next handler of the chain is asked."""
        self.left = True

    # -- for whoever carries it ------------------------------------------------------------------------------

    def take(self, most: int) -> Samples:
        """At most so many samples of what waits, the first first."""
        with self._lock:
            if not self._waiting or most <= 0:
                return np.zeros(0, np.int16)
            taken: list[Samples] = []
            count = 0
            while self._said and count < most:
                first = self._said.popleft()
                if len(first) > most - count:
                    self._said.appendleft(first[most - count :])
                    first = first[: most - count]
                taken.append(first)
                count += len(first)
            self._waiting -= count
        return taken[0] if len(taken) == 1 else np.concatenate(taken)

    def close(self) -> None:
        """Nobody hears it any more."""
        self.hush()
        with self._lock:
            self._closed = True


class Tap:
    """What hears one call; `Handler.tap` makes one for each. A subclass gives `hear`.

    Its methods run where its plugin does, one after the other, and may be `async` if the plugin's `decide`
    is. Each has the step's `timeout`.
    """

    sides: Sides = "caller"
    """Whom to hear; after `Talk` that is the caller, whatever stands here."""

    rate: Rate = 8000
    """Samples a second, of what is heard and what is said."""

    line: Line
    """Its end of the call, from `began` on."""

    def began(self) -> Awaitable[None] | None:
        """Called once, before anything is heard."""

    def hear(self, side: Side, samples: Samples) -> Awaitable[None] | None:
        """Called with every 20 ms of every side: (160,) or (320,) samples, the tap's to keep."""
        raise NotImplementedError

    def pressed(self, digit: str) -> Awaitable[None] | None:
        """Called with each key that the caller presses, after `Talk`."""

    def ended(self) -> Awaitable[None] | None:
        """Called once, after everything that was heard, if `began` was: the call is over, or left."""
