"""A plugin is asked elsewhere, for a limited time; what goes wrong is answered as the step says."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.dialplan.decisions import Dial, Echo, Reject
from pbx.dialplan.explain import explain, ladder
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.plugin_answers import FrameKind
from pbx.dialplan.plugin_breaker import FAILURES, LONGEST_PAUSE_S, PAUSE_S, Breaker
from pbx.dialplan.plugin_host import run_blocking
from pbx.dialplan.plugin_step import PluginStep
from pbx.errors import OperatorError
from pbx.testing import Clock
from tests.dialplan.calls import call, decide, generation
from tests.dialplan.plugin_files import deciding, known, loaded

KINDS = ["def", "async def"]
ASLEEP = "time.sleep(0.6)\nreturn Reject(600)"
BUSY = "while True:\n    pass"
FAST = "{mine: {}, timeout: 100ms}"


class Counted:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        self.seconds: list[float | None] = []

    def plugin_decided(self, plugin: str, kind: str, seconds: float) -> None:
        self.told.append((plugin, kind))
        self.seconds.append(seconds)

    def plugin_failed(self, plugin: str, cause: str, seconds: float | None) -> None:
        self.told.append((plugin, "failed", cause))
        self.seconds.append(seconds)

    def plugin_frames(self, plugin: str, kind: FrameKind, frames: int) -> None:
        raise AssertionError("nobody has a tap")


def step_of(tree: Generation) -> PluginStep:
    handler = tree.chains["main"].links[0].handler
    assert isinstance(handler, PluginStep)
    return handler


@pytest.fixture
def stopped() -> Iterator[list[Generation]]:
    """Generations whose plugins are stopped in the end."""
    trees: list[Generation] = []
    yield trees
    for tree in trees:
        run_blocking(step_of(tree).stop())


class House:
    def __init__(self, directory: Path, trees: list[Generation]) -> None:
        self._directory = directory
        self._trees = trees

    def tree(self, body: str, *, kind: str = "def", step: str = "mine") -> Generation:
        tree = deciding(self._directory, body, kind=kind, step=step)
        self._trees.append(tree)
        return tree

    def verdict(self, body: str, *, kind: str = "def", step: str = "mine") -> Verdict:
        return decide(self.tree(body, kind=kind, step=step), call("600"))


@pytest.fixture
def house(tmp_path: Path, stopped: list[Generation]) -> House:
    return House(tmp_path, stopped)


@pytest.mark.parametrize("kind", KINDS)
class TestDecisions:
    def test_decide(self, house: House, kind: str) -> None:
        verdict = house.verdict("return Dial('user/1002', reason='mine')", kind=kind)
        assert verdict.decision == Dial("user/1002")
        assert [(visit.handler, visit.reason) for visit in verdict.path] == [("mine", "mine")]

    def test_continue(self, house: House, kind: str) -> None:
        assert house.verdict("return Continue('not mine')", kind=kind).decision == Reject(480)

    def test_change_the_call(self, house: House, kind: str) -> None:
        body = "return Continue('x', call.dialling('601').naming({'a': 'b'}))"
        verdict = house.verdict(body, kind=kind)
        assert (verdict.call.called, verdict.call.variables) == ("601", {"a": "b"})

    def test_run_in_another_thread(self, house: House, kind: str) -> None:
        verdict = house.verdict("return Reject(486, str(threading.get_ident()))", kind=kind)
        assert verdict.decision.reason != str(threading.get_ident())

    def test_go_to_a_chain(self, house: House, kind: str) -> None:
        assert house.verdict("return Goto('night')", kind=kind).decision == Reject(486)

    def test_are_deferred(self, house: House, kind: str) -> None:
        body = """
            async def later():
                await asyncio.sleep(0.15)
                return Echo('later')
            return Defer(later(), deadline=5.0)
        """
        assert house.verdict(body, kind=kind, step=FAST).decision == Echo()

    @pytest.mark.parametrize("fault", ["await asyncio.sleep(9)", "raise KeyError()"])
    def test_that_never_come_are_the_otherwise(self, house: House, kind: str, fault: str) -> None:
        body = f"""
            async def later():
                {fault}
            return Defer(later(), deadline=0.1, otherwise=Reject(487))
        """
        assert house.verdict(body, kind=kind).decision == Reject(487)


@pytest.mark.parametrize("kind", KINDS)
class TestFailures:
    def reason(self, house: House, body: str, kind: str, step: str = "mine") -> str:
        verdict = house.verdict(body, kind=kind, step=step)
        assert verdict.decision == Reject(480)
        return verdict.path[0].reason

    def test_an_exception(self, house: House, kind: str, tmp_path: Path) -> None:
        reason = self.reason(house, "raise LookupError('no\\nsuch')", kind)
        where = f"{tmp_path}/mine.py:15"
        assert reason == f"the plugin mine failed: it raised LookupError: no such ({where})"

    @pytest.mark.parametrize("raised", ["SystemExit(3)", "KeyboardInterrupt()", "BaseException('x')"])
    def test_whatever_is_raised(self, house: House, kind: str, raised: str) -> None:
        assert "it raised" in self.reason(house, f"raise {raised}", kind)

    @pytest.mark.parametrize("body", [ASLEEP, BUSY], ids=["asleep", "busy"])
    def test_too_long(self, house: House, kind: str, body: str) -> None:
        reason = self.reason(house, body, kind, FAST)
        assert reason == "the plugin mine failed: it took longer than 0.1 s"

    def test_an_await_that_never_ends(self, house: House, kind: str) -> None:
        kind = "async def"
        assert "longer than 0.1 s" in self.reason(house, "await asyncio.Event().wait()", kind, FAST)

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("None", "it gave nothing, expected a decision such as Continue() or Reject(486)"),
            ("'user/1001'", "it gave a value of type str, expected a decision"),
            ("Reject", "it gave a value of type type, expected"),
            ("Reject(200)", "its code is 200, expected a whole number from 400 to 699"),
            ("Reject('486')", "its code is of type str, expected"),
            ("Reject(True)", "its code is True, expected"),
            ("Reject(486, phrase='a\\r\\nX-Evil: b')", "its phrase is"),
            ("Reject(486, retry_after=1.5)", "its retry_after is of type float"),
            ("Reject(486, 3)", "its reason is of type int, expected text"),
            ("Dial('user/1009')", "there is no user '1009' (did you mean 100"),
            ("Dial(['user/1001', 'trunk/carier'])", "there is no trunk 'carier' (did you mean carrier?)"),
            ("Dial('1001')", "it raised ValueError: found '1001', expected user, user/NAME"),
            ("Dial([])", "it dials no targets"),
            ("Dial(('user/1001',))", "a target is of type str, expected text such as user/1001"),
            ("Dial('user/1001', ring='20s')", "its ring time is of type str, expected seconds"),
            ("Dial('user/1001', ring=float('nan'))", "its ring time is nan s"),
            ("Dial('user/1001', ring=-1)", "its ring time is -1 s"),
            ("Dial('user/1001', mode='hunt')", "its mode is 'hunt', expected parallel or in-turn"),
            ("Dial('user/1001', on={'busi': Echo()})", "found the outcome 'busi'"),
            ("Dial('user/1001', on={'busy': Continue()})", "Continue cannot follow an outcome"),
            ("Dial('user/1001', on={'busy': Reject(1)})", "its code is 1"),
            ("Goto('nihgt')", "there is no chain 'nihgt' (did you mean night?)"),
            ("Redirect(('sip:a@b>;x',))", "expected a SIP URI"),
            ("Redirect('sip:a@b')", "its contacts are of type str"),
            ("Continue('', 'call')", "its call is of type str"),
            ("Continue('', call.dialling('6\\n0'))", "the number called is"),
        ],
    )
    def test_a_wrong_decision(self, house: House, kind: str, given: str, expected: str) -> None:
        assert expected in self.reason(house, f"return {given}", kind)

    @pytest.mark.parametrize("field", ["user='1003'", "trunk='carrier'", "source='users2'", "id='x'"])
    def test_a_call_never_becomes_somebody_elses(self, house: House, kind: str, field: str) -> None:
        body = f"from dataclasses import replace\nreturn Continue('', replace(call, {field}))"
        assert "which nothing may change" in self.reason(house, body, kind)

    @pytest.mark.parametrize(
        ("on_error", "expected"),
        [
            ("continue", Reject(480)),
            ("reject", Reject(500)),
            ("{goto: night}", Reject(486)),
            ("{reject: 503}", Reject(503)),
            ("{dial: user/1003}", Dial("user/1003")),
        ],
    )
    def test_the_chain_goes_on_as_the_step_says(
        self, house: House, kind: str, on_error: str, expected: Reject | Dial
    ) -> None:
        verdict = house.verdict("raise OSError", kind=kind, step=f"{{mine: {{}}, on_error: {on_error}}}")
        assert verdict.decision == expected
        assert verdict.path[0].reason.startswith("the plugin mine failed: it raised OSError (")

    def test_everything_is_counted(self, house: House, kind: str) -> None:
        tree = house.tree("if call.called == '1':\n    return Echo()\nraise OSError", kind=kind)
        step_of(tree).host.observer = counted = Counted()
        decide(tree, call("1"))
        for _ in range(FAILURES + 1):
            decide(tree, call("2"))
        assert counted.told == [
            ("mine", "echo"),
            *[("mine", "failed", "exception")] * FAILURES,
            ("mine", "failed", "switched-off"),
        ]
        assert counted.seconds[-1] is None
        assert step_of(tree).host.breakers() == {"mine": 2}

    def test_one_that_keeps_failing_is_switched_off_for_a_while(self, house: House, kind: str) -> None:
        body = "if os.environ.get('PBX_TEST_WELL'):\n    return Echo()\nraise OSError"
        tree = house.tree(body, kind=kind)
        clock = step_of(tree).host.clock = Clock()
        for _ in range(FAILURES):
            assert "it raised" in decide(tree, call("1")).path[0].reason
        reason = "the plugin mine failed: it keeps failing and is switched off for 30 s"
        assert decide(tree, call("1")).path[0].reason == reason
        clock.advance(PAUSE_S)
        os.environ["PBX_TEST_WELL"] = "1"
        try:
            assert decide(tree, call("1")).decision == Echo()
        finally:
            del os.environ["PBX_TEST_WELL"]
        assert step_of(tree).host.breakers() == {"mine": 0}

    def test_explain_shows_it(self, house: House, kind: str) -> None:
        tree = house.tree("raise OSError", kind=kind)
        asked = call("600")
        assert "why   the plugin mine failed: it raised OSError" in ladder(tree, asked, explain(tree, asked))


class TestBounds:
    def test_stuck_threads_are_bounded_and_end(self, house: House) -> None:
        before = set(threading.enumerate())
        tree = house.tree("time.sleep(0.4)\nreturn Echo()", step="{mine: {}, timeout: 1ms}")
        step = step_of(tree)
        for _ in range(100):
            step.breaker = Breaker()
            decide(tree, call("1"))
        made = set(threading.enumerate()) - before
        assert 1 <= len(made) <= 8
        run_blocking(step.stop())
        for thread in made:
            thread.join(5)
        assert not any(thread.is_alive() for thread in made)

    def test_too_many_at_once_fail_at_once(self, house: House) -> None:
        tree = house.tree("time.sleep(0.4)\nreturn Echo()", kind="async def", step="{mine: {}, timeout: 1ms}")
        step = step_of(tree)
        step.host.observer = counted = Counted()
        for _ in range(260):
            step.breaker = Breaker()
            decide(tree, call("1"))
        assert ("mine", "failed", "overload") in counted.told[256:]

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_busy_loop_is_interrupted(self, house: House, kind: str) -> None:
        body = "if call.called == '1':\n    while True:\n        pass\nreturn Echo()"
        tree = house.tree(body, kind=kind, step=FAST)
        decide(tree, call("1"))
        for _ in range(50):
            time.sleep(0.05)  # noqa: TID251  # another thread has to come to its end
            step_of(tree).breaker = Breaker()
            if decide(tree, call("2")).decision == Echo():
                break
        else:
            pytest.fail("it never came back")


class TestLife:
    TEXT = """
class Mine(Handler):
    name = "mine"

    async def start(self):
        {start}
        self.said = "started in " + str(threading.get_ident())

    async def stop(self):
        Path(__file__).with_name("stopped").write_text(str(threading.get_ident()))

    {kind} decide(self, call):
        return Reject(486, self.said)
"""

    def tree(self, directory: Path, kind: str, start: str = "") -> Generation:
        plugins = loaded(directory, self.TEXT.format(kind=kind, start=start or "pass"))
        return generation("  main:\n    - mine\n    - reject: 480\n", known=known(plugins))

    @pytest.mark.parametrize("kind", KINDS)
    def test_start_comes_before_and_stop_after(self, tmp_path: Path, kind: str) -> None:
        tree = self.tree(tmp_path, kind)
        assert decide(tree, call("1")).decision.reason.startswith("started in")
        step_of(tree).host.stop_blocking()
        thread = (tmp_path / "stopped").read_text()
        assert int(thread) != threading.get_ident()
        assert not step_of(tree).host.steps

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_start_that_fails_says_so(self, tmp_path: Path, kind: str) -> None:
        tree = self.tree(tmp_path, kind, "raise OperatorError('no database', 'make one')")
        with pytest.raises(OperatorError) as caught:
            run_blocking(step_of(tree).start())
        expected = "d.yaml:4:7: the plugin mine did not start: it raised no database: make one"
        assert str(caught.value) == expected
        assert not step_of(tree).host.steps

    def test_one_that_was_never_asked_is_never_started(self, tmp_path: Path) -> None:
        tree = self.tree(tmp_path, "def")
        step_of(tree).host.stop_blocking()
        assert not (tmp_path / "stopped").exists()


class TestBreaker:
    def test_opens_after_failures_in_a_row_only(self) -> None:
        breaker = Breaker()
        for _ in range(3):
            for _ in range(FAILURES - 1):
                breaker.failed(0.0)
            breaker.succeeded()
        assert breaker.allows(0.0)
        for _ in range(FAILURES):
            assert breaker.allows(0.0)
            breaker.failed(0.0)
        assert breaker.state == "open"
        assert not breaker.allows(PAUSE_S - 0.1)

    def test_lets_one_through_after_the_pause(self) -> None:
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker.failed(0.0)
        assert breaker.allows(PAUSE_S)
        assert breaker.state == "trying"
        assert not breaker.allows(PAUSE_S)

    def test_the_pause_doubles_up_to_a_bound_and_starts_anew(self) -> None:
        breaker, now, pauses = Breaker(), 0.0, []
        for _ in range(FAILURES):
            breaker.failed(now)
        for _ in range(6):
            pauses.append(breaker.opens_in(now))
            now += breaker.opens_in(now)
            assert breaker.allows(now)
            breaker.failed(now)
        assert pauses == [30.0, 60.0, 120.0, 240.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
        breaker.succeeded()
        assert breaker.state == "closed"
        for _ in range(FAILURES):
            breaker.failed(now)
        assert breaker.opens_in(now) == PAUSE_S

    def test_late_failures_of_earlier_calls_do_not_lengthen_the_pause(self) -> None:
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker.failed(0.0)
        breaker.failed(20.0)
        assert breaker.opens_in(20.0) == PAUSE_S - 20.0

    def test_a_trial_that_is_never_heard_of_is_followed_by_another(self) -> None:
        breaker = Breaker()
        for _ in range(FAILURES):
            breaker.failed(0.0)
        assert breaker.allows(PAUSE_S)
        assert breaker.allows(2 * PAUSE_S)
