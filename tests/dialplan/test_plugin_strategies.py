"""Strategies of plugins: found as other plugins are, asked by queues, and their faults cost nobody a call."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

import pbx.dialplan.plugin_strategies as guarded
from pbx import Standing, Strategy, Wanted
from pbx.cli import main
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.plugin_answers import Cause, FrameKind
from pbx.dialplan.plugin_breaker import FAILURES
from pbx.dialplan.plugins import Plugins, load_plugins, strategies_of
from pbx.dialplan.queue_rehearsal import rehearse
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.errors import DocumentError
from pbx.metrics.metrics import Metrics
from pbx.queues import Member, Offer, Queues, QueueSettings, StrategyFailed
from tests.dialplan.plugin_files import write

DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"
AGENTS = ("a", "b", "c")


class Counted:
    """Hears what plugins do."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def plugin_decided(self, plugin: str, kind: str, seconds: float) -> None:
        assert seconds >= 0
        self.heard.append(f"{plugin} {kind}")

    def plugin_failed(self, plugin: str, cause: Cause, seconds: float | None) -> None:
        assert seconds is None or seconds >= 0
        self.heard.append(f"{plugin} {cause}")

    def plugin_frames(self, plugin: str, kind: FrameKind, frames: int) -> None:
        raise AssertionError("nobody has a tap")


def choosing(body: str, *, head: str = "") -> tuple[Plugins, Counted]:
    """A strategy whose `choose` is `body`."""
    space: dict[str, type[Strategy]] = {}
    text = (
        f"class Mine(Strategy):\n  name = 'mine'\n  {head}\n  def choose(self, caller, agents):\n    {body}\n"
    )
    exec(text, {"Strategy": Strategy}, space)
    plugins = strategies_of(space["Mine"])
    counted = plugins.host.observer = Counted()
    return plugins, counted


def queues(plugins: Plugins, *members: Member) -> Queues:
    settings = QueueSettings("q", members or tuple(map(Member, AGENTS)), strategy="mine")
    found = Queues([settings], lambda _: 0, strategies=plugins.strategies)
    for agent in found.agents():
        found.log_in(agent.agent, 0.0)
    return found


def rung(queues: Queues, caller: str = "x", user: str = "") -> tuple[list[str], list[str]]:
    """Who is rung, and why the strategy failed."""
    outputs = queues.join(caller, "q", 1.0, user=user)
    offers = [output.agent for output in outputs if isinstance(output, Offer)]
    return offers, [output.why for output in outputs if isinstance(output, StrategyFailed)]


@pytest.mark.parametrize(
    ("body", "head", "expected"),
    [
        ("return 'b'", "", ["b"]),
        ("return ['nobody', 'c', 'b']", "", ["c"]),
        ("return (each.agent for each in reversed(agents))", "", ["c"]),
        ("return ['c', 7, 'b']", "everyone = True", ["c", "b"]),
        ("return max(agents, key=lambda each: each.position).agent", "", ["c"]),
    ],
)
def test_who_is_named_is_rung(body: str, head: str, expected: list[str]) -> None:
    plugins, counted = choosing(body, head=head)
    assert rung(queues(plugins)) == (expected, [])
    assert counted.heard == ["mine choice"]


@pytest.mark.parametrize(
    ("body", "cause", "why"),
    [
        ("return None", "decision", "it named nobody"),
        ("return []", "decision", "it named nobody"),
        ("return 'stranger'", "decision", "it named 'stranger', who is not free or no agent of this queue"),
        ("return 5", "decision", "it gave '5', expected the name of an agent, or several"),
        ("return [5]", "decision", "it named '5'"),
        ("raise ValueError('no idea')", "exception", "it raised ValueError: no idea"),
        ("raise SystemExit", "exception", "it raised SystemExit"),
        ("yield 'stranger'; raise KeyError(1)", "exception", "it raised KeyError: 1"),
    ],
)
def test_a_strategy_that_fails_rings_the_longest_idle(body: str, cause: str, why: str) -> None:
    plugins, counted = choosing(body)
    found = queues(plugins)
    offers, reasons = rung(found)
    assert offers == ["a"]
    assert len(reasons) == 1
    assert reasons[0].startswith(why)
    assert counted.heard == [f"mine {cause}"]
    assert found.statistics("q").fallbacks == 1


def test_who_is_the_caller_is_not_among_the_agents() -> None:
    plugins, _ = choosing("return [each.agent for each in agents][0]")
    assert rung(queues(plugins), user="a") == (["b"], [])


def test_one_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "BUDGET_S", 0.01)
    plugins, counted = choosing("while True: pass")
    assert rung(queues(plugins)) == (["a"], ["it took longer than 0.01 s"])
    assert counted.heard == ["mine timeout"]


def test_one_that_keeps_failing_is_switched_off_and_tried_again() -> None:
    plugins, counted = choosing("return 'b' if caller.number == 'well' else None")
    now = [0.0]
    plugins.host.clock = lambda: now[0]
    found = queues(plugins, *(Member(f"{number}") for number in range(FAILURES + 2)), Member("b"))
    for number in range(FAILURES + 1):
        assert rung(found, f"x{number}")[0] == [f"{number}"]
    assert counted.heard == ["mine decision"] * FAILURES + ["mine switched-off"]
    assert plugins.host.breakers() == {"mine": 2}
    now[0] = 31.0
    outputs = found.join("y", "q", 1.0, number="well")
    assert [output.agent for output in outputs if isinstance(output, Offer)] == ["b"]
    assert plugins.host.breakers() == {"mine": 0}


def test_one_that_is_closed_is_asked_no_more() -> None:
    plugins, _ = choosing("return 'b'")
    plugins.host.stop_blocking()
    assert rung(queues(plugins))[0] == ["a"]


def test_its_failures_are_counted_by_its_name() -> None:
    plugins, _ = choosing("return None")
    metrics = Metrics()
    metrics.add_handlers(plugins.names)
    plugins.host.observer = metrics
    rung(queues(plugins))
    page = metrics.render()[0].decode()
    assert 'pbx_plugin_failures_total{cause="decision",handler="mine"} 1.0' in page


FILE = """
from pbx import Strategy

class Last(Strategy):
    name = "last"

    def choose(self, caller, agents):
        return agents[-1].agent
"""
DIALPLAN = """
entry: [{{from: anyone, chain: a}}]
queues: {{q: {{strategy: {strategy}, agents: ["1", "2"]}}}}
chains: {{a: [queue: q]}}
"""


def compiled(directory: Path, strategy: str) -> None:
    plugins = load_plugins([write(directory, {"last.py": FILE})], installed=False)
    generation = compile_dialplan(
        loads(DIALPLAN.format(strategy=strategy), "d.yaml"), KnownNames(plugins=plugins)
    )
    assert str(rehearse(generation.queues["q"], {})) == (
        "queue q: rings user/2 after 0 s, user/2 answers after 0 s"
    )


def test_a_queue_may_name_it(tmp_path: Path) -> None:
    compiled(tmp_path, "last")


@pytest.mark.parametrize(
    ("strategy", "suggestion"), [("lats", "last"), ("longest-idel", "longest-idle"), ("x", "")]
)
def test_an_unknown_one_is_refused(tmp_path: Path, strategy: str, suggestion: str) -> None:
    with pytest.raises(DocumentError) as caught:
        compiled(tmp_path, strategy)
    (problem,) = caught.value.problems
    assert str(problem.place) == "d.yaml:3:24"
    assert problem.message.startswith(
        f"there is no strategy '{strategy}', expected one of ring-all, longest-idle"
    )
    assert "last" in problem.message
    assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class S(Strategy): pass", "S has no name"),
        (
            "class S(Strategy):\n  name = 'random'\n  def choose(self, caller, agents): ...",
            "a strategy of pbx itself",
        ),
        ("class S(Strategy):\n  name = 's'", "S has no choose"),
        ("class S(Strategy):\n  name = 's'\n  def choose(self): ...", "takes other arguments"),
        ("class S(Strategy):\n  name = 's'\n  async def choose(self, c, a): ...", "choose of S is async"),
        (
            "class S(Strategy):\n  name = 's'\n  interface = 9\n  def choose(self, c, a): ...",
            "install a newer pbx",
        ),
        (
            "class S(Strategy):\n  name = 's'\n  everyone = 'x'\n  def choose(self, c, a): ...",
            "expected True or False",
        ),
        (
            (
                "class S(Strategy):\n  name = 's'\n  def __init__(self): raise SystemExit\n"
                "  def choose(self, c, a): ..."
            ),
            "S cannot be made: it raised SystemExit",
        ),
        (
            (
                "class S(Strategy):\n  name = 's'\n  def choose(self, c, a): ...\n"
                "class T(Strategy):\n  name = 's'\n  def choose(self, c, a): ..."
            ),
            "there is a plugin s at",
        ),
    ],
)
def test_classes_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    directory = write(tmp_path, {"mine.py": f"from pbx import Strategy\n{text}"})
    with pytest.raises(DocumentError) as caught:
        load_plugins([directory], installed=False)
    assert words in str(caught.value.problems[0])
    assert str(directory / "mine.py") in str(caught.value.problems[0].place)


def test_the_types_that_authors_see() -> None:
    class Named(Strategy):
        name = "named"

        def choose(self, caller: Wanted, agents: Sequence[Standing]) -> str:
            return min(agents, key=lambda each: (each.agent != caller.last_agent, each.position)).agent

    assert list(strategies_of(Named).strategies) == ["named"]


def test_what_the_documentation_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = DOCS.read_text(encoding="utf-8").partition("## Strategies for queues")[2]
    for block in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
        file = tmp_path / block[0]
        file.parent.mkdir(exist_ok=True)
        file.write_text(block[1])
    (tmp_path / "pbx.yaml").write_text(
        "plugins: [plugins/]\ndialplan: sales.yaml\n"
        'users: {"1001": {password: change-me}, "1002": {password: change-me}}\n'
    )
    monkeypatch.chdir(tmp_path)
    checked = CliRunner().invoke(main, ["check"])
    assert checked.exit_code == 0, checked.output
    simulated = CliRunner().invoke(main, ["queues", "simulate", "sales", "--calls", "20", "--json"])
    assert simulated.exit_code == 0, simulated.output
    compared = CliRunner().invoke(
        main, ["queues", "simulate", "sales", "--calls", "20", "--strategy", "round-robin"]
    )
    assert "round-robin" in compared.output
