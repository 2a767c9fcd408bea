"""What is known of a call at any time, and what is left of it afterwards."""

from dataclasses import dataclass, field
from typing import Final

from pbx.call.causes import Cause
from pbx.call.quality_events import QualityTotals
from pbx.call.quality_watch import unwatched_totals
from pbx.media.values import LegStatistics

# Alarms come in turns that last; a call that has more of them than this tells nothing new.
MAX_NOTES: Final = 64


@dataclass(slots=True)
class LegTotals:
    """One leg of a finished call: where it went and what its media row counted (None: no media).

    `codec` is the encoding that was agreed, None when the leg was never answered; `call_id` is the Call-ID of
    its dialog. `quality` is what its statistics come to, with what was sampled while it lasted (None: nothing
    was agreed on).
    """

    label: str
    trunk: str | None
    codec: str | None
    statistics: LegStatistics | None
    call_id: str = ""
    quality: QualityTotals | None = None

    def __post_init__(self) -> None:
        # A leg that was never watched, such as one with early media alone, or that was soon over.
        if self.quality is None and self.codec is not None and self.statistics is not None:
            self.quality = unwatched_totals(self.codec, self.statistics)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened to a leg (by its label, empty: to the call) and is worth remembering.

    `kind` is an AlarmKind or a word of the service's own, `direction` is `in`, `out`, `both` or empty,
    `value` is what was measured; pbx.call.quality_events.alarm_words says what it is.
    """

    at: float
    label: str
    kind: str
    direction: str = ""
    value: float | None = None


@dataclass(slots=True)
class CallRecord:
    """The times (monotonic seconds), the end, the legs of one call, and what was noted about them.

    A call that is `originated` is one that we made: its caller was called, too.
    """

    id: str
    caller: str
    called: str
    source: str
    started_at: float
    progressed_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    cause: Cause | None = None
    status: int = 0
    answered_by: str = ""
    originated: bool = False
    legs: list[LegTotals] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def note(self, note: Note) -> None:
        """Remember it, unless there is too much already."""
        if len(self.notes) < MAX_NOTES:
            self.notes.append(note)

    @property
    def setup_s(self) -> float | None:
        """From the INVITE to our 200, None when nobody answered."""
        return None if self.answered_at is None else self.answered_at - self.started_at

    @property
    def post_dial_s(self) -> float | None:
        """From the INVITE to the first ringing or progress the caller was told of."""
        return None if self.progressed_at is None else self.progressed_at - self.started_at

    @property
    def talked_s(self) -> float | None:
        """From our 200 to the end, None when nobody answered or it goes on."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.answered_at
