"""What is going on, for the API, the control socket and the metrics."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Final

from pbx.api.models import (
    CallReport,
    CallState,
    LegReport,
    ListenerReport,
    NoteReport,
    PortsReport,
    RegistrationReport,
    ServiceState,
    StatusReport,
)
from pbx.call.call import Call
from pbx.call.leg import Leg
from pbx.call.quality_events import alarm_words
from pbx.call.record import Note
from pbx.call.table import State
from pbx.media.plane import MediaPlane
from pbx.metrics.metrics import Distribution, Metrics
from pbx.net.endpoint import Endpoint
from pbx.sdp.direction import is_hold
from pbx.service.clock import Clock
from pbx.service.router import Router
from pbx.service.switch import Switch

VERSION = "0.1.0"

_MIXED = ("mixed", "transcoded")
# What a call is shown as. Sounds and menus may be heard before the answer, which is early media.
_STATES: Mapping[State, CallState] = {
    "originating": "ringing",
    "deciding": "routing",
    "dialling": "ringing",
    "playing": "early",
    "collecting": "early",
    "waiting": "answered",
    "conferring": "answered",
    "echoing": "answered",
    "attending": "answered",
    "talking": "answered",
    "ending": "ending",
    "ended": "ending",
}


def call_state(state: State, *, answered: bool, held: bool = False) -> CallState:
    """What a call in `state` is shown as.

    `answered` says whether its caller's INVITE has a 200, `held` whether one of those who talk holds.
    """
    shown = _STATES[state]
    if shown == "early" and answered:
        shown = "answered"
    return "held" if held and shown == "answered" else shown


def holds(leg: Leg) -> bool:
    """Whether whoever is at the other end of a leg has put us on hold (RFC 3264 §8.4)."""
    direction = leg.audio.their_direction
    return direction is not None and is_hold(direction)


class Reports:
    """Reads the machines; changes nothing."""

    def __init__(
        self,
        domain: str,
        switch: Switch,
        router: Router,
        media: MediaPlane,
        endpoint: Endpoint,
        clock: Clock,
    ) -> None:
        self._domain = domain
        self._switch = switch
        self._router = router
        self._media = media
        self._endpoint = endpoint
        self._clock = clock
        self._started_at = clock.now()
        self.listeners: list[ListenerReport] = []
        self.state: ServiceState = "starting"

    def status(self) -> StatusReport:
        """The service at a glance."""
        switch = self._switch
        return StatusReport(
            version=VERSION,
            state=self.state,
            domain=self._domain,
            uptime_seconds=round(self._clock.now() - self._started_at, 3),
            listeners=self.listeners,
            generation=self._router.generation.number,
            calls=len(switch.calls),
            legs=switch.legs,
            transactions=len(switch.layer),
            dialogs=len(switch.dialogs),
            registrations=len(switch.registrar),
            connections=self._endpoint.connections,
            tasks=tasks(),
            media_ports=PortsReport(in_use=self._media.ports_in_use, limit=self._media.ports_total),
        )

    def calls(self) -> Iterator[CallReport]:
        """The calls, oldest first."""
        for call in list(self._switch.calls.values()):
            yield self._call(call)

    def registrations(self) -> Iterator[RegistrationReport]:
        """The bindings that are alive."""
        now = self._clock.now()
        for binding in self._switch.registrar.all_bindings(now):
            host, port = binding.flow.remote
            yield RegistrationReport(
                user=binding.user,
                contact=str(binding.contact),
                transport=binding.flow.transport,
                address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                expires_in_seconds=round(binding.expires_at - now, 1),
                q=binding.q,
                instance=binding.instance,
                user_agent=binding.user_agent,
            )

    def observe(self, metrics: Metrics) -> None:
        """Have the gauges read from their owners at each scrape."""
        switch, media = self._switch, self._media
        metrics.observe("pbx_calls_active", lambda: len(switch.calls))
        metrics.observe("pbx_legs_active", lambda: switch.legs)
        metrics.observe("pbx_transactions_active", lambda: len(switch.layer))
        metrics.observe("pbx_dialogs_active", lambda: len(switch.dialogs))
        metrics.observe("pbx_registrations_active", lambda: len(switch.registrar))
        metrics.observe("pbx_media_ports_in_use", lambda: media.ports_in_use)
        metrics.observe("pbx_media_ports_limit", lambda: media.ports_total)
        metrics.observe("pbx_connections_active", lambda: self._endpoint.connections)
        metrics.observe("pbx_tasks_active", tasks)
        metrics.observe("pbx_uptime_seconds", lambda: self._clock.now() - self._started_at)
        metrics.observe("pbx_connections_unparsed_bytes", lambda: self._endpoint.unparsed_octets)
        metrics.observe_counts("pbx_transactions_dropped", self._dropped)
        metrics.observe_counts("pbx_limits_reached", self._reached)
        metrics.observe("pbx_media_mixed_bridges", lambda: media.loop_statistics.mixed_bridges)
        metrics.observe_distribution("pbx_media_lateness_seconds", self._lateness)
        metrics.observe_distribution("pbx_media_work_seconds", self._work)
        metrics.observe_distribution("pbx_media_jitter_buffer_seconds", self._jitter_buffers)
        metrics.observe_counts("pbx_media_faults", self._media_faults)

    def _lateness(self) -> Distribution:
        found = self._media.loop_statistics
        bounds = [bound / 1000 for bound in found.bounds_ms]
        return Distribution(bounds, found.lateness, found.lateness_total_s)

    def _work(self) -> Distribution:
        found = self._media.loop_statistics
        bounds = [bound / 1000 for bound in found.work_bounds_ms]
        return Distribution(bounds, found.work, found.work_total_s)

    def _jitter_buffers(self) -> Distribution:
        found = self._media.loop_statistics
        bounds = [bound / 1000 for bound in found.buffer_bounds_ms]
        return Distribution(bounds, found.buffers, found.buffers_total_s)

    def _media_faults(self) -> Mapping[str, int]:
        found = self._media.loop_statistics
        return {
            "discarded": found.discarded,
            "errors": found.errors,
            "events-lost": found.events_lost,
            "skipped-ticks": found.skipped_ticks,
        }

    def _dropped(self) -> Mapping[str, int]:
        counted = asdict(self._switch.layer.counters)
        return {name.replace("_", "-"): number for name, number in counted.items()}

    def _reached(self) -> Mapping[str, int]:
        return {**dict.fromkeys(BOUNDS, 0), **self._switch.reached, **self._endpoint.reached}

    def _call(self, call: Call) -> CallReport:
        record = call.record
        now = self._clock.now()
        verdict = self._router.verdict(record.id)
        caller = verdict.call.caller if verdict is not None else None
        return CallReport(
            id=record.id,
            state=call_state(
                call.state,
                answered=record.answered_at is not None,
                held=any(holds(leg) for leg in (call.caller, call.other) if leg is not None),
            ),
            caller=record.caller,
            caller_name=caller.name if caller is not None else "",
            called=record.called,
            source=record.source,
            started_at=self._at(record.started_at),
            answered_at=None if record.answered_at is None else self._at(record.answered_at),
            duration_seconds=round(now - record.started_at, 3),
            legs=[self._leg(leg) for leg in call.legs],
            notes=[self._note(note) for note in record.notes],
        )

    def _leg(self, leg: Leg) -> LegReport:
        audio = leg.audio
        statistics = None if audio.row is None else self._media.statistics(audio.row)
        watch = leg.watch
        heard = None if watch is None else watch.heard
        said = None if watch is None else watch.said
        mixed = statistics is not None and audio.row is not None and self._media.shows(audio.row) in _MIXED
        return LegReport(
            id=leg.session.call_id,
            direction="in" if leg.invited_at is None else "out",
            state=str(leg.session.state),
            peer=leg.label,
            holds=holds(leg),
            codec=None if audio.agreed is None else audio.agreed.codec.encoding,
            packets_received=None if statistics is None else statistics.received.packets,
            packets_sent=None if statistics is None else statistics.sent.packets,
            packets_lost=None if statistics is None else statistics.received.lost,
            jitter_ms=None if statistics is None else statistics.received.jitter_ms,
            mos=None if heard is None else round(heard.mos, 2),
            peer_packets_lost=None if statistics is None else statistics.heard.lost,
            peer_jitter_ms=None if statistics is None else statistics.heard.jitter_ms,
            peer_mos=None if said is None else round(said.mos, 2),
            round_trip_ms=None if statistics is None else statistics.heard.round_trip_ms,
            buffer_ms=statistics.mix.delay_ms if statistics is not None and mixed else None,
            troubles=[] if watch is None else [f"{kind} {direction}" for kind, direction in watch.troubles],
        )

    def _note(self, note: Note) -> NoteReport:
        return NoteReport(
            at=self._at(note.at),
            label=note.label,
            kind=note.kind,
            direction=note.direction,
            value=note.value,
            words=alarm_words(note.kind, note.direction, note.value),
        )

    def _at(self, moment: float) -> datetime:
        return self._clock.wall() - timedelta(seconds=self._clock.now() - moment)


# What docs/bounds.md says of each is tested against this.
BOUNDS: Final = (
    "body-octets", "calls", "connections", "connections-per-source", "header-lines", "header-octets",
    "lateness", "media-bridges", "media-ports", "media-sinks", "media-sources", "message-octets",
    "slow-messages", "transactions", "unread-octets", "waiting-messages",
)  # fmt: skip


def tasks() -> int:
    """Tasks of the event loop and threads of work, those that serve this very question included."""
    try:
        running: Sequence[object] = tuple(asyncio.all_tasks())
    except RuntimeError:
        running = ()
    return len(running) + threading.active_count()
