"""`pbx.testing` is what authors of plugins build on: what it says in docs/plugins.md holds."""

import asyncio
import re
import time
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import pytest

import pbx.testing
from pbx import Call, Continue, Decision, Defer, Dial, Echo, Handler, Reject
from pbx.cli import main
from pbx.documents import Duration
from pbx.errors import DocumentError, OperatorError

DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"


class Mine(Handler):
    name = "mine"

    class Options(Handler.Options):
        shorthand: ClassVar[str] = "file"

        file: Path = Path("x")
        wait: Duration = 0.0
        user: str = "1001"

    options: Options

    def decide(self, call: Call) -> Decision:
        time.sleep(self.options.wait)  # noqa: TID251  # what authors do
        return Dial(f"user/{self.options.user}", reason=f"{self.clock():g}")


class Slow(Handler):
    name = "slow"
    started = 0

    async def start(self) -> None:
        self.started += 1
        self.loop = asyncio.get_running_loop()

    async def stop(self) -> None:
        self.started -= 1

    async def decide(self, call: Call) -> Decision:
        assert asyncio.get_running_loop() is self.loop
        if call.called == "1":
            return Defer(self.later(), deadline=1.0)
        return Continue(f"{self.started}")

    async def later(self) -> Decision:
        await asyncio.sleep(0)
        return Echo()


def test_a_call_is_what_is_asked_for() -> None:
    call = pbx.testing.call(
        from_="+31 20 123 45 67",
        to="600",
        at="2026-12-24 09:00",
        name="Alice",
        via="carrier",
        headers={"user-agent": "x"},
        variables={"a": "b"},
    )
    assert (call.caller.number, call.caller.name, call.called) == ("+31201234567", "Alice", "600")
    assert (call.source, call.trunk, call.user) == ("trunk/carrier", "carrier", None)
    assert call.at == datetime(2026, 12, 24, 9, tzinfo=ZoneInfo("Europe/Amsterdam"))
    assert (call.headers, call.variables) == ({"user-agent": "x"}, {"a": "b"})


def test_who_calls() -> None:
    assert pbx.testing.call().source == "anyone"
    call = pbx.testing.call(from_="1001", user="1001")
    assert (call.source, call.user, call.caller.user) == ("users", "1001", "1001")
    with pytest.raises(ValueError, match="from a user or by a trunk"):
        pbx.testing.call(user="1001", via="carrier")


def test_a_zone_in_the_time_wins() -> None:
    call = pbx.testing.call(at="2026-12-24T09:00+00:00")
    assert call.at.isoformat() == "2026-12-24T09:00:00+00:00"


def test_make_reads_options_as_a_dialplan_does(tmp_path: Path) -> None:
    mine = pbx.testing.make(Mine, file="rates.csv", wait="200ms", directory=tmp_path)
    assert (mine.options.file, mine.options.wait) == (tmp_path / "rates.csv", 0.2)


def test_make_says_what_is_wrong() -> None:
    with pytest.raises(OperatorError, match=r"wait: found '2', expected a duration"):
        pbx.testing.make(Mine, wait="2")

    class Nameless(Handler):
        def decide(self, call: Call) -> Decision:
            return Continue()

    with pytest.raises(DocumentError, match="Nameless has no name"):
        pbx.testing.make(Nameless)


def test_decide_gives_the_decision() -> None:
    clock = pbx.testing.Clock(5.0)
    mine = pbx.testing.make(Mine, clock=clock)
    clock.advance(2.0)
    decision = pbx.testing.decide(mine, pbx.testing.call())
    assert (decision, decision.reason) == (Dial("user/1001"), "7")


def test_decide_checks_names_and_budget() -> None:
    mine = pbx.testing.make(Mine, user="1009")
    with pytest.raises(pbx.testing.Failed, match="there is no user '1009'"):
        pbx.testing.decide(mine, pbx.testing.call(), users=["1001"])
    late = pbx.testing.make(Mine, wait="300ms")
    with pytest.raises(pbx.testing.Failed, match=r"it took longer than 0\.05 s"):
        pbx.testing.decide(late, pbx.testing.call(), timeout=0.05)


def test_running_starts_once_and_stops() -> None:
    slow = pbx.testing.make(Slow)
    with pbx.testing.running(slow) as running:
        assert running.decide(pbx.testing.call()).reason == "1"
        assert running.decide(pbx.testing.call(to="1")) == Echo()
    assert slow.started == 0


def test_a_start_that_fails_is_said() -> None:
    class Broken(Slow):
        async def start(self) -> None:
            raise OperatorError("no database", "make one")

    with pytest.raises(pbx.testing.Failed, match="no database: make one"):
        pbx.testing.decide(pbx.testing.make(Broken), pbx.testing.call())


# -- the guide ----------------------------------------------------------------------------------------------


def blocks(language: str) -> list[tuple[str, str]]:
    """The blocks of the guide in one language, each with the file its first line names."""
    found = re.findall(rf"```{language}\n# (\S+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return [(name, text) for name, text in found]


def test_what_the_guide_shows_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    for name, text in [*blocks("python"), *blocks("yaml"), *blocks("text")]:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(tmp_path)
    checked = CliRunner().invoke(main, ["check"])
    assert checked.exit_code == 0, checked.output
    assert "4 plugins" in checked.output
    asked = ["explain", "--from", "+31612345678", "--to", "+31201234501"]
    explained = CliRunner().invoke(main, asked)
    assert "decision dial user/1001 (a friend)" in explained.output
    schema = CliRunner().invoke(main, ["schema"])
    assert '"friends"' in schema.output
    namespace: dict[str, object] = {}
    monkeypatch.syspath_prepend(str(tmp_path / "plugins"))
    for file in sorted((tmp_path / "tests").iterdir()):
        exec(compile(file.read_text(), file.name, "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        assert callable(test)
        test(*[tmp_path] * len(signature(test).parameters))


def test_the_guide_names_every_cause_and_every_option() -> None:
    from pbx.dialplan.plugin_step import StepOptions
    from pbx.metrics.names import PLUGIN_FAILURE_CAUSES

    text = DOCS.read_text(encoding="utf-8")
    assert [
        name for name in (*StepOptions.model_fields, *PLUGIN_FAILURE_CAUSES) if f"`{name}" not in text
    ] == []


def test_rejections_compare_without_their_reasons() -> None:
    assert Reject(486, "a") == Reject(486, "b")
