"""Which stream of a description is ours to take, and what it states."""

from pbx.errors import MisuseError
from pbx.sdp.address import UNSPECIFIED, literal
from pbx.sdp.crypto import SrtpPolicy, fits
from pbx.sdp.description import Description, Media
from pbx.sdp.direction import Direction, common_direction


def stated(media: Media) -> Direction:
    """The direction a stream has, an address of 0.0.0.0 counting as "do not send to me" (RFC 3264 §8.4)."""
    if media.connection in UNSPECIFIED:
        return common_direction(media.direction, "sendonly")
    return media.direction


def usable(media: Media, srtp: SrtpPolicy = "off") -> bool:
    """Whether this is a stream that we can take, its codecs aside: RTP audio to one unicast address.

    `srtp` says how it may be protected, or has to be.
    """
    return (
        media.kind == "audio"
        and media.port != 0
        and media.port_count == 1
        and fits(media.protocol, media.attributes, srtp)
        and media.connection is not None
        and literal(media.connection) is not None
    )


def audio_index(
    description: Description, names: frozenset[str] | None = None, srtp: SrtpPolicy = "off"
) -> int | None:
    """The first usable stream with a codec (of these upper-case names, unless None), or None."""
    for index, media in enumerate(description.media):
        if usable(media, srtp):
            for known in media.formats:
                if known.is_codec and (names is None or known.encoding in names):
                    return index
    return None


def open_index(ours: Description) -> int:
    """The one stream that a description of ours does not refuse."""
    for index, media in enumerate(ours.media):
        if media.port:
            return index
    raise MisuseError("a description of ours without a stream")
