"""Waiting, for a program that tests other programs in real time: every wait here is bounded."""

from collections.abc import Callable
from threading import Event
from time import monotonic as now  # noqa: TID251 - the runner is an edge of its own: it times other programs

__all__ = ["now", "pause", "wait_until"]


def pause(seconds: float) -> None:
    """Let `seconds` go by."""
    Event().wait(seconds)


def wait_until(condition: Callable[[], bool], timeout: float, interval: float = 0.05) -> bool:
    """Ask `condition` every `interval` seconds for at most `timeout` seconds; whether it came true."""
    deadline = now() + timeout
    while not condition():
        if now() >= deadline:
            return False
        pause(interval)
    return True
