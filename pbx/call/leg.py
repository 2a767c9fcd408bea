"""A leg: one dialog of ours and its audio."""

from pbx.call.audio import Audio
from pbx.call.causes import Cause
from pbx.call.quality_watch import QualityWatch
from pbx.sip.flow import Flow
from pbx.sip.session import InviteSession


class Leg:
    """An INVITE session joined to a row of the media plane, and the flow its requests go along.

    `pinned` keeps every request on `flow`; otherwise requests within the dialog go where the route set or the
    remote target says (RFC 3261 §12.2.1.1). `label` is what people call it: `user/1001`, `trunk/carrier`.

    A leg that we called has the times (monotonic seconds) of our INVITE and of its answer, and, when it ends
    without one, the cause.
    """

    __slots__ = (
        "answered_at",
        "audio",
        "call",
        "cause",
        "flow",
        "invited_at",
        "label",
        "pinned",
        "session",
        "summons",
        "trunk",
        "watch",
    )

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
        # The call it belongs to, set by the call itself; None when that is over.
        self.call: object = None
        self.invited_at: float | None = None
        self.answered_at: float | None = None
        self.cause: Cause | None = None
        # The number of the summons that it rings for, or came by.
        self.summons: int | None = None
        # Its quality, from when it was first looked at while it talks.
        self.watch: QualityWatch | None = None
