"""A simulated day equals, caller by caller, the same day on the blackboard; and a day takes no time."""

from math import inf
from random import Random  # noqa: TID251 -- seeded: a day can be lived again

import pytest

from pbx.queues import Member, QueueSettings
from pbx.queues.simulation import SimulatedCaller, Simulation, modelled, simulate
from tests.queues.reference import NEVER, Blackboard, Guest, Rules

STRATEGIES = ("longest-idle", "fewest-calls", "in-order", "round-robin")
DAY_S = 10 * 3600.0


def a_day(seed: int, callers: int, strategy: str) -> tuple[Rules, list[SimulatedCaller]]:
    random = Random(seed)
    skilled = seed % 2 == 1
    people = [
        (
            f"10{place:02}",
            random.choice((0, 0, 1)),
            {"dutch": random.randint(1, 100)} if skilled and random.random() < 0.7 else {},
        )
        for place in range(random.randint(4, 9))
    ]
    rules = Rules(
        strategy,
        people,
        capacity=random.choice((5, 40)),
        max_wait_s=random.choice((NEVER, 300.0)),
        wrap_up_s=random.choice((0.0, 15.0)),
        ageing_s=random.choice((NEVER, 60.0)),
        answer_s=random.choice((0.0, 4.0)),
    )
    made = modelled(random.random, callers=callers, over_s=DAY_S, handle_s=180.0, patience_s=240.0)
    return rules, [
        SimulatedCaller(
            each.name,
            each.at,
            each.handle_s,
            each.patience_s,
            random.choice((0, 0, 0, 2)),
            {"dutch": random.randint(1, 60)} if skilled and random.random() < 0.3 else {},
        )
        for each in made
    ]


def machine(rules: Rules, callers: list[SimulatedCaller]) -> Simulation:
    settings = QueueSettings(
        "q",
        tuple(Member(name, penalty, skills) for name, penalty, skills in rules.people),
        strategy=rules.strategy,
        capacity=rules.capacity,
        max_wait_s=None if rules.max_wait_s == NEVER else rules.max_wait_s,
        wrap_up_s=rules.wrap_up_s,
        ageing_s=None if rules.ageing_s == NEVER else rules.ageing_s,
    )
    return simulate(settings, callers, lambda _: 0, answer_s=rules.answer_s)


def blackboard(rules: Rules, callers: list[SimulatedCaller]) -> dict[str, tuple[str, float, str, float]]:
    guests = [
        Guest(each.name, each.at, each.handle_s, each.patience_s, each.priority, dict(each.needs), number)
        for number, each in enumerate(callers)
    ]
    return Blackboard(rules, guests).run()


def compare(rules: Rules, callers: list[SimulatedCaller]) -> Simulation:
    found = machine(rules, callers)
    expected = blackboard(rules, callers)
    assert {
        each.caller: (each.outcome, each.waited_s, each.agent, each.ended_at) for each in found.fates
    } == expected
    assert len(found.fates) == len(callers), "each has one fate"
    return found


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("seed", range(6))
def test_an_afternoon_is_the_same_on_the_blackboard(seed: int, strategy: str) -> None:
    compare(*a_day(seed, 120, strategy))


def test_a_day_of_a_thousand_callers_is_the_same_on_the_blackboard() -> None:
    found = compare(*a_day(4, 1000, "longest-idle"))
    outcomes = {each.outcome for each in found.fates}
    assert outcomes >= {"answered", "abandoned"}
    assert found.tally.answered + found.tally.abandoned <= 1000


def test_more_agents_and_fewer_go_away() -> None:
    callers = modelled(Random(1).random, callers=300, over_s=3600.0, handle_s=120.0, patience_s=60.0)
    few, many = (
        simulate(
            QueueSettings("q", tuple(Member(f"{number}") for number in range(staff))), callers, lambda _: 0
        )
        for staff in (6, 12)
    )
    assert few.tally.abandoned > many.tally.abandoned
    assert many.tally.service_level is not None
    assert few.tally.service_level is not None
    assert many.tally.service_level > few.tally.service_level


def test_who_has_patience_for_ever_is_served_in_the_end() -> None:
    callers = [SimulatedCaller(f"{number}", 0.0, 60.0, inf) for number in range(10)]
    found = simulate(QueueSettings("q", (Member("a"),)), callers, lambda _: 0)
    assert [each.caller for each in found.fates] == [f"{number}" for number in range(10)]
    assert [each.waited_s for each in found.fates] == [60.0 * number for number in range(10)]
