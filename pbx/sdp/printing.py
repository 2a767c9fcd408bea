"""A session description on the wire (RFC 8866 §5)."""

from typing import TYPE_CHECKING, Final

from pbx.remembered import Remembered
from pbx.sdp.address import address_type
from pbx.sdp.formats import Format

if TYPE_CHECKING:
    from pbx.sdp.description import Description, Media


def print_description(description: "Description") -> bytes:
    """The octets of a description; `pbx.sdp.description.parse` gives an equal one back."""
    origin = description.origin
    address = origin.address
    lines = [
        "v=0",
        f"o={origin.username} {origin.session_id} {origin.version} IN {address_type(address)} {address}",
        f"s={description.name}",
    ]
    keys: tuple[str, ...] = ()
    if description.others:
        lines += [line for line in description.others if line[0] != "k"]
        keys = tuple(line for line in description.others if line[0] == "k")
    session_address = description.connection
    if session_address is not None:
        lines.append(f"c=IN {address_type(session_address)} {session_address}")
    if description.bandwidth:
        lines += [f"b={value}" for value in description.bandwidth]
    lines += description.times
    lines += keys
    if description.attributes:
        lines += [f"a={value}" for value in description.attributes]
    for media in description.media:
        _print_media(lines, media, session_address)
    lines.append("")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _print_formats(formats: tuple[Format, ...]) -> str:
    lines: list[str] = []
    for known in formats:
        lines.append(f"a=rtpmap:{known.rtpmap}")
        if known.fmtp:
            lines.append(f"a=fmtp:{known.payload_type} {known.fmtp}")
    return "\r\n".join(lines)


_FORMAT_LINES: Final = Remembered(_print_formats)


def _print_media(lines: list[str], media: "Media", session_address: str | None) -> None:
    ports = media.port if media.port_count == 1 else f"{media.port}/{media.port_count}"
    lines.append(f"m={media.kind} {ports} {media.protocol} {' '.join(media.tokens)}")
    keys: tuple[str, ...] = ()
    if media.others:
        lines += [line for line in media.others if line[0] != "k"]
        keys = tuple(line for line in media.others if line[0] == "k")
    address = media.connection
    if address is not None and address != session_address:
        lines.append(f"c=IN {address_type(address)} {address}")
    if media.bandwidth:
        lines += [f"b={value}" for value in media.bandwidth]
    lines += keys
    if media.formats:
        lines.append(_FORMAT_LINES[media.formats,])
    if media.ptime is not None:
        lines.append(f"a=ptime:{media.ptime}")
    if media.max_ptime is not None:
        lines.append(f"a=maxptime:{media.max_ptime}")
    if media.attributes:
        lines += [f"a={value}" for value in media.attributes]
    if media.port or media.direction != "sendrecv":
        lines.append(f"a={media.direction}")
