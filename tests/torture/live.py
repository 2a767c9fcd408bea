"""A stranger and two phones with real sockets, towards a `pbx run` that listens on loopback."""

import select
import socket
from collections.abc import Callable, Sequence
from typing import Final

from pbx.sip.flow import Address, Flow
from pbx.sip.framing import FramingError, StreamFraming
from pbx.sip.message import Message, Request, Response, parse

# Where the torture comes from. Most of its Vias ask for no rport, so answers go to the port of their
# sent-by: these are all that occur.
STRANGER: Final = "127.0.0.66"
STRANGER_PORTS: Final = (5060, 5050, 5070)
_PATIENCE_S: Final = 30.0
_PING: Final = (
    "OPTIONS sip:ping SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:5060;branch=z9hG4bK-{name}-{number};rport"
    "\r\nMax-Forwards: 1\r\nFrom: <sip:ping@ping.example>;tag=1\r\nTo: <sip:ping@ping.example>\r\n"
    "Call-ID: {name}-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


class LiveStranger:
    """Sends what it is given and says what came back.

    It never waits for silence: after each message it pings with OPTIONS, and what has come before the answer
    to that is all that the message was answered with, for the service works in order.
    """

    def __init__(self, udp: Address, tcp: Address) -> None:
        self._udp, self._tcp = udp, tcp
        self._pings = 0
        self._sockets: list[socket.socket] = []

    def open(self) -> None:
        """Raises OSError when somebody has its ports."""
        for port in STRANGER_PORTS:
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets.append(one)
            one.bind((STRANGER, port))

    def close(self) -> None:
        for one in self._sockets:
            one.close()

    def _ping(self, transport: str) -> tuple[str, bytes]:
        self._pings += 1
        values = {"transport": transport, "host": STRANGER, "name": "ping", "number": self._pings}
        return f"ping-{self._pings}", _PING.format(**values).encode()

    def udp(self, data: bytes) -> list[Message]:
        """The answers to one datagram."""
        call_id, ping = self._ping("UDP")
        self._sockets[0].sendto(data, self._udp)
        self._sockets[0].sendto(ping, self._udp)
        heard: list[Message] = []
        ponged = False
        while ready := select.select(self._sockets, [], [], 0 if ponged else _PATIENCE_S)[0]:
            for one in ready:
                message = parse(one.recv(65536))
                ponged |= message.get("call-id") == call_id
                heard.append(message)
        assert ponged, "the service does not answer any more"
        return [message for message in heard if not (message.get("call-id") or "").startswith("ping-")]

    def tcp(self, data: bytes) -> list[Message]:
        """The answers to what is sent on a connection of its own."""
        ours = StreamFraming().receive(data)
        with socket.create_connection(self._tcp, timeout=_PATIENCE_S, source_address=(STRANGER, 0)) as one:
            one.sendall(data)
            if not ours:
                return []  # it waits for the rest; the next message sees whether it lives
            call_id = "nothing"
            if not isinstance(ours[-1], FramingError):
                call_id, ping = self._ping("TCP")
                one.sendall(ping)
            framing, heard = StreamFraming(), list[Message]()
            while received := one.recv(65536):
                for item in framing.receive(received):
                    assert isinstance(item, bytes)
                    message = parse(item)
                    if message.get("call-id") == call_id:
                        return heard
                    heard.append(message)
            assert isinstance(ours[-1], FramingError), "the service closed a connection that was in step"
            return heard


class LiveNetwork:
    """Stands where `tests.service.phone.Phone` expects its house: carries its messages by real datagrams."""

    def __init__(self, service: Address) -> None:
        self._service = service
        self.listeners: dict[Address, Callable[[bytes, Flow], None]] = {}
        self.heard: list[str] = []
        self._sockets: dict[Address, socket.socket] = {}

    def bind(self) -> Address:
        """A new address for a phone."""
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("127.0.0.1", 0))
        name: Address = one.getsockname()
        self._sockets[name] = one
        return name

    def close(self) -> None:
        for one in self._sockets.values():
            one.close()

    def receive(self, data: bytes, flow: Flow) -> None:
        """A phone sends. A request other than ACK is answered before this returns, as in the house."""
        self._sockets[flow.remote].sendto(data, self._service)
        message = parse(data)
        if isinstance(message, Request) and message.method != "ACK":
            heard = self._deliver(_PATIENCE_S)
            while not any(self._answers(each, message) for each in heard):
                heard = self._deliver(_PATIENCE_S)
                assert heard, f"no answer to {message.method}"

    def until(self, condition: Callable[[], object]) -> None:
        """Deliver what comes until something is true."""
        while not condition():
            heard = self._deliver(_PATIENCE_S)
            assert heard, f"nothing comes any more, after {self.heard}"

    def _deliver(self, seconds: float) -> Sequence[Message]:
        ready = set(select.select(list(self._sockets.values()), [], [], seconds)[0])
        heard = []
        for name, one in list(self._sockets.items()):
            if one in ready:
                data = one.recv(65536)
                heard.append(parse(data))
                self.heard.append(f"{name[1]}: {heard[-1].start_line}")
                self.listeners[name](data, Flow("udp", self._service, name))
        return heard

    @staticmethod
    def _answers(answer: Message, request: Request) -> bool:
        return (
            isinstance(answer, Response)
            and answer.call_id == request.call_id
            and answer.get("cseq") == request.get("cseq")
        )
