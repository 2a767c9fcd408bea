"""A branch: a leg on its way to a destination, not answered yet."""

from pbx.call.audio import Audio
from pbx.call.codecs import added
from pbx.call.leg import Leg
from pbx.call.plan import Destination
from pbx.call.settings import CallSettings, Shared
from pbx.sdp.crypto import LocalKeys
from pbx.sdp.description import Description
from pbx.sdp.errors import NothingFits
from pbx.sip.session import InviteSession


def new_branch(
    destination: Destination,
    offered: Description | None,
    caller: Audio | None,
    shared: Shared,
) -> Leg:
    """A leg with ports and an offer, ready for `session.start`.

    `offered` is the caller's offer, None when it left the offer to us. When the `caller` has been answered
    already, with early media, everything that follows has to fit that answer; None: there is no caller yet.
    Raises ResourcesExhausted and, with a caller, NothingFits, with nothing left open.
    """
    settings, ids = shared.settings, shared.ids
    keys = LocalKeys(destination.srtp or settings.srtp, ids.octets)
    audio = Audio(shared.media, destination.address, ids.number(48), keys)
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


def _offer(audio: Audio, offered: Description | None, caller: Audio | None, settings: CallSettings) -> bytes:
    transcode = settings.transcode
    answered = None if caller is None else caller.agreed
    if answered is not None:
        more = added(answered.formats, settings.allowed) if transcode else ()
        return audio.offer((*answered.formats, *more))
    if offered is None or caller is None:
        return audio.offer(settings.formats)
    return audio.relay_offer(offered, settings.allowed, caller, transcode=transcode)
