"""Shadowing: a candidate dialplan decides every new call beside the live one, and nothing comes of it."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pbx.dialplan.generation import Generation
from pbx.metrics.metrics import Metrics
from pbx.service.generations import InThread
from pbx.service.redeciding import Redecider, Unknown, steps_of
from pbx.service.router import Router
from pbx.store.entries import Decided

log = logging.getLogger("pbx")

# Decisions wait this long to be made again, and so many at once: a few milliseconds, between messages.
PAUSE_S = 0.1
NEXT_S = 0.01
SLICE = 20
# Beyond so many that wait, the others are skipped and counted; so many differences are kept to be shown.
MAX_WAITING = 1000
KEPT = 100


@dataclass(frozen=True, slots=True)
class Differed:
    """A call that the candidate decides differently."""

    call: str
    epoch: float
    caller: str
    called: str
    source: str
    after: str
    was: str
    would_be: str


class Shadowing:
    """Keeps the candidate, or none. What goes wrong with it is counted and never reaches a call."""

    def __init__(
        self,
        load: Callable[[Path], Generation],
        router: Router,
        in_thread: InThread,
        call_later: Callable[[float, Callable[[], None]], Any],
        epoch: Callable[[], float],
    ) -> None:
        self._load = load
        self._router = router
        self._in_thread = in_thread
        self._call_later = call_later
        self._epoch = epoch
        self._redecider: Redecider | None = None
        self._waiting: deque[tuple[float, tuple[Decided, ...]]] = deque()
        self._due: Any = None
        self.since_epoch = 0.0
        self.counts: Counter[str] = Counter()
        self.differences: deque[Differed] = deque(maxlen=KEPT)

    @property
    def candidate(self) -> Generation | None:
        """The dialplan that shadows the live one."""
        return None if self._redecider is None else self._redecider.candidate

    def observe(self, metrics: Metrics) -> None:
        """Have the comparisons counted."""
        metrics.observe_counts("pbx_shadow_decisions", lambda: self.counts)

    async def begin(self, file: Path) -> None:
        """Have the dialplan in `file` decide new calls too, instead of another one. Raises OperatorError."""
        candidate = await self._in_thread(lambda: self._load(file))
        self.end()
        self._redecider = Redecider(candidate)
        self.since_epoch = self._epoch()
        self.counts.clear()
        self.differences.clear()
        self._router.observer = self._decided

    def end(self) -> None:
        """Have nothing decide beside the live dialplan."""
        self._router.observer = None
        self._redecider = None
        self._waiting.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _decided(self, history: Sequence[Decided]) -> None:
        """The live generation has decided something; what it was is looked at later."""
        if len(self._waiting) >= MAX_WAITING:
            self.counts["skipped"] += 1
            return
        self._waiting.append((self._epoch(), tuple(history)))
        if self._due is None:
            self._due = self._call_later(PAUSE_S, self._slice)

    def _slice(self) -> None:
        self._due = None
        for _ in range(min(SLICE, len(self._waiting))):
            epoch, history = self._waiting.popleft()
            try:
                self._compare(epoch, history)
            except Exception:
                self.counts["error"] += 1
                log.exception("a fault of our own while shadowing; no call was affected")
        if self._waiting and self._redecider is not None:
            self._due = self._call_later(PAUSE_S if len(self._waiting) < SLICE else NEXT_S, self._slice)

    def _compare(self, epoch: float, history: Sequence[Decided]) -> None:
        redecider = self._redecider
        if redecider is None:
            return
        steps = steps_of(history)
        try:
            found = redecider.compare(steps)
        except Unknown:
            self.counts["unknown"] += 1
            return
        if found is None:
            self.counts["same"] += 1
        elif found.index == len(steps) - 1:
            # An earlier difference was counted when it was made.
            self.counts["different"] += 1
            call = found.call
            self.differences.append(
                Differed(
                    call.id,
                    epoch,
                    call.caller.number,
                    call.called,
                    call.source,
                    found.outcome,
                    found.was,
                    found.would_be,
                )
            )
