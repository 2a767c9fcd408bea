"""Pairs of ports where a process may hold only so many descriptors, and pipes that may not grow."""

import errno
import fcntl
import os
import resource
from typing import Any

import pytest

from pbx.media import ports
from pbx.media.ports import RESERVED_DESCRIPTORS, PortPool, descriptor_budget
from tests.media.support import media_thread


class Limit:
    """What a process may hold open, and what it asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.asked: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, limits: self.asked.append(limits))


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "pairs"),
    [
        (20_000, 20_000, [], 9_744),
        (1024, 20_000, [], 256),
        (256, 20_000, [(2 * 100 + RESERVED_DESCRIPTORS, 20_000)], 100),
        (256, 1024, [(712, 1024)], 100),
        (256, 600, [(600, 600)], 44),
        (256, 256, [(256, 256)], 0),
        (256, resource.RLIM_INFINITY, [(712, resource.RLIM_INFINITY)], 100),
    ],
)
def test_as_many_pairs_as_descriptors_allow(
    soft: int, hard: int, asked: list[tuple[int, int]], pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = Limit(monkeypatch, soft, hard)
    assert descriptor_budget(100) == pairs
    assert limit.asked == asked


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_pool_stops_growing_when_the_kernel_has_no_more(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def refused(_family: object, port: int) -> Any:
        tries.append(port)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(ports, "_bind", refused)
    pool = PortPool(range(20_000, 20_064), 32)
    assert pool.grow(4, 8) == 0
    assert tries == [20_000]
    assert pool.take(4) is None
    pool.close()


def test_a_pipe_that_may_not_grow_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(fcntl, "fcntl", refused)
    waiting = os.eventfd(0)
    try:
        thread = media_thread(waiting)
        thread.stop(1.0)
    finally:
        os.close(waiting)
