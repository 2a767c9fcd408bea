"""The hours of queues and of their agents: calendars close and open queues, and end and begin breaks.

A queue is closed whenever its calendar says so. An agent is sent on a break, and comes back from that one,
when the calendar changes: what people say in between (a log-in at night, lunch) holds until it changes again.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from pbx.dialplan.calendars import Calendar
from pbx.dialplan.live import Switched
from pbx.dialplan.queue_settings import agent_calendars
from pbx.dialplan.queues import QueuePlan
from pbx.queues import Output, Queues

_EVERY_S = 60.0


class QueueHours:
    """Looks at the calendars at every full minute, by `wall`; `switched` is what a switch of them says."""

    def __init__(
        self, queues: Queues, wall: Callable[[], datetime], switched: Callable[[str], Switched | None]
    ) -> None:
        self._queues = queues
        self._wall = wall
        self._switched = switched
        self._of_queues: Mapping[str, Calendar] = {}
        self._of_agents: Mapping[str, Calendar] = {}
        self._agents_open: dict[str, bool] = {}
        self.next_look: float | None = None

    def configure(self, plans: Iterable[QueuePlan], now: float) -> list[Output]:
        """Take up other calendars."""
        plans = tuple(plans)
        before = self._of_queues
        self._of_queues = {plan.name: plan.hours for plan in plans if plan.hours is not None}
        self._of_agents = agent_calendars(plans)
        self._agents_open = {
            agent: was for agent, was in self._agents_open.items() if agent in self._of_agents
        }
        out: list[Output] = []
        for name in before.keys() & {plan.name for plan in plans}:
            if name not in self._of_queues:
                out += self._queues.keep_hours(name, now, open_now=True)
        return [*out, *self.look(now)]

    def restored(self, now: float) -> list[Output]:
        """Agents are as an earlier process left them: breaks of hours that are over end, others begin."""
        self._agents_open.clear()
        return self.look(now)

    def look(self, now: float) -> list[Output]:
        """See what the calendars say now."""
        if not self._of_queues and not self._of_agents:
            self.next_look = None
            return []
        wall = self._wall()
        self.next_look = now + _EVERY_S - wall.second - wall.microsecond / 1e6
        out: list[Output] = []
        for queue in self._of_queues:
            out += self.look_at(queue, now)
        for agent, calendar in self._of_agents.items():
            out += self._look_at_agent(agent, calendar, wall, now)
        return out

    def look_at(self, queue: str, now: float) -> list[Output]:
        """See what the calendar of a queue says now, if it has one: somebody is about to join."""
        calendar = self._of_queues.get(queue)
        if calendar is None:
            return []
        return self._queues.keep_hours(queue, now, open_now=self._is_open(calendar, self._wall()))

    def _look_at_agent(self, agent: str, calendar: Calendar, at: datetime, now: float) -> list[Output]:
        queues = self._queues
        open_now = self._is_open(calendar, at)
        if self._agents_open.get(agent) == open_now:
            return []
        self._agents_open[agent] = open_now
        view = queues.agent(agent)
        why = f"outside the hours of {calendar.name}"
        if open_now and view.paused == why:
            return queues.unpause(agent, now)
        if not open_now and view.logged_in and not view.paused:
            return queues.pause(agent, now, why)
        return []

    def _is_open(self, calendar: Calendar, at: datetime) -> bool:
        return calendar.state(at, self._switched(calendar.switch) if calendar.switch else None).open
