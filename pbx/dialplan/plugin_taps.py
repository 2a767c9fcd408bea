"""Taps of plugins at work: what one has to hear waits, bounded, and is delivered where the plugin runs.

Whoever carries the samples never waits for a plugin: a tap that is slow loses the oldest frames, one that
takes longer than its time or raises again and again hears no more. Both are counted.
"""

import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from inspect import isawaitable
from typing import Any, Final, Protocol, get_args

import numpy as np

from pbx.dialplan.plugin_answers import Cause, FrameKind, describe
from pbx.dialplan.plugin_workers import Interrupted, Job
from pbx.dialplan.tap import FRAME_S, Line, Rate, Samples, Side, Sides, Tap
from pbx.errors import ResourcesExhausted

log = logging.getLogger("pbx")

MOST_WAITING: Final = 50
"""How many frames of a side wait for a tap: one second."""

_LOOK_S: Final = 0.02

FAILURES: Final = 5
"""Failures in a row after which a tap hears no more of its call."""

Step = Callable[[], "Awaitable[None] | None"]


class Place(Protocol):
    """Where a plugin's taps run."""

    def deliver(self, tap: "OpenTap") -> Job[None]:
        """Have the tap hear what waits for it. Raises ResourcesExhausted when too much is under way."""
        ...


class TapObserver(Protocol):
    """Counts what becomes of taps; in whatever thread."""

    def plugin_failed(self, plugin: str, cause: Cause, seconds: float | None) -> None:
        """It raised, or took too long."""
        ...

    def plugin_frames(self, plugin: str, kind: FrameKind, frames: int) -> None:
        """So many frames of 20 ms were heard by it, lost for it, or said by it."""
        ...


class WrongTap(ValueError):
    """Says what is wrong with a tap."""


def checked_tap(given: object) -> Tap | None:
    """What `Handler.tap` gave: a tap that can be served, or none. Raises WrongTap."""
    if given is None:
        return None
    if not isinstance(given, Tap):
        raise WrongTap(f"its tap is of type {type(given).__name__}, expected a pbx.Tap or None")
    if given.sides not in get_args(Sides):
        raise WrongTap(f"the sides of its tap are {given.sides!r}, expected {', '.join(get_args(Sides))}")
    if given.rate not in get_args(Rate):
        raise WrongTap(f"the rate of its tap is {given.rate!r}, expected 8000 or 16000")
    return given


class OpenTap:
    """One tap and what waits for it. `name` is its plugin's.

    `put`, `press`, `turn` and `finish` belong to the thread that carries the samples; `deliver_now` and
    `deliver_soon` to where the plugin runs, one at a time. `clock` is in monotonic seconds.
    """

    def __init__(
        self,
        tap: Tap,
        line: Line,
        place: Place,
        *,
        name: str,
        budget_s: float,
        clock: Callable[[], float],
        observer: TapObserver | None = None,
    ) -> None:
        self.tap = tap
        self.line = line
        self.name = name
        self.sides: tuple[Side, ...] = _sides(tap.sides, talks=line.talks)
        self.broken = False
        """Whether it failed so often, or so long, that it hears no more."""
        self.fault = ""
        """What went wrong last."""
        self._place = place
        self._budget_s = budget_s
        self._clock = clock
        self._observer = observer
        self._frame = round(tap.rate * FRAME_S)
        self._rest: dict[Side, Samples] = {side: np.zeros(0, np.int16) for side in self.sides}
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Side, Samples] | str] = deque()
        self._most = MOST_WAITING * len(self.sides)
        self._lost = 0
        self._heard = 0
        self._counted = 0
        self._said = 0
        self._began = self._finished = self._ended = self._abandoned = False
        self._failures = 0
        self._since: float | None = None
        self._late = False
        self._job: Job[None] | None = None
        tap.line = line

    # -- where the samples are carried -----------------------------------------------------------------------

    def put(self, side: Side, samples: Samples) -> None:
        """Let it hear these, in frames; what is left over waits for the rest of its frame."""
        if self.broken or self._finished:
            return
        frame = self._frame
        together = np.concatenate((self._rest[side], samples)) if len(self._rest[side]) else samples
        whole = len(together) // frame * frame
        self._rest[side] = together[whole:].copy()
        frames = together[:whole].reshape(-1, frame).copy()
        with self._lock:
            self._waiting.extend((side, each) for each in frames)
            while len(self._waiting) > self._most:
                self._waiting.popleft()
                self._lost += 1

    def press(self, digit: str) -> None:
        """Tell it of a key."""
        with self._lock:
            if not (self.broken or self._finished) and len(self._waiting) < 2 * self._most:
                self._waiting.append(digit)

    def said(self, samples: int) -> None:
        """So many samples of it go to the caller."""
        self._said += samples
        frames, self._said = divmod(self._said, self._frame)
        self._count("said", frames)

    def lose(self, frames: int) -> None:
        """So many frames were lost before they could wait."""
        with self._lock:
            self._lost += frames

    def refuse(self) -> None:
        """There was nothing left to hear the call with."""
        self._failed("overload", "there is no sink left")

    def finish(self) -> None:
        """Nothing more comes: `ended` follows what waits."""
        self._finished = True
        self.line.close()

    def hurry(self) -> None:
        """Lose what still waits, so that it can end."""
        with self._lock:
            self._lost += sum(not isinstance(each, str) for each in self._waiting)
            self._waiting.clear()

    def turn(self) -> None:
        """Have what waits delivered, and give up what takes too long."""
        if self._job is not None and self._under_way(self._job):
            return
        with self._lock:
            wants = self._wants()
        if wants:
            try:
                self._job = self._place.deliver(self)
            except ResourcesExhausted:
                # What waits goes on waiting, and the oldest of it is lost.
                self._job = None
        self._count_frames()

    def wait(self) -> None:
        """Have everything that waits delivered before this returns, in a program without a reactor."""
        while True:
            self.turn()
            if self._job is None:
                return
            with suppress(Exception):
                self._job.future.exception(_LOOK_S)

    @property
    def over(self) -> bool:
        """Whether nothing of it will ever run again, but for what cannot be stopped."""
        return self._abandoned or (self._ended and (self._job is None or self._job.future.done()))

    def abandon(self) -> None:
        """Whatever it still does, nobody waits for it."""
        self._abandoned = self._ended = True
        self.finish()
        if self._job is not None:
            self._job.give_up()
        self._count_frames()

    def _under_way(self, job: Job[None]) -> bool:
        if not job.future.done():
            since = self._since
            if since is not None and self._clock() - since > self._budget_s and not self._late:
                self._late = True
                job.give_up()
                self._break("timeout", f"it took longer than {self._budget_s:g} s")
            return True
        if not job.future.cancelled() and (error := job.future.exception()) is not None:
            self._break("exception", describe(error))
        self._job = None
        self._since = None
        self._late = False
        return False

    def _wants(self) -> bool:
        if self._ended:
            return False
        return bool(self._waiting) or not self._began or self._finished

    def _break(self, cause: Cause, text: str) -> None:
        if not self.broken:
            self.broken = True
            self._finished = True
            self.line.close()
            self._failed(cause, text)
            log.warning("the plugin %s hears no more of call %s: %s", self.name, self.line.call.id, text)
        with self._lock:
            self._waiting.clear()

    def _count_frames(self) -> None:
        with self._lock:
            lost, self._lost = self._lost, 0
        heard = self._heard
        self._count("lost", lost)
        self._count("heard", heard - self._counted)
        self._counted = heard

    def _count(self, kind: FrameKind, frames: int) -> None:
        if frames and self._observer is not None:
            self._observer.plugin_frames(self.name, kind, frames)

    def _failed(self, cause: Cause, text: str) -> None:
        self.fault = text
        if self._observer is not None:
            self._observer.plugin_failed(self.name, cause, None)
        log.debug("a tap of the plugin %s failed (%s): %s", self.name, cause, text)

    # -- where the plugin runs -------------------------------------------------------------------------------

    def deliver_now(self, run: Callable[[Awaitable[Any]], object]) -> None:
        """Let it hear what waits; `run` runs what one of its methods asks to be awaited."""
        while (step := self._next()) is not None:
            try:
                given = step()
                if isawaitable(given):
                    run(given)
            except Interrupted:
                # It took too long, which whoever interrupted it has counted.
                raise
            except BaseException as error:  # noqa: BLE001  # a tap may be anybody's code
                self._raised(error)
            else:
                self._failures = 0
        self._since = None

    async def deliver_soon(self) -> None:
        """The same on a loop."""
        while (step := self._next()) is not None:
            try:
                given = step()
                if isawaitable(given):
                    await given
            except Exception as error:  # noqa: BLE001  # a tap may be anybody's code
                self._raised(error)
            else:
                self._failures = 0
        self._since = None

    def _next(self) -> Step | None:
        with self._lock:
            if self._ended:
                return None
            self._since = self._clock()
            if not self._began:
                self._began = True
                return self.tap.began
            if self._waiting:
                first = self._waiting.popleft()
                if isinstance(first, str):
                    return lambda: self.tap.pressed(first)
                self._heard += 1
                return lambda: self.tap.hear(*first)
            if self._finished:
                self._ended = True
                return self.tap.ended
            return None

    def _raised(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == FAILURES:
            self._break("exception", f"it raised {FAILURES} times in a row, last {describe(error)}")
        else:
            self._failed("exception", f"it raised {describe(error)}")


def _sides(wanted: Sides, *, talks: bool) -> tuple[Side, ...]:
    if talks:
        return ("caller",)
    return ("caller", "callee") if wanted == "both" else (wanted,)
