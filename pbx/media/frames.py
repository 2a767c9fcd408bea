from pbx.media.layout import Array
from pbx.media.libc import compiled


@compiled
def up2(taps: Array, source: Array, out: Array) -> int:
    before = 0 | taps[0]
    for at in range(source.shape[0]):
        value = 0 | source[at]
        out[2 * at] = (before + value) >> 1
        out[2 * at + 1] = value
        before = value
    taps[0] = before
    return 2 * source.shape[0]


@compiled
def down2(taps: Array, source: Array, out: Array) -> int:
    before = 0 | taps[0]
    for at in range(source.shape[0] // 2):
        value = 0 | source[2 * at]
        after = 0 | source[2 * at + 1]
        out[at] = (before + 2 * value + after) >> 2
        before = after
    taps[0] = before
    return source.shape[0] // 2


@compiled
def conceal(history: Array, lost: int, out: Array) -> None:
    size = history.shape[0]
    for at in range(out.shape[0]):
        out[at] = (0 | history[size - 160 + at % 160]) >> min(lost, 15)


@compiled
def note_good(history: Array, samples: Array) -> None:
    size = history.shape[0]
    new = min(samples.shape[0], size)
    for at in range(size - new):
        history[at] = history[at + new]
    for at in range(new):
        history[size - new + at] = samples[samples.shape[0] - new + at]


@compiled
def comfort_noise(level: int, state: int, out: Array) -> int:
    amplitude = 30000 >> min(level // 6, 15)
    for at in range(out.shape[0]):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out[at] = ((state >> 8) % (2 * amplitude + 1)) - amplitude
    return state
