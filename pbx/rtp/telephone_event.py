"""Key presses as RTP events: the payload, a receiver and a sender (RFC 4733)."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from pbx.errors import MisuseError
from pbx.rtp.packet import RtpError, RtpPacket
from pbx.rtp.sequence import timestamp_difference

# Events 0 to 16 (RFC 4733 §3.2); 16 is the hook flash.
DIGITS: Final = "0123456789*#ABCD!"
MAX_DURATION: Final = 0xFFFF
END_PACKETS: Final = 3
DEFAULT_VOLUME: Final = 10

# A press whose end was lost is over when nothing has come for so long (seconds); packets come every 20-50 ms.
SILENCE: Final = 0.2
# How far behind the newest press a packet still counts as late, not as a clock that was set anew (seconds).
_LATE: Final = 10

_PAYLOAD: Final = Struct("!BBH")


@dataclass(slots=True)
class EventPayload:
    """The payload of a telephone-event packet (RFC 4733 §2.3).

    `duration` is in clock units since the packet's timestamp; `volume` is dBm0 without its sign, 0 to 63.
    """

    event: int
    end: bool
    volume: int
    duration: int

    def encode(self) -> bytes:
        """The four octets. Raises MisuseError for a field that does not fit."""
        if not (0 <= self.event <= 255 and 0 <= self.volume <= 63 and 0 <= self.duration <= MAX_DURATION):
            raise MisuseError("a telephone-event field is out of range")
        return _PAYLOAD.pack(self.event, self.end << 7 | self.volume, self.duration)


def parse(payload: bytes) -> EventPayload:
    """Read a payload; of several events in one packet (§2.5.1.2) the first. Raises RtpError."""
    if len(payload) < _PAYLOAD.size:
        raise RtpError("shorter than a telephone event")
    event, flags, duration = _PAYLOAD.unpack_from(payload)
    return EventPayload(event, flags >= 128, flags & 0x3F, duration)


@dataclass(frozen=True, slots=True)
class Digit:
    """A key that was pressed and released: one of DIGITS, and for how many milliseconds."""

    digit: str
    duration_ms: int


@dataclass(slots=True)
class _Press:
    """The newest press: while `open` it can still grow, afterwards only its repeats are known by it."""

    ssrc: int
    timestamp: int
    event: int
    duration: int
    earlier: int
    due: float
    open: bool = True


class DigitReceiver:
    """Makes one Digit of each press out of its many packets.

    A Digit is given once: when the first end packet comes, when another press begins before one came (all
    ends lost), or when SILENCE has passed. Repeated ends, late and repeated packets give nothing. A press
    longer than 16 bits of duration comes in segments (§2.5.1.3) and is still one press.
    """

    __slots__ = ("_clock_rate", "_press")

    def __init__(self, clock_rate: int = 8000) -> None:
        self._clock_rate = clock_rate
        self._press: _Press | None = None

    def receive(self, packet: RtpPacket, now: float) -> list[Digit]:
        """Take a packet of the telephone-event payload type. Raises RtpError when it has no event."""
        payload = parse(packet.payload)
        press = self._press
        given: list[Digit] = []
        if press is not None and press.ssrc == packet.ssrc:
            behind = timestamp_difference(press.timestamp, packet.timestamp)
            if 0 < behind < _LATE * self._clock_rate:
                return given
            if behind == 0 and press.event == payload.event:
                return self._grow(press, payload, now)
            if self._continues(press, packet, payload):
                press.earlier += MAX_DURATION
                press.timestamp = packet.timestamp
                press.duration = 0
                return self._grow(press, payload, now)
        given += self._finish()
        if payload.event < len(DIGITS):
            self._press = press = _Press(packet.ssrc, packet.timestamp, payload.event, 0, 0, now)
            given += self._grow(press, payload, now)
        return given

    def next_deadline(self) -> float | None:
        """When a press without an end is taken to be over."""
        press = self._press
        return press.due if press is not None and press.open else None

    def handle_timer(self, now: float) -> list[Digit]:
        """The press that has been silent for too long, if there is one."""
        due = self.next_deadline()
        return self._finish() if due is not None and due <= now else []

    def _grow(self, press: _Press, payload: EventPayload, now: float) -> list[Digit]:
        if not press.open:
            return []
        press.duration = max(press.duration, payload.duration)
        press.due = now + SILENCE
        return self._finish() if payload.end else []

    def _finish(self) -> list[Digit]:
        press = self._press
        if press is None or not press.open:
            return []
        press.open = False
        units = press.earlier + press.duration
        return [Digit(DIGITS[press.event], units * 1000 // self._clock_rate)]

    @staticmethod
    def _continues(press: _Press, packet: RtpPacket, payload: EventPayload) -> bool:
        """Whether a packet begins the next segment of the press: it starts where a full segment ends."""
        return (
            press.open
            and press.event == payload.event
            and not packet.marker
            and timestamp_difference(packet.timestamp, press.timestamp) == MAX_DURATION
        )


def press(
    digit: str,
    duration_ms: int,
    *,
    payload_type: int,
    ssrc: int,
    sequence: int,
    timestamp: int,
    clock_rate: int = 8000,
    ptime_ms: int = 20,
    volume: int = DEFAULT_VOLUME,
) -> Iterator[tuple[int, RtpPacket]]:
    """The packets of one press, each with the milliseconds after the first at which it is due (§2.5.1).

    One packet every `ptime_ms` with the duration so far, the end three times; a press longer than 16 bits of
    duration is cut into segments. Raises MisuseError for a digit that has no event.
    """
    event = DIGITS.find(digit.upper())
    if len(digit) != 1 or event < 0 or duration_ms <= 0 or ptime_ms <= 0:
        raise MisuseError("a press needs one digit, a duration and a packet time")
    step = clock_rate * ptime_ms // 1000
    total = clock_rate * duration_ms // 1000
    base = reached = 0
    number = 0
    while reached < total:
        reached = min(reached + step, total)
        if reached - base > MAX_DURATION:
            base += MAX_DURATION
        last = reached == total
        body = EventPayload(event, last, volume, reached - base).encode()
        for _ in range(END_PACKETS if last else 1):
            yield (
                number * ptime_ms,
                RtpPacket(
                    payload_type,
                    (sequence + number) & 0xFFFF,
                    (timestamp + base) & 0xFFFFFFFF,
                    ssrc,
                    body,
                    marker=number == 0,
                ),
            )
            number += 1
