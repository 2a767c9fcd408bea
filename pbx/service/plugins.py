"""Plugins in a running service: started before their generation is live, stopped when nobody needs it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from twisted.internet.defer import Deferred

from pbx.dialplan.generation import Generation
from pbx.dialplan.plugin_step import PluginStep
from pbx.dialplan.plugins import Plugins
from pbx.metrics.metrics import Metrics

_RETIRE_STEP_S = 1.0


class PluginLife:
    """The plugins of a service; `used` says whether calls still need a generation."""

    def __init__(
        self, reactor: Any, plugins: Plugins, metrics: Metrics, used: Callable[[Generation], bool]
    ) -> None:
        self._reactor = reactor
        self._host = plugins.host
        self._used = used
        self._host.waiting = self._wait
        self._host.observer = metrics
        metrics.add_handlers(plugins.names)
        metrics.observe_handlers("pbx_plugin_breaker_state", self._host.breakers)
        metrics.observe_handlers("pbx_plugin_taps_active", self._host.tapping)

    async def start(self, generation: Generation) -> None:
        """Start the plugins of `generation`. Raises OperatorError when one does not: none runs then."""
        started: list[PluginStep] = []
        try:
            for step in _steps(generation):
                await step.start()
                started.append(step)
        except BaseException:
            for step in started:
                await step.stop()
            raise

    def retire(self, generation: Generation) -> None:
        """Stop the plugins of `generation` as soon as no call needs it."""
        if not any(True for _ in _steps(generation)):
            return
        if self._used(generation):
            self._reactor.callLater(_RETIRE_STEP_S, self.retire, generation)
        else:
            Deferred.fromCoroutine(_stop(list(_steps(generation))))

    async def stop(self) -> None:
        """Stop every plugin."""
        await _stop(list(self._host.steps))
        for choice in self._host.choices:
            choice.close()

    def _wait(self, future: "Future[Any]", seconds: float) -> "Deferred[Any]":
        """What another thread completes, for the reactor's thread to await."""
        waiting: Deferred[Any] = Deferred()

        def late() -> None:
            waiting.errback(TimeoutError())

        def done() -> None:
            if waiting.called:
                return
            timer.cancel()
            try:
                result = future.result(0)
            except BaseException as error:  # noqa: BLE001  # whatever it is, it belongs to who waits
                waiting.errback(error)
            else:
                waiting.callback(result)

        timer = self._reactor.callLater(seconds, late)
        future.add_done_callback(lambda _: self._reactor.callFromThread(done))
        return waiting


async def _stop(steps: list[PluginStep]) -> None:
    for step in steps:
        await step.stop()


def _steps(generation: Generation) -> Iterator[PluginStep]:
    for chain in generation.chains.values():
        for link in chain.links:
            if isinstance(link.handler, PluginStep):
                yield link.handler
