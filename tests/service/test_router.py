"""Decisions become plans; a call keeps the generation it began with."""

from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from pbx.call.plan import Collect, Connect, Echo, Join, Plan, PlaySounds, Refuse, Wait
from pbx.dialplan import decisions
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation, Verdict, decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.queues import QueuePlan
from pbx.documents import loads
from pbx.media.values import Sound
from pbx.service.outputs import RouteNeeded
from tests.call.media import a_sound
from tests.service.house import DIALPLAN, House
from tests.service.phone import Phone

ONE, TWO = a_sound(1), a_sound(2)


@pytest.fixture
def house() -> House:
    house = House()
    house.hold_decisions = True
    return house


@pytest.fixture
def alice(house: House) -> Phone:
    phone = Phone(house, "1001", "192.0.2.11")
    phone.register()
    return phone


def now(question: Coroutine[Any, Any, Plan]) -> Plan:
    return decide_now(question)


def asked(house: House, alice: Phone, to: str) -> RouteNeeded:
    """A call of alice's that waits to be routed."""
    alice.invite(to)
    needed = house.asked[-1]
    assert isinstance(needed, RouteNeeded)
    return needed


def route(house: House, needed: RouteNeeded) -> Plan:
    return now(house.router.route(needed.call, needed.routed, lambda: house.now))


@pytest.mark.parametrize(
    ("to", "status"),
    [("601", 486), ("603", 302), ("1003", None), ("1999", 404), ("nobody", 404)],
)
def test_decisions_as_plans(house: House, alice: Phone, to: str, status: int | None) -> None:
    plan = route(house, asked(house, alice, to))
    if status is None:
        assert isinstance(plan, Connect)
        assert (list(plan.groups), plan.nobody) == ([], 480)
    else:
        assert isinstance(plan, Refuse)
        assert plan.status == status


def test_echo(house: House, alice: Phone) -> None:
    assert isinstance(route(house, asked(house, alice, "600")), Echo)


class Decided:
    """Stands for a generation that decides what a test wants."""

    number = 1
    queues: ClassVar[Mapping[str, QueuePlan]] = {}

    def __init__(self, decision: decisions.Final) -> None:
        self._decision = decision

    async def decide(self, call: RoutedCall, *, facts: Facts, stopwatch: object) -> Verdict:
        return Verdict(self._decision, (), call, self.number)

    async def after(self, verdict: Verdict, outcome: str, **_: object) -> None:
        """Nothing follows."""


@pytest.mark.parametrize(
    ("decision", "plan"),
    [
        (decisions.Hangup(), Refuse(480)),
        (decisions.Reject(480, retry_after=30), Refuse(480, "", (("retry-after", "30"),))),
        (decisions.Queue("support"), Refuse(480)),
        (decisions.Voicemail("1001"), Refuse(501)),
    ],
)
def test_other_decisions(house: House, alice: Phone, decision: decisions.Final, plan: Refuse) -> None:
    needed = asked(house, alice, "600")
    house.router.generation = cast("Generation", Decided(decision))
    found = route(house, needed)
    assert isinstance(found, Refuse)
    assert (found.status, found.reason, tuple(found.headers)) == (
        plan.status,
        plan.reason,
        tuple(plan.headers),
    )


async def find_sound(name: str) -> Sound:
    return {"1": ONE, "2": TWO}[name]


@pytest.mark.parametrize(
    ("decision", "plan"),
    [
        (decisions.Answer(), Wait()),
        (decisions.Play(("1", "2"), times=2), PlaySounds([ONE, TWO, ONE, TWO])),
        (decisions.Play("1", early=True), PlaySounds([ONE], early=True)),
        (
            decisions.Menu("main", ("1",), 3, 4.0, 2.0, "*", barge=False, complete=frozenset({"9"})),
            Collect([ONE], 3, 4.0, 2.0, "*", frozenset({"9"}), barge=False),
        ),
        (decisions.Conference("1"), Join("1", announce=[])),
        (decisions.Conference("1", muted=True, announce=("2",)), Join("1", muted=True, announce=[TWO])),
    ],
)
def test_what_we_do_ourselves(house: House, alice: Phone, decision: decisions.Final, plan: Plan) -> None:
    needed = asked(house, alice, "600")
    house.router._find_sound = find_sound
    house.router.generation = cast("Generation", Decided(decision))
    assert route(house, needed) == plan


def test_a_hunt(house: House, alice: Phone) -> None:
    """Each target has its own ring time; those without a phone are left out with theirs."""
    registered = Phone(house, "1003", "192.0.2.13")
    registered.register()
    needed = asked(house, alice, "600")
    dial = decisions.Dial(
        ["user/1001", "user/1002", "user/1003"], ring=9, mode="in-turn", rings=(5, 6, None), stop=(486,)
    )
    house.router.generation = cast("Generation", Decided(dial))
    plan = route(house, needed)
    assert isinstance(plan, Connect)
    assert [group[0].label for group in plan.groups] == ["user/1001", "user/1003"]
    assert list(plan.rings_s) == [5, 9]
    assert plan.stop == frozenset({486})


def test_only_names_are_resolved(house: House, alice: Phone) -> None:
    resolved: list[set[str]] = []

    async def resolve(names: set[str]) -> dict[str, str]:
        resolved.append(names)
        return {"there.example": "203.0.113.8"}

    house.router._resolve = resolve
    for to in ("1003", "700"):  # a user, and a URI with an address
        assert isinstance(route(house, asked(house, alice, to)), Connect)
        assert resolved == []
    needed = asked(house, alice, "600")
    house.router.generation = cast("Generation", Decided(decisions.Dial("sip:bob@there.example")))
    plan = route(house, needed)
    assert resolved == [{"there.example"}]
    assert isinstance(plan, Connect)
    assert plan.groups[0][0].flow.remote == ("203.0.113.8", 5060)


def reloaded(house: House, dialplan: str) -> None:
    house.router.generation = compile_dialplan(loads(dialplan, "new.yaml"), None, 2, Path())


def test_a_call_keeps_its_generation(house: House, alice: Phone) -> None:
    needed = asked(house, alice, "604")
    old = house.router.generation
    route(house, needed)
    assert house.router.used(old)
    reloaded(house, DIALPLAN.replace("dial: user/1002", "reject: 603"))
    assert house.router.used(old)
    # The old one says: unavailable, so dial 1002; the new one would reject.
    following = now(house.router.follow(needed.call, "unavailable", 480, lambda: house.now))
    assert isinstance(following, Connect)
    verdict = house.router.verdict(needed.call.record.id)
    assert verdict is not None
    assert str(cast("decisions.Dial", verdict.decision).targets[0]) == "user/1002"
    house.router.forget(needed.call)
    assert house.router.verdict(needed.call.record.id) is None
    assert not house.router.used(old)
    plan = now(house.router.follow(needed.call, "unavailable", 480, lambda: house.now))
    assert isinstance(plan, Refuse)


@pytest.mark.parametrize(
    ("outcome", "status", "cause"),
    [("unavailable", 480, "unavailable"), ("unavailable", 404, "not-found"), ("busy", 486, "busy")],
)
def test_an_outcome_nobody_provided_for_ends_the_call(
    house: House, alice: Phone, outcome: Any, status: int, cause: str
) -> None:
    needed = asked(house, alice, "1003")
    route(house, needed)
    plan = now(house.router.follow(needed.call, outcome, status, lambda: house.now))
    assert plan == Refuse(status, cause=cast("Any", cause))


def test_a_call_that_ended_meanwhile_is_not_kept(house: House, alice: Phone) -> None:
    call = alice.invite("1003")
    needed = house.asked[-1]
    assert isinstance(needed, RouteNeeded)
    call.cancel()
    call.acknowledge_refusal()
    assert needed.call.state == "ended"
    route(house, replace(needed))
    house.hold_decisions = False
    house.assert_nothing_left()
