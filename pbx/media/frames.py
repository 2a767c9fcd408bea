from pbx.media.layout import Array
from pbx.media.libc import compiled


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
