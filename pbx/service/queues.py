"""The queues of a service: their machine, the desk, their store, and what people ask of them."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial

from twisted.internet.defer import Deferred, succeed

from pbx.api.queues import (
    AgentChange,
    AgentReport,
    CallerReport,
    IntervalReport,
    Part,
    QueueReport,
    QueuesReport,
    TallyReport,
)
from pbx.call.recording import Recording
from pbx.errors import OperatorError
from pbx.ids import Ids
from pbx.metrics.metrics import Metrics
from pbx.queues import AgentView, CallerView, Interval, Queues, Snapshot, Tally
from pbx.queues import Output as QueueOutput
from pbx.queues.statistics import INTERVAL_S
from pbx.service.clock import Clock
from pbx.service.conductor import Conductor
from pbx.service.desk import Desk, FindMusic, FindSound, Resolve
from pbx.service.destinations import Destinations
from pbx.service.switch import Switch
from pbx.store.agents import AgentJournal
from pbx.store.database import Store
from pbx.store.journal import Reactor

log = logging.getLogger("pbx")


class CallCentre:
    """All queues of one service. Everything that people ask goes through the conductor."""

    def __init__(
        self,
        switch: Switch,
        destinations: Destinations,
        resolve: Resolve,
        find_sound: FindSound,
        find_music: FindMusic,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._clock = clock
        self._switch = switch
        now = clock.now()
        draw = partial(_draw, ids)
        self._queues = Queues((), draw, aligned_at=now - clock.wall().timestamp() % INTERVAL_S, now=now)
        self.desk = Desk(
            self._queues, switch, destinations, resolve, find_sound, find_music, draw, clock.wall
        )
        self.conductor: Conductor | None = None
        self._journal: AgentJournal | None = None

    # -- life ------------------------------------------------------------------------------------------------

    def open(self, store: Store, reactor: Reactor, failed: Callable[[OperatorError], None]) -> None:
        """Go on from what an earlier process knew, and keep what changes. Raises OperatorError."""
        journal = self._journal = AgentJournal(store, reactor, failed=failed)
        now, epoch = self._clock.now(), self._clock.wall().timestamp()
        self.desk.restore(journal.load(now, epoch), now)
        self.desk.keep = self._keep

    def drain(self) -> None:
        """Hand everybody who waits to what follows a closed queue."""
        self._tell(lambda now: self._queues.drain("closed", now))

    def stop(self) -> "Deferred[None]":
        """Write what is not written yet, and close the store."""
        journal, self._journal = self._journal, None
        if journal is None:
            return succeed(None)
        now = self._clock.now()
        journal.record(self._queues.changes(), now, self._clock.wall().timestamp())
        self.desk.keep = None
        return journal.stop()

    def _keep(self, changes: Snapshot, now: float) -> None:
        if self._journal is not None:
            epoch = self._clock.wall().timestamp() - (self._clock.now() - now)
            self._journal.record(changes, now, epoch)

    def observe(self, metrics: Metrics) -> None:
        """Have the queues counted at each scrape."""
        queues = self._queues
        for name, read in _COUNTS.items():
            metrics.observe_queues(name, partial(self._counted, read))
        metrics.observe_queues(
            "pbx_queue_waiting", lambda: {name: queues.waiting(name) for name in queues.queues()}
        )
        metrics.observe_queues(
            "pbx_queue_agents_here", lambda: {name: queues.staff(name)[0] for name in queues.queues()}
        )
        metrics.observe_queues(
            "pbx_queue_agents_free", lambda: {name: queues.staff(name)[1] for name in queues.queues()}
        )
        metrics.observe_queues("pbx_queue_longest_waiting_seconds", self._longest)

    def _counted(self, read: Callable[[Tally], float]) -> Mapping[str, float]:
        return {name: read(self._queues.statistics(name)) for name in self._queues.queues()}

    def _longest(self) -> Mapping[str, float]:
        now = self._clock.now()
        return {
            name: max(
                (now - each.joined_at for each in self._queues.callers(name) if each.position), default=0
            )
            for name in self._queues.queues()
        }

    # -- what people ask -------------------------------------------------------------------------------------

    def queues(self) -> QueuesReport:
        """All queues and agents."""
        return QueuesReport(
            queues=[self._queue(name) for name in self._queues.queues()],
            agents=[_agent(each) for each in self._queues.agents()],
        )

    def change_agent(self, agent: str, change: AgentChange, why: str = "") -> AgentReport:
        """Log in or out, begin or end a break, cut wrap-up short. Raises OperatorError."""
        queues = self._queues
        changes: Mapping[AgentChange, Callable[[float], Iterable[QueueOutput]]] = {
            "log-in": lambda now: queues.log_in(agent, now),
            "log-out": lambda now: queues.log_out(agent, now),
            "pause": lambda now: queues.pause(agent, now, why),
            "unpause": lambda now: queues.unpause(agent, now),
            "ready": lambda now: queues.ready(agent, now),
        }
        self._tell(changes[change])
        return _agent(queues.agent(agent))

    def open_queue(self, queue: str, *, closed: bool) -> None:
        """Open or close a queue. Raises OperatorError."""
        act = self._queues.close if closed else self._queues.open
        self._tell(lambda now: act(queue, now))

    def assign(self, call: str, agent: str) -> None:
        """Offer a waiting caller to this agent. Raises OperatorError."""
        self._tell(lambda now: self._queues.assign(call, agent, now))

    async def supervise(self, agent: str, user: str, part: Part) -> None:
        """Call a user to take part in the agent's conversation. Raises OperatorError."""
        found = Deferred.fromCoroutine(self.desk.supervision(agent, user, part, self._clock.now()))
        begin = await found.asFuture(asyncio.get_running_loop())
        if self.conductor is not None:
            self.conductor.operate(begin)

    def record(self, agent: str, *, on: bool) -> None:
        """Record the agent's conversation, or no more. Raises OperatorError."""
        caller = self.desk.conversation(agent)
        recording = Recording(f"{agent.replace('/', '_')}-{caller}") if on else None
        self._switch.calls[caller].record_as(recording)

    def _tell(self, act: Callable[[float], Iterable[QueueOutput]]) -> None:
        if self.conductor is not None:
            self.conductor.operate(lambda now: self.desk.change(act, now))

    # -- reports ---------------------------------------------------------------------------------------------

    def _queue(self, name: str) -> QueueReport:
        queues, now = self._queues, self._clock.now()
        callers = [self._caller(each, now) for each in queues.callers(name)]
        here, free = queues.staff(name)
        return QueueReport(
            name=name,
            strategy=queues.settings(name).strategy,
            closed=queues.is_closed(name),
            waiting=queues.waiting(name),
            longest_wait_s=max((each.waited_s for each in callers if each.position is not None), default=0.0),
            agents=here,
            free=free,
            expected_wait_s=queues.expected_wait_s(name),
            callers=callers,
            total=_tally(queues.statistics(name)),
            intervals=[self._interval(each, now) for each in queues.intervals(name)],
        )

    @staticmethod
    def _caller(view: CallerView, now: float) -> CallerReport:
        return CallerReport(
            call=view.caller,
            queue=view.queue,
            state=view.state,
            position=view.position,
            waited_s=round(now - view.joined_at, 3),
            priority=view.priority,
            number=view.number,
            agents=list(view.agents),
            expected_wait_s=view.expected_wait_s,
        )

    def _interval(self, interval: Interval, now: float) -> IntervalReport:
        return IntervalReport(
            started_at=self._at(interval.started_at, now),
            tally=_tally(interval.tally),
        )

    def _at(self, moment: float, now: float) -> datetime:
        return self._clock.wall() - timedelta(seconds=now - moment)


_COUNTS: Mapping[str, Callable[[Tally], float]] = {
    "pbx_queue_joined": lambda tally: tally.joined,
    "pbx_queue_answered": lambda tally: tally.answered,
    "pbx_queue_answered_in_time": lambda tally: tally.in_time,
    "pbx_queue_abandoned": lambda tally: tally.abandoned,
    "pbx_queue_overflowed": lambda tally: sum(tally.overflowed.values()),
    "pbx_queue_refused": lambda tally: sum(tally.refused.values()),
    "pbx_queue_failed_offers": lambda tally: tally.failed_offers,
    "pbx_queue_strategy_failures": lambda tally: tally.fallbacks,
    "pbx_queue_wait_seconds": lambda tally: tally.wait_s,
    "pbx_queue_handle_seconds": lambda tally: tally.handle_s,
}


def _agent(view: AgentView) -> AgentReport:
    return AgentReport(
        agent=view.agent,
        state=view.state,
        logged_in=view.logged_in,
        paused=view.paused,
        calls=list(view.calls),
        offered=view.offered,
        queues=list(view.queues),
        answered=view.answered,
        no_answers=view.no_answers,
    )


def _tally(tally: Tally) -> TallyReport:
    return TallyReport(
        joined=tally.joined,
        answered=tally.answered,
        abandoned=tally.abandoned,
        refused=dict(tally.refused),
        overflowed=dict(tally.overflowed),
        handled=tally.handled,
        offers=tally.offers,
        failed_offers=tally.failed_offers,
        strategy_failures=tally.fallbacks,
        mean_wait_s=tally.mean_wait_s,
        longest_wait_s=tally.longest_wait_s,
        mean_handle_s=tally.mean_handle_s,
        mean_patience_s=tally.mean_patience_s,
        service_level=tally.service_level,
    )


def _draw(ids: Ids, most: int) -> int:
    """A random number below `most`."""
    return ids.number(48) % most
