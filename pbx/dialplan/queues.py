"""`queues:` in a dialplan: who answers, in which order, what callers hear, and when they stop waiting."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from pbx.call.causes import QueueOutcome
from pbx.dialplan.decisions import Outcome, Rule
from pbx.dialplan.handler import Ending
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.plugin_strategies import unknown_strategy
from pbx.dialplan.scope import Build, Scope
from pbx.dialplan.steps import compile_endings
from pbx.dialplan.targets import parse_target
from pbx.documents import Duration, Flag, Shape, Text, Whole, nearest, shown, validate
from pbx.errors import Place
from pbx.queues import STRATEGY_NAMES, Strategy

Condition = Literal["no-agents", "all-paused", "closed"]
Level = Annotated[Whole, Field(ge=1, le=100)]
_KEYS = tuple("0123456789*#")
MAX_IN_A_ROW = 3
"""How many queues may follow each other by their own on:."""
_TARGETS = ("user/", "trunk/", "sip:", "sips:")


class AgentShape(Shape):
    """An agent with more to say than who they are."""

    agent: Text = Field(description="The target that is rung; a bare name is a user.")
    skills: dict[str, Level] = Field(
        default_factory=dict, description="What the agent can do, and how well: 1 to 100."
    )
    penalty: Whole = Field(0, ge=0, le=100, description="Agents with a lower penalty are asked first.")
    max_calls: Whole = Field(
        1, ge=1, le=20, description="How many calls at once make the agent busy, in all queues."
    )
    auto_answer: Flag = Field(
        False, description="Whether the agent's phone is asked to answer by itself, in all queues."
    )
    logged_in: Flag = Field(True, description="Whether the agent takes calls without having logged in once.")


class AnnouncementShape(Shape):
    """What those who wait are told from time to time."""

    every: Duration = Field(60.0, ge=5, le=3600, description="How often the position and the wait are said.")
    first: Duration = Field(30.0, ge=0, le=3600, description="After how long they are said first.")
    position: Flag = Field(True, description="Whether the place in the queue is said.")
    wait: Flag = Field(True, description="Whether the time that is left to wait is said.")
    sounds: OneOrMany | None = Field(None, description="Sounds that are played in turn in between.")
    sounds_every: Duration = Field(60.0, ge=5, le=3600, description="How often one of them is played.")


class QueueShape(Shape):
    """A queue."""

    strategy: Annotated[
        Text, WithJsonSchema({"anyOf": [{"enum": list(STRATEGY_NAMES)}, {"type": "string"}]})
    ] = Field("longest-idle", description="Which of the free agents is rung; plugins may bring more.")
    agents: tuple[Text | AgentShape, ...] = Field(
        min_length=1, description='Who answers: targets as in dial, and "1001" for a user.'
    )
    music: Text = Field("default", description="What callers hear while they wait.")
    ring: Duration = Field(20.0, ge=1, le=300, description="How long each agent is rung.")
    retry: Duration = Field(
        5.0, ge=0, le=3600, description="How long an agent who did not answer is left alone."
    )
    max_no_answer: Whole = Field(
        3, ge=0, le=100, description="After how many calls without an answer an agent is paused; 0: never."
    )
    max_wait: Duration | None = Field(None, gt=0, le=86_400, description="How long a caller waits at most.")
    wrap_up: Duration = Field(0.0, ge=0, le=3600, description="How long an agent is left alone after a call.")
    capacity: Whole = Field(100, ge=1, le=10_000, description="How many callers may wait.")
    priority: Whole = Field(0, ge=-100, le=100, description="Added to that of each call.")
    ageing: Duration = Field(
        60.0, ge=0, le=86_400, description="How long a wait is worth one step of priority; 0s: no wait is."
    )
    weight: Whole = Field(
        0, ge=0, le=100, description="An agent of several queues serves the heaviest that somebody waits in."
    )
    needs: dict[str, Level] = Field(
        default_factory=dict, description="Skills that an agent needs for callers of this queue: {dutch: 50}."
    )
    relax_needs_after: Duration | None = Field(
        None, gt=0, le=86_400, description="After how long any agent will do."
    )
    refuse_when: tuple[Condition, ...] = Field(
        ("no-agents", "closed"), description="When nobody may join: no-agents, all-paused, closed."
    )
    leave_when: tuple[Condition, ...] = Field(
        ("no-agents", "closed"), description="When those who wait are made to leave."
    )
    announcements: AnnouncementShape | None = Field(None, description="What those who wait are told.")
    whisper: Text = Field("", description="A sound that the agent hears before the caller.")
    leave: Text = Field("", description="A key with which a caller leaves the queue.")
    direct: Flag = Field(
        False, description="Whether a caller hears the agent's phone ring when one is free at once."
    )
    service_level: Duration = Field(
        20.0, gt=0, le=3600, description="Answered within this long counts as served in time."
    )
    on: dict[QueueOutcome, Annotated[Any, WithJsonSchema({"$comment": "ending"})]] = Field(
        default_factory=dict,
        description="What follows when nobody came: timeout, closed, full, left, unavailable.",
    )


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """A queue as the dialplan has it; `agents` are targets such as user/1001, in the order of the file.

    `strategy` is that of a plugin, None for those that every pbx has.
    """

    name: str
    place: Place
    shape: QueueShape
    agents: tuple[str, ...]
    strategy: Strategy | None = None


def compile_queues(build: Build, values: Any) -> dict[str, QueuePlan]:
    """The queues of a dialplan by name; what is wrong with them is added to the problems."""
    queues: dict[str, QueuePlan] = {}
    for name, value in values.items() if isinstance(values, dict) else ():
        path = ("queues", name)
        shape = validate(QueueShape, value if value is not None else {}, build.document, build.problems, path)
        place = build.document.key_place(path)
        scope = Scope(build, "", path)
        if shape is None:
            shape = QueueShape.model_construct(agents=(), on={})
            queues[name] = QueuePlan(name, place, shape, ())
            continue
        agents = tuple(
            _agent(each if isinstance(each, str) else each.agent, index, scope)
            for index, each in enumerate(shape.agents)
        )
        for index, agent in enumerate(agents):
            if agent in agents[:index]:
                scope.problem(f"{shown(agent)} is in this queue twice", "agents", index)
        if shape.announcements is not None:
            for index, sound in enumerate(shape.announcements.sounds or ()):
                scope.check_sound(sound, "announcements", "sounds", index)
        scope.check_music(shape.music, "music")
        if shape.whisper:
            scope.check_sound(shape.whisper, "whisper")
        if shape.leave and shape.leave not in _KEYS:
            scope.problem(f"found {shown(shape.leave)}, expected one key of a telephone", "leave")
        queues[name] = QueuePlan(name, place, shape, agents, _strategy(shape.strategy, scope))
    return queues


def check_overflows(build: Build) -> None:
    """Compile what follows when nobody came, once for every queue, so that its mistakes are found."""
    for queue in build.queues.values():
        overflow(Scope(build, "", ("queues", queue.name)), queue, f"queue {queue.name}")


def overflow(scope: Scope, queue: QueuePlan, why: str, rule: Rule | None = None) -> dict[Outcome, Ending]:
    """What follows when nobody came, as the queue itself says; `scope` is where callers are led to it."""
    build = scope.build
    build.overflows_left -= 1
    if build.overflows_left < 0:
        if build.overflows_left == -1:
            scope.problem("from here on, there is too much that follows in queues: use goto in their on:")
        return {}
    if queue.name in build.overflows or len(build.overflows) >= MAX_IN_A_ROW:
        way = " → ".join((*build.overflows, queue.name))
        circle = "in a circle" if queue.name in build.overflows else f"over more than {MAX_IN_A_ROW} queues"
        scope.problem(f"this leads {circle} ({way}): lead on to a chain with goto")
        return {}
    build.overflows.append(queue.name)
    there = Scope(build, scope.chain, ("queues", queue.name))
    found = compile_endings(queue.shape.on, there, "on", why=why, rule=rule)
    build.overflows.pop()
    return found


def _strategy(name: str, scope: Scope) -> Strategy | None:
    """The plugin's strategy of that name, if it is one; an unknown name is reported."""
    plugins = scope.build.known.plugins
    found = {} if plugins is None else plugins.strategies
    if name not in STRATEGY_NAMES and name not in found:
        message, suggestion = unknown_strategy(name, found)
        scope.problem(message, "strategy", suggestion=suggestion)
    return found.get(name)


def _agent(text: str, index: int, scope: Scope) -> str:
    target = text if text.startswith(_TARGETS) else f"user/{text}"
    try:
        parse_target(target)
    except ValueError as error:
        scope.problem(str(error), "agents", index)
        return target
    kind, _, rest = target.partition("/")
    if kind == "user":
        known = scope.build.known.users
        if known is not None and rest not in known:
            message = f"there is no user {rest!r} in the configuration"
            scope.problem(message, "agents", index, suggestion=nearest(rest, known))
    elif kind == "trunk":
        scope.check_trunk(rest.partition("/")[0], "agents", index)
    return target
