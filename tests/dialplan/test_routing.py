"""Routing rules: order, conditions, rewriting, every ending, and each mistake with its place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.dialplan.decisions import Dial, Echo, Goto, Hangup, Redirect, Reject
from pbx.dialplan.patterns import compile_pattern
from pbx.dialplan.rule_index import RuleIndex
from pbx.dialplan.scope import KnownNames
from pbx.dialplan.targets import TrunkTarget, UriTarget, UserTarget
from tests.dialplan.calls import call, decide, pairs, rule_problems, rules, stranger
from tests.dialplan.test_patterns import reference

UNKNOWN = KnownNames()


def said(rule: str, to: str, from_: str = "1001", known: KnownNames | None = None) -> object:
    tree = rules(rule) if known is None else rules(rule, known=known)
    return decide(tree, call(to, from_=from_)).decision


@pytest.mark.parametrize(
    ("rule", "to", "decision"),
    [
        ('{to: "600", echo: {}}', "600", Echo()),
        ('{to: "600", echo: }', "600", Echo()),
        ("{to: 600, echo: {}}", "600", Echo()),
        ("{to: [600, 601], echo: {}}", "601", Echo()),
        ('{to: [600, "7XX"], echo: {}}', "712", Echo()),
        ("{hangup: {}}", "1", Hangup()),
        ("{to: 1, reject: 603}", "1", Reject(603)),
        ("{to: 1, reject: 486, phrase: Not now, retry_after: 1500ms}", "1", Reject(486, "", "Not now", 2)),
        ("{to: 1, reject: {code: 486, phrase: Not now}}", "1", Reject(486, "", "Not now")),
        ("{to: 1, redirect: sip:a@b.example}", "1", Redirect(("sip:a@b.example",))),
        (
            '{to: 1, redirect: ["sip:{to}@b.example", sip:c@d], code: 301}',
            "1",
            Redirect(("sip:1@b.example", "sip:c@d"), 301),
        ),
        ("{to: 1, dial: user/1002}", "1", Dial("user/1002")),
        ("{to: 1, dial: user/1002, ring: 20s}", "1", Dial("user/1002", ring=20)),
        ("{to: 1, dial: {targets: user/1002, ring: 20s}}", "1", Dial("user/1002", ring=20)),
        ("{to: 1, dial: {targets: user/1002}, ring: 20s}", "1", Dial("user/1002", ring=20)),
        ("{to: 1, dial: [user/1002, trunk/carrier/+31]}", "1", Dial(["user/1002", "trunk/carrier/+31"])),
        (
            "{to: 1, dial: [user/1002, user/1003], mode: in-turn}",
            "1",
            Dial(["user/1002", "user/1003"], mode="in-turn"),
        ),
        ("{to: 1XXX, dial: user}", "1002", Dial(UserTarget("1002"))),
        ("{to: 9., strip: 1, dial: user}", "91002", Dial("user/1002")),
        ("{to: 9., strip: 1, prefix: 1, dial: user}", "9002", Dial("user/1002")),
        ('{to: "0.", strip: 1, dial: trunk/carrier}', "0201234", Dial(TrunkTarget("carrier", "201234"))),
        (
            '{to: "0.", strip: 1, prefix: "+31", dial: trunk/carrier}',
            "0201234",
            Dial("trunk/carrier/+31201234"),
        ),
        ('{to: "0.", strip: 1, dial: "trunk/carrier/00{to}"}', "0201", Dial("trunk/carrier/00201")),
        (r'{to: "/^7(.)(...)$/", dial: "user/{1}{2}"}', "71002", Dial("user/1002")),
        (r'{to: ["5", "/^7(.*)$/"], dial: "trunk/carrier/{1}9"}', "5", Dial("trunk/carrier/9")),
        ("{to: 1, dial: sip:bob@example.com}", "1", Dial(UriTarget("sip:bob@example.com"))),
        (
            '{to: 1, dial: "sip:{from}@example.com:5070;transport=tcp"}',
            "1",
            Dial("sip:1001@example.com:5070;transport=tcp"),
        ),
        (
            "{to: 1, dial: user/1002, on: {busy: {reject: 600}}}",
            "1",
            Dial("user/1002", on={"busy": Reject(600)}),
        ),
        ("{to: 1, dial: user/1002, on: {busy: hangup}}", "1", Dial("user/1002", on={"busy": Hangup()})),
        (
            "{to: 1, dial: user/1002, on: {no-answer: {dial: user/1003, ring: 5s}}}",
            "1",
            Dial("user/1002", on={"no-answer": Dial("user/1003", ring=5)}),
        ),
    ],
)
def test_endings(rule: str, to: str, decision: object) -> None:
    assert said(rule, to) == decision


def test_goto_takes_the_rewritten_call_along() -> None:
    verdict = decide(rules('{to: "9.", strip: 1, goto: night}'), call("91"))
    assert verdict.decision == Reject(480)
    assert verdict.call.called == "1"
    first = verdict.path[0].decision
    assert isinstance(first, Goto)
    assert first.chain == "night"


def test_the_first_rule_that_fits_decides() -> None:
    tree = rules("{to: 1001, echo: {}}", "{to: 1XXX, from: 2XXX, reject: 486}", "{to: 1XXX, reject: 487}")
    assert decide(tree, call("1001")).decision == Echo()
    assert decide(tree, call("1002", from_="2000")).decision == Reject(486)
    assert decide(tree, call("1002", from_="1000")).decision == Reject(487)
    assert decide(tree, call("2")).decision == Reject(404)


def test_a_visit_says_which_rule_where_and_why() -> None:
    tree = rules("{to: 1, echo: {}}", "{to: [2, 3], from: 1X01, hangup: {}}")
    (visit,) = decide(tree, call("3", from_="1101")).path
    assert (visit.chain, visit.position, visit.handler) == ("main", 1, "routing")
    assert visit.rule is not None
    assert visit.rule.number == 2
    assert str(visit.place) == "d.yaml:6:11"
    assert (visit.saw, visit.said) == ("to 3, from 1101", "hangup")
    assert visit.reason == "rule 2, to 2 or 3, from 1X01"


def test_a_caller_cannot_reach_into_targets() -> None:
    hostile = "1002;transport=tcp@evil.example>,<sip:x"
    uri = said('{dial: "sip:{from}@example.com"}', "1", hostile)
    assert isinstance(uri, Dial)
    text = str(uri.targets[0])
    assert text.count("@") == 1
    assert text.endswith("@example.com")
    assert not set(text) & set('<>" \r\n')
    assert said('{dial: "trunk/carrier/{from}"}', "1", hostile) == Dial(TrunkTarget("carrier", hostile))
    assert said('{dial: "user/{from}"}', "1", "../x/1002") == Reject(404)
    assert said('{redirect: "sip:{from}@example.com"}', "1", "a\r\nb\udcff") == Redirect(
        ("sip:a%0D%0Ab%FF@example.com",)
    )


def test_nothing_left_to_dial_is_484() -> None:
    assert said('{to: "9*", strip: 1, dial: user}', "9") == Reject(484)
    assert said('{to: "9*", strip: 4, dial: trunk/carrier}', "9") == Reject(484)


def test_an_unknown_user_is_404_and_does_not_stop_the_others() -> None:
    assert said("{dial: user}", "1009") == Reject(404)
    assert said('{dial: [user, user/1001, "user/{to}"]}', "1009") == Dial("user/1001")
    assert said("{dial: user}", "1009", known=UNKNOWN) == Dial("user/1009")


def test_an_unauthenticated_call_never_reaches_a_trunk() -> None:
    tree = rules("{to: 1, dial: trunk/carrier}", "{to: 2, dial: [trunk/carrier, user/1001]}")
    assert decide(tree, stranger("1")).decision == Reject(403)
    assert decide(tree, stranger("2")).decision == Dial("user/1001")
    from_trunk = call("1", user=None, trunk="backup", source="trunk/backup")
    assert decide(tree, from_trunk).decision == Dial("trunk/carrier/1")


def test_abouts_are_the_extensions() -> None:
    tree = rules(
        "{to: 600, echo: {}, about: an echo}", "{to: 1XXX, dial: user}", "{reject: 404, about: the rest}"
    )
    extensions = tree.extensions("users")
    assert [(each.patterns, each.about) for each in extensions] == [
        (("600",), "an echo"),
        (("*",), "the rest"),
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("01XZN.*", min_size=1, max_size=4), st.none() | st.text("01XN.*", min_size=1, max_size=3)
        ),
        min_size=1,
        max_size=6,
    ),
    st.text("0123", max_size=4),
    st.text("0123", max_size=3),
)
def test_first_match_is_the_first_match_by_a_slow_reference(
    patterns: list[tuple[str, str | None]], to: str, from_: str
) -> None:
    lines = [
        f'{{to: "{called}", {"" if caller is None else f"""from: "{caller}", """}reject: {400 + index}}}'
        for index, (called, caller) in enumerate(patterns)
    ]
    fitting = [
        400 + index
        for index, (called, caller) in enumerate(patterns)
        if reference(called, to) and (caller is None or reference(caller, from_))
    ]
    assert decide(rules(*lines), call(to, from_=from_)).decision == Reject((fitting or [404])[0])


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text("01XZN.*", min_size=1, max_size=4), max_size=3), min_size=1, max_size=30),
    st.text("0123*", max_size=5),
)
def test_the_index_leaves_no_rule_out(rules: list[list[str]], called: str) -> None:
    compiled = [[compile_pattern(text) for text in texts] for texts in rules]
    candidates = RuleIndex(compiled).candidates(called)
    fitting = [
        number
        for number, patterns in enumerate(compiled)
        if not patterns or any(pattern.test(called) for pattern in patterns)
    ]
    assert set(fitting) <= set(candidates)
    assert list(candidates) == sorted(candidates)


def test_many_rules_are_decided_as_few() -> None:
    lines = [f"{{to: '{number}X', reject: {400 + number % 300}}}" for number in range(100, 400)]
    tree = rules("{to: 1501, echo: {}}", *lines, "{to: [2505, /^9/], hangup: }", "{from: 7, reject: 603}")
    assert decide(tree, call("1501")).decision == Echo()
    assert decide(tree, call("1502")).decision == Reject(550)
    assert decide(tree, call("2505")).decision == Reject(650)
    assert decide(tree, call("95")).decision == Hangup()
    assert decide(tree, call("8", from_="7")).decision == Reject(603)
    assert decide(tree, call("8")).decision == Reject(404)


MISTAKES = r"""
{too: 1, echo: {}}
    d.yaml:5:12: unknown key 'too' (did you mean to?)
{to: 1}
    d.yaml:5:11: nothing says what to do with the call, expected one of conference, dial, echo
{to: 1, dail: user}
    d.yaml:5:19: found 'dail', which is no ending (did you mean dial?)
{to: 1, frm: 2}
    d.yaml:5:19: found 'frm', which is no ending (did you mean from?)
{to: 1, zzzz: 2}
    d.yaml:5:19: found 'zzzz', which is no ending, expected one of conference, dial, echo
{to: 1, voicemail: x}
    d.yaml:5:19: voicemail is not available yet, expected one of conference, dial
{to: 1, queue: x}
    d.yaml:5:26: there is no queue 'x'
{to: 1, set: {caller_name: x}}
    d.yaml:5:19: set does not end a call
{to: 1, routing: []}
    d.yaml:5:19: routing does not end a call
{to: 1, echo: {}, reject: 404}
    d.yaml:5:29: found both echo and reject, expected one
{to: 1, echo: loud}
    d.yaml:5:25: echo takes a mapping of options, or nothing
{to: 1, echo: {loud: true}}
    d.yaml:5:26: unknown key 'loud'
{to: {to}, echo: {}}
    d.yaml:5:16: found a mapping, expected text (did you mean "{to}" in quotes?)
{to: [], echo: {}}
    d.yaml:5:16: found nothing, expected at least one
{to: '', echo: {}}
    d.yaml:5:16: found nothing, expected a number pattern
{to: [1, /(/], echo: {}}
    d.yaml:5:20: this regular expression cannot be read
{from: /x, echo: {}}
    d.yaml:5:18: found '/x', expected a regular expression between two slashes
{to: 1, strip: -1, echo: {}}
    d.yaml:5:26: found -1, expected at least 0
{to: 1, strip: one, echo: {}}
    d.yaml:5:26: found 'one', expected a whole number
{to: 1, reject: 200}
    d.yaml:5:27: found 200, expected at least 400
{to: 1, reject: busy}
    d.yaml:5:27: found 'busy', expected a whole number
{to: 1, reject: {cod: 404}}
    d.yaml:5:28: unknown key 'cod' (did you mean code?)
{to: 1, reject: }
    d.yaml:5:19: reject needs the option code
{to: 1, reject: {code: 404, phrase: "a\r\nb"}}
    d.yaml:5:47: expected a phrase without control
{to: 1, goto: nigth}
    d.yaml:5:25: there is no chain 'nigth' (did you mean night?)
{to: 1, goto: zzz}
    d.yaml:5:25: there is no chain 'zzz'
{to: 1, redirect: 'sip:a b'}
    d.yaml:5:29: found 'sip:a b', expected a SIP URI
{to: 1, redirect: sip:a@b, code: 200}
    d.yaml:5:44: found 200, expected 300, 301, 302 or 305
{to: 1, dial: 1001}
    d.yaml:5:25: found '1001', expected user, user/NAME, trunk/NAME
{to: 1, dial: 1001}
    (did you mean user/1001?)
{to: 1, dial: carrier}
    (did you mean trunk/carrier?)
{to: 1, dial: usr/1001}
    (did you mean user/1001?)
{to: 1, dial: user/}
    d.yaml:5:25: found 'user/', expected user, user/NAME
{to: 1, dial: trunk}
    d.yaml:5:25: found 'trunk', expected user, user/NAME
{to: 1, dial: trunk/carrier/}
    expected a number after the last /
{to: 1, dial: "trunk/{to}"}
    expected the trunk's name without placeholders
{to: 1, dial: user/1010}
    there is no user '1010' in the configuration (did you mean user/100
{to: 1, dial: [user, trunk/carier]}
    d.yaml:5:32: there is no trunk 'carier' in the configuration (did you
{to: 1, dial: trunk/carier/12}
    (did you mean trunk/carrier?)
{to: 1, dial: []}
    d.yaml:5:25: found nothing, expected at least one
{to: 1, dial: "sip:{to}@{from}"}
    expected placeholders only before the @
{to: 1, dial: "sip:{to}"}
    expected placeholders only before the @
{to: 1, dial: 'sip:a@b c'}
    expected a SIP URI such as sip:alice@example.com
{to: 1, dial: "user/{too}"}
    d.yaml:5:25: found the placeholder '{too}'; did you mean {to}?
{to: 1, dial: "user/{"}
    expected each { to be closed by a }
{to: 1, dial: "user/{1}"}
    found {1}, but there is no regular expression with groups here
{to: "/(.)/", dial: "user/{2}"}
    found {2}, but the regular expression has only 1 group
{to: 1, dial: user, ring: 20}
    d.yaml:5:37: found 20 without a unit, expected a duration such as 20s
{to: 1, dial: user, rng: 20s}
    d.yaml:5:31: unknown key 'rng' (did you mean ring?)
{to: 1, dial: {targets: user, ring: 1s}, ring: 2s}
    ring is said twice, beside dial and inside it
{to: 1, dial: user, targets: user}
    targets is said twice, as the value of dial and beside it
{to: 1, dial: user, mode: inturn}
    found 'inturn', expected parallel, in-turn, failover, least-used or weighted (did you mean in-turn?)
{to: 1, dial: user, on: {bussy: hangup}}
    d.yaml:5:36: found 'bussy', expected busy, no-answer
{to: 1, dial: user, on: {busy: {gto: x}}}
    d.yaml:5:43: found 'gto', which is no ending (did you mean goto?)
{to: 1, dial: user, on: {busy: 3}}
    d.yaml:5:42: expected an ending, for example: {reject: 403}
{to: 1, dial: user, on: [busy]}
    d.yaml:5:35: found a list, expected a mapping
echo
    d.yaml:5:11: expected a rule: a mapping with to or from, and one of conference, dial
"""


@pytest.mark.parametrize(("rule", "problem"), pairs(MISTAKES))
def test_mistakes(rule: str, problem: str) -> None:
    found = rule_problems(rule)
    assert any(problem in line for line in found), found


def test_without_a_configuration_only_the_form_of_targets_is_checked() -> None:
    assert rule_problems("{to: 1, dial: [user/9, trunk/nowhere]}", known=UNKNOWN) == []
    assert "expected user, user/NAME" in rule_problems("{to: 1, dial: 1001}", known=UNKNOWN)[0]


def test_every_mistake_is_found_in_one_go_and_in_order() -> None:
    found = rule_problems("{too: 1, echo: {}}", "{to: 1, reject: 1, foo: 2}", "{to: /(/, goto: x}")
    assert [line.split(": ")[0] for line in found] == [
        "d.yaml:5:12",
        "d.yaml:6:27",
        "d.yaml:6:30",
        "d.yaml:7:16",
        "d.yaml:7:27",
    ]
