"""The call centre's floor: callers, agents and offers, and what each input does to them.

`Queues` is its face. Every method adds to `out` what is to be carried out, in order. It leaves behind who
became free and who has to be offered to somebody, for `Settling`.
"""

from collections import OrderedDict

from pbx.queues.records import Agent, Caller, Line, Offering, Seat
from pbx.queues.settings import NO_SKILLS, QueueOutcome
from pbx.queues.staff import Staff
from pbx.queues.tables import CALLER, CallerAction, CallerInput
from pbx.queues.values import (
    Abandoned,
    Announce,
    Handled,
    Offer,
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

_POSTPONE_S = 5.0


class Floor(Staff):
    """Who is where. Callers change only here, by their table, and agents by theirs."""

    __slots__ = ("_serial", "callers", "last_agents", "lines", "returned")

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, Line] = {}
        self.callers: dict[str, Caller] = {}
        self._serial = 0
        self.last_agents: OrderedDict[str, str] = OrderedDict()
        # For `Settling`: callers for whom nobody rings (any more).
        self.returned: dict[str, Caller] = {}

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

    def _withdraw_all(
        self, caller: Caller, why: WithdrawCause, now: float, out: list[Output], but: Offering | None = None
    ) -> None:
        for offering in [each for each in caller.offers.values() if each is not but]:
            out.append(WithdrawOffer(offering.number, caller.name, offering.agent.name, why))
            self.change_agent(offering.agent, "withdrawn", now, out, offering=offering)

    def drop_offer(self, agent: Agent, why: WithdrawCause, now: float, out: list[Output]) -> None:
        """The agent is not there for the offer any more; one that was picked up goes on."""
        offering = agent.offering
        if offering is None or offering.picked_up:
            return
        caller = offering.caller
        self.close_offer(offering)
        out.append(WithdrawOffer(offering.number, caller.name, agent.name, why))
        self.lose(offering, now, out)

    def lose(self, offering: Offering, now: float, out: list[Output]) -> None:
        """The caller waits again when nobody rings for it any more."""
        caller = offering.caller
        what: CallerInput = "offer-lost" if caller.offers else "offers-lost"
        self.change_caller(caller, what, now, out, offering=offering)

    def empty_if_due(self, queue: Line, now: float, out: list[Output]) -> None:
        """Make everyone leave a queue whose condition asks for it, but those whom somebody has picked up."""
        outcome = queue.refusal(queue.settings.leave_when)
        if outcome is not None:
            self.empty(queue, outcome, now, out)

    def empty(self, queue: Line, outcome: QueueOutcome, now: float, out: list[Output]) -> None:
        """Make everyone leave, but those whom somebody has picked up."""
        for caller in list(queue.line):
            self.change_caller(caller, "dismiss", now, out, outcome=outcome)
