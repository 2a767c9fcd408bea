"""What is heard in place of packets that were lost, in the spirit of ITU-T G.711 Appendix I.

The last period of the voice is repeated, as long as 60 ms with less and less strength, then there is silence.
The seams are blended over 4 ms, so that neither the first lost sample nor the first good one clicks. Nothing
is delayed. State is an int32 array of `CONCEALMENT_STATE`, made ready by `concealment_reset`.
"""

from typing import Final

from pbx.media.compiling import compiled
from pbx.media.layout import Array

# In samples at 8 kHz; at 16 kHz there are twice as many.
PITCH_LOW: Final = 40
PITCH_HIGH: Final = 120
WINDOW: Final = 160
BLEND: Final = 32
FULL: Final = 80
SILENT: Final = 480

SCALE: Final = 0
PERIOD: Final = 1
PLACE: Final = 2
LOST: Final = 3  # samples concealed since the last good one
PAST: Final = 4
PAST_SIZE: Final = PITCH_HIGH + WINDOW
CYCLE: Final = PAST + 2 * PAST_SIZE
CONCEALMENT_STATE: Final = CYCLE + 2 * PITCH_HIGH
ONE: Final = 1 << 15


@compiled
def concealment_reset(history: Array, rate: int) -> None:
    """Nothing was heard yet, at 8,000 or 16,000 samples a second."""
    for at in range(CONCEALMENT_STATE):
        history[at] = 0
    history[SCALE] = 2 if rate == 16000 else 1


@compiled
def likeness(past: Array, lag: int, window: int, step: int) -> float:
    """How much the end of what was heard is like itself `lag` samples before; 0 when it is not."""
    product, energy = 0, 0
    for at in range(len(past) - window, len(past), step):
        before = 0 | past[at - lag]
        product += past[at] * before
        energy += before * before
    if product <= 0 or energy == 0:
        return 0.0
    return float(product) * float(product) / float(energy)


@compiled
def find_period(past: Array, scale: int) -> int:
    """The length of the voice's period, 5 to 15 ms: looked for in steps of two, then closely."""
    coarse, best = PITCH_LOW * scale, 0.0
    for lag in range(PITCH_LOW * scale, PITCH_HIGH * scale + 1, 2):
        found = likeness(past, lag, WINDOW * scale, 2 * scale)
        if found > best:
            coarse, best = lag, found
    period, best = coarse, 0.0
    for lag in range(max(coarse - 1, PITCH_LOW * scale), min(coarse + 1, PITCH_HIGH * scale) + 1):
        found = likeness(past, lag, WINDOW * scale, 1)
        if found > best:
            period, best = lag, found
    return period


@compiled
def remember(past: Array, samples: Array) -> None:
    """What was heard last, the newest at the end."""
    size, kept = len(samples), len(past)
    for at in range(kept):
        behind = size - kept + at
        past[at] = samples[behind] if behind >= 0 else past[at + size]


@compiled
def begin_cycle(history: Array, past: Array, scale: int) -> None:
    """Take the last period as what is repeated; its end is blended into what comes before its beginning."""
    period = find_period(past, scale)
    start, blend = len(past) - period, BLEND * scale
    for at in range(period):
        sample = 0 | past[start + at]
        into = at - (period - blend)
        if into >= 0:
            sample = (sample * (blend - into) + past[start + at - period] * into) // blend
        history[CYCLE + at] = sample
    history[PERIOD], history[PLACE], history[LOST] = period, 0, 0


@compiled
def next_sample(history: Array, scale: int) -> int:
    """One sample of the repeated period, as strong as it is after so long."""
    place, lost = 0 | history[PLACE], 0 | history[LOST]
    left = min(max(SILENT * scale - lost, 0), (SILENT - FULL) * scale)
    strength = left * ONE // ((SILENT - FULL) * scale)
    history[PLACE] = 0 if place + 1 >= history[PERIOD] else place + 1
    history[LOST] = min(lost + 1, SILENT * scale)
    sample: int = (history[CYCLE + place] * strength) >> 15
    return sample


@compiled
def conceal(history: Array, lost_count: int, out: Array) -> None:
    """Fill `out` (int16) in place of a lost frame; `lost_count` frames in a row were lost before it."""
    scale = 0 | history[SCALE]
    past, blend = history[PAST : PAST + PAST_SIZE * scale], BLEND * scale
    step = 0
    if lost_count == 0 or history[LOST] == 0:
        begin_cycle(history, past, scale)
        step = past[len(past) - 1] - past[len(past) - 1 - history[PERIOD]]
    for at in range(len(out)):
        sample = next_sample(history, scale)
        if at < blend:
            sample += step * (blend - at) // blend
        out[at] = min(max(sample, -32768), 32767)
    remember(past, out)


@compiled
def note_good(history: Array, samples: Array) -> None:
    """A frame (int16) came and will be heard; its beginning is blended, in place, into what was concealed."""
    scale = 0 | history[SCALE]
    if history[LOST] > 0:
        blend = min(BLEND * scale, len(samples))
        for at in range(blend):
            sample = 0 | samples[at]
            samples[at] = (sample * (at + 1) + next_sample(history, scale) * (blend - at - 1)) // blend
        history[LOST] = 0
    remember(history[PAST : PAST + PAST_SIZE * scale], samples)
