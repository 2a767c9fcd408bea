"""What a call is told to do: values made from a dialplan's decision once its targets are resolved."""

from collections.abc import Sequence
from dataclasses import dataclass

from pbx.call.causes import Cause
from pbx.sdp.crypto import SrtpPolicy
from pbx.sip.flow import Flow
from pbx.sip.uri import Uri


@dataclass(slots=True)
class Destination:
    """One place to send an INVITE: a binding of a user, a trunk, or a URI.

    `pinned` says that requests of this leg go along `flow` whatever the peer's Contact says (a phone behind
    a NAT is reached only there). `address` is what SDP and Contact show this peer; `family` is 4 or 6. `srtp`
    is its own policy, None the service's.
    """

    target: Uri
    flow: Flow
    from_: str
    to: str
    contact: str
    address: str
    label: str
    trunk: str | None = None
    routes: Sequence[str] = ()
    headers: Sequence[tuple[str, str]] = ()
    max_forwards: int = 70
    pinned: bool = False
    srtp: SrtpPolicy | None = None

    @property
    def family(self) -> int:
        """The address family its media needs."""
        return 6 if ":" in self.address else 4


@dataclass(slots=True)
class Connect:
    """Dial: the groups one after another, the destinations of a group at once.

    `ring_s` bounds each group; a group that nobody answers in time has the outcome `no-answer`. `nobody` is
    the code that stands for having no destination at all.
    """

    groups: Sequence[Sequence[Destination]]
    ring_s: float
    nobody: int = 480


@dataclass(slots=True)
class Echo:
    """Answer, and let the caller hear itself."""


@dataclass(slots=True)
class Refuse:
    """End the call with a final code (RFC 3261 §21.3 to §21.6), or a redirection with its Contact headers.

    `cause` is what the record says; None takes it from the code.
    """

    status: int
    reason: str = ""
    headers: Sequence[tuple[str, str]] = ()
    cause: Cause | None = None


Plan = Connect | Echo | Refuse
