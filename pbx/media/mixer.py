"""One tick of a mixed bridge: everybody's frame in, and to each the sum of the others.

What a listener hears is clip((sum over the talkers of s * g) >> 8) with gains in 1/256, computed in 64 bits:
the total of all, less what it says itself, and corrected for the pairs that have a gain of their own.
"""

from typing import Final

from pbx.media.codecs import encode, rate_of
from pbx.media.compiling import compiled
from pbx.media.jitter import is_primed, pull
from pbx.media.kernels.goertzel import dtmf_detect, dtmf_held_ms
from pbx.media.kernels.resample import down2, up2
from pbx.media.layout import EVENT_DIGIT, SIGNALLED, Array, Tables
from pbx.media.mixtables import (
    CODECS,
    DETECT_TAPS,
    DUE,
    ENCODED_FRAMES,
    ENCODER,
    FRAME_MS,
    G722,
    G722_STATE,
    GAIN_BRIDGE,
    GAIN_NEXT,
    GAIN_TALKER,
    GAIN_VALUE,
    HEARD_TAPS,
    L16,
    LEG_PART,
    MIXED_FRAMES,
    NARROW,
    OWN,
    PLAIN,
    SHARED_NARROW,
    SINK_PART,
    SOURCE_PART,
    TAPS_ROOM,
    TICKS,
    UNITY,
    Mix,
)
from pbx.media.presses import INBAND
from pbx.media.relay import push_event
from pbx.media.sending import pass_over, send_frame
from pbx.media.sounding import collect, pull_source

# A leg heard so lately is waited for when a relay ends.
TALKING: Final = 60_000


@compiled
def clip(value: int) -> int:
    """A sum as a sample."""
    return min(max(value >> 8, -32768), 32767)


@compiled
def is_held(tables: Tables, mix: Mix, number: int, now: int) -> bool:
    """Whether a bridge that was relayed has to wait until its buffers can be played without a gap."""
    bridge = mix.bridges[number]
    if bridge.held_until == 0:
        return False
    row = bridge.first
    while row >= 0 and now < bridge.held_until:
        part = mix.parts[row]
        if part.kind == LEG_PART and part.playing == 0 and not is_primed(part, mix.scratch[0].marks[DUE]):
            leg = tables.legs[row]
            if leg.receive != 0 and now - leg.heard_at < TALKING:
                return True
        row = part.next
    bridge.held_until = 0
    return False


@compiled
def add_up(mix: Mix, row: int, size: int) -> None:
    """Put a frame into the total."""
    samples = mix.stores[row].samples
    total = mix.scratch[0].total
    for at in range(size):
        total[at] += (0 | samples[at]) * UNITY


@compiled
def listen_for_digits(tables: Tables, mix: Mix, row: int, rate: int) -> None:
    """Say the digit that is recognised in the leg's frame."""
    part = mix.parts[row]
    store = mix.stores[row]
    frame = store.samples[: rate * FRAME_MS // 1000]
    if rate == 16000:
        narrow = mix.scratch[0].work[NARROW]
        count = down2(store.samples[DETECT_TAPS : DETECT_TAPS + TAPS_ROOM], frame, narrow)
        frame = narrow[:count]
    code = dtmf_detect(store.detector, frame)
    if code >= 0:
        value = code | INBAND | (dtmf_held_ms(store.detector) << 16)
        push_event(tables, EVENT_DIGIT, row, part.generation, value, tables.addresses[row, SIGNALLED])


@compiled
def pull_all(tables: Tables, mix: Mix, number: int) -> None:
    """The frames of all members of a bridge, and their total."""
    bridge = mix.bridges[number]
    rate = bridge.rate
    size = rate * FRAME_MS // 1000
    total = mix.scratch[0].total
    for at in range(size):
        total[at] = 0
    row = bridge.first
    while row >= 0:
        part = mix.parts[row]
        if part.kind == LEG_PART:
            pull(mix, row, rate, mix.scratch[0].marks[DUE])
            if part.detect != 0:
                listen_for_digits(tables, mix, row, rate)
        elif part.kind == SOURCE_PART:
            pull_source(tables, mix, row, rate)
        if part.kind != SINK_PART and part.silent == 0 and part.muted == 0:
            add_up(mix, row, size)
        row = part.next


@compiled
def make_own(mix: Mix, row: int, number: int, size: int) -> None:
    """Into row OWN of the work what a listener hears that talks itself, or has gains of its own."""
    part = mix.parts[row]
    total = mix.scratch[0].total
    out = mix.scratch[0].work[OWN, :size]
    own = mix.stores[row].samples
    speaks = part.kind != SINK_PART and part.silent == 0 and part.muted == 0
    if part.gains < 0:
        for at in range(size):
            out[at] = clip(total[at] - (0 | own[at]) * UNITY)
        return
    if speaks:
        for at in range(size):
            total[at] -= (0 | own[at]) * UNITY
    generation = mix.bridges[number].generation
    for sign in (1, -1):
        entry = part.gains
        while entry >= 0:
            talker = mix.scratch[0].gains[entry, GAIN_TALKER]
            other = mix.parts[talker]
            if (
                mix.scratch[0].gains[entry, GAIN_BRIDGE] == generation
                and other.bridge == number
                and other.silent == 0
                and other.muted == 0
                and other.kind != SINK_PART
            ):
                change = sign * (mix.scratch[0].gains[entry, GAIN_VALUE] - (0 if talker == row else UNITY))
                frame = mix.stores[talker].samples
                for at in range(size):
                    total[at] += (0 | frame[at]) * change
            entry = mix.scratch[0].gains[entry, GAIN_NEXT]
        if sign == 1:
            for at in range(size):
                out[at] = clip(total[at])
    if speaks:
        for at in range(size):
            total[at] += (0 | own[at]) * UNITY


@compiled
def resample(mix: Mix, row: int, number: int, signal: Array, rate: int, wanted: int, plain: bool) -> int:
    """The row of the work with a signal at the rate of a leg's codec, made once for all who hear the same."""
    part = mix.parts[row]
    taps = mix.stores[row].samples[HEARD_TAPS : HEARD_TAPS + TAPS_ROOM]
    shared = mix.bridges[number].taps
    if part.plain != 0 and plain and wanted < rate:
        return SHARED_NARROW
    if part.plain != 0 and wanted < rate:
        # What it heard so far was the plain signal, up to the frame before this one.
        for at in range(TAPS_ROOM):
            taps[at] = shared[TAPS_ROOM + at]
    narrow = mix.scratch[0].work[NARROW]
    if wanted < rate:
        down2(taps, signal, narrow)
    else:
        up2(taps, signal, narrow)
    return NARROW


@compiled
def send_to(tables: Tables, mix: Mix, row: int, number: int, plain: bool, ready: int, now: int) -> int:
    """Send a leg what it hears; `ready` has a bit for each codec in which all is encoded already."""
    part = mix.parts[row]
    bridge = mix.bridges[number]
    rate = bridge.rate
    size = rate * FRAME_MS // 1000
    codec = part.codec_out
    wanted = rate_of(codec, part.rate_out)
    place = codec + (CODECS if codec == L16 and wanted == 16000 else 0)
    # A codec with a memory is not shared: its state is what the listener has heard.
    shared = plain and codec != G722 and (wanted == rate or part.plain != 0)
    if not shared or not (ready >> place) & 1:
        source = PLAIN
        if not plain:
            make_own(mix, row, number, size)
            source = OWN
        if wanted != rate:
            source = resample(mix, row, number, mix.scratch[0].work[source, :size], rate, wanted, plain)
        state = mix.stores[row].states[ENCODER : ENCODER + G722_STATE]
        scratch = mix.scratch[0]
        signal = scratch.work[source, : wanted * FRAME_MS // 1000]
        encode(codec, signal, state, scratch.encoded[place if shared else 0])
        mix.scratch[0].marks[ENCODED_FRAMES] += 1
        if shared:
            ready |= 1 << place
    part.plain = 1 if plain else 0
    octets = wanted * FRAME_MS // 1000
    if codec == G722:
        octets //= 2
    elif codec == L16:
        octets *= 2
    mix.scratch[0].marks[MIXED_FRAMES] += 1
    clock = 16000 if codec == L16 and wanted == 16000 else 8000
    send_frame(tables, mix, row, mix.scratch[0].encoded[place if shared else 0], octets, clock, now)
    return ready


@compiled
def make_plain(mix: Mix, number: int) -> None:
    """What those hear who say nothing, and the same at 8 kHz where the bridge is wider."""
    bridge = mix.bridges[number]
    size = bridge.rate * FRAME_MS // 1000
    plain = mix.scratch[0].work[PLAIN]
    total = mix.scratch[0].total
    for at in range(size):
        plain[at] = clip(total[at])
    if bridge.rate == 16000:
        taps = mix.bridges[number].taps
        for at in range(TAPS_ROOM):
            taps[TAPS_ROOM + at] = taps[at]
        down2(taps[:TAPS_ROOM], plain[:size], mix.scratch[0].work[SHARED_NARROW])


@compiled
def mix_bridge(tables: Tables, mix: Mix, number: int, now: int) -> int:
    """One tick of a bridge; how many legs were sent a frame."""
    bridge = mix.bridges[number]
    if bridge.tick == mix.scratch[0].marks[TICKS]:
        return 0
    bridge.tick = mix.scratch[0].marks[TICKS]
    if is_held(tables, mix, number, now):
        return 0
    pull_all(tables, mix, number)
    make_plain(mix, number)
    size = bridge.rate * FRAME_MS // 1000
    ready = 0
    sent = 0
    row = bridge.first
    while row >= 0:
        part = mix.parts[row]
        plain = part.gains < 0 and (part.kind != LEG_PART or part.silent != 0 or part.muted != 0)
        if part.kind == LEG_PART:
            out = tables.legs[row]
            if part.codec_out != 0 and out.send != 0 and out.configured != 0:
                ready = send_to(tables, mix, row, number, plain, ready, now)
                sent += 1
            else:
                pass_over(tables, mix, row, now)
        elif part.kind == SINK_PART:
            if not plain:
                make_own(mix, row, number, size)
            collect(mix, row, number, mix.scratch[0].work[PLAIN if plain else OWN, :size], bridge.rate)
        row = part.next
    return sent
