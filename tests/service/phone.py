"""A scripted phone: it writes its messages by hand, so that our own printer is not its own judge."""

from dataclasses import dataclass, field

from pbx.sip.digest import DigestChallenge, authorize
from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response, parse
from tests.service.house import DOMAIN, OURS, House

SDP = (
    "v=0\r\no={name} 1 {version} IN IP4 {host}\r\ns=secret session\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {formats}\r\n{maps}a={direction}\r\n"
)
MAPS = {
    0: "a=rtpmap:0 PCMU/8000\r\n",
    8: "a=rtpmap:8 PCMA/8000\r\n",
    9: "a=rtpmap:9 G722/8000\r\n",
    101: "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
    96: "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n",
}


@dataclass
class Heard:
    """A message the phone received, with the flow it came by."""

    message: Request | Response
    flow: Flow


@dataclass
class Phone:
    """One phone at one address. Its messages are checked by `house`'s tests; it has no timers."""

    house: House
    name: str
    host: str
    port: int = 5060
    rtp_port: int = 40000
    formats: tuple[int, ...] = (0, 8, 101)
    heard: list[Heard] = field(default_factory=list)
    _serial: int = 0

    def __post_init__(self) -> None:
        self.flow = Flow("udp", OURS, (self.host, self.port))
        self.house.listeners[self.flow.remote] = self._receive

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.heard.append(Heard(parse(data), flow))

    # -- what it has heard -----------------------------------------------------------------------------------

    def responses(self, method: str = "INVITE") -> list[int]:
        return [
            each.message.status
            for each in self.heard
            if isinstance(each.message, Response) and each.message.cseq.method == method
        ]

    def response(self, method: str = "INVITE") -> Response:
        """The last response to a method."""
        return next(
            each.message
            for each in reversed(self.heard)
            if isinstance(each.message, Response) and each.message.cseq.method == method
        )

    def requests(self, method: str) -> list[Request]:
        return [
            each.message
            for each in self.heard
            if isinstance(each.message, Request) and each.message.method == method
        ]

    def methods(self) -> list[str]:
        return [each.message.method for each in self.heard if isinstance(each.message, Request)]

    # -- sending ---------------------------------------------------------------------------------------------

    def send(self, text: str, body: str = "") -> None:
        data = f"{text}Content-Length: {len(body)}\r\n\r\n{body}".encode()
        self.house.receive(data, self.flow)

    def sdp(self, *, direction: str = "sendrecv", version: int = 1, **changes: object) -> str:
        formats = changes.pop("formats", self.formats)
        assert isinstance(formats, tuple)
        values = {"name": self.name, "host": self.host, "port": self.rtp_port, **changes}
        return SDP.format(
            **values,
            direction=direction,
            version=version,
            formats=" ".join(str(each) for each in formats),
            maps="".join(MAPS[each] for each in formats),
        )

    def branch(self) -> str:
        self._serial += 1
        return f"z9hG4bK-{self.name}-{self._serial}"

    def via(self, branch: str) -> str:
        return f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport\r\n"

    def register(self, expires: int = 3600) -> None:
        """Register, answering the challenge."""
        for authorization in self._with_challenge("REGISTER", f"sip:{DOMAIN}"):
            self._serial += 1
            self.send(
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n{self.via(self.branch())}Max-Forwards: 70\r\n"
                f"From: <sip:{self.name}@{DOMAIN}>;tag=reg\r\nTo: <sip:{self.name}@{DOMAIN}>\r\n"
                f"Call-ID: reg-{self.name}-{self.host}\r\nCSeq: {self._serial} REGISTER\r\n"
                f"Contact: <sip:{self.name}@{self.host}:{self.port}>;expires={expires}\r\n{authorization}"
            )
        assert self.response("REGISTER").status == 200

    def _with_challenge(self, method: str, uri: str) -> list[str]:
        """No credentials first; the second item is made when the first has been answered."""
        phone = self

        class Twice(list[str]):
            def __iter__(self):  # type: ignore[no-untyped-def]  # a generator of two strings
                yield ""
                response = phone.response(method)
                if response.status == 401:
                    challenge = DigestChallenge.parse(response.get("www-authenticate") or "")
                    assert challenge is not None
                    credentials = authorize(
                        challenge, phone.name, f"secret-{phone.name}", method, uri, cnonce="c0ffee"
                    )
                    yield f"Authorization: {credentials}\r\n"

        return Twice()

    def invite(
        self, to: str, *, body: str | None = None, extra: str = "", authenticate: bool = True
    ) -> "Dialogue":
        """INVITE `to`, answering the challenge."""
        dialogue = Dialogue(
            self, f"call-{self.name}-{self.host}-{self._serial}", to, f"tag-{self.name}-{self._serial}"
        )
        sdp = self.sdp() if body is None else body
        content = "Content-Type: application/sdp\r\n" if sdp else ""
        for authorization in self._with_challenge("INVITE", f"sip:{to}@{DOMAIN}"):
            if dialogue.branch:
                dialogue.acknowledge_refusal()
            dialogue.branch = self.branch()
            dialogue.cseq += 1
            self.send(
                f"INVITE sip:{to}@{DOMAIN} SIP/2.0\r\n{self.via(dialogue.branch)}Max-Forwards: 70\r\n"
                f"{dialogue.identity()}CSeq: {dialogue.cseq} INVITE\r\n"
                f"Contact: <sip:{self.name}@{self.host}>\r\n"
                f"{content}{authorization}{extra}",
                sdp,
            )
            if not authenticate:
                break
        return dialogue

    def answer(
        self, request: Request, status: int, *, body: str = "", tag: str = "", extra: str = ""
    ) -> None:
        """Respond to a request we were sent."""
        to = request.get("to") or ""
        if "tag=" not in to and status > 100:
            to += f";tag={tag or 'tag-' + self.name}"
        vias = "".join(f"Via: {via}\r\n" for via in request.all("via"))
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.send(
            f"SIP/2.0 {status} Whatever They Say\r\n{vias}From: {request.get('from')}\r\nTo: {to}\r\n"
            f"Call-ID: {request.call_id}\r\nCSeq: {request.get('cseq')}\r\n"
            f"Contact: <sip:{self.name}@{self.host}:{self.port}>\r\n{content}{extra}",
            body,
        )

    def answer_last(self, status: int, method: str = "INVITE", **more: str) -> Request:
        request = self.requests(method)[-1]
        self.answer(request, status, **more)
        return request


@dataclass
class Dialogue:
    """One call as the phone that made it, or answered it, sees it."""

    phone: Phone
    call_id: str
    peer: str
    tag: str
    cseq: int = 0
    branch: str = ""
    remote: str = ""
    local: str = ""

    @classmethod
    def answered(cls, phone: Phone, invite: Request) -> "Dialogue":
        """The dialogue of a call that `phone` was asked to take and has answered with its usual tag."""
        made = cls(phone, invite.call_id, "", "", cseq=100)
        made.remote = invite.get("from") or ""
        made.local = f"{invite.get('to')};tag=tag-{phone.name}"
        return made

    def identity(self) -> str:
        local = self.local or f'"{self.phone.name} person" <sip:{self.phone.name}@{DOMAIN}>;tag={self.tag}'
        remote = self.remote or f"<sip:{self.peer}@{DOMAIN}>"
        return f"From: {local}\r\nTo: {remote}\r\nCall-ID: {self.call_id}\r\n"

    def _learn(self) -> None:
        if not self.remote:
            self.remote = self.phone.response().get("to") or ""

    def request(self, method: str, *, body: str = "", extra: str = "", cseq: int | None = None) -> None:
        """A request within the dialog."""
        self._learn()
        if cseq is None:
            self.cseq += 1
        number = self.cseq if cseq is None else cseq
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.phone.send(
            f"{method} sip:pbx@{OURS[0]}:{OURS[1]} SIP/2.0\r\n{self.phone.via(self.phone.branch())}"
            f"Max-Forwards: 70\r\n{self.identity()}CSeq: {number} {method}\r\n"
            f"Contact: <sip:{self.phone.name}@{self.phone.host}:{self.phone.port}>\r\n{content}{extra}",
            body,
        )

    def ack(self, body: str = "") -> None:
        self.request("ACK", body=body, cseq=self.cseq)

    def bye(self) -> None:
        self.request("BYE")

    def acknowledge_refusal(self) -> None:
        """The ACK of a final response other than 2xx (RFC 3261 §17.1.1.3)."""
        response = self.phone.response()
        self.phone.send(
            f"ACK sip:{self.peer}@{DOMAIN} SIP/2.0\r\n{self.phone.via(self.branch)}Max-Forwards: 70\r\n"
            f"From: {response.get('from')}\r\nTo: {response.get('to')}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} ACK\r\n"
        )

    def cancel(self) -> None:
        self.phone.send(
            f"CANCEL sip:{self.peer}@{DOMAIN} SIP/2.0\r\n{self.phone.via(self.branch)}Max-Forwards: 70\r\n"
            f"{self.identity()}CSeq: {self.cseq} CANCEL\r\n"
        )
