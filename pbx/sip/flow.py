"""A flow: the pair of addresses that messages to one peer go along (RFC 5626 §2)."""

from dataclasses import dataclass, field
from typing import Literal

Transport = Literal["udp", "tcp"]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """Our listening socket, the peer's address and, for streams, the connection.

    `local` names the listening socket (its bound host and port), not the address a packet leaves from.
    `connection` numbers an open stream; 0 is a datagram flow, or a stream still to be opened.
    """

    transport: Transport
    local: Address
    remote: Address
    connection: int = 0
    reliable: bool = field(init=False, repr=False, compare=False)
    """Whether the transport retransmits by itself (RFC 3261 §17)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reliable", self.transport != "udp")

    def __str__(self) -> str:
        host, port = self.remote
        return f"{self.transport}:[{host}]:{port}" if ":" in host else f"{self.transport}:{host}:{port}"
