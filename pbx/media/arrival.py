"""One received packet: to the leg that it is relayed to, into its jitter buffer, or to nobody."""

from typing import Final

from pbx.media.bridges import can_mix, settle_bridge
from pbx.media.companding import ALAW_TO_LINEAR, ULAW_TO_LINEAR
from pbx.media.compiling import compiled
from pbx.media.jitter import store
from pbx.media.kernels.levels import glance, octet_levels
from pbx.media.layout import (
    CLOSING,
    DISCARDED,
    ENVELOPE,
    NOT_AGREED,
    PACKETS,
    POWER_BITS,
    TICK,
    Tables,
)
from pbx.media.libc import monotonic
from pbx.media.mixtables import CODECS, DECODE, NO_CODEC, PCMA, PCMU, TELEPHONE_EVENT, Mix
from pbx.media.presses import take_event
from pbx.media.relay import (
    NOTHING,
    account,
    begin,
    connect_to_source,
    end,
    forward,
    receive_datagram,
    route,
)
from pbx.media.srtp import unprotect_rtp

# One packet in so many is looked at for its loudness: six a second.
LOOKED_AT: Final = 8


@compiled
def needs_matrix(tables: Tables, mix: Mix, row: int, code: int) -> bool:
    """Whether a relayed leg sends a codec that the other does not take, but could be given in another."""
    peer = tables.legs[row].peer
    if peer < 0 or peer == row or tables.payload_map[row, code] != NOT_AGREED:
        return False
    codec = mix.stores[row].octets[DECODE + code]
    return bool(NO_CODEC < codec < CODECS and can_mix(mix, row) and can_mix(mix, peer))


@compiled
def note_level(tables: Tables, mix: Mix, row: int, start: int, size: int, code: int) -> None:
    """How loud a packet of G.711 is; other codecs would cost a decoder."""
    leg = tables.legs[row]
    codec = mix.stores[row].octets[DECODE + code]
    if codec == PCMU:
        power, clipped = octet_levels(tables.packet[start : start + size], ULAW_TO_LINEAR)
    elif codec == PCMA:
        power, clipped = octet_levels(tables.packet[start : start + size], ALAW_TO_LINEAR)
    else:
        return
    begin(leg)
    leg.level_packets += 1
    leg.level_power += power
    leg.level_samples += size
    leg.level_clipped += clipped
    end(leg)


@compiled
def note_envelope(tables: Tables, row: int, start: int, size: int, codec: int, now: int) -> None:
    """How loud a leg of G.711 is now, of packets that come together the loudest; others need a decoder."""
    if codec == PCMU:
        power = glance(tables.packet[start : start + size], ULAW_TO_LINEAR)
    elif codec == PCMA:
        power = glance(tables.packet[start : start + size], ALAW_TO_LINEAR)
    else:
        return
    time = now // TICK
    place = time % ENVELOPE
    tables.envelopes[row, place] = max(tables.envelopes[row, place], time << POWER_BITS | power)


@compiled
def pass_on(
    tables: Tables, mix: Mix, row: int, start: int, size: int, extended: int, order: int, now: int
) -> None:
    """A packet of a leg's source goes where it is heard."""
    leg = tables.legs[row]
    part = mix.parts[row]
    code = tables.packet[1] & 0x7F
    if part.audio != 0 and size > 0:
        codec = mix.stores[row].octets[DECODE + code]
        note_envelope(tables, row, start, size, codec, now)
        if codec == TELEPHONE_EVENT:
            take_event(tables, mix, row, start, size, tables.clock_rates[row, code], now)
        if leg.packets % LOOKED_AT == 0:
            note_level(tables, mix, row, start, size, code)
    if part.buffering == 0 and part.bridge >= 0 and needs_matrix(tables, mix, row, code):
        mix.bridges[part.bridge].must_mix = 1
        settle_bridge(tables, mix, part.bridge, now)
    if part.buffering == 0:
        begin(leg)
        target = route(tables, row, extended, order)
        end(leg)
        if target != NOTHING:
            forward(tables, row, target, start, size, extended, order, now)
        return
    begin(leg)
    if leg.receive == 0:
        leg.not_receiving += 1
    else:
        store(tables, mix, row, start, size, extended, now)
    end(leg)


@compiled
def take_datagram(tables: Tables, mix: Mix, row: int, length: int, known: bool, now: int) -> None:
    """The datagram in `Tables.packet`, from a source that is known or else stands in `Tables.sender`."""
    leg = tables.legs[row]
    control = tables.control
    control[PACKETS] += 1
    if leg.state == CLOSING:
        leg.heard_at = now
        control[DISCARDED] += 1
        return
    begin(leg)
    length = unprotect_rtp(tables, leg, length)
    if length < 0:
        end(leg)
        return
    start, size, extended, order, proven_now = account(tables, row, length, known, now)
    end(leg)
    if proven_now:
        connect_to_source(tables, row, now)
    if start != NOTHING:
        pass_on(tables, mix, row, start, size, extended, order, now)


@compiled
def take_packet(tables: Tables, mix: Mix, row: int) -> None:
    """What epoll said of a leg's RTP socket: one datagram, or an error to clear."""
    leg = tables.legs[row]
    known = leg.settled != 0
    length = receive_datagram(tables, leg, leg.rtp_descriptor, known)
    if length >= 0:
        take_datagram(tables, mix, row, length, known, monotonic(tables.words))
