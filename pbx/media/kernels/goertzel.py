"""Digits in the sound itself (ITU-T Q.23, Q.24), by Goertzel's filter on blocks of 13 ms at 8 kHz.

Two blocks in a row that hold the same pair of tones make a candidate. It is looked at closely: how far each
tone's phase moved from block to block says its frequency to a few hertz, and when both tones are taken out of
both blocks next to nothing may be left. Speech and music seldom pass the first test, hardly ever the second.
A digit of 40 ms covers two whole blocks wherever it begins; it has ended after two blocks without it, so that
a gap of 10 ms does not make two of one.
"""

import math
from typing import Final

import numpy as np

from pbx.media.compiling import compiled
from pbx.media.layout import Array

RATE: Final = 8000
BLOCK: Final = 105
FREQUENCIES: Final = (697, 770, 852, 941, 1209, 1336, 1477, 1633)

OMEGA: Final[Array] = 2 * np.pi * np.array(FREQUENCIES, dtype=np.float64) / RATE
COSINE: Final[Array] = np.cos(OMEGA)
SINE: Final[Array] = np.sin(OMEGA)

# The event of RFC 4733 for each pair, row by row of the keypad: 1 2 3 A, 4 5 6 B, 7 8 9 C, * 0 # D.
EVENTS: Final[Array] = np.array([1, 2, 3, 12, 4, 5, 6, 13, 7, 8, 9, 14, 10, 0, 11, 15], dtype=np.int64)
DIGITS: Final = "0123456789*#ABCD"
NOTHING: Final = -1

# What a block must hold to be looked at closely, as ratios of power: no tone under -42 dB of full scale,
# neither 10 dB stronger than the other, each 6 dB stronger than the others of its group, both together at
# least half of the energy (a tone 1.8 % off its frequency is heard 1.5 dB too weak).
_FAINTEST_AMPLITUDE: Final = 260.0
FAINTEST: Final = (_FAINTEST_AMPLITUDE * BLOCK / 2) ** 2
ROUGH_TWIST: Final = 10.0
APART: Final = 4.0
ROUGH_SHARE: Final = 0.5
# What both blocks together must hold: neither tone 9 dB stronger than the other, neither more than 2 % off
# its frequency, and no more than a twelfth of the energy elsewhere.
TWIST: Final = 7.9
DRIFT: Final = 0.02
REMAINDER: Final = 0.08
ROUNDS: Final = 3

# The state, 64-bit floats: two of each filter, then these.
LATER: Final = 8
ENERGY: Final = 16
FILLED: Final = 17
LAST: Final = 18  # the pair of the block before, plus one
LOW_PHASE: Final = 19
HIGH_PHASE: Final = 20
PRESENT: Final = 21  # the pair that is being held, plus one
MISSES: Final = 22
HELD: Final = 23  # blocks since it began
HEARD: Final = 24  # the block before and this one
REST: Final = HEARD + 2 * BLOCK  # what is left of them
DTMF_STATE: Final = REST + 2 * BLOCK


@compiled
def strongest(state: Array, first: int) -> tuple[int, float, float]:
    """The strongest tone of a group of four, its power, and that of the next."""
    best, power, second = first, -1.0, -1.0
    for at in range(first, first + 4):
        one, two = state[at], state[LATER + at]
        this = one * one + two * two - 2.0 * COSINE[at] * one * two
        if this > power:
            best, power, second = at, this, power
        elif this > second:
            second = this
    return best, power, second


@compiled
def phase_of(state: Array, at: int) -> float:
    """Where a tone is in its turn at the end of the block, in radians."""
    return math.atan2(SINE[at] * state[LATER + at], state[at] - COSINE[at] * state[LATER + at])


@compiled
def frequency_of(at: int, phase: float, phase_before: float) -> float:
    """A tone's frequency in radians a sample, from how far its phase moved in a block."""
    ahead = phase - phase_before - OMEGA[at] * BLOCK
    ahead -= 2.0 * math.pi * math.floor(ahead / (2.0 * math.pi) + 0.5)
    omega: float = OMEGA[at] + ahead / BLOCK
    return omega


@compiled
def take_out(rest: Array, omega: float, real: float, imaginary: float) -> tuple[float, float]:
    """Take what is left of a tone out of the samples; its complex amplitude so far, with that added."""
    turn_real, turn_imaginary = math.cos(omega), math.sin(omega)
    here_real, here_imaginary = 1.0, 0.0
    along, across = 0.0, 0.0
    for at in range(len(rest)):
        along += rest[at] * here_real
        across += rest[at] * here_imaginary
        next_real = here_real * turn_real - here_imaginary * turn_imaginary
        here_imaginary = here_real * turn_imaginary + here_imaginary * turn_real
        here_real = next_real
    along *= 2.0 / len(rest)
    across *= 2.0 / len(rest)
    here_real, here_imaginary = 1.0, 0.0
    for at in range(len(rest)):
        rest[at] -= along * here_real + across * here_imaginary
        next_real = here_real * turn_real - here_imaginary * turn_imaginary
        here_imaginary = here_real * turn_imaginary + here_imaginary * turn_real
        here_real = next_real
    return real + along, imaginary + across


@compiled
def is_pure(state: Array, low: int, high: int, low_phase: float, high_phase: float) -> bool:
    """Whether both blocks hold these two tones, each at its frequency, and next to nothing else."""
    low_omega = frequency_of(low, low_phase, state[LOW_PHASE])
    high_omega = frequency_of(high, high_phase, state[HIGH_PHASE])
    if (
        abs(low_omega - OMEGA[low]) > DRIFT * OMEGA[low]
        or abs(high_omega - OMEGA[high]) > DRIFT * OMEGA[high]
    ):
        return False
    heard, rest = state[HEARD:REST], state[REST:DTMF_STATE]
    energy = 0.0
    for at in range(2 * BLOCK):
        rest[at] = heard[at]
        energy += heard[at] * heard[at]
    low_real, low_imaginary, high_real, high_imaginary = 0.0, 0.0, 0.0, 0.0
    for _ in range(ROUNDS):
        low_real, low_imaginary = take_out(rest, low_omega, low_real, low_imaginary)
        high_real, high_imaginary = take_out(rest, high_omega, high_real, high_imaginary)
    left = 0.0
    for at in range(2 * BLOCK):
        left += rest[at] * rest[at]
    low_power = low_real * low_real + low_imaginary * low_imaginary
    high_power = high_real * high_real + high_imaginary * high_imaginary
    return left <= REMAINDER * energy and low_power <= TWIST * high_power and high_power <= TWIST * low_power


@compiled
def judge_block(state: Array) -> int:
    """A whole block is in the filters: the event that is recognised by it, or NOTHING."""
    low, low_power, low_next = strongest(state, 0)
    high, high_power, high_next = strongest(state, 4)
    pair, found = 0, NOTHING
    if (
        low_power >= FAINTEST
        and high_power >= FAINTEST
        and high_power <= low_power * ROUGH_TWIST
        and low_power <= high_power * ROUGH_TWIST
        and low_power >= low_next * APART
        and high_power >= high_next * APART
        and (low_power + high_power) * 2.0 >= ROUGH_SHARE * BLOCK * state[ENERGY]
    ):
        pair = 1 + 4 * low + high - 4
        low_phase, high_phase = phase_of(state, low), phase_of(state, high)
        if (
            pair == int(state[LAST])
            and pair != int(state[PRESENT])
            and is_pure(state, low, high, low_phase, high_phase)
        ):
            state[PRESENT], state[HELD], state[MISSES] = pair, 1, 0
            found = EVENTS[pair - 1]
        state[LOW_PHASE], state[HIGH_PHASE] = low_phase, high_phase
    state[LAST] = pair

    if state[PRESENT] > 0:
        state[HELD] += 1
        state[MISSES] = 0.0 if pair == int(state[PRESENT]) else state[MISSES] + 1
        if state[MISSES] >= 2:
            state[PRESENT], state[MISSES] = 0, 0
            state[HELD] -= 2
    for at in range(ENERGY + 1):
        state[at] = 0
    for at in range(HEARD, HEARD + BLOCK):
        state[at] = state[at + BLOCK]
    state[FILLED] = 0
    return found


@compiled
def dtmf_detect(state: Array, frame: Array) -> int:
    """Listen to a frame (int16, 8 kHz, at most 200 samples): the event of the digit recognised in it, or -1.

    `state` is a float64 array of `DTMF_STATE`, zeros to begin with. Each press is given once.
    """
    found = NOTHING
    newer, later, block = state[0:LATER], state[LATER:ENERGY], state[HEARD + BLOCK : REST]
    filled = int(state[FILLED])
    for place in range(len(frame)):
        sample = float(frame[place])
        block[filled] = sample
        state[ENERGY] += sample * sample
        for at in range(8):
            value = sample + 2.0 * COSINE[at] * newer[at] - later[at]
            later[at] = newer[at]
            newer[at] = value
        filled += 1
        if filled == BLOCK:
            filled = 0
            recognised = judge_block(state)
            if recognised != NOTHING:
                found = recognised
    state[FILLED] = filled
    return found


@compiled
def dtmf_held(state: Array) -> int:
    """The event of the digit that is being held, or -1."""
    held: int = EVENTS[int(state[PRESENT]) - 1] if state[PRESENT] > 0 else NOTHING
    return held


@compiled
def dtmf_held_ms(state: Array) -> int:
    """For how long the digit that is held, or was last, has been heard, in steps of a block."""
    return int(state[HELD]) * BLOCK * 1000 // RATE
