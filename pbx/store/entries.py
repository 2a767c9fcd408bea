"""What is handed to the ledger of calls: a finished call, and every decision that was made about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pbx.call.record import CallRecord
from pbx.dialplan.generation import Verdict


@dataclass(slots=True)
class Decided:
    """One decision about a call.

    `outcome` is empty for the first one, else what had happened ("busy", "digits", …); `digits` are those
    that came with it. Without a verdict the dialplan says nothing about that outcome, and the call ended.
    """

    verdict: Verdict | None
    outcome: str = ""
    digits: str = ""


@dataclass(slots=True)
class Entry:
    """A finished call: `generation` is the dialplan's that decided it, `epoch` the wall clock at its end."""

    record: CallRecord
    decided: Sequence[Decided]
    generation: int
    epoch: float
