"""Queues close by their calendars, agents take breaks by theirs, and people's word holds in between."""

import pytest

from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.queue_rehearsal import rehearse
from pbx.documents import loads
from pbx.errors import DocumentError
from tests.service.house import BEGAN, House
from tests.service.phone import Phone
from tests.service.test_answering import ALICE, BOB, CAROL, calling, registered

# It is ten o'clock on a Monday.
DIALPLAN = """
timezone: UTC
entry: [{from: anyone, chain: internal}]
calendars:
  office: {open: {mon-fri: "09:00-10:02"}}
  late: {open: {mon-fri: "10:01-18:00"}}
  duty: {open: {mon-sun: "00:00-24:00"}, switch: duty}
queues:
  support: {agents: ["1002"], hours: office, music: "70", on: {closed: {reject: 486}}}
  evening: {agents: [{agent: "1003", hours: late}], music: "70"}
  switched: {agents: ["1002"], hours: duty, music: "70", on: {closed: {reject: 603}}}
chains:
  internal:
    - routing: [{to: "700", queue: support}, {to: "701", queue: evening}, {to: "702", queue: switched}]
"""
MINUTE = 60.0


@pytest.fixture
def house() -> House:
    house = House(dialplan=DIALPLAN)
    house.carry_out(())
    return house


@pytest.fixture
def alice(house: House) -> Phone:
    return registered(house, "1001", 11, ALICE)


def paused(house: House) -> str:
    return house.desk.queues.agent("1003").paused


def test_who_waits_when_the_hours_end_has_to_leave(house: House, alice: Phone) -> None:
    registered(house, "1002", 12, BOB)
    call = calling(alice, "700")
    assert not house.desk.queues.is_closed("support")
    house.advance(MINUTE)
    assert house.desk.queues.waiting("support") == 1
    house.advance(MINUTE)
    assert house.desk.queues.is_closed("support")
    assert house.desk.queues.waiting("support") == 0
    assert house.desk.queues.statistics("support").overflowed == {"closed": 1}
    assert call is not None


def test_nobody_joins_outside_the_hours(house: House, alice: Phone) -> None:
    registered(house, "1002", 12, BOB)
    house.advance(3 * MINUTE)
    alice.invite("700")
    assert alice.response().status == 486
    assert house.desk.queues.statistics("support").refused == {"closed": 1}


def test_the_next_day_it_is_open_again_but_not_when_somebody_closed_it(house: House) -> None:
    queues = house.desk.queues
    house.advance(3 * MINUTE)
    house.advance(23.5 * 3600)
    assert not queues.is_closed("support")
    house.desk.change(lambda now: queues.close("support", now), house.now)
    house.advance(24 * 3600)
    assert queues.is_closed("support")


def test_a_switch_counts_at_once_for_who_joins(house: House, alice: Phone) -> None:
    registered(house, "1002", 12, BOB)
    house.switch.live.switches["duty"] = "closed"
    alice.invite("702")
    assert alice.response().status == 603


def test_an_agent_comes_back_when_the_hours_begin_and_goes_when_they_end(house: House) -> None:
    registered(house, "1003", 13, CAROL)
    assert paused(house) == "outside the hours of late"
    house.advance(MINUTE)
    assert paused(house) == ""
    house.advance(8 * 3600)
    assert paused(house) == "outside the hours of late"


def test_what_people_say_holds_until_the_hours_change(house: House) -> None:
    queues = house.desk.queues
    registered(house, "1003", 13, CAROL)
    house.desk.change_agent("1003", "unpause", house.now)
    house.advance(30)
    assert paused(house) == ""
    house.desk.change_agent("1003", "pause", house.now, "lunch")
    house.advance(8 * 3600)
    assert paused(house) == "lunch"
    house.desk.change_agent("1003", "log-out", house.now)
    house.advance(24 * 3600)
    assert not queues.agent("1003").logged_in


def test_a_break_of_hours_that_are_over_ends_with_the_restart(house: House) -> None:
    kept = house.desk.queues.changes()
    assert [each.paused for each in kept.agents if each.agent == "1003"] == ["outside the hours of late"]
    after = House(dialplan=DIALPLAN)
    after.desk.restore(kept, after.now)
    assert paused(after) == "outside the hours of late"
    later = House(dialplan=DIALPLAN)
    later.now += 2 * MINUTE
    later.desk.restore(kept, later.now)
    assert paused(later) == ""


def test_a_queue_that_has_no_hours_any_more_is_open(house: House) -> None:
    house.advance(3 * MINUTE)
    assert house.desk.queues.is_closed("support")
    without = compile_dialplan(loads(DIALPLAN.replace("hours: office, ", ""), "d.yaml"))
    house.desk.configure(without.queues)
    house.carry_out(())
    assert not house.desk.queues.is_closed("support")


def test_a_rehearsal_knows_the_hours() -> None:
    plans = compile_dialplan(loads(DIALPLAN, "d.yaml")).queues
    closed = rehearse(plans["support"], {}, at=BEGAN.replace(hour=20))
    assert str(closed) == "queue support: closed after 0 s"
    assert str(rehearse(plans["evening"], {}, at=BEGAN)) == "queue evening: waits on"
    opened = rehearse(plans["evening"], {"1003": "available"}, at=BEGAN)
    assert opened.answered == "user/1003"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("hours: office", "hours: offices", "d.yaml:9:38"),
        ("hours: late", "hours: lates", "d.yaml:10:45"),
    ],
)
def test_an_unknown_calendar_is_refused(before: str, after: str, place: str) -> None:
    with pytest.raises(DocumentError) as caught:
        compile_dialplan(loads(DIALPLAN.replace(before, after), "d.yaml"))
    (problem,) = caught.value.problems
    assert str(problem.place) == place
    assert problem.suggestion == before.removeprefix("hours: ")
