"""What a call says about being heard by plugins; who carries the samples to them is the owner's business."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pbx.call.stage import Stage
from pbx.errors import ResourcesExhausted
from pbx.media.values import LegId, SinkId, SourceId

if TYPE_CHECKING:
    from pbx.call.call import Call


@dataclass(frozen=True, slots=True)
class Tap:
    """Somebody who wants to hear a call. `number` is the owner's name for it, `rate` is in Hz."""

    number: int
    sides: Literal["caller", "callee", "both", "mix"] = "caller"
    rate: int = 8000


class Taps(Protocol):
    """Carries what sinks hear to taps; a failure of its own never reaches the call."""

    def begin(self, tap: Tap, sink: SinkId, source: SourceId | None = None) -> None:
        """Carry what `sink` hears from now on, and what the tap says to the feed `source`."""
        ...

    def refused(self, tap: Tap, call_id: str, reason: str) -> None:
        """There was nothing left to hear the call with."""
        ...

    def pressed(self, tap: Tap, digit: str) -> None:
        """The caller pressed a key."""
        ...

    def end(self, tap: Tap) -> None:
        """Close the sink, and touch the feed no more, which is the call's to close."""
        ...


class NoTaps:
    """For those who have no plugins."""

    def begin(self, tap: Tap, sink: SinkId, source: SourceId | None = None) -> None:
        """Never asked for."""

    def refused(self, tap: Tap, call_id: str, reason: str) -> None:
        """Never asked for."""

    def pressed(self, tap: Tap, digit: str) -> None:
        """Never asked for."""

    def end(self, tap: Tap) -> None:
        """Never asked for."""


def overhear(call: "Call") -> None:
    """Let the taps of a call hear the two who talk, from now on and whoever they are."""
    before = bool(call.tapped)
    end(call)
    _overhear(call)
    if before and not call.tapped and call.stage is not None:
        call.stage.settle()


def _overhear(call: "Call") -> None:
    other = call.other
    if not call.taps or other is None or call.state != "talking":
        return
    caller, callee = call.caller.audio, other.audio
    if caller.row is None or callee.row is None:
        return
    if not (caller.can_mix and callee.can_mix):
        for tap in call.taps:
            call.shared.taps.refused(tap, call.record.id, "its codec cannot be decoded here")
        return
    stage = call.stage
    if stage is None:
        stage = call.stage = Stage(call.media)
    if stage.rows[:2] != (caller.row, callee.row):
        # They hear each other already.
        stage.rows = (caller.row, callee.row)
    for tap in call.taps:
        try:
            sink = _listen(stage, tap, caller.row, callee.row)
        except ResourcesExhausted as bound:
            call.shared.ran_out(bound)
            call.shared.taps.refused(tap, call.record.id, str(bound))
            return
        call.tapped = (*call.tapped, tap)
        call.shared.taps.begin(tap, sink)


def _listen(stage: Stage, tap: Tap, caller: LegId, callee: LegId) -> SinkId:
    match tap.sides:
        case "both":
            return stage.tap("stereo", caller, callee, tap.rate)
        case "mix":
            return stage.tap("mix", None, None, tap.rate)
        case one:
            return stage.tap("one", caller if one == "caller" else callee, None, tap.rate)


def attend(call: "Call", tap: Tap, row: LegId) -> bool:
    """Let a tap be the caller's other side; False when there is nothing left to do it with."""
    stage = call.stage
    if stage is None:
        stage = call.stage = Stage(call.media)
    try:
        if stage.rows != (row,):
            call.caller.audio.connect(None)
            stage.seat(row)
        source = stage.feed(tap.rate)
        sink = stage.tap("one", row, None, tap.rate)
    except ResourcesExhausted as bound:
        call.shared.ran_out(bound)
        call.shared.taps.refused(tap, call.record.id, str(bound))
        return False
    call.tapped = (tap,)
    call.shared.taps.begin(tap, sink, source)
    return True


def leave(call: "Call", number: int) -> None:
    """One who overheard two hears them no more."""
    if any(tap.number == number for tap in call.taps):
        call.taps = tuple(tap for tap in call.taps if tap.number != number)
        overhear(call)


def end(call: "Call") -> None:
    """Nobody hears the call any more; who hears whom is the stage's to settle anew."""
    tapped, call.tapped = call.tapped, ()
    for tap in tapped:
        call.shared.taps.end(tap)
    if call.stage is not None:
        call.stage.taps.clear()
