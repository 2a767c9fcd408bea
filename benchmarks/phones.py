"""The two ends of calls that talk: each placed and answered by hand, its audio left to others."""

import re
import socket
from types import TracebackType
from typing import Self

from benchmarks.subject import NUMBER, Subject
from pbx.cli.interop.ports import IPV4 as HOST
from pbx.errors import OperatorError
from pbx.sip.message import Request, Response, parse, respond

_PATIENCE_S = 20.0
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
        # What the callee heard, by Call-ID and method, and what it said to it.
        self._heard: dict[tuple[str | None, str], Response | None] = {}

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
        invite = self._asked("INVITE")
        contact = ("contact", f"<sip:callee@{HOST}:{self._callee.getsockname()[1]}>")
        accepted = respond(
            invite,
            200,
            to_tag=f"d{len(self._up)}",
            headers=[contact],
            body=_description(callee_audio),
            content_type="application/sdp",
        )
        self._answer(invite, accepted)
        final = self._final(len(self._up), "INVITE")
        self._up.append(final)
        self._send("ACK", str(final.contacts[0].uri), str(final.to))
        self._answer(self._asked("ACK", invite.get("call-id")), None)
        return _port_in(final.body), _port_in(invite.body)

    def _hang_up(self, accepted: Response) -> None:
        # The tag of a call is its number, from which `_send` takes Call-ID and branch.
        number = int((accepted.from_.tag or "c0")[1:])
        self._send("BYE", str(accepted.contacts[0].uri), str(accepted.to), number=number)
        bye = self._asked("BYE")
        self._answer(bye, respond(bye, 200, to_tag="d"))
        self._final(number, "BYE")

    def _asked(self, method: str, call_id: str | None = None) -> Request:
        """The next request of this kind that is new to the callee.

        What the service says again, because the machine stood still, is answered again; what it says to
        those who had the callee's port before, is answered, too.
        """
        while True:
            request = self._read(self._callee)
            if not isinstance(request, Request):
                raise OperatorError(f"the callee heard {request.status} where {method} was due")
            known = (request.get("call-id"), request.method)
            if known in self._heard:
                self._answer(request, self._heard[known])
            elif request.method == method and call_id in (None, request.get("call-id")):
                return request
            else:
                self._answer(request, None if request.method == "ACK" else respond(request, 200, to_tag="d"))

    def _answer(self, request: Request, response: Response | None) -> None:
        self._heard[request.get("call-id"), request.method] = response
        if response is not None:
            self._callee.sendto(response.encode(), self._service)

    def _send(self, method: str, uri: str, to: str, audio: int = 0, *, number: int | None = None) -> None:
        number = len(self._up) - (method == "ACK") if number is None else number
        body = _description(audio) if audio else b""
        headers = [
            ("via", f"SIP/2.0/UDP {HOST}:{self._port};branch=z9hG4bK{method}{number};rport"),
            ("max-forwards", "70"),
            ("from", f'"Bench" <sip:bench@{HOST}:{self._port}>;tag=c{number}'),
            ("to", to or f"<{uri}>"),
            ("call-id", self._call_id(number)),
            ("cseq", f"{2 if method == 'BYE' else 1} {method}"),
            ("contact", f"<sip:bench@{HOST}:{self._port}>"),
        ]
        if body:
            headers.append(("content-type", "application/sdp"))
        self._caller.sendto(Request.make(method, uri, headers, body).encode(), self._service)

    def _final(self, number: int, method: str) -> Response:
        """The final response to a request of the caller's, which has to be a success."""
        while True:
            message = self._read(self._caller)
            if not isinstance(message, Response) or message.status < 200:
                continue
            # Others come again, because the machine stood still.
            ours = message.get("call-id") == self._call_id(number)
            if not ours or not (message.get("cseq") or "").endswith(method):
                continue
            if message.status >= 300:
                raise OperatorError(f"a call was refused with {message.status} {message.reason}")
            return message

    def _call_id(self, number: int) -> str:
        return f"{number}@{HOST}:{self._port}"

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
