"""What the queues say: frozen outputs for the service to carry out, and views of callers and agents.

Callers, agents and queues are named by text: a caller by the id of its call, an agent and a queue by name.
An offer has a number of its own, so that a late answer to one that was withdrawn is told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pbx.queues.settings import QueueOutcome

CallerState = Literal["waiting", "offered", "connecting", "served"]
"""waiting: nobody is rung for this caller. offered: agents ring. connecting: an agent picked up and hears
who is coming. served: caller and agent talk."""

AgentState = Literal["offline", "paused", "available", "offered", "busy", "wrap-up", "resting"]
"""offline: logged out, or without a phone to ring. offered: a phone of the agent rings, or has been picked
up, for one caller. busy: on as many live calls as the agent takes. resting: left alone for a moment after an
offer that failed."""

OfferFailure = Literal["no-answer", "refused", "busy", "unavailable"]
"""How an offer ends that nobody takes: rung in vain, declined, the phone in use, or not to be reached."""

WithdrawCause = Literal["no-answer", "caller-left", "taken", "agent-left", "agent-busy"]
"""Why the service stops an offer: its ring time is over, the caller is gone, another agent was quicker, the
agent logged out or paused, the agent began another call."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The caller stands in line. With `direct` an agent is rung at once: do not answer the caller yet.

    `music` names what the caller hears from the moment of being answered.
    """

    caller: str
    queue: str
    position: int
    music: str
    direct: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring this agent for this caller, for `ring_s` seconds, which the machine counts."""

    number: int
    caller: str
    agent: str
    queue: str
    ring_s: float
    whisper: str | None
    auto_answer: bool


@dataclass(frozen=True, slots=True)
class WithdrawOffer:
    """Stop ringing the agent for the caller."""

    number: int
    caller: str
    agent: str
    why: WithdrawCause


@dataclass(frozen=True, slots=True)
class Served:
    """Caller and agent are together; music ends."""

    caller: str
    agent: str
    queue: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class Requeued:
    """The agent who had picked up is gone again: the caller waits on, in the old place, with music."""

    caller: str
    queue: str
    position: int
    music: str


@dataclass(frozen=True, slots=True)
class Handled:
    """The conversation of a caller and an agent is over; it took `handle_s` seconds."""

    caller: str
    agent: str
    queue: str
    handle_s: float


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the caller the position (from 1) and the expected wait in seconds; what is None is not told."""

    caller: str
    queue: str
    position: int | None
    expected_wait_s: float | None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Play a sound to the waiting caller."""

    caller: str
    queue: str
    sound: str


@dataclass(frozen=True, slots=True)
class Overflow:
    """The caller is no longer in the queue, or never came in: the dialplan says what follows `outcome`."""

    caller: str
    queue: str
    outcome: QueueOutcome
    waited_s: float


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The caller hung up before being served."""

    caller: str
    queue: str
    waited_s: float


@dataclass(frozen=True, slots=True)
class AgentPaused:
    """An agent was paused by the queues themselves; `why` is for people."""

    agent: str
    why: str


@dataclass(frozen=True, slots=True)
class StrategyFailed:
    """The strategy of a queue raised, or named nobody who can be offered the caller; the longest idle was."""

    queue: str
    strategy: str
    why: str


Output = (
    Joined
    | Offer
    | WithdrawOffer
    | Served
    | Requeued
    | Handled
    | Announce
    | Prompt
    | Overflow
    | Abandoned
    | AgentPaused
    | StrategyFailed
)


@dataclass(frozen=True, slots=True)
class CallerView:
    """A caller in a queue: who, where, since when (monotonic seconds), who is rung or serves.

    `position` counts from 1, over all who are not served yet; None for one who is. `user` is the caller's own
    name when the caller is a user of ours, `number` what sticky agents are remembered by.
    """

    caller: str
    queue: str
    state: CallerState
    position: int | None
    joined_at: float
    priority: int
    user: str
    number: str
    needs: Mapping[str, int]
    agents: tuple[str, ...]
    expected_wait_s: float | None


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent: derived state, live calls, the reason of a pause ("" when not paused), queues."""

    agent: str
    state: AgentState
    logged_in: bool
    paused: str
    calls: tuple[str, ...]
    offered: str | None
    queues: tuple[str, ...]
    idle_since: float
    answered: int
    no_answers: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a strategy sees of an agent who is free, in the queue of the caller.

    `position` is the place in the file, `idle_since` when the agent last became free (monotonic seconds),
    `answered` how many callers of this queue the agent has taken.
    """

    agent: str
    position: int
    penalty: int
    skills: Mapping[str, int]
    idle_since: float
    answered: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a strategy sees of the caller: whom the queue must find an agent for.

    `user` is the agent that the caller is, if any, who is never offered this call. `last_agent` served the
    same number before, if that is remembered. `last_offered` is the position of the agent to whom this queue
    made its last offer, -1 before the first.
    """

    caller: str
    user: str
    number: str
    priority: int
    joined_at: float
    needs: Mapping[str, int]
    last_agent: str | None
    last_offered: int
