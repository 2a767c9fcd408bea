"""Queues on the page of metrics: a value for each, read from their owner."""

import pytest

from pbx.errors import MisuseError
from pbx.metrics.metrics import Metrics
from pbx.metrics.names import MAX_QUEUES


def page(metrics: Metrics) -> list[str]:
    return metrics.render()[0].decode().splitlines()


def test_gauges_and_counts_by_queue() -> None:
    metrics = Metrics()
    metrics.observe_queues("pbx_queue_waiting", lambda: {"support": 3, "sales": 0})
    metrics.observe_queues("pbx_queue_answered", lambda: {"support": 12})
    lines = page(metrics)
    assert 'pbx_queue_waiting{queue="support"} 3.0' in lines
    assert 'pbx_queue_waiting{queue="sales"} 0.0' in lines
    assert 'pbx_queue_answered_total{queue="support"} 12.0' in lines


def test_there_is_an_end_to_series() -> None:
    metrics = Metrics()
    metrics.observe_queues("pbx_queue_waiting", lambda: {f"q{number}": number for number in range(1000)})
    assert sum(line.startswith("pbx_queue_waiting{") for line in page(metrics)) == MAX_QUEUES


def test_an_owner_who_fails_hides_nothing_else() -> None:
    metrics = Metrics()

    def broken() -> dict[str, float]:
        raise RuntimeError("out of order")

    metrics.observe_queues("pbx_queue_waiting", broken)
    metrics.observe_queues("pbx_queue_answered", lambda: {"support": 1})
    lines = page(metrics)
    assert 'pbx_queue_answered_total{queue="support"} 1.0' in lines
    assert not any(line.startswith("pbx_queue_waiting{") for line in lines)


def test_only_names_that_are_known() -> None:
    with pytest.raises(MisuseError):
        Metrics().observe_queues("pbx_queue_mood", dict)
