"""Media formats of RTP streams: payload types, encodings and what they mean (RFC 3551, RFC 8866 §6.6)."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

# In Hz; no registered encoding has a faster RTP clock, and the media plane takes none.
MAX_CLOCK_RATE: Final = 384_000

TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
COMFORT_NOISE: Final = "CN"
REDUNDANCY: Final = "RED"

# Formats that go along with a codec and are none: a stream that lists only these carries no voice.
_COMPANIONS: Final = frozenset({TELEPHONE_EVENT, COMFORT_NOISE, REDUNDANCY, "TONE"})

# Encoding names are case-insensitive (RFC 8866 §6.6); these are printed as their registrations write them.
_SPELLINGS: Final = {
    TELEPHONE_EVENT: "telephone-event",
    "OPUS": "opus",
    "SPEEX": "speex",
    "ILBC": "iLBC",
    REDUNDANCY: "red",
    "TONE": "tone",
}


class Format(NamedTuple):
    """One RTP payload type and what it carries.

    `encoding` is upper-case; `clock_rate` is in Hz and is the RTP clock (8000 for G722, RFC 3551 §4.5.2);
    `fmtp` is the text of the format's parameters, without the payload type.
    """

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""

    @property
    def is_codec(self) -> bool:
        """Whether it carries voice by itself (telephone-event and comfort noise do not)."""
        return self.encoding not in _COMPANIONS

    @property
    def rtpmap(self) -> str:
        """The value of its rtpmap attribute (RFC 8866 §6.6)."""
        return _print_rtpmap(self.payload_type, self.encoding, self.clock_rate, self.channels)

    def numbered(self, payload_type: int) -> "Format":
        """The same format under another payload type."""
        return Format(payload_type, self.encoding, self.clock_rate, self.channels, self.fmtp)


# RFC 3551 §6, tables 4 and 5. These need no rtpmap.
STATIC: Final[dict[int, Format]] = {
    0: Format(0, "PCMU", 8000),
    3: Format(3, "GSM", 8000),
    4: Format(4, "G723", 8000),
    5: Format(5, "DVI4", 8000),
    6: Format(6, "DVI4", 16000),
    7: Format(7, "LPC", 8000),
    8: Format(8, "PCMA", 8000),
    9: Format(9, "G722", 8000),
    10: Format(10, "L16", 44100, 2),
    11: Format(11, "L16", 44100),
    12: Format(12, "QCELP", 8000),
    13: Format(13, COMFORT_NOISE, 8000),
    14: Format(14, "MPA", 90000),
    15: Format(15, "G728", 8000),
    16: Format(16, "DVI4", 11025),
    17: Format(17, "DVI4", 22050),
    18: Format(18, "G729", 8000),
    25: Format(25, "CELB", 90000),
    26: Format(26, "JPEG", 90000),
    28: Format(28, "NV", 90000),
    31: Format(31, "H261", 90000),
    32: Format(32, "MPV", 90000),
    33: Format(33, "MP2T", 90000),
    34: Format(34, "H263", 90000),
}

PCMU: Final = STATIC[0]
PCMA: Final = STATIC[8]
G722: Final = STATIC[9]

DYNAMIC_TYPES: Final = range(96, 128)


def telephone_event(payload_type: int = 101, clock_rate: int = 8000, events: str = "0-16") -> Format:
    """The telephone-event format (RFC 4733 §7.1.1) for these events, as its fmtp lists them."""
    return Format(payload_type, TELEPHONE_EVENT, clock_rate, 1, events)


def same_codec(first: Format, second: Format) -> bool:
    """Whether both are the same encoding, clock rate and channels; numbers and parameters may differ."""
    return (
        first.encoding == second.encoding
        and first.clock_rate == second.clock_rate
        and first.channels == second.channels
    )


def counterpart(wanted: Format, among: Iterable[Format]) -> Format | None:
    """The format among these that is the same codec as `wanted`.

    When several are (one codec listed twice with different parameters), the one with the same payload type
    is meant, else the one with the same parameters, else the first.
    """
    best: Format | None = None
    for candidate in among:
        if same_codec(candidate, wanted):
            if candidate.payload_type == wanted.payload_type:
                return candidate
            if best is None or (candidate.fmtp == wanted.fmtp and best.fmtp != wanted.fmtp):
                best = candidate
    return best


# payload type, encoding (a token, RFC 8866 §9), clock rate, channels
_RTPMAP = re.compile(r"(\d{1,3}) {1,4}([!#-'*+\-.0-9A-Z^-~]{1,64})/(\d{1,9})(?:/(\d{1,3}))? {0,4}", re.ASCII)


@lru_cache(maxsize=1024)
def parse_rtpmap(value: str) -> Format | None:
    """The format that an rtpmap attribute's value describes, without parameters; None for what is no rtpmap.

    Remembered, since a network's phones say the same few things; nobody may change what it returns.
    """
    match = _RTPMAP.fullmatch(value)
    if match is None:
        return None
    payload_type, encoding, clock_rate, channels = match.groups("1")
    number, rate, count = int(payload_type), int(clock_rate), int(channels)
    if number > 127 or not 0 < rate <= MAX_CLOCK_RATE or count == 0:
        return None
    return Format(number, encoding.upper(), rate, count)


@lru_cache(maxsize=1024)
def _print_rtpmap(payload_type: int, encoding: str, clock_rate: int, channels: int) -> str:
    name = _SPELLINGS.get(encoding, encoding)
    suffix = f"/{channels}" if channels != 1 else ""
    return f"{payload_type} {name}/{clock_rate}{suffix}"
