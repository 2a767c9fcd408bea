"""libsrtp's sessions as the reactor thread holds them: made here, used by the loop, freed when it let go."""

from typing import Any

from pylibsrtp import Error, Policy, Session
from pylibsrtp._binding import ffi, lib  # type: ignore[import-not-found]  # an extension module without stubs

from pbx.errors import PeerError
from pbx.media.thread import MediaThread
from pbx.sdp.crypto import Security, Suite

_PROFILES: dict[Suite, int] = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


def function_addresses() -> tuple[int, int, int, int]:
    """Where libsrtp's functions are, in the order of `pbx.media.srtp`'s places."""
    names = ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp")
    first, second, third, fourth = (int(ffi.cast("intptr_t", ffi.addressof(lib, name))) for name in names)
    return first, second, third, fourth


class SrtpSessions:
    """The sessions of a plane's legs, by row.

    A direction whose suite and key stay the same keeps its session, and with it the rollover counter and what
    it knows of replays (RFC 3711 §3.3); a new key begins anew.
    """

    def __init__(self) -> None:
        self._rows: dict[int, tuple[Security, Session, Session]] = {}
        self._retired: list[tuple[MediaThread, int, Session]] = []

    def change(self, row: int, security: Security | None) -> tuple[int, int, list[Session]] | None:
        """Addresses of the sessions to receive and to send with (0, 0: none), and the sessions that end.

        None when nothing changes. Raises PeerError when libsrtp cannot do the suite.
        """
        held = self._rows.get(row)
        if security is None:
            if held is None:
                return None
            del self._rows[row]
            return 0, 0, list(held[1:])
        if held is not None and held[0] == security:
            return None
        receive = send = None
        ended: list[Session] = []
        if held is not None:
            before, receive, send = held
            if (before.suite, before.receive) != (security.suite, security.receive):
                ended.append(receive)
                receive = None
            if (before.suite, before.send) != (security.suite, security.send):
                ended.append(send)
                send = None
        receive = receive or _session(security.suite, security.receive, Policy.SSRC_ANY_INBOUND)
        send = send or _session(security.suite, security.send, Policy.SSRC_ANY_OUTBOUND)
        self._rows[row] = security, receive, send
        return _address(receive), _address(send), ended

    def retire(self, thread: MediaThread, sessions: list[Session]) -> None:
        """Free sessions once the thread has obeyed everything that was posted to it so far."""
        self._retired += [(thread, thread.posted, session) for session in sessions]

    def sweep(self) -> None:
        """Free what no loop can be using any more."""
        if self._retired:
            self._retired = [each for each in self._retired if not each[0].has_obeyed(each[1])]

    @property
    def held(self) -> int:
        """How many sessions are not freed yet."""
        return 2 * len(self._rows) + len(self._retired)

    def clear(self) -> None:
        """Free everything: no loop runs any more."""
        self._rows.clear()
        self._retired.clear()


def _session(suite: Suite, key: bytes, direction: int) -> Session:
    try:
        return Session(Policy(key, direction, 0, _PROFILES[suite]))
    except Error:
        raise PeerError(488, f"{suite} Is Not Available Here") from None


def _address(session: Any) -> int:
    return int(ffi.cast("intptr_t", session._srtp[0]))
