"""Echo is suspected where there is one, and nowhere else."""

import numpy as np
import pytest

from pbx.call.echo import look_for_echo
from pbx.call.echo_trend import EchoTrend
from pbx.call.quality_events import Echo, EchoReading, EchoSuspected
from pbx.media.values import Envelope
from tests.call.envelopes import SLOTS, Levels, music, seen, speech, turns, with_echo

ROUNDS = 12
SEEDS = range(6)
QUIET = -90.0


def readings(
    random: np.random.Generator, said: Levels, heard: Levels, lost: float = 0.0
) -> list[EchoReading | None]:
    return [
        look_for_echo(seen(random, said, end, lost=lost), seen(random, heard, end, lost=lost))
        for end in range(SLOTS, len(said) + 1, SLOTS)
    ]


def suspected(found: list[EchoReading | None], wanted: int = 3) -> list[EchoSuspected]:
    """The alarms of readings at their times."""
    trend = EchoTrend(0.0)
    alarms = [trend.take(reading, 5.0 * number, wanted) for number, reading in enumerate(found)]
    return [alarm for alarm in alarms if alarm is not None]


@pytest.mark.parametrize("lost", [0.0, 0.05])
@pytest.mark.parametrize(("slots", "loss_db"), [(6, 12.0), (2, 6.0), (25, 20.0), (29, 12.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_echo_is_suspected(seed: int, slots: int, loss_db: float, lost: float) -> None:
    random = np.random.default_rng(seed)
    said = speech(random, ROUNDS * SLOTS)
    heard = with_echo(np.full(len(said), QUIET), said, slots=slots, loss_db=loss_db)
    (alarm,) = suspected(readings(random, said, heard, lost))
    assert alarm.delay_ms == pytest.approx(20 * slots, abs=20)
    assert alarm.loss_db == pytest.approx(loss_db, abs=2)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_echo_in_a_conversation_is_suspected(seed: int) -> None:
    random = np.random.default_rng(seed)
    size = 4 * ROUNDS * SLOTS
    first = turns(random, size)
    said = np.where(first, speech(random, size), QUIET)
    near = np.where(first, QUIET, speech(random, size))
    heard = with_echo(near, said, slots=6, loss_db=12)
    alarms = suspected(readings(random, said, heard))
    assert alarms
    assert all(alarm.delay_ms == pytest.approx(120, abs=20) for alarm in alarms)


def both(kind: str, random: np.random.Generator, size: int) -> tuple[Levels, Levels]:
    """What a leg is sent and what it says, without an echo."""
    if kind == "one speaks":
        return speech(random, size), np.full(size, QUIET)
    if kind == "a conversation":
        first = turns(random, size)
        return np.where(first, speech(random, size), QUIET), np.where(first, QUIET, speech(random, size))
    if kind == "both at once":
        return speech(random, size), speech(random, size)
    if kind == "music both ways":
        return music(random, size), music(random, size)
    if kind == "music and speech":
        return music(random, size), speech(random, size)
    if kind == "speech and music":
        return speech(random, size), music(random, size)
    if kind == "a tone that comes back":
        return np.full(size, -20.0), np.full(size, -32.0)
    return np.full(size, QUIET), np.full(size, QUIET)


@pytest.mark.parametrize(
    "kind",
    [
        "one speaks",
        "a conversation",
        "both at once",
        "music both ways",
        "music and speech",
        "speech and music",
        "a tone that comes back",
        "silence",
    ],
)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_else_is_taken_for_one(seed: int, kind: str) -> None:
    random = np.random.default_rng(100 + seed)
    said, heard = both(kind, random, 2 * ROUNDS * SLOTS)
    found = readings(random, said, heard)
    assert [reading for reading in found if reading is not None and reading.echo is not None] == []


@pytest.mark.parametrize("loss_db", [0.0, -6.0, 45.0])
def test_one_that_is_too_loud_or_too_faint_is_none(loss_db: float) -> None:
    random = np.random.default_rng(7)
    said = speech(random, ROUNDS * SLOTS) - 6
    heard = with_echo(np.full(len(said), QUIET), said, slots=6, loss_db=loss_db)
    assert suspected(readings(random, said, heard)) == []


@pytest.mark.parametrize("apart", [-40, 0, 40])
def test_legs_that_were_heard_last_at_different_times_are_brought_together(apart: int) -> None:
    random = np.random.default_rng(3)
    said = speech(random, 3 * SLOTS)
    heard = with_echo(np.full(len(said), QUIET), said, slots=6, loss_db=12)
    reading = look_for_echo(seen(random, said, 2 * SLOTS), seen(random, heard, 2 * SLOTS + apart))
    assert reading is not None
    assert reading.echo is not None
    assert reading.echo.delay_ms == pytest.approx(120, abs=20)


def test_what_cannot_be_told() -> None:
    random = np.random.default_rng(3)
    said = speech(random, 4 * SLOTS)
    known, nothing = seen(random, said, SLOTS), Envelope(0, np.zeros(0))
    for one, other in ((known, nothing), (nothing, known), (nothing, nothing)):
        assert look_for_echo(one, other) is None
    assert look_for_echo(known, seen(random, said, SLOTS + 150)) is None
    # A leg that talks for two seconds only.
    short = Envelope(known.end, np.where(np.arange(SLOTS) < SLOTS - 100, np.nan, known.powers))
    assert look_for_echo(short, short) is None


# -- readings in a row ---------------------------------------------------------------------------------------


NONE = EchoReading(None)


def at(delay_ms: float) -> EchoReading:
    return EchoReading(Echo(delay_ms, 12.0))


@pytest.mark.parametrize(
    ("row", "alarms"),
    [
        ([at(120), at(120), at(120)], 1),
        ([at(120), at(140), at(160), at(180)], 1),
        ([at(120), None, at(120), None, None, at(120)], 1),
        ([at(120), at(120), NONE, at(120), at(120)], 0),
        ([at(120), at(120), at(400), at(400)], 0),
        ([at(120), at(120), at(400), at(400), at(400)], 1),
        ([at(120)] * 9, 1),
        ([*[at(120)] * 3, NONE, NONE, *[at(120)] * 3], 1),
        ([*[at(120)] * 3, NONE, None, NONE, NONE, *[at(120)] * 3], 2),
    ],
)
def test_three_in_a_row_of_about_the_same_delay_are_told_once(
    row: list[EchoReading | None], alarms: int
) -> None:
    assert len(suspected(row)) == alarms


def test_one_that_there_may_be_is_looked_at_again_sooner() -> None:
    trend = EchoTrend(100.0)
    assert (trend.due(108.9), trend.due(109.0)) == (False, True)
    trend.take(None, 110.0, 3)
    assert not trend.due(115.0)
    trend.take(at(120), 120.0, 3)
    assert (trend.due(124.0), trend.due(124.5)) == (False, True)
    trend.take(NONE, 125.0, 3)
    assert not trend.due(130.0)
