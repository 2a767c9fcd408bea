"""A stranger's end of the wire: raw bytes to a PBX in memory, by datagram or stream, and what comes back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pbx.sip.flow import Flow
from pbx.sip.framing import FramingError, KeepAlive, StreamFraming
from pbx.sip.message import Message, Response, is_keepalive, parse
from pbx.sip.outputs import Transmit
from tests.service.house import OURS, House

STRANGER = ("203.0.113.66", 45066)


@dataclass
class Datagrams:
    """A peer that sends each message as one datagram."""

    house: House
    flow: Flow = field(default_factory=lambda: Flow("udp", OURS, STRANGER))

    def send(self, data: bytes) -> list[Transmit]:
        """What the PBX sends, to whomever, because of a datagram."""
        before = len(self.house.sent)
        if not is_keepalive(data):
            self.house.receive(data, self.flow)
        return self.house.sent[before:]

    def close(self) -> None:
        """A datagram's sender says nothing when it goes."""


@dataclass
class Stream:
    """A peer with one connection, which the PBX closes when it cannot be read on."""

    house: House
    flow: Flow = field(default_factory=lambda: Flow("tcp", OURS, STRANGER, 66))
    closed: bool = False
    _framing: StreamFraming = field(default_factory=StreamFraming)

    def send(self, data: bytes) -> list[Transmit]:
        """What the PBX sends, to whomever, because of some octets of the stream."""
        before = len(self.house.sent)
        for item in self._framing.receive(data):
            match item:
                case KeepAlive():
                    pass
                case FramingError():
                    house = self.house
                    house.carry_out(house.switch.receive_unframed(item, self.flow, house.now))
                    self.close()
                case _:
                    self.house.receive(item, self.flow)
        return self.house.sent[before:]

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.house.carry_out(self.house.switch.flow_closed(self.flow, self.house.now))


Peer = Datagrams | Stream
TRANSPORTS: dict[str, Callable[[House], Peer]] = {"udp": Datagrams, "tcp": Stream}


def messages(sent: Sequence[Transmit]) -> list[Message]:
    return [parse(each.data) for each in sent]


def first_final(sent: Sequence[Message]) -> int | None:
    """The status of the first final response, None when there is none."""
    statuses = (message.status for message in sent if isinstance(message, Response))
    return next((status for status in statuses if status >= 200), None)
