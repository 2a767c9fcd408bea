"""One RTP packet, read and printed (RFC 3550 §5.1, §5.3.1)."""

from dataclasses import dataclass
from struct import Struct
from typing import Final

from pbx.errors import MisuseError, PeerError

VERSION: Final = 2
HEADER_OCTETS: Final = 12

_HEADER: Final = Struct("!BBHII")
_EXTENSION: Final = Struct("!HH")


class RtpError(PeerError):
    """Bytes that are no RTP or RTCP packet, or one that lies about its lengths. Such packets are dropped."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, reason)


@dataclass(slots=True)
class Extension:
    """A header extension: a profile's number and whole 32-bit words (RFC 3550 §5.3.1)."""

    profile: int
    data: bytes


@dataclass(slots=True)
class RtpPacket:
    """An RTP packet. Treated as immutable. `padding` counts the octets after the payload, itself included."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extension: Extension | None = None
    padding: int = 0

    def encode(self) -> bytes:
        """The packet on the wire. Raises MisuseError for a field that does not fit."""
        extension = self.extension
        fits = (
            0 <= self.payload_type <= 127
            and len(self.csrcs) <= 15
            and 0 <= self.padding <= 255
            and (extension is None or (len(extension.data) % 4 == 0 and len(extension.data) < 4 * 65_536))
        )
        if not fits:
            raise MisuseError("an RTP field is out of range")
        first = VERSION << 6 | (self.padding > 0) << 5 | (extension is not None) << 4 | len(self.csrcs)
        second = self.marker << 7 | self.payload_type
        parts = [
            _HEADER.pack(
                first, second, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc & 0xFFFFFFFF
            )
        ]
        parts += [csrc.to_bytes(4, "big") for csrc in self.csrcs]
        if extension is not None:
            parts += (_EXTENSION.pack(extension.profile, len(extension.data) // 4), extension.data)
        parts.append(self.payload)
        if self.padding:
            parts.append(bytes(self.padding - 1) + bytes((self.padding,)))
        return b"".join(parts)


def parse(data: bytes) -> RtpPacket:
    """Read one datagram as RTP. Raises RtpError."""
    if len(data) < HEADER_OCTETS:
        raise RtpError("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != VERSION:
        raise RtpError("not RTP version 2")
    start = HEADER_OCTETS
    end = len(data)
    csrc_count = first & 0x0F
    csrcs: tuple[int, ...] = ()
    if csrc_count:
        start += 4 * csrc_count
        if start > end:
            raise RtpError("contributing sources run past the packet")
        csrcs = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(HEADER_OCTETS, start, 4))
    extension: Extension | None = None
    if first & 0x10:
        if start + 4 > end:
            raise RtpError("header extension runs past the packet")
        profile, words = _EXTENSION.unpack_from(data, start)
        start += 4
        if start + 4 * words > end:
            raise RtpError("header extension runs past the packet")
        extension = Extension(profile, data[start : start + 4 * words])
        start += 4 * words
    padding = 0
    if first & 0x20:
        padding = data[-1] if end > start else 0
        if not 1 <= padding <= end - start:
            raise RtpError("padding runs past the packet")
        end -= padding
    return RtpPacket(
        second & 0x7F, sequence, timestamp, ssrc, data[start:end], second >= 128, csrcs, extension, padding
    )


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port shared by both is RTCP (RFC 5761 §4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223
