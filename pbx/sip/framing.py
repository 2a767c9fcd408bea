"""Messages out of a byte stream, by Content-Length (RFC 3261 §18.3), and keep-alives (RFC 5626 §3.5.1)."""

import re
from dataclasses import dataclass
from typing import Final

from pbx.errors import PeerError
from pbx.sip.grammar import parse_number
from pbx.sip.limits import (
    BODY_TOO_LARGE,
    HEADERS_TOO_LARGE,
    MAX_BODY,
    MAX_CONTENT_LENGTH,
    MAX_HEADER_SECTION,
)
from pbx.sip.message import MalformedMessage, Request, parse
from pbx.sip.validation import answerable

_EMPTY_LINE: Final = b"\r\n\r\n"
_fold: Final = re.compile(rb"\r\n[ \t]+").sub
_content_lengths: Final = re.compile(rb"\r\n(?:content-length|l)[ \t]*:([^\r\n]*)", re.IGNORECASE).findall


@dataclass(slots=True)
class KeepAlive:
    """The peer sent CRLF CRLF between messages; answer CRLF."""


@dataclass(slots=True)
class FramingError:
    """Where the next message begins cannot be known: answer `fault`, when it has a request, and close.

    It is the last thing a stream gives; whatever comes after it is ignored.
    """

    fault: MalformedMessage


Framed = bytes | KeepAlive | FramingError


class StreamFraming:
    """The reader of one stream. It keeps at most one header section and one body, whatever the peer sends.

    Faults that leave the stream in step (a bad header, say) are not its affair: `parse` finds them.
    """

    __slots__ = ("_buffer", "_end", "_failed", "_searched")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no empty line begins before this offset
        self._end = 0  # where the message at the start of the buffer ends; 0 when not known yet
        self._failed = False

    @property
    def kept(self) -> int:
        """Octets that wait for the rest of their message."""
        return len(self._buffer)

    def receive(self, data: bytes) -> list[Framed]:
        """Take what the stream gave; return the messages and pings that are complete, in order."""
        framed: list[Framed] = []
        if self._failed:
            return framed
        self._buffer += data
        while (item := self._next()) is not None:
            framed.append(item)
            if isinstance(item, FramingError):
                self._failed = True
                self._buffer.clear()
                break
        return framed

    def _next(self) -> Framed | None:
        buffer = self._buffer
        if not self._end:
            while buffer[:2] == b"\r\n":
                if buffer[:4] == _EMPTY_LINE:
                    del buffer[:4]
                    return KeepAlive()
                if _EMPTY_LINE.startswith(buffer):
                    return None
                del buffer[:2]
            head_end = buffer.find(_EMPTY_LINE, self._searched)
            if head_end > MAX_HEADER_SECTION or (head_end < 0 and len(buffer) >= MAX_HEADER_SECTION + 4):
                return self._error(PeerError(513, HEADERS_TOO_LARGE), MAX_HEADER_SECTION + 4)
            if head_end < 0:
                self._searched = max(0, len(buffer) - 3)
                return None
            try:
                body_length = _body_length(bytes(buffer[:head_end]))
            except PeerError as error:
                return self._error(error, head_end + 4)
            self._searched = 0
            self._end = head_end + 4 + body_length
        if len(buffer) < self._end:
            return None
        message = bytes(buffer[: self._end])
        del buffer[: self._end]
        self._end = 0
        return message

    def _error(self, error: PeerError, end: int) -> FramingError:
        request: Request | None
        try:
            message = parse(bytes(self._buffer[:end]))
        except MalformedMessage as fault:
            request = fault.request
        else:
            request = answerable(message) if isinstance(message, Request) else None
        return FramingError(MalformedMessage(error.status, error.reason, request))


def _body_length(head: bytes) -> int:
    """Content-Length, which a stream must have (§20.14). 400 when absent, doubled or malformed; 413."""
    found = _content_lengths(_fold(b" ", head))
    if len(found) != 1:
        raise PeerError(400, "More Than One Content-Length" if found else "Missing Content-Length")
    text = found[0].decode("utf-8", "surrogateescape").strip(" \t")
    length = parse_number(text, MAX_CONTENT_LENGTH, "Content-Length")
    if length > MAX_BODY:
        raise PeerError(413, BODY_TOO_LARGE)
    return length
