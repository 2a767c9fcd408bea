"""The timers of RFC 3261 §17 and RFC 6026, derived from those that `sip:` in pbx.yaml sets."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds. Every derived value is the one for an unreliable transport (RFC 3261 table 4).

    On a reliable transport timers A, E and G do not run, and D, I, J and K are zero. Raises ValueError when
    the values make no schedule.
    """

    t1: float = 0.5
    """The round-trip estimate (§17.1.1.1)."""
    t2: float = 4.0
    """The longest interval between retransmissions, except of an INVITE (§17.1.2.2)."""
    t4: float = 5.0
    """How long a message may stay in the network (§17.1.2.2)."""
    timer_c: float = 180.0
    """How long an INVITE may ring without news (§16.6 step 11); whoever rings keeps it."""

    timer_a: float = field(init=False)
    """First retransmission of an INVITE; doubles each time (§17.1.1.2)."""
    timer_b: float = field(init=False)
    """An INVITE without any response (§17.1.1.2), or without a final one after its CANCEL (§9.1)."""
    timer_d: float = field(init=False)
    """Absorbing repeated final responses to an INVITE (§17.1.1.2: 32 s, here in step with T1)."""
    timer_e: float = field(init=False)
    """First retransmission of any other request; doubles up to T2 (§17.1.2.2)."""
    timer_f: float = field(init=False)
    """Any other request without a final response (§17.1.2.2)."""
    timer_g: float = field(init=False)
    """First retransmission of a final response to an INVITE; doubles up to T2 (§17.2.1)."""
    timer_h: float = field(init=False)
    """A final response to an INVITE without ACK (§17.2.1)."""
    timer_i: float = field(init=False)
    """Absorbing repeated ACKs (§17.2.1)."""
    timer_j: float = field(init=False)
    """Answering repeated requests other than INVITE (§17.2.2)."""
    timer_k: float = field(init=False)
    """Absorbing repeated responses to a request other than INVITE (§17.1.2.2)."""
    timer_l: float = field(init=False)
    """Absorbing repeated INVITEs after a 2xx, on every transport (RFC 6026 §7.1)."""
    timer_m: float = field(init=False)
    """Passing repeated 2xx up, on every transport (RFC 6026 §7.2)."""

    def __post_init__(self) -> None:
        if not 0 < self.t1 <= self.t2:
            raise ValueError("t1 must be more than 0 and no more than t2")
        if self.t4 < 0 or self.timer_c <= 0:
            raise ValueError("t4 must not be negative, and timer_c must be more than 0")
        # Looked up for every message: worked out once.
        for name, seconds in (
            ("timer_a", self.t1),
            ("timer_b", 64 * self.t1),
            ("timer_d", 64 * self.t1),
            ("timer_e", self.t1),
            ("timer_f", 64 * self.t1),
            ("timer_g", self.t1),
            ("timer_h", 64 * self.t1),
            ("timer_i", self.t4),
            ("timer_j", 64 * self.t1),
            ("timer_k", self.t4),
            ("timer_l", 64 * self.t1),
            ("timer_m", 64 * self.t1),
        ):
            object.__setattr__(self, name, seconds)
