"""The metrics' names, their help and the closed sets of label values: users build on these."""

from typing import Final, Literal

Direction = Literal["in", "out"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("in", "out")
TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")

# Read from their owner at each scrape; one that nobody observes, or that has no value, is absent.
GAUGES: Final = {
    "pbx_calls_active": "Calls that have not ended.",
    "pbx_legs_active": "Legs (our dialogs with phones and trunks) that have not ended.",
    "pbx_transactions_active": "SIP transactions, those that linger for retransmissions included.",
    "pbx_dialogs_active": "SIP dialogs, early and confirmed.",
    "pbx_media_ports_in_use": "RTP port pairs that belong to a leg.",
    "pbx_media_ports_limit": "RTP port pairs there are.",
    "pbx_media_mixed_bridges": "Bridges that are mixed and not relayed.",
    "pbx_registrations_active": "Registered contacts.",
    "pbx_tasks_active": "Tasks and threads of work under way.",
    "pbx_connections_active": "Open stream connections for SIP.",
    "pbx_connections_unparsed_bytes": "What stream connections keep of messages that are not whole yet.",
    "pbx_nonces_active": "Digest nonces whose uses are remembered.",
    "pbx_call_records_waiting": "Finished calls that are not in the store yet.",
    "pbx_recordings_active": "Recordings of calls that go on or wait to be completed.",
    "pbx_generation_number": "The live generation of the dialplan.",
    "pbx_generations_in_use": "Generations that decide calls: the live one, and those of running calls.",
    "pbx_uptime_seconds": "Since the service was ready.",
}

# Read from their owner at each scrape, a value for each handler.
HANDLER_GAUGES: Final = {
    "pbx_plugin_breaker_state": "A plugin's circuit breaker: 0 closed, 1 being tried, 2 open.",
    "pbx_plugin_taps_active": "Calls that a plugin hears.",
}

# What becomes of the frames of taps.
TAP_FRAMES: Final = ("heard", "lost", "said")

# Kept by their owner in buckets, and read at each scrape.
DISTRIBUTIONS: Final = {
    "pbx_media_lateness_seconds": "How late the ticks of the media threads ran.",
    "pbx_media_work_seconds": "CPU that a media thread used from one tick to the next: they are 20 ms apart.",
    "pbx_media_jitter_buffer_seconds": "How long packets of mixed legs wait for their turn.",
}

# Read from their owner at each scrape, a value for each queue.
QUEUE_GAUGES: Final = {
    "pbx_queue_waiting": "Callers who are in line and not served yet.",
    "pbx_queue_longest_waiting_seconds": "How long the caller in line has waited who came first.",
    "pbx_queue_agents_here": "Agents who are logged in and have a phone to ring.",
    "pbx_queue_agents_free": "Agents who could be offered a caller now.",
}
QUEUE_COUNTS: Final = {
    "pbx_queue_joined": "Callers who stood in line.",
    "pbx_queue_answered": "Callers who were put through to an agent.",
    "pbx_queue_answered_in_time": "Those of them who waited no longer than the service level says.",
    "pbx_queue_abandoned": "Callers who hung up in line.",
    "pbx_queue_overflowed": "Callers who left the line without an agent, or were made to.",
    "pbx_queue_refused": "Callers who were not let in.",
    "pbx_queue_failed_offers": "Offers that the agent did not take.",
    "pbx_queue_strategy_failures": "Offers that the strategy failed to make, and the longest idle was rung.",
    "pbx_queue_wait_seconds": "How long those who were answered had waited, together.",
    "pbx_queue_handle_seconds": "How long conversations took, together.",
}
# More queues than this are not shown apart.
MAX_QUEUES: Final = 200

# Kept by their owner as numbers by cause, and read at each scrape.
OBSERVED_COUNTS: Final = {
    "pbx_limits_reached": "What was refused because a bound was reached (docs/bounds.md), by bound.",
    "pbx_transactions_dropped": "Messages that no transaction took, by rule.",
    "pbx_call_records": "Finished calls, by whether they were written to the store or lost.",
    "pbx_generation_reloads": "Reloads and rollbacks of the dialplan, by result.",
    "pbx_shadow_decisions": "Decisions of a shadowing dialplan, by how they compare with the live one.",
    "pbx_recordings": "Recordings of calls, by how they ended; refused: there was no sink left.",
    "pbx_recording_samples": "Samples of each side in recordings, written or lost to a slow disk.",
    "pbx_media_faults": "Ticks that were skipped, events and packets that were lost in the media threads.",
    "pbx_media_dropped_packets": "RTP packets that were not passed on, by reason.",
    "pbx_srtp_packets_dropped": "SRTP and SRTCP packets of another key, changed or repeated.",
    "pbx_jitter_buffer_packets": "Packets of mixed legs, by what the jitter buffer did with them.",
    "pbx_jitter_buffer_frames": "Frames of 20 ms of mixed legs that were made up, left out or put in.",
}

METHODS: Final = (
    "ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER",
    "REGISTER", "SUBSCRIBE", "UPDATE",
)  # fmt: skip

FAILURE_CAUSES: Final = (
    "busy", "cancelled", "declined", "error", "forbidden", "media", "no-answer", "not-found", "rejected",
    "resources", "timeout", "transport", "unacceptable", "unauthorized", "unavailable",
)  # fmt: skip

DROP_CAUSES: Final = (
    "blocked", "connection", "keep-alive", "limit", "malformed", "no-transaction", "overload", "too-large",
    "unanswerable", "via",
)  # fmt: skip

AUTH_CAUSES: Final = ("credentials", "stale", "replay", "qop", "algorithm", "malformed", "other-user")

REGISTRATION_CAUSES: Final = ("added", "refreshed", "removed", "expired", "flow-closed", "dropped")

PLUGIN_FAILURE_CAUSES: Final = (
    "timeout", "exception", "decision", "overload", "switched-off", "process", "start", "stopped",
)  # fmt: skip

DECISION_KINDS: Final = (
    "answer", "choice", "conference", "continue", "defer", "dial", "echo", "goto", "hangup", "menu", "play",
    "queue", "redirect", "reject", "talk", "voicemail",
)  # fmt: skip

QUALITY_EVENTS: Final = (
    "quality-alert", "quality-recovered", "one-way-audio", "dead-air", "clipping",
    "echo-suspected", "rtp-timeout", "flows-again",
)  # fmt: skip
# Dead air is one of both directions together.
QUALITY_DIRECTIONS: Final = (*DIRECTIONS, "both")

OTHER: Final = "other"

# Seconds. Set-up and post-dial delay share their limits, so that the two can be compared.
SETUP_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0)
DURATION_BUCKETS: Final = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0)
JITTER_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5)
LATENESS_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
# The E-model's scale; the limits are the bands people speak of (bad, poor, fair, good, excellent).
MOS_BUCKETS: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 3.25, 3.5, 3.75, 4.0, 4.2, 4.5)
BUFFER_BUCKETS: Final = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5)
ROUND_TRIP_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
CODECS: Final = ("PCMU", "PCMA", "G722", "G729", "OPUS")
PLUGIN_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Of all packets that should have come.
LOSS_BUCKETS: Final = (0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)


def failure_cause(status: int) -> str:
    """The cause that a final SIP status stands for (RFC 3261 §21)."""
    known = {
        401: "unauthorized",
        403: "forbidden",
        404: "not-found",
        407: "unauthorized",
        408: "timeout",
        410: "not-found",
        480: "unavailable",
        484: "not-found",
        486: "busy",
        487: "cancelled",
        488: "unacceptable",
        503: "resources",
        504: "timeout",
        600: "busy",
        603: "declined",
        604: "not-found",
        606: "unacceptable",
    }
    return known.get(status) or ("error" if 500 <= status < 600 else "rejected")
