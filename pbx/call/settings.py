"""What all calls of a service share."""

from dataclasses import dataclass

from pbx.call.causes import FinalCodePolicy
from pbx.sdp.crypto import SrtpPolicy
from pbx.sdp.formats import PCMA, PCMU, Format, telephone_event
from pbx.sip.timers import Timers

DEFAULT_FORMATS = (PCMU, PCMA, telephone_event())


@dataclass(frozen=True, slots=True)
class CallSettings:
    """`formats` are offered when a caller leaves the offer to us; `allowed` names what encodings may pass.

    `allowed` None lets any codec pass that both legs have. `allow` and `product` are the Allow and User-Agent
    headers of our requests. `srtp` is the policy of legs that have none of their own.
    """

    timers: Timers
    allow: str
    product: str
    final_codes: FinalCodePolicy
    formats: tuple[Format, ...]
    allowed: tuple[str, ...] | None = None
    srtp: SrtpPolicy = "accepted"
