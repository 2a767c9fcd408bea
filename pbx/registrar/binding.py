"""What the registrar keeps and tells: bindings, their limits, what happened to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from pbx.errors import MisuseError
from pbx.sip.flow import Flow
from pbx.sip.uri import Uri

RemovalCause = Literal["removed", "expired", "flow-closed", "dropped"]

_DEFAULT_PORT = 5060


@dataclass(frozen=True, slots=True)
class RegistrarLimits:
    """What a registrar grants. Times are in seconds (RFC 3261 §10.3 step 7, §20.23).

    A lifetime below `min_expires` (and below one hour, as the RFC demands) is answered 423; one above
    `max_expires` is shortened. `max_contacts` is for one user, `max_bindings` for all together.
    """

    min_expires: int = 60
    max_expires: int = 3600
    default_expires: int = 3600
    max_contacts: int = 10
    max_bindings: int = 100_000

    def __post_init__(self) -> None:
        if not 0 <= self.min_expires <= self.default_expires <= self.max_expires:
            raise MisuseError("registrar limits must satisfy min_expires <= default_expires <= max_expires")
        if self.max_contacts < 1 or self.max_bindings < 1:
            raise MisuseError("a registrar must be able to hold one binding")


@dataclass(slots=True)
class Binding:
    """One contact of one user (RFC 3261 §10), and the flow that requests to it go back along (RFC 5626).

    `expires_at` is monotonic seconds. `parameters` is the Contact's parameters as text, without
    `expires`; `instance` is its +sip.instance without quotes. `path` has the Path values (RFC 3327) in
    order, to be sent as Route. A stream flow with `connection` 0 must be opened anew, to its `remote`.
    Treat it as immutable.
    """

    user: str
    contact: Uri
    flow: Flow
    expires_at: float
    call_id: str
    cseq: int
    q: float = 1.0
    parameters: str = ""
    instance: str = ""
    reg_id: int = 0
    path: tuple[str, ...] = ()
    user_agent: str = ""

    @property
    def key(self) -> str:
        """Tells this binding from the user's others: instance and reg-id (RFC 5626 §6), else the contact."""
        if self.reg_id:
            return f"{self.reg_id} {self.instance}"
        return f"{self.contact} {self.instance}"

    def replaces(self, other: "Binding") -> bool:
        """Whether a new registration of this binding takes the place of `other`, of the same user.

        RFC 5626 §6 when both have instance and reg-id, RFC 3261 §10.3 (URI equality) otherwise; but two
        instances that say who they are never share a binding, even behind NATs that number alike.
        """
        if self.reg_id and other.reg_id:
            return self.reg_id == other.reg_id and self.instance == other.instance
        if self.instance and other.instance and self.instance != other.instance:
            return False
        return self.contact.same_as(other.contact)

    def without_connection(self) -> "Binding | None":
        """This binding once its connection is gone: reached by a new one, or None if it cannot be.

        A new connection is possible where the contact is the very address that the old one came from.
        Behind a NAT it is not, and an outbound registration (RFC 5626 §5.3) dies with its flow.
        """
        flow = self.flow
        if not flow.reliable:
            return self
        contact = self.contact
        if self.reg_id or contact.host != flow.remote[0]:
            return None
        remote = (contact.host, contact.port or _DEFAULT_PORT)
        return replace(self, flow=Flow(flow.transport, flow.local, remote))


@dataclass(slots=True)
class BindingAdded:
    """A contact was registered that was not bound before."""

    binding: Binding


@dataclass(slots=True)
class BindingRefreshed:
    """A binding was renewed, and maybe moved to another flow; `previous` is what it was."""

    binding: Binding
    previous: Binding


@dataclass(slots=True)
class BindingRemoved:
    """A binding is gone: by request, by time, with its connection, or because we dropped it."""

    binding: Binding
    cause: RemovalCause


BindingEvent = BindingAdded | BindingRefreshed | BindingRemoved


@dataclass(slots=True)
class RegisterReply:
    """What to answer a REGISTER, and what it changed. An empty `reason` is the status's usual one."""

    status: int
    headers: list[tuple[str, str]]
    events: list[BindingEvent]
    reason: str = ""


class BindingStorage(Protocol):
    """Where bindings outlive the process. `epoch` is wall-clock seconds at the monotonic time `now`."""

    def record(self, events: Sequence[BindingEvent], now: float, epoch: float) -> None:
        """Keep what happened; returns at once, a failure is reported elsewhere."""

    def load(self, now: float, epoch: float) -> list[Binding]:
        """What is still bound; every time that has passed meanwhile counts."""
