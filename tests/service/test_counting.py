"""What a finished call becomes in the metrics: what was measured, and nothing that was not."""

import re

import pytest

from pbx.call.record import CallRecord, LegTotals
from pbx.media.values import LegStatistics, PeerReport, ReceiveCounts, SendCounts
from pbx.metrics.metrics import Metrics
from pbx.service.counting import Counting
from tests.service.house import House
from tests.service.phone import Dialogue, Phone


def finished(
    statistics: LegStatistics | None, *, codec: str | None = "PCMU", trunk: str | None = None
) -> str:
    """The metrics page after one answered call with one such leg."""
    metrics = Metrics(["carrier"])
    record = CallRecord("1", "a", "b", "users", 0.0, answered_at=1.0, ended_at=11.0, cause="answered")
    record.legs.append(LegTotals("user/1001", trunk, codec, statistics))
    Counting(metrics).call_finished(record)
    return metrics.render()[0].decode()


def value(page: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", page, re.MULTILINE)
    assert found is not None, series
    return float(found[1])


def test_a_leg_without_media_has_no_series() -> None:
    page = finished(None)
    assert "pbx_rtp_mos_count" not in page
    assert "pbx_rtp_loss_ratio_count" not in page


def test_what_was_not_measured_is_absent() -> None:
    page = finished(LegStatistics(ReceiveCounts(packets=5), SendCounts(packets=5)))
    assert "pbx_rtp_mos_count" not in page
    assert "pbx_rtp_round_trip_seconds_count" not in page
    assert value(page, 'pbx_rtp_packets_total{direction="in",trunk=""}') == 5


def test_a_hundred_packets_are_rated() -> None:
    page = finished(LegStatistics(ReceiveCounts(packets=100, lost=0, jitter_ms=1.0)))
    mos = value(page, 'pbx_rtp_mos_sum{codec="PCMU",direction="in",trunk=""}')
    assert mos == pytest.approx(4.41, abs=0.01)
    assert 'direction="out"' not in "".join(line for line in page.splitlines() if "pbx_rtp_mos" in line)


def test_one_packet_less_is_not() -> None:
    assert "pbx_rtp_mos_count" not in finished(LegStatistics(ReceiveCounts(packets=99, lost=0)))


def test_what_they_hear_is_kept_apart() -> None:
    statistics = LegStatistics(
        ReceiveCounts(packets=500, lost=0, jitter_ms=1.0),
        SendCounts(packets=500),
        heard=PeerReport(lost=50, fraction_lost=0.1, jitter_ms=2.0, round_trip_ms=400.0),
    )
    page = finished(statistics, codec="PCMA", trunk="carrier")
    ours = value(page, 'pbx_rtp_mos_sum{codec="PCMA",direction="in",trunk="carrier"}')
    theirs = value(page, 'pbx_rtp_mos_sum{codec="PCMA",direction="out",trunk="carrier"}')
    assert 1 < theirs < ours < 4.41
    assert value(page, 'pbx_rtp_round_trip_seconds_sum{trunk="carrier"}') == pytest.approx(0.4)
    assert value(page, 'pbx_rtp_lost_packets_total{direction="out",trunk="carrier"}') == 50


def test_a_codec_without_values_is_not_rated() -> None:
    assert "pbx_rtp_mos_count" not in finished(
        LegStatistics(ReceiveCounts(packets=500, lost=0)), codec="OPUS"
    )


class TestLegsWeCall:
    """Direction `out`: an answer or a failure for each INVITE of ours, by what became of that leg."""

    @pytest.fixture
    def house(self) -> House:
        return House()

    @pytest.fixture
    def alice(self, house: House) -> Phone:
        return registered(house, "1001", "192.0.2.11")

    @pytest.fixture
    def bob(self, house: House) -> Phone:
        return registered(house, "1002", "192.0.2.12")

    def test_an_answered_leg_has_its_setup_time_at_once_and_its_duration_in_the_end(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        call = alice.invite("1002")
        house.advance(3)
        bob.answer(bob.requests("INVITE")[-1], 200, body=bob.sdp())
        call.ack()
        page = rendered(house)
        assert value(page, f"pbx_call_answers_total{OUT}") == 1
        assert value(page, f"pbx_call_setup_seconds_sum{OUT}") == pytest.approx(3)
        assert value(page, f"pbx_call_duration_seconds_count{OUT}") == 0
        house.advance(5)
        call.bye()
        bob.answer_last(200, "BYE")
        page = rendered(house)
        assert value(page, f"pbx_call_duration_seconds_sum{OUT}") == pytest.approx(5)
        assert failures(page) == {}

    def test_a_refused_leg_fails_for_what_the_phone_said(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        alice.invite("1002")
        bob.answer_last(486)
        page = rendered(house)
        assert failures(page) == {("in", "busy"): 1, ("out", "busy"): 1}
        assert value(page, f"pbx_call_answers_total{OUT}") == 0

    def test_of_two_phones_that_ring_one_answers_and_one_is_cancelled(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        carol = registered(house, "1003", "192.0.2.13")
        call = carol.invite("602")
        ringing = alice.answer_last(180)
        invite = bob.answer_last(180)
        bob.answer(invite, 200, body=bob.sdp())
        call.ack()
        alice.answer_last(200, "CANCEL")
        alice.answer(ringing, 487)
        page = rendered(house)
        assert value(page, f"pbx_call_attempts_total{OUT}") == 2
        assert value(page, f"pbx_call_answers_total{OUT}") == 1
        assert failures(page) == {("out", "cancelled"): 1}
        Dialogue.answered(bob, invite).bye()

    def test_a_phone_that_rings_for_too_long_is_no_answer(
        self, house: House, alice: Phone, bob: Phone
    ) -> None:
        alice.invite("1002")
        ringing = bob.answer_last(180)
        house.advance(31)
        bob.answer_last(200, "CANCEL")
        bob.answer(ringing, 487)
        assert failures(rendered(house)) == {("in", "no-answer"): 1, ("out", "no-answer"): 1}


OUT = '{direction="out",trunk=""}'


def registered(house: House, user: str, address: str) -> Phone:
    phone = Phone(house, user, address, rtp_port=40000)
    phone.register()
    return phone


def rendered(house: House) -> str:
    return house.metrics.render()[0].decode()


def failures(page: str) -> dict[tuple[str, str], float]:
    """The failures by direction and cause."""
    series = re.findall(
        r'^pbx_call_failures_total\{cause="([^"]*)",direction="([^"]*)",trunk=""\} (\S+)$', page, re.MULTILINE
    )
    return {(direction, cause): float(count) for cause, direction, count in series}
