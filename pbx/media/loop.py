"""The media loop: entered once, left at shutdown, never back in Python between.

Importing this module imports numba; `cache.prepare` comes first.
"""

from typing import Any, Final, cast

import numba

from pbx.media.arrival import take_packet
from pbx.media.compiling import compiled
from pbx.media.layout import (
    ACTIVE,
    BUFFERED_BOUNDS,
    BUFFERED_TOTAL,
    CLOSING,
    COMMAND_PIPE,
    EPOLL,
    ERRORS,
    EVENT_DESCRIPTOR,
    EVENT_HEAD,
    EVENT_RELEASED,
    EVENT_SIGNAL,
    EVENT_TAIL,
    EVENTS,
    LATENESS_BOUNDS,
    LATENESS_TOTAL,
    OPEN,
    PASSES,
    PIPE_TAG,
    QUARANTINE,
    READY,
    SCAN_TICKS,
    SIGNALLED,
    TICK,
    WALL_OFFSET,
    WORK_BOUNDS,
    WORK_FROM,
    WORK_TOTAL,
    Tables,
)
from pbx.media.libc import (
    EINTR,
    EPOLL_CTL_ADD,
    EVENT_TAG,
    EVENT_WORDS,
    epoll_wait,
    errno,
    monotonic,
    thread_clock,
    wall_clock,
    write,
)
from pbx.media.mixer import mix_bridge
from pbx.media.mixtables import CURSOR, DIGITS, DUE, MIXED, SKIPPED_TICKS, TICKS, Mix
from pbx.media.orders import disconnect, free, take_commands, watch
from pbx.media.presses import end_press
from pbx.media.relay import begin, end, push_event
from pbx.media.reports import report_when_due, take_report
from pbx.media.sending import send_all_digits

# A connected socket that the kernel lets nothing through to for so long is asked for everything again.
SETTLING: Final = 1_000_000
# A phone that never stops sending does not keep a closed leg's ports for ever.
QUARANTINES: Final = 5
# So many failures of epoll_wait in a row, and the loop gives up rather than spin.
FAILURES: Final = 1000
# A stall up to this long is made up for, tick by tick; of a longer one only the last tick is left.
CATCH_UP: Final = 200_000
# Frames that are sent before packets are looked at again.
FRAMES_AT_ONCE: Final = 32

WORD_SIGNAL: Final = 3

STOPPED: Final = 0
FAILED: Final = 1


@compiled
def settle(tables: Tables, row: int, now: int) -> None:
    """Trust the kernel's filter once packets come through it.

    Connecting narrows the socket to the address of ours that the route to the peer has; packets that come to
    another one no longer arrive. When nothing comes, the filter is taken away and sources are compared here.
    """
    leg = tables.legs[row]
    if leg.connected != 0 and leg.settled == 0 and now - leg.connected_at >= SETTLING:
        if leg.packets > leg.packets_at_connect:
            leg.settled = 1
        else:
            disconnect(tables, leg)
            leg.connectable = 0


@compiled
def is_over(tables: Tables, leg: Any, now: int) -> bool:
    """Whether a closed leg's quarantine has ended, and there is room to say so."""
    control = tables.control
    quarantine = control[QUARANTINE]
    if now - leg.heard_at < quarantine and now - leg.closed_at < QUARANTINES * quarantine:
        return False
    return bool(control[EVENT_HEAD] - control[EVENT_TAIL] < EVENTS)


@compiled
def look_at_all(tables: Tables, mix: Mix, now: int) -> None:
    """What time alone brings about for the legs."""
    at = 0
    while at < tables.control[ACTIVE]:
        row = tables.active[at]
        leg = tables.legs[row]
        if leg.state == CLOSING and is_over(tables, leg, now):
            begin(leg)
            free(tables, row)
            end(leg)
            # From here on the row is the reactor's.
            push_event(tables, EVENT_RELEASED, row, leg.generation, 0, tables.addresses[row, SIGNALLED])
            continue
        if leg.state == OPEN:
            settle(tables, row, now)
            report_when_due(tables, row, now)
            end_press(tables, mix, row, now)
            note_buffered(tables, mix, row)
        at += 1


@compiled
def note_lateness(tables: Tables, late: int) -> None:
    """Put a tick into its bucket."""
    bucket = 0
    while bucket < len(LATENESS_BOUNDS) and late > LATENESS_BOUNDS[bucket]:
        bucket += 1
    tables.lateness[bucket] += 1
    tables.control[LATENESS_TOTAL] += late


@compiled
def note_work(tables: Tables) -> None:
    """Put the CPU used since the last tick into its bucket: unlike lateness, nobody else's doing."""
    control = tables.control
    used = thread_clock(tables.words)
    work = used - control[WORK_FROM]
    control[WORK_FROM] = used
    control[WORK_TOTAL] += work
    bucket = 0
    while bucket < len(WORK_BOUNDS) and work > WORK_BOUNDS[bucket]:
        bucket += 1
    tables.work[bucket] += 1


@compiled
def note_buffered(tables: Tables, mix: Mix, row: int) -> None:
    """Put what a leg's packets wait into its bucket, if they do."""
    part = mix.parts[row]
    if part.buffering == 0 or part.playing == 0 or part.delayed == 0:
        return
    bucket = 0
    while bucket < len(BUFFERED_BOUNDS) and part.delay > BUFFERED_BOUNDS[bucket]:
        bucket += 1
    tables.buffered[bucket] += 1
    tables.control[BUFFERED_TOTAL] += part.delay


@compiled
def signal_events(tables: Tables) -> None:
    """Wake the reactor, once a pass."""
    control = tables.control
    if control[EVENT_SIGNAL] != 0:
        control[EVENT_SIGNAL] = 0
        words = tables.words
        words[WORD_SIGNAL] = 1
        write(control[EVENT_DESCRIPTOR], words[WORD_SIGNAL:].ctypes.data, 8)


@compiled
def take_ready(tables: Tables, mix: Mix, count: int) -> bool:
    """Serve what epoll reported; True when commands are waiting, which are for after the packets."""
    commanded = False
    for at in range(count):
        tag = 0 | tables.ready[at * EVENT_WORDS + EVENT_TAG]
        if tag == PIPE_TAG:
            commanded = True
        elif tag & 1:
            take_report(tables, tag >> 1)
        else:
            take_packet(tables, mix, tag >> 1)
    return commanded


@compiled
def is_idle(tables: Tables, mix: Mix) -> bool:
    """Whether there is nothing to wake for: no leg is open or closing, nothing is mixed."""
    return bool(tables.control[ACTIVE] == 0 and mix.scratch[0].marks[MIXED] == 0)


@compiled
def mix_some(tables: Tables, mix: Mix, now: int) -> None:
    """Go on with this tick: bridges, until enough was sent for packets to be looked at again."""
    marks = mix.scratch[0].marks
    sent = 0
    while marks[CURSOR] >= 0 and sent < FRAMES_AT_ONCE:
        # From the end, so that a bridge which is taken off the list is not missed.
        marks[CURSOR] = min(marks[CURSOR], marks[MIXED]) - 1
        if marks[CURSOR] >= 0:
            sent += mix_bridge(tables, mix, mix.scratch[0].mixed[marks[CURSOR]], now) + 1


@compiled
def begin_tick(tables: Tables, mix: Mix, due: int, now: int) -> int:
    """A tick that was due has come: when the next is. After a long stall those in between fall out."""
    marks = mix.scratch[0].marks
    note_lateness(tables, now - due)
    note_work(tables)
    skipped = (now - due) // TICK if now - due > CATCH_UP else 0
    marks[SKIPPED_TICKS] += skipped
    due += (skipped + 1) * TICK
    marks[TICKS] += skipped + 1
    marks[DUE] = due
    marks[CURSOR] = marks[MIXED]
    if marks[DIGITS] != 0:
        send_all_digits(tables, mix, tables.control[ACTIVE], now)
    return due


@compiled
def run(tables: Tables, mix: Mix) -> int:
    """Relay and mix until told to stop: STOPPED, or FAILED when epoll itself does not work any more."""
    control = tables.control
    marks = mix.scratch[0].marks
    epoll = control[EPOLL]
    control[WALL_OFFSET] = wall_clock(tables.words) - monotonic(tables.words)
    watch(tables, EPOLL_CTL_ADD, control[COMMAND_PIPE], PIPE_TAG)
    failures = 0
    scanned = 0
    idle = True
    due = 0
    marks[CURSOR] = -1
    while failures < FAILURES:
        timeout = -1
        if marks[CURSOR] >= 0:
            timeout = 0
        elif not idle:
            timeout = max(0, (due - monotonic(tables.words) + 999) // 1000)
        count = epoll_wait(epoll, tables.ready.ctypes.data, READY, timeout)
        control[PASSES] += 1
        if count < 0:
            if errno() != EINTR:
                control[ERRORS] += 1
                failures += 1
            continue
        failures = 0
        if take_ready(tables, mix, count) and take_commands(tables, mix):
            return STOPPED
        if is_idle(tables, mix):
            idle = True
        else:
            now = monotonic(tables.words)
            if idle:
                idle = False
                due = now + TICK
                marks[DUE] = due
                control[WORK_FROM] = thread_clock(tables.words)
            elif marks[CURSOR] >= 0:
                mix_some(tables, mix, now)
            elif now >= due:
                due = begin_tick(tables, mix, due, now)
                mix_some(tables, mix, now)
                if marks[TICKS] - scanned >= SCAN_TICKS:
                    scanned = marks[TICKS]
                    look_at_all(tables, mix, now)
        signal_events(tables)
    return FAILED


def ready(tables: Tables, mix: Mix) -> None:
    """Compile the loop for these tables, or load it from the cache."""
    kind_of: Any = numba.typeof
    cast("Any", run).compile((kind_of(tables), kind_of(mix)))
