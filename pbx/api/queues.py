"""The API of the queues: who waits and who serves, statistics, and what operators and supervisors may do."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel

from pbx.api.errors import ApiError
from pbx.api.models import ErrorReport
from pbx.errors import OperatorError

AgentChange = Literal["log-in", "log-out", "pause", "unpause", "ready"]
Part = Literal["listen", "whisper", "barge", "take-over"]


class TallyReport(BaseModel):
    """What a queue counted; times in seconds, the service level from 0 to 1, null if not measured."""

    joined: int
    answered: int
    abandoned: int
    refused: Mapping[str, int]
    overflowed: Mapping[str, int]
    handled: int
    offers: int
    failed_offers: int
    strategy_failures: int
    mean_wait_s: float | None
    longest_wait_s: float
    mean_handle_s: float | None
    mean_patience_s: float | None
    service_level: float | None


class IntervalReport(BaseModel):
    """What happened in the quarter of an hour from `started_at` on."""

    started_at: datetime
    tally: TallyReport


class CallerReport(BaseModel):
    """A caller in a queue, or served out of it; `agents` ring or serve."""

    call: str
    queue: str
    state: str
    position: int | None
    waited_s: float
    priority: int
    number: str
    agents: list[str]
    expected_wait_s: float | None


class QueueReport(BaseModel):
    """A queue at this moment; `longest_wait_s` is of those who wait now."""

    name: str
    strategy: str
    closed: bool
    waiting: int
    longest_wait_s: float
    agents: int
    free: int
    expected_wait_s: float | None
    callers: list[CallerReport]
    total: TallyReport
    intervals: list[IntervalReport]


class AgentReport(BaseModel):
    """An agent; `calls` are live ones, `paused` is the reason of a break."""

    agent: str
    state: str
    logged_in: bool
    paused: str
    calls: list[str]
    offered: str | None
    queues: list[str]
    answered: int
    no_answers: int


class QueuesReport(BaseModel):
    """All queues, and all agents."""

    queues: list[QueueReport]
    agents: list[AgentReport]


class QueueSource(Protocol):
    """Who knows the queues: the service."""

    def queues(self) -> QueuesReport:
        """All queues and agents."""


class QueueControl(Protocol):
    """Who can change them. What raises OperatorError has changed nothing."""

    def change_agent(self, agent: str, change: AgentChange, why: str) -> AgentReport:
        """Log an agent in or out, begin or end a break, or cut wrap-up short."""

    def open_queue(self, queue: str, *, closed: bool) -> None:
        """Open or close a queue."""

    def assign(self, call: str, agent: str) -> None:
        """Offer a waiting caller to this agent."""

    async def supervise(self, agent: str, user: str, part: Part) -> None:
        """Call a user to take part in the agent's conversation."""

    def record(self, agent: str, *, on: bool) -> None:
        """Record the agent's conversation from now on, or no more."""


_Name = Annotated[str, Path(max_length=256)]
_Agent = Annotated[str, Query(max_length=256, description="an agent, as `pbx queues` shows them")]
_User = Annotated[str, Query(max_length=256, description="the user who is called")]
_Why = Annotated[str, Query(max_length=200, description="the reason of a break")]


def add_queues(app: FastAPI, source: QueueSource, control: QueueControl | None = None) -> None:
    """Add the paths to `app`; without `control`, those that change nothing."""

    @app.get("/api/queues")
    async def show_queues() -> QueuesReport:
        """Who waits and how long, who serves, and what was counted."""
        return source.queues()

    if control is not None:
        _add_control(app, control)


def _add_control(app: FastAPI, control: QueueControl) -> None:
    refused: dict[int | str, dict[str, Any]] = {409: {"model": ErrorReport}}

    @app.post("/api/agents/{agent:path}/{change}", responses=refused)
    async def change_agent(agent: _Name, change: AgentChange, why: _Why = "") -> AgentReport:
        """Log an agent in or out, begin or end a break, or cut wrap-up short."""
        try:
            return control.change_agent(agent, change, why)
        except OperatorError as error:
            raise _refusal(error) from None

    @app.post("/api/queues/{queue}/{state}", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def open_queue(queue: _Name, state: Literal["open", "close"]) -> None:
        """Open or close a queue; what that means for callers, its settings say."""
        try:
            control.open_queue(queue, closed=state == "close")
        except OperatorError as error:
            raise _refusal(error) from None

    @app.post("/api/assign/{call}", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def assign(call: _Name, agent: _Agent) -> None:
        """Offer a waiting caller to an agent."""
        try:
            control.assign(call, agent)
        except OperatorError as error:
            raise _refusal(error) from None

    @app.post("/api/supervise/{part}", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def supervise(part: Part, agent: _Agent, user: _User) -> None:
        """Call a user to listen to an agent's conversation, or take part in it."""
        try:
            await control.supervise(agent, user, part)
        except OperatorError as error:
            raise _refusal(error) from None

    @app.post("/api/record", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def record(agent: _Agent, on: bool = True) -> None:
        """Record an agent's conversation, or no more."""
        try:
            control.record(agent, on=on)
        except OperatorError as error:
            raise _refusal(error) from None


def _refusal(error: OperatorError) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, error.message, error.hint)
