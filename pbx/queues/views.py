"""What is shown of a caller and of an agent."""

from pbx.queues.records import Agent, Caller
from pbx.queues.values import AgentView, CallerView


def caller_view(caller: Caller) -> CallerView:
    """A caller as it is shown."""
    served = caller.state == "served"
    state = caller.state
    assert state != "gone"  # the machine has forgotten those
    return CallerView(
        caller.name,
        caller.queue.name,
        state,
        None if served else caller.queue.position(caller),
        caller.joined_at,
        caller.priority,
        caller.user,
        caller.number,
        caller.needs,
        (caller.agent.name,) if caller.agent is not None else tuple(caller.offers),
        None if served else caller.queue.expected_wait_s(caller),
    )


def agent_view(agent: Agent) -> AgentView:
    """An agent as it is shown."""
    return AgentView(
        agent.name,
        agent.state,
        agent.logged_in,
        agent.paused,
        tuple(sorted(agent.calls)),
        None if agent.offering is None else agent.offering.caller.name,
        tuple(agent.seats),
        agent.idle_since,
        agent.answered,
        agent.no_answers,
    )
