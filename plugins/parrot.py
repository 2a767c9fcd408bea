"""A voice bot that is as simple as can be: it says again what it heard, as soon as the caller pauses.

    - parrot: {pause: 500ms, longest: 10s}

Whoever speaks while it does is listened to: it stops. The key * has it stop, # has it leave: the next handler
of the chain is asked.
"""

import numpy as np
from pydantic import Field

from pbx import Call, Decision, Handler, Samples, Side, Talk, Tap
from pbx.documents import Duration

FRAME_S = 0.02
LOUD = 500
"""The amplitude from which on a frame is taken for speech."""


class Parrot(Handler):
    """Says again what it heard."""

    name = "parrot"

    class Options(Handler.Options):
        """How it listens."""

        pause: Duration = Field(0.5, gt=0, le=5, description="The pause after which it is its turn.")
        longest: Duration = Field(10.0, gt=0, le=50, description="How much it remembers at most.")

    options: Options

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # it talks with everybody
        """Talk."""
        return Talk("it says what it hears")

    def tap(self, call: Call) -> Tap:  # noqa: ARG002  # it talks with everybody alike
        """Hear the caller."""
        return Listening(self.options.pause, self.options.longest)


class Listening(Tap):
    """What was heard since the caller spoke last."""

    def __init__(self, pause_s: float, longest_s: float) -> None:
        self._pause = round(pause_s / FRAME_S)
        self._longest = round(longest_s / FRAME_S)
        self._heard: list[Samples] = []
        self._quiet = 0

    def hear(self, side: Side, samples: Samples) -> None:  # noqa: ARG002  # after Talk it is the caller
        """Remember speech, and say it when it is over."""
        if int(np.abs(samples.astype(np.int32)).max()) >= LOUD:
            self.line.hush()
            self._quiet = 0
        else:
            self._quiet += 1
        if self._heard or not self._quiet:
            self._heard.append(samples)
        if self._heard and (self._quiet >= self._pause or len(self._heard) >= self._longest):
            self.line.say(np.concatenate(self._heard[: len(self._heard) - self._quiet]))
            self._heard.clear()

    def pressed(self, digit: str) -> None:
        """Be silent, or leave."""
        self._heard.clear()
        if digit == "*":
            self.line.hush()
        elif digit == "#":
            self.line.leave()
