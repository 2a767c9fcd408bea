import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pbx.call.record import Note
from pbx.call.recording import Recording
from pbx.errors import OperatorError
from pbx.media.recorder import RecordingStopped
from pbx.media.values import LegId, SinkId
from pbx.media.wav import WavWriter, read_wav
from pbx.metrics.metrics import Metrics
from pbx.service.recording_control import CallRecordings
from pbx.service.recordings import Recordings
from tests.call.media import FakeMedia
from tests.service.house import House
from tests.service.test_answering import registered


def some(first: int, count: int) -> "np.typing.NDArray[np.int16]":
    return np.arange(first, first + count, dtype=np.int16)


class Desk:
    """Recordings over a media plane in memory, written when a test says so."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.media = FakeMedia(limit=2)
        self.waiting: list[Callable[[], None]] = []
        self.stopped: list[tuple[str, RecordingStopped]] = []
        self.recordings = Recordings(
            self.media,
            directory,
            self.waiting.append,
            lambda call_id, stopped: self.stopped.append((call_id, stopped)),
            max_octets=5000,
        )
        self.metrics = Metrics()
        self.recordings.observe(self.metrics)

    def begin(self, name: str = "a", **settings: object) -> SinkId:
        sink = self.media.open_sink(kind="one", left=LegId(1, 1))
        self.recordings.begin(sink, Recording(name, **settings), "call-1")  # type: ignore[arg-type]  # literals
        return sink

    def page(self) -> str:
        return self.metrics.render()[0].decode()


@pytest.fixture(name="desk")
def a_desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "recordings")


def test_a_call_becomes_a_file_with_the_name_of_the_dialplan(desk: Desk) -> None:
    sink = desk.begin("20261121-call")
    desk.media.hear(sink, some(1, 100))
    desk.recordings.write()
    assert "pbx_recordings_active 1.0" in desk.page()
    desk.media.hear(sink, some(101, 100))
    desk.media.sinks[sink].overruns = 160
    desk.recordings.end(sink)
    desk.recordings.write()
    assert read_wav(desk.directory / "20261121-call.wav").samples.tolist() == list(range(1, 201))
    assert sink not in desk.media.sinks
    page = desk.page()
    assert 'pbx_recordings_total{cause="completed"} 1.0' in page
    assert 'pbx_recording_samples_total{cause="written"} 200.0' in page
    assert 'pbx_recording_samples_total{cause="lost"} 160.0' in page
    assert "pbx_recordings_active 0.0" in page


def test_two_sides_are_two_channels_and_the_format_is_as_asked(desk: Desk) -> None:
    sink = desk.media.open_sink(kind="stereo", left=LegId(1, 1), right=LegId(2, 1))
    desk.recordings.begin(sink, Recording("a", "both", "alaw"), "call-1")
    desk.recordings.write()
    desk.media.hear(sink, np.full((50, 2), 8, np.int16))
    desk.recordings.end(sink)
    desk.recordings.write()
    content = (desk.directory / "a.wav").read_bytes()
    assert (content[20], content[22]) == (6, 2)
    assert len(content) == 58 + 100


@pytest.mark.parametrize("name", ["../../etc/cron", "/etc/passwd", "a\0b", "", ".."])
def test_no_name_leads_out_of_the_directory(desk: Desk, name: str) -> None:
    sink = desk.begin(name)
    desk.media.hear(sink, some(0, 9))
    desk.recordings.end(sink)
    desk.recordings.write()
    (file,) = desk.directory.iterdir()
    assert file.suffix == ".wav"


def test_a_failure_is_told_in_the_reactor_logged_and_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: WavWriter, samples: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WavWriter, "write", fail)
    sink = desk.begin()
    for _ in range(2):
        desk.media.hear(sink, some(0, 10))
        desk.recordings.write()
    assert desk.stopped == []
    (tell,) = desk.waiting
    tell()
    ((call_id, stopped),) = desk.stopped
    assert (call_id, stopped.cause) == ("call-1", "disk-full")
    assert "call-1 ends early (disk-full): no space left on device" in caplog.text
    desk.recordings.end(sink)
    desk.recordings.write()
    assert 'pbx_recordings_total{cause="disk-full"} 1.0' in desk.page()
    assert 'pbx_recordings_total{cause="completed"} 0.0' in desk.page()


def test_a_pause_is_silence_or_nothing(desk: Desk) -> None:
    sink = desk.begin()
    desk.media.hear(sink, some(1, 3))
    assert desk.recordings.pause("call-1")
    desk.media.hear(sink, some(1, 3))
    assert desk.recordings.resume("call-1")
    desk.media.hear(sink, some(1, 3))
    assert desk.recordings.pause("call-1", silence=False)
    desk.media.hear(sink, some(1, 3))
    assert desk.recordings.resume("call-1")
    assert not desk.recordings.pause("call-2")
    assert not desk.recordings.resume("call-2")
    desk.recordings.end(sink)
    desk.recordings.write()
    assert read_wav(desk.directory / "a.wav").samples.tolist() == [1, 2, 3, 0, 0, 0, 1, 2, 3]
    assert not desk.recordings.pause("call-1")


def test_a_pause_holds_when_the_recording_begins_anew(desk: Desk) -> None:
    first = desk.begin("first")
    assert desk.recordings.pause("call-1")
    desk.recordings.end(first)
    second = desk.begin("second")
    desk.media.hear(second, some(1, 3))
    assert desk.recordings.resume("call-1")
    desk.media.hear(second, some(4, 2))
    assert desk.recordings.pause("call-1")
    desk.recordings.end(second)
    desk.recordings.forget("call-1")
    third = desk.begin("third")
    desk.media.hear(third, some(1, 1))
    desk.recordings.end(third)
    desk.recordings.write()
    assert read_wav(desk.directory / "second.wav").samples.tolist() == [0, 0, 0, 4, 5]
    assert read_wav(desk.directory / "third.wav").samples.tolist() == [1]


def test_a_pause_by_an_operator_is_noted_with_the_call(tmp_path: Path) -> None:
    house = House()
    alice = registered(house, "1001", 11, 41000)
    alice.invite("600").ack()
    ((call_id, call),) = house.switch.calls.items()
    desk = Desk(tmp_path)
    control = CallRecordings(desk.recordings, house.switch.calls, lambda: house.now)
    assert not control.pause("nobody", silence=True)
    assert not control.resume("nobody")
    with pytest.raises(OperatorError, match="not recorded"):
        control.pause(call_id, silence=True)
    sink = desk.media.open_sink(kind="one", left=LegId(1, 1))
    desk.recordings.begin(sink, Recording("a"), call_id)
    assert control.pause(call_id, silence=False)
    desk.media.hear(sink, some(1, 3))
    house.advance(3)
    assert control.resume(call_id)
    desk.media.hear(sink, some(7, 2))
    control.stopped(call_id, RecordingStopped("a", tmp_path, "too-large", ""))
    control.stopped("nobody", RecordingStopped("a", tmp_path, "too-large", ""))
    assert call.record.notes == [
        Note(house.now - 3, "", "recording-paused"),
        Note(house.now, "", "recording-resumed"),
        Note(house.now, "", "recording-too-large"),
    ]
    desk.recordings.end(sink)
    desk.recordings.write()
    assert read_wav(tmp_path / "a.wav").samples.tolist() == [7, 8]


def test_a_sink_that_is_not_recorded_is_still_closed(desk: Desk) -> None:
    sink = desk.media.open_sink(kind="mix")
    desk.recordings.end(sink)
    assert desk.media.sinks == {}


def test_a_refusal_is_counted(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.recordings.refused(Recording("a"), "call-1", "no sinks left")
    assert "call call-1 is not recorded as a: no sinks left" in caplog.text
    assert 'pbx_recordings_total{cause="refused"} 1.0' in desk.page()


def test_the_start_completes_what_a_crash_left_and_the_stop_everything(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.directory.mkdir()
    crashed = WavWriter(desk.directory / "old.wav")
    crashed.write(some(0, 7))
    crashed.leave()
    with caplog.at_level(logging.WARNING):
        desk.recordings.start()
    assert "old.wav was cut short by a crash" in caplog.text
    sink = desk.begin("new")
    desk.media.hear(sink, some(0, 11))
    desk.recordings.stop()
    assert len(read_wav(desk.directory / "old.wav").samples) == 7
    assert len(read_wav(desk.directory / "new.wav").samples) == 11
    assert desk.media.sinks == {}
