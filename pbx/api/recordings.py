"""The API of recordings that go on: pausing them, and going on."""

from http import HTTPStatus
from typing import Annotated, Any, Literal, Protocol

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel

from pbx.api.errors import ApiError
from pbx.api.models import ErrorReport
from pbx.errors import OperatorError


class RecordingReport(BaseModel):
    """What a call's recordings do now."""

    id: str
    state: Literal["recording", "paused"]


class RecordingControl(Protocol):
    """Who can pause recordings. What raises OperatorError has changed nothing."""

    def pause(self, call_id: str, *, silence: bool) -> bool:
        """Record no more of a call until `resume`; False when there is no call of this id."""

    def resume(self, call_id: str) -> bool:
        """Go on; False when there is no call of this id."""


_CallId = Annotated[str, Path(max_length=128, description="as `pbx calls` shows it")]
_Silence = Annotated[bool, Query(description="silence in place of what is left out, so that time is kept")]


def add_recordings(app: FastAPI, control: RecordingControl) -> None:
    """Add the paths to `app`."""
    answers: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReport}, 409: {"model": ErrorReport}}

    @app.post("/api/calls/{call_id}/recording/{change}", responses=answers)
    async def change_recording(
        call_id: _CallId, change: Literal["pause", "resume"], silence: _Silence = True
    ) -> RecordingReport:
        """Pause the recordings of a call, as for the digits of a card, or go on with them."""
        try:
            known = control.pause(call_id, silence=silence) if change == "pause" else control.resume(call_id)
        except OperatorError as error:
            raise ApiError(HTTPStatus.CONFLICT, error.message, error.hint) from None
        if not known:
            raise ApiError(HTTPStatus.NOT_FOUND, "there is no call of this id", "`pbx calls` lists the calls")
        return RecordingReport(id=call_id, state="paused" if change == "pause" else "recording")
