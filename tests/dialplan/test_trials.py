"""Tests in dialplans: what they may say, how outcomes are followed, what a failure prints, coverage."""

import pytest

from pbx.dialplan.check import failing_tests
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.trials import Trial, coverage, run_cases
from pbx.documents import loads
from tests.dialplan.calls import KNOWN, pairs, problems

OFFICE = """\
timezone: Europe/Amsterdam
lists: {bad: ["+1900*"]}
calendars: {office: {open: {mon-fri: "09:00-17:00"}}}
entry: [{from: trunk/carrier, chain: inbound}, {from: users, chain: internal}, {from: anyone, chain: public}]
chains:
  inbound:
    - {blacklist: bad, id: door}
    - hours: {calendar: office, closed: {goto: night}}
    - routing:
        - to: "+31201234501"
          dial: user/1001
          ring: 20s
          on: {busy: {goto: second}, no-answer: {goto: night}}
        - {to: "+3120123450X", dial: [user/1001, user/1002]}
  second:
    - dial: [user/1002, user/1003]
      mode: in-turn
      on: {busy: {dial: trunk/backup/+3199}}
  night:
    - reject: 480
  internal:
    - set: {caller_name: Shop}
    - routing:
        - {to: "600", echo: {}}
        - {to: "0.", strip: 1, dial: trunk/carrier}
        - {to: "7", redirect: "sip:a@b.example"}
        - {to: "1XXX", dial: user}
  public:
    - reject: 403
"""


def trials(*tests: str) -> list[Trial]:
    text = OFFICE + "tests:\n" + "".join(f"  - {test}\n" for test in tests)
    return run_cases(compile_dialplan(loads(text, "d.yaml"), KNOWN))


def failures(call: str, rest: str) -> list[str]:
    return trials(f"{{name: one, call: {{{call}}}, {rest}}}")[0].failures


IN = 'from: "+316", to: "+31201234501", via: carrier, at: "2026-11-23 10:00"'
SUNDAY = 'from: "+316", to: "+31201234501", via: trunk/carrier, at: "2026-11-22 10:00"'


@pytest.mark.parametrize(
    ("call", "rest"),
    [
        ('from: "+19005", to: "1", via: carrier', "expect: {reject: 603, by: door}"),
        (
            IN,
            "expect: {dial: user/1001, by: routing, rule: 1, ring: 20s, through: [inbound, hours, routing]}",
        ),
        (SUNDAY, "expect: {reject: 480, by: reject, through: [inbound, night]}"),
        (IN, "outcomes: {user/1001: no-answer}, expect: {reject: 480, through: [user/1001, night]}"),
        (IN, "outcomes: {user/1001: busy}, expect: {dial: [user/1002, user/1003], answered: user/1002}"),
        (IN, "outcomes: {user/1001: busy, user/1002: no-answer}, expect: {answered: user/1003}"),
        (
            IN,
            (
                "outcomes: {user/1001: busy, user/1002: no-answer, user/1003: busy}, expect: "
                "{answered: trunk/backup/+3199, through: [user/1001, second, user/1002, trunk/backup/+3199]}"
            ),
        ),
        (
            IN,
            (
                "outcomes: {user/1001: busy, user/1002: no-answer, user/1003: busy, "
                "trunk/backup: unavailable}, expect: {reject: 480}"
            ),
        ),
        (IN, "registered: [1002], expect: {reject: 480}"),
        (IN, "registered: [1001], expect: {dial: user/1001, answered: user/1001}"),
        (IN.replace("501", "509"), "registered: [user/1002], expect: {answered: user/1002}"),
        (IN.replace("501", "509"), "expect: {dial: [user/1002, user/1001]}"),
        ('user: "1001", to: "600"', "expect: {echo: {}}"),
        ('from: "1001", to: "600"', "expect: echo"),
        ('from: "1009", to: "600"', "expect: {reject: 403}"),
        (
            'from: "1001", to: "020"',
            "expect: {dial: trunk/carrier, caller_name: Shop, caller: 1001}",
        ),
        ('from: "1001", to: "020"', "expect: {dial: trunk/carrier/20}"),
        ('from: "1001", to: "7"', 'expect: {redirect: "sip:a@b.example"}'),
        ('from: "1001", to: "8"', "expect: {reject: 404, by: routing}"),
        ('from: "1001", to: "1002"', "outcomes: {user: busy}, expect: {reject: 486}"),
        ('from: "1001", to: "1002"', "outcomes: {user/1002: busy}, expect: {reject: 486}"),
    ],
)
def test_what_holds(call: str, rest: str) -> None:
    assert failures(call, rest) == []


@pytest.mark.parametrize(
    ("call", "rest", "failure"),
    [
        (IN, "expect: {reject: 603}", "expected reject 603, found dial user/1001 for 20 s"),
        (IN, "expect: {dial: user/1002}", "expected dial user/1002, found dial user/1001"),
        (IN, "expect: {by: door}", "expected by door, found routing"),
        (IN, "expect: {rule: 2}", "expected rule 2, found 1"),
        (IN, "expect: {ring: 5s}", "expected ring 5.0, found 20.0"),
        (IN, "expect: {echo: {}}", "expected echo, found dial user/1001"),
        (
            IN,
            "expect: {through: [night]}",
            "expected to go through night, found inbound → door → hours → rou",
        ),
        (IN, "expect: {through: [nigth]}", "expected to go through nigth (no chain has that name), found"),
        (
            IN,
            "outcomes: {user/1001: busy}, expect: {answered: user/1003}",
            "expected answered by user/1003, found us",
        ),
        ('from: "1001", to: "020"', "expect: {dial: trunk/carrier/21}", "found dial trunk/carrier/20"),
        ('from: "1001", to: "1002"', "registered: [], expect: {dial: user/1002}", "found reject 480"),
        (
            IN.split(", at:", maxsplit=1)[0],
            "expect: {dial: user/1001}",
            "the call meets hours at d.yaml:8:7: say when it",
        ),
    ],
)
def test_what_does_not(call: str, rest: str, failure: str) -> None:
    (found, *_) = failures(call, rest)
    assert failure in found


def test_a_sequence_of_outcomes_is_taken_in_turn() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\n"
        "chains: {a: [{dial: user/1001, on: {busy: {goto: a}}}]}\n"
        "tests:\n"
        "  - {name: third time lucky, call: {from: 1, to: 2}, "
        "outcomes: {user/1001: [busy, busy, answered]}, expect: {answered: user/1001}}\n"
        "  - {name: never, call: {from: 1, to: 2}, outcomes: {user/1001: busy}, expect: {reject: 482}}\n"
    )
    first, second = run_cases(compile_dialplan(loads(text, "d.yaml"), KNOWN))
    assert first.passed
    assert first.passed_through.count("user/1001") == 3
    assert second.passed


def test_a_failure_shows_the_way() -> None:
    (trial,) = trials(f"{{name: x, call: {{{IN}}}, outcomes: {{user/1001: busy}}, expect: {{reject: 480}}}}")
    text = trial.path(compile_dialplan(loads(OFFICE, "d.yaml"), KNOWN))
    assert "inbound: 2 hours    d.yaml:8:7" in text
    assert "after    busy\nsecond: 1 dial    d.yaml:16:7\n" in text
    assert "then     dial user/1002, then user/1003" in text


def test_failing_tests_are_problems() -> None:
    text = OFFICE + 'tests: [{name: x, call: {from: "1001", to: "600"}, expect: {reject: 404}}]\n'
    (problem,) = failing_tests(compile_dialplan(loads(text, "d.yaml"), KNOWN))
    assert str(problem) == "d.yaml:30:9: the test 'x' failed: expected reject 404, found echo"


def test_coverage() -> None:
    text = OFFICE + "tests:\n  - {name: x, call: {" + SUNDAY + "}, expect: {reject: 480}}\n"
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    found = coverage(tree, run_cases(tree))
    reached = [(part.chain, part.handler, part.rule) for part in found.reached]
    assert reached == [("inbound", "door", None), ("inbound", "hours", 1), ("night", "reject", None)]
    missed = [(part.chain, part.what, str(part.place)) for part in found.missed]
    assert missed[:2] == [
        ("inbound", "rule 1, to +31201234501", "d.yaml:10:11"),
        ("inbound", "rule 2, to +3120123450X", "d.yaml:14:11"),
    ]
    assert str(found) == f"3 of {3 + len(missed)} handlers and rules reached"


def test_without_a_configuration_a_user_is_said() -> None:
    from pbx.dialplan.scope import KnownNames

    text = (
        OFFICE
        + "tests:\n"
        + '  - {name: a, call: {user: "1001", to: "600"}, expect: echo}\n'
        + '  - {name: b, call: {from: "1001", to: "600"}, expect: {reject: 403}}\n'
    )
    assert [trial.failures for trial in run_cases(compile_dialplan(loads(text, "d"), KnownNames()))] == [
        [],
        [],
    ]


MISTAKES = """
{call: {from: 1, to: 2}, expect: echo}
    d.yaml:4:5: the key 'name' is missing
{name: a, call: {from: 1, to: 2, tto: 3}, expect: echo}
    d.yaml:4:38: unknown key 'tto' (did you mean to?)
{name: a, cal: {from: 1, to: 2}, expect: echo}
    d.yaml:4:15: unknown key 'cal' (did you mean call?)
{name: a, call: {from: 1, to: 2}, expect: {rejct: 3}}
    d.yaml:4:48: unknown key 'rejct' (did you mean reject?)
{name: a, call: {from: 1, to: 2}, expect: ecko}
    unknown key 'ecko' (did you mean echo?)
{name: a, call: {from: 1, to: 2}, expect: {}}
    d.yaml:4:47: this test expects nothing
{name: a, call: {to: 2}, expect: echo}
    d.yaml:4:21: the call needs a from, or a user
{name: a, call: {from: 1, to: 2, via: carier}, expect: echo}
    d.yaml:4:43: there is no trunk 'carier' in the configuration (did you mean trunk/carrier?)
{name: a, call: {user: 1010, to: 2}, expect: echo}
    there is no user '1010' in the configuration (did you mean user/100
{name: a, call: {from: 1, to: 2, at: noon}, expect: echo}
    found 'noon', expected a time such as 2026-11-23 10:00
{name: a, call: {user: 1001, to: 2, via: carrier}, expect: echo}
    a call that comes by a trunk has no user
{name: a, call: {from: 1, to: 2}, outcomes: {user/1001: bussy}, expect: echo}
    found 'bussy', expected one of busy, no-answer, unavailable, rejected, failed, timeout, answered (did you
{name: a, call: {from: 1, to: 2}, outcomes: {1001: busy}, expect: echo}
    expected user, user/NAME, trunk/NAME, trunk/NAME/NUMBER or sip:USER@HOST (did you mean user/1001?)
{name: a, call: {from: 1, to: 2}, registered: [1010], expect: echo}
    there is no user '1010'
{name: a, call: {from: 1, to: 2}, expect: {dial: user/1010}}
    there is no user '1010'
"""


@pytest.mark.parametrize(("test", "problem"), pairs(MISTAKES))
def test_mistakes(test: str, problem: str) -> None:
    found = problems(f"entry: [{{from: anyone, chain: a}}]\nchains: {{a: [echo]}}\ntests:\n  - {test}\n")
    assert any(problem in line for line in found), found


def test_two_tests_with_one_name() -> None:
    test = "{name: a, call: {from: 1, to: 2}, expect: echo}"
    found = problems(f"entry: [{{from: anyone, chain: a}}]\nchains: {{a: [echo]}}\ntests: [{test}, {test}]\n")
    assert found == ["d.yaml:3:65: test 1 has the name 'a' too"]
