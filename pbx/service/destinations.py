"""Targets of a decision become destinations: bindings, addresses and flows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pbx.call.plan import Connect, Destination
from pbx.dialplan.call import Call
from pbx.dialplan.decisions import Dial
from pbx.dialplan.targets import Target, TrunkTarget, UriTarget, UserTarget, escaped_user
from pbx.net.addresses import is_literal
from pbx.registrar.registrar import Registrar
from pbx.remembered import Remembered
from pbx.sdp.crypto import SrtpPolicy
from pbx.service.admission import Trunk, User
from pbx.service.network import Network, OwnAddress, bracketed
from pbx.sip.flow import Flow, Transport
from pbx.sip.headers import NameAddr
from pbx.sip.uri import Uri

DEFAULT_PORT = 5060
_ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
Addresses = Mapping[str, str]


def _from(name: str, number: str, host: str) -> str:
    return str(NameAddr(name, Uri.parse(f"sip:{escaped_user(number)}@{host}"), {}))


_FROM: Final = Remembered(_from)


@dataclass(slots=True)
class Dialled:
    """What every INVITE of one dial shares: whose call it is and how far it may still go."""

    call: Call
    max_forwards: int
    passed: Sequence[tuple[str, str]]


class Destinations:
    """Resolves targets by the registrar's bindings, the trunk table and addresses of names."""

    def __init__(
        self,
        domain: str,
        users: Mapping[str, User],
        trunks: Mapping[str, Trunk],
        registrar: Registrar,
        network: Network,
        own: OwnAddress,
        ring_s: float,
    ) -> None:
        self._domain = domain
        self._users = users
        self._trunks = trunks
        self._registrar = registrar
        self._network = network
        self._own = own
        self._ring_s = ring_s

    def host_names(self, dial: Dial) -> set[str]:
        """The hosts of a dial's targets that are names: what has to be resolved before `plan`."""
        hosts = set()
        for target in dial.targets:
            match target:
                case TrunkTarget(trunk):
                    hosts.add(self._trunks[trunk].host if trunk in self._trunks else "")
                case UriTarget(uri):
                    hosts.add(Uri.parse(uri).host)
                case UserTarget():
                    pass
        return {host for host in hosts if host and not is_literal(host)}

    def plan(self, dial: Dial, dialled: Dialled, addresses: Addresses, now: float) -> Connect:
        """A plan to ring a dial's targets; `addresses` has an IP address for each name that has one.

        A user who is not configured makes it 404, one without a binding or a host without an address 480.
        """
        found = [
            (target, list(self._destinations(target, dialled, addresses, now))) for target in dial.targets
        ]
        nobody = 404 if all(self._unknown(target, dialled) for target in dial.targets) else 480
        ring_s = self._ring_s if dial.ring is None else dial.ring
        if dial.mode == "in-turn":
            reached = [(index, each) for index, (_, each) in enumerate(found) if each]
            rings = [ring_s if (own := dial.ring_of(index)) is None else own for index, _ in reached]
            return Connect([each for _, each in reached], ring_s, nobody, rings, dial.stop)
        together = [destination for _, each in found for destination in each]
        return Connect([together] if together else [], ring_s, nobody)

    def _unknown(self, target: Target, dialled: Dialled) -> bool:
        match target:
            case UserTarget(user):
                return (user or dialled.call.called) not in self._users
            case TrunkTarget(trunk):
                return trunk not in self._trunks
            case UriTarget():
                return False

    def _destinations(
        self, target: Target, dialled: Dialled, addresses: Addresses, now: float
    ) -> Iterable[Destination]:
        match target:
            case UserTarget(user):
                yield from self._user(user or dialled.call.called, dialled, now)
            case TrunkTarget(trunk, number):
                yield from self._trunk(trunk, number or dialled.call.called, dialled, addresses)
            case UriTarget(text):
                uri = Uri.parse(text)
                # What asks for TLS is not sent in the clear instead (RFC 3261 §26.2.2).
                secure = uri.scheme == "sips"
                flow = None if secure else self._flow(uri.host, uri.port, uri.transport, addresses)
                if flow is not None:
                    yield self._destination(uri, flow, uri, dialled, label="uri")

    def _user(self, user: str, dialled: Dialled, now: float) -> Iterable[Destination]:
        if user not in self._users:
            return
        to = Uri.parse(f"sip:{escaped_user(user)}@{self._domain}")
        for binding in self._registrar.bindings(user, now):
            flow = binding.flow
            if flow.reliable and flow.connection == 0:
                opened = self._network.flow_to(flow.transport, flow.remote)
                if opened is None:
                    continue
                flow = opened
            yield self._destination(
                binding.contact,
                flow,
                to,
                dialled,
                label=f"user/{user}",
                routes=binding.path,
                pinned=True,
                srtp=self._users[user].srtp,
            )

    def _trunk(self, name: str, number: str, dialled: Dialled, addresses: Addresses) -> Iterable[Destination]:
        trunk = self._trunks.get(name)
        if trunk is None:
            return
        flow = self._flow(trunk.host, trunk.port, trunk.transport, addresses)
        if flow is not None:
            host = f"{bracketed(trunk.host)}:{trunk.port}"
            target = Uri.parse(f"sip:{escaped_user(number)}@{host}")
            yield self._destination(
                target, flow, target, dialled, label=f"trunk/{name}", trunk=name, srtp=trunk.srtp
            )

    def _flow(self, host: str, port: int | None, transport: str | None, addresses: Addresses) -> Flow | None:
        address = addresses.get(host, host)
        if transport not in {None, "udp", "tcp"}:
            return None
        kind: Transport = "tcp" if transport == "tcp" else "udp"
        try:
            return self._network.flow_to(kind, (address, port or DEFAULT_PORT))
        except ValueError:
            return None

    def _destination(
        self,
        target: Uri,
        flow: Flow,
        to: Uri,
        dialled: Dialled,
        *,
        label: str,
        trunk: str | None = None,
        routes: Sequence[str] = (),
        pinned: bool = False,
        srtp: SrtpPolicy | None = None,
    ) -> Destination:
        return Destination(
            target=target,
            flow=flow,
            from_=self._presented(dialled.call, flow, to_trunk=trunk is not None),
            to=f"<{to}>",
            contact=self._own.contact(flow),
            address=self._own.address(flow),
            label=label,
            trunk=trunk,
            routes=routes,
            headers=self._sent(dialled),
            max_forwards=dialled.max_forwards,
            pinned=pinned,
            srtp=srtp,
        )

    def _presented(self, call: Call, flow: Flow, *, to_trunk: bool) -> str:
        """From: the caller's number and name as the callee sees them; a trunk sees the user's `caller_id`.

        What the dialplan says is to be shown goes before both; a hidden caller is RFC 3323 §4.1's.
        """
        caller, shown = call.caller, call.shown
        number = caller.number or "anonymous"
        name = caller.name
        if shown is not None and shown.hidden:
            return _ANONYMOUS
        if shown is not None and (shown.number or shown.name):
            number, name = shown.number or number, shown.name
        elif to_trunk and caller.user is not None:
            user = self._users.get(caller.user)
            number = (user.caller_id if user is not None else "") or number
        host = bracketed(self._own.address(flow)) if to_trunk else self._domain
        return _FROM[name, number, host]

    @staticmethod
    def _sent(dialled: Dialled) -> Sequence[tuple[str, str]]:
        """The headers that the dialplan adds, and the wish of a hidden caller (RFC 3323 §4.2)."""
        call = dialled.call
        hidden = call.shown is not None and call.shown.hidden
        if not call.sent_headers and not hidden:
            return dialled.passed
        return (*dialled.passed, *call.sent_headers, *((("Privacy", "id"),) if hidden else ()))
