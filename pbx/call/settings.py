"""What all calls of a service share."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pbx.call.causes import FinalCodePolicy
from pbx.call.listeners import Listeners
from pbx.call.media import Media
from pbx.call.quality_events import QualityLimits
from pbx.call.recording import Recorder
from pbx.call.rooms import Rooms
from pbx.call.tapping import NoTaps, Taps
from pbx.errors import ResourcesExhausted
from pbx.ids import Ids
from pbx.media.values import Sound
from pbx.sdp.crypto import SrtpPolicy
from pbx.sdp.formats import PCMA, PCMU, Format, telephone_event
from pbx.sip.timers import Timers

DEFAULT_FORMATS = (PCMU, PCMA, telephone_event())


@dataclass(frozen=True, slots=True)
class CallSettings:
    """`formats` are offered when a caller leaves the offer to us; `allowed` names what encodings may pass.

    `allowed` None lets any codec pass that both legs have. `allow` and `product` are the Allow and User-Agent
    headers of our requests. With `transcode`, a callee is offered our own codecs after the caller's.
    `ringback` is what a caller hears who was answered before somebody is called, `hold_music` gives what
    the other side of a held call does (None: the hold is passed on to it). `srtp` is the policy of legs
    that have none of their own. `quality` says when something is told of a leg's media, `on_rtp_timeout`
    whether its call ends when nothing comes any more or that is only told.
    """

    timers: Timers
    allow: str
    product: str
    final_codes: FinalCodePolicy
    formats: tuple[Format, ...]
    allowed: tuple[str, ...] | None = None
    transcode: bool = True
    ringback: Sequence[Sound] = ()
    hold_music: Callable[[], Sequence[Sound]] | None = None
    srtp: SrtpPolicy = "accepted"
    quality: QualityLimits = field(default_factory=QualityLimits)
    on_rtp_timeout: Literal["hangup", "flag"] = "hangup"


class Shared:
    """Who and what a call works with, the same for every call of a service."""

    __slots__ = ("ids", "listeners", "media", "reached", "recorder", "rooms", "settings", "taps")

    def __init__(self, settings: CallSettings, media: Media, ids: Ids, recorder: Recorder) -> None:
        self.settings = settings
        self.media = media
        self.ids = ids
        self.recorder = recorder
        self.taps: Taps = NoTaps()
        self.rooms = Rooms(media)
        self.listeners = Listeners()
        # How often the media plane had nothing left, by its name in docs/bounds.md.
        self.reached: Counter[str] = Counter()

    def ran_out(self, bound: ResourcesExhausted) -> None:
        """Something of the media plane is used up; what follows is the call's affair."""
        self.reached[f"media-{bound.resource.removeprefix('media ')}"] += 1
