"""How loud a leg is, as its statistics say: one packet in eight of G.711 is looked at, relayed or mixed."""

import numpy as np
import pytest

from pbx.call.echo import look_for_echo
from pbx.media import mixtables
from pbx.media.arrival import LOOKED_AT
from pbx.media.companding import ALAW_TO_LINEAR, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.kernels.levels import GLANCE
from pbx.media.layout import ENVELOPE
from pbx.media.snapshots import envelope
from pbx.media.values import LegId
from tests.media.driven import BEGINNING, TICK, Stage
from tests.media.kernels.speech import speech as speech_like

FRAMES = 64


@pytest.mark.parametrize("must_mix", [False, True])
@pytest.mark.parametrize(
    ("codec", "linear"), [(mixtables.PCMU, ULAW_TO_LINEAR), (mixtables.PCMA, ALAW_TO_LINEAR)]
)
def test_the_power_and_the_clipped_samples_of_every_eighth_packet(
    codec: int, linear: np.ndarray[tuple[int, ...], np.dtype[np.int16]], must_mix: bool
) -> None:
    payload_type = 0 if codec == mixtables.PCMU else 8
    frames = np.random.default_rng(5).integers(0, 256, (FRAMES, 160), np.uint8)
    with Stage(2) as stage:
        for row in range(2):
            stage.leg(row, codec, payload_type)
        stage.join(0, 1, must_mix=must_mix)
        for number, frame in enumerate(frames):
            stage.say(0, number, frame.tobytes(), payload_type=payload_type)
        stage.run(FRAMES + 5)
        leg = stage.tables.legs[0]
        looked_at = linear[frames[LOOKED_AT - 1 :: LOOKED_AT]].astype(np.int64)
        assert leg["level_packets"] == len(looked_at) == FRAMES // LOOKED_AT
        assert leg["level_samples"] == looked_at.size
        assert leg["level_power"] == sum(int((frame**2).sum()) // 160 for frame in looked_at)
        assert leg["level_clipped"] == int((np.abs(looked_at) >= 32124).sum())
        assert stage.tables.legs[1]["level_packets"] == 0


def test_other_codecs_are_not_looked_at() -> None:
    with Stage(2) as stage:
        stage.leg(0, mixtables.G722, 9)
        stage.leg(1)
        stage.join(0, 1)
        for number in range(FRAMES):
            stage.say(0, number, bytes(160), payload_type=9)
        stage.run(FRAMES + 5)
        assert stage.tables.legs[0]["level_packets"] == 0


@pytest.mark.parametrize("must_mix", [False, True])
def test_the_envelope_is_by_20_ms_of_the_clock(must_mix: bool) -> None:
    frames = np.random.default_rng(6).integers(0, 256, (400, 160), np.uint8)
    lost = {50, 399}
    with Stage(2) as stage:
        for row in range(2):
            stage.leg(row)
        stage.join(0, 1, must_mix=must_mix)
        for number, frame in enumerate(frames):
            if number not in lost:
                stage.say(0, number, frame.tobytes())
        stage.run(400)
        found = envelope(stage.shared, LegId(0, 1))
    linear = ULAW_TO_LINEAR[frames[:, ::GLANCE]].astype(np.int64)
    powers = (linear**2).sum(1) // linear.shape[1]
    assert found.end == BEGINNING // TICK + 398
    assert np.array_equal(found.powers, powers[399 - ENVELOPE : 399])
    assert envelope(stage.shared, LegId(1, 1)).end == 0


def test_a_gap_is_known_as_one_and_of_two_at_once_the_louder_counts() -> None:
    quiet, loud = bytes([0xFF]) * 160, bytes([0x80]) * 160
    with Stage(2) as stage:
        for row in range(2):
            stage.leg(row)
        stage.join(0, 1, must_mix=False)
        for number, payload, late in ((0, quiet, 0), (1, loud, 20_500), (2, quiet, 10_000), (4, loud, 0)):
            stage.say(0, number, payload, late=late)
        stage.run(10)
        found = envelope(stage.shared, LegId(0, 1)).powers
    assert [int(power) for power in found[[-5, -3, -1]]] == [0, 32124**2, 32124**2]
    assert np.isnan(found[[-4, -2]]).all()
    assert np.isnan(found[:-5]).all()


def test_a_relayed_call_with_an_echo_is_found_by_it() -> None:
    """Speech in one direction, its echo of 120 ms and 12 dB in the other, as the loop sees them."""
    voice = speech_like(11, 8.0, 8000)
    echo = np.concatenate((np.zeros(960, np.int16), voice))[: len(voice)] // 4
    with Stage(2) as stage:
        for row in range(2):
            stage.leg(row)
        stage.join(0, 1, must_mix=False)
        for row, said in ((0, voice), (1, echo)):
            codes = LINEAR_TO_ULAW[said.astype(np.int64) & 0xFFFF].astype(np.uint8)
            for number in range(len(codes) // 160):
                stage.say(row, number, codes[160 * number : 160 * number + 160].tobytes())
        stage.run(len(voice) // 160 + 2)
        sent, came = (envelope(stage.shared, LegId(row, 1)) for row in (0, 1))
    reading = look_for_echo(sent, came)
    assert reading is not None
    assert reading.echo is not None
    assert reading.echo.delay_ms == 120
    assert reading.echo.loss_db == pytest.approx(12, abs=1.5)
    other_way = look_for_echo(came, sent)
    assert other_way is None or other_way.echo is None
