"""What the switch asks of the network edge, and how it writes our own address."""

from typing import Protocol

from pbx.sip.flow import Address, Flow, Transport


class Network(Protocol):
    """Flows to addresses, and our own address as each peer reaches it."""

    def flow_to(self, transport: Transport, remote: Address) -> Flow | None:
        """A flow to an IP address and port, or None when no listener of ours can reach it."""
        ...

    def address_to(self, flow: Flow) -> str:
        """Our IP address as the peer of `flow` reaches it."""
        ...


def bracketed(address: str) -> str:
    """An IP address as a URI or Via writes it (RFC 3261 §25.1: IPv6reference)."""
    return f"[{address}]" if ":" in address else address


class OwnAddress:
    """Via's sent-by and Contact for a flow, remembered for the last few thousand peers."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._sent_by: dict[Flow, str] = {}

    def address(self, flow: Flow) -> str:
        """The address that SDP shows this peer."""
        return self._network.address_to(flow)

    def sent_by(self, flow: Flow) -> str:
        """`host:port` where the peer's messages reach us (RFC 3261 §18.1.1)."""
        known = self._sent_by.get(flow)
        if known is None:
            if len(self._sent_by) >= 4096:
                self._sent_by.clear()
            known = self._sent_by[flow] = f"{bracketed(self.address(flow))}:{flow.local[1]}"
        return known

    def contact(self, flow: Flow) -> str:
        """Our Contact for a dialog along this flow (§8.1.1.8)."""
        suffix = ";transport=tcp" if flow.transport == "tcp" else ""
        return f"<sip:{PRODUCT_USER}@{self.sent_by(flow)}{suffix}>"


# One user part for all: what a Contact says must not show who else is in the call.
PRODUCT_USER = "pbx"
