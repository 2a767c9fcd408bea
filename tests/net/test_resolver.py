"""Names to addresses, with a lookup in memory and threads that are none."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from pbx.net.resolver import PATIENCE_S, REMEMBER_S, Resolver, system_lookup


class Held:
    """A reactor's thread pool whose work is done when a test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def callInThreadWithCallback(self, onResult: Any, func: Any, *args: Any) -> None:  # noqa: N802, N803  # Twisted's
        def do() -> None:
            try:
                result = func(*args)
            except ValueError as error:
                onResult(False, Failure(error))  # type: ignore[no-untyped-call]  # Twisted left it untyped
            else:
                onResult(True, result)

        self.work.append(do)


class _Reactor(MemoryReactorClock):
    """A memory reactor with a thread pool."""

    def __init__(self, pool: Held) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted left it untyped
        self._pool = pool

    def getThreadPool(self) -> Held:  # noqa: N802  # Twisted's name
        return self._pool

    def callFromThread(self, call: Callable[..., None], *args: object) -> None:  # noqa: N802  # Twisted's name
        call(*args)


class Threads:
    """A resolver, its clock, and the lookups under way."""

    def __init__(self, answers: Mapping[str, list[str]], **more: Any) -> None:
        self.pool = Held()
        self.clock: Any = _Reactor(self.pool)
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.resolver = Resolver(self.clock, self._lookup, **more)

    def _lookup(self, host: str) -> list[str]:
        self.asked.append(host)
        if host == "broken":
            raise ValueError
        return self.answers.get(host, [])

    def resolve(self, *names: str) -> list[Mapping[str, str]]:
        found: list[Mapping[str, str]] = []
        self.resolver.resolve(names).addCallback(found.append)
        return found

    def work(self) -> None:
        work, self.pool.work = self.pool.work, []
        for each in work:
            each()


def test_literals_are_themselves_and_names_are_asked_for() -> None:
    threads = Threads({"a.example": ["192.0.2.1"]})
    found = threads.resolve("a.example", "192.0.2.9", "2001:db8::9", "none.example")
    assert found == []
    threads.work()
    assert found == [{"a.example": "192.0.2.1", "192.0.2.9": "192.0.2.9", "2001:db8::9": "2001:db8::9"}]
    assert threads.asked == ["a.example", "none.example"]
    assert threads.clock.getDelayedCalls() == []


def test_an_answer_and_its_absence_are_remembered_for_a_minute() -> None:
    threads = Threads({"a.example": ["192.0.2.1"]})
    threads.resolve("a.example", "none.example")
    threads.work()
    threads.answers = {"a.example": ["192.0.2.2"], "none.example": ["192.0.2.3"]}
    assert threads.resolve("a.example", "none.example") == [{"a.example": "192.0.2.1"}]
    threads.clock.advance(REMEMBER_S)
    found = threads.resolve("a.example", "none.example")
    threads.work()
    assert found == [{"a.example": "192.0.2.2", "none.example": "192.0.2.3"}]


def test_many_who_wait_for_a_name_ask_once() -> None:
    threads = Threads({"a.example": ["192.0.2.1"]})
    found = [threads.resolve("a.example") for _ in range(5)]
    threads.work()
    assert threads.asked == ["a.example"]
    assert found == [[{"a.example": "192.0.2.1"}]] * 5


def test_the_first_address_that_we_can_reach() -> None:
    threads = Threads({"a.example": ["192.0.2.1", "2001:db8::1"]}, reachable=lambda host: ":" in host)
    found = threads.resolve("a.example")
    threads.work()
    assert found == [{"a.example": "2001:db8::1"}]


def test_servers_that_say_nothing_have_a_bounded_time() -> None:
    threads = Threads({"a.example": ["192.0.2.1"]})
    found = threads.resolve("a.example")
    threads.clock.advance(PATIENCE_S)
    assert found == [{}]
    threads.work()
    assert threads.resolve("a.example") == [{"a.example": "192.0.2.1"}]


def test_a_lookup_that_breaks_is_no_address() -> None:
    threads = Threads({})
    found = threads.resolve("broken")
    threads.work()
    assert found == [{}]


def test_names_asked_for_at_once_are_bounded() -> None:
    threads = Threads({})
    for number in range(256):
        assert threads.resolve(f"{number}.example") == []
    assert threads.resolve("one.more") == [{}]
    threads.work()
    assert len(threads.asked) == 256


def test_stop_leaves_nobody_waiting() -> None:
    threads = Threads({"a.example": ["192.0.2.1"]})
    found = threads.resolve("a.example", "b.example")
    threads.resolver.stop()
    assert found == [{}]
    assert threads.clock.getDelayedCalls() == []
    threads.work()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_system_knows_this_machine(name: str) -> None:
    assert system_lookup(name)[0] == "127.0.0.1"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "..", ""])
def test_the_system_is_not_upset_by_names_that_are_none(name: str) -> None:
    assert list(system_lookup(name)) in ([], ["127.0.0.1", "::1"], ["127.0.0.1"])
