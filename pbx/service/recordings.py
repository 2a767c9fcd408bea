"""Recordings of calls: what sinks hear becomes files in the directory of recordings."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from pbx.call.media import Media
from pbx.call.recording import Recording
from pbx.dialplan.handlers.record import safe_name
from pbx.media.recorder import Recorder, RecordingStopped, Take
from pbx.media.values import SinkId
from pbx.media.wav import Samples, repair
from pbx.metrics.metrics import Metrics

log = logging.getLogger("pbx")


class Recordings:
    """Implements pbx.call.recording.Recorder.

    `in_reactor` has a function called in the reactor's thread, from any other. `stopped` is told of a
    recording that ended before its call, by the id of the call, once for each; so is the log.
    """

    def __init__(
        self,
        media: Media,
        directory: Path,
        in_reactor: Callable[[Callable[[], None]], object],
        stopped: Callable[[str, RecordingStopped], None],
        *,
        max_octets: int,
    ) -> None:
        self._media = media
        self._directory = directory
        self._in_reactor = in_reactor
        self._stopped = stopped
        self._recorder = Recorder(max_octets=max_octets)
        self._takes: dict[SinkId, tuple[str, Take]] = {}
        # Calls whose recordings are paused, and whether silence takes the place of what is said.
        self._paused: dict[str, bool] = {}
        self._refused = 0
        self._lost = 0

    def observe(self, metrics: Metrics) -> None:
        """Have recordings counted."""
        metrics.observe("pbx_recordings_active", lambda: self._recorder.active)
        metrics.observe_counts("pbx_recordings", self._counts)
        metrics.observe_counts(
            "pbx_recording_samples", lambda: {"written": self._recorder.counts.samples, "lost": self._lost}
        )

    # -- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Complete what a crash left behind, and begin to write."""
        for path in repair(self._directory):
            log.warning("the recording %s was cut short by a crash; it was completed", path)
        self._recorder.start()

    def stop(self) -> None:
        """End every recording, while the media plane still is, and wait until the files are complete."""
        self._recorder.stop()
        self._takes.clear()

    def write(self) -> None:
        """Write what has come so far, in this thread; for those who have not called `start`."""
        self._recorder.write()

    # -- what calls ask --------------------------------------------------------------------------------------

    def begin(self, sink: SinkId, recording: Recording, call_id: str) -> None:
        """Write what `sink` hears from now on, into a file that nobody else writes."""
        # A plugin may have named it.
        path = self._directory / f"{safe_name(recording.name)}.wav"
        take = self._recorder.begin(
            _Sink(self._media, sink, self._overran),
            path,
            lambda stopped: self._in_reactor(lambda: self._say(call_id, stopped)),
            format=recording.format,
        )
        self._takes[sink] = call_id, take
        silence = self._paused.get(call_id)
        if silence is not None:
            # Somebody was put through meanwhile: what was not to be recorded still is not.
            take.pause(silence=silence)

    def refused(self, recording: Recording, call_id: str, reason: str) -> None:
        """The call is not recorded, and the log says so."""
        self._refused += 1
        log.error("call %s is not recorded as %s: %s", call_id, recording.name, reason)

    def end(self, sink: SinkId) -> None:
        """Close the sink; its file is complete soon."""
        _, take = self._takes.pop(sink, ("", None))
        if take is None:
            self._media.close_sink(sink)
        else:
            take.end()

    # -- what operators ask ----------------------------------------------------------------------------------

    def pause(self, call_id: str, *, silence: bool = True) -> bool:
        """Leave out of a call's recordings what is said from now on, or have silence instead; False: none."""
        takes = self._of(call_id)
        for take in takes:
            take.pause(silence=silence)
        if takes:
            self._paused[call_id] = silence
        return bool(takes)

    def resume(self, call_id: str) -> bool:
        """Go on with the recordings of a call; False when there are none."""
        takes = self._of(call_id)
        for take in takes:
            take.resume()
        return self._paused.pop(call_id, None) is not None or bool(takes)

    def forget(self, call_id: str) -> None:
        """A call is over."""
        self._paused.pop(call_id, None)

    def _of(self, call_id: str) -> list[Take]:
        return [take for owner, take in self._takes.values() if owner == call_id]

    def _overran(self, samples: int) -> None:
        self._lost += samples

    def _say(self, call_id: str, stopped: RecordingStopped) -> None:
        log.error(
            "the recording %s of call %s ends early (%s): %s",
            stopped.path,
            call_id,
            stopped.cause,
            stopped.message,
        )
        self._stopped(call_id, stopped)

    def _counts(self) -> Mapping[str, int]:
        counts = self._recorder.counts
        return {
            "completed": counts.completed,
            "empty": counts.empty,
            "disk-full": counts.disk_full,
            "disk-failed": counts.disk_failed,
            "too-large": counts.too_large,
            "refused": self._refused,
        }


class _Sink:
    """A sink of the media plane, as the recorder drains it."""

    def __init__(self, media: Media, sink: SinkId, overran: Callable[[int], None]) -> None:
        self._media = media
        self._sink = sink
        self._overran = overran

    def drain(self) -> Samples:
        """What came since."""
        return self._media.drain(self._sink)

    def close(self) -> Samples:
        """End it; what was lost is known by now."""
        self._overran(self._media.sink_overruns(self._sink))
        return self._media.close_sink(self._sink)
