"""Sequence numbers: their arithmetic and the extended sequence of one source (RFC 3550 §6.4.1, A.1, A.3)."""

from typing import Final, Literal

MODULUS: Final = 1 << 16
MIN_SEQUENTIAL: Final = 2
MAX_DROPOUT: Final = 3000
MAX_MISORDER: Final = 100

# Outside what 16 bits hold: no packet can match it (A.1 uses the same value).
_NO_SEQUENCE: Final = MODULUS + 1

Verdict = Literal["probation", "next", "repeated", "late", "suspect", "restarted"]


def difference(newer: int, older: int) -> int:
    """How far `newer` is ahead of `older` modulo 2^16: -32768 to 32767."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_difference(newer: int, older: int) -> int:
    """How far one RTP timestamp is ahead of another modulo 2^32, in clock units."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class SequenceCounter:
    """Follows the sequence numbers of one source, as RFC 3550 A.1 does.

    The first packets are on probation: only after MIN_SEQUENTIAL in a row is the source believed and counted.
    A large jump is believed only when the next packet follows on it, and starts the count again.
    `received` counts repeated and late packets too, as the RFC says, so `lost` can be negative.
    """

    __slots__ = (
        "_bad_sequence",
        "_expected_prior",
        "_received_prior",
        "base_sequence",
        "cycles",
        "max_sequence",
        "probation",
        "received",
    )

    def __init__(self) -> None:
        self.probation = MIN_SEQUENTIAL
        self.max_sequence = _NO_SEQUENCE
        self._start(_NO_SEQUENCE)

    def _start(self, sequence: int) -> None:
        self.base_sequence = sequence
        self.max_sequence = sequence
        self._bad_sequence = _NO_SEQUENCE
        self.cycles = 0
        self.received = 0
        self._expected_prior = 0
        self._received_prior = 0

    def receive(self, sequence: int) -> Verdict:
        """Take the sequence number of the next packet that came.

        "probation": not believed yet. "next": in order, possibly after a gap. "repeated": the newest once
        more. "late": older than the newest, reordered or repeated. "suspect": a jump, not counted.
        "restarted": the jump was real; the counts begin again here. All but "probation" and "suspect" are
        counted.
        """
        if self.probation:
            return self._receive_on_probation(sequence)
        ahead = (sequence - self.max_sequence) & 0xFFFF
        verdict: Verdict
        if ahead < MAX_DROPOUT:
            verdict = "next" if ahead else "repeated"
            if sequence < self.max_sequence:
                self.cycles += MODULUS
            self.max_sequence = sequence
        elif ahead <= MODULUS - MAX_MISORDER:
            if sequence != self._bad_sequence:
                self._bad_sequence = (sequence + 1) & 0xFFFF
                return "suspect"
            self._start(sequence)
            verdict = "restarted"
        else:
            verdict = "late"
        self.received += 1
        return verdict

    def _receive_on_probation(self, sequence: int) -> Verdict:
        in_order = self.max_sequence != _NO_SEQUENCE and sequence == (self.max_sequence + 1) & 0xFFFF
        self.max_sequence = sequence
        self.probation = self.probation - 1 if in_order else MIN_SEQUENTIAL - 1
        if self.probation:
            return "probation"
        self._start(sequence)
        self.received = 1
        return "next"

    @property
    def extended(self) -> int:
        """The highest sequence number with its cycles, 0 while on probation."""
        return 0 if self.probation else self.cycles + self.max_sequence

    @property
    def expected(self) -> int:
        """How many packets should have come since the count began."""
        return 0 if self.probation else self.cycles + self.max_sequence - self.base_sequence + 1

    @property
    def lost(self) -> int:
        """Packets missing; negative when more were repeated than lost (A.3)."""
        return self.expected - self.received

    def fraction_lost(self) -> int:
        """Loss since the last time this was asked, in 1/256ths, as a report block says it (A.3)."""
        expected = self.expected
        expected_interval = expected - self._expected_prior
        received_interval = self.received - self._received_prior
        self._expected_prior = expected
        self._received_prior = self.received
        lost_interval = expected_interval - received_interval
        if expected_interval <= 0 or lost_interval <= 0:
            return 0
        return min(255, (lost_interval << 8) // expected_interval)
