"""The desk: carries out with calls what the queues say, and tells the queues what happens to calls.

Between the conductor and the machine of pbx.queues. What the machine says waits here until `tend`, which the
conductor asks for after everything that happened, so that a plan is carried out before what follows from it.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, assert_never

from pbx.call import outputs as from_call
from pbx.call.call import Call
from pbx.call.causes import STATUS_OF_OUTCOME, outcome_of
from pbx.call.plan import Destination, Manner, Summons, Wait
from pbx.call.record import Note
from pbx.deadlines import Deadlines
from pbx.dialplan.call import AgentStep
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.decisions import Dial
from pbx.dialplan.decisions import Queue as QueueDecision
from pbx.dialplan.queue_settings import agent_settings, plugin_strategies, queue_settings, target_of
from pbx.dialplan.queues import QueuePlan
from pbx.errors import OperatorError
from pbx.media.phrases import say_position, say_wait
from pbx.media.values import Sound
from pbx.queues import (
    Abandoned,
    AgentPaused,
    Announce,
    Handled,
    Joined,
    Offer,
    OfferFailure,
    Overflow,
    Prompt,
    QueueOutcome,
    Queues,
    Requeued,
    Served,
    Snapshot,
    StrategyFailed,
    WithdrawOffer,
)
from pbx.queues import Output as QueueOutput
from pbx.registrar.binding import BindingEvent
from pbx.service.destinations import Addresses, Destinations, Dialled
from pbx.service.queue_hours import QueueHours
from pbx.service.switch import OutcomeNeeded, Output, Switch

log = logging.getLogger("pbx")

Resolve = Callable[[set[str]], Awaitable[Addresses]]
FindSound = Callable[[str], Sound]
"""The sound of a name. Raises OperatorError."""

FindMusic = Callable[[str], Sequence[Sound]]
"""What is played one after the other as the music of a name. Raises OperatorError."""

# What agents and statistics became is stored so long after it happened, with what came meanwhile.
STORE_AFTER_S = 1.0

_FAILURES: Mapping[str, OfferFailure] = {
    "busy": "busy",
    "rejected": "refused",
    "timeout": "no-answer",
    "no-answer": "no-answer",
}

# An announcement and a prompt, each once, may wait for what is being said.
_MOST_LATER = 2

# RFC 5373 §3.3, and the two ways of phones that came before it.
_AUTO_ANSWER = (
    ("Answer-Mode", "Auto"),
    ("Call-Info", "<sip:pbx.invalid>;answer-after=0"),
    ("Alert-Info", "<http://pbx.invalid>;info=alert-autoanswer;delay=0"),
)


@dataclass(slots=True)
class AgentWanted:
    """An agent is to be rung for a call: ask the desk for the `summons`, then let it `ring`."""

    offer: Offer
    call: Call


class Keep(Protocol):
    """Where agents and statistics outlive the process."""

    def __call__(self, changes: Snapshot, now: float) -> None:
        """Keep what changed; returns at once."""
        ...


class _Waiting:
    """A caller in a queue, or served out of one: its call as the dialplan left it, and what it hears."""

    __slots__ = ("later", "plan", "routed", "said_until")

    def __init__(self, routed: RoutedCall, plan: Wait) -> None:
        self.routed = routed
        self.plan = plan
        # When what is being said is over, and what is said then.
        self.said_until = 0.0
        self.later: deque[Sequence[str]] = deque()


class Desk:
    """Serves all queues of a service. `keep` is told what has to outlive it."""

    def __init__(
        self,
        queues: Queues,
        switch: Switch,
        destinations: Destinations,
        resolve: Resolve,
        find_sound: FindSound,
        find_music: FindMusic,
        draw: Callable[[int], int],
        wall: Callable[[], datetime],
    ) -> None:
        self.queues = queues
        self.keep: Keep | None = None
        self._switch = switch
        self._destinations = destinations
        self._resolve = resolve
        self._find_sound = find_sound
        self._find_music = find_music
        self._draw = draw
        self._said: deque[QueueOutput] = deque()
        self._callers: dict[str, _Waiting] = {}
        # Callers who hear an agent's phone ring and were not answered.
        self._direct: set[str] = set()
        # Callers who are told something more when what they hear is over.
        self._told_later: Deadlines[str] = Deadlines()
        self._offers: dict[int, Offer] = {}
        # Supervisors: by the number of their summons, which is below that of any offer, call and user.
        self._watchers: dict[int, tuple[str, str, Manner]] = {}
        self._next_watcher = -1
        self._plans: Mapping[str, QueuePlan] | None = None
        # What a queue's strategy failed of last is not logged again and again.
        self._complaints: dict[str, str] = {}
        self._user_calls: list[tuple[str, str, bool]] = []
        self._moved: set[str] = set()
        self._store_at: float | None = None
        self._hours = QueueHours(queues, wall, switch.live.switches.get)
        switch.live.on_user = self._on_user
        switch.live.queue = self.facts

    # -- what happens ----------------------------------------------------------------------------------------

    def configure(self, plans: Mapping[str, QueuePlan]) -> None:
        """Take up the queues of a generation, at the next opportunity."""
        self._plans = plans

    def join(
        self, call: Call, decision: QueueDecision, routed: RoutedCall, now: float
    ) -> Wait | QueueOutcome:
        """Put a caller in line: how it waits, or why it may not."""
        if call.state in {"ending", "ended"}:
            return Wait()
        self._catch_up(now)
        self._hear(self._hours.look_at(decision.name, now), now)
        name = call.record.id
        outputs = self.queues.join(
            name,
            decision.name,
            now,
            priority=decision.priority,
            user=routed.user or "",
            number=routed.caller.number,
        )
        plan: Wait | QueueOutcome = Wait()
        for output in outputs:
            self._note(output, now)
            if isinstance(output, Joined) and output.caller == name:
                plan = self._waiting_plan(output)
                self._callers[name] = _Waiting(routed, plan)
                if output.direct:
                    self._direct.add(name)
            elif isinstance(output, Overflow) and output.caller == name and not isinstance(plan, str):
                plan = output.outcome
                continue
            self._said.append(output)
        self._dirty(now)
        return plan

    def happened(
        self, event: from_call.Summoned | from_call.DigitPressed | from_call.Ending, now: float
    ) -> None:
        """Something about a caller, or an agent who was rung for one."""
        name = event.call.record.id
        match event:
            case from_call.Summoned(_, number, state, status):
                if number in self._watchers:
                    self._watched(number, state, now)
                elif state == "answered":
                    self._hear(self.queues.picked_up(number, now), now)
                elif state == "ready":
                    self._hear(self.queues.connected(number, now), now)
                elif self._offers.pop(number, None) is not None:
                    failure = _FAILURES.get(outcome_of(status), "unavailable")
                    self._hear(self.queues.failed(number, failure, now), now)
            case from_call.DigitPressed(_, digit):
                self._hear(self.queues.digit(name, digit, now), now)
            case from_call.Ending():
                self._hear(self.queues.hang_up(name, now), now)
            case _:
                assert_never(event)

    def call_ended(self, call: Call, now: float) -> None:
        """A call is over, in a queue or not."""
        for number, (caller, _, _) in list(self._watchers.items()):
            if caller == call.record.id:
                del self._watchers[number]
        if self._callers.pop(call.record.id, None) is not None:
            said = self.queues.hang_up(call.record.id, now)
            for output in said:
                self._note(output, now, call)
            self._hear(said, now)

    def bindings_changed(self, events: Iterable[BindingEvent]) -> None:
        """Phones of users came or went."""
        self._moved.update(event.binding.user for event in events)

    def _on_user(self, user: str, call_id: str, began: bool) -> None:
        self._user_calls.append((user, call_id, began))

    def _catch_up(self, now: float) -> None:
        """Tell the machine what happened to users and settings since it was last told."""
        plans, self._plans = self._plans, None
        if plans is not None:
            settings = [queue_settings(plan) for plan in plans.values()]
            agents = agent_settings(plans.values())
            strategies = plugin_strategies(plans.values())
            changed = self.queues.configure(settings, now, agents=agents, strategies=strategies)
            self._hear(changed, now)
            self._hear(self._hours.configure(plans.values(), now), now)
            self._moved.update(each.agent for each in self.queues.agents())
        moved, self._moved = self._moved, set()
        for user in moved:
            if target_of(user).startswith("user/"):
                there = bool(self._switch.registrar.bindings(user, now))
                self._hear(self.queues.reach(user, there, now), now)
        calls, self._user_calls = self._user_calls, []
        for user, call_id, began in calls:
            tell = self.queues.agent_busy if began else self.queues.agent_free
            self._hear(tell(user, call_id, now), now)

    def _hear(self, outputs: Iterable[QueueOutput], now: float) -> None:
        before = len(self._said)
        for output in outputs:
            self._note(output, now)
            self._said.append(output)
        if len(self._said) > before:
            self._dirty(now)

    def _note(self, output: QueueOutput, now: float, over: Call | None = None) -> None:
        """What a queue meant for a caller is noted at once, a moment later its call is `over`."""
        match output:
            case Served(caller, _, queue, seconds):
                kind = "queue-served"
            case Handled(caller, _, queue, seconds):
                kind = "queue-handled"
            case Abandoned(caller, queue, seconds):
                kind = "queue-gave-up"
            case Overflow(caller, queue, _, seconds):
                kind = "queue-overflowed"
            case _:
                return
        call = self._switch.calls.get(caller)
        if call is None and over is not None and over.record.id == caller:
            call = over
        if call is not None:
            call.record.note(Note(now, f"queue/{queue}", kind, value=round(seconds, 3)))

    def _dirty(self, now: float) -> None:
        if self._store_at is None and self.keep is not None:
            self._store_at = now + STORE_AFTER_S

    # -- time ------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When something is due: at once, while something is to be carried out."""
        if self.pending:
            return 0.0
        earliest = self.queues.next_deadline()
        for due in (self._store_at, self._hours.next_look, self._told_later.next()):
            if due is not None and (earliest is None or due < earliest):
                earliest = due
        return earliest

    def handle_timer(self, now: float) -> Sequence[Output | AgentWanted]:
        """Do what is due."""
        due = self.queues.next_deadline()
        if due is not None and due <= now:
            self._catch_up(now)
            self._hear(self.queues.handle_timer(now), now)
        if self._hours.next_look is not None and self._hours.next_look <= now:
            self._catch_up(now)
            self._hear(self._hours.look(now), now)
        if self._store_at is not None and self._store_at <= now:
            self.store(now)
        out = self.tend(now)
        for caller, _ in self._told_later.expire(now):
            self._say_later(caller, now, out)
        return out

    def store(self, now: float) -> None:
        """Have everything that changed kept now."""
        self._store_at = None
        if self.keep is not None:
            self.keep(self.queues.changes(), now)

    # -- carrying out ----------------------------------------------------------------------------------------

    @property
    def pending(self) -> bool:
        """Whether `tend` has something to do."""
        return bool(self._said or self._user_calls or self._moved or self._plans is not None)

    def tend(self, now: float) -> list[Output | AgentWanted]:
        """Carry out what the queues said."""
        out: list[Output | AgentWanted] = []
        self._catch_up(now)
        while self._said:
            self._carry_out(self._said.popleft(), now, out)
        for caller in self._direct & self._callers.keys():
            self._answer_after_all(caller, now, out)
        self._direct &= self._callers.keys()
        return out

    def _carry_out(self, output: QueueOutput, now: float, out: list[Output | AgentWanted]) -> None:
        switch = self._switch
        match output:
            case Offer(number, caller):
                self._offers[number] = output
                call = switch.calls.get(caller)
                if call is None:
                    self._hear(self.queues.failed(number, "unavailable", now), now)
                else:
                    out.append(AgentWanted(output, call))
            case WithdrawOffer(number, caller):
                self._offers.pop(number, None)
                out += switch.tell(caller, lambda call: call.dismiss(number, now), now)
            case Served(caller, agent):
                pair = (caller, agent)
                taken = [key for key, each in self._offers.items() if (each.caller, each.agent) == pair]
                for key in taken:
                    del self._offers[key]
                    out += self._put_through(caller, key, now)
            case Announce(caller, _, position, expected_wait_s):
                place = [] if position is None else say_position(position)
                wait = [] if expected_wait_s is None else say_wait(expected_wait_s)
                self._say(caller, [*place, *wait], now, out)
            case Prompt(caller, _, sound):
                self._say(caller, [sound], now, out)
            case Overflow(caller, _, outcome):
                waited = self._callers.pop(caller, None)
                call = switch.calls.get(caller)
                if waited is not None and call is not None:
                    out.append(OutcomeNeeded(call, outcome, STATUS_OF_OUTCOME[outcome]))
            case AgentPaused(agent, why):
                log.info("agent %s is paused: %s", agent, why)
            case StrategyFailed(queue, strategy, why):
                if self._complaints.get(queue) != why:
                    self._complaints[queue] = why
                    log.warning("the strategy %s of the queue %s failed: %s", strategy, queue, why)
            case Joined() | Requeued() | Handled() | Abandoned():
                pass
            case _:
                assert_never(output)

    def _put_through(self, caller: str, number: int, now: float) -> list[Output]:
        return self._switch.tell(caller, lambda call: call.put_through(number, now), now)

    async def summons(self, offer: Offer, call: Call, now: float) -> Summons:
        """Where to ring the agent of an offer, and what is whispered."""
        waiting = self._callers.get(offer.caller)
        if waiting is None:
            return Summons(offer.number, ())
        found = await self._reach(target_of(offer.agent), waiting.routed, call.hops_left, now)
        if offer.auto_answer:
            found = [replace(each, headers=(*each.headers, *_AUTO_ANSWER)) for each in found]
        return Summons(offer.number, found, self._sounds([offer.whisper] if offer.whisper else []))

    def ring(self, offer: Offer, summons: Summons, now: float) -> list[Output]:
        """Ring an agent, if the offer still stands."""
        if offer.number not in self._offers:
            return []
        return self._switch.tell(offer.caller, lambda call: call.summon(summons, now), now)

    async def _reach(
        self, target: str, routed: RoutedCall, hops_left: int, now: float
    ) -> Sequence[Destination]:
        dial = Dial(target)
        names = self._destinations.host_names(dial)
        addresses = await self._resolve(names) if names else {}
        plan = self._destinations.plan(dial, Dialled(routed, hops_left, ()), addresses, now)
        return plan.groups[0] if plan.groups else ()

    def _waiting_plan(self, joined: Joined) -> Wait:
        sounds: Sequence[Sound] = ()
        try:
            sounds = self._find_music(joined.music)
        except OperatorError as error:
            log.error("%s", error)
        samples = sum(len(sound.samples) for sound in sounds)
        return Wait(
            sounds,
            self._draw(samples) if samples else 0,
            digits=self.queues.settings(joined.queue).exit_digit is not None,
            unanswered=joined.direct,
        )

    def _answer_after_all(self, caller: str, now: float, out: list[Output | AgentWanted]) -> None:
        """A caller who heard an agent's phone ring in vain is answered, and waits with music."""
        waiting, view = self._callers[caller], self.queues.caller(caller)
        if view is None or view.state in {"waiting", "served"}:
            self._direct.discard(caller)
        if view is not None and view.state == "waiting":
            waiting.plan = replace(waiting.plan, unanswered=False)
            plan = waiting.plan
            out += self._switch.tell(caller, lambda call: call.route(plan, now), now)

    def _say(self, caller: str, names: Sequence[str], now: float, out: list[Output | AgentWanted]) -> None:
        waiting = self._callers.get(caller)
        if waiting is None or caller in self._direct:
            return
        if now < waiting.said_until:
            # What has waited for longer than the next of its kind takes to come is not worth hearing.
            if len(waiting.later) < _MOST_LATER:
                waiting.later.append(names)
                self._told_later.set(caller, waiting.said_until)
            return
        sounds = self._sounds(names)
        waiting.said_until = now + sum(sound.duration_s for sound in sounds)
        plan = replace(waiting.plan, first=sounds)
        out += self._switch.tell(caller, lambda call: call.route(plan, now), now)

    def _say_later(self, caller: str, now: float, out: list[Output | AgentWanted]) -> None:
        """What the caller heard is over: what came meanwhile is said, unless somebody is rung or serves."""
        waiting, view = self._callers.get(caller), self.queues.caller(caller)
        if waiting is None or view is None or view.state != "waiting":
            if waiting is not None:
                waiting.later.clear()
            return
        if waiting.later:
            self._say(caller, waiting.later.popleft(), now, out)
        if waiting.later:
            self._told_later.set(caller, waiting.said_until)

    def _sounds(self, names: Iterable[str]) -> list[Sound]:
        found: list[Sound] = []
        for name in names:
            try:
                found.append(self._find_sound(name))
            except OperatorError as error:
                log.error("%s", error)
        return found

    # -- what people ask -------------------------------------------------------------------------------------

    def facts(self, queue: str) -> Mapping[str, int]:
        """How a queue is doing, for the dialplan."""
        if queue not in self.queues.queues():
            return {"waiting": 0, "agents": 0, "free": 0}
        here, free = self.queues.staff(queue)
        return {"waiting": self.queues.waiting(queue), "agents": here, "free": free}

    def restore(self, kept: Snapshot, now: float) -> None:
        """Go on from what an earlier process knew, before the first call."""
        self._catch_up(now)
        self.queues.restore(kept, now)
        self._hear(self._hours.restored(now), now)

    def conversation(self, agent: str) -> str:
        """The call of the caller whom an agent serves. Raises OperatorError."""
        self.queues.agent(agent)
        for each in self.queues.callers():
            if each.state == "served" and agent in each.agents and each.caller in self._callers:
                return each.caller
        raise OperatorError(f"agent {agent} has no caller of a queue", "`pbx queues` shows who has")

    def change(self, act: Callable[[float], Iterable[QueueOutput]], now: float) -> list[Output | AgentWanted]:
        """Have the queues do something (log in, pause, assign, close). Raises what they raise."""
        self._catch_up(now)
        self._hear(act(now), now)
        self.store(now)
        return self.tend(now)

    def change_agent(self, agent: str, change: AgentStep, now: float, why: str = "") -> None:
        """Log in or out, begin or end a break, cut wrap-up short; who is no agent stays who they are."""
        self._catch_up(now)
        queues = self.queues
        try:
            match change:
                case "log-in":
                    said = queues.log_in(agent, now)
                case "log-out":
                    said = queues.log_out(agent, now)
                case "pause":
                    said = queues.pause(agent, now, why)
                case "unpause":
                    said = queues.unpause(agent, now)
                case "ready":
                    said = queues.ready(agent, now)
                case _:
                    assert_never(change)
        except OperatorError as error:
            log.warning("%s", error)
            return
        self._hear(said, now)
        self.store(now)

    async def supervision(
        self, agent: str, user: str, manner: Manner, now: float
    ) -> Callable[[float], list[Output]]:
        """What lets a user take part in the agent's conversation. Raises OperatorError."""
        self._catch_up(now)
        caller = self.conversation(agent)
        for number, (watched, by, _) in self._watchers.items():
            if (watched, by) == (caller, user):
                self._watchers[number] = (watched, by, manner)
                return lambda now: self._take_part(number, now)
        call = self._switch.calls[caller]
        found = await self._reach(f"user/{user}", self._callers[caller].routed, call.hops_left, now)
        if not found:
            raise OperatorError(f"user {user} has no phone that is registered")
        number = self._next_watcher
        self._next_watcher -= 1
        self._watchers[number] = (caller, user, manner)
        summons = Summons(number, found, manner=manner)
        return lambda now: self._switch.tell(caller, lambda call: call.summon(summons, now), now)

    def _take_part(self, number: int, now: float) -> list[Output]:
        caller, _, manner = self._watchers[number]
        out = self._switch.tell(caller, lambda call: call.take_part(number, manner, now), now)
        if manner == "take-over":
            self._watched(number, "answered", now)
        return out

    def _watched(self, number: int, state: str, now: float) -> None:
        """A supervisor's phone was answered, or is gone."""
        caller, _, manner = self._watchers[number]
        if state == "over":
            del self._watchers[number]
        elif manner == "take-over":
            del self._watchers[number]
            view = self.queues.caller(caller)
            if view is not None and view.agents:
                self._hear(self.queues.agent_free(view.agents[0], caller, now), now)
