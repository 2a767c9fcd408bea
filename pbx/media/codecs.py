"""Payloads to samples at the rate of a bridge, and back (RFC 3551 §4.5)."""

from typing import Any

from pbx.media.compiling import compiled
from pbx.media.kernels.comfort_noise import comfort_noise
from pbx.media.kernels.concealment import conceal, concealment_reset, note_good
from pbx.media.kernels.g711 import decode_alaw, decode_ulaw, encode_alaw, encode_ulaw
from pbx.media.kernels.g722 import g722_decode, g722_encode, g722_reset
from pbx.media.kernels.resample import down2, up2
from pbx.media.layout import Array
from pbx.media.mixtables import (
    DECODED,
    DECODER,
    DOWN_TAPS,
    FIFO,
    FIFO_SAMPLES,
    G722,
    G722_STATE,
    L16,
    MADE_UP,
    NO_CODEC,
    PCMA,
    PCMU,
    RESAMPLED,
    TAPS_ROOM,
    UP_TAPS,
    Mix,
)


@compiled
def clear_fifo(part: Any) -> None:
    """Nothing decoded is left, and no codec has begun."""
    part.fifo = 0
    part.codec_in = NO_CODEC


@compiled
def append(mix: Mix, row: int, source: Array) -> None:
    """Put samples at the rate of the bridge behind those that wait."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    count = min(source.shape[0], FIFO_SAMPLES - part.fifo)
    base = FIFO + part.fifo
    for at in range(count):
        samples[base + at] = source[at]
    part.fifo += count


@compiled
def append_silence(mix: Mix, row: int, count: int) -> None:
    """So many zeros."""
    made = mix.scratch[0].work[MADE_UP, :count]
    for at in range(count):
        made[at] = 0
    append(mix, row, made)


@compiled
def append_made_up(mix: Mix, row: int, count: int, lost_run: int) -> None:
    """What a lost packet may have held, going by what came before it."""
    if mix.parts[row].codec_in == NO_CODEC:
        append_silence(mix, row, count)
        return
    made = mix.scratch[0].work[MADE_UP, :count]
    conceal(mix.stores[row].past, lost_run, made)
    append(mix, row, made)


@compiled
def append_noise(mix: Mix, row: int, count: int) -> None:
    """Comfort noise at the level that the leg told (RFC 3389)."""
    part = mix.parts[row]
    made = mix.scratch[0].work[MADE_UP, :count]
    comfort_noise(mix.stores[row].noise, part.noise_level, made)
    append(mix, row, made)


@compiled
def append_decoded(mix: Mix, row: int, codec: int, payload: Array, clock: int, rate: int) -> None:
    """Decode a payload, bring it to the bridge's rate, and put it behind the samples that wait."""
    part = mix.parts[row]
    samples = mix.stores[row].samples
    work = mix.scratch[0].work[DECODED]
    if part.codec_in != codec:
        part.codec_in = codec
        concealment_reset(mix.stores[row].past, rate)
        if codec == G722:
            g722_reset(mix.stores[row].states[DECODER : DECODER + G722_STATE])
        for at in range(TAPS_ROOM):
            samples[UP_TAPS + at] = 0
            samples[DOWN_TAPS + at] = 0
    source_rate = 8000
    if codec == PCMU:
        count = decode_ulaw(payload, work)
    elif codec == PCMA:
        count = decode_alaw(payload, work)
    elif codec == G722:
        count = g722_decode(mix.stores[row].states[DECODER : DECODER + G722_STATE], payload, work)
        source_rate = 16000
    else:
        count = payload.shape[0] // 2
        source_rate = 16000 if clock == 16000 else 8000
        for at in range(count):
            value = ((0 | payload[2 * at]) << 8) | (0 | payload[2 * at + 1])
            work[at] = value - 0x10000 if value >= 0x8000 else value
    decoded = work[:count]
    if source_rate < rate:
        count = up2(samples[UP_TAPS : UP_TAPS + TAPS_ROOM], decoded, mix.scratch[0].work[RESAMPLED])
        decoded = mix.scratch[0].work[RESAMPLED, :count]
    elif source_rate > rate:
        count = down2(samples[DOWN_TAPS : DOWN_TAPS + TAPS_ROOM], decoded, mix.scratch[0].work[RESAMPLED])
        decoded = mix.scratch[0].work[RESAMPLED, :count]
    note_good(mix.stores[row].past, decoded)
    append(mix, row, decoded)


@compiled
def encode(codec: int, signal: Array, state: Array, out: Array) -> int:
    """A frame at the codec's own rate as octets; how many. `state` is that of a G.722 encoder."""
    if codec == PCMU:
        return encode_ulaw(signal, out)
    if codec == PCMA:
        return encode_alaw(signal, out)
    if codec == G722:
        return int(g722_encode(state, signal, out))
    if codec == L16:
        for at in range(signal.shape[0]):
            value = 0 | signal[at]
            out[2 * at] = (value >> 8) & 0xFF
            out[2 * at + 1] = value & 0xFF
        return int(2 * signal.shape[0])
    return 0


@compiled
def rate_of(codec: int, clock: int) -> int:
    """At what rate a codec samples; its RTP clock may be another (RFC 3551 §4.5.2)."""
    return 16000 if codec == G722 or (codec == L16 and clock == 16000) else 8000
