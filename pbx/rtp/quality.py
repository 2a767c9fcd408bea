"""How good a stream is: interarrival jitter (RFC 3550 A.8) and the E-model's MOS (ITU-T G.107)."""

from dataclasses import dataclass
from math import exp, log2, log10, sqrt
from typing import Final

from pbx.rtp.sequence import timestamp_difference

# A MOS of fewer packets would be a guess (two seconds of voice in 20 ms packets).
MIN_PACKETS: Final = 100


class Jitter:
    """Interarrival jitter of one source, as RFC 3550 §6.4.1 and A.8 estimate it.

    Only packets of one clock rate belong in it, and no telephone-event packets: those repeat one timestamp.
    """

    __slots__ = ("_arrival", "_measured", "_timestamp", "_units", "clock_rate")

    def __init__(self, clock_rate: int) -> None:
        self.clock_rate = clock_rate
        self.restart()

    def restart(self) -> None:
        """Begin again: a new source, or one that jumped."""
        self._arrival: float | None = None
        self._timestamp = 0
        self._units = 0.0
        self._measured = False

    def receive(self, timestamp: int, now: float) -> None:
        """Take the RTP timestamp of a packet that came at `now` (seconds)."""
        if self._arrival is not None:
            elapsed = (now - self._arrival) * self.clock_rate
            deviation = abs(elapsed - timestamp_difference(timestamp, self._timestamp))
            self._units += (deviation - self._units) / 16
            self._measured = True
        self._arrival = now
        self._timestamp = timestamp

    @property
    def units(self) -> float | None:
        """Jitter in clock units, as a report block says it; None before two packets came."""
        return self._units if self._measured else None

    @property
    def milliseconds(self) -> float | None:
        """Jitter in milliseconds; None before two packets came."""
        return 1000 * self._units / self.clock_rate if self._measured else None


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec costs (ITU-T G.113 appendix I): `ie` without loss, `bpl` its robustness against loss."""

    ie: float
    bpl: float


# G.711 and G.729 (annex A with B) as G.113 tables I.1 and I.4 have them, with the packet loss concealment
# that phones have. G.722 has planning values on the wideband scale only; here it is put where G.711 is, with
# the robustness of G.711 without concealment: a floor, not a flattery. Opus has none from the ITU: not rated.
IMPAIRMENTS: Final[dict[str, Impairment]] = {
    "PCMU": Impairment(0, 25.1),
    "PCMA": Impairment(0, 25.1),
    "G722": Impairment(0, 4.3),
    "G729": Impairment(11, 19.0),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """The E-model's rating (0 to 100) and MOS (1 to 4.5) of one direction of a call.

    Without a round trip `delay_measured` is False and delay is taken to impair nothing.
    """

    rating: float
    mos: float
    delay_measured: bool


def estimate(
    encoding: str,
    *,
    expected: int,
    lost: int,
    round_trip: float | None = None,
    buffering: float = 0.0,
    burst_ratio: float = 1.0,
    fewest: int = MIN_PACKETS,
) -> Estimate | None:
    """The quality of a stream of `expected` packets, or None when it cannot be said honestly.

    None: fewer than `fewest` came, or there are no impairment values for the codec. `lost` counts what was
    never heard, packets that came too late included. `round_trip` and `buffering` (jitter buffer and packet
    time) are seconds.
    """
    impairment = IMPAIRMENTS.get(encoding.upper())
    lost = max(0, lost)
    if impairment is None or expected - lost < max(1, fewest):
        return None
    one_way = 0.0 if round_trip is None else 1000 * (round_trip / 2 + buffering)
    loss_percent = 100 * lost / expected
    rating = transmission_rating(one_way) - effective_impairment(impairment, loss_percent, burst_ratio)
    return Estimate(rating, mean_opinion_score(rating), round_trip is not None)


def burst_ratio(expected: int, lost: int, runs: int | None) -> float:
    """BurstR (G.107 §7.5): how long runs of loss are, against what the same loss at random would make.

    At random a run is of 1 / (1 - p) packets; 1 is also what is said when runs were not counted. Loss that is
    more evenly spread than chance counts as random: the formula is for bursts.
    """
    if runs is None or runs <= 0 or not 0 < lost < expected:
        return 1.0
    return max(1.0, lost / runs * (1 - lost / expected))


def mean_opinion_score(rating: float) -> float:
    """MOS-CQE of a transmission rating R (G.107 annex B), never below 1."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


def effective_impairment(impairment: Impairment, loss_percent: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff: the codec's impairment under packet loss (G.107 §7.5). `burst_ratio` is 1 for random loss."""
    if loss_percent <= 0:
        return impairment.ie
    return impairment.ie + (95 - impairment.ie) * loss_percent / (loss_percent / burst_ratio + impairment.bpl)


# G.107 table 2: the default values of a good connection, in dB unless said otherwise.
_SLR, _RLR, _STMR = 8.0, 2.0, 15.0
_LSTR = 18.0
_DS = 3.0
_TELR, _WEPL = 65.0, 110.0
_PS, _PR = 35.0, 35.0
_NC, _NFOR = -70.0, -64.0
_QDU = 1.0


def _noise() -> float:
    """No: all noise, referred to the point of 0 dB (G.107 §7.2)."""
    olr = _SLR + _RLR
    sending_room = _PS - _SLR - _DS - 100 + 0.004 * (_PS - olr - _DS - 14) ** 2
    receiving_level = _PR + 10 * log10(1 + 10 ** ((10 - _LSTR) / 10))
    receiving_room = _RLR - 121 + receiving_level + 0.008 * (receiving_level - 35) ** 2
    floor = _NFOR + _RLR
    return 10 * log10(sum(10 ** (level / 10) for level in (_NC, sending_room, receiving_room, floor)))


_NO: Final = _noise()
_RO: Final = 15 - 1.5 * (_SLR + _NO)


def _simultaneous_impairment(delay_ms: float) -> float:
    """Is: loudness, sidetone and quantising (G.107 §7.3)."""
    olr = _SLR + _RLR
    loudness = olr + 0.2 * (64 + _NO - _RLR)
    too_loud: float = 20 * ((1 + (loudness / 8) ** 8) ** (1 / 8) - loudness / 8)
    stmr: float = -10 * log10(10 ** (-_STMR / 10) + exp(-delay_ms / 4) * 10 ** (-_TELR / 10))
    sidetone: float = (
        12 * (1 + ((stmr - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((stmr + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((stmr - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )
    q = 37 - 15 * log10(_QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q * q
    y = (_RO - 100) / 15 + 46 / 8.4 - g / 9
    z = 46 / 30 - g / 40
    quantising: float = 15 * log10(1 + 10**y + 10**z)
    return too_loud + sidetone + quantising


def _delay_impairment(delay_ms: float) -> float:
    """Id: talker echo, listener echo and sheer delay (G.107 §7.4), for a delay that is the same both ways."""
    talker_echo = 0.0
    if delay_ms >= 1:
        terv = (
            _TELR
            - 40 * log10((1 + delay_ms / 10) / (1 + delay_ms / 150))
            + 6 * exp(-0.3 * delay_ms * delay_ms)
        )
        half = (-1.5 * (_NO - _RLR) - (80 + 2.5 * (terv - 14))) / 2
        talker_echo = (half + sqrt(half * half + 100) - 1) * (1 - exp(-delay_ms))
    half = (_RO - 10.5 * (_WEPL + 7) * (2 * delay_ms + 1) ** -0.25) / 2
    listener_echo: float = half + sqrt(half * half + 169)
    too_long = 0.0
    if delay_ms > 100:
        x = log2(delay_ms / 100)
        too_long = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return talker_echo + listener_echo + too_long


def transmission_rating(delay_ms: float) -> float:
    """R of a perfect codec without loss at this mouth-to-ear delay in ms (G.107 §7.1): 93.2 at none."""
    delay_ms = max(0.0, delay_ms)
    return _RO - _simultaneous_impairment(delay_ms) - _delay_impairment(delay_ms)
