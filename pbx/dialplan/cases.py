"""`tests:` in a dialplan: imagined calls, how their targets answer, and where they have to end."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WithJsonSchema

from pbx.dialplan.answers import decision_from
from pbx.dialplan.call import Call, Caller, normalised
from pbx.dialplan.decisions import OUTCOMES, QUEUE_OUTCOMES
from pbx.dialplan.one_or_many import OneOrMany
from pbx.dialplan.queue_rehearsal import AgentMood
from pbx.dialplan.queue_settings import agent_name, target_of
from pbx.dialplan.rehearsal import ANSWERED, Givens
from pbx.dialplan.scope import Build, Scope
from pbx.dialplan.targets import TrunkTarget, UserTarget, parse_target
from pbx.documents import Document, Duration, Shape, Text, Whole, nearest, shown, to_problem
from pbx.errors import Place

NO_TIME = datetime(2026, 1, 5, 12, tzinfo=UTC)
"""The time of a test that names none; a test that meets a handler which reads the clock has to."""


class CallShape(Shape):
    """An imagined call."""

    from_: Text | None = Field(None, alias="from", description="The caller's number; the user's if not said.")
    to: Text = Field(description="What was dialled.")
    via: Text = Field("", description="The trunk that it comes by: trunk/NAME or NAME.")
    user: Text = Field(
        "",
        description="The user who calls, authenticated. Without it, a from that is a user of the "
        "configuration calls as that user, and any other as anyone.",
    )
    name: Text = Field("", description="The caller's name.")
    at: Text = Field("", description="When, such as 2026-11-23 10:00, in the file's time zone.")
    headers: dict[str, Text] = Field(default_factory=dict, description="Headers of the INVITE, by name.")


_Nothing = Annotated[Any, WithJsonSchema({"type": ["object", "boolean", "null"]})]


class ActiveShape(Shape):
    """How many other calls there are."""

    caller: Whole = Field(0, ge=0, description="By the same caller.")
    user: Whole = Field(0, ge=0, description="With the same user.")
    trunk: Whole = Field(0, ge=0, description="Over the trunk.")
    chain: Whole = Field(0, ge=0, description="In the chain.")


class LiveShape(Shape):
    """What goes on in the service meanwhile; it is idle where nothing is said."""

    active: ActiveShape = Field(default_factory=ActiveShape, description="Other calls.")
    attempts: Whole = Field(1, ge=1, description="How often was called within the time of a rate limit.")
    switches: dict[str, Literal["open", "closed"]] = Field(
        default_factory=dict, description="What the switches of calendars say."
    )
    uses: dict[str, Whole] = Field(default_factory=dict, description="How many calls targets were given.")
    waiting: dict[str, Whole] = Field(
        default_factory=dict, description="How many callers wait in queues already, by the queue's name."
    )


class ExpectShape(Shape):
    """Where the call has to end; all that is said has to hold."""

    dial: OneOrMany | None = Field(None, description="The targets that are dialled at the end.")
    reject: Whole | None = Field(None, description="The final code the caller is given.")
    redirect: OneOrMany | None = Field(None, description="The URIs the caller is sent to.")
    queue: Text | None = None
    play: OneOrMany | None = None
    menu: Text | None = None
    voicemail: Text | None = None
    conference: Text | None = None
    echo: _Nothing = None
    talk: _Nothing = None
    answer: _Nothing = None
    hangup: _Nothing = None
    answered: Text | None = Field(None, description="The target that answers in the end.")
    by: Text | None = Field(None, description="The name or id: of the handler that decided.")
    rule: Whole | None = Field(None, description="The rule of that handler, from 1.")
    through: OneOrMany | None = Field(
        None, description="Chains, handlers and targets that the call passes, in this order."
    )
    ring: Duration | None = Field(None, description="How long the targets may ring.")
    caller: Text | None = Field(None, description="The caller's number, as presented.")
    caller_name: Text | None = Field(None, description="The caller's name, as presented.")
    shown: Text | None = Field(None, description="The number that is shown to whoever is called.")
    record: Text | None = Field(None, description="What is recorded: caller, callee, both or mix.")
    headers: dict[str, Text] | None = Field(None, description="Headers that go to whoever is called.")
    variables: dict[str, Text] | None = Field(None, description="What set and http have named.")


class CaseShape(Shape):
    """One test."""

    name: Text = Field(description="What the test says, in a few words.")
    call: CallShape
    registered: tuple[Text, ...] | None = Field(
        None, description="The users who are registered; the others are unavailable."
    )
    outcomes: dict[str, OneOrMany] = Field(
        default_factory=dict,
        description="How targets answer: busy, no-answer, unavailable, rejected, failed, timeout or "
        "answered; a list is one for each time. Targets that are not named answer. Of a queue (queue/NAME): "
        "timeout, closed, full, left, unavailable, failed or answered.",
    )
    digits: OneOrMany | None = Field(
        None,
        description="What the caller dials in the menus, one after another; an empty text is nothing. "
        "Without it, a menu is where the test ends.",
    )
    http: dict[str, Any] = Field(
        default_factory=dict,
        description="What web services answer, by the id: of the step, http without one: {dial: user/1001}, "
        "or error.",
    )
    agents: dict[str, AgentMood] | None = Field(
        None,
        description="What agents of queues do: available (answers), no-answer, busy, paused or offline. "
        "Who is not named is available. The queue itself then says who is rung and when it overflows.",
    )
    live: LiveShape = Field(default_factory=LiveShape, description="What goes on in the service meanwhile.")
    expect: ExpectShape


@dataclass(frozen=True, slots=True)
class Case:
    """A test, ready to be run; `timed` when it says at what time the call comes."""

    name: str
    place: Place
    call: Call
    timed: bool
    given: Givens
    expect: ExpectShape

    @property
    def follows(self) -> bool:
        """Whether the test says how targets answer, so that outcomes are followed to the end."""
        return (
            self.given.registered_users is not None
            or bool(self.given.outcomes)
            or self.given.agents is not None
            or self.expect.answered is not None
        )


def compile_cases(build: Build, values: Any, zone: tzinfo) -> tuple[Case, ...]:
    """The tests of a dialplan; what is wrong with them is added to the problems."""
    cases = []
    names: dict[str, int] = {}
    for index, value in enumerate(values if isinstance(values, list) else ()):
        if build.full:
            break
        scope = Scope(build, "", ("tests", index))
        shape = _shape(value, scope, build.document)
        if shape is None:
            continue
        if shape.name in names:
            scope.problem(f"test {names[shape.name]} has the name {shown(shape.name)} too", "name")
        names.setdefault(shape.name, index + 1)
        case = _compile(shape, scope, zone)
        if case is not None:
            cases.append(case)
    return tuple(cases)


def _shape(value: Any, scope: Scope, document: Document) -> CaseShape | None:
    if isinstance(value, dict) and isinstance(value.get("expect"), str):
        value = {**value, "expect": {value["expect"]: None}}
    try:
        return CaseShape.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            scope.build.problems.append(to_problem(details, CaseShape, document, scope.full(())))
        return None


def _compile(shape: CaseShape, scope: Scope, zone: tzinfo) -> Case | None:
    before = len(scope.build.problems)
    call = _call(shape.call, scope, zone)
    for index, user in enumerate(shape.registered or ()):
        scope.check_user(user.removeprefix("user/"), "registered", index)
    for target, outcomes in shape.outcomes.items():
        _check_target(target, scope, "outcomes", target)
        for index, outcome in enumerate(outcomes):
            known = (*(QUEUE_OUTCOMES if target.startswith("queue/") else OUTCOMES), ANSWERED)
            if outcome not in known:
                message = f"found {shown(outcome)}, expected one of {', '.join(known)}"
                scope.problem(message, "outcomes", target, index, suggestion=nearest(outcome, known))
    members = {agent for plan in scope.build.queues.values() for agent in plan.agents}
    for agent in shape.agents or ():
        if target_of(agent_name(agent)) not in members:
            names = sorted(map(agent_name, members))
            message = f"no queue has an agent {shown(agent)}"
            scope.problem(message, "agents", agent, suggestion=nearest(agent, names))
    for queue in shape.live.waiting:
        scope.queue(queue, "live", "waiting", queue)
    expect = shape.expect
    if not expect.model_fields_set:
        scope.problem("this test expects nothing", "expect")
    for index, target in enumerate(expect.dial or ()):
        _check_target(target, scope, "expect", "dial", index)
    if call is None or len(scope.build.problems) > before:
        return None
    http = {name: answer for name, answer in shape.http.items() if _check_answer(answer, scope, name, call)}
    if len(scope.build.problems) > before:
        return None
    registered = None
    if shape.registered is not None:
        registered = frozenset(user.removeprefix("user/") for user in shape.registered)
    live = shape.live
    given = Givens(
        registered,
        shape.outcomes,
        None if shape.digits is None else tuple(shape.digits),
        {
            f"http/{name}": {"error": answer} if isinstance(answer, str) else answer
            for name, answer in http.items()
        },
        live.active.model_dump(),
        live.attempts,
        dict(live.switches),
        dict(live.uses),
        shape.agents,
        dict(live.waiting),
    )
    return Case(shape.name, scope.place(), call, bool(shape.call.at), given, expect)


def _call(shape: CallShape, scope: Scope, zone: tzinfo) -> Call | None:
    known = scope.build.known
    number = shape.user if shape.from_ is None else shape.from_
    if shape.from_ is None and not shape.user:
        scope.problem("the call needs a from, or a user", "call")
        return None
    trunk = shape.via.removeprefix("trunk/")
    if trunk and shape.user:
        scope.problem("a call that comes by a trunk has no user", "call", "user")
    if trunk:
        scope.check_trunk(trunk, "call", "via")
    user = shape.user
    if user:
        scope.check_user(user, "call", "user")
    elif not trunk and known.users is not None and number in known.users:
        user = number
    at = NO_TIME
    if shape.at:
        try:
            at = datetime.fromisoformat(shape.at)
        except ValueError:
            scope.problem(f"found {shown(shape.at)}, expected a time such as 2026-11-23 10:00", "call", "at")
        at = at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
    caller = Caller(number if user == number else normalised(number), shape.name, user or None)
    source = f"trunk/{trunk}" if trunk else "users" if user else "anyone"
    headers = {name.lower(): value for name, value in shape.headers.items()}
    return Call("test", caller, normalised(shape.to), source, at, user or None, trunk or None, headers)


def _check_answer(answer: Any, scope: Scope, name: str, call: Call) -> bool:
    if isinstance(answer, str):
        return True
    try:
        decision_from(answer, call)
    except ValueError as error:
        scope.problem(str(error), "http", name)
        return False
    return True


def _check_target(text: str, scope: Scope, *location: str | int) -> None:
    if text.startswith("queue/"):
        queues = scope.build.queues
        name = text.removeprefix("queue/")
        if name not in queues:
            guess = nearest(name, queues)
            message = f"there is no queue {shown(name)}"
            scope.problem(message, *location, suggestion=f"queue/{guess}" if guess else "")
        return
    try:
        target = parse_target(text)
    except ValueError as error:
        known = [f"user/{user}" for user in scope.build.known.users or ()]
        scope.problem(str(error), *location, suggestion=f"user/{text}" if f"user/{text}" in known else "")
        return
    if isinstance(target, UserTarget) and target.user:
        scope.check_user(target.user, *location)
    elif isinstance(target, TrunkTarget):
        scope.check_trunk(target.trunk, *location)
