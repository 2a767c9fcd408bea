"""`queues:` in a dialplan: who answers, in which order, what callers hear, and when they stop waiting."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from pbx.call.causes import QueueOutcome
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.scope import Build, Scope
from pbx.dialplan.steps import compile_endings
from pbx.dialplan.targets import parse_target
from pbx.documents import Duration, Flag, Shape, Text, Whole, nearest, validate
from pbx.errors import Place

Strategy = Literal["ring-all", "longest-idle", "least-calls", "round-robin", "in-order", "random"]
_TARGETS = ("user/", "trunk/", "sip:", "sips:")


class AgentShape(Shape):
    """An agent with more to say than who they are."""

    agent: Text = Field(description="The target that is rung; a bare name is a user.")
    skills: tuple[Text, ...] = Field((), description="What the agent can do.")
    penalty: Whole = Field(0, ge=0, le=100, description="Agents with a lower penalty are asked first.")


class AnnouncementShape(Shape):
    """What those who wait hear from time to time."""

    every: Duration = Field(30.0, ge=5, le=3600, description="How often.")
    sounds: OneOrMany | None = Field(None, description="Sounds that are played.")
    position: Flag = Field(False, description="Whether the place in the queue is said.")
    wait: Flag = Field(False, description="Whether the time that is left to wait is said.")


class QueueShape(Shape):
    """A queue."""

    strategy: Strategy = Field("longest-idle", description="Which of the free agents is rung.")
    agents: tuple[Text | AgentShape, ...] = Field(
        min_length=1, description='Who answers: targets as in dial, and "1001" for a user.'
    )
    music: Text = Field("default", description="What callers hear while they wait.")
    ring: Duration = Field(20.0, gt=0, le=300, description="How long each agent is rung.")
    max_wait: Duration | None = Field(None, gt=0, description="How long a caller waits at most.")
    wrap_up: Duration = Field(0.0, ge=0, le=3600, description="How long an agent is left alone after a call.")
    capacity: Whole | None = Field(None, ge=1, le=10_000, description="How many callers may wait.")
    priority: Whole = Field(0, ge=-100, le=100, description="Added to what queue: says of a call.")
    join_empty: Flag = Field(True, description="Whether callers may wait while no agent is there.")
    skills: tuple[Text, ...] = Field((), description="What an agent needs to be able to do.")
    announcements: AnnouncementShape | None = Field(None, description="What those who wait hear.")
    leave: Text = Field("", description="A key with which a caller leaves the queue.")
    on: dict[QueueOutcome, Annotated[Any, WithJsonSchema({"$comment": "ending"})]] = Field(
        default_factory=dict,
        description="What follows when nobody came: timeout, closed, full, left, unavailable, failed.",
    )


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """A queue as the dialplan has it; `agents` are targets such as user/1001, in the order of the file."""

    name: str
    place: Place
    shape: QueueShape
    agents: tuple[str, ...]


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
        agents = tuple(
            _agent(each if isinstance(each, str) else each.agent, index, scope)
            for index, each in enumerate(shape.agents)
        )
        if shape.announcements is not None:
            for index, sound in enumerate(shape.announcements.sounds or ()):
                scope.check_sound(sound, "announcements", "sounds", index)
        if shape.music != "default":
            scope.check_sound(shape.music, "music")
        queues[name] = QueuePlan(name, place, shape, agents)
    return queues


def check_overflows(build: Build) -> None:
    """Compile what follows when nobody came, once for every queue, so that its mistakes are found."""
    for name, queue in build.queues.items():
        compile_endings(queue.shape.on, Scope(build, "", ("queues", name)), "on", why=f"queue {name}")


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
