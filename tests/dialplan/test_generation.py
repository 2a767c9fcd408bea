"""Entries, chains, gotos, outcomes, deferred decisions, and handlers that misbehave."""

import pickle
from collections.abc import Awaitable, Coroutine, Generator
from dataclasses import replace
from typing import Any

import pytest

from pbx.call.causes import OUTCOMES
from pbx.dialplan.call import Call, normalised
from pbx.dialplan.chain import Chain, Link
from pbx.dialplan.decisions import Continue, Decision, Defer, Dial, Echo, Goto, Hangup, Reject
from pbx.dialplan.generation import MAX_GOTOS, MAX_OUTCOMES, Generation, Verdict, decide_now
from pbx.dialplan.handler import Handler
from pbx.dialplan.handlers import NOT_YET, registry
from pbx.errors import MisuseError, Place
from tests.dialplan.calls import call, decide, generation, pairs, problems, stranger


class Pause:
    """Suspends whoever awaits it once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def finish(coroutine: Coroutine[Any, Any, Verdict]) -> Verdict:
    """Run a coroutine to its end, however often it waits."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            verdict: Verdict = stop.value
            return verdict


class Says(Handler):
    """Gives what it was made with, or raises it."""

    name = "says"

    def __init__(self, given: Any) -> None:
        super().__init__(Handler.Options())
        self.given = given

    def decide(self, _call: Call) -> Decision | Awaitable[Decision]:
        if isinstance(self.given, Exception):
            raise self.given
        given: Decision = self.given
        return given


class SaysLater(Says):
    async def decide(self, _call: Call) -> Decision:
        await Pause()
        if isinstance(self.given, Exception):
            raise self.given
        given: Decision = self.given
        return given


class SaysAsync(Says):
    async def decide(self, _call: Call) -> Decision:
        given: Decision = self.given
        return given


def with_handlers(*handlers: Handler) -> Generation:
    """A generation whose chain `main` has these handlers."""
    tree = generation("  main:\n    - echo\n  other:\n    - reject: 480\n")
    links = tuple(
        Link("main", index + 1, handler.name, handler, Place("d.yaml", index + 3, 7))
        for index, handler in enumerate(handlers)
    )
    return replace(tree, chains={**tree.chains, "main": Chain("main", links)})


CHAINS = "  a:\n    - echo\n  b:\n    - hangup\n  c:\n    - reject: 480\n"


@pytest.mark.parametrize(
    ("entry", "source", "chain"),
    [
        ("[{from: users, chain: a}, {from: anyone, chain: b}]", "users", "a"),
        ("[{from: users, chain: a}, {from: anyone, chain: b}]", "anyone", "b"),
        ("[{from: users, chain: a}, {from: anyone, chain: b}]", "trunk/carrier", "b"),
        ("[{from: trunk/carrier, chain: a}, {from: trunk, chain: b}]", "trunk/carrier", "a"),
        ("[{from: trunk/carrier, chain: a}, {from: trunk, chain: b}]", "trunk/backup", "b"),
        ("[{from: trunk/carrier, chain: a}, {from: trunk, chain: b}]", "users", None),
        ("[{from: trunk, chain: a}, {from: users, chain: b}, {from: anyone, chain: c}]", "anyone", "c"),
    ],
)
def test_the_first_entry_that_takes_a_call_wins(entry: str, source: str, chain: str | None) -> None:
    assert generation(CHAINS, entry=entry).entry_for(source) == chain


def test_no_entry_is_403() -> None:
    tree = generation(CHAINS, entry="[{from: users, chain: a}]")
    verdict = decide(tree, stranger("1"))
    assert verdict.decision == Reject(403)
    assert verdict.decision.reason == "no entry takes calls from anyone"
    assert verdict.path == ()


def test_a_chain_that_runs_out_is_404_and_says_so() -> None:
    verdict = decide(generation("  main:\n    - set: {caller_name: x}\n"), call("1"))
    assert verdict.decision == Reject(404)
    assert verdict.decision.reason == "the chain main has no more handlers"
    assert [visit.said for visit in verdict.path] == ["continue with a changed call"]


def test_set_changes_what_follows() -> None:
    tree = generation(
        "  main:\n"
        '    - set: {caller_name: "Shop: {name}", caller_number: "+31{from}", variables: {boss: "100{to}"}}\n'
        "    - goto: next\n"
        "  next:\n"
        '    - dial: "user/{boss}"\n'
    )
    verdict = decide(tree, call("2"))
    assert verdict.decision == Dial("user/1002")
    assert (verdict.call.caller.name, verdict.call.caller.number) == ("Shop: Alice", "+311001")
    assert [(visit.chain, visit.position, visit.handler) for visit in verdict.path] == [
        ("main", 1, "set"),
        ("main", 2, "goto"),
        ("next", 1, "dial"),
    ]


def test_the_id_of_a_handler_is_its_name_in_the_path() -> None:
    (visit,) = decide(generation("  main:\n    - {reject: 403, id: door}\n"), call("1")).path
    assert (visit.handler, visit.said, str(visit.place)) == ("door", "reject 403", "d.yaml:4:7")


def test_outcomes_are_followed() -> None:
    tree = generation(
        "  main:\n"
        "    - dial: user/1001\n"
        "      on: {busy: {goto: night}, no-answer: {dial: trunk/carrier}, failed: hangup}\n"
        "  night:\n    - reject: 480\n"
    )
    verdict = decide(tree, call("1"))
    assert isinstance(verdict.decision, Dial)
    busy = decide_now(tree.after(verdict, "busy"))
    assert busy is not None
    assert (busy.decision, [visit.chain for visit in busy.path], busy.outcomes) == (Reject(480), ["night"], 1)
    elsewhere = decide_now(tree.after(verdict, "no-answer"))
    assert elsewhere is not None
    assert elsewhere.decision == Dial("trunk/carrier/1")
    failed = decide_now(tree.after(verdict, "failed"))
    assert failed is not None
    assert failed.decision == Hangup()
    assert [
        decide_now(tree.after(verdict, outcome)) for outcome in OUTCOMES if outcome not in verdict.decision.on
    ] == [None] * 3
    with pytest.raises(MisuseError):
        decide_now(tree.after(busy, "busy"))


def test_a_stranger_reaches_no_trunk_by_an_outcome() -> None:
    tree = generation("  main:\n    - {dial: user/1001, on: {busy: {dial: trunk/carrier}}}\n")
    after = decide_now(tree.after(decide(tree, stranger("1")), "busy"))
    assert after is not None
    assert after.decision == Reject(403)


def test_outcomes_that_lead_in_circles_are_bounded() -> None:
    tree = generation("  main:\n    - {dial: user/1001, on: {busy: {goto: main}}}\n")
    verdict = decide(tree, call("1"))
    for _ in range(MAX_OUTCOMES):
        following = decide_now(tree.after(verdict, "busy"))
        assert following is not None
        assert following.decision == verdict.decision
        verdict = following
    last = decide_now(tree.after(verdict, "busy"))
    assert last is not None
    assert (last.decision, last.went_round) == (Reject(482), True)


def test_gotos_that_lead_in_circles_are_bounded() -> None:
    tree = with_handlers(Says(Goto("main")))
    verdict = decide(tree, call("1"))
    assert (verdict.decision, verdict.went_round, len(verdict.path)) == (Reject(482), True, MAX_GOTOS)


def test_a_goto_to_nowhere_is_500() -> None:
    assert decide(with_handlers(Says(Goto("nowhere"))), call("1")).decision == Reject(500)


@pytest.mark.parametrize("handler", [Says, SaysAsync])
def test_handlers_may_be_async_and_need_no_loop_when_they_do_not_wait(handler: type[Says]) -> None:
    changed = call("2")
    tree = with_handlers(
        handler(Continue("no")), handler(Continue("changed", changed)), handler(Dial("user"))
    )
    verdict = decide(tree, call("1001"))
    assert verdict.decision == Reject(404)
    assert verdict.decision.reason == "there is no user '2'"
    assert verdict.call is changed
    assert [visit.call.called for visit in verdict.path] == ["1001", "1001", "2"]


def test_what_a_plugin_leaves_out_is_completed() -> None:
    assert decide(with_handlers(Says(Dial(["user", "trunk/carrier"]))), call("1002")).decision == Dial(
        ["user/1002", "trunk/carrier/1002"]
    )


@pytest.mark.parametrize("handler", [Says, SaysLater])
@pytest.mark.parametrize("given", [ValueError("boom"), "nonsense", None, 7, Continue])
def test_a_handler_that_misbehaves_costs_its_own_call_a_500(handler: type[Says], given: object) -> None:
    tree = with_handlers(handler(given), Says(Echo()))
    verdict = finish(tree.decide(call("1")))
    assert verdict.decision == Reject(500)
    assert verdict.decision.reason.startswith("the handler says failed: ")
    assert len(verdict.path) == 1


def test_a_handler_that_has_to_wait_cannot_be_decided_now() -> None:
    tree = with_handlers(SaysLater(Echo()))
    with pytest.raises(MisuseError, match="has to wait"):
        decide(tree, call("1"))
    assert finish(tree.decide(call("1"))).decision == Echo()


def test_defer_is_not_continue() -> None:
    async def later() -> Decision:
        return Echo("found")

    async def wait(defer: Defer) -> Decision:
        return await defer.later

    coroutine = later()
    tree = with_handlers(Says(Defer(coroutine, 2.0, Reject(503))), Says(Hangup()))
    without = decide(tree, call("1"))
    assert without.decision == Reject(503)
    assert [visit.said for visit in without.path] == ["defer for at most 2 s", "reject 503"]
    verdict = decide_now(tree.decide(call("1"), wait=wait))
    assert verdict.decision == Echo()
    assert verdict.decision.reason == "found"


def test_a_deferred_continue_asks_the_next_handler() -> None:
    async def wait(defer: Defer) -> Decision:
        return defer.otherwise

    async def never() -> Decision:
        raise AssertionError

    coroutine = never()
    tree = with_handlers(Says(Defer(coroutine, otherwise=Continue("not mine"))), Says(Hangup()))
    assert decide_now(tree.decide(call("1"), wait=wait)).decision == Hangup()
    coroutine.close()


@pytest.mark.parametrize(
    ("chains", "problem"),
    [
        (
            "  a:\n    - goto: a\n",
            "d.yaml:4:13: this goto leads in a circle (a → a), for example for a call to",
        ),
        (
            "  a:\n    - goto: b\n  b:\n    - routing: [{to: 5XX, goto: a}, {to: 6, echo: {}}]\n",
            "d.yaml:6:33: this goto leads in a circle (a → b → a), for example for a call to 555 from 1000",
        ),
        (
            "  a:\n    - routing: [{to: 7, from: 8, goto: a}]\n",
            "(a → a), for example for a call to 7 from 8",
        ),
        (
            "  a:\n    - routing: [{to: 9., prefix: 9, goto: a}]\n",
            "d.yaml:4:43: this goto leads in a circle (a → a), for example for a call to 95",
        ),
    ],
)
def test_gotos_in_circles_are_found_with_a_witness(chains: str, problem: str) -> None:
    text = f"entry: [{{from: anyone, chain: a}}]\nchains:\n{chains}"
    found = problems(text)
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    "chains",
    [
        "  a:\n    - routing: [{to: 9., strip: 1, goto: a}, {echo: {}}]\n",
        (
            "  a:\n    - routing: [{to: 1X, goto: b}, {hangup: }]\n"
            "  b:\n    - routing: [{to: 2X, goto: a}, {hangup: }]\n"
        ),
        "  a:\n    - {dial: user/1001, on: {no-answer: {goto: a}}}\n",
        "  a:\n    - echo\n    - goto: a\n",
    ],
)
def test_circles_that_no_call_goes_round_are_no_problem(chains: str) -> None:
    assert problems(f"entry: [{{from: anyone, chain: a}}]\nchains:\n{chains}") == []


SOUND = "entry: [{from: users, chain: a}]\n"
# … is a sound entry, and ⏎ a new line.
MISTAKES = r"""
# nothing
    d.yaml:1:1: found no keys, expected a dialplan with entry and chains
chains: {a: [echo]}
    d.yaml:1:1: the key 'entry' is missing
entry: []⏎chains: {a: [echo]}
    d.yaml:1:8: found nothing, expected at least one
entry: [{from: anyone, chain: a}]
    d.yaml:1:1: the key 'chains' is missing
entry: [{from: anyone, chain: a}]⏎chains: {a: []}
    d.yaml:2:13: found nothing, expected at least one
entry: [{from: anyone, chain: b}]⏎chains: {a: [echo]}
    d.yaml:1:31: there is no chain 'b'
entry: [{from: user, chain: a}]⏎chains: {a: [echo]}
    d.yaml:1:16: found 'user', expected users, anyone
entry: [{from: carrier, chain: a}]⏎chains: {a: [echo]}
    (did you mean trunk/carrier?)
entry: [{from: trunk/carier, chain: a}]⏎chains: {a: [echo]}
    there is no trunk 'carier'
entry: [{from: anyone, chain: a}, {from: users, chain: a}]⏎chains: {a: [echo]}
    d.yaml:1:42: this entry is never reached: anyone at d.yaml:1:9 takes its calls
entry: [{form: users, chain: a}]⏎chains: {a: [echo]}
    d.yaml:1:10: unknown key 'form' (did you mean from?)
…chains: {a: [roting: []]}
    found 'roting', which is no handler (did you mean routing?)
…chains: {a: [voicemail: x]}
    d.yaml:2:14: voicemail is not available yet
…chains: {a: [7]}
    d.yaml:2:14: expected a handler, for example: reject: 403
…chains: {a: [routing: x]}
    found 'x', expected a list
…chains: {a: [set: {}]}
    set sets nothing
…chains: {a: [set: {variables: {to: x}}, echo]}
    found the name 'to', expected one such as
…chains: {a: [echo]}⏎menus: {}
    d.yaml:3:1: menus is not available yet
…chains: {a: [echo]}⏎timezon: UTC
    d.yaml:3:1: unknown key 'timezon' (did you mean timezone?)
…chains: {a: [echo]}⏎timezone: Europe/Amsterdm
    (did you mean Europe/Amsterdam?)
…chains: {a: [echo]}⏎timezone: ../../etc/passwd
    there is no time zone
"""


@pytest.mark.parametrize(("text", "problem"), pairs(MISTAKES))
def test_mistakes(text: str, problem: str) -> None:
    found = problems(text.replace("…", SOUND).replace("⏎", "\n"))
    assert any(problem in line for line in found), found


def test_a_call_is_picklable_and_so_are_decisions() -> None:
    asked = call("1", variables={"a": "b"})
    assert pickle.loads(pickle.dumps(asked)) == asked
    dial = Dial("user/1001", on={"busy": Reject(600)})
    assert pickle.loads(pickle.dumps(dial)) == dial


def test_decisions_that_differ_in_reason_only_are_equal() -> None:
    assert Reject(403, "one") == Reject(403, "other")
    assert Reject(403) != Reject(404)
    assert Continue("no") == Continue()


def test_every_handler_is_found_and_none_is_announced_that_is_there() -> None:
    assert set(registry()) == {
        *("agent", "allowlist", "blacklist", "conference", "dial", "echo", "forward", "goto", "hangup"),
        *("hours", "http", "include", "limit", "menu", "play", "queue", "record", "redirect", "reject"),
        *("routing", "set"),
    }
    assert not NOT_YET & set(registry())


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+31 (20) 123-45", "+312012345"),
        ("020-123 45 67", "0201234567"),
        ("100-1", "100-1"),
        ("1001", "1001"),
        ("alice.b-c", "alice.b-c"),
        ("", ""),
        ("*98", "*98"),
    ],
)
def test_numbers_are_normalised(written: str, number: str) -> None:
    assert normalised(written) == number
