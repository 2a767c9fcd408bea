"""Tests in Twisted's reactor, bounded in time, that leave nothing behind."""

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

P = ParamSpec("P")


def the_reactor() -> Any:
    """The reactor that pytest runs."""
    from twisted.internet import reactor  # noqa: TID251  # real sockets need the real one

    return reactor


def in_reactor(seconds: float) -> Callable[..., Any]:
    """Run a coroutine of Twisted's as a test; fail it after `seconds`, and when it leaves something behind.

    What counts is what the reactor watches, its delayed calls, tasks of asyncio, and threads.
    """

    def decorate(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Deferred[None]]:
        @functools.wraps(test)
        def run(*args: P.args, **kwargs: P.kwargs) -> Deferred[None]:
            reactor = the_reactor()
            readers = set(reactor.getReaders())
            calls = set(reactor.getDelayedCalls())
            tasks = asyncio.all_tasks(reactor._asyncioEventloop)
            threads = set(threading.enumerate())

            def check(result: Any) -> Any:
                assert set(reactor.getReaders()) <= readers
                assert set(reactor.getDelayedCalls()) <= calls
                assert asyncio.all_tasks(reactor._asyncioEventloop) <= tasks
                # The reactor's own pool may have grown; it is there for all tests.
                assert set(threading.enumerate()) - set(reactor.getThreadPool().threads) <= threads
                return result

            done = Deferred.fromCoroutine(test(*args, **kwargs))
            return done.addTimeout(seconds, reactor).addCallback(check)

        return run

    return decorate


async def pause(seconds: float) -> None:
    """Let the reactor go on for so long."""
    await deferLater(the_reactor(), seconds, lambda: None)


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor go on until it is so; the test's own bound ends what never is."""
    while not condition():
        await pause(0.005)


async def read(peer: socket.socket, size: int = 1 << 17) -> bytes:
    """What comes next at a socket that does not block; empty at the end of a stream."""
    while True:
        try:
            return peer.recv(size)
        except BlockingIOError:
            await pause(0.005)
