"""The tables that the compiled loop and the reactor thread share, and the numbers both sides know.

All times in here are microseconds of the monotonic clock, all counts 64-bit integers.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# One row per leg. From ACTIVATE to RELEASED only the media thread writes to it, with an odd `version`.
LEG: Final = np.dtype(
    [
        (name, "i8")
        for name in (
            "version",
            "generation",
            "state",
            "rtp_descriptor",
            "rtcp_descriptor",
            "address_length",
            "active_index",
            # what the reactor asked for
            "configured",
            "receive",
            "send",
            "peer",
            "closed_at",
            # its SRTP sessions in libsrtp (0: plain), and what did not pass them
            "srtp_receive",
            "srtp_send",
            "srtp_ssrc",
            "srtcp_ssrc",
            "srtp_sources",
            "unauthenticated",
            "replayed",
            "rtcp_unauthenticated",
            "rtcp_replayed",
            # where its packets come from
            "proven",
            "connected",
            "connectable",
            "settled",
            "connected_at",
            "packets_at_connect",
            "candidate_count",
            "candidate_sequence",
            "candidate_ssrc",
            "candidate_at",
            "candidate_since",
            "former_until",
            # what is heard of it (RFC 3550 A.1, A.3, A.8)
            "heard_at",
            "has_source",
            "epoch",
            "ssrc",
            "base",
            "highest",
            "history",
            "bad_sequence",
            "source_received",
            "expected_before",
            "received_before",
            "packets",
            "octets",
            "duplicated",
            "reordered",
            "late",
            "ssrc_changes",
            "transit",
            "transit_rate",
            "transit_timestamp",
            "jitter",
            "jitter_samples",
            "interrupted",
            "loss_runs",
            # what was not passed on
            "wrong_source",
            "malformed",
            "payload_type",
            "not_receiving",
            "not_sending",
            "unbridged",
            "sequence_jumps",
            # the stream we send to it
            "stream_started",
            "stream_epoch",
            "stream_ssrc",
            "stream_highest",
            "stream_offset",
            "stream_start",
            "stream_timestamp",
            "stream_timestamp_offset",
            "stream_frame",
            "stream_rate",
            "stream_at",
            "stream_busy",
            "sent_packets",
            "sent_octets",
            "send_failures",
            "refused",
            # RTCP (RFC 3550 §6.4): ours to them, and what they say
            "report_due",
            "report_expected",
            "report_received",
            "rtcp_sent",
            "rtcp_received",
            "rtcp_malformed",
            "rtcp_wrong_source",
            "sender_report",
            "sender_report_at",
            "heard_reports",
            "heard_lost",
            "heard_fraction",
            "heard_jitter",
            "round_trip",
            # the words of their last VoIP metrics block (RFC 3611 §4.7), without its SSRC
            "metrics_heard",
            "metrics_1",
            "metrics_2",
            "metrics_3",
            "metrics_4",
            "metrics_5",
            "metrics_6",
            "metrics_7",
            # how loud the leg speaks, of the packets that were looked at
            "level_packets",
            "level_power",
            "level_samples",
            "level_clipped",
        )
    ],
    align=True,
)

# Leg states.
FREE: Final = 0
OPEN: Final = 1
CLOSING: Final = 2

NOBODY: Final = -1

# The addresses of a leg, each a sockaddr in its own place of `Tables.addresses[row]`.
SIGNALLED: Final = 0
PROVEN: Final = 1
CANDIDATE: Final = 2
FORMER: Final = 3
ADDRESSES: Final = 4
ADDRESS_BYTES: Final = 32
SOCKADDR_IN: Final = 16
SOCKADDR_IN6: Final = 28

# How loud each leg was by 20 ms of the clock, the latest five seconds: the number of the 20 ms, and below it
# in so many bits the mean square of a packet that came then.
ENVELOPE: Final = 256
POWER_BITS: Final = 31

PAYLOAD_TYPES: Final = 128
NOT_AGREED: Final = 255
CNAME_BYTES: Final = 16

# Commands: a record divides the 4 KiB that a pipe writes at once, so that it is always read whole.
COMMAND_BYTES: Final = 1024
COMMAND: Final = np.dtype(
    [
        ("operation", "i8"),
        ("row", "i8"),
        ("generation", "i8"),
        ("other_row", "i8"),
        ("other_generation", "i8"),
        ("has_remote", "i8"),
        ("receive", "i8"),
        ("send", "i8"),
        ("srtp_receive", "i8"),
        ("srtp_send", "i8"),
        ("remote", "u1", (ADDRESS_BYTES,)),
        ("payload_map", "u1", (PAYLOAD_TYPES,)),
        ("clock_rates", "i4", (PAYLOAD_TYPES,)),
        ("decode", "u1", (PAYLOAD_TYPES,)),
        ("bridge", "i8"),
        ("bridge_generation", "i8"),
        # What a member of the matrix is told: a gain, on or off, a digit and how long it takes.
        ("value", "i8"),
        ("duration_ms", "i8"),
        ("audio", "i8"),
        ("codec", "i8"),
        ("payload_type", "i8"),
        ("event_type", "i8"),
        ("packet_ms", "i8"),
        ("unused", "u1", (COMMAND_BYTES - 19 * 8 - ADDRESS_BYTES - 6 * PAYLOAD_TYPES,)),
    ],
    align=True,
)
COMMANDS: Final = 16

ACTIVATE: Final = 1
CONFIGURE: Final = 2
BRIDGE: Final = 3
UNBRIDGE: Final = 4
ECHO: Final = 5
CLOSE: Final = 6
# A row leaves one media thread for another.
RELEASE: Final = 7
ADOPT: Final = 8
# Of the matrix: `row` and `generation` are those of a part, `bridge` of the bridge that is meant.
JOIN: Final = 9
LEAVE: Final = 10
CLOSE_BRIDGE: Final = 11
GAIN: Final = 12
MUTE: Final = 13
DIGIT: Final = 14
DETECT: Final = 15
# A leg takes over SRTP sessions.
SECURE: Final = 32

EVENT: Final = np.dtype(
    [
        ("kind", "i8"),
        ("row", "i8"),
        ("generation", "i8"),
        ("value", "i8"),
        ("address", "u1", (ADDRESS_BYTES,)),
    ],
    align=True,
)
EVENTS: Final = 4096

EVENT_PROVEN: Final = 1
EVENT_RELEASED: Final = 2
EVENT_DIGIT: Final = 3
EVENT_SOURCE_ENDED: Final = 4

# Places in `Tables.control`. The two ends of the event ring stand apart: each is written by another thread.
EVENT_HEAD: Final = 0
EVENT_SIGNAL: Final = 1
EVENTS_LOST: Final = 2
ACKNOWLEDGED: Final = 3
ACTIVE: Final = 4
PACKETS: Final = 5
PASSES: Final = 6
DISCARDED: Final = 7
ERRORS: Final = 8
NEXT_EPOCH: Final = 9
LATENESS_TOTAL: Final = 10
BUFFERED_TOTAL: Final = 11
WORK_TOTAL: Final = 12
WORK_FROM: Final = 13
EVENT_TAIL: Final = 16
BACKLOG: Final = 17
RELAY: Final = 25
QUARANTINE: Final = 26
REPORT_INTERVAL: Final = 27
EPOLL: Final = 28
COMMAND_PIPE: Final = 29
EVENT_DESCRIPTOR: Final = 30
WALL_OFFSET: Final = 31
CONTROL: Final = 32

# The buffer for one datagram.
PACKET: Final = 4096

TICK: Final = 20_000
SCAN_TICKS: Final = 5
LATENESS_BOUNDS: Final = (1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
# CPU that the thread uses from one tick to the next.
WORK_BOUNDS: Final = (1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 14_000, 16_000, 18_000, 20_000)
# How long packets wait in jitter buffers, as the mixed legs are looked at every SCAN_TICKS.
BUFFERED_BOUNDS: Final = (5_000, 10_000, 20_000, 30_000, 40_000, 60_000, 80_000, 100_000, 150_000, 200_000)

# Descriptors that one pass serves at most, and what epoll calls the command pipe (sockets go by row).
READY: Final = 256
PIPE_TAG: Final = 0xFFFFFFFF

CANARY: Final = 0xA5
CANARY_BYTES: Final = 64


def names(record: "np.dtype[Any]") -> tuple[str, ...]:
    """The fields of a record."""
    return record.names or ()


def place(record: "np.dtype[Any]", name: str) -> int:
    """Which of the values of a row a field is."""
    return names(record).index(name)


def offset(record: "np.dtype[Any]", name: str) -> int:
    """Where a field of a record begins, in octets."""
    places = record.fields
    assert places is not None
    return int(places[name][1])


class Tables(NamedTuple):
    """Everything the loop touches; the arrays that libc writes to lie in `arena`, canaries between them."""

    control: Array
    legs: Array
    addresses: Array
    payload_map: Array
    clock_rates: Array
    cnames: Array
    envelopes: Array
    active: Array
    events: Array
    lateness: Array
    work: Array
    buffered: Array
    packet: Array
    sender: Array
    ready: Array
    commands: Array
    words: Array
    srtp: Array


class Shared(NamedTuple):
    """The tables that all media threads have in common: rows are of one thread at a time."""

    legs: Array
    addresses: Array
    payload_map: Array
    clock_rates: Array
    cnames: Array
    envelopes: Array


def share(rows: int) -> Shared:
    """Tables of free rows."""
    return Shared(
        np.zeros(rows, LEG),
        np.zeros((rows, ADDRESSES, ADDRESS_BYTES), np.uint8),
        np.full((rows, PAYLOAD_TYPES), NOT_AGREED, np.uint8),
        np.zeros((rows, PAYLOAD_TYPES), np.int32),
        np.zeros((rows, CNAME_BYTES), np.uint8),
        np.zeros((rows, ENVELOPE), np.int64),
    )


class Arena:
    """One block of memory for all that libc writes to, with canaries around each part."""

    def __init__(self) -> None:
        ready_words = READY * 4
        self._sizes = (PACKET, ADDRESS_BYTES, ready_words * 4, COMMANDS * COMMAND_BYTES, 64)
        total = sum(self._sizes) + CANARY_BYTES * (len(self._sizes) + 1)
        block = np.full(total + 64, CANARY, np.uint8)
        skip = -block.ctypes.data % 64
        self._block = block[skip : skip + total]
        self._parts: list[slice] = []
        at = CANARY_BYTES
        for size in self._sizes:
            self._parts.append(slice(at, at + size))
            at += size + CANARY_BYTES
        for part in self._parts:
            self._block[part] = 0
        self.packet, self.sender, ready, commands, words = (self._block[part] for part in self._parts)
        self.ready = ready.view(np.uint32)
        self.commands = commands.view(COMMAND)
        self.words = words.view(np.int64)

    def intact(self) -> bool:
        """Whether every canary still stands."""
        mask = np.ones(self._block.shape[0], bool)
        for part in self._parts:
            mask[part] = False
        return bool((self._block[mask] == CANARY).all())


def tables(shared: Shared, arena: Arena) -> Tables:
    """The tables of one media thread."""
    return Tables(
        np.zeros(CONTROL, np.int64),
        *shared,
        np.zeros(shared.legs.shape[0], np.int32),
        np.zeros(EVENTS, EVENT),
        np.zeros(len(LATENESS_BOUNDS) + 1, np.int64),
        np.zeros(len(WORK_BOUNDS) + 1, np.int64),
        np.zeros(len(BUFFERED_BOUNDS) + 1, np.int64),
        arena.packet,
        arena.sender,
        arena.ready,
        arena.commands,
        arena.words,
        np.zeros(4, np.int64),
    )
