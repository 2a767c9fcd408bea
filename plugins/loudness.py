"""How loud the two sides of a call are, for people who say that they hear each other badly.

    - loudness: {quietest: -45, loudest: -10}

It passes every call on and hears both sides while they talk. At the end a side whose speech was too quiet or
too loud on average is logged, in dBov: 0 is the loudest sine there can be.
"""

import logging

import numpy as np
from pydantic import Field

from pbx import Call, Continue, Decision, Handler, Samples, Side, Tap
from pbx.documents import Whole

log = logging.getLogger("pbx")

FULL_SCALE = 32768.0
# A sine that reaches full scale is 0 dBov by convention, and 3 dB below it by power.
SINE_DB = 10 * np.log10(2)
SPEECH_DBOV = -55.0
"""Frames that are quieter are taken for pauses."""


class Loudness(Handler):
    """Logs calls whose sides are too quiet or too loud."""

    name = "loudness"

    class Options(Handler.Options):
        """What is too quiet, and what is too loud."""

        quietest: Whole = Field(-45, ge=-90, le=0, description="The least speech may have, in dBov.")
        loudest: Whole = Field(-10, ge=-90, le=0, description="The most it may have, in dBov.")

    options: Options

    def decide(self, call: Call) -> Decision:  # noqa: ARG002  # every call is passed on
        """Pass the call on."""
        return Continue("measured")

    def tap(self, call: Call) -> Tap:  # noqa: ARG002  # every call is measured alike
        """Hear both sides."""
        return Meter(self.options.quietest, self.options.loudest)


class Meter(Tap):
    """The loudness of the two sides of one call."""

    sides = "both"

    def __init__(self, quietest: float, loudest: float) -> None:
        self._limits = quietest, loudest
        self._power: dict[Side, float] = {}
        self._frames: dict[Side, int] = {}

    def hear(self, side: Side, samples: Samples) -> None:
        """Add a frame, if it is no pause."""
        power = float(np.mean(np.square(samples.astype(np.float64) / FULL_SCALE)))
        if _dbov(power) > SPEECH_DBOV:
            self._power[side] = self._power.get(side, 0.0) + power
            self._frames[side] = self._frames.get(side, 0) + 1

    def loudness(self, side: Side) -> float | None:
        """How loud a side was on average when it spoke, in dBov; None when it never did."""
        frames = self._frames.get(side, 0)
        return _dbov(self._power[side] / frames) if frames else None

    def ended(self) -> None:
        """Say which side was too quiet or too loud."""
        quietest, loudest = self._limits
        for side in self._frames:
            level = self.loudness(side)
            if level is not None and not quietest <= level <= loudest:
                log.warning("call %s: the %s is at %.0f dBov", self.line.call.id, side, level)


def _dbov(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)) + SINE_DB)
