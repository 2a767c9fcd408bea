"""A stand-in for a PBX, only good for trying the runner on: it challenges, and passes the rest on as it is.

Datagrams from the phone that registered go to the last phone that called, all others to the one registered.
Sound goes through two sockets of its own, one for each side, and can be spoilt on purpose.
"""

import re
import socket
from select import select
from threading import Event, Thread
from typing import Literal, Self

Sound = Literal["relayed", "lost", "returned", "bare"]

_CHALLENGE = 'Digest realm="pbx.test", nonce="n", algorithm=MD5, qop="auth"'


class Wire:
    """Runs in a thread of its own.

    `sound` is relayed under a new SSRC, lost, returned to who said it, or relayed bare (SSRC and all).
    """

    def __init__(self, sound: Sound = "relayed") -> None:
        self.sound = sound
        self._sip, self._to_caller, self._to_callee = (_bound() for _ in range(3))
        self._registered: tuple[str, int] | None = None
        self._caller: tuple[str, int] | None = None
        # Where each side wants its sound.
        self._caller_audio: tuple[str, int] | None = None
        self._callee_audio: tuple[str, int] | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        for each in (self._sip, self._to_caller, self._to_callee):
            each.close()

    @property
    def address(self) -> str:
        host, port = self._sip.getsockname()
        return f"{host}:{port}"

    def _run(self) -> None:
        while not self._stop.is_set():
            for readable in select((self._sip, self._to_caller, self._to_callee), (), (), 0.05)[0]:
                try:
                    data, source = readable.recvfrom(65535)
                except OSError:
                    continue
                if readable is self._sip:
                    self._receive(data.decode(), source)
                else:
                    self._relay(data, from_caller=readable is self._to_caller)

    def _relay(self, data: bytes, *, from_caller: bool) -> None:
        if self.sound == "lost":
            return
        if self.sound == "returned":
            from_caller = not from_caller
        if self.sound != "bare":
            data = data[:8] + (b"call" if from_caller else b"came") + data[12:]
        target = self._callee_audio if from_caller else self._caller_audio
        if target is not None:
            (self._to_callee if from_caller else self._to_caller).sendto(data, target)

    def _receive(self, text: str, source: tuple[str, int]) -> None:
        method = text.split(" ", 1)[0]
        challenged = "\r\nAuthorization:" in text
        if method in ("REGISTER", "INVITE") and not challenged:
            self._answer(text, "401 Unauthorized", source, f"WWW-Authenticate: {_CHALLENGE}")
        elif method == "ACK" and "CSeq: 1 ACK" in text and source != self._registered:
            return
        elif method == "REGISTER":
            here = re.search(r"Contact: (<[^>]*>)", text)
            self._registered = source if here else None
            self._answer(text, "200 OK", source, f"Contact: {here[1]};expires=120" if here else "")
        elif method == "INVITE" and self._registered is None:
            self._answer(text, "100 Trying", source)
            self._answer(text, "480 Temporarily Unavailable", source)
        elif source == self._registered:
            self._pass(text, self._caller)
        elif self._registered is not None:
            if method == "INVITE":
                self._caller = source
                self._answer(text, "100 Trying", source)
            shown = text.replace('"A phone"', "Alice").replace("User-Agent: caller-phone\r\n", "")
            self._pass(shown, self._registered)

    def _pass(self, text: str, target: tuple[str, int] | None) -> None:
        head, blank, body = text.partition("\r\n\r\n")
        if audio := re.search(r"m=audio (\d+)", body):
            wanted = ("127.0.0.1", int(audio[1]))
            if target == self._caller:
                self._callee_audio, side = wanted, self._to_caller
            else:
                self._caller_audio, side = wanted, self._to_callee
            body = body.replace(audio[0], f"m=audio {side.getsockname()[1]}")
            head = re.sub(r"Content-Length: *\d+", f"Content-Length: {len(body)}", head)
        if target is not None:
            self._sip.sendto((head + blank + body).encode(), target)

    def _answer(self, text: str, status: str, target: tuple[str, int], header: str = "") -> None:
        copied = [line for line in text.split("\r\n") if re.match(r"(Via|From|To|Call-ID|CSeq):", line)]
        lines = [f"SIP/2.0 {status}", *copied, *([header] if header else []), "Content-Length: 0", "", ""]
        self._sip.sendto("\r\n".join(lines).encode(), target)


def _bound() -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind(("127.0.0.1", 0))
    return bound
