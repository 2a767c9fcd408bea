"""The quality of calls through a PBX in memory: looked at in turn, told, noted, counted; and silent legs."""

import logging
from datetime import UTC, datetime

import numpy as np
import pytest

from pbx.call.record import CallRecord, Note
from pbx.config.settings import Settings
from pbx.media.values import (
    Drops,
    LegStatistics,
    Loudness,
    MixCounts,
    PeerReport,
    ReceiveCounts,
    RtcpCounts,
    SendCounts,
)
from pbx.service import quality
from pbx.service.clock import Clock
from pbx.service.ledger import CallBook
from tests.call.envelopes import SLOTS, seen, speech, with_echo
from tests.service.house import House
from tests.service.phone import Dialogue, Phone
from tests.service.test_answering import DIALPLAN, registered
from tests.service.test_calls import talking
from tests.service.test_counting import value

ALICE, BOB = 41000, 42000
A_SECOND = 50


@pytest.fixture
def house() -> House:
    return House(rtp_timeout_s=60.0)


@pytest.fixture
def alice(house: House) -> Phone:
    return registered(house, "1001", 11, ALICE)


@pytest.fixture
def bob(house: House) -> Phone:
    return registered(house, "1002", 12, BOB)


def flows(
    house: House,
    seconds: int,
    *,
    silent: tuple[int, ...] = (),
    lost: int = 0,
    reports: tuple[int, ...] = (),
    deaf: tuple[int, ...] = (),
    power: int | None = None,
) -> None:
    """Time in which every leg sends 50 packets a second, but those to the phones that are `silent`.

    `lost` packets a second do not come; the phones of `reports` send RTCP, those of `deaf` say in it that
    they hear nothing. `power` is the mean square of everybody's samples.
    """
    for _ in range(seconds):
        for leg, row in house.media.rows.items():
            before = house.media.counted.get(leg, LegStatistics())
            port = row.remote[1] if row.remote else 0
            after = before._replace(sent=SendCounts(before.sent.packets + A_SECOND))
            if port not in silent:
                received = before.received
                after = after._replace(
                    received=received._replace(
                        packets=received.packets + A_SECOND - lost,
                        lost=(received.lost or 0) + lost,
                        loss_runs=(received.loss_runs or 0) + lost,
                        jitter_ms=2.0,
                    ),
                )
            if port in reports or port in deaf:
                after = after._replace(
                    rtcp=RtcpCounts(before.rtcp.received + 1),
                    heard=PeerReport(
                        lost=after.sent.packets if port in deaf else 0,
                        fraction_lost=1.0 if port in deaf else 0.0,
                        jitter_ms=3.0,
                        round_trip_ms=40.0,
                    ),
                )
            if power is not None:
                loud = before.loudness
                after = after._replace(
                    loudness=Loudness(loud.packets + 6, loud.power + 6 * power, loud.samples + 960)
                )
            house.media.counted[leg] = after
        house.advance(1)


def page(house: House) -> str:
    return house.metrics.render()[0].decode()


def ended(house: House) -> CallRecord:
    (record, _, _) = house.ended[-1]
    return record


def told(record: CallRecord) -> list[tuple[str, str, str]]:
    return [(note.label, note.kind, note.direction) for note in record.notes]


def finish(house: House, call: Dialogue, bob: Phone) -> CallRecord:
    call.bye()
    bob.answer_last(200, "BYE")
    house.assert_nothing_left()
    return ended(house)


def test_a_good_call_is_rated_in_both_directions_and_nothing_is_told(
    house: House, alice: Phone, bob: Phone
) -> None:
    call, _ = talking(alice, bob)
    (ours,) = house.switch.calls.values()
    assert [leg.watch for leg in ours.legs] == [None, None]
    flows(house, 21, reports=(ALICE, BOB))
    for leg in ours.legs:
        assert leg.watch is not None
        heard, said = leg.watch.heard, leg.watch.said
        assert heard is not None
        assert said is not None
        assert (heard.band, said.band) == ("excellent", "excellent")
        assert (said.jitter_ms, said.round_trip_ms) == (3.0, 40.0)
        assert leg.watch.troubles == []
    record = finish(house, call, bob)
    assert record.notes == []
    for totals in record.legs:
        assert totals.quality is not None
        assert totals.quality.heard.samples == 4
        assert totals.quality.heard.mos == pytest.approx(4.4, abs=0.1)
        assert totals.quality.round_trip_ms == 40.0
    assert "pbx_quality_events_total{" not in page(house)
    assert value(page(house), 'pbx_rtp_mos_count{codec="PCMU",direction="out",trunk=""}') == 2


def test_nothing_that_was_not_measured_is_rated(house: House, alice: Phone, bob: Phone) -> None:
    call, _ = talking(alice, bob)
    house.advance(12)
    record = finish(house, call, bob)
    assert [totals.quality and totals.quality.heard.mos for totals in record.legs] == [None, None]
    assert "pbx_rtp_mos_count" not in page(house)


def test_what_stays_bad_is_told_noted_and_counted_once(
    house: House, alice: Phone, bob: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pbx")
    call, _ = talking(alice, bob)
    (ours,) = house.switch.calls.values()
    flows(house, 31, lost=10)
    assert ours.caller.watch is not None
    assert ours.caller.watch.troubles == [("quality-alert", "in")]
    flows(house, 25)
    assert ours.caller.watch.troubles == []
    record = finish(house, call, bob)
    assert sorted(told(record)) == [
        ("user/1001", "quality-alert", "in"),
        ("user/1001", "quality-recovered", "in"),
        ("user/1002", "quality-alert", "in"),
        ("user/1002", "quality-recovered", "in"),
    ]
    series = 'pbx_quality_events_total{cause="quality-alert",direction="in",trunk=""}'
    assert value(page(house), series) == 2
    assert "leg 'user/1001': what we hear: quality is low: MOS 2." in caplog.text
    (totals, _) = record.legs
    assert totals.quality is not None
    assert totals.quality.heard.alerts == 1
    assert totals.quality.heard.worst_mos is not None
    assert totals.quality.heard.worst_mos < 3.0


def test_one_way_audio_in_either_direction(house: House, alice: Phone, bob: Phone) -> None:
    call, _ = talking(alice, bob)
    flows(house, 20, silent=(ALICE,), deaf=(BOB,))
    flows(house, 10)
    record = finish(house, call, bob)
    kinds = told(record)
    assert ("user/1001", "one-way-audio", "in") in kinds
    assert ("user/1002", "one-way-audio", "out") in kinds
    assert ("user/1001", "flows-again", "in") in kinds


def test_two_who_hear_nothing_of_each_other(house: House, alice: Phone, bob: Phone) -> None:
    """Dead air: packets flow both ways, and nobody is louder than -60 dBov for 20 s; a voice ends it."""
    call, _ = talking(alice, bob)
    flows(house, 40, power=100)
    flows(house, 15, power=1_000_000)
    kinds = told(finish(house, call, bob))
    assert ("user/1001", "dead-air", "both") in kinds
    assert ("user/1001", "flows-again", "both") in kinds


def test_a_silent_listener_is_no_dead_air(house: House, alice: Phone, bob: Phone) -> None:
    call, _ = talking(alice, bob)
    flows(house, 40, power=1_000_000)
    assert told(finish(house, call, bob)) == []


@pytest.mark.parametrize("echoes", [True, False])
def test_an_echo_is_told_of_the_leg_that_it_comes_from(
    house: House, alice: Phone, bob: Phone, echoes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    call, _ = talking(alice, bob)
    random = np.random.default_rng(1)
    size = 16 * 250
    said = speech(random, size)
    quiet = np.full(size, -90.0)
    heard = with_echo(quiet, said, slots=6, loss_db=12) if echoes else quiet
    with caplog.at_level(logging.WARNING):
        for end in range(SLOTS, size, 250):
            # Alice speaks, and Bob's phone sends it back.
            house.media.envelopes[house.media.leg_to(ALICE)] = seen(random, said, end)
            house.media.envelopes[house.media.leg_to(BOB)] = seen(random, heard, end)
            flows(house, 5)
    series = 'pbx_quality_events_total{cause="echo-suspected",direction="in",trunk=""} 1.0'
    assert (series in page(house)) is echoes
    assert ("what it is sent seems to come back, 120 ms later" in caplog.text) is echoes
    watched = [(leg.label, leg.watch) for leg in next(iter(house.switch.calls.values())).legs]
    troubles = [label for label, watch in watched if watch is not None and watch.troubles]
    assert troubles == (["user/1002"] if echoes else [])
    noted = finish(house, call, bob)
    assert told(noted) == ([("user/1002", "echo-suspected", "in")] if echoes else [])


def test_what_was_dropped_and_buffered_is_counted_while_the_call_lasts(
    house: House, alice: Phone, bob: Phone
) -> None:
    call, _ = talking(alice, bob)
    leg = house.media.leg_to(ALICE)
    house.media.counted[leg] = LegStatistics(
        ReceiveCounts(packets=10, lost=0),
        dropped=Drops(wrong_source=3, unauthenticated=4, replayed=5),
        rtcp=RtcpCounts(replayed=2),
        mix=MixCounts(delay_ms=45.0, target_ms=40.0, played=9, late=1, concealed=2),
    )
    house.advance(6)
    said = page(house)
    assert value(said, 'pbx_srtp_packets_dropped_total{cause="unauthenticated"}') == 4
    assert value(said, 'pbx_srtp_packets_dropped_total{cause="replayed"}') == 5
    assert value(said, 'pbx_srtp_packets_dropped_total{cause="rtcp-replayed"}') == 2
    assert value(said, 'pbx_media_dropped_packets_total{cause="wrong-source"}') == 3
    assert value(said, 'pbx_jitter_buffer_packets_total{cause="late"}') == 1
    assert value(said, 'pbx_jitter_buffer_frames_total{cause="concealed"}') == 2
    assert value(said, "pbx_jitter_buffer_delay_seconds_sum") == pytest.approx(0.045)
    house.media.counted[leg] = house.media.counted[leg]._replace(
        dropped=Drops(wrong_source=3, unauthenticated=6, replayed=5)
    )
    finish(house, call, bob)
    said = page(house)
    assert value(said, 'pbx_srtp_packets_dropped_total{cause="unauthenticated"}') == 6
    assert value(said, 'pbx_srtp_packets_dropped_total{cause="replayed"}') == 5


def test_why_tells_of_a_call_that_goes_on(house: House, alice: Phone, bob: Phone) -> None:
    talking(alice, bob)
    flows(house, 12, silent=(BOB,))
    wall = datetime(2026, 11, 23, 10, tzinfo=UTC)
    book = CallBook(Settings(), None, house.router, Clock(lambda: house.now, lambda: wall))
    (call_id,) = house.switch.calls
    found = book.routing(call_id, house.switch)
    assert found is not None
    row, _, goes_on = found
    assert goes_on
    assert [(leg.label, leg.packets_received) for leg in row.legs] == [("user/1001", 600), ("user/1002", 0)]
    assert row.legs[0].mos is not None
    (note,) = row.notes
    assert (note.label, note.kind) == ("user/1002", "one-way-audio")
    assert note.noted_epoch == wall.timestamp() - 2
    assert house.switch.calls[call_id].record.legs == []


class TestSilentLegs:
    def test_a_leg_that_nothing_comes_from_ends_its_call(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        talking(alice, bob)
        flows(house, 59, silent=(BOB,))
        assert house.switch.calls
        flows(house, 1, silent=(BOB,))
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        bob.answer_last(200, "BYE")
        house.assert_nothing_left()
        record = ended(house)
        assert record.cause == "media"
        (note,) = [each for each in record.notes if each.kind == "rtp-timeout"]
        assert note == Note(note.at, "user/1002", "rtp-timeout", "in", 60.0)
        series = 'pbx_quality_events_total{cause="rtp-timeout",direction="in",trunk=""}'
        assert value(page(house), series) == 1

    def test_it_is_only_told_when_the_policy_says_so(self, house: House, alice: Phone, bob: Phone) -> None:
        house.settings(on_rtp_timeout="flag")
        call, _ = talking(alice, bob)
        flows(house, 200, silent=(BOB,))
        flows(house, 6)
        record = finish(house, call, bob)
        kinds = [kind for label, kind, _ in told(record) if label == "user/1002"]
        assert kinds.count("rtp-timeout") == 1
        assert "flows-again" in kinds
        assert record.cause == "answered"

    def test_reports_are_a_sign_of_life(self, house: House, alice: Phone, bob: Phone) -> None:
        call, _ = talking(alice, bob)
        flows(house, 100, silent=(BOB,), reports=(BOB,))
        assert finish(house, call, bob).cause == "answered"

    @pytest.mark.parametrize("direction", ["sendonly", "inactive"])
    def test_who_is_on_hold_may_be_silent(
        self, house: House, alice: Phone, bob: Phone, direction: str
    ) -> None:
        call, _ = talking(alice, bob)
        call.request("INVITE", body=alice.sdp(direction=direction, version=2))
        answering = {"sendonly": "recvonly", "inactive": "inactive"}[direction]
        bob.answer_last(200, body=bob.sdp(direction=answering, version=2))
        call.ack()
        flows(house, 300, silent=(ALICE, BOB))
        assert house.switch.calls
        call.request("INVITE", body=alice.sdp(version=3))
        bob.answer_last(200, body=bob.sdp(version=3))
        call.ack()
        flows(house, 55, silent=(ALICE, BOB))
        assert house.switch.calls
        flows(house, 12, silent=(ALICE, BOB))
        assert "BYE" in alice.methods()

    def test_who_rings_may_be_silent(self, house: House, alice: Phone, bob: Phone) -> None:
        house = House(rtp_timeout_s=10.0)
        alice, bob = registered(house, "1001", 11, ALICE), registered(house, "1002", 12, BOB)
        call = alice.invite("1002")
        invite = bob.answer_last(180)
        house.advance(25)
        bob.answer(invite, 200, body=bob.sdp())
        call.ack()
        house.advance(8)
        assert alice.methods() == []
        house.advance(2)
        assert alice.methods() == ["BYE"]

    def test_a_caller_whom_we_serve_ourselves(self) -> None:
        house = House(dialplan=DIALPLAN, rtp_timeout_s=10.0)
        alice = registered(house, "1001", 11, ALICE)
        call = alice.invite("600")
        call.ack()
        house.advance(10)
        assert alice.methods() == ["BYE"]
        alice.answer_last(200, "BYE")
        house.assert_nothing_left()
        assert ended(house).cause == "media"


def test_many_legs_are_looked_at_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_AT_ONCE", 3)
    house = House(dialplan=DIALPLAN)
    alice = registered(house, "1001", 11, ALICE)
    for _ in range(8):
        alice.invite("600").ack()
    looked: list[int] = []
    statistics = house.media.statistics

    def counted(leg: object) -> LegStatistics:
        looked[-1] += 1
        return statistics(leg)  # type: ignore[arg-type]  # it is one

    house.media.statistics = counted  # type: ignore[method-assign]  # to be counted
    house.now += quality.INTERVAL_S
    for _ in range(4):
        looked.append(0)
        house.carry_out(house.switch.handle_timer(house.now))
    assert looked == [3, 3, 2, 0]
    due = house.switch.quality.next_deadline()
    assert due == house.now + quality.INTERVAL_S
