"""The plugin `parrot`: a voice bot that says what it heard."""

import numpy as np
import pytest

import pbx.testing
from pbx import Talk
from plugins.parrot import Parrot

SILENCE = np.zeros(8000, np.int16)


def test_it_says_again_what_it_heard_when_the_caller_pauses() -> None:
    parrot = pbx.testing.make(Parrot, pause="200ms")
    call = pbx.testing.call()
    assert pbx.testing.decide(parrot, call) == Talk()
    speech = pbx.testing.tone(440, 0.5)
    with pbx.testing.hearing(parrot, call, talks=True) as line:
        line.hear(SILENCE)
        line.hear(speech)
        assert len(line.said()) == 0
        line.hear(SILENCE)
        assert np.array_equal(line.said(), speech)
        line.hear(SILENCE)
        assert len(line.said()) == 0


def test_who_speaks_is_listened_to() -> None:
    with pbx.testing.hearing(pbx.testing.make(Parrot), pbx.testing.call(), talks=True) as line:
        line.hear(np.concatenate((pbx.testing.tone(440, 1.0), SILENCE)))
        line.hear(pbx.testing.tone(440, 0.02))
        assert len(line.said()) == 0


def test_what_it_remembers_has_a_bound() -> None:
    parrot = pbx.testing.make(Parrot, longest="1s")
    with pbx.testing.hearing(parrot, pbx.testing.call(), talks=True) as line:
        line.hear(pbx.testing.tone(440, 1.0))
        assert len(line.said()) == 8000


@pytest.mark.parametrize(("key", "left"), [("*", False), ("#", True), ("1", False)])
def test_keys(key: str, left: bool) -> None:
    with pbx.testing.hearing(pbx.testing.make(Parrot), pbx.testing.call(), talks=True) as line:
        line.hear(pbx.testing.tone(440, 1.0))
        line.press(key)
        line.hear(SILENCE)
        assert len(line.said()) == 0
        assert line.left is left
