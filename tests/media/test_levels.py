"""How loud a leg is, as its statistics say: one packet in eight of G.711 is looked at, relayed or mixed."""

import numpy as np
import pytest

from pbx.media import mixtables
from pbx.media.arrival import LOOKED_AT
from pbx.media.companding import ALAW_TO_LINEAR, ULAW_TO_LINEAR
from tests.media.driven import Stage

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
