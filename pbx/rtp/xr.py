"""RTCP extended reports (RFC 3611): the VoIP metrics block read, other blocks kept as they are."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from pbx.rtp.packet import RtpError

EXTENDED_REPORT: Final = 207
VOIP_METRICS: Final = 7

_BLOCK_HEAD: Final = Struct("!BBH")
_METRICS: Final = Struct("!IBBBBHHHHbbBBBBBBBBHHH")
# What stands for "not measured" in levels, ratings and scores.
_UNKNOWN: Final = 127


@dataclass(frozen=True, slots=True)
class VoipMetrics:
    """What a receiver says of one source (RFC 3611 §4.7), as it is on the wire.

    `loss_rate` (never came), `discard_rate` (came too early or late), `burst_density` and `gap_density` are
    in 1/256ths; durations, delays and jitter buffer sizes in ms; levels in dBm0 and dB; `mos_lq` and `mos_cq`
    in tenths. The properties have what was measured in common units, or None.
    """

    ssrc: int
    loss_rate: int = 0
    discard_rate: int = 0
    burst_density: int = 0
    gap_density: int = 0
    burst_ms: int = 0
    gap_ms: int = 0
    round_trip_ms: int = 0
    end_system_ms: int = 0
    signal_level: int = _UNKNOWN
    noise_level: int = _UNKNOWN
    echo_return_loss: int = _UNKNOWN
    gap_minimum: int = 16
    r_factor: int = _UNKNOWN
    external_r_factor: int = _UNKNOWN
    mos_lq: int = _UNKNOWN
    mos_cq: int = _UNKNOWN
    receiver: int = 0
    reserved: int = 0
    buffer_ms: int = 0
    buffer_maximum_ms: int = 0
    buffer_absolute_ms: int = 0

    @property
    def loss_percent(self) -> float:
        """What was never heard: lost or discarded."""
        return min(100.0, 100 * (self.loss_rate + self.discard_rate) / 256)

    @property
    def rating(self) -> int | None:
        """The E-model's R, 0 to 100 (G.107)."""
        return self.r_factor if self.r_factor <= 100 else None

    @property
    def listening_mos(self) -> float | None:
        """MOS-LQ, 1.0 to 5.0: delay left out."""
        return _score(self.mos_lq)

    @property
    def conversational_mos(self) -> float | None:
        """MOS-CQ, 1.0 to 5.0: delay and echo included."""
        return _score(self.mos_cq)

    @property
    def one_way_ms(self) -> float | None:
        """Half the round trip and the peer's own delay; None when no round trip was measured."""
        return self.round_trip_ms / 2 + self.end_system_ms if self.round_trip_ms else None


@dataclass(frozen=True, slots=True)
class OtherBlock:
    """A report block of another type: its type-specific octet and its contents."""

    block_type: int
    specific: int
    contents: bytes


Block = VoipMetrics | OtherBlock


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """XR (RFC 3611 §2)."""

    ssrc: int
    blocks: tuple[Block, ...] = ()


def parse_extended(body: bytes) -> ExtendedReport:
    """The body of an XR packet, which begins with its sender's SSRC. Raises RtpError."""
    if len(body) < 4:
        raise RtpError("extended report too short")
    blocks: list[Block] = []
    at = 4
    while at < len(body):
        if at + 4 > len(body):
            raise RtpError("extended report blocks run past the packet")
        block_type, specific, words = _BLOCK_HEAD.unpack_from(body, at)
        contents = body[at + 4 : at + 4 + 4 * words]
        at += 4 + 4 * words
        if at > len(body):
            raise RtpError("extended report blocks run past the packet")
        if block_type == VOIP_METRICS and len(contents) == _METRICS.size and specific == 0:
            blocks.append(parse_metrics(contents))
        else:
            blocks.append(OtherBlock(block_type, specific, contents))
    return ExtendedReport(int.from_bytes(body[:4], "big"), tuple(blocks))


def parse_metrics(contents: bytes) -> VoipMetrics:
    """The 32 octets of a VoIP metrics block after its head."""
    return VoipMetrics(*_METRICS.unpack(contents))


def encode_extended(report: ExtendedReport) -> bytes:
    """The body of an XR packet."""
    parts = [report.ssrc.to_bytes(4, "big")]
    for block in report.blocks:
        match block:
            case VoipMetrics():
                contents, head = _metrics_octets(block), (VOIP_METRICS, 0)
            case OtherBlock(block_type, specific, contents):
                head = (block_type, specific)
        parts += [_BLOCK_HEAD.pack(*head, len(contents) // 4), contents]
    return b"".join(parts)


def _metrics_octets(block: VoipMetrics) -> bytes:
    return _METRICS.pack(*(getattr(block, name) for name in VoipMetrics.__slots__))


def _score(tenths: int) -> float | None:
    return tenths / 10 if 10 <= tenths <= 50 else None
