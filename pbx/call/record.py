"""What is known of a call at any time, and what is left of it afterwards."""

from dataclasses import dataclass, field

from pbx.call.causes import Cause
from pbx.media.values import LegStatistics


@dataclass(slots=True)
class LegTotals:
    """One leg of a finished call: where it went and what its media row counted (None: no media).

    `codec` is the encoding that was agreed, None when the leg was never answered; `call_id` is the Call-ID of
    its dialog.
    """

    label: str
    trunk: str | None
    codec: str | None
    statistics: LegStatistics | None
    call_id: str = ""


@dataclass(slots=True)
class CallRecord:
    """The times (monotonic seconds), the end and the legs of one call."""

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
    legs: list[LegTotals] = field(default_factory=list)

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
