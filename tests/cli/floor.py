"""Phones on real sockets that signal, talk and listen: each says a tone and remembers what it heard."""

import re
import socket
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from time import perf_counter

import numpy as np

from pbx.media.companding import LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.sip.digest import DigestChallenge, authorize
from pbx.sip.message import Request, Response, parse

DOMAIN = "pbx.example"
_RATE = 8000
_FRAME = 160


def tone(
    frequency: int, seconds: float, amplitude: float = 5000.0
) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    """A tone; its frequency in whole steps of 50 Hz repeats in every frame."""
    at = np.arange(round(seconds * _RATE))
    return (amplitude * np.sin(2 * np.pi * frequency * at / _RATE)).astype(np.int16)


class Phone:
    """One phone. An agent answers what rings; a caller calls. `log` has what happened, with its time."""

    def __init__(self, pbx: tuple[str, int], name: str, frequency: int) -> None:
        self.pbx, self.name, self.frequency = pbx, name, frequency
        self.sip, self.rtp = _bound(), _bound()
        self.frame = LINEAR_TO_ULAW[tone(frequency, 0.02).view(np.uint16)].tobytes()
        self.heard: list[tuple[float, bytes]] = []
        self.log: list[tuple[float, str]] = []
        self.talks_to: tuple[str, int] | None = None
        self.from_whom: list[str] = []
        self.takes = True
        self.to = ""
        self.call_id = ""
        self.invite: Request | None = None
        self.cseq = 1
        self._sequence = 0

    @property
    def uri(self) -> str:
        return f"sip:{self.name}@127.0.0.1:{self.sip.getsockname()[1]}"

    def say(self, what: str) -> None:
        self.log.append((perf_counter(), what))

    def when(self, what: str) -> list[float]:
        return [at for at, each in self.log if each == what]

    def sdp(self) -> str:
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )

    # -- what it sends ---------------------------------------------------------------------------------------

    def send(self, method: str, uri: str, to: str, cseq: str, body: str = "", extra: str = "") -> None:
        port = self.sip.getsockname()[1]
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.sip.sendto(
            (
                f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};"
                f"branch=z9hG4bK{port}{cseq.replace(' ', '')};rport\r\nMax-Forwards: 70\r\n"
                f"From: <sip:{self.name}@elsewhere.example>;tag=f{port}\r\nTo: {to}\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: {cseq}\r\nContact: <{self.uri}>\r\n{content}{extra}"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            self.pbx,
        )

    def call(self, number: str) -> None:
        self.call_id, self.to = f"{self.name}-{self.cseq}", f"<sip:{number}@{DOMAIN}>"
        self.send("INVITE", f"sip:{number}@{DOMAIN}", self.to, f"{self.cseq} INVITE", self.sdp())
        self.say("called")

    def hang_up(self) -> None:
        """End the call, whoever began it."""
        self.say("hung up")
        self.talks_to = None
        if self.invite is None:
            self.cseq += 1
            self.send("BYE", f"sip:pbx@{self.pbx[0]}:{self.pbx[1]}", self.to, f"{self.cseq} BYE")
            return
        invite, port = self.invite, self.sip.getsockname()[1]
        self.sip.sendto(
            (
                f"BYE sip:pbx@{self.pbx[0]}:{self.pbx[1]} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};"
                f"branch=z9hG4bKb{port}{len(self.log)};rport\r\nMax-Forwards: 70\r\n"
                f"From: {invite.get('to')};tag=a{port}\r\nTo: {invite.get('from')}\r\n"
                f"Call-ID: {invite.call_id}\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            self.pbx,
        )

    def register(self, user: str, password: str, answer: Response | None = None) -> None:
        self.call_id, self.cseq = f"register-{user}", self.cseq + 1
        extra = ""
        if answer is not None:
            challenge = DigestChallenge.parse(answer.get("www-authenticate") or "")
            assert challenge is not None
            credentials = authorize(challenge, user, password, "REGISTER", f"sip:{DOMAIN}", cnonce="c0ffee")
            extra = f"Authorization: {credentials}\r\n"
        self._secret = (user, password)
        to = f"<sip:{user}@{DOMAIN}>"
        port = self.sip.getsockname()[1]
        self.sip.sendto(
            (
                f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bKr{self.cseq};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: {to};tag=r\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\n"
                f"CSeq: {self.cseq} REGISTER\r\nContact: <{self.uri}>;expires=600\r\n{extra}"
                "Content-Length: 0\r\n\r\n"
            ).encode(),
            self.pbx,
        )

    # -- what it receives ------------------------------------------------------------------------------------

    def receive(self, data: bytes, where: tuple[str, int]) -> None:
        message = parse(data)
        if isinstance(message, Request):
            self._asked(message, where)
        elif message.cseq.method == "REGISTER":
            if message.status == 401:
                self.register(*self._secret, message)
            else:
                self.say(f"registered {message.status}")
        elif message.cseq.method == "INVITE" and message.status >= 200:
            if message.status < 300:
                self.to = message.get("to") or ""
                self.talks_to = _media_of(message.body)
            self.say(f"got {message.status}")
            uri = f"sip:pbx@{self.pbx[0]}:{self.pbx[1]}"
            cseq = f"{message.cseq.number} ACK" if message.status < 300 else f"{message.cseq.number} INVITE"
            if message.status < 300:
                self.send("ACK", uri, message.get("to") or "", cseq)
            else:
                self.send_ack_of_refusal(message)

    def send_ack_of_refusal(self, message: Response) -> None:
        port = self.sip.getsockname()[1]
        self.sip.sendto(
            (
                f"ACK sip:x@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};"
                f"branch=z9hG4bK{port}{message.cseq.number}INVITE;rport\r\nMax-Forwards: 70\r\n"
                f"From: {message.get('from')}\r\nTo: {message.get('to')}\r\nCall-ID: {message.call_id}\r\n"
                f"CSeq: {message.cseq.number} ACK\r\nContent-Length: 0\r\n\r\n"
            ).encode(),
            self.pbx,
        )

    def _asked(self, request: Request, where: tuple[str, int]) -> None:
        if request.method == "ACK":
            return
        body = ""
        if request.method == "INVITE":
            if not self.takes:
                return
            if self.invite is None or self.invite.call_id != request.call_id:
                found = re.search(r"sip:([^@]+)@", request.get("from") or "")
                self.from_whom.append(found[1] if found else "")
                self.say("answered")
            self.invite = request
            self.talks_to = _media_of(request.body)
            body = self.sdp()
        elif request.method == "BYE":
            self.talks_to = None
            self.say("left")
        vias = "".join(f"Via: {via}\r\n" for via in request.all("via"))
        to = request.get("to") or ""
        tag = "" if "tag=" in to else f";tag=a{self.sip.getsockname()[1]}"
        content = "Content-Type: application/sdp\r\n" if body else ""
        self.sip.sendto(
            (
                f"SIP/2.0 200 OK\r\n{vias}From: {request.get('from')}\r\nTo: {to}{tag}\r\n"
                f"Call-ID: {request.call_id}\r\nCSeq: {request.get('cseq')}\r\nContact: <{self.uri}>\r\n"
                f"{content}Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode(),
            where,
        )

    # -- sound -----------------------------------------------------------------------------------------------

    def talk(self) -> None:
        """One packet."""
        if self.talks_to is not None:
            self._sequence += 1
            head = b"\x80\x00" + (self._sequence & 0xFFFF).to_bytes(2, "big")
            head += (self._sequence * _FRAME).to_bytes(4, "big") + self.frequency.to_bytes(4, "big")
            self.rtp.sendto(head + self.frame, self.talks_to)

    def hears(self, frequencies: "set[int]", since: float, until: float) -> set[int]:
        """Which of these tones there were between two moments."""
        octets = b"".join(payload for at, payload in self.heard if since <= at <= until)
        samples = ULAW_TO_LINEAR[np.frombuffer(octets, np.uint8)].astype(np.float64)
        if len(samples) < 4 * _FRAME:
            return set()
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) * 4 / len(samples)
        found = set()
        for frequency in frequencies:
            at = round(frequency * len(samples) / _RATE)
            if spectrum[max(0, at - 3) : at + 4].max() > 800:
                found.add(frequency)
        return found


class Floor:
    """All phones, in one thread: what comes is taken, and every 20 ms everybody says a packet."""

    def __init__(self) -> None:
        self.phones: list[Phone] = []
        self._selector = DefaultSelector()
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def add(self, phone: Phone) -> Phone:
        """Before it begins."""
        self.phones.append(phone)
        self._selector.register(phone.sip, EVENT_READ, (phone, False))
        self._selector.register(phone.rtp, EVENT_READ, (phone, True))
        return phone

    def __enter__(self) -> "Floor":  # noqa: PYI034 -- nobody derives from it
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for phone in self.phones:
            phone.sip.close()
            phone.rtp.close()

    def _run(self) -> None:
        due = perf_counter()
        while not self._stop.is_set():
            for key, _ in self._selector.select(max(0.0, due - perf_counter())):
                phone, is_sound = key.data
                data, where = key.fileobj.recvfrom(2048)  # type: ignore[union-attr]
                if is_sound:
                    phone.heard.append((perf_counter(), data[12:]))
                else:
                    phone.receive(data, where)
            if perf_counter() >= due:
                due += 0.02
                for phone in self.phones:
                    phone.talk()


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    return made


def _media_of(body: bytes) -> tuple[str, int]:
    found = re.search(rb"^m=audio (\d+)", body, re.MULTILINE)
    assert found
    return "127.0.0.1", int(found[1])
