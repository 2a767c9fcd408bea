"""The plugin `loudness`: how loud two who talk are."""

import numpy as np
import pytest

import pbx.testing
from pbx import Continue, Side
from plugins.loudness import Loudness, Meter


def test_a_side_that_is_too_quiet_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loudness = pbx.testing.make(Loudness)
    call = pbx.testing.call(id="call-1")
    assert pbx.testing.decide(loudness, call) == Continue()
    with pbx.testing.hearing(loudness, call) as heard:
        assert isinstance(heard.tap, Meter)
        heard.hear(pbx.testing.tone(440, 1.0, amplitude=8000), "caller")
        heard.hear(pbx.testing.tone(620, 1.0, amplitude=130), "callee")
        # A pause is not speech that is quiet.
        heard.hear(np.zeros(16000, np.int16), "caller")
        assert heard.tap.loudness("caller") == pytest.approx(-12.2, abs=0.1)
        assert heard.tap.loudness("callee") == pytest.approx(-48, abs=0.1)
        assert heard.tap.loudness("mix") is None
    (record,) = (each for each in caplog.records if "dBov" in each.message)
    assert record.message == "call call-1: the callee is at -48 dBov"


@pytest.mark.parametrize(("amplitude", "logged"), [(30000, True), (3000, False)])
def test_too_loud(caplog: pytest.LogCaptureFixture, amplitude: int, logged: bool) -> None:
    loudness = pbx.testing.make(Loudness, loudest=-12)
    sides: tuple[Side, Side] = ("caller", "callee")
    with pbx.testing.hearing(loudness, pbx.testing.call()) as heard:
        for side in sides:
            heard.hear(pbx.testing.tone(440, 0.5, amplitude=amplitude), side)
    assert ("dBov" in caplog.text) is logged
