"""A whole PBX in memory: the real switch, layer, registrar and dialplan; a fake network and media plane."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from pbx.call.call import Call
from pbx.call.causes import PASS
from pbx.call.outputs import DigitPressed, Ending, Summoned
from pbx.call.plan import Connect, Manner, Plan
from pbx.call.quality_events import QualityLimits
from pbx.call.record import CallRecord
from pbx.call.settings import DEFAULT_FORMATS, CallSettings
from pbx.dialplan.call import Call as RoutedCall
from pbx.dialplan.call import Caller
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.decisions import Dial
from pbx.dialplan.generation import decide_now
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.errors import OperatorError
from pbx.ids import Ids
from pbx.media.values import DigitHeard, Sound, SourceEnded
from pbx.metrics.metrics import Metrics
from pbx.net.addresses import is_literal
from pbx.queues import Output as QueueOutput
from pbx.queues import Queues
from pbx.registrar.binding import RegistrarLimits
from pbx.registrar.registrar import Registrar
from pbx.service.admission import Admission, Trunk, User
from pbx.service.counting import Counting
from pbx.service.desk import AgentWanted, Desk
from pbx.service.destinations import Addresses, Destinations, Dialled
from pbx.service.network import OwnAddress
from pbx.service.outputs import BindingsChanged, CallEnded, OutcomeNeeded, Output, RouteNeeded
from pbx.service.router import Router
from pbx.service.screening import DIALOG_ALLOW, PRODUCT
from pbx.service.switch import Switch
from pbx.sip.authentication import Authenticator
from pbx.sip.digest import Ha1
from pbx.sip.flow import Address, Flow, Transport
from pbx.sip.outputs import Transmit
from pbx.sip.timers import Timers
from pbx.sip.transactions import TransactionLayer
from pbx.store.entries import Decided
from tests.call.media import FakeMedia, FakeRecorder, a_sound

DOMAIN = "pbx.example"
BEGAN = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
"""A Monday."""
OURS = ("192.0.2.1", 5060)
DIALPLAN = """
timezone: UTC
entry:
  - {from: trunk/carrier, chain: inbound}
  - {from: users, chain: internal}
  - {from: anyone, chain: public}
chains:
  inbound:
    - routing:
        - {to: "+3120123450X", dial: [user/1001, user/1002]}
        - {to: "+31201234600", dial: user/1003}
  internal:
    - routing:
        - {to: "600", echo: {}}
        - {to: "601", reject: 486}
        - {to: "602", dial: [user/1001, user/1002], ring: 20s}
        - {to: "603", redirect: "sip:elsewhere@example.net"}
        - {to: "604", dial: user/1003, on: {unavailable: {dial: user/1002}}}
        - {to: "1XXX", dial: user, ring: 30s}
        - {to: "0.", strip: 1, dial: trunk/carrier}
        - {to: "700", dial: "sip:there@203.0.113.9:5070"}
  public:
    - reject: 403
"""


class CountedBytes:
    """Random bytes that are the same in every run and never repeat within one."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, size: int) -> bytes:
        out = b""
        while len(out) < size:
            self._count += 1
            out += hashlib.sha256(self._count.to_bytes(8, "big")).digest()
        return out[:size]


class FakeNetwork:
    """Every address is reachable, no name is; what is sent is delivered to who listens at its address."""

    def __init__(self, *, tcp: bool = False) -> None:
        self.tcp = tcp

    def flow_to(self, transport: Transport, remote: Address) -> Flow | None:
        if not is_literal(remote[0]):
            return None
        return Flow(transport, OURS, remote) if transport == "udp" or self.tcp else None

    def address_to(self, flow: Flow) -> str:
        return "2001:db8::1" if ":" in flow.remote[0] else OURS[0]


class House:
    """The PBX under test; `now` only moves by `advance`."""

    def __init__(
        self,
        *,
        dialplan: str = DIALPLAN,
        max_calls: int = 100,
        ports: int = 1000,
        max_transactions: int = 10_000,
        tcp: bool = False,
        rtp_timeout_s: float = 0.0,
    ) -> None:
        self.now = 1000.0
        self.sent: list[Transmit] = []
        self.listeners: dict[Address, Callable[[bytes, Flow], None]] = {}
        self._queue: list[Transmit] = []
        self.media = FakeMedia(ports)
        self.recorder = FakeRecorder(self.media)
        ids = Ids(CountedBytes())
        users = self.users = {
            "1001": User("Alice", "+31201234501"),
            "1002": User("Bob"),
            "1003": User("Carol"),
        }
        carrier = Trunk("carrier", "198.51.100.7", 5060, "udp", (ip_network("198.51.100.0/24"),))
        trunks = self.trunks = {"carrier": carrier}
        network = FakeNetwork(tcp=tcp)
        own = OwnAddress(network)
        timers = Timers()
        secrets = {user: Ha1.from_password(user, DOMAIN, f"secret-{user}") for user in users}
        self.registrar = Registrar(RegistrarLimits())
        self.layer = TransactionLayer(timers, ids, max_transactions=max_transactions, sent_by=own.sent_by)
        self.metrics = Metrics(trunks)
        self.switch = Switch(
            layer=self.layer,
            registrar=self.registrar,
            admission=Admission(
                DOMAIN,
                users,
                list(trunks.values()),
                Authenticator(DOMAIN, secrets.get, ids, b"s" * 32),
                network,
            ),
            network=network,
            own=own,
            media=self.media,
            settings=CallSettings(
                timers,
                DIALOG_ALLOW,
                PRODUCT,
                PASS,
                DEFAULT_FORMATS,
                quality=QualityLimits(rtp_timeout_s=rtp_timeout_s),
            ),
            ids=ids,
            observer=Counting(self.metrics),
            wall_clock=lambda: BEGAN,
            max_calls=max_calls,
            recorder=self.recorder,
        )
        known = KnownNames(frozenset(users), frozenset(trunks))
        generation = compile_dialplan(loads(dialplan, "test.yaml"), known, 1, Path())
        destinations = self.destinations = Destinations(
            DOMAIN, users, trunks, self.registrar, network, own, 30.0
        )
        self.router = Router(generation, destinations, self._resolve, self._sound, self.switch.live)
        began = self.now
        self.desk = Desk(
            Queues((), lambda _: 0, now=self.now),
            self.switch,
            destinations,
            self._resolve,
            self.named_sound,
            lambda name: [self.named_sound(name)],
            lambda _: 0,
            lambda: BEGAN + timedelta(seconds=self.now - began),
        )
        self.router.serve_queues(self.desk)
        self.asked: list[Output] = []
        self.ended: list[tuple[CallRecord, int, Sequence[Decided]]] = []
        self.hold_decisions = False
        # Sounds that have a name, by the number of their only sample.
        self.sounds: dict[str, int] = {}
        self.sounds_last_s = 0.0

    async def _sound(self, name: str) -> Sound:
        return self.named_sound(name)

    def named_sound(self, name: str) -> Sound:
        """The sounds of these dialplans are called by the number of their only sample."""
        sound = self._named_sound(name)
        more = int(self.sounds_last_s * sound.rate)
        return Sound(sound.samples.repeat(more), sound.rate) if more else sound

    def _named_sound(self, name: str) -> Sound:
        if name in self.sounds:
            return a_sound(self.sounds[name])
        if not name.isdigit():
            raise OperatorError(f"there is no sound {name!r}")
        return a_sound(int(name))

    async def _resolve(self, names: set[str]) -> Addresses:
        return {name: name for name in names}

    # -- moving bytes and time -------------------------------------------------------------------------------

    def receive(self, data: bytes, flow: Flow) -> None:
        """A message comes in; everything it leads to happens before this returns."""
        self.carry_out(self.switch.receive(data, flow, self.now))

    def advance_to(self, when: float) -> None:
        """Let time pass, stopping at each deadline on the way."""
        while (due := self._next_deadline()) is not None and due <= when:
            self.now = max(self.now, due)
            self.carry_out(self.switch.handle_timer(self.now))
            self.carry_out(self.desk.handle_timer(self.now))
        self.now = when

    def _next_deadline(self) -> float | None:
        due = [each for each in (self.switch.next_deadline(), self.desk.next_deadline()) if each is not None]
        return min(due) if due else None

    def advance(self, seconds: float) -> None:
        self.advance_to(self.now + seconds)

    def carry_out(self, outputs: Sequence[Output | AgentWanted]) -> None:
        self._carry_out(outputs)
        while self.desk.pending:
            self._carry_out(self.desk.tend(self.now))
        self._deliver()

    def _carry_out(self, outputs: Sequence[Output | AgentWanted]) -> None:
        for output in outputs:
            match output:
                case Transmit():
                    self.sent.append(output)
                    self._queue.append(output)
                case RouteNeeded(call, routed):
                    self.asked.append(output)
                    if not self.hold_decisions:
                        self._decide(call, decide_now(self.router.route(call, routed, lambda: self.now)))
                case OutcomeNeeded(call, outcome, status, digits):
                    self.asked.append(output)
                    if self.hold_decisions:
                        continue
                    plan = decide_now(self.router.follow(call, outcome, status, lambda: self.now, digits))
                    self._decide(call, plan)
                case CallEnded(call):
                    self.ended.append((call.record, *self.router.forget(call)))
                    self.desk.call_ended(call, self.now)
                case BindingsChanged(events):
                    self.desk.bindings_changed(events)
                case Summoned() | DigitPressed() | Ending():
                    self.desk.happened(output, self.now)
                case AgentWanted(offer, call):
                    summons = decide_now(self.desk.summons(offer, call, self.now))
                    self._carry_out(self.desk.ring(offer, summons, self.now))

    def _decide(self, call: Call, plan: Plan) -> None:
        self._carry_out(self.switch.route(call, plan, self.now))

    def decide(self, call: object, plan: Plan) -> None:
        self.carry_out(self.switch.route(call, plan, self.now))  # type: ignore[arg-type]  # the switch's own Call

    def _deliver(self) -> None:
        while self._queue:
            output = self._queue.pop(0)
            listener = self.listeners.get(output.flow.remote)
            if listener is not None:
                listener(output.data, output.flow)

    def ask_queues(self, act: Callable[[Queues, float], Iterable[QueueOutput]]) -> None:
        """Have the queues do something, as an operator would."""
        self.carry_out(self.desk.change(lambda now: act(self.desk.queues, now), self.now))

    def supervise(self, agent: str, user: str, manner: Manner) -> None:
        """Have a user take part in an agent's conversation."""
        begin = decide_now(self.desk.supervision(agent, user, manner, self.now))
        self.carry_out(begin(self.now))

    def settings(self, **changes: Any) -> None:
        """Calls from now on have other settings."""
        self.switch.shared.settings = replace(self.switch.shared.settings, **changes)

    def connect_to(self, user: str) -> Connect:
        """A plan to ring a user, as a dialplan's decision would be carried out."""
        call = RoutedCall("1", Caller("1001"), user, "users", datetime(2026, 11, 23, tzinfo=UTC), "1001")
        return self.destinations.plan(Dial(f"user/{user}"), Dialled(call, 69, ()), {}, self.now)

    # -- what the media plane says ---------------------------------------------------------------------------

    def media_says(self, event: SourceEnded | DigitHeard) -> None:
        self.carry_out(self.switch.media_happened(event, self.now))

    def sounds_end(self) -> None:
        """Every sound that does not loop is over."""
        for source, playing in list(self.media.sources.items()):
            if not playing.loops:
                self.media_says(SourceEnded(source))

    def press(self, rtp_port: int, digits: str) -> None:
        """The phone at `rtp_port` sends these as telephone-events."""
        for digit in digits:
            self.media_says(DigitHeard(self.media.leg_to(rtp_port), digit, 160, inband=False))

    # -- what must be true in the end ------------------------------------------------------------------------

    def assert_nothing_left(self) -> None:
        """After the lingering transactions: no call, leg, dialog, transaction, port or deadline."""
        self.advance(40)
        left = {
            "calls": len(self.switch.calls),
            "legs": self.switch.legs,
            "dialogs": len(self.switch.dialogs),
            "transactions": len(self.layer),
            "ports": len(self.media.rows),
            "bridges": len(self.media.bridges),
            "sources": len(self.media.sources),
            "sinks": len(self.media.sinks),
            "gains": len(self.media.gains),
            "rooms": len(self.switch.shared.rooms.open),
            "listeners": len(self.switch.shared.listeners.sources) + len(self.switch.shared.listeners.legs),
            "watched legs": len(self.switch.quality),
            "verdicts": len(self.router._verdicts) + len(self.router._decided),
        }
        assert left == dict.fromkeys(left, 0)
