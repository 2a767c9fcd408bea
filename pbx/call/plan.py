"""What a call is told to do: values made from a dialplan's decision once its targets are resolved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pbx.call.causes import Cause
from pbx.call.tapping import Tap
from pbx.media.values import Sound
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

    `ring_s` bounds each group, or `rings_s` does, group by group; one that nobody answers in time has the
    outcome `no-answer`. A final code or outcome of `stop` ends the search, whatever groups are left. `nobody`
    is the code that stands for having no destination at all. `music` is what a caller who has been answered
    hears meanwhile, else the service's ringback, or what was playing for it before.
    """

    groups: Sequence[Sequence[Destination]]
    ring_s: float
    nobody: int = 480
    rings_s: Sequence[float] = ()
    stop: frozenset[int | str] = frozenset()
    music: Sequence[Sound] = ()


@dataclass(slots=True)
class PlaySounds:
    """Let the caller hear sounds, then ask again with the outcome `played`.

    Answers first; `early` does not, and plays as early media (183 with a description). `loops` never ends.
    """

    sounds: Sequence[Sound]
    early: bool = False
    loops: bool = False


@dataclass(slots=True)
class Collect:
    """Answer, play a prompt and gather digits, then ask again with the outcome `digits`.

    Times in seconds: `first_s` after the prompt, `between_s` after each digit. A `terminator` ends the
    digits and is none of them; so does the `max_digits`-th, and a string of `complete`, after which nothing
    longer can follow. With `barge` a digit ends the prompt; without, digits count after it.
    """

    sounds: Sequence[Sound]
    max_digits: int
    first_s: float = 5.0
    between_s: float = 3.0
    terminator: str = "#"
    complete: frozenset[str] = frozenset()
    barge: bool = True


@dataclass(slots=True)
class Wait:
    """Answer, and let the caller hear sounds, round and round, until something else is decided.

    They begin with sample `start`, after those of `first`. With `digits` keys are told of when pressed.
    `unanswered` does not answer: the caller is told of ringing when somebody is summoned and rings.
    """

    sounds: Sequence[Sound] = ()
    start: int = 0
    first: Sequence[Sound] = ()
    digits: bool = False
    unanswered: bool = False


Manner = Literal["listen", "whisper", "barge", "take-over"]
"""How somebody takes part in the conversation of two: hears both; is heard by the callee too; is heard by
both; or has the caller to themselves, and the callee is gone."""


@dataclass(slots=True)
class Summons:
    """Ring somebody else beside what the call does: for a caller who waits, or to join two who talk.

    `number` is the owner's name for it. All destinations ring at once; the first to answer hears `whisper`
    and then waits to be put through. With `manner` it joins the conversation instead.
    """

    number: int
    destinations: Sequence[Destination]
    whisper: Sequence[Sound] = ()
    manner: Manner | None = None


@dataclass(slots=True)
class Join:
    """Answer, and talk with everybody in a room, after having heard `announce`."""

    room: str
    muted: bool = False
    announce: Sequence[Sound] = ()


@dataclass(slots=True)
class Echo:
    """Answer, and let the caller hear itself."""


@dataclass(slots=True)
class Attend:
    """Answer, and let a plugin be the other side, then ask again with the outcome `played`."""

    tap: Tap


@dataclass(slots=True)
class Refuse:
    """End the call: a BYE when it was answered, else a final code (RFC 3261 §21.3 to §21.6), or a
    redirection with its Contact headers.

    `cause` is what the record says; None takes it from the code.
    """

    status: int
    reason: str = ""
    headers: Sequence[tuple[str, str]] = ()
    cause: Cause | None = None


Plan = Connect | PlaySounds | Collect | Wait | Join | Echo | Attend | Refuse
