"""What a bad network does to a leg that is mixed, and what is said of it."""

import numpy as np
import pytest

from pbx.media import layout
from pbx.media.companding import LINEAR_TO_ULAW
from pbx.media.rows import Rows, Words
from pbx.media.snapshots import leg_statistics
from pbx.media.values import LegId, LegStatistics
from pbx.rtp.quality import (
    IMPAIRMENTS,
    Jitter,
    burst_ratio,
    effective_impairment,
    estimate,
    mean_opinion_score,
    transmission_rating,
)
from tests.media.driven import BEGINNING, LOOKED_AT, STRANGER, TICK, Stage, everyone
from tests.media.kernels import speech
from tests.media.support import header

FRAMES = 20_000
LOSS = 0.05
# The delay of each packet on the network is evenly spread over this, independent of the others: 30 ms on the
# average and 30 ms either way.
SPREAD = 60_000


def statistics_of(stage: Stage, row: int) -> LegStatistics:
    return leg_statistics(Rows(stage.shared), LegId(row, 1), Words(stage.mix.parts))


@pytest.mark.parametrize("seed", [1, 2])
def test_five_percent_of_loss_and_thirty_milliseconds_of_jitter(seed: int) -> None:
    random = np.random.default_rng(seed)
    delays = random.integers(0, SPREAD, FRAMES)
    arrives = random.random(FRAMES) >= LOSS
    # What is lost at the very end cannot be known of by anybody, nor what was sent before the first to come.
    arrives[[0, -1]] = True
    delays[0] = 0
    jitter = Jitter(8000)
    samples = speech.speech(seed, 2.0, 8000)
    frames = LINEAR_TO_ULAW[samples.view(np.uint16)].reshape(-1, 160)
    with Stage(2) as stage:
        everyone(stage, range(2))
        came = [number for number in range(FRAMES) if arrives[number]]
        for number in came:
            stage.say(0, number, frames[number % len(frames)].tobytes(), late=int(delays[number]))
        for number in sorted(came, key=lambda each: each * TICK + delays[each]):
            jitter.receive(number * 160, (number * TICK + delays[number]) / 1e6)
        stage.run(FRAMES + 4, packets=2 * FRAMES + 100)
        told = statistics_of(stage, 0)
        played_to = int(stage.mix.parts[0]["play_timestamp"]) - (1 << 32)
        behind_ms = (stage.now - TICK - BEGINNING) / 1000 - played_to / 8 + 20

    injected = FRAMES - len(came)
    assert told.received.lost == injected
    assert told.received.jitter_ms == pytest.approx(jitter.milliseconds, rel=0.01)
    mix = told.mix
    unheard = mix.late + mix.overflowed
    assert unheard <= 0.005 * FRAMES
    assert mix.played >= len(came) - unheard - behind_ms / 20 - 3
    # What waits in the buffer is what the network's average leaves of the whole delay.
    assert mix.delay_ms is not None
    assert mix.delay_ms == pytest.approx(behind_ms - SPREAD / 2000, abs=12)

    runs = told.received.loss_runs
    lost = injected + unheard
    found = estimate(
        "PCMU",
        expected=FRAMES,
        lost=lost,
        round_trip=SPREAD / 1e6,
        buffering=mix.delay_ms / 1000,
        burst_ratio=burst_ratio(FRAMES, injected, runs),
    )
    assert found is not None
    rating = transmission_rating(behind_ms) - effective_impairment(IMPAIRMENTS["PCMU"], 100 * LOSS)
    assert found.mos == pytest.approx(mean_opinion_score(rating), abs=0.1)


KEYS = "0123456789*#ABCD"
UPDATES, ENDS = 5, 3
PRESS = UPDATES + ENDS + 12


def test_each_key_exactly_once_over_three_percent_of_loss() -> None:
    """A press is told by five packets and its end by three more (RFC 4733 §2.5.1.4); any may be lost."""
    random = np.random.default_rng(3)
    rounds = 40
    presses = [key for _ in range(rounds) for key in range(len(KEYS))]
    with Stage(2) as stage:
        everyone(stage, range(2))
        found: list[tuple[int, int]] = []
        for number, key in enumerate(presses):
            first = number * PRESS
            for step in range(PRESS):
                event = step < UPDATES + ENDS
                if random.random() < 0.03:
                    continue
                if not event:
                    stage.say(0, first + step, b"\xff" * 160)
                    continue
                duration = min(step + 1, UPDATES) * 160
                payload = bytes([key, 0x8A if step >= UPDATES else 0x0A, duration >> 8, duration & 0xFF])
                stage.event(0, first + step, first * 160, payload, mark=step == 0)
            stage.run(PRESS)
            found += stage.digits()
        stage.run(20)
        found += stage.digits()
    assert found == [(0, key) for key in presses]


def test_a_press_of_which_only_one_packet_comes_is_told_once() -> None:
    with Stage(2) as stage:
        everyone(stage, range(2))
        stage.say(0, 0, b"\xff" * 160)
        stage.event(0, 1, 160, bytes([5, 0x0A, 0, 160]), mark=True)
        stage.run(40)
        assert stage.digits() == [(0, 5)]


def dialled(ms: int) -> speech.Samples:
    low, high = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    pad = ["123A", "456B", "789C", "*0#D"]
    parts: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    for key in KEYS:
        row = next(at for at in range(4) if key in pad[at])
        when = np.arange(ms * 8) / 8000
        parts.append(
            7000 * np.sin(2 * np.pi * low[row] * when)
            + 7000 * np.sin(2 * np.pi * high[pad[row].index(key)] * when)
        )
        parts.append(np.zeros(ms * 8))
    sound = np.concatenate(parts)
    return np.rint(np.append(sound, np.zeros(-len(sound) % 160))).astype(np.int16)


def said_in_band(samples: speech.Samples) -> list[tuple[int, int]]:
    frames = LINEAR_TO_ULAW[samples.view(np.uint16)].reshape(-1, 160)
    with Stage(2) as stage:
        everyone(stage, range(2))
        stage.mix.parts[0]["detect"] = 1
        for number, frame in enumerate(frames):
            stage.say(0, number, frame.tobytes())
        stage.run(len(frames) + 5)
        return stage.digits()


def test_in_band_keys_of_60_ms_exactly_once() -> None:
    assert said_in_band(dialled(60)) == [(0, key) for key in range(16)]


def test_no_key_in_ten_minutes_of_speech_on_a_leg() -> None:
    samples = np.concatenate([speech.speech(100 + seed, 60, 8000) for seed in range(10)])
    assert len(samples) == 600 * 8000
    assert said_in_band(samples) == []


LOUD = b"\x90\x90\x90\x90\x10\x10\x10\x10" * 20
QUIET = b"\xff" * 160


def test_a_stranger_is_neither_mixed_nor_answered_nor_counted_as_the_source() -> None:
    with Stage(2) as stage:
        everyone(stage, range(2))
        for number in range(40):
            head = header(number, number * 160, 0x1000)
            stage.datagram(0, number * TICK, head + LOUD, STRANGER)
        heard = stage.run(45)
        assert {packet.payload for packet in heard[1]} == {QUIET}
        # Silence flows to the leg itself as to everybody, no more and no less than without the stranger.
        assert len(heard[0]) == len(heard[1]) == 45
        told = statistics_of(stage, 0)
        assert (told.received.packets, told.dropped.wrong_source) == (0, 40)
        for number in range(45, 80):
            head = header(number, number * 160, 0x1000)
            stage.datagram(0, number * TICK, head + QUIET, LOOKED_AT)
            stage.datagram(0, number * TICK + 1, header(number + 7, number * 160, 0x666) + LOUD, STRANGER)
        heard = stage.run(40)
        assert {packet.payload for packet in heard[1]} == {QUIET}
        told = statistics_of(stage, 0)
        assert (told.received.packets, told.received.ssrc_changes) == (35, 0)


def test_a_leg_on_hold_is_not_heard_and_is_sent_nothing_and_its_stream_goes_on() -> None:
    with Stage(2) as stage:
        everyone(stage, range(2))
        for number in range(90):
            stage.say(0, number, LOUD)
            stage.say(1, number, LOUD)
        before = stage.run(30)
        # Neither hears the other: inactive on one side is enough.
        stage.tables.legs[0]["receive"] = stage.tables.legs[0]["send"] = 0
        during = stage.run(30)
        stage.tables.legs[0]["receive"] = stage.tables.legs[0]["send"] = 1
        after = stage.run(30)
        assert during[0] == []
        assert {packet.payload for packet in during[1][-10:]} == {QUIET}
        assert {packet.payload for packet in after[0][-10:]} == {LOUD}
        assert {packet.payload for packet in after[1][-10:]} == {LOUD}
        last, first = before[0][-1], after[0][0]
        assert first.marker
        assert first.sequence == last.sequence + 1
        assert first.timestamp - last.timestamp == 31 * 160


def test_how_long_packets_wait_is_put_into_buckets() -> None:
    with Stage(2) as stage:
        everyone(stage, range(2))
        for number in range(500):
            stage.say(0, number, LOUD, late=number * 31 % 20_000)
        stage.run(500)
        tables = stage.tables
        assert int(tables.buffered.sum()) >= 80
        mean = tables.control[layout.BUFFERED_TOTAL] / tables.buffered.sum()
        assert 10_000 < mean < 60_000
        assert int(tables.lateness.sum()) == 500
        assert int(tables.control[layout.LATENESS_TOTAL]) == 0


def test_comfort_noise_fills_a_pause_and_a_restarted_source_is_heard() -> None:
    with Stage(2) as stage:
        everyone(stage, range(2))
        for number in range(20):
            stage.say(0, number, b"\x90\x10" * 80)
        stage.event(0, 20, 20 * 160, bytes([30]), payload_type=13)
        heard = stage.run(50)[1]
        pause = heard[-10:]
        assert all(packet.payload != b"\xff" * 160 for packet in pause)
        assert int(stage.mix.parts[0]["comfort_noise"]) > 0
        # Another SSRC, sequence and clock: a phone that was restarted.
        stage.restart(0, first=50, ssrc=0x2000, sequence=4, timestamp=99)
        for number in range(50, 90):
            stage.say(0, number, b"\x90\x10" * 80)
        heard = stage.run(40)[1]
        assert [packet.payload for packet in heard[-10:]] == [b"\x90\x10" * 80] * 10
        assert int(stage.tables.legs[0]["ssrc_changes"]) == 1
