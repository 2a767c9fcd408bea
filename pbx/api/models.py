"""What the API says, as JSON. Times of day are RFC 3339; durations are seconds; None is not known."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

ServiceState = Literal["starting", "running", "draining"]
CallState = Literal["routing", "ringing", "early", "answered", "held", "ending"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorReport(_Model):
    """Why a request was not carried out, and what to do."""

    error: str
    hint: str = ""


class HealthReport(_Model):
    """Whether calls are taken."""

    status: ServiceState


class ListenerReport(_Model):
    """An address that is listened on, with its real port."""

    transport: str
    host: str
    port: int


class PortsReport(_Model):
    """RTP port pairs."""

    in_use: int
    limit: int


class StatusReport(_Model):
    """The service at a glance."""

    version: str
    state: ServiceState
    domain: str
    uptime_seconds: float
    listeners: list[ListenerReport]
    generation: int | None = None
    calls: int
    legs: int
    transactions: int
    dialogs: int
    registrations: int
    connections: int = 0
    tasks: int = 0
    media_ports: PortsReport


class LegReport(_Model):
    """One leg of a call; `id` is the Call-ID of its dialog, `peer` a user, a trunk or a URI.

    `holds` says that the peer has put us on hold.
    `packets_…`, `jitter_ms` and `mos` are what we hear, `peer_…` what they say they hear; the scores are of
    the last few seconds. `buffer_ms` is the delay of the jitter buffer while the leg is mixed, `troubles` are
    the alarms that are not over, such as "one-way-audio in".
    """

    id: str
    direction: Literal["in", "out"]
    state: str
    peer: str
    codec: str | None = None
    holds: bool = False
    packets_received: int | None = None
    packets_sent: int | None = None
    packets_lost: int | None = None
    jitter_ms: float | None = None
    mos: float | None = None
    peer_packets_lost: int | None = None
    peer_jitter_ms: float | None = None
    peer_mos: float | None = None
    round_trip_ms: float | None = None
    buffer_ms: float | None = None
    troubles: list[str] = []


class NoteReport(_Model):
    """Something that was noted about a leg (`label`), or with an empty label about the call."""

    at: datetime
    label: str
    kind: str
    direction: str
    value: float | None = None
    words: str


class CallReport(_Model):
    """One call. `source` is `users`, `anyone` or `trunk/NAME`."""

    id: str
    state: CallState
    caller: str
    caller_name: str = ""
    called: str
    source: str
    started_at: datetime
    answered_at: datetime | None = None
    duration_seconds: float
    legs: list[LegReport] = []
    notes: list[NoteReport] = []


class CallsReport(_Model):
    """The calls, oldest first; `total` counts those beyond the limit too."""

    total: int
    calls: list[CallReport]


class RegistrationReport(_Model):
    """One registered contact."""

    user: str
    contact: str
    transport: str
    address: str
    expires_in_seconds: float
    q: float = 1.0
    instance: str = ""
    user_agent: str = ""


class RegistrationsReport(_Model):
    """The bindings; `total` counts those beyond the limit too."""

    total: int
    registrations: list[RegistrationReport]


class ProblemReport(_Model):
    """What is wrong at a place of a file."""

    file: str
    line: int
    column: int
    message: str
    suggestion: str = ""


class RefusalReport(_Model):
    """Why a dialplan did not go live; `problems` have places when it was read at all."""

    error: str
    hint: str = ""
    problems: list[ProblemReport] = []
    at: datetime | None = None


class ChangeReport(_Model):
    """What a reload or a rollback came to; `changed` is false when the live generation stayed."""

    generation: int
    changed: bool
    message: str
    warning: str = ""


class GenerationReport(_Model):
    """One generation of the dialplan: `calls` run by it now, and `kept` says that it can be gone back to."""

    number: int
    live: bool
    kept: bool
    dialplan: str
    loaded_at: datetime | None = None
    summary: str = ""
    files: list[str] = []
    calls: int = 0


class GenerationsReport(_Model):
    """The generations, oldest first, the loads that were refused lately, and results of reloads by kind."""

    live: int
    generations: list[GenerationReport]
    refused: list[RefusalReport] = []
    reloads: dict[str, int] = {}


class RoutingReport(_Model):
    """How a call was routed: `routing` is what the store keeps of it, version included."""

    id: str
    active: bool
    caller: str
    called: str
    source: str
    started_at: datetime
    generation: int
    cause: str = ""
    status: int = 0
    legs: list[dict[str, Any]] = []
    notes: list[NoteReport] = []
    routing: dict[str, Any]


class DifferenceReport(_Model):
    """A call that a candidate dialplan decides differently."""

    call: str
    at: datetime
    caller: str
    called: str
    source: str
    after: str = ""
    was: str
    would_be: str


class ShadowReport(_Model):
    """A candidate dialplan that decides beside the live one; without `dialplan` there is none.

    `decisions` counts calls by how the two compare: same, different, unknown (it rests on an answer that
    nobody recorded), skipped (too many at once).
    """

    dialplan: str = ""
    since: datetime | None = None
    decisions: dict[str, int] = {}
    differences: list[DifferenceReport] = []
