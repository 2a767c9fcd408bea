"""Every cell of the tables of callers and agents, the absent ones too."""

from itertools import product
from typing import get_args

import pytest

from pbx.queues import Member, QueueSettings
from pbx.queues.floor import Floor
from pbx.queues.records import Agent, Caller, Line, Offering, Seat
from pbx.queues.settings import AgentSettings
from pbx.queues.statistics import Statistics
from pbx.queues.strategies import STRATEGIES
from pbx.queues.tables import AGENT, AGENT_ABSENT, CALLER, CALLER_ABSENT, AgentInput, CallerInput
from pbx.queues.values import AgentState, CallerState

CALLER_STATES: tuple[CallerState, ...] = get_args(CallerState)
CALLER_INPUTS: tuple[CallerInput, ...] = get_args(CallerInput)
AGENT_STATES: tuple[AgentState, ...] = get_args(AgentState)
AGENT_INPUTS: tuple[AgentInput, ...] = get_args(AgentInput)


def a_floor() -> tuple[Floor, Line, Agent, Caller]:
    """One queue, one agent, one caller in line."""
    floor = Floor()
    member = Member("1001")
    line = Line(QueueSettings("q", (member,)), STRATEGIES["longest-idle"], Statistics())
    agent = Agent("1001", AgentSettings(), 0.0)
    agent.seats["q"] = line.seats["1001"] = Seat(agent, line, member, 0)
    floor.lines["q"], floor.agents["1001"] = line, agent
    line.present = line.at_work = 1
    floor.refresh(agent)
    caller = Caller("c", line, 1, 0.0, priority=0, user="", number="", needs={})
    floor.enter(caller, 0.0)
    return floor, line, agent, caller


@pytest.mark.parametrize(("state", "what"), list(product(CALLER_STATES, CALLER_INPUTS)))
def test_a_caller(state: CallerState, what: CallerInput, monkeypatch: pytest.MonkeyPatch) -> None:
    floor, line, _, caller = a_floor()
    done: list[str] = []
    monkeypatch.setattr(Floor, "_act_on_caller", lambda _self, action, *_: done.append(action))
    if state != "waiting":
        line.waiting.remove(caller.key)
    if state == "offered":
        line.ringing.add(caller.key, caller)
    caller.state = state
    floor.change_caller(caller, what, 1.0, [])
    cell = CALLER.get((state, what))
    if cell is None:
        assert CALLER_ABSENT[what]
        assert (caller.state, done) == (state, [])
    else:
        assert (caller.state, done) == (cell[1], [cell[0]])
    assert (caller in list(line.ringing)) == (caller.state == "offered")


@pytest.mark.parametrize("what", CALLER_INPUTS)
def test_a_caller_who_is_gone(what: CallerInput) -> None:
    floor, _, _, caller = a_floor()
    floor.change_caller(caller, "hang-up", 1.0, [])
    out: list[object] = []
    floor.change_caller(caller, what, 2.0, out)  # type: ignore[arg-type]
    assert (caller.state, out) == ("gone", [])


def in_state(agent: Agent, caller: Caller, state: AgentState) -> None:
    """Make true what `state` follows from."""
    agent.logged_in = state != "offline"
    agent.paused = "lunch" if state == "paused" else ""
    agent.wrapping_up = state == "wrap-up"
    agent.resting = state == "resting"
    agent.calls = {"call"} if state == "busy" else set()
    agent.offering = Offering(7, caller, agent, 0) if state == "offered" else None
    assert agent.state == state


@pytest.mark.parametrize(("state", "what"), list(product(AGENT_STATES, AGENT_INPUTS)))
def test_an_agent(state: AgentState, what: AgentInput, monkeypatch: pytest.MonkeyPatch) -> None:
    floor, _, agent, caller = a_floor()
    in_state(agent, caller, state)
    done: list[str] = []
    monkeypatch.setattr(Floor, "_act_on_agent", lambda _self, action, *_: done.append(action))
    floor.change_agent(agent, what, 1.0, [])
    action = AGENT.get((state, what))
    if action is None:
        assert AGENT_ABSENT[what]
        assert done == []
    else:
        assert done == [action]


def test_what_has_a_cell_in_every_state_says_so_and_nothing_else_does() -> None:
    for what, why in AGENT_ABSENT.items():
        everywhere = all((state, what) in AGENT for state in AGENT_STATES)
        assert everywhere == (why == "has a cell in every state"), what
    for caller_what, why in CALLER_ABSENT.items():
        everywhere = all((state, caller_what) in CALLER for state in CALLER_STATES)
        assert everywhere == (why == "has a cell in every state"), caller_what
