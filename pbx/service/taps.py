"""What plugins hear of calls and say in them: samples are carried between the media plane and their taps.

One thread carries for all calls while there is something to carry, every 20 ms; it never waits for a plugin,
and no plugin ever runs in it.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Final

import numpy as np
from twisted.internet.defer import Deferred

from pbx.call.call import Call
from pbx.call.media import Media
from pbx.call.outputs import CallOutput
from pbx.call.tapping import Tap
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.decisions import Hangup, Redirect, Reject, Talk
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.plugin_step import PluginStep
from pbx.dialplan.plugin_taps import OpenTap
from pbx.dialplan.tap import FRAME_S, Samples
from pbx.media.values import SinkId, SourceId

log = logging.getLogger("pbx")

# How much of what a tap says is handed over ahead of its time, so that a late thread is not heard.
_AHEAD_S: Final = 0.08
# Silence before what comes after a silence, for a tap that says each frame as it hears one.
_CUSHION_S: Final = 0.04
# How long a tap may take to hear the rest when its call has ended, and then again to end.
_ENDED_S: Final = 1.0

Tell = Callable[[str, Callable[[Call, float], Iterable[CallOutput]]], None]
"""Has something asked of a call, by its id, and what follows carried out."""


class _Carried:
    """One open tap, and what of the media plane is its own; sinks and feeds come and go with the legs."""

    def __init__(self, media: Media, call_id: str, step: PluginStep, tap: OpenTap) -> None:
        self.call_id = call_id
        self.step = step
        self.tap = tap
        self.told = False
        self.began = False
        self.ending_since: float | None = None
        self._media = media
        # Nothing is closed while it is read or fed: its row may be another's next.
        self._lock = threading.Lock()
        self._sink: SinkId | None = None
        self._source: SourceId | None = None
        self._overruns = 0

    def begin(self, sink: SinkId, source: SourceId | None) -> None:
        """Carry from now on."""
        with self._lock:
            self._sink, self._source, self._overruns = sink, source, 0
            self.began = True

    def end(self) -> None:
        """Carry the rest, and let go of both."""
        with self._lock:
            sink, self._sink, self._source = self._sink, None, None
            if sink is not None:
                self._put(self._media.close_sink(sink))

    def carry(self) -> None:
        """What was heard to the tap, what it says to the feed."""
        with self._lock:
            sink, source = self._sink, self._source
            if sink is not None:
                self._put(self._media.drain(sink))
                overruns = self._media.sink_overruns(sink)
                if overruns > self._overruns:
                    self.tap.lose(round((overruns - self._overruns) / (FRAME_S * self.tap.line.rate)))
                    self._overruns = overruns
            if source is not None:
                self._feed(source)

    def _put(self, samples: Samples) -> None:
        for at, side in enumerate(self.tap.sides):
            self.tap.put(side, samples[:, at] if samples.ndim == 2 else samples)

    def _feed(self, source: SourceId) -> None:
        rate = self.tap.line.rate
        waiting = self._media.feed_waiting(source)
        said = self.tap.line.take(round(_AHEAD_S * rate) - waiting)
        if len(said):
            self.tap.said(len(said))
            if not waiting:
                said = np.concatenate((np.zeros(round(_CUSHION_S * rate), np.int16), said))
            self._media.feed(source, said)


class CallTaps:
    """Implements pbx.call.tapping.Taps. `in_reactor` has a function called in the reactor's thread."""

    def __init__(
        self,
        media: Media,
        in_reactor: Callable[[Callable[[], None]], object],
        tell: Tell,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._media = media
        self._in_reactor = in_reactor
        self._tell = tell
        self._clock = clock
        self._numbers = 0
        self._asked: dict[str, set[PluginStep]] = {}
        self._lock = threading.Lock()
        self._carried: dict[int, _Carried] = {}
        self._threaded = False
        self._thread: threading.Thread | None = None
        # Never set: what the thread waits for is the time.
        self._never = threading.Event()

    @property
    def active(self) -> int:
        """How many taps there are."""
        return len(self._carried)

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Carry, in a thread that there is while there is something to carry."""
        self._threaded = True

    def stop(self) -> None:
        """End every tap, while the media plane and the plugins still are."""
        self._threaded = False
        for number, carried in list(self._carried.items()):
            carried.end()
            self._let_go(number, carried)
        thread = self._thread
        if thread is not None:
            thread.join(3 * _ENDED_S)

    def turn(self) -> None:
        """Carry what there is; the thread does this again and again."""
        with self._lock:
            all_ = list(self._carried.items())
        for number, carried in all_:
            try:
                self._turn(number, carried)
            except Exception:
                # One call must not take the others with it.
                log.exception("a fault of our own; the plugin %s hears no more", carried.tap.name)
                self._drop(number, carried)

    def _turn(self, number: int, carried: _Carried) -> None:
        if not carried.began:
            return
        tap = carried.tap
        carried.carry()
        tap.turn()
        if (tap.broken or tap.line.left) and not carried.told:
            carried.told = True
            self._in_reactor(lambda: self._left(number, carried))
        if carried.ending_since is not None:
            late_s = self._clock() - carried.ending_since
            if tap.over or late_s > 2 * _ENDED_S:
                self._drop(number, carried)
            elif late_s > _ENDED_S:
                tap.hurry()

    def _drop(self, number: int, carried: _Carried) -> None:
        carried.tap.abandon()
        with self._lock:
            known = self._carried.pop(number, None)
        if known is not None:
            self._in_reactor(carried.step.close_tap)

    def _run(self) -> None:
        due = self._clock()
        while True:
            due = max(due + FRAME_S, self._clock())
            self._never.wait(max(0.0, due - self._clock()))
            self.turn()
            with self._lock:
                if not any(carried.began for carried in self._carried.values()):
                    self._thread = None
                    return

    # -- what the router asks --------------------------------------------------------------------------------

    def decided(self, call: Call, verdict: Verdict) -> None:
        """Ask the plugins that a call has passed, once each, what shall hear it."""
        for visit in verdict.path:
            step = visit.link.handler
            if isinstance(step, PluginStep) and step.taps and not isinstance(visit.decision, Talk):
                if isinstance(verdict.decision, Reject | Redirect | Hangup):
                    return
                asked = self._asked.setdefault(call.record.id, set())
                if step not in asked:
                    asked.add(step)
                    Deferred.fromCoroutine(self._overhear(call, step, visit.call)).addErrback(
                        lambda failure: log.error("a tap failed\n%s", failure.getTraceback())
                    )

    async def attending(self, call: Call, verdict: Verdict) -> Tap | None:
        """What of the plugin that decided `Talk` talks with the caller; None when nothing does."""
        step = None if verdict.link is None else verdict.link.handler
        if not isinstance(step, PluginStep):
            return None
        return self._keep(call, step, await step.tapped(verdict.call, talks=True))

    def forget(self, call_id: str) -> None:
        """A call is over."""
        self._asked.pop(call_id, None)
        for number, carried in list(self._carried.items()):
            if carried.call_id == call_id:
                self._let_go(number, carried)

    def needs(self, generation: Generation) -> bool:
        """Whether a tap of a plugin of `generation` is not over."""
        steps = {carried.step for carried in list(self._carried.values())}
        return bool(steps) and any(
            link.handler in steps for chain in generation.chains.values() for link in chain.links
        )

    async def _overhear(self, call: Call, step: PluginStep, seen: RoutedCall) -> None:
        tap = self._keep(call, step, await step.tapped(seen, talks=False))
        if tap is not None:
            self._tell(call.record.id, lambda call, _now: call.tap(tap))

    def _keep(self, call: Call, step: PluginStep, opened: OpenTap | None) -> Tap | None:
        if opened is None:
            return None
        if call.state == "ended":
            # The caller did not wait for it.
            step.close_tap()
            return None
        self._numbers += 1
        with self._lock:
            self._carried[self._numbers] = _Carried(self._media, call.record.id, step, opened)
        return Tap(self._numbers, opened.tap.sides, opened.tap.rate)

    def _let_go(self, number: int, carried: _Carried) -> None:
        if carried.began:
            self._finish(carried)
        else:
            self._drop(number, carried)

    def _finish(self, carried: _Carried) -> None:
        if carried.ending_since is None:
            carried.ending_since = self._clock()
            carried.tap.finish()

    def _left(self, number: int, carried: _Carried) -> None:
        self._tell(carried.call_id, lambda call, now: call.tap_left(number, now))
        self._finish(carried)

    # -- what calls ask --------------------------------------------------------------------------------------

    def begin(self, tap: Tap, sink: SinkId, source: SourceId | None = None) -> None:
        """Carry what `sink` hears from now on, and what the tap says to `source`."""
        carried = self._carried.get(tap.number)
        if carried is None:
            self._media.close_sink(sink)
            return
        carried.begin(sink, source)
        with self._lock:
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="taps", daemon=True)
                self._thread.start()

    def refused(self, tap: Tap, call_id: str, reason: str) -> None:
        """The plugin does not hear the call, and the log says so."""
        carried = self._carried.get(tap.number)
        if carried is not None:
            log.error("the plugin %s does not hear call %s: %s", carried.tap.name, call_id, reason)
            carried.tap.refuse()

    def pressed(self, tap: Tap, digit: str) -> None:
        """The caller pressed a key."""
        carried = self._carried.get(tap.number)
        if carried is not None:
            carried.tap.press(digit)

    def end(self, tap: Tap) -> None:
        """Close the sink."""
        carried = self._carried.get(tap.number)
        if carried is not None:
            carried.end()
            if carried.tap.line.talks:
                self._finish(carried)
