"""What happens to calls and messages, as metrics."""

from pbx.call.record import CallRecord
from pbx.metrics.metrics import Metrics


class Counting:
    """The switch's observer: every call and message becomes counts and measurements, nothing else."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def received(self, method: str, transport: str) -> None:
        """A request came."""
        self._metrics.request(method, "in", transport)

    def answered(self, status: int, transport: str) -> None:
        """A response came."""
        self._metrics.response(status, "in", transport)

    def malformed(self, transport: str) -> None:
        """What came is not SIP, or breaks its rules."""
        self._metrics.parse_error(transport)

    def dropped(self, rule: str, transport: str) -> None:
        """A message that nobody answers, by the rule that says so."""
        self._metrics.dropped(transport, rule)

    def challenged(self, failure: str) -> None:
        """A digest challenge: "none" answers a request without credentials."""
        self._metrics.challenged(failure)

    def call_started(self, record: CallRecord) -> None:
        """An INVITE became a call."""
        self._metrics.call_attempted("in", _trunk(record))

    def leg_started(self, trunk: str | None) -> None:
        """An INVITE of ours rings somebody."""
        self._metrics.call_attempted("out", trunk or "")

    def call_progressed(self, record: CallRecord) -> None:
        """The caller was told of ringing."""
        if record.post_dial_s is not None:
            self._metrics.call_rang("in", record.post_dial_s, _trunk(record))

    def call_established(self, record: CallRecord) -> None:
        """The call was answered."""
        if record.setup_s is not None:
            self._metrics.call_answered("in", record.setup_s, _trunk(record))

    def call_finished(self, record: CallRecord) -> None:
        """The last leg is gone: the end, and what each leg's media came to."""
        metrics = self._metrics
        if record.talked_s is not None:
            metrics.call_ended("in", record.talked_s, _trunk(record))
        else:
            metrics.call_failed("in", record.cause or "error", _trunk(record))
        for leg in record.legs:
            if leg.statistics is None:
                continue
            received, heard = leg.statistics.received, leg.statistics.heard
            metrics.media_measured(
                "in",
                packets=received.packets,
                lost=received.lost,
                jitter_seconds=None if received.jitter_ms is None else received.jitter_ms / 1000,
                trunk=leg.trunk or "",
            )
            metrics.media_measured(
                "out",
                packets=leg.statistics.sent.packets,
                lost=heard.lost,
                jitter_seconds=None if heard.jitter_ms is None else heard.jitter_ms / 1000,
                trunk=leg.trunk or "",
            )


def _trunk(record: CallRecord) -> str:
    kind, _, name = record.source.partition("/")
    return name if kind == "trunk" else ""
