from asyncio import CancelledError
from collections.abc import Callable
from contextvars import ContextVar

import pytest
from twisted.internet.defer import Deferred

from pbx.service.at_once import at_once

_SEEN: ContextVar[str] = ContextVar("seen", default="nothing")


def _instead(error: BaseException) -> str:
    return f"instead: {error}"


async def _asked(*answers: Deferred[str]) -> str:
    """Join the answers, with what the context holds after each, and the faults."""
    found = []
    for number, answer in enumerate(answers):
        _SEEN.set(f"{number}")
        try:
            found.append(await answer)
        except KeyError as error:
            found.append(f"no {error.args[0]}")
        found.append(_SEEN.get())
    return " ".join(found)


def _there(text: str) -> Deferred[str]:
    answer: Deferred[str] = Deferred()
    answer.callback(text)
    return answer


def test_what_need_not_wait_is_there_at_once_and_changes_no_context() -> None:
    assert at_once(_asked(), _instead) == ""
    assert at_once(_asked(_there("one"), _there("two")), _instead) == "one 0 two 1"
    assert _SEEN.get() == "nothing"


def test_what_waits_is_a_deferred_and_keeps_its_own_context() -> None:
    first: Deferred[str] = Deferred()
    second: Deferred[str] = Deferred()
    found: list[str] = []
    later = at_once(_asked(first, _there("two"), second), _instead)
    assert isinstance(later, Deferred)
    later.addCallback(found.append)
    _SEEN.set("mine")
    first.callback("one")
    assert found == []
    second.callback("three")
    assert found == ["one 0 two 1 three 2"]
    assert _SEEN.get() == "mine"


def test_a_failure_that_is_waited_for_is_raised_where_it_is_waited_for() -> None:
    answer: Deferred[str] = Deferred()
    found: list[str] = []
    later = at_once(_asked(answer, _there("two")), _instead)
    assert isinstance(later, Deferred)
    later.addCallback(found.append)
    answer.errback(KeyError("one"))
    assert found == ["no one 0 two 1"]


@pytest.mark.parametrize("fire", [lambda a: a.callback("one"), lambda a: a.errback(ValueError("broken"))])
def test_what_raises_is_replaced_whenever_it_raises(fire: Callable[[Deferred[str]], None]) -> None:
    async def broken(answer: Deferred[str]) -> str:
        await answer
        raise ValueError("broken")

    answer: Deferred[str] = Deferred()
    found: list[str] = []
    later = at_once(broken(answer), _instead)
    assert isinstance(later, Deferred)
    later.addCallback(found.append)
    fire(answer)
    assert found == ["instead: broken"]
    assert at_once(broken(_there("one")), _instead) == "instead: broken"


def test_an_interruption_is_replaced_too() -> None:
    """A plugin's thread is interrupted by what is no Exception; it must not end whoever asked."""

    async def waiting(answer: Deferred[str]) -> str:
        return await answer

    async def interrupted() -> str:
        raise CancelledError("interrupted")

    assert at_once(interrupted(), _instead) == "instead: interrupted"
    answer: Deferred[str] = Deferred()
    found: list[str] = []
    later = at_once(waiting(answer), _instead)
    assert isinstance(later, Deferred)
    later.addCallback(found.append)
    answer.errback(CancelledError("late"))
    assert found == ["instead: late"]
