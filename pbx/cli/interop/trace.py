"""SIPp's message trace, read while SIPp writes it: what a phone sent and received, and when.

This reads SIP with a few regular expressions on purpose: the judge does not share a parser with the judged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pbx.cli.interop.clock import now

# SIPp 3.6 writes "(N bytes)" for what it sends and "[N] bytes" for what it receives.
_ENTRY = re.compile(
    rb"-{20,} (?P<date>\d{4}-\d\d-\d\d)[ \t]+(?P<time>\d\d:\d\d:\d\d\.\d+)[^\n]*\n"
    rb"(?P<transport>[A-Z]+) message (?P<way>sent|received) [(\[](?P<size>\d+)\]? bytes\)? ?:\n\n"
)
_CSEQ = re.compile(rb"^(?:CSeq|cseq|CSEQ)[ \t]*:[ \t]*\d+[ \t]+([A-Z]+)", re.MULTILINE)
_CONNECTION = re.compile(rb"^c=IN IP[46] ([0-9A-Fa-f.:]+)", re.MULTILINE)
_AUDIO = re.compile(rb"^m=audio (\d{1,5}) ", re.MULTILINE)
_HELD = re.compile(rb"^a=(sendonly|recvonly|inactive)\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Traced:
    """A SIP message that SIPp sent or received at `at` (seconds of `clock.now`)."""

    at: float
    sent: bool
    status: int | None
    method: str
    body: bytes

    @property
    def audio(self) -> tuple[str, int] | None:
        """Where the SDP in the body wants its audio; None without SDP or with the stream refused."""
        connection, audio = _CONNECTION.search(self.body), _AUDIO.search(self.body)
        if connection is None or audio is None or not 0 < int(audio[1]) < 65536:
            return None
        return connection[1].decode("ascii"), int(audio[1])

    @property
    def held(self) -> bool:
        """Whether the SDP in the body lets sound flow one way at most."""
        return _HELD.search(self.body) is not None


def read_message(data: bytes, at: float, *, sent: bool) -> Traced:
    """The few things that are wanted of a message; the method of a response is its CSeq's."""
    head, _, body = data.partition(b"\r\n\r\n")
    first = head.partition(b"\r\n")[0].split(b" ", 2)
    cseq = _CSEQ.search(head)
    method = cseq[1].decode("ascii") if cseq else ""
    status = int(first[1]) if first[0].startswith(b"SIP/") and len(first) > 1 and first[1].isdigit() else None
    return Traced(at, sent, status, method, body)


class TraceReader:
    """Follows the trace file of one SIPp."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._offset = 0
        # SIPp stamps in local time; the clock of the audio ends counts from elsewhere.
        self._epoch = datetime.now().astimezone().replace(tzinfo=None)
        self._epoch_at = now()

    def read(self) -> list[Traced]:
        """The messages that were written since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                added = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(added)
        self._rest += added
        messages: list[Traced] = []
        while (entry := _ENTRY.search(self._rest)) is not None:
            end = entry.end() + int(entry["size"])
            if len(self._rest) < end:
                break
            stamp = datetime.fromisoformat(f"{entry['date'].decode()} {entry['time'].decode()}")
            at = self._epoch_at + (stamp - self._epoch).total_seconds()
            messages.append(read_message(self._rest[entry.end() : end], at, sent=entry["way"] == b"sent"))
            self._rest = self._rest[end:]
        return messages


@dataclass(slots=True)
class Talk:
    """Where a phone may send sound: it has to know where to, and to have said itself that it takes sound."""

    announced: set[tuple[str, int]] = field(default_factory=set)
    remote: tuple[str, int] | None = None
    offered: bool = False
    answered: bool = False

    def follow(self, message: Traced) -> tuple[str, int] | None:
        """Take the phone's next message into account; gives where to send from now on, or None."""
        status = message.status or 0
        # A re-INVITE that is refused leaves everything as it was (RFC 3261 §14.1).
        refused = message.method == "INVITE" and status >= 300 and not self.answered
        self.answered = self.answered or (message.method == "INVITE" and 200 <= status < 300)
        if refused or (message.status is None and message.method in ("BYE", "CANCEL")):
            self.remote, self.offered, self.answered = None, False, False
        elif (audio := message.audio) is not None and message.sent:
            self.offered = True
        elif audio is not None:
            self.announced.add(audio)
            self.remote = audio
        return self.remote if self.offered else None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, in seconds of `clock.now`."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is; 0 when it ends before it starts."""
        return max(0.0, self.end - self.start)

    def shrunk(self, guard: float) -> "Window":
        """The same without `guard` seconds at either side."""
        return Window(self.start + guard, self.end - guard)

    def without(self, others: Iterable["Window"]) -> list["Window"]:
        """What is left of it, in parts, when others are taken out; those come in their order."""
        parts: list[Window] = []
        start = self.start
        for other in others:
            if other.end > start and other.start < self.end:
                parts.append(Window(start, other.start))
                start = other.end
        parts.append(Window(start, self.end))
        return [part for part in parts if part.seconds]


def phases(messages: list[Traced], end: float) -> dict[str, list[Window]]:
    """When a phone's call was `early`, `answered` and `held`, by the phone's own messages.

    Early media lasts from the first 18x with SDP to the final response. From the 200 to the BYE or, without
    one, to `end` the call is answered, but for the stretches that begin with the 200 to an offer of less than
    both ways and end with the 200 to another offer. A phase that did not happen is not there.
    """
    found: dict[str, list[Window]] = {}
    phase, since, offer_held = "", 0.0, False

    def change(to: str, at: float) -> None:
        nonlocal phase, since
        if phase and phase != to:
            found.setdefault(phase, []).append(Window(since, at))
        if phase != to:
            phase, since = to, at

    for message in messages:
        talks = phase in ("answered", "held")
        if message.method == "INVITE" and message.status is None and message.body:
            offer_held = message.held
        elif message.method == "INVITE" and message.status is not None:
            if 180 <= message.status < 190 and message.audio and not phase:
                change("early", message.at)
            elif message.status >= 300 and message.status not in (401, 407) and not talks:
                change("", message.at)
            elif 200 <= message.status < 300:
                change("held" if offer_held or message.held else "answered", message.at)
        elif message.method == "BYE" and message.status is None:
            change("", message.at)
    change("", end)
    return found
