"""What is counted and measured, on a registry of its own, with labels from closed sets only.

A label never holds a user, a number, a Call-ID or an address, and a value from outside its set becomes
`other`: nobody can make the number of series grow. The children of the message path are bound once.
"""

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from pbx.errors import MisuseError
from pbx.metrics import names
from pbx.metrics.names import Direction

# The format that every version of Prometheus reads.
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_CAUSE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_MAX_OBSERVED_CAUSES = 32
# Measurements that are handed over without waiting for a scrape: nobody may ask for the metrics at all.
_MAX_GATHERED = 1024


@dataclass(frozen=True, slots=True)
class Distribution:
    """Measurements that their owner has put into buckets: `counts` has one for each bound and one beyond.

    `total` is the sum of what was measured, in the unit of `bounds`.
    """

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float

    def cumulated(self) -> list[tuple[str, float]]:
        """As Prometheus has it: how many were at most so large."""
        found, so_far = [], 0
        for bound, count in zip((*self.bounds, math.inf), self.counts, strict=True):
            so_far += count
            found.append(("+Inf" if bound == math.inf else str(bound), float(so_far)))
        return found


class _Observed(Collector):
    """Reads gauges and counts from their owners. What cannot be read is absent, and counted."""

    def __init__(self, failures: Counter) -> None:
        self.gauges: dict[str, Callable[[], float | None]] = {}
        self.counts: dict[str, Callable[[], Mapping[str, int]]] = {}
        self.by_handler: dict[str, Callable[[], Mapping[str, int]]] = {}
        self.handlers: set[str] = set()
        self.distributions: dict[str, Callable[[], Distribution]] = {}
        self.by_queue: dict[str, Callable[[], Mapping[str, float]]] = {}
        self._failures = failures

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is, is known at each scrape only."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The values of this moment."""
        for name, read in self.gauges.items():
            try:
                value = read()
            except Exception:  # noqa: BLE001 -- one broken reader must not hide all other metrics
                self._failures.inc()
                continue
            if value is not None and math.isfinite(value):
                yield GaugeMetricFamily(name, names.GAUGES[name], value)
        for name, read_counts in self.counts.items():
            try:
                counts = dict(read_counts())
            except Exception:  # noqa: BLE001 -- as above
                self._failures.inc()
                continue
            family = CounterMetricFamily(name, names.OBSERVED_COUNTS[name], labels=("cause",))
            for cause in sorted(counts)[:_MAX_OBSERVED_CAUSES]:
                if _CAUSE.fullmatch(cause):
                    family.add_metric((cause,), counts[cause])
            yield family
        yield from self._queues()
        for name, read_counts in self.by_handler.items():
            try:
                states = dict(read_counts())
            except Exception:  # noqa: BLE001 -- as above
                self._failures.inc()
                continue
            states_family = GaugeMetricFamily(name, names.HANDLER_GAUGES[name], labels=("handler",))
            for handler in sorted(states.keys() & self.handlers):
                states_family.add_metric((handler,), states[handler])
            yield states_family
        for name, read_distribution in self.distributions.items():
            try:
                found = read_distribution()
                buckets = found.cumulated()
            except Exception:  # noqa: BLE001 -- as above
                self._failures.inc()
                continue
            yield HistogramMetricFamily(
                name, names.DISTRIBUTIONS[name], buckets=buckets, sum_value=found.total
            )

    def _queues(self) -> Iterator[Metric]:
        for name, read in self.by_queue.items():
            try:
                values = dict(read())
            except Exception:  # noqa: BLE001 -- as above
                self._failures.inc()
                continue
            family: Metric
            if name in names.QUEUE_GAUGES:
                gauges = family = GaugeMetricFamily(name, names.QUEUE_GAUGES[name], labels=("queue",))
                for queue in islice(values, names.MAX_QUEUES):
                    gauges.add_metric((queue,), values[queue])
            else:
                counts = family = CounterMetricFamily(name, names.QUEUE_COUNTS[name], labels=("queue",))
                for queue in islice(values, names.MAX_QUEUES):
                    counts.add_metric((queue,), values[queue])
            yield family


class _WithoutCreated(Collector):
    """A registry without the `_created` series, which would double every page for nobody."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        """Every family, less those series."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _CallChildren:
    """The series of calls in one direction by one trunk."""

    __slots__ = ("answers", "attempts", "duration", "post_dial", "setup")

    def __init__(self, metrics: "Metrics", direction: str, trunk: str) -> None:
        self.attempts = metrics._attempts.labels(direction, trunk)
        self.answers = metrics._answers.labels(direction, trunk)
        self.setup = metrics._setup.labels(direction, trunk)
        self.post_dial = metrics._post_dial.labels(direction, trunk)
        self.duration = metrics._duration.labels(direction, trunk)


class Metrics:
    """All metrics of one service. `direction` is `in` for what comes to us and `out` for what we send;
    `trunk` is a configured trunk's name, or empty for users.
    """  # fmt: skip

    def __init__(self, trunks: Iterable[str] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        by_trunk = ("direction", "trunk")
        self._attempts = Counter(
            "pbx_call_attempts_total", "INVITEs that began a leg.", by_trunk, registry=registry
        )
        self._answers = Counter(
            "pbx_call_answers_total", "Legs that were answered.", by_trunk, registry=registry
        )
        self._failures = Counter(
            "pbx_call_failures_total", "Legs that ended unanswered.", (*by_trunk, "cause"), registry=registry
        )
        self._setup = self._histogram(
            "pbx_call_setup_seconds", "From the INVITE to its 200.", by_trunk, names.SETUP_BUCKETS
        )
        self._post_dial = self._histogram(
            "pbx_call_post_dial_seconds",
            "From the INVITE to the first ringing.",
            by_trunk,
            names.SETUP_BUCKETS,
        )
        self._duration = self._histogram(
            "pbx_call_duration_seconds", "From the answer to the end.", by_trunk, names.DURATION_BUCKETS
        )
        self._packets = Counter("pbx_rtp_packets_total", "RTP packets.", by_trunk, registry=registry)
        self._lost = Counter(
            "pbx_rtp_lost_packets_total", "RTP packets that never came.", by_trunk, registry=registry
        )
        self._loss = self._histogram(
            "pbx_rtp_loss_ratio", "Share of a leg's packets that were lost.", by_trunk, names.LOSS_BUCKETS
        )
        self._jitter = self._histogram(
            "pbx_rtp_jitter_seconds",
            "A leg's interarrival jitter (RFC 3550).",
            by_trunk,
            names.JITTER_BUCKETS,
        )
        self._mos = self._histogram(
            "pbx_rtp_mos",
            "A leg's mean opinion score by the E-model (G.107), from 100 packets on.",
            (*by_trunk, "codec"),
            names.MOS_BUCKETS,
        )
        self._round_trip = self._histogram(
            "pbx_rtp_round_trip_seconds",
            "To a leg's peer and back, by RTCP (RFC 3550 §6.4.1).",
            ("trunk",),
            names.ROUND_TRIP_BUCKETS,
        )
        self._quality_events = Counter(
            "pbx_quality_events_total",
            "What was told of legs' quality while they lasted.",
            (*by_trunk, "cause"),
            registry=registry,
        )
        self._buffered = Histogram(
            "pbx_jitter_buffer_delay_seconds",
            "How long packets of a mixed leg wait for their turn, at each look.",
            buckets=names.BUFFER_BUCKETS,
            registry=registry,
        )
        self._requests = {
            method: Counter(
                f"pbx_sip_{method.lower()}_requests_total",
                f"{method} requests." if method != names.OTHER else "Requests of other methods.",
                ("direction", "transport"),
                registry=registry,
            )
            for method in (*names.METHODS, names.OTHER)
        }
        self._responses = Counter(
            "pbx_sip_responses_total",
            "Responses by class.",
            ("direction", "transport", "cause"),
            registry=registry,
        )
        by_transport = ("transport", "cause")
        self._drops = Counter(
            "pbx_sip_dropped_total", "Messages dropped, by rule.", by_transport, registry=registry
        )
        self._parse_errors = Counter(
            "pbx_sip_parse_errors_total",
            "Messages that are not SIP grammar.",
            ("transport",),
            registry=registry,
        )
        self._auth_failures = Counter(
            "pbx_auth_failures_total", "Credentials refused.", ("cause",), registry=registry
        )
        self._auth_challenges = Counter("pbx_auth_challenges_total", "Challenges sent.", registry=registry)
        self._registrations = Counter(
            "pbx_registration_changes_total", "What happened to bindings.", ("cause",), registry=registry
        )
        by_handler = ("handler", "cause")
        self._plugin_decisions = Counter(
            "pbx_plugin_decisions_total",
            "Decisions of plugins; the cause is their kind.",
            by_handler,
            registry=registry,
        )
        self._plugin_failures = Counter(
            "pbx_plugin_failures_total",
            "Decisions that plugins failed to give, and failures of their taps.",
            by_handler,
            registry=registry,
        )
        self._plugin_frames = Counter(
            "pbx_plugin_frames_total",
            "Frames of 20 ms that taps of plugins heard, lost because they were slow, or said.",
            by_handler,
            registry=registry,
        )
        self._plugin_seconds = self._histogram(
            "pbx_plugin_decision_seconds",
            "From asking a plugin to its decision or its failure.",
            ("handler",),
            names.PLUGIN_BUCKETS,
        )
        self._lateness = Histogram(
            "pbx_loop_lateness_seconds",
            "How late the signalling loop runs what is due.",
            buckets=names.LATENESS_BUCKETS,
            registry=registry,
        )
        failures = Counter(
            "pbx_metrics_read_failures_total", "Values that could not be read.", registry=registry
        )
        self._observed = _Observed(failures)
        registry.register(self._observed)
        self._calls: dict[tuple[str, str], _CallChildren] = {}
        self._counted: defaultdict[Counter, int] = defaultdict(int)
        self._measured: list[tuple[Histogram, float]] = []
        self._bound_requests: dict[tuple[str, str, str], Counter] = {}
        self._bound_responses: dict[tuple[int, str, str], Counter] = {}
        self.add_trunks(("", *trunks))

    def _histogram(
        self, name: str, documentation: str, labels: tuple[str, ...], buckets: tuple[float, ...]
    ) -> Histogram:
        return Histogram(name, documentation, labels, buckets=buckets, registry=self.registry)

    def add_trunks(self, trunks: Iterable[str]) -> None:
        """Let these names be values of `trunk`, after a reload for instance; others become `other`."""
        for trunk in trunks:
            for direction in names.DIRECTIONS:
                if (direction, trunk) not in self._calls:
                    self._calls[direction, trunk] = _CallChildren(self, direction, trunk)

    def observe(self, name: str, read: Callable[[], float | None]) -> None:
        """Have the gauge `name` (of names.GAUGES) read at each scrape; None is absent. Raises MisuseError."""
        if name not in names.GAUGES:
            raise MisuseError(f"{name} is no gauge")
        self._observed.gauges[name] = read

    def observe_counts(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Have numbers by cause read at each scrape (names.OBSERVED_COUNTS). Raises MisuseError."""
        if name not in names.OBSERVED_COUNTS:
            raise MisuseError(f"{name} is no observed count")
        self._observed.counts[name] = read

    def observe_distribution(self, name: str, read: Callable[[], Distribution]) -> None:
        """Have a histogram read from its owner at each scrape (names.DISTRIBUTIONS). Raises MisuseError."""
        if name not in names.DISTRIBUTIONS:
            raise MisuseError(f"{name} is no observed distribution")
        self._observed.distributions[name] = read

    def add_handlers(self, handlers: Iterable[str]) -> None:
        """Let these names of plugins be values of `handler`; others become `other`."""
        self._observed.handlers.update(handlers)

    def observe_handlers(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Have numbers by handler read at each scrape (names.HANDLER_GAUGES). Raises MisuseError."""
        if name not in names.HANDLER_GAUGES:
            raise MisuseError(f"{name} is no gauge by handler")
        self._observed.by_handler[name] = read

    def observe_queues(self, name: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Have `read` give a gauge or count for each queue at each scrape."""
        if name not in names.QUEUE_GAUGES and name not in names.QUEUE_COUNTS:
            raise MisuseError(f"{name} is no metric of queues")
        self._observed.by_queue[name] = read

    def render(self) -> tuple[bytes, str]:
        """The page for Prometheus, and its content type."""
        self._hand_over()
        return generate_latest(_WithoutCreated(self.registry)), _CONTENT_TYPE

    # What every message and call counts is gathered here and handed to the registry together: taking its lock
    # and checking its labels each time would be a twentieth of what a call costs.

    def _count(self, child: Counter) -> None:
        self._counted[child] += 1

    def _measure(self, child: Histogram, value: float) -> None:
        measured = self._measured
        measured.append((child, value))
        if len(measured) >= _MAX_GATHERED:
            self._hand_over()

    def _hand_over(self) -> None:
        for counter, number in self._counted.items():
            counter.inc(number)
        for histogram, value in self._measured:
            histogram.observe(value)
        self._counted.clear()
        self._measured.clear()

    # Calls

    def _call(self, direction: Direction, trunk: str) -> _CallChildren:
        children = self._calls.get((direction, trunk))
        if children is None:
            self.add_trunks((names.OTHER,))
            children = self._calls[direction, names.OTHER]
        return children

    def _trunk(self, trunk: str) -> str:
        return trunk if ("in", trunk) in self._calls else names.OTHER

    def call_attempted(self, direction: Direction, trunk: str = "") -> None:
        """An INVITE that begins a leg came or was sent."""
        self._count(self._call(direction, trunk).attempts)

    def call_rang(self, direction: Direction, post_dial_seconds: float, trunk: str = "") -> None:
        """The first ringing (or early media), this long after the INVITE."""
        self._measure(self._call(direction, trunk).post_dial, max(0.0, post_dial_seconds))

    def call_answered(self, direction: Direction, setup_seconds: float, trunk: str = "") -> None:
        """A leg was answered, this long after its INVITE."""
        children = self._call(direction, trunk)
        self._count(children.answers)
        self._measure(children.setup, max(0.0, setup_seconds))

    def call_failed(self, direction: Direction, cause: str, trunk: str = "") -> None:
        """A leg ended unanswered; `cause` is one of names.FAILURE_CAUSES (see names.failure_cause)."""
        known = cause if cause in names.FAILURE_CAUSES else names.OTHER
        self._failures.labels(direction, self._trunk(trunk), known).inc()

    def call_ended(self, direction: Direction, duration_seconds: float, trunk: str = "") -> None:
        """An answered leg ended, this long after its answer."""
        self._measure(self._call(direction, trunk).duration, max(0.0, duration_seconds))

    def media_measured(
        self,
        direction: Direction,
        *,
        packets: int,
        lost: int | None,
        jitter_seconds: float | None,
        trunk: str = "",
    ) -> None:
        """A leg's media at its end: what we received (`in`), or what the peer reports of ours (`out`).

        None is what was not measured: it makes no sample, and no series.
        """
        labels = (direction, self._trunk(trunk))
        if packets > 0:
            self._packets.labels(*labels).inc(packets)
        if lost is not None and packets > 0:
            # RFC 3550 §6.4.1: duplicates can make the loss negative.
            lost = max(0, lost)
            self._lost.labels(*labels).inc(lost)
            self._loss.labels(*labels).observe(lost / (packets + lost))
        if jitter_seconds is not None and math.isfinite(jitter_seconds):
            self._jitter.labels(*labels).observe(max(0.0, jitter_seconds))

    def quality_estimated(self, direction: Direction, codec: str, mos: float, trunk: str = "") -> None:
        """The MOS of a leg's audio: what we hear of the peer (`in`), or what it hears of us (`out`)."""
        self._mos.labels(direction, self._trunk(trunk), _known(codec, names.CODECS)).observe(mos)

    def round_trip_measured(self, seconds: float, trunk: str = "") -> None:
        """A round trip that RTCP measured."""
        self._round_trip.labels(self._trunk(trunk)).observe(seconds)

    def quality_told(self, kind: str, direction: str, trunk: str = "") -> None:
        """An alarm of names.QUALITY_EVENTS about `in`, `out` or `both` directions of a leg that lasts."""
        side = _known(direction, names.QUALITY_DIRECTIONS)
        self._quality_events.labels(side, self._trunk(trunk), _known(kind, names.QUALITY_EVENTS)).inc()

    def jitter_buffered(self, seconds: float) -> None:
        """How long a mixed leg's packets wait in its jitter buffer."""
        self._buffered.observe(max(0.0, seconds))

    # Signalling

    def request(self, method: str, direction: Direction, transport: str) -> None:
        """A request was received (`in`) or sent (`out`)."""
        child = self._bound_requests.get((method, direction, transport))
        if child is None:
            # The name comes from the wire: only known ones are remembered.
            known = method if method in names.METHODS else names.OTHER
            child = self._requests[known].labels(direction, _known(transport, names.TRANSPORTS))
            if known == method and transport in names.TRANSPORTS:
                self._bound_requests[method, direction, transport] = child
        self._count(child)

    def response(self, status: int, direction: Direction, transport: str) -> None:
        """A response was received (`in`) or sent (`out`)."""
        child = self._bound_responses.get((status, direction, transport))
        if child is None:
            group = f"{status // 100}xx" if 100 <= status <= 699 else names.OTHER
            child = self._responses.labels(direction, _known(transport, names.TRANSPORTS), group)
            if 100 <= status <= 699 and transport in names.TRANSPORTS:
                self._bound_responses[status, direction, transport] = child
        self._count(child)

    def parse_error(self, transport: str) -> None:
        """What came was no SIP message, or a malformed one."""
        self._parse_errors.labels(_known(transport, names.TRANSPORTS)).inc()

    def dropped(self, transport: str, cause: str) -> None:
        """A message was dropped by a rule, one of names.DROP_CAUSES."""
        self._drops.labels(_known(transport, names.TRANSPORTS), _known(cause, names.DROP_CAUSES)).inc()

    def challenged(self, cause: str) -> None:
        """A challenge was sent; `cause` says why (`none`: no credentials came; else a failure is counted)."""
        self._auth_challenges.inc()
        if cause != "none":
            self.authentication_failed(cause)

    def authentication_failed(self, cause: str) -> None:
        """Credentials were refused, for one of names.AUTH_CAUSES."""
        self._auth_failures.labels(_known(cause, names.AUTH_CAUSES)).inc()

    def registration(self, cause: str) -> None:
        """Something happened to a binding, one of names.REGISTRATION_CAUSES."""
        self._registrations.labels(_known(cause, names.REGISTRATION_CAUSES)).inc()

    # Plugins

    def plugin_decided(self, plugin: str, kind: str, seconds: float) -> None:
        """A plugin gave a decision of this kind, one of names.DECISION_KINDS."""
        handler = self._handler(plugin)
        self._plugin_decisions.labels(handler, _known(kind, names.DECISION_KINDS)).inc()
        self._plugin_seconds.labels(handler).observe(max(0.0, seconds))

    def plugin_failed(self, plugin: str, cause: str, seconds: float | None) -> None:
        """A plugin gave none, by one of names.PLUGIN_FAILURE_CAUSES; without seconds it was not asked."""
        handler = self._handler(plugin)
        self._plugin_failures.labels(handler, _known(cause, names.PLUGIN_FAILURE_CAUSES)).inc()
        if seconds is not None:
            self._plugin_seconds.labels(handler).observe(max(0.0, seconds))

    def plugin_frames(self, plugin: str, kind: str, frames: int) -> None:
        """So many frames of one of names.TAP_FRAMES passed a plugin's taps; in any thread."""
        self._plugin_frames.labels(self._handler(plugin), _known(kind, names.TAP_FRAMES)).inc(frames)

    def _handler(self, name: str) -> str:
        return name if name in self._observed.handlers else names.OTHER

    def loop_late(self, seconds: float) -> None:
        """The signalling loop ran something this long after it was due."""
        self._lateness.observe(max(0.0, seconds))


def _known(value: str, values: tuple[str, ...]) -> str:
    return value if value in values else names.OTHER
