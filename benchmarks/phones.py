"""The two ends of calls that talk: each placed and answered by hand, its audio left to others."""

import re
import socket
from types import TracebackType
from typing import Self

from benchmarks.subject import NUMBER, Subject
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.errors import OperatorError
from pbx.sip.message import Request, Response, parse, respond

_PATIENCE_S = 5.0
_audio_port = re.compile(rb"m=audio ([0-9]+) ").search


class Phones:
    """A caller and a callee, and the calls that are up between them; a context manager that hangs up."""

    def __init__(self, subject: Subject) -> None:
        host, _, port = subject.address.rpartition(":")
        self._service = (host, int(port))
        self._caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._callee = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._caller.bind((HOST, 0))
        self._callee.bind((HOST, subject.callee_port))
        self._port = self._caller.getsockname()[1]
        self._up: list[Response] = []

    def __enter__(self) -> Self:
        for each in (self._caller, self._callee):
            each.settimeout(_PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for accepted in self._up:
                    self._hang_up(accepted)
        finally:
            self._caller.close()
            self._callee.close()

    def place(self, caller_audio: int, callee_audio: int) -> tuple[int, int]:
        """Set up a call between two audio ports; the ports of the service that each has to send to."""
        self._send("INVITE", f"sip:{NUMBER}@{HOST}:{self._service[1]}", "", caller_audio)
        while (invite := self._heard(self._callee)).method != "INVITE":
            self._answer(invite)
        contact = ("contact", f"<sip:callee@{HOST}:{self._callee.getsockname()[1]}>")
        accepted = respond(
            invite,
            200,
            to_tag=f"d{len(self._up)}",
            headers=[contact],
            body=_description(callee_audio),
            content_type="application/sdp",
        )
        self._callee.sendto(accepted.encode(), self._service)
        final = self._final()
        self._up.append(final)
        self._send("ACK", str(final.contacts[0].uri), str(final.to))
        if (request := self._heard(self._callee)).method != "ACK":
            raise OperatorError(f"the callee heard {request.method} where ACK was due")
        return _port_in(final.body), _port_in(invite.body)

    def _hang_up(self, accepted: Response) -> None:
        # The tag of a call is its number, from which `_send` takes Call-ID and branch.
        number = int((accepted.from_.tag or "c0")[1:])
        self._send("BYE", str(accepted.contacts[0].uri), str(accepted.to), number=number)
        self._answer(self._heard(self._callee))
        self._final()

    def _answer(self, request: Request) -> None:
        if request.method != "ACK":
            self._callee.sendto(respond(request, 200, to_tag="d").encode(), self._service)

    def _send(self, method: str, uri: str, to: str, audio: int = 0, *, number: int | None = None) -> None:
        number = len(self._up) - (method == "ACK") if number is None else number
        body = _description(audio) if audio else b""
        headers = [
            ("via", f"SIP/2.0/UDP {HOST}:{self._port};branch=z9hG4bK{method}{number};rport"),
            ("max-forwards", "70"),
            ("from", f'"Bench" <sip:bench@{HOST}:{self._port}>;tag=c{number}'),
            ("to", to or f"<{uri}>"),
            ("call-id", f"{number}@{HOST}:{self._port}"),
            ("cseq", f"{2 if method == 'BYE' else 1} {method}"),
            ("contact", f"<sip:bench@{HOST}:{self._port}>"),
        ]
        if body:
            headers.append(("content-type", "application/sdp"))
        self._caller.sendto(Request.make(method, uri, headers, body).encode(), self._service)

    def _heard(self, who: socket.socket) -> Request:
        message = self._read(who)
        if not isinstance(message, Request):
            raise OperatorError(f"a phone heard {message.status} where a request was due")
        return message

    def _final(self) -> Response:
        """The final response the caller waits for, which has to be a success."""
        while True:
            message = self._read(self._caller)
            if isinstance(message, Response) and message.status >= 200:
                if message.status >= 300:
                    raise OperatorError(f"a call was refused with {message.status} {message.reason}")
                return message

    @staticmethod
    def _read(who: socket.socket) -> Request | Response:
        try:
            return parse(who.recv(65536))
        except TimeoutError:
            raise OperatorError("a phone heard nothing", "see the log of the service") from None


def _description(port: int) -> bytes:
    lines = ["v=0", f"o=- {port} 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
    lines += [f"m=audio {port} RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=ptime:20", "a=sendrecv", ""]
    return "\r\n".join(lines).encode()


def _port_in(body: bytes) -> int:
    found = _audio_port(body)
    if found is None:
        raise OperatorError("an answer without an audio port")
    return int(found[1])
