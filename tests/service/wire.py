"""A caller on a real UDP socket, for services that run: it writes its messages by hand."""

import socket
from dataclasses import dataclass, field

from pbx.sip.message import Request, Response, parse

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)


def options(transport: str = "UDP") -> bytes:
    """An OPTIONS from outside our domain."""
    return (
        "OPTIONS sip:pbx.example SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} 127.0.0.1:9;branch=z9hG4bK{transport};rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:x@elsewhere.example>;tag=o\r\nTo: <sip:pbx.example>\r\n"
        f"Call-ID: options-{transport}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@dataclass
class Caller:
    """Somebody from elsewhere, whom nobody challenges. `pbx` is where it sends to."""

    pbx: tuple[str, int]
    line: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    serial: int = 0

    def __post_init__(self) -> None:
        self.line.bind(("127.0.0.1", 0))
        self.line.settimeout(60)

    def close(self) -> None:
        self.line.close()

    def __enter__(self) -> "Caller":  # noqa: PYI034  # a dataclass that nobody derives from
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, to: str, cseq: str, remote: str, body: str = "") -> None:
        host, port = self.line.getsockname()
        self.line.sendto(
            (
                f"{method} sip:{to}@pbx.example SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{port}-{self.serial}{cseq[-3:]};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:x@elsewhere.example>;tag=t{self.serial}\r\n{remote}"
                f"Call-ID: {port}-{self.serial}\r\nCSeq: {cseq}\r\nContact: <sip:x@{host}:{port}>\r\n"
                + ("Content-Type: application/sdp\r\n" if body else "")
                + f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.pbx,
        )

    def invite(self, to: str, body: str = SDP) -> None:
        """Begin a new call."""
        self.serial += 1
        self._send("INVITE", to, "1 INVITE", f"To: <sip:{to}@pbx.example>\r\n", body)

    def acknowledge(self, response: Response) -> None:
        """ACK the final response of the last INVITE."""
        cseq = "1 ACK" if response.status < 300 else "1 INVITE"
        to = response.get("to") or ""
        user = response.to.uri.username
        # The ACK of a refusal has the branch of its INVITE (RFC 3261 §17.1.1.3).
        host, port = self.line.getsockname()
        branch = f"z9hG4bK{port}-{self.serial}{cseq[-3:]}"
        self.line.sendto(
            (
                f"ACK sip:{user}@pbx.example SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch={branch};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:x@elsewhere.example>;tag=t{self.serial}\r\nTo: {to}\r\n"
                f"Call-ID: {port}-{self.serial}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            self.pbx,
        )

    def answer(self, request: Request) -> None:
        """200 for a request that came."""
        headers = "".join(f"Via: {via}\r\n" for via in request.all("via")) + "".join(
            f"{name}: {request.get(name)}\r\n" for name in ("from", "to", "call-id", "cseq")
        )
        self.line.sendto(f"SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n".encode(), self.pbx)

    def answer_with(self, invite: Request, body: str) -> None:
        """200 with a description, for an INVITE that came."""
        host, port = self.line.getsockname()
        headers = "".join(f"Via: {via}\r\n" for via in invite.all("via")) + "".join(
            f"{name}: {invite.get(name)}\r\n" for name in ("from", "call-id", "cseq")
        )
        self.line.sendto(
            (
                f"SIP/2.0 200 OK\r\n{headers}To: {invite.get('to')};tag=callee\r\n"
                f"Contact: <sip:callee@{host}:{port}>\r\nContent-Type: application/sdp\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.pbx,
        )

    def hear(self) -> Request | Response:
        """The next message. Raises TimeoutError."""
        return parse(self.line.recv(65536))

    def final(self) -> Response:
        """The next final response, acknowledged."""
        while True:
            heard = self.hear()
            if isinstance(heard, Response) and heard.status >= 200:
                self.acknowledge(heard)
                return heard
