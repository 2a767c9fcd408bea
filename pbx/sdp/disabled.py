"""A stream that is switched off within a call and on again (RFC 3264 §8.1, §8.2): port 0 keeps its place."""

from dataclasses import replace

from pbx.sdp.description import Description, Media, Origin
from pbx.sdp.streams import open_index


def disables(received: Description, ours: Description) -> bool:
    """Whether a peer's new offer or answer switches off the stream that `ours` has open."""
    index = open_index(ours)
    return index < len(received.media) and received.media[index].port == 0


def all_refused(received_offer: Description, origin: Origin) -> Description:
    """The answer to an offer that leaves nothing open: as many streams, each with port 0 (§6)."""
    address = origin.address
    streams = [
        Media(media.kind, 0, media.protocol, media.tokens or ("0",), (), address)
        for media in received_offer.media
    ]
    return Description(origin, tuple(streams), address)


def switched_off(ours: Description) -> Description:
    """Our offer as it stands when the peer refused its stream."""
    index = open_index(ours)
    streams = list(ours.media)
    streams[index] = replace(streams[index], port=0)
    return replace(ours, media=tuple(streams))


def reopened(ours: Description, last_open: Description) -> Description:
    """`ours`, which refuses every stream, with the one open again that `last_open` had open, in its place."""
    index = open_index(last_open)
    streams = list(ours.media)
    streams[index] = last_open.media[index]
    return replace(ours, media=tuple(streams))
