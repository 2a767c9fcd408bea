"""The call centre's floor: callers, agents and offers, and what each input does to them.

`Queues` is its face. Every method adds to `out` what is to be carried out, in order. It leaves behind who
became free and who has to be offered to somebody, for `Settling`.
"""

from collections import OrderedDict
from typing import Literal

from pbx.deadlines import Deadlines
from pbx.queues.records import Agent, Caller, Line, Offering, Seat
from pbx.queues.settings import NO_SKILLS, QueueOutcome
from pbx.queues.tables import AGENT, CALLER, AgentAction, AgentInput, CallerAction, CallerInput
from pbx.queues.values import (
    Abandoned,
    AgentPaused,
    Announce,
    Handled,
    Offer,
    OfferFailure,
    Output,
    Overflow,
    Prompt,
    Requeued,
    Served,
    WithdrawCause,
    WithdrawOffer,
)

# So many numbers are remembered with the agent who served them last.
_REMEMBERED = 10_000

# A phone that says it is in use is no fault of the agent's.
_COUNTED: frozenset[OfferFailure] = frozenset({"no-answer", "refused", "unavailable"})

_POSTPONE_S = 5.0

Timer = tuple[str, str]
"""What is due (`max-wait`, `ring`, `wrap-up`, `rest`, `announce`, `prompt`, `relax`), and for whom."""


class Floor:
    """Who is where. Agents and callers change only here, by their tables."""

    __slots__ = (
        "_serial", "agents", "callers", "changed_agents", "changed_queues", "deadlines", "freed",
        "last_agents", "lines", "offers", "returned",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.agents: dict[str, Agent] = {}
        self.callers: dict[str, Caller] = {}
        self.offers: dict[int, Offering] = {}
        self.deadlines: Deadlines[Timer] = Deadlines()
        self._serial = 0
        self.last_agents: OrderedDict[str, str] = OrderedDict()
        # For `Settling`: agents who became free, callers for whom nobody rings (any more).
        self.freed: dict[str, Agent] = {}
        self.returned: dict[str, Caller] = {}
        # Names whose records changed since they were last asked for.
        self.changed_agents: set[str] = set()
        self.changed_queues: set[str] = set()

    def serial(self) -> int:
        """A number that was not used before."""
        self._serial += 1
        return self._serial

    # Callers

    def enter(self, caller: Caller, now: float) -> None:
        """Put a new caller in line."""
        settings = caller.queue.settings
        self.callers[caller.name] = caller
        caller.queue.line.add(caller.key, caller)
        caller.queue.statistics.join(now)
        self.changed_queues.add(settings.name)
        self._wait(caller)
        if caller.leaves_at is not None:
            self.deadlines.set(("max-wait", caller.name), caller.leaves_at)
        if settings.announce_every_s is not None:
            self.deadlines.set(("announce", caller.name), now + settings.announce_first_s)
        if settings.prompts:
            self.deadlines.set(("prompt", caller.name), now + settings.prompt_every_s)
        if caller.needs and settings.relax_needs_after_s is not None:
            self.deadlines.set(("relax", caller.name), now + settings.relax_needs_after_s)

    def _wait(self, caller: Caller) -> None:
        caller.queue.waiting.add(caller.key, caller)
        self.returned[caller.name] = caller

    def change_caller(
        self,
        caller: Caller,
        what: CallerInput,
        now: float,
        out: list[Output],
        *,
        outcome: QueueOutcome = "unavailable",
        offering: Offering | None = None,
        due: float = 0.0,
    ) -> None:
        """Do what the table says. `outcome` is of an overflow, `offering` of a pick-up, `due` of a timer."""
        if caller.state == "gone":
            return
        cell = CALLER.get((caller.state, what))
        if cell is None:
            return
        action, after = cell
        before, caller.state = caller.state, after
        if before != after:
            queue = caller.queue
            if before == "waiting":
                queue.waiting.remove(caller.key)
                self.returned.pop(caller.name, None)
            elif before == "offered":
                queue.ringing.remove(caller.key)
            if after == "offered":
                queue.ringing.add(caller.key, caller)
        self._act_on_caller(action, what, caller, now, out, outcome, offering, due)

    def _act_on_caller(
        self,
        action: CallerAction,
        what: CallerInput,
        caller: Caller,
        now: float,
        out: list[Output],
        outcome: QueueOutcome,
        offering: Offering | None,
        due: float,
    ) -> None:
        queue = caller.queue
        match action:
            case "keep_one":
                self._withdraw_all(caller, "taken", now, out, but=offering)
            case "put_through":
                self._put_through(caller, offering, now, out)
            case "wait_again":
                self._wait(caller)
                if offering is not None and offering.picked_up:
                    out.append(
                        Requeued(caller.name, queue.name, queue.position(caller), queue.settings.music)
                    )
            case "abandon":
                self._withdraw_all(caller, "caller-left", now, out)
                waited_s = self._leave_line(caller, now)
                queue.statistics.abandon(waited_s, now)
                out.append(Abandoned(caller.name, queue.name, waited_s))
            case "overflow" | "leave":
                self._withdraw_all(caller, "caller-left", now, out)
                waited_s = self._leave_line(caller, now)
                why = "left" if action == "leave" else outcome
                queue.statistics.overflow(why, now)
                out.append(Overflow(caller.name, queue.name, why, waited_s))
            case "end_service":
                self._end_service(caller, now, out)
            case "announce":
                self._announce(caller, now, due, out)
            case "prompt":
                prompts = queue.settings.prompts
                if prompts:
                    out.append(Prompt(caller.name, queue.name, prompts[caller.prompts % len(prompts)]))
                    caller.prompts += 1
                self._again(caller, "prompt", queue.settings.prompt_every_s, now, due)
            case "postpone":
                # Phones ring: in a moment the caller is served, or waits on and is told then.
                self._again(caller, what, _POSTPONE_S, now, due)
            case "take_anyone":
                caller.needs = NO_SKILLS
                if caller.state == "waiting":
                    self.returned[caller.name] = caller
            case "ring" | "ring_too" | "drop_offer":
                pass

    def _leave_line(self, caller: Caller, now: float) -> float:
        """Take the caller out of everything; how long it stood in line."""
        caller.queue.line.remove(caller.key)
        self.changed_queues.add(caller.queue.name)
        for kind in ("max-wait", "announce", "prompt", "relax"):
            self.deadlines.cancel((kind, caller.name))
        if caller.state == "gone":
            del self.callers[caller.name]
        return now - caller.joined_at

    def _put_through(self, caller: Caller, offering: Offering | None, now: float, out: list[Output]) -> None:
        if offering is None:
            return
        self._withdraw_all(caller, "taken", now, out, but=offering)
        queue, agent = caller.queue, offering.agent
        waited_s = self._leave_line(caller, now)
        queue.statistics.answer(waited_s, now, in_time=waited_s <= queue.settings.service_level_s)
        caller.agent = agent
        caller.served_at = now
        self.change_agent(agent, "connected", now, out, offering=offering)
        if caller.number:
            self.last_agents[caller.number] = agent.name
            self.last_agents.move_to_end(caller.number)
            if len(self.last_agents) > _REMEMBERED:
                self.last_agents.popitem(last=False)
        out.append(Served(caller.name, agent.name, queue.name, waited_s))

    def _end_service(self, caller: Caller, now: float, out: list[Output]) -> None:
        del self.callers[caller.name]
        agent, queue = caller.agent, caller.queue
        if agent is None:
            return
        handle_s = now - caller.served_at
        own = agent.settings.wrap_up_s
        wrap_up_s = queue.settings.wrap_up_s if own is None else own
        queue.statistics.handle(handle_s, wrap_up_s, now)
        self.changed_queues.add(queue.name)
        out.append(Handled(caller.name, agent.name, queue.name, handle_s))
        if wrap_up_s and agent.logged_in:
            agent.wrapping_up = True
            self.deadlines.set(("wrap-up", agent.name), now + wrap_up_s)
        self.change_agent(agent, "call-ended", now, out, call=caller.name)

    def _announce(self, caller: Caller, now: float, due: float, out: list[Output]) -> None:
        queue = caller.queue
        settings = queue.settings
        position = queue.position(caller) if settings.announce_position else None
        expected = queue.expected_wait_s(caller) if settings.announce_wait else None
        if position is not None or expected is not None:
            out.append(Announce(caller.name, queue.name, position, expected))
        if settings.announce_every_s is not None:
            self._again(caller, "announce", settings.announce_every_s, now, due)

    def _again(self, caller: Caller, kind: str, every_s: float, now: float, due: float) -> None:
        """The next time on the schedule that is still to come: after a stall nothing is made up for."""
        missed = max(0, int((now - due) / every_s))
        self.deadlines.set((kind, caller.name), due + (missed + 1) * every_s)

    # Offers

    def ring(self, caller: Caller, agent: Agent, seat: Seat | None, now: float, out: list[Output]) -> None:
        """Offer the caller to an agent who is available."""
        queue = caller.queue
        settings = queue.settings
        offering = Offering(self.serial(), caller, agent, 0 if seat is None else seat.member.penalty)
        self.offers[offering.number] = offering
        caller.offers[agent.name] = offering
        if seat is not None:
            queue.last_offered = seat.position
        self.change_agent(agent, "offer", now, out, offering=offering)
        self.change_caller(caller, "offer", now, out)
        self.deadlines.set(("ring", str(offering.number)), now + settings.ring_s)
        out.append(
            Offer(
                offering.number,
                caller.name,
                agent.name,
                queue.name,
                settings.ring_s,
                settings.whisper,
                agent.settings.auto_answer,
            )
        )

    def ring_ended(self, number: int, now: float, out: list[Output]) -> None:
        """The ring time of an offer is over."""
        offering = self.offers[number]
        out.append(WithdrawOffer(number, offering.caller.name, offering.agent.name, "no-answer"))
        self.change_agent(offering.agent, "failed", now, out, offering=offering)

    def _close_offer(self, offering: Offering) -> None:
        del self.offers[offering.number]
        del offering.caller.offers[offering.agent.name]
        self.deadlines.cancel(("ring", str(offering.number)))
        offering.agent.offering = None

    def _withdraw_all(
        self, caller: Caller, why: WithdrawCause, now: float, out: list[Output], but: Offering | None = None
    ) -> None:
        for offering in [each for each in caller.offers.values() if each is not but]:
            out.append(WithdrawOffer(offering.number, caller.name, offering.agent.name, why))
            self.change_agent(offering.agent, "withdrawn", now, out, offering=offering)

    def _drop_offer(self, agent: Agent, why: WithdrawCause, now: float, out: list[Output]) -> None:
        """The agent is not there for the offer any more; one that was picked up goes on."""
        offering = agent.offering
        if offering is None or offering.picked_up:
            return
        caller = offering.caller
        self._close_offer(offering)
        out.append(WithdrawOffer(offering.number, caller.name, agent.name, why))
        self._lose(offering, now, out)

    def _lose(self, offering: Offering, now: float, out: list[Output]) -> None:
        caller = offering.caller
        what: CallerInput = "offer-lost" if caller.offers else "offers-lost"
        self.change_caller(caller, what, now, out, offering=offering)

    # Agents

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
                    self._drop_offer(agent, "agent-busy", now, out)
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
                self._drop_offer(agent, "agent-left", now, out)
            case "take_break":
                if agent.logged_in:
                    self.presence(agent, now, out, paused=why or "paused")
                    self._drop_offer(agent, "agent-left", now, out)
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
                self._close_offer(offering)

    def _serve(self, agent: Agent, offering: Offering) -> None:
        caller = offering.caller
        self._close_offer(offering)
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
        self._close_offer(offering)
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
        self._lose(offering, now, out)

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

    def empty_if_due(self, queue: Line, now: float, out: list[Output]) -> None:
        """Make everyone leave a queue whose condition asks for it, but those whom somebody has picked up."""
        outcome = queue.refusal(queue.settings.leave_when)
        if outcome is not None:
            self.empty(queue, outcome, now, out)

    def empty(self, queue: Line, outcome: QueueOutcome, now: float, out: list[Output]) -> None:
        """Make everyone leave, but those whom somebody has picked up."""
        for caller in list(queue.line):
            self.change_caller(caller, "dismiss", now, out, outcome=outcome)

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
        self._drop_offer(agent, "agent-left", now, out)
        self._stop_times(agent)
        del self.agents[agent.name]
