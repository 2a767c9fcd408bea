"""All queues and their agents as one machine. An agent may serve many queues, and gets one offer at once.

Times are monotonic seconds, outputs are returned in the order in which to carry them out. Who is busy follows
from the live calls that `agent_busy` and `agent_free` report. After every input no caller waits whom an agent
could be offered.
"""

from collections.abc import Callable, Iterable, Mapping

from pbx.errors import MisuseError, OperatorError
from pbx.queues.floor import Floor
from pbx.queues.keeping import take_back, taken
from pbx.queues.records import Agent, Caller, Line, Seat
from pbx.queues.settings import AgentSettings, QueueOutcome, QueueSettings
from pbx.queues.settling import Settling
from pbx.queues.snapshot import Snapshot
from pbx.queues.statistics import Interval, Statistics, Tally
from pbx.queues.strategies import STRATEGIES, Draw, Strategy
from pbx.queues.tables import AgentInput
from pbx.queues.values import (
    AgentView,
    CallerView,
    Joined,
    OfferFailure,
    Output,
    Overflow,
)
from pbx.queues.views import agent_view, caller_view

# What was counted in the interval before may not have been asked for yet.
_LATEST = 2

_NEW_AGENT = AgentSettings()


class Queues:
    """The queues of a service, their agents and their callers.

    A caller's name is the id of its call; the live calls of agents are named by the same ids. `draw(n)` gives
    a random number below n. `strategies` holds those of plugins beside the built-in ones. Intervals of
    statistics begin at `aligned_at` and every quarter of an hour.
    """

    def __init__(
        self,
        queues: Iterable[QueueSettings],
        draw: Draw,
        *,
        agents: Mapping[str, AgentSettings] | None = None,
        strategies: Mapping[str, Strategy] | None = None,
        aligned_at: float = 0.0,
        now: float = 0.0,
    ) -> None:
        """Raises MisuseError for an unknown strategy."""
        self._floor = Floor()
        self._settling = Settling(self._floor, draw)
        self._aligned_at = aligned_at
        self.configure(queues, now, agents=agents, strategies=strategies)

    def configure(
        self,
        queues: Iterable[QueueSettings],
        now: float,
        *,
        agents: Mapping[str, AgentSettings] | None = None,
        strategies: Mapping[str, Strategy] | None = None,
    ) -> list[Output]:
        """Take up new settings. Agents stay as they are, callers too; those of a queue that is gone overflow.

        Raises MisuseError for an unknown strategy, and then nothing has changed.
        """
        known = {**STRATEGIES, **(strategies or {})}
        wanted = {each.name: each for each in queues}
        for each in wanted.values():
            if each.strategy not in known:
                raise MisuseError(f"queue {each.name}: there is no strategy {each.strategy}")
        floor = self._floor
        out: list[Output] = []
        for name in [name for name in floor.lines if name not in wanted]:
            floor.lines.pop(name).removed = True
        lines = floor.lines
        answered = {
            (agent.name, queue): seat.answered
            for agent in floor.agents.values()
            for queue, seat in agent.seats.items()
        }
        floor.unseat()
        for name, settings in wanted.items():
            strategy = known[settings.strategy]
            line = lines.get(name)
            if line is None:
                line = lines[name] = Line(settings, strategy, Statistics(self._aligned_at))
            line.settings, line.strategy = settings, strategy
            for position, member in enumerate(settings.members):
                agent = floor.agents.get(member.agent)
                own = (agents or {}).get(member.agent, _NEW_AGENT)
                if agent is None:
                    agent = floor.agents[member.agent] = Agent(member.agent, own, now)
                agent.settings = own
                seat = Seat(agent, line, member, position)
                seat.answered = answered.get((agent.name, name), 0)
                agent.seats[name] = line.seats[agent.name] = seat
                line.present += agent.here
                line.at_work += agent.at_work
        for agent in [agent for agent in floor.agents.values() if not agent.seats]:
            floor.forget_agent(agent, now, out)
        for agent in floor.agents.values():
            floor.refresh(agent)
        for line in {id(caller.queue): caller.queue for caller in floor.callers.values()}.values():
            floor.empty_if_due(line, now, out)
        self._settling.settle(now, out)
        return out

    # Callers

    def join(
        self,
        caller: str,
        queue: str,
        now: float,
        *,
        priority: int = 0,
        user: str = "",
        number: str = "",
        needs: Mapping[str, int] | None = None,
    ) -> list[Output]:
        """Put a caller in line: `Joined` and maybe offers, or `Overflow` at once.

        `user` is the caller's own name when it is a user of ours, who is then never offered the call.
        `number` is what a sticky agent is remembered by. `needs` replaces the queue's own. Raises MisuseError
        for a caller who stands in line already; one who is being served leaves the agent.
        """
        floor = self._floor
        out: list[Output] = []
        known = floor.callers.get(caller)
        if known is not None:
            if known.state != "served":
                raise MisuseError(f"caller {caller} stands in line already")
            floor.change_caller(known, "call-ended", now, out)
        line = floor.lines.get(queue)
        if line is None:
            out.append(Overflow(caller, queue, "unavailable", 0.0))
        else:
            settings = line.settings
            outcome = line.refusal(settings.refuse_when | settings.leave_when)
            if outcome is None and len(line.line) >= settings.capacity:
                outcome = "full"
            if outcome is not None:
                line.statistics.refuse(outcome, now)
                floor.changed_queues.add(queue)
                out.append(Overflow(caller, queue, outcome, 0.0))
            else:
                entered = Caller(
                    caller,
                    line,
                    floor.serial(),
                    now,
                    priority=settings.priority + priority,
                    user=user,
                    number=number,
                    needs=settings.needs if needs is None else needs,
                )
                floor.enter(entered, now)
                direct = settings.direct and line.first_free(entered) is not None
                out.append(Joined(caller, queue, line.position(entered), settings.music, direct))
        self._settling.settle(now, out)
        return out

    def hang_up(self, caller: str, now: float) -> list[Output]:
        """The caller's call is over; no error for one who is in no queue."""
        return self._of_caller(
            caller, now, lambda each, out: self._floor.change_caller(each, "hang-up", now, out)
        )

    def digit(self, caller: str, digit: str, now: float) -> list[Output]:
        """The caller pressed a key."""

        def press(each: Caller, out: list[Output]) -> None:
            if digit == each.queue.settings.exit_digit:
                self._floor.change_caller(each, "exit", now, out)

        return self._of_caller(caller, now, press)

    def dismiss(self, caller: str, outcome: QueueOutcome, now: float) -> list[Output]:
        """Make one caller leave the line."""
        return self._of_caller(
            caller,
            now,
            lambda each, out: self._floor.change_caller(each, "dismiss", now, out, outcome=outcome),
        )

    def _of_caller(self, caller: str, now: float, do: Callable[[Caller, list[Output]], None]) -> list[Output]:
        out: list[Output] = []
        known = self._floor.callers.get(caller)
        if known is not None:
            do(known, out)
            self._settling.settle(now, out)
        return out

    # Offers; one that is not open any more changes nothing

    def picked_up(self, offer: int, now: float) -> list[Output]:
        """The agent took the phone off the hook; a whisper may play before `connected`."""
        out: list[Output] = []
        offering = self._floor.offers.get(offer)
        if offering is not None and not offering.picked_up:
            self._floor.change_agent(offering.agent, "picked-up", now, out, offering=offering)
            self._floor.change_caller(offering.caller, "picked-up", now, out, offering=offering)
            self._settling.settle(now, out)
        return out

    def connected(self, offer: int, now: float) -> list[Output]:
        """The agent and the caller hear each other. Without a `Served` among the outputs it came too late."""
        out: list[Output] = []
        offering = self._floor.offers.get(offer)
        if offering is not None:
            self._floor.change_caller(offering.caller, "connected", now, out, offering=offering)
            self._settling.settle(now, out)
        return out

    def failed(self, offer: int, failure: OfferFailure, now: float) -> list[Output]:
        """The agent did not take the offer, or was lost before hearing the caller."""
        out: list[Output] = []
        offering = self._floor.offers.get(offer)
        if offering is not None:
            self._floor.change_agent(offering.agent, "failed", now, out, offering=offering, failure=failure)
            self._settling.settle(now, out)
        return out

    def assign(self, caller: str, agent: str, now: float) -> list[Output]:
        """Offer a caller in line to this agent, of whatever queue. Raises OperatorError if that cannot be."""
        floor = self._floor
        known, wanted = floor.callers.get(caller), self._agent(agent)
        if known is None or known.state not in {"waiting", "offered"}:
            raise OperatorError(f"{caller} does not wait in a queue", "`pbx queues` lists who does")
        if wanted.state != "available":
            raise OperatorError(
                f"agent {agent} is {wanted.state}", "only one who is available can be assigned"
            )
        if agent == known.user:
            raise OperatorError(f"agent {agent} is the caller")
        out: list[Output] = []
        known.queue.statistics.offer(now, fallback=False)
        floor.ring(known, wanted, known.queue.seats.get(agent), now, out)
        self._settling.settle(now, out)
        return out

    # Agents

    def agent_busy(self, agent: str, call: str, now: float) -> list[Output]:
        """A live call of an agent began; no error for somebody who is no agent."""
        out: list[Output] = []
        known = self._floor.agents.get(agent)
        if known is not None:
            self._floor.change_agent(known, "call-began", now, out, call=call)
            self._settling.settle(now, out)
        return out

    def agent_free(self, agent: str, call: str, now: float) -> list[Output]:
        """A live call of an agent is over; when a queue's caller was in it, wrap-up begins."""
        floor = self._floor
        out: list[Output] = []
        caller = floor.callers.get(call)
        if (
            caller is not None
            and caller.state == "served"
            and caller.agent is not None
            and caller.agent.name == agent
        ):
            floor.change_caller(caller, "call-ended", now, out)
        elif (known := floor.agents.get(agent)) is not None:
            floor.change_agent(known, "call-ended", now, out, call=call)
        self._settling.settle(now, out)
        return out

    def log_in(self, agent: str, now: float) -> list[Output]:
        """The agent takes calls from now on. Raises OperatorError for somebody who is none."""
        return self._tell(agent, "log-in", now)

    def log_out(self, agent: str, now: float) -> list[Output]:
        """The agent takes no more calls; the one under way goes on. Raises OperatorError."""
        return self._tell(agent, "log-out", now)

    def pause(self, agent: str, now: float, why: str = "") -> list[Output]:
        """The agent takes a break; the call under way goes on. Raises OperatorError."""
        return self._tell(agent, "pause", now, why)

    def unpause(self, agent: str, now: float) -> list[Output]:
        """The break is over. Raises OperatorError."""
        return self._tell(agent, "unpause", now)

    def ready(self, agent: str, now: float) -> list[Output]:
        """The agent cuts wrap-up short. Raises OperatorError."""
        return self._tell(agent, "ready", now)

    def reach(self, agent: str, reachable: bool, now: float) -> list[Output]:
        """There is a phone to ring for an agent, or none any more; no error for somebody who is no agent."""
        out: list[Output] = []
        known = self._floor.agents.get(agent)
        if known is not None:
            self._floor.change_agent(known, "reached" if reachable else "lost", now, out)
            self._settling.settle(now, out)
        return out

    def _tell(self, agent: str, what: AgentInput, now: float, why: str = "") -> list[Output]:
        out: list[Output] = []
        self._floor.change_agent(self._agent(agent), what, now, out, why=why)
        self._settling.settle(now, out)
        return out

    def _agent(self, agent: str) -> Agent:
        known = self._floor.agents.get(agent)
        if known is None:
            raise OperatorError(f"there is no agent {agent}", "agents are the members of the queues")
        return known

    # Queues

    def close(self, queue: str, now: float) -> list[Output]:
        """The queue is closed: what that means, its conditions say. Raises OperatorError."""
        return self._set_closed(queue, now, closed=True)

    def open(self, queue: str, now: float) -> list[Output]:
        """The queue is open again. Raises OperatorError."""
        return self._set_closed(queue, now, closed=False)

    def _set_closed(self, queue: str, now: float, *, closed: bool) -> list[Output]:
        out: list[Output] = []
        line = self._line(queue)
        if line.closed != closed:
            line.closed = closed
            self._floor.changed_queues.add(queue)
            self._floor.empty_if_due(line, now, out)
            self._settling.settle(now, out)
        return out

    def drain(self, outcome: QueueOutcome, now: float) -> list[Output]:
        """Make everyone leave every line but those whom somebody has picked up."""
        out: list[Output] = []
        for line in self._floor.lines.values():
            self._floor.empty(line, outcome, now, out)
        self._settling.settle(now, out)
        return out

    def _line(self, queue: str) -> Line:
        line = self._floor.lines.get(queue)
        if line is None:
            known = ", ".join(self._floor.lines)
            raise OperatorError(f"there is no queue {queue}", f"the queues are {known}" if known else "")
        return line

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timer` has something to do."""
        return self._floor.deadlines.next()

    def handle_timer(self, now: float) -> list[Output]:
        """Do what is due, in order; after each, offers are made."""
        floor = self._floor
        out: list[Output] = []
        for (kind, name), due in floor.deadlines.expire(now):
            match kind:
                case "ring":
                    floor.ring_ended(int(name), now, out)
                case "wrap-up":
                    floor.change_agent(floor.agents[name], "wrapped-up", due, out)
                case "rest":
                    floor.change_agent(floor.agents[name], "rested", due, out)
                case "max-wait":
                    floor.change_caller(floor.callers[name], "timeout", now, out, outcome="timeout")
                case "announce":
                    floor.change_caller(floor.callers[name], "announce", now, out, due=due)
                case "prompt":
                    floor.change_caller(floor.callers[name], "prompt", now, out, due=due)
                case _:
                    floor.change_caller(floor.callers[name], "relax", now, out)
            self._settling.settle(now, out)
        return out

    # What is going on

    def queues(self) -> tuple[str, ...]:
        """The names, in the order of the settings."""
        return tuple(self._floor.lines)

    def settings(self, queue: str) -> QueueSettings:
        """What the queue was told to do. Raises OperatorError."""
        return self._line(queue).settings

    def is_closed(self, queue: str) -> bool:
        """Whether it was closed. Raises OperatorError."""
        return self._line(queue).closed

    def waiting(self, queue: str) -> int:
        """How many callers are not served yet. Raises OperatorError."""
        return len(self._line(queue).line)

    def staff(self, queue: str) -> tuple[int, int]:
        """How many agents are here (logged in, with a phone to ring), and free. Raises OperatorError."""
        line = self._line(queue)
        return line.present, len(line.free)

    def callers(self, queue: str | None = None) -> tuple[CallerView, ...]:
        """Who is in the queue, or in all of them: those in line in their order, then those who are served."""
        floor = self._floor
        lines = floor.lines.values() if queue is None else (self._line(queue),)
        inside = [caller for line in lines for caller in line.line]
        inside += [
            caller
            for caller in floor.callers.values()
            if caller.state == "served" and queue in {None, caller.queue.name}
        ]
        return tuple(map(caller_view, inside))

    def caller(self, caller: str) -> CallerView | None:
        """One caller; None for somebody who is in no queue."""
        known = self._floor.callers.get(caller)
        return None if known is None else caller_view(known)

    def agents(self) -> tuple[AgentView, ...]:
        """All agents."""
        return tuple(map(agent_view, self._floor.agents.values()))

    def agent(self, agent: str) -> AgentView:
        """One agent. Raises OperatorError."""
        return agent_view(self._agent(agent))

    def statistics(self, queue: str) -> Tally:
        """What the queue has counted, as it is now. Raises OperatorError."""
        return self._line(queue).statistics.total.copy()

    def intervals(self, queue: str) -> tuple[Interval, ...]:
        """The same by quarters of an hour, oldest first. Raises OperatorError."""
        return self._line(queue).statistics.intervals()

    def expected_wait_s(self, queue: str) -> float | None:
        """How long somebody who joined now would wait; None when nobody can know. Raises OperatorError."""
        line = self._line(queue)
        return line.statistics.expected_wait_s(len(line.line) + 1, line.at_work)

    # What outlives the process

    def snapshot(self) -> Snapshot:
        """Everything that outlives the process."""
        return taken(self._floor, self._floor.agents, self._floor.lines)

    def changes(self) -> Snapshot:
        """What of it has changed since this was last asked; of the intervals only the latest two."""
        floor = self._floor
        changed = taken(floor, sorted(floor.changed_agents), sorted(floor.changed_queues), _LATEST)
        floor.changed_agents.clear()
        floor.changed_queues.clear()
        return changed

    def restore(self, kept: Snapshot, now: float) -> None:
        """Go on from what an earlier process knew, before anybody joins. Names that are gone are left out."""
        out: list[Output] = []
        take_back(self._floor, kept, now, out)
        self._settling.settle(now, out)
