"""Generations in service: a load is all or nothing, and running calls keep what they began with."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from pbx.dialplan.generation import Generation, decide_now
from pbx.dialplan.scope import KnownNames
from pbx.errors import DocumentError, OperatorError
from pbx.metrics.metrics import Metrics
from pbx.service.generations import REFUSALS, Change, Generations, Loader
from pbx.sip.message import Request
from pbx.store.generations import GenerationStore
from tests.service.house import House
from tests.service.phone import Dialogue, Phone

T = TypeVar("T")

KNOWN = KnownNames(frozenset({"1001", "1002", "1003"}), frozenset({"carrier"}))
DIALPLAN = """
timezone: UTC
lists: {blocked: [{file: blocked.txt}]}
entry: [{from: trunk, chain: inbound}, {from: users, chain: inbound}]
chains:
  inbound:
    - blacklist: {list: blocked, reject: 603}
    - routing:
        - {to: "600", echo: {}}
        - {to: "601", reject: CODE}
        - {to: "602", dial: user/1003, ring: 30s, on: {busy: {reject: CODE}}}
tests:
  - {name: echo, call: {from: "+31612345678", to: "600", via: trunk/carrier}, expect: {echo: {}}}
"""
# Three ways of being wrong: the form, a name, and a test of its own that fails.
MISTAKES = (("echo:", "ehco:"), ("user/1003", "user/1009"), ("expect: {echo", "expect: {answer"))


class FakePlugins:
    def __init__(self) -> None:
        self.started: list[int] = []
        self.retired: list[int] = []
        self.broken = False

    async def start(self, generation: Generation) -> None:
        if self.broken:
            raise OperatorError("the plugin vip did not start", "it raised")
        self.started.append(generation.number)

    def retire(self, generation: Generation) -> None:
        self.retired.append(generation.number)


class Site:
    """A directory with a dialplan, and the service's generations of it."""

    def __init__(self, directory: Path, *, max_calls: int = 100, max_transactions: int = 10_000) -> None:
        self.plan = directory / "dialplan.yaml"
        self.state = directory / "state"
        self.clock = Clock()
        if not self.plan.exists():
            self.write(486)
            (directory / "blocked.txt").write_text("+1900*\n")
        self.plugins = FakePlugins()
        self.held: list[Deferred[None]] | None = None
        self.generations = Generations(
            Loader(self.plan, lambda: KNOWN), GenerationStore(self.state), self.clock.seconds
        )
        self.house = House(max_calls=max_calls, max_transactions=max_transactions)
        self.house.router.generation = self.generations.first
        self.generations.begin(self.house.router, self.plugins, self.in_thread)

    async def in_thread(self, function: Callable[[], T]) -> T:
        if self.held is not None:
            gate: Deferred[None] = Deferred()
            self.held.append(gate)
            await gate
        return function()

    def write(self, code: int, mistake: tuple[str, str] = ("", "")) -> None:
        self.plan.write_text(DIALPLAN.replace("CODE", str(code)).replace(*mistake))

    def reload(self) -> Change:
        return decide_now(self.generations.reload())

    def rollback(self, number: int | None = None) -> Change:
        return decide_now(self.generations.rollback(number))

    @property
    def live(self) -> int:
        return self.house.router.generation.number


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def carrier(site: Site) -> Phone:
    return Phone(site.house, "carrier", "198.51.100.7")


def refused_with(phone: Phone, to: str) -> int:
    call = phone.invite(to)
    status = phone.responses()[-1]
    call.acknowledge_refusal()
    return status


class TestReload:
    def test_a_new_dialplan_is_the_next_generation(self, site: Site) -> None:
        phone = carrier(site)
        assert (site.live, refused_with(phone, "601")) == (1, 486)
        site.write(480)
        assert site.reload().number == 2
        assert (site.live, refused_with(phone, "601")) == (2, 480)
        assert (site.plugins.started, site.plugins.retired) == ([2], [1])
        assert [each[1] for each in site.house.ended] == [1, 2]

    def test_without_a_change_nothing_happens(self, site: Site) -> None:
        change = site.reload()
        assert (change.number, change.changed) == (1, False)
        assert site.plugins.started == []

    def test_a_list_file_is_a_change_too(self, site: Site) -> None:
        (site.plan.parent / "blocked.txt").write_text("+1900*\n+1976*\n")
        assert site.reload().changed

    @pytest.mark.parametrize("mistake", MISTAKES)
    def test_a_bad_one_changes_nothing_and_says_where(self, site: Site, mistake: tuple[str, str]) -> None:
        before = site.house.router.generation
        site.write(480, mistake)
        with pytest.raises(DocumentError) as error:
            site.reload()
        assert all(problem.place.file == str(site.plan) for problem in error.value.problems)
        assert site.house.router.generation is before
        assert [each.number for each in site.generations.kept] == [1]
        assert [each.error for each in site.generations.refusals] == [error.value]

    def test_a_file_that_is_gone_changes_nothing(self, site: Site) -> None:
        site.plan.unlink()
        with pytest.raises(OperatorError, match="there is no such file"):
            site.reload()
        assert site.live == 1

    def test_a_plugin_that_does_not_start_changes_nothing(self, site: Site) -> None:
        site.write(480)
        site.plugins.broken = True
        with pytest.raises(OperatorError, match="did not start"):
            site.reload()
        assert (site.live, site.plugins.retired) == (1, [])
        site.plugins.broken = False
        assert site.reload().number == 2
        assert site.generations.results == {"plugin": 1, "live": 1}

    def test_only_the_last_refusals_are_remembered(self, site: Site) -> None:
        site.write(480, MISTAKES[0])
        for _ in range(REFUSALS + 3):
            with pytest.raises(DocumentError):
                site.reload()
        assert len(site.generations.refusals) == REFUSALS

    def test_loads_come_one_after_the_other(self, site: Site) -> None:
        site.held = []
        site.write(480)
        first = Deferred.fromCoroutine(site.generations.reload())
        second = Deferred.fromCoroutine(site.generations.reload())
        assert len(site.held) == 1
        site.held[0].callback(None)
        assert first.called
        assert not second.called
        site.held[1].callback(None)
        found: list[Change] = []
        second.addCallback(found.append)
        assert [change.changed for change in found] == [False]

    def test_results_and_the_number_are_metrics(self, site: Site) -> None:
        metrics = Metrics()
        site.generations.observe(metrics)
        site.write(480)
        site.reload()
        site.write(480, MISTAKES[0])
        with pytest.raises(DocumentError):
            site.reload()
        site.rollback()
        page = metrics.render()[0].decode()
        for line in (
            "pbx_generation_number 1.0",
            "pbx_generations_in_use 1.0",
            'pbx_generation_reloads_total{cause="live"} 1.0',
            'pbx_generation_reloads_total{cause="invalid"} 1.0',
            'pbx_generation_reloads_total{cause="rolled-back"} 1.0',
        ):
            assert line in page


class TestRollback:
    def test_it_works_when_every_file_was_overwritten(self, site: Site) -> None:
        site.write(480)
        site.reload()
        site.plan.write_text("nonsense")
        (site.plan.parent / "blocked.txt").unlink()
        change = site.rollback()
        assert (change.number, site.live, refused_with(carrier(site), "601")) == (1, 1, 486)
        assert "was not touched" in change.message
        assert site.plan.read_text() == "nonsense"

    def test_after_a_restart_the_list_and_the_numbers_go_on(self, site: Site) -> None:
        for code in (480, 404):
            site.write(code)
            site.reload()
        again = Site(site.plan.parent)
        assert again.live == 3
        assert [each.number for each in again.generations.kept] == [1, 2, 3]
        assert again.rollback(1).number == 1
        assert refused_with(carrier(again), "601") == 486
        again.write(410)
        assert again.reload().number == 4

    def test_what_is_not_kept_or_live_already(self, site: Site) -> None:
        with pytest.raises(OperatorError, match="generation 7 is not kept: those that are: 1"):
            site.rollback(7)
        with pytest.raises(OperatorError, match="no generation before the live one"):
            site.rollback()
        assert not site.rollback(1).changed
        assert site.generations.results == {"not-kept": 2}

    def test_a_state_that_cannot_be_written_is_a_warning(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file in the way")
        site = Site(tmp_path)
        site.write(480)
        change = site.reload()
        assert (site.live, change.changed) == (2, True)
        assert "cannot be rolled back to" in change.warning


SECONDS = 60
CALLS_A_SECOND = 50
TALK_S = 3.5
RING_S = 2.5


def test_a_minute_of_reloads_under_calls(tmp_path: Path) -> None:
    """50 calls a second, a reload every second, one in five invalid: nobody notices but new calls."""
    site = Site(tmp_path, max_calls=1000, max_transactions=100_000)
    house = site.house
    busy = Phone(house, "1003", "192.0.2.13")
    busy.register()
    callers = Phone(house, "carrier", "198.51.100.7")
    started = house.now
    talking: list[tuple[float, Dialogue]] = []
    ringing: list[tuple[float, int, Dialogue, Request]] = []
    echoes = invalid = kept = 0
    live_code = 486
    for second in range(SECONDS):
        wrong = second % 5 == 4
        before = house.router.generation
        site.write(450 + second, MISTAKES[second % 3] if wrong else ("", ""))
        if wrong:
            with pytest.raises(DocumentError):
                site.reload()
            assert house.router.generation is before
            invalid += 1
        else:
            site.reload()
            live_code = 450 + second
        for number in range(CALLS_A_SECOND):
            moment = started + second + (number + 1) / CALLS_A_SECOND
            house.advance_to(moment)
            callers.heard.clear()
            if number == 0:
                # Rings until generations have come and gone, and follows what its own one says of busy.
                call = callers.invite("602")
                invite = busy.requests("INVITE")[-1]
                busy.answer(invite, 180)
                ringing.append((moment + RING_S, live_code, call, invite))
            elif number == 1:
                assert refused_with(callers, "601") == live_code
            else:
                call = callers.invite("600")
                assert callers.response().status == 200
                call.ack()
                talking.append((moment + TALK_S, call))
                echoes += 1
            while talking and talking[0][0] <= moment:
                talking.pop(0)[1].bye()
                assert callers.response("BYE").status == 200
            while ringing and ringing[0][0] <= moment:
                _, wanted, call, invite = ringing.pop(0)
                callers.heard.clear()
                busy.answer(invite, 486)
                assert callers.responses("INVITE") == [wanted]
                assert wanted != live_code
                call.acknowledge_refusal()
                kept += 1
        busy.heard.clear()
    assert (invalid, echoes) == (SECONDS // 5, SECONDS * (CALLS_A_SECOND - 2))
    assert kept == SECONDS - 2
    assert site.live == 1 + SECONDS - invalid
    assert len(site.generations.kept) == 20
    # Those that talk at the end began in the last 3.5 s, and the very last reload was a bad one.
    assert len(house.switch.calls) > CALLS_A_SECOND * 2
    assert sorted(site.generations.calls) == [site.live - 2, site.live - 1, site.live]
