"""A media thread goes before others as far as it may, and goes on without when it may not."""

import os
import threading

import pytest

from pbx.media import thread


def asked(monkeypatch: pytest.MonkeyPatch, refused: set[str]) -> list[str]:
    """What the thread asks the kernel for, of which these are refused."""
    said: list[str] = []

    def answer(what: str) -> None:
        said.append(what)
        if what in refused:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", lambda *_: answer("real time"))
    monkeypatch.setattr(os, "setpriority", lambda *_: answer("nice"))
    thread.hurry()
    return said


@pytest.mark.parametrize(
    ("refused", "asks"),
    [
        (set[str](), ["real time"]),
        ({"real time"}, ["real time", "nice"]),
        ({"real time", "nice"}, ["real time", "nice"]),
    ],
)
def test_what_is_refused_is_asked_for_no_more(
    monkeypatch: pytest.MonkeyPatch, refused: set[str], asks: list[str]
) -> None:
    assert asked(monkeypatch, refused) == asks


def test_only_the_thread_that_hurries_does() -> None:
    """The reactor's thread stays as it was; where real time is refused, both do."""
    policies: list[int] = []
    before = os.sched_getscheduler(0)

    def run() -> None:
        thread.hurry()
        policies.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)

    hurried = threading.Thread(target=run)
    hurried.start()
    hurried.join()
    assert policies[0] in (os.SCHED_FIFO, before)
    assert os.sched_getscheduler(0) == before
