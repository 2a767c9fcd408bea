"""For authors of plugins: a call to try a handler on, without sockets, a service or a dialplan.

    import pbx.testing
    from vip import Vip

    def test_customers_go_to_their_manager(tmp_path):
        vip = pbx.testing.make(Vip, database=customers(tmp_path))
        call = pbx.testing.call(from_="+31612345678", to="+31201234501")
        assert pbx.testing.decide(vip, call) == Dial("user/1001")

A handler runs here as it does in the service: in a thread, or on a loop of its own when its `decide` is
`async`, within a budget, and what it gives is checked. Names with a leading underscore are not for you.

`hearing` lets a tap hear something, and gives what it says:

    with pbx.testing.hearing(parrot, call, talks=True) as line:
        line.hear(pbx.testing.tone(440, 0.1))
        assert len(line.said()) == 800

`Supervisor` is for tests of a service that runs: what `pbx queues listen` and the like do.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import quote
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import ValidationError

from pbx.dialplan.call import Call, Caller, normalised
from pbx.dialplan.decisions import Decision, Defer
from pbx.dialplan.handler import Handler
from pbx.dialplan.plugin_answers import Answer, Fault
from pbx.dialplan.plugin_decisions import WrongDecision, checked
from pbx.dialplan.plugin_host import Host
from pbx.dialplan.plugin_runners import Runner, runner_for
from pbx.dialplan.plugin_step import START_S, STOP_S, check_talk, resolved
from pbx.dialplan.plugin_taps import MOST_WAITING, OpenTap, WrongTap, checked_tap
from pbx.dialplan.plugin_workers import Job
from pbx.dialplan.plugins import plugin_of
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.tap import FRAME_S, Line, Samples, Side, Tap
from pbx.documents.shapes import explained, listed
from pbx.errors import OperatorError

__all__ = [
    "Clock",
    "Failed",
    "Hearing",
    "Running",
    "Supervisor",
    "call",
    "decide",
    "hearing",
    "make",
    "running",
    "tone",
]

H = TypeVar("H", bound=Handler)


class Failed(Exception):
    """The handler gave no decision that can be used; the text says why, as `pbx explain` would."""


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """What time it is, in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def call(
    *,
    from_: str = "+31612345678",
    to: str = "+31201234501",
    at: str = "2026-11-23 10:00",
    zone: str = "Europe/Amsterdam",
    name: str = "",
    user: str | None = None,
    via: str | None = None,
    headers: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    id: str = "test",  # noqa: A002  # the call's own word
) -> Call:
    """A call as a handler sees it.

    With `user`, somebody who has proved to be that user calls, from `from_`. With `via`, it comes by that
    trunk. With neither, anyone calls. `at` is in `zone` unless it says another. `headers` are by lower-case
    name.
    """
    if user is not None and via is not None:
        raise ValueError("a call comes from a user or by a trunk, not both")
    when = datetime.fromisoformat(at)
    if when.tzinfo is None:
        when = when.replace(tzinfo=ZoneInfo(zone))
    source = "users" if user is not None else "anyone" if via is None else f"trunk/{via}"
    caller = Caller(normalised(from_), name, user)
    called = normalised(to)
    return Call(id, caller, called, source, when, user, via, dict(headers or {}), dict(variables or {}))


def make(kind: type[H], *, clock: Clock | None = None, directory: Path | None = None, **options: Any) -> H:
    """A handler with `options` as a dialplan in `directory` would have them.

    Raises DocumentError when the class is no plugin, OperatorError when the options are wrong or the handler
    says so.
    """
    step = plugin_of(kind).step(Host())
    try:
        values = step.Options.model_validate(options)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, each['loc']))}: {' '.join(filter(None, explained(each)))}"
            for each in listed(error)
        ]
        raise OperatorError("; ".join(problems)) from None
    handler = kind(resolved(directory or Path(), values))
    if clock is not None:
        handler.clock = clock
    return handler


class Running:
    """A handler that was started; made by `running`."""

    def __init__(self, handler: Handler) -> None:
        self._kind = type(handler)
        self._runner: Runner = runner_for(handler, None)

    def decide(
        self,
        call: Call,
        *,
        timeout: float = 1.0,
        users: Collection[str] | None = None,
        trunks: Collection[str] | None = None,
        chains: Collection[str] | None = None,
    ) -> Decision:
        """What the handler decides about `call`, checked; raises Failed.

        `users`, `trunks` and `chains` are the names there are; None accepts any.
        """
        known = KnownNames(
            None if users is None else frozenset(users), None if trunks is None else frozenset(trunks)
        )
        given = _result(self._runner.ask(call, timeout), timeout)
        try:
            decision = checked(given, call, known, chains)
            if isinstance(decision, Defer):
                resumed = _result(self._runner.resume(decision), decision.deadline)
                decision = checked(resumed, call, known, chains)
            check_talk(decision, self._kind)
        except WrongDecision as error:
            raise Failed(str(error)) from None
        return decision

    def hear(self, call: Call, *, talks: bool = False, timeout: float = 1.0) -> "Hearing":
        """What of the handler hears `call`; see `hearing`. Raises Failed when nothing does."""
        try:
            tap = checked_tap(_result(self._runner.tap(call), timeout))
        except WrongTap as error:
            raise Failed(str(error)) from None
        if tap is None:
            raise Failed("its tap is None: it does not hear this call")
        return Hearing(
            tap,
            OpenTap(
                tap,
                Line(call, tap.rate, talks=talks),
                self._runner,
                name=self._kind.name,
                budget_s=timeout,
                clock=perf_counter,
            ),
        )

    def _start(self) -> None:
        try:
            _result(self._runner.start(), START_S)
        except Failed:
            self._runner.close()
            raise

    def _stop(self) -> None:
        try:
            _result(self._runner.stop(), STOP_S)
        finally:
            self._runner.close()


@contextmanager
def running(handler: Handler) -> Iterator[Running]:
    """`handler` between its `start` and its `stop`, for several decisions."""
    started = Running(handler)
    started._start()
    try:
        yield started
    finally:
        started._stop()


class Hearing:
    """A tap that hears what a test says; made by `hearing`. Each method raises Failed when the tap fails."""

    def __init__(self, tap: Tap, open_: OpenTap) -> None:
        self.tap = tap
        self._open = open_

    def hear(self, samples: Samples, side: Side | None = None) -> None:
        """Have it hear these, at its rate, as `side` (the first that it wants); returns when it has."""
        heard = self._open.sides[0] if side is None else side
        if heard not in self._open.sides:
            raise Failed(f"it does not hear the {heard}, its sides are {', '.join(self._open.sides)}")
        most = round(MOST_WAITING * FRAME_S * self.tap.rate)
        for start in range(0, len(samples), most):
            self._open.put(heard, np.asarray(samples[start : start + most], np.int16))
            self._wait()

    def press(self, digits: str) -> None:
        """Have the caller press keys."""
        for digit in digits:
            self._open.press(digit)
        self._wait()

    def said(self) -> Samples:
        """Everything it has said since the last time."""
        return self._open.line.take(1 << 31)

    @property
    def left(self) -> bool:
        """Whether it has left the call."""
        return self._open.line.left

    def _wait(self) -> None:
        self._open.wait()
        fault, self._open.fault = self._open.fault, ""
        if fault:
            raise Failed(fault)

    def _end(self) -> None:
        self._open.finish()
        self._wait()


@contextmanager
def hearing(handler: Handler, call: Call, *, talks: bool = False, timeout: float = 1.0) -> Iterator[Hearing]:
    """What of `handler` hears `call`, from its `began` to its `ended`; `talks` as after `Talk`."""
    with running(handler) as started:
        heard = started.hear(call, talks=talks, timeout=timeout)
        heard._wait()
        yield heard
        heard._end()


def tone(frequency: float, seconds: float, *, rate: int = 8000, amplitude: int = 8000) -> Samples:
    """A sine of `frequency` Hz for a tap to hear."""
    at = np.arange(round(seconds * rate))
    return np.asarray(np.rint(amplitude * np.sin(2 * np.pi * frequency * at / rate)), np.int16)


def decide(
    handler: Handler,
    call: Call,
    *,
    timeout: float = 1.0,
    users: Collection[str] | None = None,
    trunks: Collection[str] | None = None,
    chains: Collection[str] | None = None,
) -> Decision:
    """Start `handler`, ask it about `call`, stop it; see Running.decide."""
    with running(handler) as started:
        return started.decide(call, timeout=timeout, users=users, trunks=trunks, chains=chains)


class Supervisor:
    """A user of a running service whose phone is called to take part in the conversations of agents.

    `config` is the configuration of that service, whose control socket is asked. Every method returns when
    the service has taken it up, and raises OperatorError when it refuses.
    """

    def __init__(self, user: str, config: Path | str = "pbx.yaml") -> None:
        self.user = user
        self._config = Path(config)

    def listen(self, agent: str) -> None:
        """Hear both sides of the agent's conversation."""
        self._take_part("listen", agent)

    def whisper(self, agent: str) -> None:
        """Hear both, and be heard by the agent alone."""
        self._take_part("whisper", agent)

    def barge(self, agent: str) -> None:
        """Hear both, and be heard by both."""
        self._take_part("barge", agent)

    def take_over(self, agent: str) -> None:
        """Have the caller in the agent's place."""
        self._take_part("take-over", agent)

    def assign(self, call: str, agent: str) -> None:
        """Have a waiting caller, by the id of the call, offered to an agent of whatever queue."""
        self._tell(f"/api/assign/{quote(call, safe='')}", agent=agent)

    def record(self, agent: str, *, on: bool = True) -> None:
        """Record the agent's conversation from now on, or no more."""
        self._tell("/api/record", agent=agent, on="true" if on else "false")

    def _take_part(self, part: str, agent: str) -> None:
        self._tell(f"/api/supervise/{part}", agent=agent, user=self.user)

    def _tell(self, path: str, **query: str) -> None:
        from pbx.cli.control import tell

        tell(self._config, path, **query)


def _result(job: Job[Answer], seconds: float) -> object:
    try:
        answer = job.future.result(seconds)
    except TimeoutError:
        job.give_up()
        raise Failed(f"it took longer than {seconds:g} s") from None
    if isinstance(answer, Fault):
        raise Failed(answer.text)
    return answer.value
