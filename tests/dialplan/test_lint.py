"""Lint: every code by table, witnesses proved by deciding them, dead rules against brute force."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.compiler import compile_dialplan, compile_with_build
from pbx.dialplan.decisions import Dial, Reject
from pbx.dialplan.generation import MAX_OUTCOMES, Generation, Verdict, decide_now
from pbx.dialplan.languages import language_of
from pbx.dialplan.lint import CODES, Finding, lint
from pbx.dialplan.patterns import compile_pattern
from pbx.documents import loads
from pbx.errors import DocumentError
from tests.dialplan.calls import KNOWN, pairs
from tests.dialplan.test_patterns import reference

TODAY = date(2026, 11, 1)


def linted(text: str) -> tuple[Generation, list[Finding]]:
    generation, build = compile_with_build(loads(text, "d.yaml"), KNOWN)
    return generation, lint(generation, build, TODAY)


def chain(steps: str) -> str:
    return f"entry: [{{from: anyone, chain: a}}]\nchains:\n  a:\n{steps}"


def of_rules(*rules: str, more: str = "    - reject: 404\n") -> str:
    return chain("    - routing:\n" + "".join(f"        - {rule}\n" for rule in rules) + more)


def prove(generation: Generation, finding: Finding) -> None:
    """The witness of a finding shows what it says, when it is decided."""
    witness = finding.witness
    if witness is None:
        return
    verdict = decide_in(generation, finding)
    match finding.code:
        case "shadowed-rule":
            assert all(visit.place != finding.problem.place for visit in verdict.path)
        case "may-end-undecided":
            assert verdict.decision.reason.endswith("has no more handlers")
        case "dial-circle":
            followed = 0
            while isinstance(verdict.decision, Dial):
                following = decide_now(generation.after(verdict, next(iter(verdict.decision.on))))
                assert following is not None
                verdict, followed = following, followed + 1
            assert isinstance(verdict.decision, Reject)
            assert (verdict.decision.code, followed) == (482, MAX_OUTCOMES + 1)
        case "emergency-unrouted":
            assert verdict.decision.reason
            assert type(verdict.decision).__name__ != "Dial"
        case _:
            raise AssertionError(finding.code)


def decide_in(generation: Generation, finding: Finding) -> Verdict:
    assert finding.witness is not None
    return decide_now(generation.decide(finding.witness.call, finding.witness.chain or None))


FINDINGS = """
- {to: 1XX, echo: {}}⏎- {to: 101, hangup: }
    d.yaml:6:11: warning: this rule is never reached: rules above it take all its calls (d.yaml:5:11)
- {to: 1XX, echo: {}}⏎- {to: 101, hangup: }
    (for example a call to 101 from 1000 in the chain a) [shadowed-rule]
- {to: 1*, echo: {}}⏎- {to: 1XXX, hangup: }
    6:11: warning: this rule is never reached
- {to: [10X, 11X], echo: {}}⏎- {to: [12X, 13X, 14X, 15X, 16X, 17X, 18X, 19X], echo: {}}⏎- {to: 1XX, hangup: }
    rules above it take all its calls (d.yaml:5:11, d.yaml:6:11)
- {to: 1XX, from: 2*, echo: {}}⏎- {to: 1XX, echo: {}}⏎- {to: 101, from: 25, hangup: }
    d.yaml:7:11: warning: this rule is never reached
- {to: 1X, from: 2*, echo: {}}⏎- {to: 1., from: 20, hangup: }⏎- {to: 15, from: 20, hangup: }
    d.yaml:7:11: warning: this rule is never reached
- {to: /^06/, echo: {}}⏎- {to: "0612345678", hangup: }
    d.yaml:6:11: warning: this rule is never reached
- {to: /^06/, echo: {}}⏎- {to: /^06/, hangup: }
    d.yaml:6:11: warning: this rule is never reached
- {to: "*", echo: {}}⏎- {to: /^06/, hangup: }
    d.yaml:6:11: warning: this rule is never reached
- {echo: {}}⏎- {from: /^06/, hangup: }
    d.yaml:6:11: warning: this rule is never reached
- {echo: {}}
    d.yaml:6:7: warning: reject is never asked: routing at d.yaml:4:7 always decides [unreachable-handler]
- {to: "+31 20 1234567", echo: {}}
    so that '+31 20 1234567' is never called (did you mean +31201234567?) [pattern-never-matches]
- {to: 1xxx, echo: {}}
    '1xxx' is a name: in number patterns X, Z and N are capital letters (did you mean 1XXX?)
- {to: "0031+2.", echo: {}}
    a number has its + at the front, so that '0031+2.' is never called
"""

SILENT = """
- {to: 101, echo: {}}⏎- {to: 1XX, hangup: }
- {to: 1ZX, echo: {}}⏎- {to: 1XX, hangup: }
- {to: 1XX, from: 2*, echo: {}}⏎- {to: 1XX, hangup: }
- {to: /^06/, echo: {}}⏎- {to: "06.", hangup: }
- {to: "06.", echo: {}}⏎- {to: /^06/, hangup: }
- {to: ".", echo: {}}⏎- {to: /^$/, hangup: }
- {to: 1XX, from: /^2/, echo: {}}⏎- {to: 1XX, from: 25, hangup: }⏎- {to: 1XX, from: /^2/, hangup: , strip: 1}
- {to: "*98", echo: {}}⏎- {to: "*98*", hangup: }
- {to: "*31*+.", echo: {}}
"""


@pytest.mark.parametrize(("rules", "words"), pairs(FINDINGS))
def test_findings_about_rules(rules: str, words: str) -> None:
    generation, found = linted(of_rules(*(rule.removeprefix("- ") for rule in rules.split("⏎"))))
    assert any(words in str(finding) for finding in found), [str(finding) for finding in found]
    for finding in found:
        prove(generation, finding)


@pytest.mark.parametrize("rules", [line for line in SILENT.strip().split("\n") if "from: /^2/" not in line])
def test_rules_that_are_reached(rules: str) -> None:
    _, found = linted(of_rules(*(rule.removeprefix("- ") for rule in rules.split("⏎"))))
    assert [str(finding) for finding in found] == []


WHOLE = """
chains: {a: [{routing: [{to: 1, echo: {}}]}]}
    note: the chain a can run out of handlers, and then rejects with 404 (for example
chains: {a: [reject: 403, echo]}
    d.yaml:2:27: warning: echo is never asked: reject at d.yaml:2:14 always decides
chains: {a: [echo], b: [echo]}
    d.yaml:2:21: warning: no entry and no goto leads to the chain b [unused-chain]
chains: {a: [echo]}⏎lists: {bad: [1]}
    d.yaml:3:9: warning: no handler asks the list bad [unused-list]
chains: {a: [echo]}⏎queues: {q: {agents: ["1001"]}}
    d.yaml:3:10: warning: no handler asks the queue q [unused-queue]: lead calls to it with queue, or
chains: {a: [echo]}⏎calendars: {c: {open: {mon: "09:00-10:00"}}}
    d.yaml:3:13: warning: no handler asks the calendar c [unused-calendar]
HOURS⏎calendars: {c: {closed: 2026-12-24}}
    d.yaml:3:13: error: in the calendar c nobody is ever there
HOURS⏎calendars: {c: {open: {mon-fri: "09:00-12:00", tue: "11:00-13:00"}}}
    warning: in the calendar c 09:00-12:00 and 11:00-13:00 overlap on tue [hours-overlap]
HOURS⏎calendars: {c: {open: {fri: "22:00-02:00", sat: "01:00-13:00"}}}
    warning: in the calendar c 22:00-02:00 and 01:00-13:00 overlap on sat
HOURS⏎calendars: {c: {open: {sun: "02:15-02:45"}}}⏎timezone: Europe/Amsterdam
    note: in the calendar c the hours 02:15-02:45 do not happen on 2027-03-28 [hours-skipped]
HOURS⏎calendars: {c: {open: {sun: "02:15-02:45"}}}⏎timezone: Europe/Amsterdam
    note: in the calendar c the hours 02:15-02:45 happen twice on 2027-10-31 [hours-repeated]
chains: {a: [{hours: c, closed: hangup, open: echo}, echo]}⏎calendars: {c: {open: {sun: "12:15-12:45"}}}
    d.yaml:2:54: warning: echo is never asked: hours at d.yaml:2:14 always decides
chains: {a: [{routing: [{to: 1., dial: user}]}, reject: 404]}⏎emergency: ["112"]
    d.yaml:3:13: error: users cannot reach the emergency number 112: it comes to reject 404 (for
chains: {a: [{hours: c, closed: hangup}, echo]}⏎calendars: {c: {open: {sun: 9:00-10:00}}}⏎emergency: [112]
    d.yaml:4:13: error: users cannot reach the emergency number 112: it comes to hangup
chains: {a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [{dial: user/1002, on: {busy: {goto: a}}}]}
    d.yaml:2:97: warning: on busy, this leads back to who was rung before (user/1001 → user/1002 → user/1001)
chains: {a: [{dial: user/1001, on: {no-answer: {goto: a}}}]}
    and round again until the call ends with 482 (for example a call to
chains: {a: [{dial: user, on: {busy: {dial: user/1002, on: {rejected: {goto: a}}}}}]}
    on rejected, this leads back to who was rung before (user/1001 → user/1002 → user/1001)
chains: {a: [{routing: [{to: 5XX, dial: user/1001, on: {busy: {goto: a}}}]}, echo]}
    for example a call to 555 from 1000 in the chain a) [dial-circle]: lead one of them to what ends
chains: {a: [{blacklist: bad}, {dial: user/1001}, echo]}⏎lists: {bad: ["*"]}⏎emergency: [112]
    d.yaml:2:51: warning: echo is never asked: dial
"""


@pytest.mark.parametrize(("text", "words"), pairs(WHOLE))
def test_findings_about_files(text: str, words: str) -> None:
    text = text.replace("HOURS", "chains: {a: [{hours: c, closed: hangup}, echo]}")
    whole = "entry: [{from: anyone, chain: a}]\n" + text.replace("⏎", "\n") + "\n"
    generation, found = linted(whole)
    assert any(words in str(finding) for finding in found), [str(finding) for finding in found]
    for finding in found:
        prove(generation, finding)


def test_an_emergency_number_that_is_routed_is_no_finding() -> None:
    _, found = linted(
        "entry: [{from: anyone, chain: a}]\n"
        "chains: {a: [{blacklist: bad}, {dial: trunk/carrier}]}\n"
        'lists: {bad: ["*"]}\nemergency: [112]\n'
    )
    assert found == []


def test_every_code_is_shown() -> None:
    shown = FINDINGS + WHOLE
    assert [code for code in CODES if f"[{code}]" not in shown] == [
        "emergency-unrouted",
        "hours-never-open",
        "too-complex",
        "may-end-undecided",
    ]


@pytest.mark.parametrize(
    "chains",
    [
        # It comes to an end.
        "{a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [{dial: user/1002, on: {busy: {reject: 486}}}]}",
        # Somebody is waited for in between, or decides.
        "{a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [{queue: q, on: {timeout: {goto: a}}}]}",
        "{a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [{menu: {prompt: p, choices: {1: {goto: a}}}}]}",
        # The number is another one each time, until no rule fits.
        "{a: [{routing: [{to: 5., strip: 1, dial: user/1001, on: {busy: {goto: a}}}]}, {reject: 404}]}",
    ],
)
def test_dials_that_lead_on_to_an_end_are_no_circle(chains: str) -> None:
    queues = "queues: {q: {agents: ['1001']}}\n"
    _, found = linted(f"entry: [{{from: anyone, chain: a}}]\n{queues}chains: {chains}\n")
    assert "dial-circle" not in {finding.code for finding in found}


def test_dials_that_go_round_over_an_announcement() -> None:
    _, found = linted(
        "entry: [{from: anyone, chain: a}]\n"
        "chains: {a: [{dial: user/1001, on: {no-answer: {goto: b}}}],\n"
        "  b: [{play: sorry}, {dial: user/1002, on: {busy: {goto: c}}}], c: [{goto: a}]}\n"
    )
    assert [finding.code for finding in found] == ["dial-circle"]
    assert "(user/1001 → user/1002 → user/1001)" in str(found[0])


def test_handlers_that_change_the_caller_hide_no_rule() -> None:
    rules = "    - routing: [{from: 1, to: 2, echo: {}}]\n"
    _, found = linted(chain(f"{rules}    - set: {{caller_name: x}}\n{rules}    - reject: 404\n"))
    assert [finding.code for finding in found] == ["shadowed-rule"]
    _, found = linted(chain(f"{rules}    - set: {{caller_number: 1}}\n{rules}    - reject: 404\n"))
    assert found == []


def test_a_loop_that_is_gone_round_only_when_closed_is_found() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\n"
        'calendars: {c: {open: {mon-sun: "09:00-17:00"}}}\n'
        "chains: {a: [{hours: c, closed: {goto: a}}, echo]}\n"
    )
    with pytest.raises(DocumentError, match="leads in a circle"):
        compile_dialplan(loads(text, "d.yaml"), KNOWN)


pattern = st.text("01XN.*", min_size=1, max_size=3)
patterns = st.lists(pattern, min_size=0, max_size=2)
CALLED = ["".join(each) for length in range(5) for each in product("012a*", repeat=length)]
CALLERS = ["".join(each) for length in range(4) for each in product("012a*", repeat=length)]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(patterns, patterns), min_size=2, max_size=5))
def test_dead_rules_are_those_that_brute_force_never_reaches(
    rules: list[tuple[list[str], list[str]]],
) -> None:
    lines = []
    for index, (to, from_) in enumerate(rules):
        given_to = f"to: {to!r}, " if to else ""
        given_from = f"from: {from_!r}, " if from_ else ""
        lines.append(f"{{{given_to}{given_from}reject: {400 + index}}}")
    generation, found = linted(of_rules(*lines, more=""))
    dead = {finding.problem.place.line - 5 for finding in found if finding.code == "shadowed-rule"}
    for finding in found:
        prove(generation, finding)
    reached = set()
    fits_from = [
        {c for c in CALLERS if not from_ or any(reference(each, c) for each in from_)} for _, from_ in rules
    ]
    for called in CALLED:
        left = set(CALLERS)
        for index, (to, _) in enumerate(rules):
            if not to or any(reference(each, called) for each in to):
                if left & fits_from[index]:
                    reached.add(index)
                left -= fits_from[index]
    assert dead == set(range(len(rules))) - reached


@given(pattern, st.text("012a", max_size=4))
def test_a_language_is_its_pattern(text: str, number: str) -> None:
    language = language_of(compile_pattern(text))
    assert language is not None
    assert language.matches(number) == reference(text, number)


def test_patterns_too_entangled_to_compare_are_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.dialplan.languages.MAX_STATES", 20)
    generation, found = linted(
        of_rules("{to: .5XXXXX, echo: {}}", "{to: X.5X, echo: {}}", "{to: X.5XX, hangup: }")
    )
    assert "too-complex" in {finding.code for finding in found}
    assert generation.chains


PATHS = """
chains: {a: [{include: b}, echo], b: [{include: c}], c: [{include: b}]}
    d.yaml:2:49: this include leads in a circle (b → c → …): say goto, or take it out
chains: {a: [{include: a}]}
    d.yaml:2:24: this include leads in a circle (a → a → …): say goto, or take it out
chains: {a: [{routing: [{to: 1, goto: a}]}, echo]}
    d.yaml:2:39: this goto leads in a circle (a → a)
chains: {a: [{dial: user/1001, on: {busy: {goto: b}}}], b: [{goto: c}], c: [{goto: b}]}
    this goto leads in a circle (b → c → b)
chains: {a: [{menu: {prompt: p, choices: {"1": {goto: b}}}}, echo], b: [{goto: b}]}
    this goto leads in a circle (b → b)
"""


@pytest.mark.parametrize(("text", "words"), pairs(PATHS))
def test_circles_by_any_way(text: str, words: str) -> None:
    with pytest.raises(DocumentError) as error:
        compile_dialplan(loads(f"entry: [{{from: anyone, chain: a}}]\n{text}\n", "d.yaml"), KNOWN)
    assert any(words in str(problem) for problem in error.value.problems), str(error.value)


MENUS = """
choices: {"1X": echo, "12": hangup}
    warning: the choice 12 is never reached: choices above it take its digits [shadowed-rule]
choices: {"1.": echo, "1XXX": hangup}
    warning: the choice 1XXX is never reached
choices: {"1": echo}, timeout: hangup, invalid: hangup
    warning: reject is never asked: menu at d.yaml:2:14 always decides [unreachable-handler]
choices: {"1": {goto: b}}, timeout: {goto: b}, invalid: {goto: b}
    warning: reject is never asked: menu at d.yaml:2:14 always decides
"""


@pytest.mark.parametrize(("options", "words"), pairs(MENUS))
def test_menus(options: str, words: str) -> None:
    _, found = linted(
        "entry: [{from: anyone, chain: a}]\n"
        f"chains: {{a: [{{menu: {{prompt: p, {options}}}}}, reject: 404], b: [echo]}}\n"
    )
    assert any(words in str(finding) for finding in found), [str(finding) for finding in found]


def test_chains_that_only_menus_and_queues_lead_to_are_used() -> None:
    _, found = linted(
        "entry: [{from: anyone, chain: a}]\n"
        "queues: {q: {agents: ['1001'], on: {timeout: {goto: c}}}}\n"
        "chains: {a: [{menu: {prompt: p, choices: {'1': {goto: b}}}}, reject: 404], b: [queue: q],\n"
        "  c: [echo]}\n"
    )
    assert [str(finding) for finding in found] == []


def test_an_included_chain_may_run_out() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\nchains: {a: [{include: b}, echo], b: [{set: {caller_name: x}}]}\n"
    )
    assert linted(text)[1] == []
    _, found = linted(text.replace("[{include: b}, echo]", "[{include: b}, {goto: b}]"))
    assert "may-end-undecided" in {finding.code for finding in found}


def test_a_witness_without_a_number_says_so() -> None:
    _, found = linted(chain("    - routing: [{to: 1, echo: }]\n"))
    assert "for example a call to an empty number from nobody" in str(found[0])


def test_patterns_of_other_dialplans_are_explained() -> None:
    _, found = linted(of_rules("{to: _1XXX, echo: }", "{to: '0[1-9]X', echo: }", "{to: _alice, echo: }"))
    assert [finding.problem.suggestion for finding in found] == ["1XXX", ""]
    assert "write a number pattern without _ and []" in str(found[0])
