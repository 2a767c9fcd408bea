"""RTCP compound packets, read and printed (RFC 3550 §6, validity checks of A.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from pbx.errors import MisuseError
from pbx.rtp.packet import VERSION, RtpError
from pbx.rtp.xr import EXTENDED_REPORT, ExtendedReport, encode_extended, parse_extended

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203

CNAME: Final = 1

_HEADER: Final = Struct("!BBH")
_WORD: Final = Struct("!I")
_SENDER: Final = Struct("!IQIII")
_BLOCK: Final = Struct("!IIIIII")
_MAX_COUNT: Final = 31
_MAX_WORDS: Final = 0xFFFF


@dataclass(slots=True)
class ReportBlock:
    """What one receiver heard of one source (RFC 3550 §6.4.1).

    `fraction_lost` is in 1/256ths, `cumulative_lost` signed 24 bits, `jitter` in clock units;
    `last_report` and `delay` (in 1/65536 s) are LSR and DLSR, 0 when no sender report has come.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_report: int = 0
    delay: int = 0


@dataclass(slots=True)
class SenderReport:
    """SR (RFC 3550 §6.4.1); `ntp` is the 64-bit NTP timestamp, `extension` a profile's own data."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@dataclass(slots=True)
class ReceiverReport:
    """RR (RFC 3550 §6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()
    extension: bytes = b""


@dataclass(slots=True)
class SdesChunk:
    """What a source says about itself: (type, text) items, CNAME among them (RFC 3550 §6.5)."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...] = ()


@dataclass(slots=True)
class SourceDescription:
    """SDES (RFC 3550 §6.5)."""

    chunks: tuple[SdesChunk, ...] = ()


@dataclass(slots=True)
class Goodbye:
    """BYE (RFC 3550 §6.6)."""

    ssrcs: tuple[int, ...] = ()
    reason: bytes | None = None


@dataclass(slots=True)
class OtherRtcp:
    """A packet of a type not read here (APP, feedback): its 5-bit count or subtype, and its body."""

    packet_type: int
    count: int
    body: bytes


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | ExtendedReport | OtherRtcp


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """Read one datagram as RTCP. Raises RtpError.

    As A.2 demands: version 2, a report first, padding in the last packet only, lengths that add up.
    """
    packets: list[RtcpPacket] = []
    at = 0
    size = len(data)
    if size < 8:
        raise RtpError("shorter than an RTCP report")
    while at < size:
        if at + 4 > size:
            raise RtpError("RTCP lengths do not add up")
        first, packet_type, words = _HEADER.unpack_from(data, at)
        end = at + 4 + 4 * words
        if first >> 6 != VERSION:
            raise RtpError("not RTCP version 2")
        if end > size:
            raise RtpError("RTCP lengths do not add up")
        if at == 0 and packet_type not in (SENDER_REPORT, RECEIVER_REPORT):
            raise RtpError("RTCP does not begin with a report")
        body = data[at + 4 : end]
        if first & 0x20:
            padding = body[-1] if body else 0
            if end != size or not 1 <= padding <= len(body) or padding % 4:
                raise RtpError("bad RTCP padding")
            body = body[:-padding]
        packets.append(_parse_packet(packet_type, first & 0x1F, body))
        at = end
    return packets


def _parse_packet(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    match packet_type:
        case 200:
            if len(body) < _SENDER.size:
                raise RtpError("sender report too short")
            ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
            blocks, extension = _parse_blocks(body, _SENDER.size, count)
            return SenderReport(ssrc, ntp, timestamp, packets, octets, blocks, extension)
        case 201:
            if len(body) < 4:
                raise RtpError("receiver report too short")
            blocks, extension = _parse_blocks(body, 4, count)
            return ReceiverReport(_WORD.unpack_from(body)[0], blocks, extension)
        case 202:
            return SourceDescription(_parse_chunks(body, count))
        case 203:
            return _parse_goodbye(body, count)
        case 207 if count == 0:
            return parse_extended(body)
        case _:
            return OtherRtcp(packet_type, count, body)


def _parse_blocks(body: bytes, start: int, count: int) -> tuple[tuple[ReportBlock, ...], bytes]:
    end = start + count * _BLOCK.size
    if end > len(body):
        raise RtpError("report blocks run past the packet")
    blocks: list[ReportBlock] = []
    for at in range(start, end, _BLOCK.size):
        ssrc, lost, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, at)
        cumulative = lost & 0xFFFFFF
        if cumulative & 0x800000:
            cumulative -= 0x1000000
        blocks.append(ReportBlock(ssrc, lost >> 24, cumulative, highest, jitter, last_report, delay))
    return tuple(blocks), body[end:]


def _parse_chunks(body: bytes, count: int) -> tuple[SdesChunk, ...]:
    chunks: list[SdesChunk] = []
    at = 0
    size = len(body)
    for _ in range(count):
        if at + 8 > size:
            raise RtpError("SDES chunks run past the packet")
        (ssrc,) = _WORD.unpack_from(body, at)
        at += 4
        items: list[tuple[int, bytes]] = []
        while at < size and body[at]:
            if at + 2 > size or at + 2 + body[at + 1] > size:
                raise RtpError("an SDES item runs past the packet")
            end = at + 2 + body[at + 1]
            items.append((body[at], body[at + 2 : end]))
            at = end
        if at >= size:
            raise RtpError("an SDES chunk does not end")
        at = (at // 4 + 1) * 4
        chunks.append(SdesChunk(ssrc, tuple(items)))
    return tuple(chunks)


def _parse_goodbye(body: bytes, count: int) -> Goodbye:
    end = 4 * count
    if end > len(body):
        raise RtpError("BYE sources run past the packet")
    ssrcs = tuple(_WORD.unpack_from(body, at)[0] for at in range(0, end, 4))
    if end == len(body):
        return Goodbye(ssrcs)
    length = body[end]
    if end + 1 + length > len(body):
        raise RtpError("BYE reason runs past the packet")
    return Goodbye(ssrcs, body[end + 1 : end + 1 + length])


def encode_compound(packets: Sequence[RtcpPacket]) -> bytes:
    """One datagram of these packets, a report first. Raises MisuseError for what does not fit."""
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise MisuseError("RTCP begins with a report")
    return b"".join([_encode(packet) for packet in packets])


def _encode(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            sender = _SENDER.pack(packet.ssrc, packet.ntp, packet.timestamp, packet.packets, packet.octets)
            body = sender + _encode_blocks(packet.blocks) + packet.extension
            return _framed(SENDER_REPORT, len(packet.blocks), body)
        case ReceiverReport():
            body = _WORD.pack(packet.ssrc) + _encode_blocks(packet.blocks) + packet.extension
            return _framed(RECEIVER_REPORT, len(packet.blocks), body)
        case SourceDescription():
            return _framed(
                SOURCE_DESCRIPTION,
                len(packet.chunks),
                b"".join([_encode_chunk(one) for one in packet.chunks]),
            )
        case Goodbye():
            body = b"".join([_WORD.pack(ssrc) for ssrc in packet.ssrcs])
            if packet.reason is not None:
                body = _padded(body + _counted(packet.reason), 0)
            return _framed(GOODBYE, len(packet.ssrcs), body)
        case ExtendedReport():
            return _framed(EXTENDED_REPORT, 0, encode_extended(packet))
        case OtherRtcp():
            return _framed(packet.packet_type, packet.count, packet.body)


def _encode_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        [
            _BLOCK.pack(
                block.ssrc,
                (block.fraction_lost & 0xFF) << 24 | _clamped(block.cumulative_lost) & 0xFFFFFF,
                block.highest_sequence & 0xFFFFFFFF,
                block.jitter & 0xFFFFFFFF,
                block.last_report,
                block.delay,
            )
            for block in blocks
        ]
    )


def _clamped(lost: int) -> int:
    """A count of lost packets within signed 24 bits (RFC 3550 A.3)."""
    return max(-0x800000, min(0x7FFFFF, lost))


def _encode_chunk(chunk: SdesChunk) -> bytes:
    items = b"".join([bytes((item,)) + _counted(text) for item, text in chunk.items])
    return _padded(_WORD.pack(chunk.ssrc) + items, 1)


def _counted(text: bytes) -> bytes:
    if len(text) > 255:
        raise MisuseError("an RTCP text is longer than 255 octets")
    return bytes((len(text),)) + text


def _padded(data: bytes, at_least: int) -> bytes:
    """Zeros up to the next 32-bit boundary, `at_least` so many."""
    return data + bytes(at_least + (-len(data) - at_least) % 4)


def _framed(packet_type: int, count: int, body: bytes) -> bytes:
    words = len(body) // 4
    if count > _MAX_COUNT or len(body) % 4 or words > _MAX_WORDS:
        raise MisuseError("an RTCP packet does not fit its length")
    return _HEADER.pack(VERSION << 6 | count, packet_type, words) + body


def middle_ntp(seconds: float) -> int:
    """The middle 32 bits of an NTP timestamp for a time in seconds: 1/65536 s, modulo 2^32 (§6.4.1)."""
    return int(seconds * 65_536) & 0xFFFFFFFF


def round_trip(arrival: int, block: ReportBlock) -> float | None:
    """Seconds to the reporter and back (§6.4.1), or None when the block cannot say.

    `arrival` is when the block came, as `middle_ntp` of the clock our own sender reports are stamped with.
    """
    if not block.last_report:
        return None
    units = (arrival - block.last_report - block.delay) & 0xFFFFFFFF
    return None if units >= 0x80000000 else units / 65_536
