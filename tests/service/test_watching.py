"""Watching files: a change at rest is told once."""

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from pbx.service.watching import INTERVAL_S, Watcher


class Watched:
    def __init__(self, directory: Path) -> None:
        self.plan = directory / "dialplan.yaml"
        self.list = directory / "list.txt"
        self.plan.write_text("one")
        self.files = {self.plan}
        self.told = 0
        self.clock = Clock()
        self.watcher = Watcher(lambda: self.files, self._changed, self.clock.callLater)
        self.watcher.start()

    def _changed(self) -> None:
        self.told += 1

    def look(self, times: int = 1) -> int:
        for _ in range(times):
            self.clock.advance(INTERVAL_S)
        return self.told


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_nothing_is_told_of_nothing(watched: Watched) -> None:
    assert watched.look(5) == 0


def test_a_change_is_told_once_and_only_when_it_rests(watched: Watched) -> None:
    for text in ("half", "half of", "half of it"):
        watched.plan.write_text(text)
        assert watched.look() == 0
    assert watched.look() == 1
    assert watched.look(5) == 1
    watched.plan.write_text("again, and longer")
    assert watched.look(2) == 2


def test_a_file_that_was_replaced_or_is_gone_has_changed(watched: Watched) -> None:
    beside = watched.plan.with_suffix(".new")
    beside.write_text("two")
    beside.replace(watched.plan)
    assert watched.look(2) == 1
    watched.plan.unlink()
    assert watched.look(2) == 2
    watched.plan.write_text("back")
    assert watched.look(2) == 3


def test_a_file_that_is_new_to_the_dialplan_has_not_changed(watched: Watched) -> None:
    watched.list.write_text("+1900*")
    watched.files.add(watched.list)
    assert watched.look(3) == 0
    watched.list.write_text("+1900*\n+1976*")
    assert watched.look(2) == 1


def test_a_change_that_is_taken_back_is_none(watched: Watched, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    watched.plan.rename(aside)
    assert watched.look() == 0
    aside.rename(watched.plan)
    assert watched.look(3) == 0


def test_it_stops(watched: Watched) -> None:
    watched.watcher.stop()
    watched.watcher.stop()
    assert watched.clock.getDelayedCalls() == []
