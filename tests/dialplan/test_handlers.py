"""play, menu, record, conference, queue, limit, forward, set, include and http, decision by decision."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from pbx.call.causes import Outcome
from pbx.dialplan.call import Call, CallerId, Record
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Conference, Dial, Echo, Goto, Hangup, Menu, Play, Queue, Reject
from pbx.dialplan.generation import MAX_TURNS, Generation, Verdict, decide_now
from pbx.dialplan.handlers.http import HttpHandler, _Asking
from pbx.dialplan.handlers.record import safe_name
from pbx.dialplan.live import Facts
from pbx.dialplan.rehearsal import Givens, Rehearsal
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.errors import MisuseError
from tests.dialplan.calls import KNOWN, call, decide, generation, pairs, problems, with_problems


def after(tree: Generation, verdict: Verdict, outcome: Outcome, digits: str = "") -> Verdict:
    found = decide_now(tree.after(verdict, outcome, digits=digits))
    assert found is not None
    return found


# -- play and include ----------------------------------------------------------------------------------------


def test_after_a_sound_the_next_handler_is_asked() -> None:
    tree = generation("  main:\n    - play: [hello, there]\n    - set: {caller_name: Shop}\n    - echo\n")
    first = decide(tree, call("1"))
    assert first.decision == Play(("hello", "there"))
    second = after(tree, first, "played")
    assert second.decision == Echo()
    assert [visit.position for visit in second.path] == [2, 3]
    assert (second.call.caller.name, second.asked, second.turns) == ("Shop", "played", 1)


def test_a_sound_at_the_end_of_a_chain_ends_the_call() -> None:
    tree = generation("  main:\n    - play: hello\n")
    assert after(tree, decide(tree, call("1")), "played").decision == Reject(404)


def test_a_sound_in_a_rule_and_after_an_outcome_goes_on_after_the_handler() -> None:
    tree = generation(
        "  main:\n    - routing: [{to: 5, play: five}]\n"
        "    - {dial: user/1001, on: {busy: {play: sorry}}}\n    - hangup\n"
    )
    five = decide(tree, call("5"))
    assert five.decision == Play("five")
    dial = after(tree, five, "played")
    assert isinstance(dial.decision, Dial)
    sorry = after(tree, dial, "busy")
    assert sorry.decision == Play("sorry")
    assert after(tree, sorry, "played").decision == Hangup()


def test_an_included_chain_comes_back_with_what_it_changed() -> None:
    tree = generation(
        "  main:\n    - include: screen\n    - play: hello\n    - echo\n"
        "  screen:\n    - play: first\n    - set: {caller_name: Screened}\n"
        "    - routing: [{to: 9, reject: 403}]\n"
    )
    first = decide(tree, call("1"))
    assert (first.decision, first.resume) == (Play("first"), (("main", 1), ("screen", 1)))
    second = after(tree, first, "played")
    assert (second.decision, second.call.caller.name) == (Play("hello"), "Screened")
    assert after(tree, second, "played").decision == Echo()
    assert after(tree, decide(tree, call("9")), "played").decision == Reject(403)


def test_a_goto_in_an_included_chain_does_not_come_back() -> None:
    tree = generation(
        "  main:\n    - include: a\n    - echo\n  a:\n    - goto: b\n  b:\n    - set: {caller_name: x}\n"
    )
    assert decide(tree, call("1")).decision == Reject(404)


def test_includes_that_lead_in_a_circle_are_refused() -> None:
    text = "entry: [{from: anyone, chain: a}]\nchains:\n  a: [include: b]\n  b: [echo, include: a]\n"
    found = problems(text)
    assert found[0].startswith("d.yaml:3:16: this include leads in a circle (a → b → …)")


# -- menus ---------------------------------------------------------------------------------------------------

MENU = """\
  main:
    - menu:
        prompt: [welcome, choose]
        invalid_prompt: wrong
        retries: 1
        choices:
          "1": {queue: support}
          "2": {goto: sales}
          "3": {play: hours}
          "*9": hangup
          "1XXX": {dial: user}
        timeout: {dial: user/1003}
    - reject: 486
  sales:
    - dial: "user/100{digits}"
"""


def menu_tree() -> Generation:
    text = (
        f"entry: [{{from: anyone, chain: main}}]\nqueues: {{support: {{agents: ['1001']}}}}\nchains:\n{MENU}"
    )
    return compile_dialplan(loads(text, "d.yaml"), KNOWN)


def test_a_menu_says_after_which_digits_nothing_can_follow() -> None:
    menu = decide(menu_tree(), call("1")).decision
    assert isinstance(menu, Menu)
    assert (menu.name, menu.prompt, menu.max_digits, menu.terminator) == (
        "main",
        ("welcome", "choose"),
        4,
        "#",
    )
    assert {"2", "3", "4", "*9", "*1", "1*", "12*"} <= menu.complete
    assert not {"1", "*", "12", "123", "1234"} & menu.complete


@pytest.mark.parametrize(
    ("digits", "decision", "called"),
    [
        ("1", Queue("support"), "5"),
        ("2", Dial("user/1002"), "5"),
        ("3", Play("hours"), "5"),
        ("*9", Hangup(), "5"),
        ("1002", Dial("user/1002"), "1002"),
        ("1009", Reject(404), "1009"),
    ],
)
def test_choices(digits: str, decision: object, called: str) -> None:
    tree = menu_tree()
    verdict = after(tree, decide(tree, call("5")), "digits", digits)
    assert (verdict.decision, verdict.call.called) == (decision, called)
    assert (verdict.path[0].saw, verdict.digits) == (f"digits {digits}", digits)


def test_wrong_and_missing_digits_are_asked_for_again_and_then_decided() -> None:
    tree = menu_tree()
    again = after(tree, decide(tree, call("5")), "digits", "7")
    assert isinstance(again.decision, Menu)
    assert (again.decision.prompt, again.decision.attempt) == (("wrong", "welcome", "choose"), 2)
    assert after(tree, again, "digits", "8").decision == Reject(486)
    assert after(tree, again, "digits", "").decision == Dial("user/1003")
    silent = after(tree, decide(tree, call("5")), "digits")
    assert isinstance(silent.decision, Menu)
    assert silent.decision.prompt == ("welcome", "choose")


def test_a_sound_chosen_in_a_menu_goes_on_after_it() -> None:
    tree = menu_tree()
    sound = after(tree, decide(tree, call("5")), "digits", "3")
    assert after(tree, sound, "played").decision == Reject(486)


def test_a_call_in_a_circle_of_menus_ends() -> None:
    tree = generation(
        "  main:\n    - menu: {prompt: p, choices: {'1': {goto: main}}, timeout: {goto: main}, retries: 0}\n"
    )
    verdict = decide(tree, call("1"))
    for _ in range(MAX_TURNS):
        verdict = after(tree, verdict, "digits", "1")
        assert isinstance(verdict.decision, Menu)
    assert after(tree, verdict, "digits", "1").went_round


def test_a_menu_that_brings_its_choices() -> None:
    tree = generation("  main:\n    - menu: {prompt: p, choices: {'1': echo}}\n    - reject: 480\n")
    menu = Menu("mine", ("p",), 4, choices={"7": Goto("main"), "1XXX": Dial("user"), "invalid": Hangup()})
    verdict = replace(decide(tree, call("5")), decision=menu)
    assert isinstance(after(tree, verdict, "digits", "7").decision, Menu)
    assert after(tree, verdict, "digits", "1002").decision == Dial("user/1002")
    assert after(tree, verdict, "digits", "8").decision == Hangup()
    assert after(tree, verdict, "digits").decision == Reject(480)


def test_what_has_no_outcomes() -> None:
    tree = generation("  main:\n    - echo\n")
    with pytest.raises(MisuseError, match="Echo has no outcomes"):
        after(tree, decide(tree, call("1")), "played")


MENU_MISTAKES = """
{choices: {"1": echo}}
    menu needs the option prompt
{prompt: p, choices: {}}
    found nothing, expected at least one
{prompt: p, choices: {"1a": echo}}
    d.yaml:4:35: found the choice '1a', expected digits, *, #, X, Z, N, and
{prompt: p, choices: {"1": ecko}}
    found 'ecko', which is no ending (did you mean echo?)
{prompt: p, choices: {"1#": echo}, terminator: "#"}
    # ends the input, so that no choice can have it
{prompt: welcom, choices: {"1": echo}}
    d.yaml:4:22: there is no sound 'welcom' (did you mean welcome?)
"""


@pytest.mark.parametrize(("options", "problem"), pairs(MENU_MISTAKES))
def test_mistakes_in_menus(options: str, problem: str) -> None:
    known = replace(KNOWN, sounds=frozenset({"welcome", "p"}))
    text = f"entry: [{{from: anyone, chain: a}}]\nchains:\n  a:\n    - menu: {options}\n"
    found = problems(text, known)
    assert any(problem in line for line in found), found


# -- record, conference, queue, set --------------------------------------------------------------------------


def test_a_recording_goes_with_the_call() -> None:
    tree = generation(
        "  main:\n    - record: {what: mix, name: '{from}-{date}-{time}'}\n    - dial: user/1002\n"
    )
    verdict = decide(tree, call("1002", from_="../../etc/passwd"))
    assert verdict.record == Record("mix", "pcm", "etc_passwd-20261123-120000")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../a/b", "a_b"),
        ("", "call"),
        ("-", "call"),
        ("a\nb\0c", "a_b_c"),
        ("é.wav", "wav"),
        ("x" * 500, "x" * 120),
    ],
)
def test_names_of_recordings_are_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_conference_is_named_by_the_call() -> None:
    tree = generation("  main:\n    - conference: {room: '{to}', muted: true, announce: hello}\n")
    assert decide(tree, call("8001")).decision == Conference("8001", muted=True, announce=("hello",))
    assert decide(tree, call("8" * 80)).decision == Reject(484)


def test_a_queue_has_endings_of_its_own_and_of_the_step() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\n"
        "queues: {q: {agents: ['1001', {agent: trunk/carrier/+31}], "
        "on: {timeout: {reject: 480}, full: hangup}}}\n"
        "chains:\n  a:\n    - {queue: q, priority: 3, on: {full: {goto: b}}}\n  b: [echo]\n"
    )
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    assert tree.queues["q"].agents == ("user/1001", "trunk/carrier/+31")
    verdict = decide(tree, call("1"))
    assert isinstance(verdict.decision, Queue)
    assert verdict.decision.priority == 3
    assert after(tree, verdict, "timeout").decision == Reject(480)
    assert after(tree, verdict, "full").decision == Echo()
    assert decide_now(tree.after(verdict, "left")) is None


QUEUE_MISTAKES = """
{strategy: longest-idel, agents: ["1001"]}
    (did you mean longest-idle?)
{agents: []}
    found nothing, expected at least one
{agents: ["1010"]}
    there is no user '1010' in the configuration (did you mean 100
{agents: ["1001"], max_wait: 5}
    found 5 without a unit
{agents: ["1001", user/1001]}
    'user/1001' is in this queue twice
{agents: ["1001"], ring: 100ms}
    expected at least 1
{agents: ["1001"], on: {timout: echo}}
    (did you mean timeout?)
{agents: ["1001"], on: {timeout: ecko}}
    found 'ecko', which is no ending
"""


@pytest.mark.parametrize(("queue", "problem"), pairs(QUEUE_MISTAKES))
def test_mistakes_in_queues(queue: str, problem: str) -> None:
    text = f"entry: [{{from: anyone, chain: a}}]\nchains: {{a: [queue: q]}}\nqueues: {{q: {queue}}}\n"
    found = problems(text)
    assert any(problem in line for line in found), found


def test_what_is_shown_and_sent() -> None:
    tree = generation(
        "  main:\n"
        "    - set: {caller_id: '+3120{to}', caller_id_name: '{name}', "
        "headers: {X-Called: '{to}', subject: a}}\n"
        "    - set: {anonymous: true, headers: {x-called: again}}\n    - dial: user/1002\n"
    )
    verdict = decide(tree, call("1\r\nEvil: 1"))
    assert verdict.call.shown == CallerId("+31201Evil: 1", "Alice", hidden=True)
    assert verdict.call.sent_headers == (("subject", "a"), ("x-called", "again"))
    assert verdict.call.caller.number == "1001"


def test_only_some_headers_may_be_sent() -> None:
    text = "entry: [{from: anyone, chain: a}]\nchains: {a: [{set: {headers: {Via: x, Subjct: y}}}, echo]}\n"
    found = problems(text)
    assert "d.yaml:2:31: a dialplan cannot send the header 'Via'" in found[0]
    assert "(did you mean subject?)" in found[1]


# -- limit and forward ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "live", "decision"),
    [
        ("{caller: 2}", Givens(active={"caller": 1}), Echo()),
        ("{caller: 2}", Givens(active={"caller": 2}), Reject(480)),
        ("{user: 1, else: {reject: 486}}", Givens(active={"user": 1}), Reject(486)),
        ("{trunk: 1}", Givens(active={"trunk": 9}), Echo()),
        ("{trunk: 1, of: carrier}", Givens(active={"trunk": 1}), Reject(480)),
        ("{chain: 5}", Givens(active={"chain": 5}), Reject(480)),
        ("{rate: {calls: 3, per: 1m}}", Givens(tried=3), Echo()),
        ("{rate: {calls: 3, per: 1m}}", Givens(tried=4), Reject(480, retry_after=60)),
    ],
)
def test_limits(limit: str, live: Givens, decision: object) -> None:
    tree = generation(f"  main:\n    - limit: {limit}\n    - echo\n")
    verdict = decide_now(tree.decide(call("1"), facts=live.facts()))
    assert verdict.decision == decision


def test_an_emergency_call_passes_every_limit_and_is_not_counted() -> None:
    text = (
        "entry: [{from: anyone, chain: a}]\nemergency: ['112']\n"
        "chains: {a: [{limit: {caller: 0, rate: {calls: 1, per: 1h}}}, {dial: trunk/carrier}]}\n"
    )
    tree = compile_dialplan(loads(text, "d.yaml"), KNOWN)
    verdict = decide_now(tree.decide(call("112"), facts=Givens(tried=99).facts()))
    assert verdict.decision == Dial("trunk/carrier/112")
    assert verdict.facts == {}


def test_facts_are_remembered_and_enough_to_decide_again() -> None:
    tree = generation("  main:\n    - limit: {caller: 2}\n    - limit: {caller: 3}\n    - echo\n")
    verdict = decide_now(tree.decide(call("1"), facts=Givens(active={"caller": 2}).facts()))
    assert verdict.facts == {"active_calls/caller/1001": 2}
    again = decide_now(tree.decide(call("1"), facts=Facts(None, verdict.facts)))
    assert again.decision == verdict.decision


@pytest.mark.parametrize(
    ("forward", "outcomes", "answered"),
    [
        ("{always: trunk/carrier/+31}", {}, "trunk/carrier/+31"),
        ("{dial: user/1001, busy: user/1002, no-answer: user/1003}", {"user/1001": ("busy",)}, "user/1002"),
        (
            "{dial: user/1001, busy: user/1002, no-answer: user/1003}",
            {"user/1001": ("no-answer",)},
            "user/1003",
        ),
        ("{dial: user/1001, unreachable: user/1002}", {"user/1001": ("unavailable",)}, "user/1002"),
        (
            "{dial: user/1001, busy: user/1002, find-me: [user/1002, user/1003]}",
            {"user/1001": ("no-answer",), "user/1002": ("unavailable",)},
            "user/1003",
        ),
    ],
)
def test_forwarding(forward: str, outcomes: Mapping[str, tuple[str, ...]], answered: str) -> None:
    tree = generation(f"  main:\n    - forward: {forward}\n")
    rehearsal = Rehearsal(tree, call("1001"), Givens(outcomes=outcomes))
    rehearsal.run(follows=True)
    assert rehearsal.answered == answered


def test_hunts() -> None:
    tree = generation(
        "  main:\n"
        "    - dial: [{target: user/1001, ring: 5s}, user/1002]\n"
        "      mode: in-turn\n      ring: 20s\n      stop: [603, busy]\n"
        "  paths:\n    - dial: [trunk/carrier, trunk/backup]\n      mode: failover\n"
        "  least:\n    - dial: [user/1001, user/1002]\n      mode: least-used\n"
        "  weighed:\n    - dial: [{target: user/1001, weight: 3}, user/1002]\n      mode: weighted\n"
    )
    hunt = decide(tree, call("1")).decision
    assert isinstance(hunt, Dial)
    assert (hunt.ring_of(0), hunt.ring_of(1)) == (5, 20)
    assert hunt.stops("rejected", 603)
    assert hunt.stops("busy")
    assert not hunt.stops("no-answer")
    failover = decide_now(tree.decide(call("1"), "paths")).decision
    assert isinstance(failover, Dial)
    assert [failover.stops(each) for each in ("busy", "no-answer", "failed", "unavailable", "timeout")] == [
        *(True, True, False, False, False)
    ]
    live = Givens(used={"user/1001": 5, "user/1002": 2})
    for chain, first in (("least", "user/1002"), ("weighed", "user/1001")):
        verdict = decide_now(tree.decide(call("1"), chain, facts=live.facts()))
        assert isinstance(verdict.decision, Dial)
        assert str(verdict.decision.targets[0]) == first


# -- http ----------------------------------------------------------------------------------------------------


def http_tree(step: str, known: KnownNames = KNOWN) -> Generation:
    return generation(f"  main:\n    - {step}\n    - reject: 480\n  night:\n    - echo\n", known=known)


def served(tree: Generation, reply: Any) -> list[httpx.Request]:
    """Let `reply` answer for the web; gives the requests it saw."""
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, httpx.Response) else httpx.Response(200, json=reply)

    handler = tree.chains["main"].links[0].handler
    assert isinstance(handler, HttpHandler)
    assert isinstance(handler._inner, _Asking)
    handler._inner.transport = httpx.MockTransport(handle)
    return seen


def ask(tree: Generation, asked: Call | None = None) -> Verdict:
    handler = tree.chains["main"].links[0].handler
    assert isinstance(handler, HttpHandler)
    try:
        return decide_now(tree.decide(asked or call("1"), facts=Facts(Givens())))
    finally:
        handler.host.stop_blocking()


URL = "http: 'https://crm.example/route?from={from}&to={to}'"


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ({"dial": "user/1001", "ring": 20}, Dial("user/1001", ring=20)),
        (
            {"dial": ["user/1001", "user/1002"], "mode": "in-turn"},
            Dial(["user/1001", "user/1002"], mode="in-turn"),
        ),
        ({"reject": 486}, Reject(486)),
        ({"continue": True}, Reject(480)),
        ({"goto": "night"}, Echo()),
        ({"conference": "8"}, Conference("8")),
        ({"play": "hello"}, Play("hello")),
        (httpx.Response(204), Reject(480)),
        (httpx.Response(404), Reject(480)),
    ],
)
def test_what_a_service_answers(answer: Any, decision: object) -> None:
    tree = http_tree(URL)
    served(tree, answer)
    assert ask(tree).decision == decision


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"dial": "user/1010"}, "there is no user '1010'"),
        ({"dail": "user/1001"}, "did you mean dial?"),
        ({"dial": "user/1001", "x": 1}, "which dial does not take"),
        ({"reject": "486"}, "expected a whole number"),
        ({"reject": 200}, "expected a whole number from 400 to 699"),
        ([1], "no object"),
        ({"dial": "user/1001", "on": {"busy": {"dial": "nonsense"}}}, "found 'nonsense'"),
        (httpx.Response(500), "answered 500"),
        (httpx.Response(200, content=b"{" * 100), "it raised"),
        (httpx.Response(200, content=b" " * 100_000), "more than 65536 bytes"),
        (httpx.Response(302, headers={"location": "http://169.254.169.254/"}), "answered 302"),
        (httpx.ConnectError("refused"), "refused"),
    ],
)
def test_a_wrong_answer_costs_the_fallback(answer: Any, words: str) -> None:
    tree = http_tree(f"{{{URL}, on_error: {{goto: night}}}}")
    served(tree, answer)
    verdict = ask(tree)
    assert verdict.decision == Echo()
    assert words in verdict.path[0].reason, verdict.path[0].reason


def test_what_is_put_into_a_url_stays_in_its_place() -> None:
    tree = http_tree(URL)
    seen = served(tree, {"continue": True})
    ask(tree, call("1&admin=1#/../x", from_="a b?\r\nHost: evil"))
    assert seen[0].url.host == "crm.example"
    assert seen[0].url.raw_path == b"/route?from=a%20b%3F%0D%0AHost%3A%20evil&to=1%26admin%3D1%23%2F..%2Fx"


def test_an_answer_is_a_fact_and_is_kept() -> None:
    tree = http_tree(f"{{{URL}, id: crm, cache: 1m}}")
    seen = served(tree, {"dial": "user/1002"})
    handler = tree.chains["main"].links[0].handler
    assert isinstance(handler, HttpHandler)
    verdicts = [decide_now(tree.decide(call("1"), facts=Facts(Givens()))) for _ in range(3)]
    handler.host.stop_blocking()
    assert len(seen) == 1
    key = "http/crm/https://crm.example/route?from=1001&to=1"
    assert verdicts[0].facts == {key: {"dial": "user/1002"}}
    again = decide_now(tree.decide(call("1"), facts=Facts(None, verdicts[0].facts)))
    assert again.decision == Dial("user/1002")


def test_without_a_service_nobody_is_asked() -> None:
    tree = http_tree(f"{{{URL}, id: crm}}")
    seen = served(tree, {"reject": 486})
    assert decide(tree, call("1")).decision == Reject(480)
    given = Givens(answers={"http/crm": {"continue": True, "caller_name": "Shop"}})
    verdict = decide_now(tree.decide(call("1"), facts=given.facts()))
    assert (verdict.decision, verdict.call.caller.name) == (Reject(480), "Shop")
    assert seen == []


@pytest.mark.parametrize(
    "url", ["ftp://x/", "https://{to}/x", "https://crm{to}.example/", "crm.example", "/x"]
)
def test_urls_that_are_none(url: str) -> None:
    found = problems(f"entry: [{{from: anyone, chain: a}}]\nchains: {{a: [{{http: '{url}'}}, echo]}}\n")
    assert "expected a URL such as" in found[0]


# -- files that include others -------------------------------------------------------------------------------


def test_files_include_others_and_places_name_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bad.txt").write_text("+49\n")
    (tmp_path / "sub" / "lists.yaml").write_text(
        "lists: {bad: [{file: bad.txt}]}\nchains:\n  screen:\n    - blacklist: bad\n"
        "tests: [{name: t, call: {from: '+49', to: 1}, expect: {reject: 603}}]\n"
    )
    main = (
        "include: [sub/lists.yaml]\nentry: [{from: anyone, chain: main}]\n"
        "chains: {main: [include: screen, echo]}\n"
    )
    (tmp_path / "main.yaml").write_text(main)
    tree, found = with_problems(tmp_path / "main.yaml")
    assert found == []
    assert tree is not None
    verdict = decide(tree, call("1", from_="+49"))
    assert verdict.decision == Reject(603)
    assert verdict.path[-1].place.file.endswith("sub/lists.yaml")
    assert (verdict.path[-1].place.line, len(tree.cases)) == (4, 1)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            "include: main.yaml\n",
            "other.yaml:1:10: this include leads in a circle (main.yaml → other.yaml → main.yaml)",
        ),
        ("chains: {main: [echo]}\n", "other.yaml:1:10: there is 'main' among the chains at"),
        ("chains: {b: [ecko]}\n", "other.yaml:1:14: found 'ecko', which is no handler (did you mean echo?)"),
        ("chians: {b: [echo]}\n", "other.yaml:1:1: unknown key 'chians' (did you mean chains?)"),
        ("[1]\n", "other.yaml:1:1: found no keys, expected a part of a dialplan"),
        (
            "include: [others.yaml]\n",
            "others.yaml: there is no such file: check the path (did you mean other.yaml?)",
        ),
    ],
)
def test_mistakes_in_included_files(tmp_path: Path, other: str, words: str) -> None:
    (tmp_path / "main.yaml").write_text(
        "include: other.yaml\nentry: [{from: anyone, chain: main}]\nchains: {main: [echo]}\n"
    )
    (tmp_path / "other.yaml").write_text(other)
    _, found = with_problems(tmp_path / "main.yaml")
    assert any(words in line for line in found), found


def test_a_plugin_may_name_every_outcome() -> None:
    from typing import get_args

    from pbx.dialplan.plugin_decisions import checked

    dial = Dial("user/1001", on={outcome: Hangup() for outcome in get_args(Outcome)})
    assert checked(dial, call("1"), KNOWN, None) is dial
