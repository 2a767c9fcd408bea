"""Who is in which bridge, and whether it is mixed or relayed: kept by the loop between two packets.

The members of a bridge are a list through their rows. Exactly two legs whose payload types map to each other,
with nobody else there and nothing to be changed in what they hear, are relayed; all else is mixed.
"""

from typing import Final

from pbx.media.codecs import rate_of
from pbx.media.compiling import compiled
from pbx.media.jitter import head, reset_buffer
from pbx.media.layout import NOBODY, NOT_AGREED, OPEN, PAYLOAD_TYPES, Tables
from pbx.media.mixtables import (
    CLOSED,
    CODECS,
    DECODE,
    FREE_GAIN,
    GAIN_BRIDGE,
    GAIN_NEXT,
    GAIN_TALKER,
    GAIN_VALUE,
    LEG_PART,
    LEGS,
    MIXED,
    NO_CODEC,
    OPENED,
    PACKETS_AT,
    SKIPPED_TICKS,
    SLOT_OCTETS,
    SLOT_SIZE,
    SLOT_TIMESTAMP,
    SLOT_TYPE,
    SLOTS,
    TICKS,
    Mix,
)
from pbx.media.reception import IN_ORDER
from pbx.media.relay import NOTHING, begin, end, forward, route
from pbx.media.stream import write_header

# How long a bridge that was relayed waits at most for the jitter buffers of its legs before it is mixed.
HELD: Final = 120_000


@compiled
def is_mapped(tables: Tables, mix: Mix, row: int) -> bool:
    """Whether a payload type of sound that a leg may send is one that the other leg takes."""
    for code in range(PAYLOAD_TYPES):
        codec = mix.stores[row].octets[DECODE + code]
        if NO_CODEC < codec < CODECS and tables.payload_map[row, code] != NOT_AGREED:
            return True
    return False


@compiled
def can_mix(mix: Mix, row: int) -> bool:
    """Whether the matrix can hear a leg and speak to it."""
    part = mix.parts[row]
    return bool(part.audio != 0 and part.codec_out != NO_CODEC)


@compiled
def next_leg(mix: Mix, row: int) -> int:
    """The first leg of a bridge's list from this member on, or -1."""
    while row >= 0 and mix.parts[row].kind != LEG_PART:
        row = mix.parts[row].next
    return row


@compiled
def may_relay(tables: Tables, mix: Mix, number: int) -> bool:
    """Whether a bridge needs no matrix, or has two legs of which one cannot be mixed."""
    bridge = mix.bridges[number]
    if bridge.legs != 2:
        return False
    a = next_leg(mix, bridge.first)
    b = next_leg(mix, mix.parts[a].next)
    if not (can_mix(mix, a) and can_mix(mix, b)):
        return True
    if bridge.others != 0 or bridge.must_mix != 0:
        return False
    for row in (a, b):
        part = mix.parts[row]
        if part.muted != 0 or part.detect != 0 or part.gains >= 0 or not is_mapped(tables, mix, row):
            return False
    return True


@compiled
def unlist_mixed(mix: Mix, number: int) -> None:
    """The bridge has no ticks any more."""
    bridge = mix.bridges[number]
    if bridge.mixed_index >= 0:
        marks = mix.scratch[0].marks
        marks[MIXED] -= 1
        last = mix.scratch[0].mixed[marks[MIXED]]
        mix.scratch[0].mixed[bridge.mixed_index] = last
        mix.bridges[last].mixed_index = bridge.mixed_index
        bridge.mixed_index = -1


@compiled
def hand_over(tables: Tables, mix: Mix, row: int, target: int, now: int) -> None:
    """What a leg's jitter buffer holds goes on at once: from here on its packets are relayed."""
    part = mix.parts[row]
    data = tables.packet
    extended = head(mix, row)
    passed = 0
    while extended >= 0 and passed < SLOTS and part.buffering != 0:
        passed += 1
        part.next_sequence = extended + 1
        slot = mix.stores[row].slots[extended % SLOTS]
        codec = slot[SLOT_TYPE] >> 8
        if NO_CODEC < codec < CODECS:
            size = slot[SLOT_SIZE]
            code = slot[SLOT_TYPE] & 0xFF
            place = PACKETS_AT + (extended % SLOTS) * SLOT_OCTETS
            write_header(data, code & 0x7F, code >= 0x80, 0, slot[SLOT_TIMESTAMP] & 0xFFFFFFFF, 0)
            for at in range(size):
                data[12 + at] = mix.stores[row].octets[place + at]
            if route(tables, row, extended, IN_ORDER) != NOTHING:
                forward(tables, row, target, 12, size, extended, IN_ORDER, now)
        extended = head(mix, row)
    part.buffering = 0
    part.stored = 0


@compiled
def relay_bridge(tables: Tables, mix: Mix, number: int, now: int) -> None:
    """The two legs of a bridge hear each other packet by packet."""
    bridge = mix.bridges[number]
    a = next_leg(mix, bridge.first)
    b = next_leg(mix, mix.parts[a].next)
    one, other = tables.legs[a], tables.legs[b]
    unlist_mixed(mix, number)
    bridge.relayed = 1
    if one.peer == b and other.peer == a:
        return
    begin(one)
    one.peer = b
    end(one)
    begin(other)
    other.peer = a
    end(other)
    hand_over(tables, mix, a, b, now)
    hand_over(tables, mix, b, a, now)


@compiled
def hear(tables: Tables, mix: Mix, row: int) -> None:
    """From here on a leg's packets go through its jitter buffer."""
    part = mix.parts[row]
    leg = tables.legs[row]
    if leg.peer != NOBODY:
        begin(leg)
        leg.peer = NOBODY
        end(leg)
    if part.buffering == 0:
        part.buffering = 1
        part.silent = 0
        part.tick = mix.scratch[0].marks[TICKS]
        part.skips = mix.scratch[0].marks[SKIPPED_TICKS]
        part.sent_skips = part.skips
        reset_buffer(part)


@compiled
def mix_bridge_from_now(tables: Tables, mix: Mix, number: int, now: int) -> None:
    """The bridge is mixed at each tick."""
    bridge = mix.bridges[number]
    rate = 8000
    row = bridge.first
    while row >= 0:
        part = mix.parts[row]
        if part.kind == LEG_PART:
            hear(tables, mix, row)
            if part.audio != 0 and rate_of(part.codec_out, part.rate_out) == 16000:
                rate = 16000
        row = part.next
    bridge.rate = rate
    if bridge.relayed != 0:
        bridge.relayed = 0
        bridge.held_until = now + HELD
    if bridge.mixed_index < 0:
        bridge.mixed_index = mix.scratch[0].marks[MIXED]
        mix.scratch[0].mixed[mix.scratch[0].marks[MIXED]] = number
        mix.scratch[0].marks[MIXED] += 1


@compiled
def settle_bridge(tables: Tables, mix: Mix, number: int, now: int) -> None:
    """Mix or relay, after anything that may decide it has changed."""
    bridge = mix.bridges[number]
    if bridge.state == CLOSED:
        return
    if bridge.first < 0:
        unlist_mixed(mix, number)
        bridge.relayed = 0
    elif may_relay(tables, mix, number):
        relay_bridge(tables, mix, number, now)
    else:
        mix_bridge_from_now(tables, mix, number, now)


@compiled
def settle_part(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """The same for the bridge that a part is in, if it is in one."""
    number = mix.parts[row].bridge
    if number >= 0:
        settle_bridge(tables, mix, number, now)


@compiled
def drop_gains(mix: Mix, listener: int, talker: int, bridge: int) -> None:
    """Forget a listener's gains: for one talker (or -1: any) in one generation of a bridge (or 0: any)."""
    part = mix.parts[listener]
    before = -1
    entry = part.gains
    while entry >= 0:
        following = mix.scratch[0].gains[entry, GAIN_NEXT]
        if (talker < 0 or mix.scratch[0].gains[entry, GAIN_TALKER] == talker) and (
            bridge == 0 or mix.scratch[0].gains[entry, GAIN_BRIDGE] == bridge
        ):
            if before < 0:
                part.gains = following
            else:
                mix.scratch[0].gains[before, GAIN_NEXT] = following
            mix.scratch[0].gains[entry, GAIN_NEXT] = mix.scratch[0].marks[FREE_GAIN]
            mix.scratch[0].marks[FREE_GAIN] = entry
        else:
            before = entry
        entry = following


@compiled
def set_gain(mix: Mix, bridge: int, talker: int, listener: int, value: int) -> None:
    """How loud a listener of a bridge hears a talker, in 1/256; a negative value is the default again."""
    drop_gains(mix, listener, talker, bridge)
    entry = mix.scratch[0].marks[FREE_GAIN]
    if value < 0 or entry < 0:
        return
    mix.scratch[0].marks[FREE_GAIN] = mix.scratch[0].gains[entry, GAIN_NEXT]
    mix.scratch[0].gains[entry, GAIN_TALKER] = talker
    mix.scratch[0].gains[entry, GAIN_VALUE] = value
    mix.scratch[0].gains[entry, GAIN_BRIDGE] = bridge
    mix.scratch[0].gains[entry, GAIN_NEXT] = mix.parts[listener].gains
    mix.parts[listener].gains = entry


@compiled
def unlink(mix: Mix, row: int) -> None:
    """Take a part out of its bridge's list."""
    part = mix.parts[row]
    bridge = mix.bridges[part.bridge]
    if part.previous >= 0:
        mix.parts[part.previous].next = part.next
    else:
        bridge.first = part.next
    if part.next >= 0:
        mix.parts[part.next].previous = part.previous
    if part.kind == LEG_PART:
        bridge.legs -= 1
    else:
        bridge.others -= 1
    part.bridge = -1
    part.next = -1
    part.previous = -1


@compiled
def unpair(tables: Tables, row: int) -> bool:
    """End the relay or echo of a leg, for both sides; whether it was relayed."""
    leg = tables.legs[row]
    peer = leg.peer
    if peer == NOBODY:
        return False
    begin(leg)
    leg.peer = NOBODY
    leg.interrupted = 1
    end(leg)
    other = tables.legs[peer]
    if peer == row or other.peer != row:
        return False
    begin(other)
    other.peer = NOBODY
    other.interrupted = 1
    end(other)
    return True


@compiled
def stop_hearing(tables: Tables, mix: Mix, row: int) -> None:
    """A leg that is in no bridge is heard by nobody."""
    part = mix.parts[row]
    part.buffering = 0
    part.stored = 0
    unpair(tables, row)


@compiled
def close_bridge(tables: Tables, mix: Mix, number: int) -> None:
    """Everybody leaves."""
    bridge = mix.bridges[number]
    unlist_mixed(mix, number)
    while bridge.first >= 0:
        row = bridge.first
        drop_gains(mix, row, -1, bridge.generation)
        unlink(mix, row)
        if mix.parts[row].kind == LEG_PART:
            stop_hearing(tables, mix, row)
    bridge.state = CLOSED
    bridge.relayed = 0


@compiled
def take_out(mix: Mix, row: int) -> int:
    """Take a part out of its bridge, with the gains that speak of it; the bridge, or -1."""
    part = mix.parts[row]
    number = part.bridge
    if number < 0:
        return -1
    generation = mix.bridges[number].generation
    drop_gains(mix, row, -1, generation)
    unlink(mix, row)
    other = mix.bridges[number].first
    while other >= 0:
        if mix.parts[other].gains >= 0:
            drop_gains(mix, other, row, generation)
        other = mix.parts[other].next
    return int(number)


@compiled
def settle_rest(tables: Tables, mix: Mix, number: int, now: int) -> None:
    """What becomes of a bridge that somebody left: one made for a pair ends with the pair."""
    bridge = mix.bridges[number]
    if bridge.pair != 0 and bridge.legs < 2:
        close_bridge(tables, mix, number)
    else:
        settle_bridge(tables, mix, number, now)


@compiled
def leave(tables: Tables, mix: Mix, row: int, now: int) -> None:
    """A part leaves its bridge, or a leg its echo."""
    number = take_out(mix, row)
    if mix.parts[row].kind == LEG_PART:
        stop_hearing(tables, mix, row)
    if number >= 0:
        settle_rest(tables, mix, number, now)


@compiled
def enter(tables: Tables, mix: Mix, number: int, generation: int, row: int, pair: int, now: int) -> None:
    """A part joins a bridge and leaves the one it was in, without settling what it comes to yet."""
    bridge = mix.bridges[number]
    if bridge.generation != generation or bridge.state == CLOSED:
        bridge.generation = generation
        bridge.state = OPENED
        bridge.pair = pair
        bridge.first = -1
        bridge.legs = 0
        bridge.others = 0
        bridge.rate = 8000
        bridge.relayed = 0
        bridge.must_mix = 0
        bridge.mixed_index = -1
        bridge.held_until = 0
    part = mix.parts[row]
    if part.bridge == number:
        return
    before = take_out(mix, row)
    if part.kind == LEG_PART:
        if unpair(tables, row):
            bridge.relayed = 1
        bridge.legs += 1
    else:
        bridge.others += 1
    part.bridge = number
    part.previous = -1
    part.next = bridge.first
    if bridge.first >= 0:
        mix.parts[bridge.first].previous = row
    bridge.first = row
    if before >= 0:
        settle_rest(tables, mix, before, now)


@compiled
def is_part(tables: Tables, mix: Mix, row: int, generation: int) -> bool:
    """Whether a row of the matrix is still that of this generation."""
    if not 0 <= row < mix.parts.shape[0] or mix.parts[row].generation != generation:
        return False
    return bool(row >= mix.scratch[0].marks[LEGS] or tables.legs[row].state == OPEN)
