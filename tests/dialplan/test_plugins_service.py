"""Plugins beside calls: what blocks one call's plugin delays no other call."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.task import Clock as FakeReactor

from pbx.dialplan.decisions import Echo, Reject
from pbx.dialplan.generation import Generation
from pbx.dialplan.plugin_breaker import FAILURES
from pbx.dialplan.plugin_step import PluginStep
from pbx.dialplan.plugins import Plugins
from pbx.errors import OperatorError
from pbx.metrics.metrics import Metrics
from pbx.service.conductor import Conductor
from pbx.service.plugins import PluginLife
from pbx.sip.flow import Flow
from pbx.sip.outputs import Transmit
from tests.dialplan.calls import call, generation
from tests.dialplan.plugin_files import known, loaded
from tests.service.house import House
from tests.service.phone import Phone

CALLS = 50
PATIENCE_S = 20.0

PLUGIN = """
class Mine(Handler):
    name = "mine"
    {kind} decide(self, call):
        {body}
"""
CHAINS = """
  main:
    - routing:
        - {{to: "999", goto: slow}}
        - {{to: "600", echo: {{}}}}
  slow:
    - mine: {{}}
      timeout: 500ms
      isolate: {isolate}
    - reject: 480
"""
HOUSE_ENTRY = "[{from: users, chain: main}]"


class ConductedHouse(House):
    """A PBX in memory whose calls are decided through the real conductor and reactor."""

    def __init__(self, reactor: Any, plugins: Plugins, tree: Generation) -> None:
        super().__init__(max_calls=1000)
        self.reactor = reactor
        self.router.generation = tree
        self.life = PluginLife(reactor, plugins, self.metrics, self.router.used)
        self.conductor = Conductor(
            self.switch, self.router, self.metrics, lambda: self.now, self._send, lambda *_: None
        )
        self.waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def receive(self, data: bytes, flow: Flow) -> None:
        self._send(self.conductor.receive(data, flow, self.now))

    def _send(self, messages: Sequence[Transmit]) -> None:
        self.sent.extend(messages)
        self._queue.extend(messages)
        self._deliver()
        for waiting in list(self.waiting):
            true, deferred = waiting
            if true():
                self.waiting.remove(waiting)
                deferred.callback(None)

    def until(self, true: Callable[[], bool]) -> Deferred[None]:
        """Fires when something that was sent makes `true` true."""
        if true():
            return succeed(None)
        deferred: Deferred[None] = Deferred()
        self.waiting.append((true, deferred))
        return deferred.addTimeout(PATIENCE_S, self.reactor)


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor as installed  # noqa: TID251  # pytest-twisted installed it

    return installed


WAYS = {
    "a thread that sleeps": ("def", "time.sleep(10)", "thread"),
    "a thread that is busy": ("def", "while True: pass", "thread"),
    "a loop that sleeps": ("async def", "time.sleep(10)", "thread"),
    "a loop that is busy": ("async def", "while True: pass", "thread"),
    "a loop that waits": ("async def", "await asyncio.sleep(10)", "thread"),
    "a process that is busy": ("def", "while True: pass", "process"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_plugin_that_blocks_delays_no_other_call(tmp_path: Path, reactor: Any, way: str) -> Deferred[None]:
    kind, body, isolate = WAYS[way]
    plugins = loaded(tmp_path, PLUGIN.format(kind=kind, body=body))

    async def run() -> None:
        house_known = known(plugins)
        tree = generation(CHAINS.format(isolate=isolate), entry=HOUSE_ENTRY, known=house_known)
        house = ConductedHouse(reactor, plugins, tree)
        await house.life.start(tree)
        alice, bob = Phone(house, "1001", "192.0.2.11"), Phone(house, "1002", "192.0.2.12")
        alice.register()
        bob.register()
        slow = alice.invite("999")
        # Each of these is asked and answered before the next line runs, in the reactor's own thread.
        for _ in range(CALLS):
            bob.invite("600").ack()
        assert bob.responses().count(200) == CALLS
        assert max(alice.responses()) == 401
        assert alice.responses()[-1] == 100
        # And these while it is really at it: the reactor turns between each two of them.
        for _ in range(CALLS):
            await pause(reactor)
            bob.invite("600").ack()
        assert bob.responses().count(200) == 2 * CALLS
        await house.until(lambda: 480 in alice.responses())
        slow.acknowledge_refusal()
        verdict = next(iter(house.router._verdicts.values()), None)
        page = house.metrics.render()[0].decode()
        assert verdict is not None
        assert 'pbx_plugin_failures_total{cause="timeout",handler="mine"} 1.0' in page
        await house.life.stop()

    return ensureDeferred(run())


def pause(reactor: Any) -> Deferred[None]:
    deferred: Deferred[None] = Deferred()
    reactor.callLater(0, deferred.callback, None)
    return deferred


def test_a_caller_who_hangs_up_meanwhile_leaves_nothing(tmp_path: Path, reactor: Any) -> Deferred[None]:
    plugins = loaded(tmp_path, PLUGIN.format(kind="async def", body="await asyncio.sleep(0.1)"))

    async def run() -> None:
        tree = generation(CHAINS.format(isolate="thread"), entry=HOUSE_ENTRY, known=known(plugins))
        house = ConductedHouse(reactor, plugins, tree)
        await house.life.start(tree)
        alice = Phone(house, "1001", "192.0.2.11")
        alice.register()
        asked = alice.invite("999")
        asked.cancel()
        assert alice.responses()[-1] == 487
        asked.acknowledge_refusal()
        while house.router._asked:
            await pause(reactor)
        house.assert_nothing_left()
        assert house.conductor.faults == 0
        await house.life.stop()

    return ensureDeferred(run())


# -- lives -------------------------------------------------------------------------------------------------


class InstantReactor(FakeReactor):
    """Time by hand; threads report at once."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:  # noqa: N802, A002  # Twisted's names
        callable(*args)


LIFE = """
class Mine(Handler):
    name = "mine"
    class Options(Handler.Options):
        mark: Path
        start: bool = True
    def write(self, text):
        with self.options.mark.open("a") as stream:
            stream.write(text)
    async def start(self):
        if not self.options.start:
            raise OperatorError("it shall not")
        self.write("+")
    async def stop(self):
        self.write("-")
    def decide(self, call):
        if call.called == "1":
            return Echo()
        raise OSError
"""


class Lives:
    def __init__(self, directory: Path, reactor: Any) -> None:
        self.plugins = loaded(directory / "plugins", LIFE)
        self.directory = directory
        self.metrics = Metrics()
        self.used: list[Generation] = []
        self.life = PluginLife(
            reactor, self.plugins, self.metrics, lambda tree: any(tree is each for each in self.used)
        )

    def tree(self, *marks: str, start: str = "true") -> Generation:
        steps = "".join(f"    - mine: {{mark: {self.directory}/{mark}, start: {start}}}\n" for mark in marks)
        return generation(f"  main:\n{steps}", known=known(self.plugins))

    def mark(self, name: str) -> str:
        file = self.directory / name
        return file.read_text() if file.exists() else ""


@pytest.fixture
def lives(tmp_path: Path, reactor: Any) -> Iterator[Lives]:
    made = Lives(tmp_path, reactor)
    yield made
    made.plugins.host.stop_blocking()


def test_a_generations_plugins_start_and_stop_with_it(lives: Lives, reactor: Any) -> Deferred[None]:
    async def run() -> None:
        first, second = lives.tree("a", "b"), lives.tree("c")
        await lives.life.start(first)
        await lives.life.start(second)
        assert [lives.mark(name) for name in "abc"] == ["+", "+", "+"]
        lives.life.retire(first)
        while lives.mark("a") + lives.mark("b") != "+-+-":
            await pause(reactor)
        assert lives.mark("c") == "+"
        await lives.life.stop()
        assert lives.mark("c") == "+-"
        await lives.life.stop()
        assert lives.mark("c") == "+-"

    return ensureDeferred(run())


def test_one_that_does_not_start_takes_the_others_with_it(lives: Lives) -> Deferred[None]:
    async def run() -> None:
        good, bad = lives.tree("a"), lives.tree("b", start="false")
        main = good.chains["main"]
        both = generation("  main:\n    - reject: 480\n")
        links = (*main.links, *bad.chains["main"].links)
        both = Generation(**{**fields(both), "chains": {"main": type(main)("main", links)}})
        with pytest.raises(OperatorError, match="the plugin mine did not start: it raised it shall not"):
            await lives.life.start(both)
        assert (lives.mark("a"), lives.mark("b")) == ("+-", "")

    return ensureDeferred(run())


def fields(tree: Generation) -> dict[str, Any]:
    return {name: getattr(tree, name) for name in Generation.__dataclass_fields__}


def test_a_generation_that_calls_need_is_kept(tmp_path: Path) -> None:
    reactor = InstantReactor()
    lives = Lives(tmp_path, reactor)
    tree = lives.tree("a")
    step = tree.chains["main"].links[0].handler
    assert isinstance(step, PluginStep)
    lives.used.append(tree)
    lives.plugins.host.steps.add(step)
    lives.life.retire(tree)
    reactor.advance(1.0)
    reactor.advance(1.0)
    assert step in lives.plugins.host.steps
    lives.used.clear()
    reactor.advance(1.0)
    assert step not in lives.plugins.host.steps


def test_metrics_know_plugins_by_name(lives: Lives) -> Deferred[None]:
    async def run() -> None:
        tree = lives.tree("a")
        await lives.life.start(tree)
        assert (await tree.decide(call("1"))).decision == Echo()
        for _ in range(FAILURES + 1):
            assert (await tree.decide(call("2"))).decision == Reject(404)
        page = lives.metrics.render()[0].decode().split("\n")
        wanted = {
            'pbx_plugin_decisions_total{cause="echo",handler="mine"} 1.0',
            'pbx_plugin_failures_total{cause="exception",handler="mine"} 5.0',
            'pbx_plugin_failures_total{cause="switched-off",handler="mine"} 1.0',
            'pbx_plugin_decision_seconds_count{handler="mine"} 6.0',
            'pbx_plugin_breaker_state{handler="mine"} 2.0',
        }
        assert wanted <= set(page)
        lives.metrics.plugin_failed("stranger", "whatever", None)
        assert 'pbx_plugin_failures_total{cause="other",handler="other"} 1.0' in (
            lives.metrics.render()[0].decode()
        )

    return ensureDeferred(run())
