"""What a queue is told to do: frozen values that a dialplan's `queues:` is compiled to. Times in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import Literal

from pbx.errors import MisuseError

StrategyName = str
"""One of `STRATEGY_NAMES`, or the name of a strategy that a plugin brings."""

STRATEGY_NAMES: tuple[str, ...] = (
    "ring-all",
    "longest-idle",
    "round-robin",
    "fewest-calls",
    "random",
    "in-order",
    "skills",
    "sticky",
)

Condition = Literal["no-agents", "all-paused", "closed"]
"""A state of the queue in which nobody can be served.

no-agents: no agent of it is logged in with a phone to ring. all-paused: some are, and every one of them is
paused. closed: it has been told that it is closed (by hours or by hand).
"""

CONDITIONS: tuple[Condition, ...] = ("no-agents", "all-paused", "closed")

QueueOutcome = Literal["full", "timeout", "unavailable", "closed", "left"]
"""How waiting ends without an agent; a dialplan's `on:` names these.

full: the queue held `capacity` callers. timeout: `max_wait_s` passed. unavailable: nobody is logged in, all
are paused, or the queue is gone. closed: it is closed. left: the caller pressed the exit digit.
"""

QUEUE_OUTCOMES: tuple[QueueOutcome, ...] = ("full", "timeout", "unavailable", "closed", "left")

# Bounds of what a file may ask for, so that a slip of the pen cannot make a queue that never serves.
MAX_CAPACITY = 10_000
MAX_SECONDS = 86_400.0
LEVELS = range(1, 101)

NO_SKILLS: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Member:
    """An agent's place in one queue.

    `agent` is the agent's name, which is also what is dialled: a user (`"1001"`, all of the user's devices)
    or any other target as text (`"trunk/carrier/+31201234567"`). Those with the lowest `penalty` are asked
    first; others only when none of them is free. `skills` maps a skill to a level from 1 to 100.
    """

    agent: str
    penalty: int = 0
    skills: Mapping[str, int] = field(default_factory=lambda: NO_SKILLS)

    def __post_init__(self) -> None:
        if not self.agent:
            raise MisuseError("an agent needs a name")
        if self.penalty < 0 or any(level not in LEVELS for level in self.skills.values()):
            raise MisuseError(f"agent {self.agent}: penalty from 0 up, levels of skills from 1 to 100")


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What holds for an agent in all queues.

    `max_calls` live calls make the agent busy. `wrap_up_s` replaces the queue's. `logged_in` is how an agent
    starts that nothing is remembered of. `auto_answer` asks the agent's phone to answer by itself.
    """

    max_calls: int = 1
    wrap_up_s: float | None = None
    logged_in: bool = True
    auto_answer: bool = False

    def __post_init__(self) -> None:
        if self.max_calls < 1 or not (self.wrap_up_s is None or 0 <= self.wrap_up_s <= MAX_SECONDS):
            raise MisuseError("an agent takes at least one call, and wraps up for at most a day")


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """One queue.

    `members` in the order of the file. `capacity`: callers that may wait at once. `max_wait_s`: how long a
    caller waits, None for ever. `ring_s`: how long one offer rings an agent. `retry_s`: how long an agent is
    left alone who did not answer, refused or could not be reached. `max_no_answer`: after so many offers in
    a row without an answer the agent is paused; 0 never.

    `ageing_s`: one step of priority is worth so many seconds of waiting; None: a higher priority always goes
    first. `priority` is added to that of each caller. `weight`: an agent of several queues serves the
    heaviest that has somebody waiting.

    `needs`: the skills, with the least level, that every caller of this queue needs; after
    `relax_needs_after_s` any agent will do.

    `refuse_when`, `leave_when`: in which conditions nobody may join, and in which those who wait are made to
    leave.

    `music`: what waiting callers hear, a name known to the sounds. `announce_every_s`: how often a caller is
    told the position (`announce_position`) and the expected wait (`announce_wait`), None never; first after
    `announce_first_s`. `prompts` are played in turn every `prompt_every_s`. `whisper`: a sound the agent
    hears before the caller is put through. `exit_digit`: a digit with which a caller leaves.

    `direct`: a caller for whom an agent is free at once hears that phone ring instead of being answered and
    put in line. `service_level_s`: answered within so many seconds counts as served in time.
    """

    name: str
    members: tuple[Member, ...]
    strategy: StrategyName = "longest-idle"
    capacity: int = 100
    max_wait_s: float | None = None
    wrap_up_s: float = 0.0
    ring_s: float = 20.0
    retry_s: float = 5.0
    max_no_answer: int = 3
    ageing_s: float | None = 60.0
    priority: int = 0
    weight: int = 0
    needs: Mapping[str, int] = field(default_factory=lambda: NO_SKILLS)
    relax_needs_after_s: float | None = None
    refuse_when: frozenset[Condition] = frozenset({"no-agents", "closed"})
    leave_when: frozenset[Condition] = frozenset({"no-agents", "closed"})
    music: str = "default"
    announce_every_s: float | None = None
    announce_first_s: float = 30.0
    announce_position: bool = True
    announce_wait: bool = True
    prompts: tuple[str, ...] = ()
    prompt_every_s: float = 60.0
    whisper: str | None = None
    exit_digit: str | None = None
    direct: bool = False
    service_level_s: float = 20.0

    def __post_init__(self) -> None:
        agents = [member.agent for member in self.members]
        if len(set(agents)) != len(agents):
            raise MisuseError(f"queue {self.name}: an agent is in it twice")
        if not 1 <= self.capacity <= MAX_CAPACITY:
            raise MisuseError(f"queue {self.name}: capacity is from 1 to {MAX_CAPACITY}")
        if self.exit_digit is not None and (
            len(self.exit_digit) != 1 or self.exit_digit not in "0123456789*#ABCD"
        ):
            raise MisuseError(f"queue {self.name}: the exit digit is one of 0-9 * # A-D")
        if self.max_no_answer < 0:
            raise MisuseError(f"queue {self.name}: max_no_answer is from 0 up")
        for each, least in (
            (self.max_wait_s, 0.001),
            (self.wrap_up_s, 0.0),
            (self.ring_s, 1.0),
            # An agent whose phone refuses at once must not be offered the same caller again at once.
            (self.retry_s, 0.1),
            (self.ageing_s, 0.001),
            (self.relax_needs_after_s, 0.0),
            (self.announce_every_s, 1.0),
            (self.announce_first_s, 0.0),
            (self.prompt_every_s, 1.0),
            (self.service_level_s, 0.0),
        ):
            if each is not None and not (isfinite(each) and least <= each <= MAX_SECONDS):
                raise MisuseError(f"queue {self.name}: {each} seconds is not from {least} to {MAX_SECONDS}")
        if any(level not in LEVELS for level in self.needs.values()):
            raise MisuseError(f"queue {self.name}: levels of skills are from 1 to 100")
