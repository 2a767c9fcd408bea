"""SRTP and SRTCP of a leg (RFC 3711) in the loop: libsrtp called by address, on sessions of the reactor's.

`Tables.srtp` has the addresses of libsrtp's four functions, a leg those of its two sessions (0: plain RTP).
What does not authenticate, or came before, is dropped and counted; it proves no source and is not heard.
"""

from collections.abc import Callable
from typing import Any, Final, cast

from llvmlite import ir  # type: ignore[import-untyped]  # llvmlite has no stubs
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pbx.media.compiling import compiled
from pbx.media.layout import PACKET, Array, Tables
from pbx.media.reception import word32

# Places in `Tables.srtp`.
PROTECT: Final = 0
UNPROTECT: Final = 1
PROTECT_RTCP: Final = 2
UNPROTECT_RTCP: Final = 3

# The longest that protection makes a packet: the tag of AES-GCM, and with RTCP the index before it.
TRAILER: Final = 16
RTCP_TRAILER: Final = 20

# An authenticated peer makes libsrtp remember each SSRC it uses; so many changes are more than any phone has.
MAX_SOURCES: Final = 64

# libsrtp's error numbers, negative as `transform` gives them.
REPLAYED: Final = -9
TOO_OLD: Final = -10

DROPPED: Final = -1


def _transform(_typing_context: Any, _function: Any, _session: Any, _packet: Any, _length: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        function, session, packet, length = arguments
        word, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(word, (pointer, pointer, word.as_pointer()))
        place = cast("Any", cgutils).alloca_once_value(builder, builder.trunc(length, word))
        status = builder.call(
            builder.inttoptr(function, kind.as_pointer()),
            (builder.inttoptr(session, pointer), builder.inttoptr(packet, pointer), place),
        )
        wide = ir.IntType(64)
        good = builder.icmp_signed("==", status, ir.Constant(word, 0))
        failure = builder.neg(builder.zext(status, wide))
        return builder.select(good, builder.sext(builder.load(place), wide), failure)

    return types.int64(types.int64, types.int64, types.uintp, types.int64), generate


# `int function(session, packet, int *length)` by address: the packet's new length, or minus the error number.
transform: Callable[[int, int, int, int], int] = cast("Any", intrinsic)(_transform)


@compiled
def unprotect_rtp(tables: Tables, leg: Any, length: int) -> int:
    """Make the datagram in `Tables.packet` plain RTP: its length then, or DROPPED (and counted).

    What cannot be RTP at all passes through, for the reader of headers to refuse.
    """
    if leg.srtp_receive == 0 or length < 12 or length > PACKET:
        return length
    data = tables.packet
    ssrc = word32(data, 8)
    if leg.srtp_sources >= MAX_SOURCES and ssrc != leg.srtp_ssrc:
        leg.unauthenticated += 1
        return DROPPED
    plain = transform(tables.srtp[UNPROTECT], leg.srtp_receive, data.ctypes.data, length)
    if plain < 0:
        if plain in (REPLAYED, TOO_OLD):
            leg.replayed += 1
        else:
            leg.unauthenticated += 1
        return DROPPED
    if ssrc != leg.srtp_ssrc or leg.srtp_sources == 0:
        leg.srtp_sources += 1
        leg.srtp_ssrc = ssrc
    return plain


@compiled
def protect_rtp(tables: Tables, leg: Any, data: Array, size: int) -> int:
    """Make an RTP packet for a leg what the leg's peer expects: its size then, or DROPPED."""
    if leg.srtp_send == 0:
        return size
    if size + TRAILER > data.shape[0]:
        return DROPPED
    return max(transform(tables.srtp[PROTECT], leg.srtp_send, data.ctypes.data, size), DROPPED)


@compiled
def unprotect_rtcp(tables: Tables, leg: Any, length: int) -> int:
    """Make the datagram in `Tables.packet` plain RTCP: its length then, or DROPPED (and counted)."""
    if leg.srtp_receive == 0 or length < 8 or length > PACKET:
        return length
    data = tables.packet
    ssrc = word32(data, 4)
    if leg.srtp_sources >= MAX_SOURCES and ssrc not in (leg.srtp_ssrc, leg.srtcp_ssrc):
        leg.rtcp_unauthenticated += 1
        return DROPPED
    plain = transform(tables.srtp[UNPROTECT_RTCP], leg.srtp_receive, data.ctypes.data, length)
    if plain < 0:
        if plain in (REPLAYED, TOO_OLD):
            leg.rtcp_replayed += 1
        else:
            leg.rtcp_unauthenticated += 1
        return DROPPED
    if ssrc not in (leg.srtp_ssrc, leg.srtcp_ssrc):
        leg.srtp_sources += 1
        leg.srtcp_ssrc = ssrc
    return plain


@compiled
def protect_rtcp(tables: Tables, leg: Any, data: Array, size: int) -> int:
    """Make an RTCP compound for a leg what the leg's peer expects: its size then, or DROPPED."""
    if leg.srtp_send == 0:
        return size
    if size + RTCP_TRAILER > data.shape[0]:
        return DROPPED
    return max(transform(tables.srtp[PROTECT_RTCP], leg.srtp_send, data.ctypes.data, size), DROPPED)


@compiled
def secure(leg: Any, receive: int, send: int) -> None:
    """Take over a leg's sessions; the ones before are the reactor's to free once this is acknowledged."""
    if leg.srtp_receive != receive:
        leg.srtp_receive = receive
        leg.srtp_sources = 0
    leg.srtp_send = send
