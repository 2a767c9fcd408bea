"""Slow twins of the compiled kernels: the same rules, written from the RFC for one packet at a time."""

from dataclasses import dataclass, field


def payload_of(data: bytes, length: int, room: int) -> tuple[int, int]:
    """RFC 3550 §5.1."""
    if not 12 <= length <= room:
        return -1, 0
    packet = data[:length]
    version, padded, extended, sources = packet[0] >> 6, packet[0] & 32, packet[0] & 16, packet[0] & 15
    rest = packet[12:]
    if version != 2 or len(rest) < 4 * sources:
        return -1, 0
    rest = rest[4 * sources :]
    if extended:
        if len(rest) < 4:
            return -1, 0
        size = 4 + 4 * int.from_bytes(rest[2:4], "big")
        if len(rest) < size:
            return -1, 0
        rest = rest[size:]
    start = length - len(rest)
    if padded:
        if not rest or not 1 <= rest[-1] <= len(rest):
            return -1, 0
        rest = rest[: len(rest) - rest[-1]]
    return start, len(rest)


@dataclass
class Source:
    """RFC 3550 A.1, with a window of 64 that tells duplicates from reordered packets."""

    ssrc: int | None = None
    epoch: int = 0
    first: int = 0
    highest: int = 0
    received: int = 0
    seen: set[int] = field(default_factory=set)
    expected_next_after_jump: int | None = None
    changes: int = 0
    old_expected: int = 0
    old_received: int = 0
    heard: set[int] = field(default_factory=set)
    old_runs: int = 0

    def begin(self, ssrc: int, sequence: int, epoch: int) -> tuple[str, int]:
        if self.ssrc is not None:
            self.old_expected += self.highest - self.first + 1
            self.old_received += self.received
            self.changes += self.ssrc != ssrc
            self.old_runs = self.runs
        self.ssrc, self.epoch, self.first, self.highest, self.received = ssrc, epoch, sequence, sequence, 1
        self.seen = {sequence}
        self.heard = {sequence}
        self.expected_next_after_jump = None
        return "in order", sequence

    def receive(self, ssrc: int, sequence: int, epoch: int) -> tuple[str, int]:
        if ssrc != self.ssrc:
            return self.begin(ssrc, sequence, epoch)
        ahead = (sequence - self.highest) % 65536
        if 0 < ahead < 3000:
            self.highest += ahead
            self.received += 1
            self.seen = {number for number in self.seen if number > self.highest - 64} | {self.highest}
            self.heard.add(self.highest)
            self.expected_next_after_jump = None
            return "in order", self.highest
        if 3000 <= ahead < 65536 - 100:
            if sequence != self.expected_next_after_jump:
                self.expected_next_after_jump = (sequence + 1) % 65536
                return "jumped", sequence
            return self.begin(ssrc, sequence, epoch)
        extended = self.highest - (self.highest - sequence) % 65536
        self.received += 1
        if extended <= self.highest - 64:
            return "late", extended
        if extended in self.seen:
            return "duplicate", extended
        self.seen.add(extended)
        if extended > self.highest - 63:
            self.heard.add(extended)
        return "reordered", extended

    @property
    def runs(self) -> int:
        """How many runs of missing numbers there are, of all sources so far."""
        if self.ssrc is None:
            return 0
        missing = [number not in self.heard for number in range(self.first, self.highest + 1)]
        return self.old_runs + sum(
            lost and not before for before, lost in zip([False, *missing], missing, strict=False)
        )

    @property
    def lost(self) -> int:
        return self.old_expected + self.highest - self.first + 1 - self.old_received - self.received


@dataclass
class Jitter:
    """RFC 3550 A.8, in integers."""

    scaled: int = 0
    samples: int = 0
    rate: int = 0
    transit: int = 0
    timestamp: int = 0

    def receive(self, timestamp: int, rate: int, now: int) -> None:
        if rate <= 0:
            return
        transit = (now * rate // 1_000_000 - timestamp) % 2**32
        if rate == self.rate:
            if timestamp == self.timestamp:
                return
            difference = (transit - self.transit) % 2**32
            signed = difference - 2**32 if difference >= 2**31 else difference
            self.scaled += abs(signed) - ((self.scaled + 8) // 16)
            self.samples += 1
        elif self.rate:
            self.scaled = self.scaled * rate // self.rate
        self.transit, self.rate, self.timestamp = transit, rate, timestamp


@dataclass
class Stream:
    """What is sent: next number and timestamp, whoever feeds it."""

    highest: int
    timestamp: int
    epoch: int | None = None
    start: int = 0
    number_offset: int = 0
    timestamp_offset: int = 0
    frame: int = 0
    rate: int = 0
    at: int = 0

    def receive(
        self, epoch: int, extended: int, timestamp: int, rate: int, in_order: bool, resumed: bool, now: int
    ) -> tuple[int, int, bool] | None:
        joins = epoch != self.epoch
        if (joins or resumed) and not in_order:
            return None
        if joins:
            step = 0
            if self.epoch is not None:
                frame = self.frame if self.frame and self.rate == rate else rate // 50
                step = max(frame, (now - self.at) * rate // 1_000_000)
            self.timestamp_offset = self.timestamp + step - timestamp
            self.epoch, self.frame = epoch, 0
        if joins or resumed:
            self.number_offset, self.start = self.highest + 1 - extended, extended
        if extended < self.start:
            return None
        number = extended + self.number_offset
        stamp = (timestamp + self.timestamp_offset) % 2**32
        if number > self.highest:
            advance = (stamp - self.timestamp) % 2**32
            if number == self.highest + 1 and not (joins or resumed) and 0 < advance <= rate:
                self.frame = advance
            self.highest, self.timestamp, self.rate, self.at = number, stamp, rate, now
        return number % 65536, stamp, joins or resumed

    def leave_out(self, epoch: int, extended: int) -> None:
        if epoch == self.epoch:
            self.number_offset -= 1
            self.start = extended + 1


@dataclass
class Proof:
    """Who a leg's packets come from."""

    signalled: bytes
    former: bytes = b""
    former_until: int = 0
    proven: bytes = b""
    candidate: bytes = b""
    run: list[tuple[int, int]] = field(default_factory=list)
    run_ssrc: int = 0
    last_at: int = 0

    def receive(self, sender: bytes, sequence: int, ssrc: int, now: int) -> str:
        if self.proven:
            return "known" if sender == self.proven else "stranger"
        if sender == self.signalled or self._learns(sender, sequence, ssrc, now):
            self.proven = sender
            self.run = []
            return "newly proven"
        return "stranger"

    def _learns(self, sender: bytes, sequence: int, ssrc: int, now: int) -> bool:
        if sender == self.former and now < self.former_until:
            return False
        if self.run and sender == self.candidate:
            if ssrc != self.run_ssrc or sequence != (self.run[-1][0] + 1) % 65536:
                self.run = []
                return False
        elif not self.run or now - self.last_at > 200_000:
            self.candidate, self.run = sender, []
        else:
            return False
        self.run.append((sequence, now))
        self.run_ssrc, self.last_at = ssrc, now
        return len(self.run) >= 4 and now - self.run[0][1] >= 40_000
