"""What can be wrong with a session description that a peer sent."""

from pbx.errors import PeerError


class SdpError(PeerError):
    """A description that cannot be read (400, 413 when too large) or that does not answer our offer (400)."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(status, reason)


class NothingFits(SdpError):
    """A correct description without a stream that we can take, or that refuses ours (RFC 3261 §21.4.26)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, 488)
