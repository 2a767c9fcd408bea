"""A plugin in a chain: asked elsewhere, for a limited time; what goes wrong costs its own call only."""

import logging
import pickle
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Continue, Decision, Defer, Reject, Talk
from pbx.dialplan.handler import Ending, Handler
from pbx.dialplan.plugin_answers import Answer, Fault, Given, describe
from pbx.dialplan.plugin_breaker import Breaker
from pbx.dialplan.plugin_decisions import WrongDecision, checked
from pbx.dialplan.plugin_host import Host
from pbx.dialplan.plugin_process import Recipe
from pbx.dialplan.plugin_runners import Runner, runner_for
from pbx.dialplan.plugin_workers import MAX_TAPS, Job
from pbx.dialplan.scope import Scope
from pbx.dialplan.steps import compile_step
from pbx.dialplan.words import kind_of
from pbx.documents import Duration, Shape
from pbx.errors import DocumentError, OperatorError, ResourcesExhausted

if TYPE_CHECKING:
    from pbx.dialplan.plugin_taps import OpenTap
    from pbx.dialplan.plugins import Plugin

log = logging.getLogger("pbx")

START_S = 30.0
"""How long a plugin's `start` may take."""

STOP_S = 2.0
"""How long its `stop` may take."""

_ON_ERROR = WithJsonSchema(
    {"anyOf": [{"enum": ["continue", "reject"]}, {"$comment": "ending"}], "default": "continue"}
)


class StepOptions(Shape):
    """What a step may say about any plugin, beside the plugin's own options."""

    timeout: Duration = Field(1.0, gt=0, le=60, description="How long it may take to decide.")
    on_error: Annotated[Any, _ON_ERROR] = Field(
        "continue",
        description="When it fails or takes too long: continue with the next handler, reject with 500, or "
        "an ending such as {goto: night}.",
    )
    isolate: Literal["thread", "process"] = Field(
        "thread",
        description="thread: it runs in threads of its own; process: in a process of its own, which is "
        "killed when it takes too long.",
    )


class PluginStep(Handler):
    """One step of a chain with a plugin in it; a subclass for each plugin gives `plugin` and `host`."""

    plugin: ClassVar["Plugin"]
    host: Host

    class Options(Handler.Options, StepOptions):
        """The plugin's own options and those of the step."""

    options: Options

    def bind(self, scope: Scope) -> None:
        """Make the plugin's handler and compile what follows a failure."""
        self.breaker = Breaker()
        self._taps = 0
        self._runner: Runner | None = None
        self._known = scope.build.known
        self._chains = scope.build.chains
        self._place = scope.place()
        self._fallback: Ending | None = None
        on_error = self.options.on_error
        if on_error not in ("continue", "reject"):
            why = f"the plugin {self.name} failed"
            ending = compile_step(scope.at("on_error"), on_error, endings=True, why=why)
            self._fallback = ending if isinstance(ending, Ending) else None
        self.options = resolved(scope.build.directory_of(scope.full(())), self.options)
        self._recipe: Recipe | None = None
        if self.options.isolate == "process":
            if hears(self.plugin.kind):
                message = f"the plugin {self.name} hears calls, which a process of its own cannot"
                scope.problem(f"{message}; leave isolate out", "isolate")
                return
            try:
                self._recipe = self.plugin.recipe(self.options)
            except Exception as error:  # noqa: BLE001  # pickling may raise anything
                scope.problem(f"its options cannot be sent to a process: {describe(error)}", "isolate")
                return
        try:
            self._inner = self.plugin.kind(self.options)
            self._inner.clock = self.host.clock
            self._inner.bind(scope)
        except DocumentError as error:
            scope.build.problems.extend(error.problems)
        except OperatorError as error:
            scope.problem(str(error))
        except Exception as error:  # noqa: BLE001  # a plugin is anybody's code
            scope.problem(f"the plugin {self.name} cannot be made: it raised {describe(error)}")

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Run the plugin's start hook where the plugin runs; raises OperatorError."""
        answer = await self._begin()
        if isinstance(answer, Fault):
            raise OperatorError(f"{self._place}: the plugin {self.name} did not start", answer.text)

    async def stop(self) -> None:
        """Run the plugin's stop hook, if it ever started, and end its threads; never raises."""
        self.host.steps.discard(self)
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            job = runner.stop()
            await self._answer(job, STOP_S)
        except ResourcesExhausted:
            pass
        finally:
            runner.close()

    async def _begin(self) -> Answer:
        self.host.steps.add(self)
        self._runner = runner = runner_for(self._inner, self._recipe)
        answer = await self._answer(runner.start(), START_S)
        if isinstance(answer, Fault):
            self.host.steps.discard(self)
            self._runner = None
            runner.close()
        return answer

    # -- decisions -------------------------------------------------------------------------------------------

    async def decide(self, call: Call) -> Decision:
        """Ask the plugin; what it gives is checked, and what goes wrong is answered by `on_error`."""
        now = self.host.clock()
        if not self.breaker.allows(now):
            left = self.breaker.opens_in(now)
            return self._failed(
                Fault("switched-off", f"it keeps failing and is switched off for {left:.0f} s"), call, None
            )
        answer = await self._ask(call)
        seconds = max(0.0, self.host.clock() - now)
        if isinstance(answer, Given):
            try:
                decision = checked(answer.value, call, self._known, self._chains)
                check_talk(decision, type(self._inner))
            except WrongDecision as error:
                answer = Fault("decision", str(error))
            else:
                self.breaker.succeeded()
                if self.host.observer is not None:
                    self.host.observer.plugin_decided(self.name, kind_of(decision), seconds)
                return decision
        self.breaker.failed(self.host.clock())
        return self._failed(answer, call, seconds)

    # -- taps ------------------------------------------------------------------------------------------------

    @property
    def taps(self) -> bool:
        """Whether the plugin may want to hear calls."""
        return hears(type(self._inner))

    async def tapped(self, call: Call, *, talks: bool) -> "OpenTap | None":
        """What of the plugin hears `call`, opened; None when nothing does, or it failed, which is counted.

        `close_tap` gives it back.
        """
        # They bring numpy, which verbs that ask plugins do without.
        from pbx.dialplan.plugin_taps import OpenTap, WrongTap, checked_tap
        from pbx.dialplan.tap import Line, Tap

        runner = self._runner
        if runner is None:
            return None
        if self._taps >= MAX_TAPS:
            self._untapped(Fault("overload", "it hears too many calls"), call)
            return None
        try:
            answer = await self._answer(runner.tap(call), self.options.timeout)
        except ResourcesExhausted:
            answer = Fault("overload", "too much of it is under way")
        tap: Tap | None = None
        if isinstance(answer, Given):
            try:
                tap = checked_tap(answer.value)
            except WrongTap as error:
                answer = Fault("decision", str(error))
        if isinstance(answer, Fault):
            self._untapped(answer, call)
        if tap is None:
            return None
        self._taps += 1
        return OpenTap(
            tap,
            Line(call, tap.rate, talks=talks),
            runner,
            name=self.name,
            budget_s=self.options.timeout,
            clock=self.host.clock,
            observer=self.host.observer,
        )

    def close_tap(self) -> None:
        """A tap of it is over."""
        self._taps -= 1
        if not self._taps and self._runner is not None:
            self._runner.rest()

    @property
    def tapping(self) -> int:
        """How many calls it hears."""
        return self._taps

    def _untapped(self, fault: Fault, call: Call) -> None:
        log.warning("the plugin %s does not hear call %s: %s", self.name, call.id, fault.text)
        if self.host.observer is not None:
            self.host.observer.plugin_failed(self.name, fault.cause, None)

    # -- asking ----------------------------------------------------------------------------------------------

    async def _ask(self, call: Call) -> Answer:
        if self._runner is None:
            started = await self._begin()
            if isinstance(started, Fault):
                return started
        runner = self._runner
        if runner is None:
            return Fault("stopped", "it is stopped")
        budget = self.options.timeout
        try:
            answer = await self._answer(runner.ask(call, budget), budget)
            if isinstance(answer, Given) and isinstance(answer.value, Defer):
                return await self._resumed(runner, answer.value, call)
        except ResourcesExhausted:
            return Fault("overload", "too many of its decisions are under way")
        return answer

    async def _resumed(self, runner: Runner, defer: Defer, call: Call) -> Answer:
        """What a deferred decision comes to; `otherwise` when it fails or does not come in time."""
        try:
            checked(defer, call, self._known, self._chains)
        except WrongDecision as error:
            _close(defer.later)
            return Fault("decision", str(error))
        try:
            answer = await self._answer(runner.resume(defer), defer.deadline)
        except ResourcesExhausted:
            _close(defer.later)
            raise
        if isinstance(answer, Given) and not isinstance(answer.value, Defer):
            return answer
        return Given(defer.otherwise)

    async def _answer(self, job: Job[Answer], seconds: float) -> Answer:
        try:
            answer: Answer = await self.host.bridge(job.future, seconds)
        except TimeoutError:
            job.give_up()
            return Fault("timeout", f"it took longer than {seconds:g} s")
        except Exception as error:  # noqa: BLE001  # a job that was cancelled
            return Fault("stopped", f"it was stopped: {type(error).__name__}")
        return answer

    def _failed(self, fault: Fault, call: Call, seconds: float | None) -> Decision:
        if self.host.observer is not None:
            self.host.observer.plugin_failed(self.name, fault.cause, seconds)
        return self._instead(fault, call)

    def _instead(self, fault: Fault, call: Call) -> Decision:
        """What follows when it gave no decision."""
        reason = f"the plugin {self.name} failed: {fault.text}"
        if self._fallback is not None:
            return replace(self._fallback.decide(call), reason=reason)
        if self.options.on_error == "reject":
            return Reject(500, reason)
        return Continue(reason)


def hears(kind: type[Handler]) -> bool:
    """Whether a plugin's class may want to hear calls."""
    return kind.tap is not Handler.tap


def check_talk(decision: Decision, kind: type[Handler]) -> None:
    """Refuse to let a plugin talk that has no tap to do so. Raises WrongDecision."""
    if isinstance(decision, Talk) and not hears(kind):
        raise WrongDecision(f"it gave Talk, but {kind.__name__} has no tap(self, call) that could")


def resolved(directory: Path, options: PluginStep.Options) -> PluginStep.Options:
    """`options` with relative paths taken from the dialplan's directory."""
    found: dict[str, Path] = {}
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, Path):
            found[name] = directory / value.expanduser()
    return options.model_copy(update=found) if found else options


def _close(later: Awaitable[Decision]) -> None:
    """End a coroutine that nobody will ever await."""
    close = getattr(later, "close", None)
    if callable(close):
        close()


def pickled(options: PluginStep.Options) -> bytes:
    """The values of `options`, for the same plugin in another process."""
    return pickle.dumps(dict(options.__dict__))
