"""The cycle collector waits for a moment in which it disturbs nobody."""

import gc
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from pbx.service.collecting import BUSY_S, LOOK_S, MOST_OBJECTS, QUIET, WORTH_IT, Collecting


class Collector:
    def __init__(self) -> None:
        self.clock = Clock()
        self.transactions = 0
        self.objects = WORTH_IT
        self.times: list[float] = []
        self.collecting = Collecting(
            self.clock,
            lambda: self.transactions,
            lambda: self.times.append(self.clock.seconds()),
            lambda: self.objects,
        )

    def passes(self, looks: int) -> None:
        for _ in range(looks):
            self.clock.advance(LOOK_S)


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    before = gc.get_threshold()
    yield one
    one.collecting.stop()
    assert gc.get_threshold() == before
    assert one.clock.getDelayedCalls() == []


def test_a_quiet_service_is_looked_at_when_there_is_something_new(collector: Collector) -> None:
    collector.collecting.start()
    collector.passes(2)
    assert collector.times == [0.0, LOOK_S, 2 * LOOK_S]
    collector.objects = WORTH_IT - 1
    collector.passes(50)
    assert len(collector.times) == 3


def test_a_busy_one_once_in_a_long_time(collector: Collector) -> None:
    collector.transactions = QUIET + 1
    collector.collecting.start()
    collector.passes(round(BUSY_S / LOOK_S) - 1)
    assert collector.times == [0.0]
    collector.passes(1)
    assert collector.times == [0.0, BUSY_S]
    collector.passes(round(BUSY_S / LOOK_S))
    assert collector.times == [0.0, BUSY_S, 2 * BUSY_S]
    collector.transactions = QUIET
    collector.passes(1)
    assert collector.times[-1] == 2 * BUSY_S + LOOK_S


def test_python_collects_by_itself_only_when_very_much_is_new(collector: Collector) -> None:
    collector.collecting.start()
    assert gc.isenabled()
    assert gc.get_threshold()[0] == MOST_OBJECTS
    assert gc.get_freeze_count() > 0
    collector.collecting.stop()
    assert gc.get_freeze_count() == 0
    collector.collecting.stop()
