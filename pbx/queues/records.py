"""What the machine knows of a caller, an agent, an offer and a queue. Only `floor` changes them."""

from collections.abc import Mapping
from typing import Literal

from pbx.queues.ordered import Key, Ordered
from pbx.queues.settings import AgentSettings, Condition, Member, QueueOutcome, QueueSettings
from pbx.queues.statistics import Statistics
from pbx.queues.strategies import Free, Rank, Strategy, has_skills
from pbx.queues.values import AgentState, CallerState, Standing, Wanted


class Agent:
    """An agent: what is known, and the state that follows from it."""

    __slots__ = (
        "answered", "calls", "idle_since", "logged_in", "name", "no_answers", "offering", "paused",
        "reachable", "resting", "seats", "settings", "wrapping_up",
    )  # fmt: skip

    def __init__(self, name: str, settings: AgentSettings, now: float) -> None:
        self.name = name
        self.settings = settings
        self.logged_in = settings.logged_in
        self.paused = ""
        # Whether there is a phone to ring; not stored, the service knows.
        self.reachable = True
        # Live calls, as the service reports them; they are kept nowhere else and never stored.
        self.calls: set[str] = set()
        self.offering: Offering | None = None
        self.wrapping_up = False
        self.resting = False
        self.idle_since = now
        self.no_answers = 0
        self.answered = 0
        self.seats: dict[str, Seat] = {}

    @property
    def state(self) -> AgentState:
        """The first of these that applies."""
        if self.offering is not None:
            return "offered"
        if len(self.calls) >= self.settings.max_calls:
            return "busy"
        if not self.here:
            return "offline"
        if self.paused:
            return "paused"
        if self.wrapping_up:
            return "wrap-up"
        if self.resting:
            return "resting"
        return "available"

    @property
    def here(self) -> bool:
        """Logged in, with a phone to ring."""
        return self.logged_in and self.reachable

    @property
    def at_work(self) -> bool:
        """Here and not paused."""
        return self.here and not self.paused


class Seat:
    """An agent's place in one queue. `rank` is the key among its free agents; None when not free."""

    __slots__ = ("agent", "answered", "member", "position", "queue", "rank")

    def __init__(self, agent: Agent, queue: "Line", member: Member, position: int) -> None:
        self.agent = agent
        self.queue = queue
        self.member = member
        self.position = position
        self.rank: Rank | None = None
        self.answered = 0

    def standing(self) -> Standing:
        """What a strategy sees."""
        member = self.member
        return Standing(
            member.agent,
            self.position,
            member.penalty,
            member.skills,
            self.agent.idle_since,
            self.answered,
        )


class Offering:
    """An offer that is open: it rings, or has been picked up."""

    __slots__ = ("agent", "caller", "number", "penalty", "picked_up")

    def __init__(self, number: int, caller: "Caller", agent: Agent, penalty: int) -> None:
        self.number = number
        self.caller = caller
        self.agent = agent
        self.penalty = penalty
        self.picked_up = False


class Caller:
    """A caller in line or served. `key` is the place in line, kept when an offer fails."""

    __slots__ = (
        "agent", "joined_at", "key", "leaves_at", "name", "needs", "number", "offers", "priority", "prompts",
        "queue", "served_at", "state", "user",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        queue: "Line",
        serial: int,
        now: float,
        *,
        priority: int,
        user: str,
        number: str,
        needs: Mapping[str, int],
    ) -> None:
        settings = queue.settings
        self.name = name
        self.queue = queue
        self.joined_at = now
        self.priority = priority
        self.user = user
        self.number = number
        self.needs = needs
        self.leaves_at = None if settings.max_wait_s is None else now + settings.max_wait_s
        # Priorities age at the same pace for everyone, so the order between two callers never changes: a
        # step of priority counts as having come `ageing_s` earlier.
        self.key: Key = (
            (-priority, now, serial)
            if settings.ageing_s is None
            else (0, now - priority * settings.ageing_s, serial)
        )
        self.state: CallerState | Literal["gone"] = "waiting"
        self.offers: dict[str, Offering] = {}
        self.agent: Agent | None = None
        self.served_at = 0.0
        self.prompts = 0

    def matches(self, agent: Agent, skills: Mapping[str, int]) -> bool:
        """Whether the agent may be offered this caller."""
        return agent.name != self.user and (not self.needs or has_skills(skills, self.needs))

    def wanted(self, last_agent: str | None) -> Wanted:
        """What a strategy sees."""
        return Wanted(
            self.name,
            self.user,
            self.number,
            self.priority,
            self.joined_at,
            self.needs,
            last_agent,
            self.queue.last_offered,
        )


class Line:
    """One queue: who stands in it (`line`, of whom `waiting` are not offered and `ringing` are), its agents.

    `present` of its agents are logged in with a phone to ring, `at_work` of these are not paused.
    `last_offered` is a position.
    """

    __slots__ = (
        "at_work", "closed", "free", "last_offered", "line", "name", "present", "removed", "ringing", "seats",
        "settings", "statistics", "strategy", "waiting",
    )  # fmt: skip

    def __init__(self, settings: QueueSettings, strategy: Strategy, statistics: Statistics) -> None:
        self.name = settings.name
        self.settings = settings
        self.strategy = strategy
        self.statistics = statistics
        self.seats: dict[str, Seat] = {}
        self.free = Free(lambda agent: self.seats[agent].standing())
        self.line: Ordered[Caller] = Ordered()
        self.waiting: Ordered[Caller] = Ordered()
        self.ringing: Ordered[Caller] = Ordered()
        self.present = 0
        self.at_work = 0
        self.closed = False
        self.removed = False
        self.last_offered = -1

    def refusal(self, conditions: frozenset[Condition]) -> QueueOutcome | None:
        """Which outcome the queue's present condition leads to, if it is among `conditions`."""
        if self.removed:
            return "unavailable"
        if self.closed and "closed" in conditions:
            return "closed"
        if not self.present:
            return "unavailable" if "no-agents" in conditions else None
        if not self.at_work and "all-paused" in conditions:
            return "unavailable"
        return None

    def first_free(self, caller: Caller) -> Seat | None:
        """The first agent by rank who may be offered this caller."""
        for name in self.free:
            seat = self.seats[name]
            if caller.matches(seat.agent, seat.member.skills):
                return seat
        return None

    def first_waiting(self, seat: Seat) -> Caller | None:
        """The first caller in line whom nobody is offered and this agent may be."""
        for caller in self.waiting:
            if caller.matches(seat.agent, seat.member.skills):
                return caller
        return None

    def position(self, caller: Caller) -> int:
        """The place in line, from 1."""
        return self.line.place(caller.key) + 1

    def expected_wait_s(self, caller: Caller) -> float | None:
        """How long the caller will still wait, as far as anybody can know."""
        return self.statistics.expected_wait_s(self.position(caller), self.at_work)
