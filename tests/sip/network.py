"""Transaction layers and a network between them that loses, doubles, delays and reorders, by a seed.

Everything happens in memory and in virtual time: `Network.run` goes from one delivery, due time or planned
act to the next. Messages cross it as bytes. Datagram flows suffer; streams are reliable and in order until
`close` breaks them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

from pbx.sip.flow import Address, Flow
from pbx.sip.message import Request, Response, parse, validate_request, validate_response
from pbx.sip.outputs import Output, Transmit
from pbx.sip.timers import Timers
from pbx.sip.transactions import TransactionLayer
from tests.support import Dice, seeded_ids

MAX_EVENTS = 200_000
NEVER = float("inf")


@dataclass(frozen=True)
class Weather:
    """What happens to a datagram; a latency that varies reorders. Seconds and probabilities."""

    loss: float = 0.0
    duplication: float = 0.0
    latency: tuple[float, float] = (0.01, 0.01)


class User(Protocol):
    """The transaction user of a node."""

    def take(self, node: "Node", output: Output) -> None: ...


@dataclass(eq=False)
class Node:
    """A transaction layer at an address, with its user."""

    network: "Network"
    address: Address
    layer: TransactionLayer
    user: User
    received: list[Request | Response] = field(default_factory=list)

    @property
    def now(self) -> float:
        return self.network.now

    def flow(self, to: "Node", transport: str = "udp") -> Flow:
        """The way to another node; a stream is opened with the first message."""
        return Flow("udp" if transport == "udp" else "tcp", self.address, to.address, 0)

    def do(self, outputs: Sequence[Output]) -> None:
        """Carry out what the layer gave back."""
        for output in outputs:
            if isinstance(output, Transmit):
                self.network.transmit(self, output)
            else:
                self.user.take(self, output)

    def later(self, delay: float, act: Callable[[], object]) -> None:
        """Plan something that the user will do."""
        self.network.plan(delay, act)


class Network:
    """The nodes, what is under way, and the time."""

    def __init__(self, seed: object, weather: Weather | None = None, timers: Timers | None = None) -> None:
        self.now = 0.0
        self.dice = Dice(seed)
        self.weather = weather or Weather()
        self.timers = timers or Timers()
        self.nodes: dict[Address, Node] = {}
        self.datagrams = 0
        self._acts: list[tuple[float, int, Callable[[], object]]] = []
        self._serial = 0
        self._streams: dict[tuple[Node, Flow], tuple[Node, Flow]] = {}
        self._connections = 0

    def add(self, host: str, user: User, max_transactions: int = 100_000) -> Node:
        """A new node on port 5060 of `host`."""
        layer = TransactionLayer(
            self.timers,
            seeded_ids(host),
            max_transactions=max_transactions,
            sent_by=lambda flow: f"{flow.local[0]}:{flow.local[1]}",
        )
        node = Node(self, (host, 5060), layer, user)
        self.nodes[node.address] = node
        return node

    def plan(self, delay: float, act: Callable[[], object]) -> None:
        self._serial += 1
        heappush(self._acts, (self.now + delay, self._serial, act))

    def transmit(self, sender: Node, output: Transmit) -> None:
        flow, data = output.flow, output.data
        if flow.transport == "tcp":
            self._transmit_stream(sender, flow, data)
            return
        self.datagrams += 1
        receiver = self.nodes.get(flow.remote)
        arrivals = 2 if self.dice.chance(self.weather.duplication) else 1
        for _ in range(arrivals):
            delay = self.dice.between(*self.weather.latency)
            if receiver is not None and not self.dice.chance(self.weather.loss):
                self._deliver(delay, receiver, Flow("udp", receiver.address, sender.address), data)

    def close(self, node: Node, flow: Flow) -> None:
        """Break a stream; both ends notice."""
        ends = self._streams.pop((node, flow), None)
        if ends is not None:
            peer, back = ends
            del self._streams[peer, back]
            self._tell_failed(node, flow)
            self._tell_failed(peer, back)

    @property
    def streams(self) -> list[tuple[Node, Flow]]:
        """Both ends of every open stream."""
        return list(self._streams)

    def run(self, until: float = NEVER) -> None:
        """Let everything happen that happens up to `until`; without it, until nothing is left to happen."""
        for _ in range(MAX_EVENTS):
            act_at = self._acts[0][0] if self._acts else NEVER
            due, node = min(
                (
                    (NEVER if (due := node.layer.next_deadline()) is None else due, node)
                    for node in self.nodes.values()
                ),
                key=lambda pair: pair[0],
            )
            if min(act_at, due) > until or min(act_at, due) == NEVER:
                return
            self.now = max(self.now, min(act_at, due))
            if act_at <= due:
                heappop(self._acts)[2]()
            else:
                node.do(node.layer.handle_timer(self.now))
        raise AssertionError("the network does not come to rest")

    def _transmit_stream(self, sender: Node, flow: Flow, data: bytes) -> None:
        if flow.connection == 0 and flow.remote in self.nodes:
            opened = next(
                (own for node, own in self._streams if node is sender and own.remote == flow.remote), None
            )
            flow = opened or self._open(sender, self.nodes[flow.remote])
        end = self._streams.get((sender, flow))
        if end is None:
            self._tell_failed(sender, flow)
            return
        receiver, back = end
        self._deliver(self.weather.latency[0], receiver, back, data, stream=True)

    def _tell_failed(self, node: Node, flow: Flow) -> None:
        self.plan(0.0, lambda: node.do(node.layer.transport_failed(flow, self.now)))

    def _open(self, sender: Node, receiver: Node) -> Flow:
        self._connections += 1
        there = Flow("tcp", sender.address, receiver.address, self._connections)
        back = Flow(
            "tcp", receiver.address, (sender.address[0], 40000 + self._connections), self._connections
        )
        self._streams[sender, there] = (receiver, back)
        self._streams[receiver, back] = (sender, there)
        return there

    def _deliver(
        self, delay: float, receiver: Node, flow: Flow, data: bytes, *, stream: bool = False
    ) -> None:
        def arrive() -> None:
            if stream and (receiver, flow) not in self._streams:
                return
            message = parse(data)
            if isinstance(message, Request):
                validate_request(message)
            else:
                validate_response(message)
            receiver.received.append(message)
            receiver.do(receiver.layer.receive(message, flow, self.now))

        self.plan(delay, arrive)
