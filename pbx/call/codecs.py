"""What the mixing matrix can make of the formats that a leg has agreed on."""

from collections.abc import Iterable, Sequence
from typing import Final

from pbx.media.values import CodecName, LegAudio
from pbx.remembered import Remembered
from pbx.sdp.formats import COMFORT_NOISE, G722, PCMA, PCMU, TELEPHONE_EVENT, Format
from pbx.sdp.negotiation import Agreed

MIXABLE_FORMATS: Final = (PCMU, PCMA, G722)
"""What we offer of our own accord beside a caller's codecs."""

_NAMES: Final[dict[tuple[str, int, int], CodecName]] = {
    ("PCMU", 8000, 1): "PCMU",
    ("PCMA", 8000, 1): "PCMA",
    ("G722", 8000, 1): "G722",
    ("L16", 8000, 1): "L16",
    ("L16", 16000, 1): "L16",
}
_PTIMES_MS: Final = frozenset({10, 20, 30, 40, 60})
_PTIME_MS: Final = 20


def mixable(known: Format) -> CodecName | None:
    """The codec of a format, when the matrix can decode and encode it."""
    return _NAMES.get((known.encoding, known.clock_rate, known.channels))


def can_mix(agreed: Agreed | None) -> bool:
    """Whether a leg that agreed on this can hear, and be heard on, a bridge of more than two."""
    return agreed is not None and any(mixable(known) for known in agreed.formats)


def answerable(formats: Iterable[Format]) -> tuple[Format, ...]:
    """Those of a peer's formats that we can take part in ourselves: codecs, digits and comfort noise."""
    return tuple(
        [known for known in formats if mixable(known) or known.encoding in {TELEPHONE_EVENT, COMFORT_NOISE}]
    )


def added(offered: Sequence[Format], allowed: Sequence[str] | None) -> tuple[Format, ...]:
    """What may be offered after `offered` because we can transcode; empty when we cannot decode any of it.

    A static payload type that the peer uses for something else is left to the peer.
    """
    if not any(mixable(known) for known in offered):
        return ()
    taken = {known.payload_type for known in offered}
    encodings = {known.encoding for known in offered}
    names = None if allowed is None else {name.upper() for name in allowed}
    return tuple(
        [
            own
            for own in MIXABLE_FORMATS
            if own.payload_type not in taken
            and own.encoding not in encodings
            and (names is None or own.encoding in names)
        ]
    )


ADDED: Final = Remembered(added)


def leg_audio(agreed: Agreed) -> LegAudio:
    """What was agreed, in the words of the media plane."""
    return _LEG_AUDIO[agreed.formats, agreed.receive_types, agreed.telephone_event, agreed.ptime]


def _leg_audio(
    formats: tuple[Format, ...], receive_types: tuple[int, ...], event: Format | None, ptime: int | None
) -> LegAudio:
    decode: dict[int, str] = {}
    encode: CodecName | None = None
    payload_type = 0
    for known, received_as in zip(formats, receive_types, strict=True):
        encoding = known.encoding
        name: str | None = mixable(known)
        if name is not None and encode is None:
            encode, payload_type = mixable(known), known.payload_type
        if encoding == TELEPHONE_EVENT:
            name = "telephone-event"
        elif encoding == COMFORT_NOISE:
            name = "CN"
        if name is not None:
            decode[received_as] = name
            decode.setdefault(known.payload_type, name)
    return LegAudio(
        decode,
        encode,
        payload_type,
        None if event is None else event.payload_type,
        ptime if ptime in _PTIMES_MS else _PTIME_MS,
    )


_LEG_AUDIO: Final = Remembered(_leg_audio)
