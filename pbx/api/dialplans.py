"""The API of the dialplan's generations: which there are, loading, going back, shadowing, and `why`."""

from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Path, Query
from fastapi.responses import JSONResponse
from starlette.responses import Response

from pbx.api.errors import ApiError
from pbx.api.models import (
    ChangeReport,
    ErrorReport,
    GenerationsReport,
    ProblemReport,
    RefusalReport,
    RoutingReport,
    ShadowReport,
)
from pbx.errors import DocumentError, OperatorError


class DialplanSource(Protocol):
    """Who knows the generations: the service."""

    def generations(self) -> GenerationsReport:
        """Those that are kept, and those that calls still use."""

    def routing(self, name: str) -> RoutingReport | None:
        """How a call is or was routed, by its id or a leg's Call-ID, until it is in the store."""

    def shadow(self) -> ShadowReport:
        """What the shadowing dialplan said so far."""


class DialplanControl(Protocol):
    """Who can change them. What raises OperatorError has changed nothing."""

    async def reload(self) -> ChangeReport:
        """Load the dialplan anew."""

    async def rollback(self, number: int | None) -> ChangeReport:
        """Go back to a generation, or to the one before."""

    async def begin_shadow(self, file: FilePath) -> ShadowReport:
        """Have the dialplan in `file` decide beside the live one."""

    def end_shadow(self) -> ShadowReport:
        """Have nothing decide beside it any more; gives the last report."""


_REFUSED: dict[int | str, dict[str, Any]] = {422: {"model": RefusalReport}}
_NO_CALL: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReport}}
_Name = Annotated[str, Path(max_length=256, description="our id of a call, or the Call-ID of a leg")]
_Number = Annotated[int | None, Query(ge=1, description="the generation; the one before when left out")]
_File = Annotated[str, Query(max_length=4096, description="a dialplan, as an absolute path")]


def add_dialplans(app: FastAPI, source: DialplanSource, control: DialplanControl | None = None) -> None:
    """Add the paths to `app`; without `control`, those that change nothing."""

    @app.get("/api/generations")
    async def list_generations() -> GenerationsReport:
        """The generations that are kept, and those that calls still use."""
        return source.generations()

    # A Call-ID may contain slashes.
    @app.get("/api/routing/{name:path}", responses=_NO_CALL)
    async def show_routing(name: _Name) -> RoutingReport:
        """How a call is routed that goes on, or has ended a moment ago."""
        found = source.routing(name)
        if found is None:
            raise ApiError(404, "no call that goes on has this id", "`pbx why` reads finished ones")
        return found

    @app.get("/api/shadow")
    async def show_shadow() -> ShadowReport:
        """What the shadowing dialplan said so far."""
        return source.shadow()

    if control is not None:
        _add_control(app, control)


def _add_control(app: FastAPI, control: DialplanControl) -> None:
    @app.post("/api/reload", responses=_REFUSED, response_model=ChangeReport)
    async def reload() -> ChangeReport | Response:
        """Load the dialplan anew; 422 and the problems when it may not go live, and nothing has changed."""
        try:
            return await control.reload()
        except OperatorError as error:
            return _refused(error)

    @app.post("/api/rollback", responses=_REFUSED, response_model=ChangeReport)
    async def rollback(to: _Number = None) -> ChangeReport | Response:
        """Go back to a generation that was live; 422 when that cannot be."""
        try:
            return await control.rollback(to)
        except OperatorError as error:
            return _refused(error)

    @app.put("/api/shadow", responses=_REFUSED, response_model=ShadowReport)
    async def begin_shadow(file: _File) -> ShadowReport | Response:
        """Have a candidate dialplan decide every new call beside the live one."""
        try:
            return await control.begin_shadow(FilePath(file))
        except OperatorError as error:
            return _refused(error)

    @app.delete("/api/shadow")
    async def end_shadow() -> ShadowReport:
        """Have nothing decide beside the live dialplan; gives the last report."""
        return control.end_shadow()


def refusal(error: OperatorError) -> RefusalReport:
    """Why something did not go live."""
    if not isinstance(error, DocumentError):
        return RefusalReport(error=error.message, hint=error.hint)
    problems = [
        ProblemReport(
            file=each.place.file,
            line=each.place.line,
            column=each.place.column,
            message=each.message,
            suggestion=each.suggestion,
        )
        for each in error.problems
    ]
    return RefusalReport(error="the dialplan is not sound", problems=problems)


def _refused(error: OperatorError) -> Response:
    return JSONResponse(refusal(error).model_dump(mode="json"), HTTPStatus.UNPROCESSABLE_ENTITY)
