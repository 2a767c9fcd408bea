"""A branch: a leg on its way to a destination, not answered yet."""

from pbx.call.audio import Audio
from pbx.call.leg import Leg
from pbx.call.media import Media
from pbx.call.plan import Destination
from pbx.call.settings import CallSettings
from pbx.ids import Ids
from pbx.sdp.crypto import LocalKeys
from pbx.sdp.description import Description
from pbx.sdp.errors import NothingFits
from pbx.sip.session import InviteSession


def new_branch(
    destination: Destination,
    offered: Description | None,
    caller: Audio,
    settings: CallSettings,
    media: Media,
    ids: Ids,
) -> Leg:
    """A leg with ports and an offer, ready for `session.start`.

    `offered` is the caller's offer, None when it left the offer to us. When the `caller` has been answered
    already, with early media, everything that follows has to fit that answer. Raises ResourcesExhausted and
    NothingFits, with nothing left open.
    """
    keys = LocalKeys(destination.srtp or settings.srtp, ids.octets)
    audio = Audio(media, destination.address, ids.number(48), keys)
    audio.open(caller)
    try:
        body = _offer(audio, offered, caller, settings)
    except NothingFits:
        audio.close()
        raise
    session = InviteSession.outgoing(
        target=destination.target,
        from_=destination.from_,
        to=destination.to,
        contact=destination.contact,
        routes=destination.routes,
        headers=destination.headers,
        body=body,
        ids=ids,
        timers=settings.timers,
        allow=settings.allow,
        server=settings.product,
        max_forwards=destination.max_forwards,
    )
    return Leg(
        session,
        audio,
        flow=destination.flow,
        label=destination.label,
        trunk=destination.trunk,
        pinned=destination.pinned,
    )


def _offer(audio: Audio, offered: Description | None, caller: Audio, settings: CallSettings) -> bytes:
    if caller.agreed is not None:
        return audio.offer(caller.agreed.formats)
    if offered is None:
        return audio.offer(settings.formats)
    return audio.relay_offer(offered, settings.allowed, caller)
