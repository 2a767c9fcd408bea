"""The timers of RFC 3261 §17 and RFC 6026, derived from those that `sip:` in pbx.yaml sets."""

from dataclasses import dataclass


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

    def __post_init__(self) -> None:
        if not 0 < self.t1 <= self.t2:
            raise ValueError("t1 must be more than 0 and no more than t2")
        if self.t4 < 0 or self.timer_c <= 0:
            raise ValueError("t4 must not be negative, and timer_c must be more than 0")

    @property
    def timer_a(self) -> float:
        """First retransmission of an INVITE; doubles each time (§17.1.1.2)."""
        return self.t1

    @property
    def timer_b(self) -> float:
        """An INVITE without any response (§17.1.1.2), or without a final one after its CANCEL (§9.1)."""
        return 64 * self.t1

    @property
    def timer_d(self) -> float:
        """Absorbing repeated final responses to an INVITE (§17.1.1.2: 32 s, here in step with T1)."""
        return 64 * self.t1

    @property
    def timer_e(self) -> float:
        """First retransmission of any other request; doubles up to T2 (§17.1.2.2)."""
        return self.t1

    @property
    def timer_f(self) -> float:
        """Any other request without a final response (§17.1.2.2)."""
        return 64 * self.t1

    @property
    def timer_g(self) -> float:
        """First retransmission of a final response to an INVITE; doubles up to T2 (§17.2.1)."""
        return self.t1

    @property
    def timer_h(self) -> float:
        """A final response to an INVITE without ACK (§17.2.1)."""
        return 64 * self.t1

    @property
    def timer_i(self) -> float:
        """Absorbing repeated ACKs (§17.2.1)."""
        return self.t4

    @property
    def timer_j(self) -> float:
        """Answering repeated requests other than INVITE (§17.2.2)."""
        return 64 * self.t1

    @property
    def timer_k(self) -> float:
        """Absorbing repeated responses to a request other than INVITE (§17.1.2.2)."""
        return self.t4

    @property
    def timer_l(self) -> float:
        """Absorbing repeated INVITEs after a 2xx, on every transport (RFC 6026 §7.1)."""
        return 64 * self.t1

    @property
    def timer_m(self) -> float:
        """Passing repeated 2xx up, on every transport (RFC 6026 §7.2)."""
        return 64 * self.t1
