"""What the dialplan may ask about the running service: counted as it happens, never searched for."""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping

from pbx.call.leg import Leg
from pbx.call.record import CallRecord
from pbx.dialplan.live import Counted, Switched
from pbx.registrar.registrar import Registrar

# How many keys of rate limits are remembered, and how many attempts of each: past that the oldest is let go.
MAX_KEYS = 10_000
MAX_ATTEMPTS = 1_000

Count = tuple[Counted, str]
OnUser = Callable[[str, str, bool], None]
"""Told of a user and a call: it began (True), or is over."""
QueueFacts = Callable[[str], Mapping[str, int]]


def _nobody(_user: str, _call_id: str, _began: bool) -> None:
    pass


def _idle(_: str) -> Mapping[str, int]:
    return {"waiting": 0, "agents": 0, "free": 0}


class LiveFacts:
    """Counters of calls by caller, user, trunk and chain, of the use of targets, and attempts by key."""

    def __init__(self, registrar: Registrar, queue: QueueFacts = _idle) -> None:
        self._registrar = registrar
        self.queue = queue
        self.on_user: OnUser = _nobody
        self.uses: Counter[str] = Counter()
        self.switches: dict[str, Switched] = {}
        self._active: defaultdict[Count, int] = defaultdict(int)
        self._of_call: dict[str, set[Count]] = {}
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()

    def call_started(self, record: CallRecord, user: str | None, trunk: str | None) -> None:
        """A call came in."""
        counts: set[Count] = {("caller", record.caller)}
        if user is not None:
            counts.add(("user", user))
            self.on_user(user, record.id, True)
        if trunk is not None:
            counts.add(("trunk", trunk))
        self._of_call[record.id] = counts
        for count in counts:
            self._active[count] += 1

    def call_entered(self, call_id: str, chains: Iterable[str]) -> None:
        """A call was decided upon in these chains."""
        for chain in chains:
            self._add(call_id, ("chain", chain))

    def leg_opened(self, call_id: str, leg: Leg, *, first: bool) -> None:
        """A target is called; `first` is the first of the legs that ring it for this call."""
        if first:
            self.uses[leg.label] += 1
        kind, _, name = leg.label.partition("/")
        if kind == "user":
            self._add(call_id, ("user", name))
            if leg.summons is None:
                self.on_user(name, call_id, True)
        elif leg.trunk is not None:
            self._add(call_id, ("trunk", leg.trunk))

    def leg_closed(self, call_id: str, leg: Leg, left: Iterable[Leg]) -> None:
        """A leg is gone; `left` are those the call still has."""
        counts = self._of_call.get(call_id)
        if counts is None or any(each.label == leg.label for each in left):
            return
        kind, _, name = leg.label.partition("/")
        if leg.invited_at is not None and kind in {"user", "trunk"}:
            count: Count = ("user" if kind == "user" else "trunk", name)
            if count in counts:
                counts.remove(count)
                self._less(count)
                if kind == "user":
                    self.on_user(name, call_id, False)

    def call_finished(self, call_id: str) -> None:
        """A call is over."""
        for count in self._of_call.pop(call_id, ()):
            self._less(count)
            if count[0] == "user":
                self.on_user(count[1], call_id, False)

    def beside(self, call_id: str, now: float) -> "Beside":
        """The facts as a decision about this call sees them: it does not count itself."""
        return Beside(self, call_id, now)

    def active(self, kind: Counted, name: str, call_id: str = "") -> int:
        """How many calls, `call_id` aside."""
        own = (kind, name) in self._of_call.get(call_id, ())
        return self._active.get((kind, name), 0) - own

    def attempts(self, key: str, window_s: float, now: float) -> int:
        """How many attempts with `key` there were within the window, this one included."""
        known = self._attempts
        times = known.get(key)
        if times is None:
            times = known[key] = deque(maxlen=MAX_ATTEMPTS)
            if len(known) > MAX_KEYS:
                known.popitem(last=False)
        else:
            known.move_to_end(key)
        while times and times[0] <= now - window_s:
            times.popleft()
        times.append(now)
        return len(times)

    def registered(self, user: str, now: float) -> bool:
        """Whether the user has a binding."""
        return bool(self._registrar.bindings(user, now))

    def _add(self, call_id: str, count: Count) -> None:
        counts = self._of_call.get(call_id)
        if counts is not None and count not in counts:
            counts.add(count)
            self._active[count] += 1

    def _less(self, count: Count) -> None:
        self._active[count] -= 1
        if not self._active[count]:
            del self._active[count]


class Beside:
    """Implements pbx.dialplan.live.Live for the decisions about one call."""

    __slots__ = ("_call_id", "_facts", "_now")

    def __init__(self, facts: LiveFacts, call_id: str, now: float) -> None:
        self._facts = facts
        self._call_id = call_id
        self._now = now

    def active_calls(self, kind: Counted, name: str) -> int:
        """How many other calls there are by this caller, over this trunk, with this user, in this chain."""
        return self._facts.active(kind, name, self._call_id)

    def attempts(self, key: str, window_s: float) -> int:
        """How often this was asked with `key` within the last `window_s` seconds, this time included."""
        return self._facts.attempts(key, window_s, self._now)

    def switch(self, name: str) -> Switched | None:
        """Whether somebody has said "open" or "closed" until they say otherwise."""
        return self._facts.switches.get(name)

    def registered(self, user: str) -> bool:
        """Whether the user has a binding."""
        return self._facts.registered(user, self._now)

    def uses(self, target: str) -> int:
        """How many calls the target was given since the service started."""
        return self._facts.uses[target]

    def queue(self, name: str) -> Mapping[str, int]:
        """How a queue is doing."""
        return self._facts.queue(name)
