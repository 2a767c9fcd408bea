"""RTCP of a leg (RFC 3550 §6): our reports to the peer, and what the peer says. It never crosses a bridge."""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import (
    ADDRESS_BYTES,
    CLOSING,
    CNAME_BYTES,
    PACKET,
    PROVEN,
    REPORT_INTERVAL,
    SIGNALLED,
    WALL_OFFSET,
    Array,
    Tables,
)
from pbx.media.libc import MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, monotonic, recvfrom, sendto
from pbx.media.proof import copy_address
from pbx.media.reception import word16, word32
from pbx.media.relay import WORD_LENGTH, begin, end
from pbx.media.srtp import protect_rtcp, unprotect_rtcp

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
EXTENDED_REPORT: Final = 207
VOIP_METRICS: Final = 7
# A VoIP metrics block with its head: nine words (RFC 3611 §4.7).
METRICS_BYTES: Final = 36
CNAME: Final = 1

# Seconds from 1900 to 1970.
NTP_EPOCH: Final = 2_208_988_800
# A round trip of more than a minute is a clock that was set.
ROUND_TRIP_BOUND: Final = 60_000_000


@compiled
def ntp_seconds(wall: int) -> int:
    """The seconds of an NTP timestamp, of microseconds since 1970."""
    return (wall // 1_000_000 + NTP_EPOCH) & 0xFFFFFFFF


@compiled
def ntp_fraction(wall: int) -> int:
    """The fraction of an NTP timestamp in 2**-32 seconds."""
    return ((wall % 1_000_000) << 32) // 1_000_000


@compiled
def ntp_middle(wall: int) -> int:
    """The middle 32 bits of an NTP timestamp (RFC 3550 §4)."""
    return ((ntp_seconds(wall) & 0xFFFF) << 16) | (ntp_fraction(wall) >> 16)


@compiled
def put32(data: Array, at: int, value: int) -> None:
    """Four octets in network order."""
    data[at] = (value >> 24) & 0xFF
    data[at + 1] = (value >> 16) & 0xFF
    data[at + 2] = (value >> 8) & 0xFF
    data[at + 3] = value & 0xFF


@compiled
def put_head(data: Array, at: int, count: int, packet_type: int, words: int) -> None:
    """The first four octets of an RTCP packet of `words` 32-bit words."""
    data[at] = 0x80 | count
    data[at + 1] = packet_type
    data[at + 2] = (words - 1) >> 8
    data[at + 3] = (words - 1) & 0xFF


@compiled
def put_block(leg: Any, data: Array, at: int, now: int) -> None:
    """The report block on the leg's present source, and the start of a new interval for it (§6.4.1, A.3)."""
    expected = leg.highest - leg.base + 1
    lost = min(max(expected - leg.source_received, -0x800000), 0x7FFFFF)
    expected_now = expected - leg.report_expected
    lost_now = expected_now - (leg.source_received - leg.report_received)
    leg.report_expected = expected
    leg.report_received = leg.source_received
    fraction = 0
    if expected_now > 0 and lost_now > 0:
        fraction = min((lost_now << 8) // expected_now, 255)
    put32(data, at, leg.ssrc)
    put32(data, at + 4, (fraction << 24) | (lost & 0xFFFFFF))
    put32(data, at + 8, leg.highest & 0xFFFFFFFF)
    put32(data, at + 12, leg.jitter >> 4)
    delay = 0
    if leg.sender_report_at > 0:
        delay = min((now - leg.sender_report_at) * 65536 // 1_000_000, 0xFFFFFFFF)
    put32(data, at + 16, leg.sender_report if leg.sender_report_at > 0 else 0)
    put32(data, at + 20, delay)


@compiled
def compose(leg: Any, cname: Array, data: Array, wall: int, now: int) -> int:
    """A compound of SR or RR and SDES with our CNAME (§6.1); its length."""
    blocks = 1 if leg.has_source != 0 else 0
    if leg.sent_packets > 0:
        put_head(data, 0, blocks, SENDER_REPORT, 7 + 6 * blocks)
        elapsed = (now - leg.stream_at) * leg.stream_rate // 1_000_000
        put32(data, 8, ntp_seconds(wall))
        put32(data, 12, ntp_fraction(wall))
        put32(data, 16, (leg.stream_timestamp + elapsed) & 0xFFFFFFFF)
        put32(data, 20, leg.sent_packets & 0xFFFFFFFF)
        put32(data, 24, leg.sent_octets & 0xFFFFFFFF)
        at = 28
    else:
        put_head(data, 0, blocks, RECEIVER_REPORT, 2 + 6 * blocks)
        at = 8
    put32(data, 4, leg.stream_ssrc)
    if blocks == 1:
        put_block(leg, data, at, now)
        at += 24
    # One chunk: SSRC, the CNAME item, and its end, filled up to a whole word.
    size = (4 + 2 + CNAME_BYTES + 1 + 3) // 4 * 4
    put_head(data, at, 1, SOURCE_DESCRIPTION, 1 + size // 4)
    put32(data, at + 4, leg.stream_ssrc)
    for filling in range(at + 8, at + 4 + size):
        data[filling] = 0
    data[at + 8] = CNAME
    data[at + 9] = CNAME_BYTES
    for place in range(CNAME_BYTES):
        data[at + 10 + place] = cname[place]
    return int(at + 4 + size)


@compiled
def is_compound(data: Array, length: int) -> bool:
    """Whether a datagram is valid RTCP (RFC 3550 A.2): whole packets of version 2, a report first."""
    if length < 8 or length > data.shape[0] or length % 4 != 0:
        return False
    if data[0] & 0xE0 != 0x80 or (data[1] != SENDER_REPORT and data[1] != RECEIVER_REPORT):
        return False
    at = 0
    while at + 4 <= length:
        if data[at] >> 6 != 2:
            return False
        at += 4 * (word16(data, at + 2) + 1)
    return at == length


@compiled
def read_block(leg: Any, data: Array, at: int, wall: int) -> None:
    """What the peer says it hears of the stream we send it (§6.4.1)."""
    if word32(data, at) != leg.stream_ssrc:
        return
    loss = word32(data, at + 4)
    lost = loss & 0xFFFFFF
    leg.heard_reports += 1
    leg.heard_fraction = loss >> 24
    leg.heard_lost = lost - 0x1000000 if lost >= 0x800000 else lost
    if leg.stream_rate > 0:
        leg.heard_jitter = word32(data, at + 12) * 1_000_000 // leg.stream_rate
    reported = word32(data, at + 16)
    if reported == 0:
        return
    units = (ntp_middle(wall) - reported - word32(data, at + 20)) & 0xFFFFFFFF
    if units >= 0xFFFF0000:
        # The peer rounded its delay up, and by less than a second: no time at all.
        units = 0
    round_trip = units * 1_000_000 // 65536
    if round_trip <= ROUND_TRIP_BOUND:
        leg.round_trip = round_trip


@compiled
def read_extended(leg: Any, data: Array, at: int, size: int) -> bool:
    """Keep what an extended report says of the stream we send (RFC 3611); False when its lengths lie."""
    block = at + 8
    if size < 8:
        return False
    while block < at + size:
        length = 4 * (word16(data, block + 2) + 1)
        if block + length > at + size:
            return False
        if (
            data[block] == VOIP_METRICS
            and length == METRICS_BYTES
            and word32(data, block + 4) == leg.stream_ssrc
        ):
            leg.metrics_heard = 1
            leg.metrics_1 = word32(data, block + 8)
            leg.metrics_2 = word32(data, block + 12)
            leg.metrics_3 = word32(data, block + 16)
            leg.metrics_4 = word32(data, block + 20)
            leg.metrics_5 = word32(data, block + 24)
            leg.metrics_6 = word32(data, block + 28)
            leg.metrics_7 = word32(data, block + 32)
        block += length
    return True


@compiled
def read_compound(leg: Any, data: Array, length: int, wall: int, now: int) -> bool:
    """Take in a peer's compound; False when it is malformed."""
    if not is_compound(data, length):
        return False
    at = 0
    while at < length:
        size = 4 * (word16(data, at + 2) + 1)
        packet_type = data[at + 1]
        block = at + 8
        if packet_type == SENDER_REPORT:
            block = at + 28
            if size >= 28 and leg.has_source != 0 and word32(data, at + 4) == leg.ssrc:
                leg.sender_report = word32(data, at + 10)
                leg.sender_report_at = now
        if packet_type in (SENDER_REPORT, RECEIVER_REPORT):
            for _ in range(data[at] & 0x1F):
                if block + 24 > at + size:
                    return False
                read_block(leg, data, block, wall)
                block += 24
        elif packet_type == EXTENDED_REPORT and not read_extended(leg, data, at, size):
            return False
        at += size
    return True


@compiled
def same_host(one: Array, other: Array, length: int) -> bool:
    """Whether two sockaddrs name the same host, whatever the port."""
    first, end_ = (4, 8) if length == 16 else (8, 24)
    for at in range(first, end_):  # noqa: SIM110 - generators are not compiled
        if one[at] != other[at]:
            return False
    return True


@compiled
def take_report(tables: Tables, row: int) -> None:
    """What epoll said of a leg's RTCP socket: one datagram, or an error to clear."""
    leg = tables.legs[row]
    words = tables.words
    words[WORD_LENGTH] = ADDRESS_BYTES
    length = recvfrom(
        leg.rtcp_descriptor,
        tables.packet.ctypes.data,
        PACKET,
        MSG_DONTWAIT | MSG_TRUNC,
        tables.sender.ctypes.data,
        words[WORD_LENGTH:].ctypes.data,
    )
    if length < 0 or leg.state == CLOSING:
        return
    now = monotonic(words)
    places = tables.addresses[row]
    begin(leg)
    if leg.configured == 0 or not same_host(
        tables.sender, places[PROVEN if leg.proven != 0 else SIGNALLED], leg.address_length
    ):
        leg.rtcp_wrong_source += 1
        end(leg)
        return
    length = unprotect_rtcp(tables, leg, length)
    if length < 0:
        end(leg)
        return
    if read_compound(leg, tables.packet, length, now + tables.control[WALL_OFFSET], now):
        leg.rtcp_received += 1
    else:
        leg.rtcp_malformed += 1
    end(leg)


@compiled
def next_report(now: int, interval: int, row: int) -> int:
    """When to report again: half to one and a half intervals from now, legs spread over them (§6.3.1)."""
    spread = ((now + row * 7919) * 2_654_435_761 >> 12) & 1023
    return now + interval // 2 + interval * spread // 1024


@compiled
def report_when_due(tables: Tables, row: int, now: int) -> None:
    """Send a leg's report, to the port next to where its RTP goes."""
    interval = tables.control[REPORT_INTERVAL]
    leg = tables.legs[row]
    if interval <= 0 or leg.configured == 0:
        return
    if leg.report_due == 0:
        leg.report_due = next_report(now, interval, row)
    if now < leg.report_due:
        return
    leg.report_due = next_report(now, interval, row)
    target = tables.sender
    copy_address(target, tables.addresses[row, PROVEN if leg.proven != 0 else SIGNALLED])
    port = word16(target, 2) + 1
    if port > 0xFFFF:
        return
    target[2] = port >> 8
    target[3] = port & 0xFF
    begin(leg)
    size = compose(leg, tables.cnames[row], tables.packet, now + tables.control[WALL_OFFSET], now)
    end(leg)
    size = protect_rtcp(tables, leg, tables.packet, size)
    if size < 0:
        return
    sent = sendto(
        leg.rtcp_descriptor,
        tables.packet.ctypes.data,
        size,
        MSG_DONTWAIT | MSG_NOSIGNAL,
        target.ctypes.data,
        leg.address_length,
    )
    if sent >= 0:
        begin(leg)
        leg.rtcp_sent += 1
        end(leg)
