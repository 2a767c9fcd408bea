"""Deciding again: recorded calls and a shadowing candidate, on what was true then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.task import Clock

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.live import Facts
from pbx.dialplan.recorded import recorded
from pbx.documents import loads
from pbx.errors import DocumentError
from pbx.metrics.metrics import Metrics
from pbx.service.redeciding import ENDS, Redecider, Step, Unknown, steps_from, steps_of
from pbx.service.shadow import KEPT, MAX_WAITING, PAUSE_S, SLICE, Shadowing
from pbx.store.calls import routing_of
from pbx.store.entries import Decided
from tests.dialplan.calls import KNOWN, call, rules
from tests.dialplan.plugin_files import deciding
from tests.service.house import DIALPLAN, House
from tests.service.phone import Phone

T = TypeVar("T")

BUSY = '{to: "1XXX", dial: user, ring: 20s, on: {busy: {dial: user/1003}, no-answer: {reject: 480}}}'
ECHO = '{to: "600", echo: {}}'


def decided(live: Generation, to: str, *outcomes: str, facts: Facts | None = None) -> list[Decided]:
    """What a service would have noted."""
    verdict = decide_now(live.decide(call(to), facts=facts))
    found = [Decided(verdict)]
    for outcome in outcomes:
        following = decide_now(live.after(verdict, outcome))  # type: ignore[arg-type]  # an outcome as text
        found.append(Decided(following, outcome))
        if following is None:
            break
        verdict = following
    return found


def by_record(made: list[Decided]) -> list[Step]:
    """By the store: what was written is read back as JSON."""
    return steps_from(json.loads(json.dumps(routing_of(made, recorded))))


WAYS: list[Callable[[list[Decided]], list[Step]]] = [steps_of, by_record]


@pytest.mark.parametrize("way", WAYS, ids=["live", "recorded"])
class TestComparing:
    @pytest.mark.parametrize("outcomes", [(), ("busy",), ("no-answer",), ("failed",), ("busy", "busy")])
    def test_the_same_dialplan_decides_the_same(self, way: Any, outcomes: tuple[str, ...]) -> None:
        live = rules(BUSY, ECHO)
        steps = way(decided(live, "1002", *outcomes))
        assert Redecider(rules(BUSY, ECHO)).compare(steps) is None

    def test_the_first_step_that_differs_is_told(self, way: Any) -> None:
        steps = way(decided(rules(BUSY), "1002", "busy"))
        found = Redecider(rules(BUSY.replace("user/1003", "user/1001"))).compare(steps)
        assert found is not None
        assert (found.index, found.outcome) == (1, "busy")
        assert (found.was, found.would_be) == ("dial user/1003", "dial user/1001")
        found = Redecider(rules(BUSY.replace("20s", "30s"))).compare(steps)
        assert found is not None
        assert (found.index, found.was, found.would_be) == (
            0, "dial user/1002 for 20 s", "dial user/1002 for 30 s",
        )  # fmt: skip

    def test_an_outcome_that_one_of_them_does_not_follow(self, way: Any) -> None:
        without = BUSY.replace("busy: {dial: user/1003}, ", "")
        found = Redecider(rules(without)).compare(way(decided(rules(BUSY), "1002", "busy")))
        assert found is not None
        assert (found.was, found.would_be) == ("dial user/1003", ENDS)
        found = Redecider(rules(BUSY)).compare(way(decided(rules(without), "1002", "busy")))
        assert found is not None
        assert (found.was, found.would_be) == (ENDS, "dial user/1003")

    def test_an_outcome_that_did_not_happen_makes_no_difference(self, way: Any) -> None:
        steps = way(decided(rules(BUSY), "1002", "busy"))
        assert Redecider(rules(BUSY.replace("reject: 480", "reject: 486"))).compare(steps) is None

    def test_nothing_decided_is_unknown(self, way: Any) -> None:
        with pytest.raises(Unknown, match="nothing was decided"):
            Redecider(rules(ECHO)).compare(way([]))

    def test_a_plugin_says_what_it_said(self, way: Any, tmp_path: Path) -> None:
        body = "Path(__file__).with_name('asked').write_text('x'); return Dial('user/1002', ring=7)"
        live = deciding(tmp_path / "a", body)
        steps = way(decided(live, "1002"))
        (tmp_path / "a" / "asked").unlink()
        candidate = Redecider(live)
        assert candidate.compare(steps) is None
        assert not (tmp_path / "a" / "asked").exists()
        with pytest.raises(Unknown, match="mine: to 1003, from 1001"):
            candidate.compare(way(decided(rules('{to: "1003", reject: 486}'), "1003")))


class TestRecords:
    def test_another_version_is_unknown(self) -> None:
        routing = routing_of(decided(rules(ECHO), "600"), recorded)
        with pytest.raises(Unknown, match="version 9"):
            steps_from({**routing, "version": 9})

    @pytest.mark.parametrize(
        "damage", [{"decided": [{}]}, {"decided": [5]}, {"decided": [{"verdict": {"schema": 1}}]}]
    )
    def test_a_damaged_one_is_unknown(self, damage: dict[str, Any]) -> None:
        with pytest.raises(Unknown, match="cannot be read"):
            steps_from({"version": 1, **damage})


class Site:
    def __init__(self) -> None:
        self.house = House()
        self.clock = Clock()
        self.candidate = DIALPLAN
        self.shadowing = Shadowing(
            self._load, self.house.router, self._now, self.clock.callLater, self.clock.seconds
        )
        self.phone = Phone(self.house, "1001", "192.0.2.11")
        self.phone.register()

    def _load(self, path: Path) -> Generation:
        return compile_dialplan(loads(self.candidate, str(path)), KNOWN)

    async def _now(self, function: Callable[[], T]) -> T:
        return function()

    def begin(self, old: str = "", new: str = "") -> None:
        self.candidate = DIALPLAN.replace(old, new)
        decide_now(self.shadowing.begin(Path("new.yaml")))

    def refused(self, to: str) -> int:
        call = self.phone.invite(to)
        call.acknowledge_refusal()
        return self.phone.response().status

    def turn(self) -> None:
        self.clock.advance(PAUSE_S)
        while self.shadowing._waiting:
            self.clock.advance(PAUSE_S)


@pytest.fixture
def site() -> Site:
    return Site()


class TestShadow:
    def test_differences_are_counted_and_kept_and_no_call_notices(self, site: Site) -> None:
        site.begin("reject: 486", "reject: 480")
        assert site.refused("601") == 486
        assert site.refused("603") == 302
        assert site.shadowing.counts == {}
        site.turn()
        assert site.shadowing.counts == {"different": 1, "same": 1}
        found = site.shadowing.differences[0]
        assert (found.caller, found.called, found.was, found.would_be) == (
            "1001", "601", "reject 486", "reject 480",
        )  # fmt: skip
        metrics = Metrics()
        site.shadowing.observe(metrics)
        assert 'pbx_shadow_decisions_total{cause="different"} 1.0' in metrics.render()[0].decode()

    def test_what_follows_an_outcome_is_compared_once(self, site: Site) -> None:
        # 1003 has no phone, so the dial ends as unavailable; its own first step is the same.
        site.begin("{unavailable: {dial: user/1002}}", "{unavailable: {reject: 404}}")
        site.phone.invite("604")
        site.turn()
        assert site.shadowing.counts["different"] == 1
        assert site.shadowing.differences[0].after == "unavailable"

    def test_when_it_is_off_nothing_is_noted(self, site: Site) -> None:
        site.begin("reject: 486", "reject: 480")
        site.refused("601")
        site.shadowing.end()
        site.refused("601")
        assert site.house.router.observer is None
        assert (site.clock.getDelayedCalls(), site.shadowing.candidate) == ([], None)

    def test_a_bad_candidate_changes_nothing(self, site: Site) -> None:
        site.begin()
        before = site.shadowing.candidate
        with pytest.raises(DocumentError):
            site.begin("echo", "ehco")
        assert site.shadowing.candidate is before

    def test_it_is_bounded(self, site: Site) -> None:
        site.begin("reject: 486", "reject: 480")
        history = decided(rules('{to: "601", reject: 486}'), "601")
        for _ in range(MAX_WAITING + 5):
            site.shadowing._decided(history)
        assert site.shadowing.counts == {"skipped": 5}
        site.clock.advance(PAUSE_S)
        assert sum(site.shadowing.counts.values()) == 5 + SLICE
        site.turn()
        assert site.shadowing.counts["different"] == MAX_WAITING
        assert len(site.shadowing.differences) == KEPT

    def test_a_fault_of_ours_reaches_no_call(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        site.begin()
        monkeypatch.setattr(site.shadowing._redecider, "compare", lambda _: 1 / 0)
        assert site.refused("601") == 486
        site.turn()
        assert site.shadowing.counts == {"error": 1}
