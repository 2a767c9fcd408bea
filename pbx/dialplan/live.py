"""Facts about the running service that handlers ask for, each remembered with the verdict it led to.

A handler says `facts().active_calls("caller", number)`. Whoever wants a decision gives `Facts` with it: over
a `Live` in a service, over given answers in tests and replays, over nothing in `explain`. A question that is
asked twice in one walk has one answer, and the answers of a verdict are all it takes to decide it again.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Literal, Protocol

Counted = Literal["caller", "trunk", "user", "chain"]
Switched = Literal["open", "closed"]


class Live(Protocol):
    """What a running service knows."""

    def active_calls(self, kind: Counted, name: str) -> int:
        """How many other calls there are by this caller, over this trunk, with this user, in this chain."""
        ...

    def attempts(self, key: str, window_s: float) -> int:
        """How often this was asked with `key` within the last `window_s` seconds, this time included."""
        ...

    def switch(self, name: str) -> Switched | None:
        """Whether somebody has said "open" or "closed" until they say otherwise; None when nobody has."""
        ...

    def registered(self, user: str) -> bool:
        """Whether the user has a binding."""
        ...

    def uses(self, target: str) -> int:
        """How many calls the target (as in dialplans: user/1001) was given since the service started."""
        ...

    def queue(self, name: str) -> Mapping[str, int]:
        """How a queue is doing: `waiting` callers, `agents` that are logged in, `free` ones among them."""
        ...


class Facts:
    """Answers from `given`, then from `live`, then what an idle service would say; all are remembered.

    `answers` are the answers that were used, by question; `assumed` the questions that nobody answered. In
    `given`, numbers, texts and mappings as JSON has them. With `offline`, which it is without `live`, a
    handler asks nobody outside either.
    """

    __slots__ = ("_given", "answers", "assumed", "live", "offline")

    def __init__(
        self, live: Live | None = None, given: Mapping[str, Any] | None = None, *, offline: bool = False
    ) -> None:
        self.live = live
        self.offline = offline or live is None
        self._given: Mapping[str, Any] = given or {}
        self.answers: dict[str, Any] = {}
        self.assumed: set[str] = set()

    def active_calls(self, kind: Counted, name: str) -> int:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: live.active_calls(kind, name)
        return int(self._answer(f"active_calls/{kind}/{name}", ask, 0))

    def attempts(self, key: str, window_s: float) -> int:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: live.attempts(key, window_s)
        return int(self._answer(f"attempts/{key}/{window_s:g}", ask, 1))

    def switch(self, name: str) -> Switched | None:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: live.switch(name)
        found = self._answer(f"switch/{name}", ask, None)
        return found if found in ("open", "closed") else None

    def registered(self, user: str) -> bool:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: live.registered(user)
        return bool(self._answer(f"registered/{user}", ask, True))

    def uses(self, target: str) -> int:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: live.uses(target)
        return int(self._answer(f"uses/{target}", ask, 0))

    def queue(self, name: str) -> Mapping[str, int]:
        """See Live."""
        live = self.live
        ask = None if live is None else lambda: dict(live.queue(name))
        found: Mapping[str, int] = self._answer(f"queue/{name}", ask, {"waiting": 0, "agents": 1, "free": 1})
        return found

    def given(self, question: str) -> Any:
        """The given answer to a question of a handler's own, or None."""
        found = self._given.get(question)
        if found is not None:
            self.answers[question] = found
        return found

    def remember(self, question: str, answer: Any) -> None:
        """Remember what was learnt elsewhere, as JSON has it."""
        self.answers[question] = answer

    def _answer(self, question: str, ask: Callable[[], Any] | None, assumed: Any) -> Any:
        known = self.answers
        if question in known:
            return known[question]
        if question in self._given:
            answer = self._given[question]
        elif ask is not None:
            answer = ask()
        else:
            answer = assumed
            self.assumed.add(question)
        known[question] = answer
        return answer


_FACTS: ContextVar[Facts] = ContextVar("facts")


def facts() -> Facts:
    """The facts for the decision that is being made here and now."""
    found = _FACTS.get(None)
    return Facts() if found is None else found


def use(given: Facts) -> None:
    """Have handlers that are asked from here on find `given`."""
    _FACTS.set(given)
