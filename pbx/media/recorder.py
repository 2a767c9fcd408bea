"""Recordings: what sinks hear is drained into WAV files by a thread that is not the reactor's.

A disk that is full, slow or gone is never felt by a call: it ends that recording alone, which keeps what it
has, and is said once.
"""

import errno
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np

from pbx.media.wav import MAX_WRITE_OCTETS, Format, Samples, WavWriter

log = logging.getLogger("pbx")

# A sink holds two seconds: draining it this often leaves room for a disk that hesitates.
_STEP_S: Final = 0.2
# Completing a file waits for the disk.
_COMPLETED_A_ROUND: Final = 8
# How long stopping waits for the disk.
_STOP_S: Final = 10.0

StopCause = Literal["disk-full", "disk-failed", "too-large"]


class Sink(Protocol):
    """Where what is heard is collected (`MediaPlane.drain` and `close_sink` of one sink)."""

    def drain(self) -> Samples:
        """What came since: (n,) samples, (n, 2) in stereo; always of one shape."""
        ...

    def close(self) -> Samples:
        """End it, and what was not drained yet."""
        ...


@dataclass(frozen=True, slots=True)
class RecordingStopped:
    """A recording ended before its call did; what it has until then is kept at `path`."""

    name: str
    path: Path
    cause: StopCause
    message: str


@dataclass(slots=True)
class RecorderCounts:
    """Recordings that ended, by how (`empty`: nothing was heard), and the samples of each side in them."""

    completed: int = 0
    empty: int = 0
    disk_full: int = 0
    disk_failed: int = 0
    too_large: int = 0
    samples: int = 0


class Take:
    """One recording as it is written, of `Recorder.begin`. Its methods belong to the thread that began it.

    While it is paused nothing is written, or silence instead when time has to go on.
    """

    def __init__(
        self,
        sink: Sink,
        path: Path,
        tell: Callable[[RecordingStopped], object],
        format_: Format,
        rate: int,
        max_octets: int,
    ) -> None:
        self.path = path
        self.tell = tell
        self._sink = sink
        self._format = format_
        self._rate = rate
        self._max_octets = max_octets
        self._lock = threading.Lock()
        # Drained, to be written: what pause, resume and end took, and no more than a sink holds each.
        self._taken: list[Samples] = []
        self._paused: Literal["no", "left-out", "silent"] = "no"
        self._ended = False
        # Of the writing thread:
        self._writer: WavWriter | None = None
        self._stopped: StopCause | None = None

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._paused != "no"

    def pause(self, *, silence: bool = False) -> None:
        """Write nothing that is heard from now on; with `silence`, as much silence, so that time is kept."""
        with self._lock:
            self._take()
            self._paused = "silent" if silence else "left-out"

    def resume(self) -> None:
        """Write what is heard from now on."""
        with self._lock:
            self._take()
            self._paused = "no"

    def end(self) -> None:
        """Close the sink; the file is completed soon."""
        with self._lock:
            if not self._ended:
                self._put(self._sink.close())
                self._ended = True

    def _take(self) -> None:
        if not self._ended:
            self._put(self._sink.drain())

    def _put(self, samples: Samples) -> None:
        if self._paused == "left-out":
            # What is left says how many channels there are, should it be all there is.
            samples = samples[:0]
        elif self._paused == "silent":
            samples = np.zeros_like(samples)
        self._taken.append(samples)

    # -- in the writing thread -------------------------------------------------------------------------------

    def step(self) -> RecordingStopped | None:
        """Write what came; says when that fails, once."""
        with self._lock:
            self._take()
            taken, self._taken = self._taken, []
        if self._stopped is not None:
            return None
        try:
            for samples in taken:
                if len(samples) and not self._write(samples):
                    return self._stop("too-large", "it has reached the size that recordings may have")
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
            return self._stop("disk-full" if full else "disk-failed", error.strerror or "unknown reason")
        return None

    def finish(self) -> RecordingStopped | None:
        """Write the rest and complete the file, after `end`; says when that fails."""
        stopped = self.step()
        if self._stopped is None:
            stopped = self._close()
        return stopped

    @property
    def over(self) -> bool:
        """Whether it was ended, so that it only has to be finished."""
        return self._ended

    @property
    def stopped(self) -> StopCause | None:
        """Why it ended by itself; None: it did not."""
        return self._stopped

    def give_up(self) -> RecordingStopped | None:
        """Keep what there is and write no more; says so unless it had stopped before."""
        if self._stopped is not None:
            return None
        return self._stop("disk-failed", "a fault of our own")

    @property
    def written(self) -> int:
        """How many samples of each side were written."""
        return 0 if self._writer is None else self._writer.frames

    def _write(self, samples: Samples) -> bool:
        if self._writer is None:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            self._writer = WavWriter(
                self.path,
                rate=self._rate,
                channels=samples.shape[1] if samples.ndim == 2 else 1,
                format=self._format,
                max_octets=self._max_octets,
            )
            self.path = self._writer.path
        return self._writer.write(samples) == len(samples)

    def _stop(self, cause: StopCause, message: str) -> RecordingStopped:
        self._stopped = cause
        self._close()
        return RecordingStopped(self.path.stem, self.path, cause, message.lower())

    def _close(self) -> RecordingStopped | None:
        if self._writer is None:
            return None
        try:
            self._writer.close()
        except OSError as error:
            self._writer.leave()
            if self._stopped is None:
                self._stopped = "disk-failed"
                reason = (error.strerror or "unknown reason").lower()
                return RecordingStopped(self.path.stem, self.path, "disk-failed", reason)
        return None


class Recorder:
    """Writes recordings in one thread, `start` to `stop`; none gets larger than `max_octets`."""

    def __init__(self, *, max_octets: int = MAX_WRITE_OCTETS) -> None:
        self.counts = RecorderCounts()
        self._max_octets = max_octets
        self._lock = threading.Lock()
        self._takes: list[Take] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def active(self) -> int:
        """How many recordings go on or wait to be completed."""
        return len(self._takes)

    def start(self) -> None:
        """Begin to write."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every recording and wait until the files are complete, or the disk has taken too long."""
        with self._lock:
            takes = list(self._takes)
        for take in takes:
            take.end()
        thread, self._thread = self._thread, None
        self._stopping = True
        self._wake.set()
        if thread is not None:
            thread.join(_STOP_S)
            if thread.is_alive():
                log.error("%d recordings are not complete: the disk does not answer", self.active)
        else:
            self._write_all()

    def begin(
        self,
        sink: Sink,
        path: Path,
        stopped: Callable[[RecordingStopped], object],
        *,
        format: Format = "pcm",  # noqa: A002  # what the dialplan calls it
        rate: int = 8000,
    ) -> Take:
        """Write what `sink` hears at `rate` into a new file at `path` (or beside it, when that is taken).

        `stopped` is called once, in the writing thread, when the recording ends by itself.
        """
        take = Take(sink, path, stopped, format, rate, self._max_octets)
        with self._lock:
            self._takes.append(take)
        return take

    def write(self) -> bool:
        """Write what has come so far, and complete some of those that are over; whether others wait for that.

        The thread does this again and again: no sink waits long behind the many files that may end at once.
        """
        with self._lock:
            takes = list(self._takes)
        over = [take for take in takes if take.over]
        for take in takes:
            self._do(take, take.step)
        for take in over[:_COMPLETED_A_ROUND]:
            self._do(take, take.finish)
            with self._lock:
                self._takes.remove(take)
            self._count(take)
        return len(over) > _COMPLETED_A_ROUND

    def _do(self, take: Take, act: Callable[[], RecordingStopped | None]) -> None:
        try:
            stopped = act()
        except Exception:
            # One recording must not take the others with it.
            log.exception("a fault of our own; the recording %s ends", take.path.name)
            stopped = take.give_up()
        if stopped is not None:
            take.tell(stopped)

    def _count(self, take: Take) -> None:
        counts = self.counts
        counts.samples += take.written
        match take.stopped:
            case None if take.written:
                counts.completed += 1
            case None:
                counts.empty += 1
            case "disk-full":
                counts.disk_full += 1
            case "disk-failed":
                counts.disk_failed += 1
            case "too-large":
                counts.too_large += 1

    def _run(self) -> None:
        more = False
        while not self._stopping:
            if not more:
                self._wake.wait(_STEP_S)
            more = self.write()
        # What ended while the last round was written.
        self._write_all()

    def _write_all(self) -> None:
        while self.write():
            pass
