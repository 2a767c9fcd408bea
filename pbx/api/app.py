"""The HTTP API: what is going on, and the metrics.

Every endpoint is a coroutine and runs in the reactor's own loop: none may block, and none uses a thread.
"""

from collections.abc import Iterable
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Protocol

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pbx.api.errors import ApiError
from pbx.api.guards import BodyLimit, HostCheck
from pbx.api.models import (
    CallReport,
    CallsReport,
    ErrorReport,
    HealthReport,
    RegistrationReport,
    RegistrationsReport,
    StatusReport,
)

MAX_BODY_OCTETS = 64 * 1024
MAX_LISTED = 10_000
_LISTED = 1000


class StatusSource(Protocol):
    """Who knows what is going on: the service."""

    def status(self) -> StatusReport:
        """The service at a glance."""

    def calls(self) -> Iterable[CallReport]:
        """The calls, oldest first; read no further than is shown."""

    def registrations(self) -> Iterable[RegistrationReport]:
        """The bindings that are alive; read no further than is shown."""


class MetricsPage(Protocol):
    """Who has the metrics."""

    def render(self) -> tuple[bytes, str]:
        """The page and its content type."""


_Limit = Annotated[int, Query(ge=1, le=MAX_LISTED, description="how many to list")]


def create_app(
    status: StatusSource,
    metrics: MetricsPage,
    *,
    version: str = "",
    hosts: Iterable[str] = (),
) -> FastAPI:
    """The application, which only shows things; what changes them is added to it.

    `hosts` are the names, besides addresses and localhost, that a browser or scraper may ask us by.
    """
    app = FastAPI(
        title="pbx",
        version=version or "0",
        openapi_url="/api/openapi.json",
        # The usual pages load their scripts from elsewhere; a PBX shows nobody's scripts but its own.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, limit=MAX_BODY_OCTETS)
    app.add_middleware(HostCheck, hosts=frozenset(host.lower() for host in hosts))
    _answer_errors_as_json(app)

    @app.get("/health", responses={503: {"model": HealthReport}})
    async def health(response: Response) -> HealthReport:
        """200 while new calls are taken, 503 before and after."""
        state = status.status().state
        if state != "running":
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return HealthReport(status=state)

    @app.get("/metrics", response_class=Response)
    async def metrics_page() -> Response:
        """For Prometheus."""
        page, content_type = metrics.render()
        return Response(page, headers={"content-type": content_type})

    @app.get("/api/status")
    async def show_status() -> StatusReport:
        """The service at a glance."""
        return status.status()

    @app.get("/api/calls")
    async def list_calls(limit: _Limit = _LISTED) -> CallsReport:
        """The calls that have not ended."""
        shown = list(islice(status.calls(), limit))
        total = len(shown) if len(shown) < limit else max(len(shown), status.status().calls)
        return CallsReport(total=total, calls=shown)

    @app.get("/api/registrations")
    async def list_registrations(limit: _Limit = _LISTED) -> RegistrationsReport:
        """The registered contacts."""
        shown = list(islice(status.registrations(), limit))
        total = len(shown) if len(shown) < limit else max(len(shown), status.status().registrations)
        return RegistrationsReport(total=total, registrations=shown)

    return app


def _answer_errors_as_json(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        hint = error.hint if isinstance(error, ApiError) else _hint(error.status_code, request)
        report = ErrorReport(error=str(error.detail), hint=hint)
        return JSONResponse(report.model_dump(), error.status_code, headers=error.headers)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        report = ErrorReport(error=f"{where}: {first['msg']}", hint="see /api/openapi.json")
        return JSONResponse(report.model_dump(), HTTPStatus.UNPROCESSABLE_ENTITY)

    async def broken(_request: Request, _error: Exception) -> Response:
        report = ErrorReport(error="the service made a mistake", hint="its log says which")
        return JSONResponse(report.model_dump(), HTTPStatus.INTERNAL_SERVER_ERROR)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, broken)


def _hint(status_code: int, request: Request) -> str:
    if status_code == HTTPStatus.NOT_FOUND:
        return "/api/openapi.json lists what there is"
    if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        if request.method == "DELETE":
            return "calls are ended through the control socket: `pbx hangup CALL-ID`"
        return "/api/openapi.json lists the methods"
    return ""
