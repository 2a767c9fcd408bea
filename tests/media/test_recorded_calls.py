"""What the matrix collects, written by the recorder's own thread while phones talk."""

from pathlib import Path

import numpy as np
import pytest

from pbx.media.plane import MediaPlane
from pbx.media.recorder import Recorder, RecordingStopped
from pbx.media.sounds import SoundLibrary
from pbx.media.values import SinkId
from pbx.media.wav import Samples, read_wav
from tests.media.spectrum import strength
from tests.media.support import Phone, Phones, obeyed
from tests.media.talk import TRIES, Talk, frames_of, mixed_leg, tone, ulaw

pytestmark = pytest.mark.network

_HELD = range(30, 50)


class PlaneSink:
    """A sink of a real plane."""

    def __init__(self, plane: MediaPlane, sink: SinkId) -> None:
        self._plane = plane
        self._sink = sink

    def drain(self) -> Samples:
        return self._plane.drain(self._sink)

    def close(self) -> Samples:
        return self._plane.close_sink(self._sink)


def onsets(samples: Samples) -> list[int]:
    """Where sound begins, to 5 ms, after at least 100 ms without any."""
    loud = np.abs(samples[: len(samples) // 40 * 40].reshape(-1, 40)).max(axis=1) > 1000
    return [
        at * 40 for at in range(len(loud)) if loud[at] and not loud[max(0, at - 20) : at].any() and at >= 20
    ]


def test_a_call_that_was_held_and_resumed_is_whole_and_in_time(
    plane: MediaPlane, phones: Phones, tmp_path: Path
) -> None:
    """A machine that stalls makes packets late, and late ones are made up for: then it is tried again."""
    for number in range(TRIES):
        talk = Talk([phones.new(), phones.new()])
        try:
            _held_and_resumed(plane, talk, tmp_path / f"{number}.wav")
        except AssertionError:
            if talk.punctual(plane) or number == TRIES - 1:
                raise
        else:
            return


def _held_and_resumed(plane: MediaPlane, talk: Talk, path: Path) -> None:
    alice, bob = talk.phones
    a, b = mixed_leg(plane, alice), mixed_leg(plane, bob)
    bridge = plane.bridge(a, b)
    assert bridge is not None
    sink = plane.open_sink(kind="stereo", left=a, right=b)
    plane.join(bridge, sink)
    obeyed(plane)
    stopped: list[RecordingStopped] = []
    recorder = Recorder()
    recorder.start()
    recorder.begin(PlaneSink(plane, sink), path, stopped.append)
    voices = {alice: tone(440, 2.0), bob: tone(620, 2.0)}

    def says(phone: Phone, number: int) -> bytes:
        held = number in _HELD or number < 10
        return ulaw(np.zeros(160, np.int16) if held else frames_of(voices[phone], number))

    talk.run(80, says)
    recorder.stop()
    assert stopped == []
    content = path.read_bytes()
    both = np.frombuffer(content[44:], "<i2").reshape(-1, 2)
    assert len(both) >= 160 * 74
    left, right = onsets(both[:, 0]), onsets(both[:, 1])
    # Once at the beginning, once after the hold: both sides within 20 ms of each other, and of the hold.
    assert len(left) == len(right) == 2
    assert all(abs(one - other) <= 160 for one, other in zip(left, right, strict=True))
    assert abs(left[1] - left[0] - 160 * 40) <= 160
    for at in left:
        assert strength(both[at + 800 : at + 2400, 0], 8000, 440) > 4000
        assert strength(both[at + 800 : at + 2400, 1], 8000, 620) > 4000
    assert recorder.counts.completed == 1
    assert read_wav(path).duration_s > 1.4


def test_a_tone_from_the_library_is_heard_by_a_phone_and_in_the_recording(
    plane: MediaPlane, phones: Phones, tmp_path: Path
) -> None:
    alice = phones.new()
    leg = mixed_leg(plane, alice)
    room = plane.open_bridge()
    sink = plane.open_sink(kind="mix")
    library = SoundLibrary([], tmp_path)
    source = plane.play([library.find("tone.nl.dial")], loops=True)
    for member in (leg, sink, source):
        plane.join(room, member)
    obeyed(plane)
    recorder = Recorder()
    take = recorder.begin(PlaneSink(plane, sink), tmp_path / "mix.wav", lambda _stopped: None)
    talk = Talk([alice])
    talk.run(40, lambda _phone, _number: None)
    take.end()
    recorder.stop()
    assert strength(talk.samples(alice, 20), 8000, 425) > 9000
    assert strength(read_wav(tmp_path / "mix.wav").samples[-3200:], 8000, 425) > 9000
