"""explain and tests know queues: who is offered an imagined caller, when, and when it overflows."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli.explain import explain
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation
from pbx.dialplan.queue_rehearsal import AgentMood, rehearse
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.trials import run_cases
from pbx.documents import loads
from pbx.errors import DocumentError

DIALPLAN = """
timezone: UTC
entry: [{from: anyone, chain: a}]
queues:
  q: {agents: ["1001", "1002"], ring: 15s, retry: 1h, max_wait: 60s, capacity: 3, strategy: in-order}
chains:
  a: [{queue: q, on: {timeout: {goto: late}, full: {reject: 486}}}]
  late: [{dial: user/1003}]
tests:
"""


def compiled(tests: str = "  []") -> Generation:
    known = KnownNames(frozenset({"1001", "1002", "1003"}), frozenset())
    return compile_dialplan(loads(DIALPLAN + tests, "d.yaml"), known, 1, Path())


@pytest.mark.parametrize(
    ("agents", "ahead", "expected"),
    [
        ({}, 0, "queue q: rings user/1001 after 0 s, user/1001 answers after 0 s"),
        (
            {"1001": "no-answer"},
            0,
            "queue q: rings user/1001 after 0 s, rings user/1002 after 15 s, user/1002 answers after 15 s",
        ),
        ({"user/1001": "busy"}, 0, "queue q: rings user/1002 after 0 s, user/1002 answers after 0 s"),
        ({"1001": "paused", "1002": "busy"}, 0, "queue q: timeout after 60 s"),
        ({"1001": "offline", "1002": "offline"}, 0, "queue q: unavailable after 0 s"),
        ({}, 1, "queue q: rings user/1002 after 0 s, user/1002 answers after 0 s"),
        ({}, 2, "queue q: timeout after 60 s"),
        ({"1001": "busy", "1002": "busy"}, 3, "queue q: full after 0 s"),
    ],
)
def test_who_is_offered_the_call(agents: dict[str, AgentMood], ahead: int, expected: str) -> None:
    assert str(rehearse(compiled().queues["q"], agents, ahead=ahead)) == expected


TESTS = """
  - name: the second answers when the first does not
    call: {from: "+31", to: "7"}
    agents: {"1001": no-answer}
    expect: {queue: q, answered: user/1002, through: [queue/q, user/1001, user/1002]}
  - name: when nobody comes for a minute somebody else is called
    call: {from: "+31", to: "7"}
    agents: {"1001": busy, "1002": paused}
    expect: {dial: user/1003, answered: user/1003}
  - name: three wait already
    call: {from: "+31", to: "7"}
    agents: {"1001": busy, "1002": busy}
    live: {waiting: {q: 3}}
    expect: {reject: 486}
  - name: somebody who is there is not passed by
    call: {from: "+31", to: "7"}
    agents: {}
    expect: {answered: user/1002}
"""


def test_tests_say_what_agents_do() -> None:
    trials = run_cases(compiled(TESTS))
    assert [trial.failures for trial in trials] == [
        [],
        [],
        [],
        ["expected answered by user/1002, found user/1001"],
    ]
    assert "rings user/1001 after 0 s" in trials[3].path(compiled(TESTS))


@pytest.mark.parametrize(
    ("mistake", "problem"),
    [
        ('agents: {"1003": busy}', "no queue has an agent '1003'"),
        ('agents: {"1001": asleep}', "found 'asleep'"),
        ("live: {waiting: {qq: 1}}", "there is no queue 'qq' (did you mean q?)"),
    ],
)
def test_mistakes(mistake: str, problem: str) -> None:
    text = f'  - {{name: x, call: {{from: "1", to: "7"}}, {mistake}, expect: {{queue: q}}}}\n'
    with pytest.raises(DocumentError) as caught:
        compiled(text)
    assert problem in str(caught.value)


def test_explain_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "d.yaml"
    file.write_text(DIALPLAN + "  []")
    arguments = ["--from", "+31", "--to", "7", "--dialplan", str(file), "--agent", "1001=no-answer"]
    result = CliRunner().invoke(explain, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == (
        "queue q: rings user/1001 after 0 s, rings user/1002 after 15 s, user/1002 answers after 15 s"
    )
    result = CliRunner().invoke(explain, [*arguments, "--agent", "1002=asleep"])
    assert result.exit_code == 2
    result = CliRunner().invoke(explain, [*arguments, "--waiting", "q=many"])
    assert result.exit_code == 2
