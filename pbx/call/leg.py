"""A leg: one dialog of ours and its audio."""

from pbx.call.audio import Audio
from pbx.sip.flow import Flow
from pbx.sip.session import InviteSession


class Leg:
    """An INVITE session joined to a row of the media plane, and the flow its requests go along.

    `pinned` keeps every request on `flow`; otherwise requests within the dialog go where the route set or the
    remote target says (RFC 3261 §12.2.1.1). `label` is what people call it: `user/1001`, `trunk/carrier`.
    """

    __slots__ = ("audio", "call", "flow", "label", "pinned", "session", "trunk")

    def __init__(
        self,
        session: InviteSession,
        audio: Audio,
        *,
        flow: Flow,
        label: str,
        trunk: str | None = None,
        pinned: bool = False,
    ) -> None:
        self.session = session
        self.audio = audio
        self.flow = flow
        self.label = label
        self.trunk = trunk
        self.pinned = pinned
        # The call it belongs to, set by the call itself.
        self.call: object = None
