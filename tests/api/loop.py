"""Tests that are coroutines of asyncio, run in the reactor's own loop."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from twisted.internet.defer import Deferred

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, Deferred[None]]:
    """Run the test as a task, and fail it when it leaves other tasks behind."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> Deferred[None]:
        async def checked() -> None:
            before = asyncio.all_tasks()
            await test(*args, **kwargs)
            left = asyncio.all_tasks() - before
            assert not left, left

        return Deferred.fromFuture(asyncio.ensure_future(checked()))

    return run
