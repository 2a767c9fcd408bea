"""Sources and sinks of the matrix: what is played into a bridge, and what is collected from it."""

from typing import Any, Final, cast

from llvmlite import ir  # type: ignore[import-untyped]  # llvmlite has no stubs
from numba import types
from numba.extending import intrinsic

from pbx.media.compiling import compiled
from pbx.media.kernels.resample import down2, up2
from pbx.media.layout import EVENT_SOURCE_ENDED, SIGNALLED, Array, Tables
from pbx.media.libc import fence
from pbx.media.mixtables import (
    BLENDED,
    DOWN_TAPS,
    FEED,
    FRAME_MS,
    LEGS,
    MIX,
    NARROW,
    RESAMPLED,
    RING,
    SEGMENT_FIELDS,
    STEREO,
    TAPS_ROOM,
    UNITY,
    UP_TAPS,
    Mix,
)
from pbx.media.relay import push_event


def _sample_at(_typing_context: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: ir.IRBuilder, _signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(16).as_pointer()))

    return types.int16(types.int64), generate


# The sample at an address: a sound is played where it lies, and what plays it keeps it there.
sample_at: Final = cast("Any", intrinsic)(_sample_at)


@compiled
def next_sample_rate(mix: Mix, row: int) -> int:
    """At what rate a source goes on: each sound of a player has its own."""
    part = mix.parts[row]
    if part.source_kind == FEED:
        return int(part.rate)
    return int(mix.stores[row].queue[part.segment * SEGMENT_FIELDS + 2])


@compiled
def read_player(tables: Tables, mix: Mix, row: int, out: Array, count: int) -> int:
    """So many samples of the sounds of a player; fewer where the rate changes, none behind the last."""
    part = mix.parts[row]
    queue = mix.stores[row].queue
    done = 0
    rate = next_sample_rate(mix, row)
    while done < count and part.ended == 0:
        place = part.segment * SEGMENT_FIELDS
        length = queue[place + 1]
        if queue[place + 2] != rate:
            break
        if part.position >= length:
            part.position = 0
            part.segment += 1
            if part.segment >= part.segments:
                part.segment = 0
                if part.loops == 0:
                    part.ended = 1
                    push_event(
                        tables, EVENT_SOURCE_ENDED, row, part.generation, 0, tables.addresses[0, SIGNALLED]
                    )
            continue
        sound = queue[place] + 2 * part.position
        some = min(count - done, length - part.position)
        for at in range(some):
            out[done + at] = sample_at(sound + 2 * at)
        done += some
        part.position += some
    return done


@compiled
def read_feed(mix: Mix, row: int, out: Array, count: int) -> int:
    """So many samples of what was fed, as far as there are any."""
    part = mix.parts[row]
    ring = mix.rings[row - mix.scratch[0].marks[LEGS]]
    some = min(count, part.head - part.tail)
    fence()
    for at in range(some):
        out[at] = ring[(part.tail + at) % RING]
    fence()
    part.tail += some
    return int(some)


@compiled
def read_source(tables: Tables, mix: Mix, row: int, out: Array, count: int) -> int:
    """Samples at the source's own rate."""
    if mix.parts[row].source_kind == FEED:
        return read_feed(mix, row, out, count)
    return read_player(tables, mix, row, out, count)


@compiled
def pull_source(tables: Tables, mix: Mix, row: int, rate: int) -> None:
    """A source's frame of this tick into `Mix.samples[row]`, at the rate of the bridge."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    size = rate * FRAME_MS // 1000
    done = 0
    while done < size:
        own = next_sample_rate(mix, row)
        missing = size - done
        if own == rate:
            count = read_source(tables, mix, row, samples[done:size], missing)
        elif own < rate:
            raw = mix.scratch[0].work[NARROW]
            count = read_source(tables, mix, row, raw, (missing + 1) // 2)
            taps = samples[UP_TAPS : UP_TAPS + TAPS_ROOM]
            count = min(missing, up2(taps, raw[:count], mix.scratch[0].work[RESAMPLED]))
            for at in range(count):
                samples[done + at] = mix.scratch[0].work[RESAMPLED, at]
        else:
            raw = mix.scratch[0].work[BLENDED]
            count = read_source(tables, mix, row, raw, 2 * missing) // 2 * 2
            taps = samples[DOWN_TAPS : DOWN_TAPS + TAPS_ROOM]
            count = down2(taps, raw[:count], mix.scratch[0].work[RESAMPLED])
            for at in range(count):
                samples[done + at] = mix.scratch[0].work[RESAMPLED, at]
        if count == 0:
            break
        done += count
    for at in range(done, size):
        samples[at] = 0
    if part.volume != UNITY:
        for at in range(done):
            samples[at] = min(max(((0 | samples[at]) * part.volume) >> 8, -32768), 32767)
    part.silent = 1 if done == 0 else 0


@compiled
def write_ring(mix: Mix, row: int, side: int, frame: Array, rate: int, ahead: int) -> int:
    """Put a frame at the rate of a bridge into one side of a sink's ring, at the sink's rate; how many."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    taps = UP_TAPS + side * TAPS_ROOM
    source = frame
    count = frame.shape[0]
    if part.rate > rate:
        count = up2(samples[taps : taps + TAPS_ROOM], frame, mix.scratch[0].work[RESAMPLED])
        source = mix.scratch[0].work[RESAMPLED, :count]
    elif part.rate < rate:
        count = down2(samples[taps : taps + TAPS_ROOM], frame, mix.scratch[0].work[RESAMPLED])
        source = mix.scratch[0].work[RESAMPLED, :count]
    ring = mix.rings[row - mix.scratch[0].marks[LEGS]]
    for at in range(count):
        ring[side * RING + (ahead + at) % RING] = source[at]
    return int(count)


@compiled
def copy_side(mix: Mix, member: int, bridge: int, size: int) -> None:
    """The frame of a leg into `Mix.work[BLENDED]`: silence when it is not in this bridge or muted."""
    out = mix.scratch[0].work[BLENDED]
    if member >= 0:
        part = mix.parts[member]
        if part.bridge == bridge and part.muted == 0 and part.silent == 0:
            for at in range(size):
                out[at] = mix.stores[member].samples[at]
            return
    for at in range(size):
        out[at] = 0


@compiled
def collect(mix: Mix, row: int, number: int, signal: Array, rate: int) -> None:
    """Give a sink its frame of this tick: `signal` is what a listener hears."""
    part = mix.parts[row]
    size = signal.shape[0]
    need = part.rate * FRAME_MS // 1000
    if part.head - part.tail + need > RING:
        part.overruns += need
        return
    side = mix.scratch[0].work[BLENDED, :size]
    if part.sink_kind == MIX:
        count = write_ring(mix, row, 0, signal, rate, part.head)
    else:
        copy_side(mix, part.left, number, size)
        count = write_ring(mix, row, 0, side, rate, part.head)
    if part.sink_kind == STEREO:
        copy_side(mix, part.right, number, size)
        write_ring(mix, row, 1, side, rate, part.head)
    fence()
    part.head += count
