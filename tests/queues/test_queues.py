"""What queues do, one thing after the other."""

from collections.abc import Callable

import pytest

from pbx.errors import MisuseError, OperatorError
from pbx.queues import (
    AgentSettings,
    Announce,
    Handled,
    Joined,
    Member,
    Offer,
    Output,
    Overflow,
    Prompt,
    QueueOutcome,
    Queues,
    QueueSettings,
    Served,
    StrategyFailed,
    Tally,
    WithdrawOffer,
    plugin_strategy,
)
from pbx.queues.statistics import Interval, Statistics


def queue(*members: Member | str, name: str = "q", **settings: object) -> QueueSettings:
    made = tuple(each if isinstance(each, Member) else Member(each) for each in members)
    return QueueSettings(name, made, **settings)  # type: ignore[arg-type]


def floor(*queues: QueueSettings, **more: object) -> Queues:
    return Queues(queues, lambda most: most - 1, **more)  # type: ignore[arg-type]


def offers(outputs: list[Output]) -> list[tuple[str, str]]:
    return [(each.caller, each.agent) for each in outputs if isinstance(each, Offer)]


def number(outputs: list[Output], agent: str = "") -> int:
    return next(each.number for each in outputs if isinstance(each, Offer) and agent in ("", each.agent))


def withdrawn(outputs: list[Output]) -> list[tuple[str, str]]:
    return [(each.agent, each.why) for each in outputs if isinstance(each, WithdrawOffer)]


def serve(queues: Queues, caller: str, now: float, **joining: object) -> str:
    """A caller joins and is served at once; by whom."""
    outputs = queues.join(caller, "q", now, **joining)  # type: ignore[arg-type]
    (served,) = [each for each in queues.connected(number(outputs), now) if isinstance(each, Served)]
    return served.agent


class TestOffers:
    def test_logging_out_ends_the_ringing(self) -> None:
        queues = floor(queue("a", "b"))
        ringing = queues.join("c", "q", 0.0)
        assert offers(ringing) == [("c", "a")]
        outputs = queues.log_out("a", 1.0)
        assert withdrawn(outputs) == [("a", "agent-left")]
        assert offers(outputs) == [("c", "b")]
        assert queues.agent("a").state == "offline"

    def test_a_break_ends_the_ringing(self) -> None:
        queues = floor(queue("a", "b"))
        queues.join("c", "q", 0.0)
        assert withdrawn(queues.pause("a", 1.0, "lunch")) == [("a", "agent-left")]
        assert queues.agent("a").paused == "lunch"

    def test_another_call_ends_the_ringing(self) -> None:
        queues = floor(queue("a", "b"))
        queues.join("c", "q", 0.0)
        outputs = queues.agent_busy("a", "private", 1.0)
        assert withdrawn(outputs) == [("a", "agent-busy")]
        assert offers(outputs) == [("c", "b")]

    def test_who_becomes_free_joins_the_ringing_of_all(self) -> None:
        queues = floor(queue("a", "b", strategy="ring-all"))
        queues.agent_busy("b", "private", 0.0)
        assert offers(queues.join("c", "q", 1.0)) == [("c", "a")]
        assert offers(queues.agent_free("b", "private", 2.0)) == [("c", "b")]

    def test_who_has_a_higher_penalty_does_not_join_the_ringing(self) -> None:
        queues = floor(queue("a", Member("b", penalty=1), strategy="ring-all"))
        queues.agent_busy("b", "private", 0.0)
        queues.join("c", "q", 1.0)
        assert offers(queues.agent_free("b", "private", 2.0)) == []

    def test_one_picks_up_and_the_others_stop_ringing(self) -> None:
        queues = floor(queue("a", "b", "c", strategy="ring-all"))
        ringing = queues.join("caller", "q", 0.0)
        assert len(offers(ringing)) == 3
        outputs = queues.picked_up(number(ringing, "b"), 3.0)
        assert withdrawn(outputs) == [("a", "taken"), ("c", "taken")]
        assert [each.state for each in queues.agents()] == ["available", "offered", "available"]
        assert queues.connected(number(ringing, "a"), 3.5) == [], "too late"
        (served,) = queues.connected(number(ringing, "b"), 4.0)
        assert served == Served("caller", "b", "q", 4.0)

    def test_a_phone_in_use_is_nobodys_fault(self) -> None:
        queues = floor(queue("a", max_no_answer=1))
        outputs = queues.failed(number(queues.join("c", "q", 0.0)), "busy", 1.0)
        assert outputs == []
        assert (queues.agent("a").state, queues.agent("a").no_answers) == ("resting", 0)

    def test_after_so_many_failures_a_break_until_somebody_ends_it(self) -> None:
        queues = floor(queue("a", max_no_answer=2, retry_s=5.0))
        queues.failed(number(queues.join("c", "q", 0.0)), "no-answer", 1.0)
        again = queues.handle_timer(6.0)
        queues.failed(number(again), "refused", 7.0)
        assert queues.agent("a").state == "paused"
        assert offers(queues.unpause("a", 8.0)) == [], "a rest is a rest"
        assert offers(queues.handle_timer(12.0)) == [("c", "a")]

    def test_a_phone_that_is_gone_is_not_rung(self) -> None:
        queues = floor(
            queue("a"), queue("a", name="lenient", leave_when=frozenset(), refuse_when=frozenset())
        )
        queues.reach("a", False, 0.0)
        assert queues.agent("a").state == "offline"
        assert queues.join("c", "q", 1.0) == [Overflow("c", "q", "unavailable", 0.0)]
        queues.join("d", "lenient", 1.0)
        assert offers(queues.reach("a", True, 2.0)) == [("d", "a")]

    def test_an_agent_may_log_out_without_a_phone(self) -> None:
        queues = floor(queue("a"))
        queues.reach("a", False, 0.0)
        queues.log_out("a", 1.0)
        queues.reach("a", True, 2.0)
        assert queues.agent("a").state == "offline"

    def test_the_caller_is_not_offered_to_itself(self) -> None:
        queues = floor(queue("a", "b"))
        assert offers(queues.join("c", "q", 0.0, user="a")) == [("c", "b")]

    def test_the_heavier_queue_first(self) -> None:
        queues = floor(queue("a", name="light"), queue("a", name="heavy", weight=1))
        queues.agent_busy("a", "private", 0.0)
        queues.join("first", "light", 1.0)
        queues.join("second", "heavy", 2.0)
        assert offers(queues.agent_free("a", "private", 3.0)) == [("second", "a")]

    def test_assigning(self) -> None:
        queues = floor(queue("a"), queue("b", name="other"))
        queues.agent_busy("a", "private", 0.0)
        queues.join("c", "q", 0.0)
        assert offers(queues.assign("c", "b", 1.0)) == [("c", "b")]
        for caller, agent in (("nobody", "b"), ("c", "a"), ("c", "nobody")):
            with pytest.raises(OperatorError):
                queues.assign(caller, agent, 2.0)


class TestOrder:
    def test_priority_ages(self) -> None:
        queues = floor(queue("a", ageing_s=60.0))
        queues.agent_busy("a", "private", 0.0)
        queues.join("old", "q", 0.0)
        queues.join("early", "q", 30.0, priority=1)
        queues.join("late", "q", 70.0, priority=1)
        assert [each.caller for each in queues.callers("q")] == ["early", "old", "late"]
        assert [each.position for each in queues.callers("q")] == [1, 2, 3]

    def test_priority_that_does_not_age(self) -> None:
        queues = floor(queue("a", ageing_s=None))
        queues.agent_busy("a", "private", 0.0)
        queues.join("old", "q", 0.0)
        queues.join("late", "q", 9999.0, priority=1)
        assert [each.caller for each in queues.callers("q")] == ["late", "old"]

    def test_who_is_refused_by_an_agent_keeps_the_place(self) -> None:
        queues = floor(queue("a"))
        ringing = queues.join("first", "q", 0.0)
        queues.join("second", "q", 1.0)
        queues.failed(number(ringing), "refused", 2.0)
        assert [each.caller for each in queues.callers("q")] == ["first", "second"]

    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            ("longest-idle", ["a", "b", "c", "a", "b"]),
            ("round-robin", ["a", "b", "c", "a", "b"]),
            ("in-order", ["a", "a", "a", "a", "a"]),
            ("fewest-calls", ["a", "b", "c", "a", "b"]),
            ("random", ["c", "c", "c", "c", "c"]),
        ],
    )
    def test_strategies(self, strategy: str, expected: list[str]) -> None:
        queues = floor(queue("a", "b", "c", strategy=strategy))
        served = []
        for turn in range(5):
            served.append(serve(queues, f"c{turn}", float(turn)))
            queues.agent_free(served[-1], f"c{turn}", turn + 0.5)
        assert served == expected

    def test_round_robin_goes_round_within_every_penalty(self) -> None:
        members = (Member("easy"), *(Member(name, 1, {"dutch": 50}) for name in "abc"))
        queues = floor(queue(*members, strategy="round-robin"))
        served = []
        for turn in range(4):
            served.append(serve(queues, f"c{turn}", float(turn), needs={"dutch": 10}))
            queues.agent_free(served[-1], f"c{turn}", turn + 0.5)
        assert served == ["a", "b", "c", "a"]

    def test_the_most_skilled(self) -> None:
        members = (Member("a", 0, {"dutch": 40}), Member("b", 0, {"dutch": 90}), Member("c"))
        queues = floor(queue(*members, strategy="skills"))
        assert serve(queues, "c1", 0.0, needs={"dutch": 30}) == "b"
        assert serve(queues, "c2", 0.0, needs={"dutch": 30}) == "a"
        assert offers(queues.join("c3", "q", 0.0, needs={"dutch": 30})) == []

    def test_skills_are_not_asked_for_for_ever(self) -> None:
        queues = floor(queue("a", needs={"dutch": 30}, relax_needs_after_s=60.0))
        assert offers(queues.join("c", "q", 0.0)) == []
        assert offers(queues.handle_timer(60.0)) == [("c", "a")]

    def test_the_same_agent_as_before(self) -> None:
        queues = floor(queue("a", "b", strategy="sticky"))
        assert serve(queues, "c1", 0.0, number="+31") == "a"
        queues.agent_free("a", "c1", 5.0)
        assert serve(queues, "c2", 6.0, number="+31") == "a"
        assert serve(queues, "c3", 6.0, number="+31") == "b"

    @pytest.mark.parametrize("said", [None, "nobody", [], 7, RuntimeError("out of order")])
    def test_a_plugin_that_fails_costs_nobody_anything(self, said: object) -> None:
        def choose(*_: object) -> object:
            if isinstance(said, Exception):
                raise said
            return said

        strategy = plugin_strategy("odd", choose)  # type: ignore[arg-type]
        queues = floor(queue("a", strategy="odd"), strategies={"odd": strategy})
        outputs = queues.join("c", "q", 0.0)
        assert any(isinstance(each, StrategyFailed) for each in outputs)
        assert offers(outputs) == [("c", "a")]
        assert queues.statistics("q").fallbacks == 1

    def test_an_unknown_strategy(self) -> None:
        with pytest.raises(MisuseError):
            floor(queue("a", strategy="odd"))


class TestLeaving:
    def test_a_thousand_in_a_second_into_a_queue_of_twenty(self) -> None:
        queues = floor(queue("a", capacity=20, max_wait_s=60.0))
        queues.agent_busy("a", "private", 0.0)
        outputs = [each for turn in range(1000) for each in queues.join(f"c{turn}", "q", turn / 1000)]
        assert sum(isinstance(each, Joined) for each in outputs) == 20
        full = [each for each in outputs if isinstance(each, Overflow)]
        assert {each.outcome for each in full} == {"full"}
        assert len(full) == 980
        gone = queues.handle_timer(61.0)
        assert [each.caller for each in gone if isinstance(each, Overflow)] == [
            f"c{turn}" for turn in range(20)
        ]
        tally = queues.statistics("q")
        assert (tally.joined, tally.refused, tally.overflowed) == (20, {"full": 980}, {"timeout": 20})
        assert queues.callers() == ()

    def test_conditions(self) -> None:
        queues = floor(queue("a", leave_when=frozenset({"all-paused", "no-agents", "closed"})))
        queues.agent_busy("a", "private", 0.0)
        acts: list[tuple[Callable[[], list[Output]], QueueOutcome]] = [
            (lambda: queues.pause("a", 1.0), "unavailable"),
            (lambda: queues.close("q", 1.0), "closed"),
            (lambda: queues.log_out("a", 1.0), "unavailable"),
        ]
        for act, outcome in acts:
            queues.open("q", 0.5)
            queues.log_in("a", 0.5)
            queues.unpause("a", 0.5)
            queues.join("c", "q", 0.5)
            assert Overflow("c", "q", outcome, 0.5) in act()

    def test_a_queue_that_is_gone(self) -> None:
        queues = floor(queue("a"), queue("b", name="other"))
        queues.agent_busy("a", "private", 0.0)
        queues.join("c", "q", 0.0)
        assert queues.configure([queue("b", name="other")], 1.0) == [Overflow("c", "q", "unavailable", 1.0)]
        assert [each.agent for each in queues.agents()] == ["b"]

    def test_a_key(self) -> None:
        queues = floor(queue("a", exit_digit="9"))
        queues.agent_busy("a", "private", 0.0)
        queues.join("c", "q", 0.0)
        assert queues.digit("c", "1", 1.0) == []
        assert queues.digit("c", "9", 1.0) == [Overflow("c", "q", "left", 1.0)]


class TestTold:
    def test_positions_and_waits(self) -> None:
        queues = floor(queue("a", announce_every_s=30.0, announce_first_s=10.0, wrap_up_s=10.0))
        for turn in range(5):
            serve(queues, f"c{turn}", 100.0 * turn)
            queues.agent_free("a", f"c{turn}", 100.0 * turn + 50)
            queues.handle_timer(100.0 * turn + 60)
        queues.agent_busy("a", "private", 1000.0)
        queues.join("x", "q", 1000.0)
        queues.join("y", "q", 1000.0)
        assert queues.handle_timer(1010.0) == [Announce("x", "q", 1, 60.0), Announce("y", "q", 2, 120.0)]
        assert queues.next_deadline() == 1040.0
        queues.hang_up("x", 1020.0)
        assert queues.handle_timer(1040.0) == [Announce("y", "q", 1, 60.0)]

    def test_nobody_knows_the_wait_before_there_was_one(self) -> None:
        queues = floor(queue("a", announce_every_s=30.0, announce_first_s=10.0, announce_position=False))
        queues.agent_busy("a", "private", 0.0)
        queues.join("x", "q", 0.0)
        assert queues.handle_timer(10.0) == []

    def test_prompts_in_turn_and_none_is_made_up_for(self) -> None:
        queues = floor(queue("a", prompts=("one", "two"), prompt_every_s=20.0))
        queues.agent_busy("a", "private", 0.0)
        queues.join("x", "q", 0.0)
        assert queues.handle_timer(20.0) == [Prompt("x", "q", "one")]
        assert queues.handle_timer(105.0) == [Prompt("x", "q", "two")]
        assert queues.next_deadline() == 120.0


class TestKept:
    def test_what_outlives_the_process(self) -> None:
        settings = queue("a", "b", "c")
        queues = floor(settings)
        serve(queues, "c1", 10.0)
        queues.join("c2", "q", 20.0)
        queues.pause("b", 21.0, "lunch")
        queues.log_out("c", 21.0)
        queues.close("q", 22.0)
        kept = queues.snapshot()
        after = floor(settings, now=1000.0)
        after.restore(kept, 1000.0)
        assert [(each.agent, each.state) for each in after.agents()] == [
            ("a", "available"),
            ("b", "paused"),
            ("c", "offline"),
        ], "nobody is busy who has no call"
        assert after.callers() == ()
        assert after.is_closed("q")
        assert after.statistics("q") == queues.statistics("q")
        assert after.intervals("q") == queues.intervals("q")
        assert after.agent("a").answered == 1
        assert after.snapshot() == kept

    def test_changes_are_told_once(self) -> None:
        queues = floor(queue("a", "b"))
        assert queues.changes().agents == ()
        queues.log_out("b", 1.0)
        assert [each.agent for each in queues.changes().agents] == ["b"]
        assert queues.changes().agents == ()

    def test_names_that_are_gone_are_left_out(self) -> None:
        queues = floor(queue("a"))
        kept = queues.snapshot()
        after = floor(queue("b", name="other"))
        after.restore(kept, 0.0)
        assert [each.agent for each in after.agents()] == ["b"]


class TestCounting:
    def test_what_a_tally_comes_to(self) -> None:
        statistics = Statistics()
        for _ in range(4):
            statistics.join(0.0)
        statistics.answer(5.0, 5.0, in_time=True)
        statistics.answer(25.0, 25.0, in_time=False)
        statistics.abandon(7.0, 7.0)
        statistics.overflow("timeout", 30.0)
        statistics.handle(60.0, 10.0, 85.0)
        total = statistics.total
        assert (total.mean_wait_s, total.longest_wait_s, total.mean_handle_s) == (15.0, 25.0, 60.0)
        assert (total.mean_patience_s, total.service_level) == (7.0, 0.25)

    def test_what_was_not_measured_is_none(self) -> None:
        tally = Tally()
        assert (tally.mean_wait_s, tally.mean_handle_s, tally.mean_patience_s, tally.service_level) == (
            None,
        ) * 4

    def test_quarters_of_an_hour(self) -> None:
        statistics = Statistics(aligned_at=100.0)
        statistics.join(999.0)
        statistics.join(1000.0)
        statistics.join(1500.0)
        statistics.join(10_000.0)
        assert statistics.intervals() == (
            Interval(100.0, Tally(joined=1)),
            Interval(1000.0, Tally(joined=2)),
            Interval(10_000.0, Tally(joined=1)),
        )
        assert statistics.intervals(1) == (Interval(10_000.0, Tally(joined=1)),)

    def test_handle_time_is_talk_and_the_wait_counts_wrap_up_too(self) -> None:
        queues = floor(queue("a", wrap_up_s=30.0), agents={"a": AgentSettings(wrap_up_s=10.0)})
        serve(queues, "c", 0.0)
        assert queues.agent_free("a", "c", 60.0) == [Handled("c", "a", "q", 60.0)]
        assert queues.agent("a").state == "wrap-up"
        queues.ready("a", 61.0)
        assert queues.agent("a").state == "available"
