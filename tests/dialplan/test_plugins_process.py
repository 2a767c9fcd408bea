"""`isolate: process`: a plugin in a process of its own, which is killed when it is late."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.dialplan.decisions import Dial, Echo, Reject
from pbx.dialplan.generation import Generation, Verdict
from pbx.dialplan.plugin_host import run_blocking
from pbx.dialplan.plugin_step import PluginStep
from pbx.errors import DocumentError, OperatorError
from tests.dialplan.calls import call, decide, generation
from tests.dialplan.plugin_files import known, loaded

TEXT = """
class Where(Reject):
    \"\"\"A decision that only this module knows.\"\"\"

class Inner(Handler.Options):
    word: str = "inner"

class Mine(Handler):
    name = "mine"

    class Options(Handler.Options):
        file: Path = Path("x")
        inner: Inner = Inner()

    async def start(self):
        {start}

    async def stop(self):
        Path(__file__).with_name("stopped").write_text(str(os.getpid()))

    {kind} decide(self, call):
        {body}
"""


class Processes:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.steps: list[PluginStep] = []

    def tree(
        self, body: str, *, kind: str = "def", start: str = "pass", options: str = "timeout: 20s"
    ) -> Generation:
        plugins = loaded(self._directory, TEXT.format(body=body, kind=kind, start=start))
        step = f"{{mine: {{file: rates.csv}}, isolate: process, {options}}}"
        tree = generation(f"  main:\n    - {step}\n    - reject: 480\n", known=known(plugins))
        handler = tree.chains["main"].links[0].handler
        assert isinstance(handler, PluginStep)
        self.steps.append(handler)
        return tree

    def verdict(self, body: str, *, kind: str = "def") -> Verdict:
        return decide(self.tree(body, kind=kind), call("600"))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for step in made.steps:
        run_blocking(step.stop())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_decisions_come_from_another_process(processes: Processes, kind: str) -> None:
    body = "o = self.options; return Reject(486, f'{os.getpid()} {o.file.name} {o.inner.word} {call.called}')"
    tree = processes.tree(body, kind=kind)
    first, second = decide(tree, call("600")), decide(tree, call("601"))
    assert first.decision == Reject(486)
    process, *others = first.decision.reason.split()
    assert (process != str(os.getpid()), others) == (True, ["rates.csv", "inner", "600"])
    assert second.decision.reason == f"{process} rates.csv inner 601"


def test_it_is_stopped_in_its_process(processes: Processes, tmp_path: Path) -> None:
    process = processes.verdict("return Reject(486, str(os.getpid()))").decision.reason
    run_blocking(processes.steps[0].stop())
    assert (tmp_path / "stopped").read_text() == process
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_one_that_is_late_is_killed_and_made_anew(processes: Processes) -> None:
    body = "return Reject(486, str(os.getpid())) if call.called != '1' else [None for _ in iter(int, 1)]"
    tree = processes.tree(body, options="timeout: 300ms")
    run_blocking(processes.steps[0].start())
    process = decide(tree, call("2")).decision.reason
    late = decide(tree, call("1"))
    assert late.decision == Reject(480)
    assert "longer than 0.3 s" in late.path[0].reason or "was killed" in late.path[0].reason
    for _ in range(40):
        again = decide(tree, call("2"))
        if again.decision == Reject(486):
            break
    assert again.decision.reason != process
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), 0)


def test_one_that_dies_costs_its_call_only(processes: Processes) -> None:
    tree = processes.tree("return os._exit(3) if call.called == '1' else Echo()")
    assert "its process ended" in decide(tree, call("1")).path[0].reason
    assert decide(tree, call("2")).decision == Echo()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise SystemExit(2)", "it raised SystemExit: 2 ("),
        ("raise LookupError('x')", "it raised LookupError: x ("),
        ("return lambda: 1", "its decision cannot leave its process"),
        ("return Where(486)", "it gave a value of type Where"),
        ("return Dial('user/1009')", "there is no user '1009'"),
        ("return Reject(486, 'x' * 2_000_000)", "its process ended"),
        ("print('noise') or return_nothing", "it raised NameError"),
    ],
)
def test_what_goes_wrong_is_said(processes: Processes, body: str, expected: str) -> None:
    verdict = processes.verdict(body)
    assert verdict.decision == Reject(480)
    assert expected in verdict.path[0].reason


def test_targets_survive_the_way(processes: Processes) -> None:
    assert processes.verdict("return Dial('user/1001')").decision == Dial("user/1001")


def test_a_start_that_fails_says_so(processes: Processes) -> None:
    processes.tree("return Echo()", start="raise OperatorError('no database', 'make one')")
    with pytest.raises(OperatorError, match="the plugin mine did not start: no database: make one"):
        run_blocking(processes.steps[0].start())


def test_options_that_cannot_be_sent_are_a_problem(tmp_path: Path) -> None:
    text = """
class Mine(Handler):
    name = "mine"
    class Options(Handler.Options):
        @property
        def x(self): ...
        def __getstate__(self): raise TypeError("never")
        def model_post_init(self, context): self.__dict__["lock"] = threading.Lock()
    def decide(self, call): ...
"""
    plugins = loaded(tmp_path, text)
    with pytest.raises(DocumentError, match="its options cannot be sent to a process"):
        generation("  main:\n    - {mine: {}, isolate: process}\n", known=known(plugins))
