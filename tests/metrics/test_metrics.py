"""Names and labels are the contract's, nobody outside makes a series, what is not measured is absent."""

import math
import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pbx.errors import MisuseError
from pbx.metrics import Metrics, names
from pbx.metrics.metrics import Distribution

LABELS = {"direction", "trunk", "transport", "cause", "codec", "queue", "handler", "generation"}


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics).get((name, tuple(sorted(labels.items()))))


def exercised() -> Metrics:
    metrics = Metrics(["carrier"])
    for name in names.GAUGES:
        metrics.observe(name, lambda: 1.0)
    for name in names.OBSERVED_COUNTS:
        metrics.observe_counts(name, lambda: {"late": 2})
    for name in names.DISTRIBUTIONS:
        metrics.observe_distribution(name, lambda: Distribution((0.01, 0.02), (1, 2, 3), 0.5))
    for direction in names.DIRECTIONS:
        for trunk in ("", "carrier", "unknown"):
            metrics.call_attempted(direction, trunk)
            metrics.call_rang(direction, 0.4, trunk)
            metrics.call_answered(direction, 2.5, trunk)
            metrics.call_failed(direction, "busy", trunk)
            metrics.call_ended(direction, 61.0, trunk)
            metrics.media_measured(direction, packets=98, lost=2, jitter_seconds=0.004, trunk=trunk)
        for method in (*names.METHODS, "BREW"):
            metrics.request(method, direction, "udp")
        metrics.response(200, direction, "tcp")
    metrics.parse_error("udp")
    metrics.dropped("udp", "malformed")
    metrics.challenged("credentials")
    metrics.registration("added")
    metrics.loop_late(0.003)
    return metrics


def test_names_and_labels_follow_the_contract() -> None:
    for name, labels in samples(exercised()):
        assert re.fullmatch(r"pbx_[a-z0-9]+(_[a-z0-9]+)*", name)
        assert not name.endswith("_created")
        assert {label for label, _ in labels} <= LABELS | {"le"}


@pytest.mark.parametrize(
    "name",
    [
        "calls_active",
        "legs_active",
        "transactions_active",
        "dialogs_active",
        "media_ports_in_use",
        "registrations_active",
    ],
)
def test_gauges_are_read_at_each_scrape(name: str) -> None:
    metrics = Metrics()
    assert value(metrics, f"pbx_{name}") is None
    numbers = [7.0, 3.0]
    metrics.observe(f"pbx_{name}", numbers.pop)
    assert value(metrics, f"pbx_{name}") == 3.0
    assert value(metrics, f"pbx_{name}") == 7.0


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_what_has_no_value_is_absent(nothing: float | None) -> None:
    metrics = Metrics()
    metrics.observe("pbx_calls_active", lambda: nothing)
    assert value(metrics, "pbx_calls_active") is None


def test_a_broken_reader_hides_nothing_else() -> None:
    metrics = Metrics()

    def broken() -> float:
        raise LookupError

    def broken_counts() -> Mapping[str, int]:
        raise LookupError

    metrics.observe("pbx_calls_active", broken)
    metrics.observe("pbx_legs_active", lambda: 4)
    metrics.observe_counts("pbx_media_dropped_packets", broken_counts)
    metrics.render()
    assert value(metrics, "pbx_legs_active") == 4
    assert value(metrics, "pbx_calls_active") is None
    assert (value(metrics, "pbx_metrics_read_failures_total") or 0) >= 2


def test_only_known_names_are_observed() -> None:
    metrics = Metrics()
    with pytest.raises(MisuseError):
        metrics.observe("pbx_call_active", lambda: 1)
    with pytest.raises(MisuseError):
        metrics.observe_counts("pbx_calls_active", dict)


def test_observed_counts_are_counters_by_cause() -> None:
    metrics = Metrics()
    many = {f"cause-{number:03}": number for number in range(100)}
    metrics.observe_counts("pbx_transactions_dropped", lambda: {**many, "Bad cause\n": 1})
    assert value(metrics, "pbx_transactions_dropped_total", cause="cause-005") == 5
    assert sum(name == "pbx_transactions_dropped_total" for name, _ in samples(metrics)) <= 32


def test_observed_distributions_are_histograms() -> None:
    metrics = Metrics()
    found = Distribution((0.01, 0.02), (1, 2, 3), 0.5)
    metrics.observe_distribution("pbx_media_lateness_seconds", lambda: found)
    at_most = {
        le: value(metrics, "pbx_media_lateness_seconds_bucket", le=le) for le in ("0.01", "0.02", "+Inf")
    }
    assert at_most == {"0.01": 1, "0.02": 3, "+Inf": 6}
    assert value(metrics, "pbx_media_lateness_seconds_count") == 6
    assert value(metrics, "pbx_media_lateness_seconds_sum") == 0.5
    with pytest.raises(MisuseError):
        metrics.observe_distribution("pbx_calls_active", lambda: found)


def test_a_distribution_that_does_not_fit_its_bounds_hides_nothing_else() -> None:
    metrics = Metrics()
    metrics.observe("pbx_legs_active", lambda: 4)
    metrics.observe_distribution("pbx_media_lateness_seconds", lambda: Distribution((0.01,), (1, 2, 3), 0.5))
    assert value(metrics, "pbx_media_lateness_seconds_count") is None
    assert value(metrics, "pbx_legs_active") == 4


def test_calls_by_direction_and_trunk() -> None:
    metrics = Metrics(["carrier"])
    metrics.call_attempted("in")
    metrics.call_attempted("in", "carrier")
    metrics.call_attempted("in", "carrier")
    metrics.call_answered("out", 1.5, "carrier")
    metrics.call_failed("out", "no-answer", "carrier")
    metrics.call_failed("out", "a new idea", "gone")
    assert value(metrics, "pbx_call_attempts_total", direction="in", trunk="") == 1
    assert value(metrics, "pbx_call_attempts_total", direction="in", trunk="carrier") == 2
    assert value(metrics, "pbx_call_answers_total", direction="out", trunk="carrier") == 1
    assert value(metrics, "pbx_call_setup_seconds_sum", direction="out", trunk="carrier") == 1.5
    assert value(metrics, "pbx_call_failures_total", direction="out", trunk="carrier", cause="no-answer") == 1
    assert value(metrics, "pbx_call_failures_total", direction="out", trunk="other", cause="other") == 1
    metrics.add_trunks(["second"])
    metrics.call_attempted("out", "second")
    assert value(metrics, "pbx_call_attempts_total", direction="out", trunk="second") == 1


def test_what_has_gathered_is_handed_over_once_and_without_being_asked_for() -> None:
    metrics = Metrics()
    for _ in range(3000):
        metrics.call_rang("in", 0.2)
    metrics.request("INVITE", "in", "udp")
    assert len(metrics._measured) < 1024
    for _ in range(2):
        found = samples(metrics)
        assert found["pbx_call_post_dial_seconds_count", (("direction", "in"), ("trunk", ""))] == 3000
        assert found["pbx_sip_invite_requests_total", (("direction", "in"), ("transport", "udp"))] == 1


def test_media_that_was_not_measured_makes_no_series() -> None:
    metrics = Metrics()
    metrics.media_measured("in", packets=0, lost=0, jitter_seconds=None)
    metrics.media_measured("in", packets=50, lost=None, jitter_seconds=math.nan)
    found = {name for name, _ in samples(metrics)}
    assert "pbx_rtp_packets_total" in found
    assert not {name for name in found if name.startswith(("pbx_rtp_jitter", "pbx_rtp_loss", "pbx_rtp_lost"))}


def test_media_of_one_leg() -> None:
    metrics = Metrics()
    metrics.media_measured("in", packets=95, lost=5, jitter_seconds=0.004)
    metrics.media_measured("in", packets=100, lost=-3, jitter_seconds=0.02)
    labels = {"direction": "in", "trunk": ""}
    assert value(metrics, "pbx_rtp_packets_total", **labels) == 195
    assert value(metrics, "pbx_rtp_lost_packets_total", **labels) == 5
    assert value(metrics, "pbx_rtp_loss_ratio_sum", **labels) == pytest.approx(0.05)
    assert value(metrics, "pbx_rtp_jitter_seconds_count", **labels) == 2


def test_signalling_counters() -> None:
    metrics = Metrics()
    for _ in range(3):
        metrics.request("INVITE", "in", "udp")
        metrics.response(486, "out", "udp")
    metrics.response(180, "out", "udp")
    metrics.challenged("none")
    metrics.challenged("replay")
    assert value(metrics, "pbx_sip_invite_requests_total", direction="in", transport="udp") == 3
    assert value(metrics, "pbx_sip_responses_total", direction="out", transport="udp", cause="4xx") == 3
    assert value(metrics, "pbx_sip_responses_total", direction="out", transport="udp", cause="1xx") == 1
    assert value(metrics, "pbx_auth_challenges_total") == 2
    assert value(metrics, "pbx_auth_failures_total", cause="replay") == 1
    assert value(metrics, "pbx_auth_failures_total", cause="none") is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8), st.integers()), max_size=30))
def test_nothing_from_outside_makes_a_series(story: list[tuple[str, str, int]]) -> None:
    metrics = Metrics()
    for one, other, number in [("\x00", "\x01", 1000), *story]:
        metrics.request(one + " ", "in", other + " ")
        metrics.response(number if number > 699 else 1000, "in", other + " ")
        metrics.dropped(one + " ", other + " ")
        metrics.parse_error(one + " ")
        metrics.authentication_failed(one + " ")
        metrics.registration(one + " ")
        metrics.call_failed("in", one + " ", other + " ")
        metrics.call_attempted("in", other + " ")
    for name, labels in samples(metrics):
        for label, text in labels:
            if label == "le":
                continue
            assert text in {"", "in", "out", "other"}, name
    assert not metrics._bound_requests
    assert not metrics._bound_responses


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (486, "busy"),
        (404, "not-found"),
        (487, "cancelled"),
        (503, "resources"),
        (580, "error"),
        (499, "rejected"),
        (699, "rejected"),
    ],
)
def test_causes_of_statuses(status: int, cause: str) -> None:
    assert names.failure_cause(status) == cause
    assert cause in names.FAILURE_CAUSES


def test_every_status_has_a_known_cause() -> None:
    assert {names.failure_cause(status) for status in range(300, 700)} <= set(names.FAILURE_CAUSES)
