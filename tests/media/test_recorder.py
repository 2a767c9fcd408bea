import threading
from pathlib import Path

import numpy as np
import pytest

from pbx.media.recorder import Recorder, RecordingStopped, Take
from pbx.media.wav import Samples, WavWriter, read_wav


def some(first: int, count: int, sides: int = 1) -> Samples:
    """Samples that count from `first`; the right side is the left one's negative."""
    samples = np.arange(first, first + count, dtype=np.int16)
    return samples if sides == 1 else np.stack((samples, -samples), 1)


class FakeSink:
    """Gives what it was put, in order."""

    def __init__(self, sides: int = 1) -> None:
        self.sides = sides
        self.at = 1
        self.waiting = 0
        self.closed = 0

    def hear(self, count: int) -> None:
        self.waiting += count

    def drain(self) -> Samples:
        assert not self.closed
        samples = some(self.at, self.waiting, self.sides)
        self.at += self.waiting
        self.waiting = 0
        return samples

    def close(self) -> Samples:
        rest = self.drain()
        self.closed += 1
        return rest


class Stage:
    """A recorder that is stepped by hand."""

    def __init__(self, directory: Path, **settings: int) -> None:
        self.directory = directory
        self.stopped: list[RecordingStopped] = []
        self.recorder = Recorder(**settings)
        self.counts = self.recorder.counts

    def begin(self, sink: FakeSink, name: str = "a") -> Take:
        return self.recorder.begin(sink, self.directory / f"{name}.wav", self.stopped.append)

    def heard(self, name: str = "a") -> list[int]:
        heard: list[int] = read_wav(self.directory / f"{name}.wav").samples.tolist()
        return heard


@pytest.fixture(name="stage")
def a_stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "recordings")


def test_what_is_heard_is_written_and_the_file_is_whole_at_the_end(stage: Stage) -> None:
    sink = FakeSink()
    recording = stage.begin(sink)
    for _ in range(3):
        sink.hear(160)
        stage.recorder.write()
    assert not (stage.directory / "a.wav").exists()
    sink.hear(40)
    recording.end()
    recording.end()
    assert sink.closed == 1
    stage.recorder.write()
    assert stage.heard() == list(range(1, 521))
    assert (stage.counts.completed, stage.counts.samples) == (1, 520)
    assert stage.recorder.active == 0
    assert stage.stopped == []


def test_two_sides_stay_in_time(stage: Stage) -> None:
    sink = FakeSink(sides=2)
    recording = stage.begin(sink)
    stage.recorder.write()
    sink.hear(100)
    stage.recorder.write()
    sink.hear(50)
    recording.end()
    stage.recorder.write()
    content = (stage.directory / "a.wav").read_bytes()[44:]
    assert np.array_equal(np.frombuffer(content, "<i2").reshape(-1, 2), some(1, 150, 2))


@pytest.mark.parametrize("silence", [False, True])
def test_a_pause_begins_and_ends_on_the_sample(stage: Stage, silence: bool) -> None:
    sink = FakeSink()
    recording = stage.begin(sink)
    sink.hear(10)
    recording.pause(silence=silence)
    assert recording.paused
    sink.hear(5)
    stage.recorder.write()
    sink.hear(5)
    recording.resume()
    sink.hear(10)
    recording.end()
    stage.recorder.write()
    between = [0] * 10 if silence else []
    assert stage.heard() == [*range(1, 11), *between, *range(21, 31)]


def test_nothing_heard_is_no_file(stage: Stage) -> None:
    recording = stage.begin(FakeSink())
    recording.end()
    stage.recorder.write()
    assert not stage.directory.exists()
    assert stage.counts.empty == 1


def test_a_recording_that_grows_too_large_keeps_what_it_has(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_octets=44 + 200 + 1)
    sink = FakeSink()
    recording = stage.begin(sink)
    for _ in range(4):
        sink.hear(60)
        stage.recorder.write()
    (stopped,) = stage.stopped
    assert (stopped.name, stopped.cause) == ("a", "too-large")
    assert stage.heard() == list(range(1, 101))
    assert stage.recorder.active == 1
    recording.end()
    stage.recorder.write()
    assert sink.closed == 1
    assert (stage.counts.too_large, stage.counts.completed) == (1, 0)


@pytest.mark.parametrize(
    ("number", "cause", "field"), [(28, "disk-full", "disk_full"), (5, "disk-failed", "disk_failed")]
)
def test_a_disk_that_takes_no_more_ends_one_recording_and_is_said_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, number: int, cause: str, field: str
) -> None:
    write = WavWriter.write

    def fail(self: WavWriter, samples: Samples) -> int:
        if self.path.stem == "a" and self.frames >= 200:
            raise OSError(number, "What the system says")
        return write(self, samples)

    monkeypatch.setattr(WavWriter, "write", fail)
    sinks = FakeSink(), FakeSink()
    recordings = [stage.begin(sink, name) for sink, name in zip(sinks, "ab", strict=True)]
    for _ in range(4):
        for sink in sinks:
            sink.hear(100)
        stage.recorder.write()
    (stopped,) = stage.stopped
    assert (stopped.path, stopped.cause) == (stage.directory / "a.wav", cause)
    assert stopped.message == "what the system says"
    for recording in recordings:
        recording.end()
    stage.recorder.write()
    assert stage.heard("a") == list(range(1, 201))
    assert stage.heard("b") == list(range(1, 401))
    assert (getattr(stage.counts, field), stage.counts.completed) == (1, 1)
    assert len(stage.stopped) == 1


def test_a_directory_that_cannot_be_made_is_an_event(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("", encoding="utf-8")
    stage = Stage(tmp_path / "in-the-way")
    sink = FakeSink()
    stage.begin(sink)
    sink.hear(10)
    stage.recorder.write()
    sink.hear(10)
    stage.recorder.write()
    assert [stopped.cause for stopped in stage.stopped] == ["disk-failed"]


def test_a_file_that_cannot_be_completed_is_left_for_the_next_start(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    sink = FakeSink()
    recording = stage.begin(sink)
    sink.hear(10)
    recording.end()
    monkeypatch.setattr("os.fsync", fail)
    stage.recorder.write()
    assert [stopped.cause for stopped in stage.stopped] == ["disk-failed"]
    assert stage.counts.disk_failed == 1
    assert [entry.name for entry in stage.directory.iterdir()] == ["a.wav.part"]


def test_a_fault_of_our_own_ends_one_recording(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeSink):
        def drain(self) -> Samples:
            raise ValueError("a bug")

    good = FakeSink()
    stage.begin(Broken(), "bad")
    recording = stage.begin(good, "good")
    for _ in range(2):
        good.hear(10)
        stage.recorder.write()
    recording.end()
    stage.recorder.write()
    assert stage.heard("good") == list(range(1, 21))
    assert [stopped.name for stopped in stage.stopped] == ["bad"]
    assert "a fault of our own" in caplog.text


def test_many_that_end_at_once_do_not_keep_the_others_waiting(stage: Stage) -> None:
    ending = [stage.begin(FakeSink(), f"e{number}") for number in range(20)]
    going_on = FakeSink()
    stage.begin(going_on, "on")
    for recording in ending:
        recording.end()
    rounds = 0
    more = True
    while more:
        going_on.hear(10)
        more = stage.recorder.write()
        assert going_on.waiting == 0
        rounds += 1
    assert rounds == 3
    assert stage.recorder.active == 1
    stage.recorder.stop()


def test_in_its_thread_it_writes_until_it_is_stopped(stage: Stage) -> None:
    threads: set[str] = set()

    class Watched(FakeSink):
        def drain(self) -> Samples:
            threads.add(threading.current_thread().name)
            drained.set()
            return super().drain()

    drained = threading.Event()
    sink = Watched()
    stage.recorder.start()
    sink.hear(500)
    stage.begin(sink)
    assert drained.wait(20)
    stage.recorder.stop()
    assert "recorder" in threads
    assert sink.closed == 1
    assert stage.heard() == list(range(1, 501))
    assert stage.recorder.active == 0


def test_stopping_without_a_thread_completes_everything(stage: Stage) -> None:
    sinks = [FakeSink() for _ in range(20)]
    for number, sink in enumerate(sinks):
        stage.begin(sink, f"n{number}")
        sink.hear(3)
    stage.recorder.stop()
    assert stage.counts.completed == 20
