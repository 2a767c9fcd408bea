"""The API that changes calls: making and ending them, pressing keys, letting sounds be heard in them."""

from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol, TypeVar

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel

from pbx.api.errors import ApiError
from pbx.api.models import ErrorReport
from pbx.errors import OperatorError

Side = Literal["caller", "callee"]

MAX_DIGITS = 32
Report = TypeVar("Report")


class HangupReport(BaseModel):
    """A call that was told to end."""

    id: str
    state: Literal["ending"] = "ending"


class HangupsReport(BaseModel):
    """The calls that were told to end."""

    calls: list[str]


class DigitsReport(BaseModel):
    """Keys that are pressed for a leg: `peer` is a user, a trunk or a URI."""

    id: str
    peer: str
    digits: str


class OriginateReport(BaseModel):
    """A call that is made: `rings` is who is rung to be its caller, `called` what they dial then."""

    id: str
    rings: str
    called: str


class PlayReport(BaseModel):
    """A sound that begins to be heard; `seconds` is how long it lasts."""

    id: str
    sound: str
    seconds: float


class CallControl(Protocol):
    """Who can change calls. None: there is no such call; what raises OperatorError has changed nothing.

    A call goes by our id, or by the Call-ID of one of its legs.
    """

    async def originate(self, whom: str, called: str, ring_s: float | None, shown: str) -> OriginateReport:
        """Ring somebody who, having answered, calls somebody else; they are shown `shown`."""

    def hang_up(self, name: str) -> HangupReport | None:
        """Begin to end a call."""

    def hang_up_all(self) -> HangupsReport:
        """Begin to end every call there is."""

    def send_digits(self, name: str, digits: str, side: Side | None) -> DigitsReport | None:
        """Send keys to the callee, or to the caller; without a side to whoever there is."""

    async def play(self, name: str, sound: str) -> PlayReport | None:
        """Let everybody in a call hear a sound."""


_CallId = Annotated[str, Path(max_length=256, description="as `pbx calls` shows it, or a leg's Call-ID")]
_Digits = Annotated[
    str, Query(pattern=r"^[0-9*#A-Da-d]+$", max_length=MAX_DIGITS, description="0-9, *, #, A-D")
]
_Side = Annotated[Side | None, Query(description="who gets them; the callee, if there is one")]
_Sound = Annotated[str, Query(min_length=1, max_length=256, description="a name that a `play:` could have")]


_From = Annotated[
    str, Query(alias="from", min_length=1, max_length=256, description="a user, or a target as `dial` has it")
]
_To = Annotated[
    str, Query(min_length=1, max_length=256, pattern=r"^\S+$", description="what is dialled for them")
]
_Ring = Annotated[float | None, Query(ge=1, le=600, description="how long they are rung, in seconds")]
_Shown = Annotated[
    str, Query(max_length=64, pattern=r"^\S*$", description="the number that they are shown meanwhile")
]


def add_calls(app: FastAPI, control: CallControl) -> None:
    """Add the paths to `app`."""
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReport}}
    refused: dict[int | str, dict[str, Any]] = {**unknown, 409: {"model": ErrorReport}}

    @app.post("/api/calls", status_code=HTTPStatus.ACCEPTED, responses={409: {"model": ErrorReport}})
    async def originate(whom: _From, to: _To, ring: _Ring = None, show: _Shown = "") -> OriginateReport:
        """Ring somebody; when they answer, the dialplan decides as if they had called `to`."""
        try:
            return await control.originate(whom, to, ring, show)
        except OperatorError as error:
            raise _refusal(error) from None

    @app.delete("/api/calls/{call_id:path}", status_code=HTTPStatus.ACCEPTED, responses=unknown)
    async def hang_up(call_id: _CallId) -> HangupReport:
        """Hang up a call: both legs get a BYE, or whatever ends them in their state."""
        return _known(control.hang_up(call_id))

    @app.delete("/api/calls", status_code=HTTPStatus.ACCEPTED)
    async def hang_up_all() -> HangupsReport:
        """Hang up every call there is now; new ones are taken as before."""
        return control.hang_up_all()

    @app.post("/api/calls/{call_id:path}/digits", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def send_digits(call_id: _CallId, digits: _Digits, side: _Side = None) -> DigitsReport:
        """Press keys: one of the phones gets them as telephone-events (RFC 4733)."""
        try:
            return _known(control.send_digits(call_id, digits.upper(), side))
        except OperatorError as error:
            raise _refusal(error) from None

    @app.post("/api/calls/{call_id:path}/play", status_code=HTTPStatus.ACCEPTED, responses=refused)
    async def play(call_id: _CallId, sound: _Sound) -> PlayReport:
        """Let two who talk, or a caller who waits, hear a sound once."""
        try:
            return _known(await control.play(call_id, sound))
        except OperatorError as error:
            raise _refusal(error) from None


def _known(report: Report | None) -> Report:
    if report is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "there is no call of this id", "`pbx calls` lists the calls")
    return report


def _refusal(error: OperatorError) -> ApiError:
    return ApiError(HTTPStatus.CONFLICT, error.message, error.hint)
