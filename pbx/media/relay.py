"""One received packet from its leg's socket to the leg that it is for."""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import (
    ADDRESS_BYTES,
    EVENT_HEAD,
    EVENT_PROVEN,
    EVENT_SIGNAL,
    EVENT_TAIL,
    EVENTS,
    EVENTS_LOST,
    NEXT_EPOCH,
    NOT_AGREED,
    PACKET,
    PROVEN,
    RELAY,
    SIGNALLED,
    Array,
    Tables,
)
from pbx.media.libc import (
    ECONNREFUSED,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_TRUNC,
    connect,
    errno,
    fence,
    recv,
    recvfrom,
    send,
    sendto,
)
from pbx.media.proof import NEWLY_PROVEN, STRANGER, copy_address, prove
from pbx.media.reception import (
    DUPLICATE,
    IN_ORDER,
    JUMPED,
    LATE,
    MALFORMED,
    note_jitter,
    note_sequence,
    octet,
    payload_of,
    word16,
    word32,
)
from pbx.media.srtp import protect_rtp
from pbx.media.stream import SEND, leave_out, place, write_header

# What `account` says of a packet that goes no further.
NOTHING: Final = -1

# Where in `Tables.words` each scratch value lies.
WORD_LENGTH: Final = 2


@compiled
def begin(leg: Any) -> None:
    """The row is being written to: readers see an odd version and try again."""
    leg.version += 1
    fence()


@compiled
def end(leg: Any) -> None:
    """The row is consistent again."""
    fence()
    leg.version += 1


@compiled
def push_event(tables: Tables, kind: int, row: int, generation: int, value: int, address: Array) -> bool:
    """Give the reactor an event; False (and counted) when it has left no room."""
    control = tables.control
    head = control[EVENT_HEAD]
    if head - control[EVENT_TAIL] >= EVENTS:
        control[EVENTS_LOST] += 1
        return False
    event = tables.events[head % EVENTS]
    event.kind = kind
    event.row = row
    event.generation = generation
    event.value = value
    copy_address(event.address, address)
    fence()
    control[EVENT_HEAD] = head + 1
    control[EVENT_SIGNAL] = 1
    return True


@compiled
def receive_datagram(tables: Tables, leg: Any, descriptor: int, known: bool) -> int:
    """One datagram into `Tables.packet`; its true length, or -1. Its source is asked for unless known."""
    room = tables.packet
    flags = MSG_DONTWAIT | MSG_TRUNC
    if known:
        length = recv(descriptor, room.ctypes.data, PACKET, flags)
    else:
        words = tables.words
        words[WORD_LENGTH] = ADDRESS_BYTES
        length = recvfrom(
            descriptor,
            room.ctypes.data,
            PACKET,
            flags,
            tables.sender.ctypes.data,
            words[WORD_LENGTH:].ctypes.data,
        )
    if length < 0 and errno() == ECONNREFUSED:
        leg.refused += 1
    return int(length)


@compiled
def send_packet(tables: Tables, leg: Any, places: Array, data: Array, size: int) -> bool:
    """Send to a leg without waiting; an ICMP answer to an earlier packet is counted and costs nothing."""
    flags = MSG_DONTWAIT | MSG_NOSIGNAL
    target = places[PROVEN if leg.proven != 0 else SIGNALLED]
    size = protect_rtp(tables, leg, data, size)
    if size < 0:
        return False
    for _ in range(2):
        if leg.connected != 0:
            sent = send(leg.rtp_descriptor, data.ctypes.data, size, flags)
        else:
            sent = sendto(
                leg.rtp_descriptor, data.ctypes.data, size, flags, target.ctypes.data, leg.address_length
            )
        if sent >= 0:
            return True
        if errno() != ECONNREFUSED:
            return False
        leg.refused += 1
    return False


@compiled
def account(tables: Tables, row: int, length: int, known: bool, now: int) -> tuple[int, int, int, int, bool]:
    """Take a datagram into the leg's account: (payload start, payload size, extended sequence, order, proven
    now).

    The start is NOTHING for what goes no further.
    """
    leg = tables.legs[row]
    data = tables.packet
    start, size = payload_of(data, length)
    if start == MALFORMED:
        leg.malformed += 1
        return NOTHING, 0, 0, 0, False
    sequence = word16(data, 2)
    ssrc = word32(data, 8)
    proven_now = False
    if not known:
        verdict = prove(leg, tables.addresses[row], tables.sender, sequence, ssrc, now)
        if verdict == STRANGER:
            leg.wrong_source += 1
            return NOTHING, 0, 0, 0, False
        proven_now = verdict == NEWLY_PROVEN
    leg.heard_at = now
    leg.packets += 1
    leg.octets += size
    epoch = tables.control[NEXT_EPOCH]
    order, extended = note_sequence(leg, ssrc, sequence, epoch)
    if leg.epoch == epoch:
        tables.control[NEXT_EPOCH] = epoch + 1
    if order == JUMPED:
        leg.sequence_jumps += 1
        return NOTHING, 0, 0, 0, proven_now
    if order == DUPLICATE:
        leg.duplicated += 1
        return NOTHING, 0, 0, 0, proven_now
    note_jitter(leg, word32(data, 4), tables.clock_rates[row, data[1] & 0x7F], now)
    if order == LATE:
        leg.late += 1
        return NOTHING, 0, 0, 0, proven_now
    if order != IN_ORDER:
        leg.reordered += 1
    return start, size, extended, order, proven_now


@compiled
def route(tables: Tables, row: int, extended: int, order: int) -> int:
    """The row that a packet goes to, or NOTHING; what is withheld is counted and leaves no gap behind."""
    leg = tables.legs[row]
    if leg.receive == 0:
        leg.not_receiving += 1
        leg.interrupted = 1
        return NOTHING
    target = leg.peer
    if target < 0:
        leg.unbridged += 1
        leg.interrupted = 1
        return NOTHING
    out = tables.legs[target]
    if out.send == 0 or out.configured == 0:
        leg.not_sending += 1
        leg.interrupted = 1
        return NOTHING
    withheld = out.stream_busy != 0
    if withheld or tables.payload_map[row, tables.packet[1] & 0x7F] == NOT_AGREED:
        # While the other leg is told a digit of ours, it hears nothing else.
        leg.payload_type += 0 if withheld else 1
        if order == IN_ORDER:
            leave_out(out, leg.epoch, extended)
        return NOTHING
    return int(target)


@compiled
def forward(
    tables: Tables, row: int, target: int, start: int, size: int, extended: int, order: int, now: int
) -> None:
    """Rewrite a packet in place for the stream to the target, and send it."""
    leg = tables.legs[row]
    out = tables.legs[target]
    data = tables.packet
    code = octet(data, 1)
    rate = 0 | tables.clock_rates[row, code & 0x7F]
    begin(out)
    verdict, sequence, timestamp, mark = place(
        out, leg.epoch, extended, word32(data, 4), rate, order == IN_ORDER, leg.interrupted != 0, now
    )
    end(out)
    if verdict != SEND:
        begin(leg)
        leg.late += 1
        end(leg)
        return
    leg.interrupted = 0
    if tables.control[RELAY] == 0:
        return
    packet = data[start - 12 :]
    payload_type = 0 | tables.payload_map[row, code & 0x7F]
    write_header(packet, payload_type, mark or code >= 0x80, sequence, timestamp, out.stream_ssrc)
    sent = send_packet(tables, out, tables.addresses[target], packet, size + 12)
    begin(out)
    if sent:
        out.sent_packets += 1
        out.sent_octets += size
    else:
        out.send_failures += 1
    end(out)


@compiled
def connect_to_source(tables: Tables, row: int, now: int) -> None:
    """Let the kernel drop everyone else; what it had queued before is checked until the leg is settled."""
    leg = tables.legs[row]
    source = tables.addresses[row, PROVEN]
    if leg.connectable != 0 and connect(leg.rtp_descriptor, source.ctypes.data, leg.address_length) == 0:
        leg.connected = 1
        leg.settled = 0
        leg.connected_at = now
        leg.packets_at_connect = leg.packets
    push_event(tables, EVENT_PROVEN, row, leg.generation, 0, source)
