"""The agents on the floor: what each input does to them, and who of them is free in which queue.

What an agent's offer means for its caller, and a queue for its callers, `Floor` knows, which this is part of.
"""

from abc import ABC, abstractmethod
from typing import Literal

from pbx.deadlines import Deadlines
from pbx.queues.records import Agent, Line, Offering
from pbx.queues.tables import AGENT, AgentAction, AgentInput
from pbx.queues.values import AgentPaused, OfferFailure, Output, WithdrawCause

# A phone that says it is in use is no fault of the agent's.
_COUNTED: frozenset[OfferFailure] = frozenset({"no-answer", "refused", "unavailable"})

Timer = tuple[str, str]
"""What is due (`max-wait`, `ring`, `wrap-up`, `rest`, `announce`, `prompt`, `relax`), and for whom."""


class Staff(ABC):
    """Who is at work. Agents change only here, by their table."""

    __slots__ = ("agents", "changed_agents", "changed_queues", "deadlines", "freed", "offers")

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.offers: dict[int, Offering] = {}
        self.deadlines: Deadlines[Timer] = Deadlines()
        # For `Settling`: agents who became free.
        self.freed: dict[str, Agent] = {}
        # Names whose records changed since they were last asked for.
        self.changed_agents: set[str] = set()
        self.changed_queues: set[str] = set()

    @abstractmethod
    def drop_offer(self, agent: Agent, why: WithdrawCause, now: float, out: list[Output]) -> None:
        """The agent is not there for the offer any more; one that was picked up goes on."""

    @abstractmethod
    def lose(self, offering: Offering, now: float, out: list[Output]) -> None:
        """Nobody rings by this offer any more."""

    @abstractmethod
    def empty_if_due(self, queue: Line, now: float, out: list[Output]) -> None:
        """Make everyone leave a queue whose condition asks for it."""

    def change_agent(
        self,
        agent: Agent,
        what: AgentInput,
        now: float,
        out: list[Output],
        *,
        offering: Offering | None = None,
        call: str = "",
        why: str = "",
        failure: OfferFailure = "no-answer",
    ) -> None:
        """Do what the table says. `why` is of a pause, `call` of a live call, `now` when a timer was due."""
        action = AGENT.get((agent.state, what))
        if action is not None:
            self._act_on_agent(action, agent, now, out, offering, call, why, failure)
            self.refresh(agent)

    def _act_on_agent(
        self,
        action: AgentAction,
        agent: Agent,
        now: float,
        out: list[Output],
        offering: Offering | None,
        call: str,
        why: str,
        failure: OfferFailure,
    ) -> None:
        match action:
            case "come_in" | "go" | "take_break" | "come_back" | "be_reached" | "be_lost":
                self._come_or_go(action, agent, now, out, why)
            case "be_ready":
                if agent.wrapping_up or agent.resting:
                    self._stop_times(agent)
                    agent.idle_since = now
            case "ring" | "hold_offer" | "serve" | "lose_offer" | "give_back":
                if offering is not None:
                    self._act_on_offer(action, agent, offering, now, out, failure)
            case "begin_call":
                agent.calls.add(call)
                if (
                    agent.offering is not None
                    and agent.offering.caller.name != call
                    and len(agent.calls) >= agent.settings.max_calls
                ):
                    self.drop_offer(agent, "agent-busy", now, out)
            case "end_call":
                if call in agent.calls:
                    agent.calls.remove(call)
                    agent.idle_since = now
            case "end_wrap_up":
                agent.wrapping_up = False
                agent.idle_since = now
            case "end_rest":
                agent.resting = False
                agent.idle_since = now

    def _come_or_go(
        self,
        action: Literal["come_in", "go", "take_break", "come_back", "be_reached", "be_lost"],
        agent: Agent,
        now: float,
        out: list[Output],
        why: str,
    ) -> None:
        match action:
            case "come_in":
                if not agent.logged_in:
                    agent.no_answers = 0
                    agent.idle_since = now
                    self.presence(agent, now, out, logged_in=True, paused="")
            case "go":
                self._stop_times(agent)
                self.presence(agent, now, out, logged_in=False, paused="")
                self.drop_offer(agent, "agent-left", now, out)
            case "take_break":
                if agent.logged_in:
                    self.presence(agent, now, out, paused=why or "paused")
                    self.drop_offer(agent, "agent-left", now, out)
            case "come_back":
                if agent.paused:
                    agent.no_answers = 0
                    agent.idle_since = now
                    self.presence(agent, now, out, paused="")
            case "be_reached":
                if not agent.reachable:
                    agent.idle_since = now
                    self.presence(agent, now, out, reachable=True)
            case "be_lost":
                if agent.reachable:
                    self.presence(agent, now, out, reachable=False)

    def _act_on_offer(
        self,
        action: Literal["ring", "hold_offer", "serve", "lose_offer", "give_back"],
        agent: Agent,
        offering: Offering,
        now: float,
        out: list[Output],
        failure: OfferFailure,
    ) -> None:
        match action:
            case "ring":
                agent.offering = offering
            case "hold_offer":
                offering.picked_up = True
                self.deadlines.cancel(("ring", str(offering.number)))
            case "serve":
                self._serve(agent, offering)
            case "lose_offer":
                self._fail(agent, offering, failure, now, out)
            case "give_back":
                self.close_offer(offering)

    def _serve(self, agent: Agent, offering: Offering) -> None:
        caller = offering.caller
        self.close_offer(offering)
        agent.calls.add(caller.name)
        agent.no_answers = 0
        agent.answered += 1
        seat = agent.seats.get(caller.queue.name)
        if seat is not None:
            seat.answered += 1
        self.changed_agents.add(agent.name)

    def _fail(
        self, agent: Agent, offering: Offering, failure: OfferFailure, now: float, out: list[Output]
    ) -> None:
        queue = offering.caller.queue
        settings = queue.settings
        self.close_offer(offering)
        queue.statistics.fail_offer(now)
        self.changed_queues.add(settings.name)
        if agent.logged_in:
            agent.resting = True
            self.deadlines.set(("rest", agent.name), now + settings.retry_s)
        if failure in _COUNTED:
            agent.no_answers += 1
            self.changed_agents.add(agent.name)
            if settings.max_no_answer and agent.no_answers >= settings.max_no_answer and agent.at_work:
                why = f"{agent.no_answers} offers in a row without an answer"
                out.append(AgentPaused(agent.name, why))
                self.presence(agent, now, out, logged_in=True, paused=why)
        self.lose(offering, now, out)

    def _stop_times(self, agent: Agent) -> None:
        agent.wrapping_up = agent.resting = False
        self.deadlines.cancel(("wrap-up", agent.name))
        self.deadlines.cancel(("rest", agent.name))

    def presence(
        self,
        agent: Agent,
        now: float,
        out: list[Output],
        *,
        logged_in: bool | None = None,
        paused: str | None = None,
        reachable: bool | None = None,
    ) -> None:
        """Log in or out, pause or come back, lose or find the phone; None leaves that as it is.

        Queues that nobody can serve now are emptied if they say so.
        """
        was_here, worked = agent.here, agent.at_work
        if logged_in is not None:
            agent.logged_in = logged_in
        if paused is not None:
            agent.paused = paused
        if reachable is None:
            self.changed_agents.add(agent.name)
        else:
            agent.reachable = reachable
        came, working = agent.here - was_here, agent.at_work - worked
        for seat in agent.seats.values():
            seat.queue.present += came
            seat.queue.at_work += working
            if came < 0 or working < 0:
                self.empty_if_due(seat.queue, now, out)

    def refresh(self, agent: Agent) -> None:
        """Put the agent among the free of each queue, or take it out, as its state says."""
        free = agent.state == "available"
        was_free = False
        for seat in agent.seats.values():
            rank = seat.queue.strategy.rank(seat.standing()) if free else None
            if seat.rank is not None:
                was_free = True
                if seat.rank == rank:
                    continue
                seat.queue.free.remove(seat.rank)
            if rank is not None:
                seat.queue.free.add(rank, agent.name)
            seat.rank = rank
        if free and not was_free:
            self.freed[agent.name] = agent
        elif not free:
            self.freed.pop(agent.name, None)

    def unseat(self) -> None:
        """Take every agent out of every queue."""
        for agent in self.agents.values():
            for seat in agent.seats.values():
                if seat.rank is not None:
                    seat.queue.free.remove(seat.rank)
                seat.queue.seats.clear()
                seat.queue.present = seat.queue.at_work = 0
            agent.seats.clear()
        self.freed.clear()

    def forget_agent(self, agent: Agent, now: float, out: list[Output]) -> None:
        """Somebody is no longer an agent; who has been picked up, or is served, stays with them."""
        self.drop_offer(agent, "agent-left", now, out)
        self._stop_times(agent)
        del self.agents[agent.name]

    def close_offer(self, offering: Offering) -> None:
        """Nothing rings by this offer, and nobody has picked it up."""
        del self.offers[offering.number]
        del offering.caller.offers[offering.agent.name]
        self.deadlines.cancel(("ring", str(offering.number)))
        offering.agent.offering = None
