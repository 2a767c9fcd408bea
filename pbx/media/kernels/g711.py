"""G.711 both ways, by table (ITU-T G.711, exact to G.191)."""

from pbx.media.companding import ALAW_TO_LINEAR, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR
from pbx.media.compiling import compiled
from pbx.media.layout import Array

__all__ = [
    "ALAW_TO_LINEAR",
    "LINEAR_TO_ALAW",
    "LINEAR_TO_ULAW",
    "ULAW_TO_LINEAR",
    "decode_alaw",
    "decode_ulaw",
    "encode_alaw",
    "encode_ulaw",
]


@compiled
def decode_ulaw(octets: Array, out: Array) -> int:
    """μ-law octets (uint8) as samples (int16); how many. `out` has room for as many as there are octets."""
    for at in range(octets.shape[0]):
        out[at] = ULAW_TO_LINEAR[octets[at]]
    return len(octets)


@compiled
def decode_alaw(octets: Array, out: Array) -> int:
    """A-law octets (uint8) as samples (int16); how many. `out` has room for as many as there are octets."""
    for at in range(octets.shape[0]):
        out[at] = ALAW_TO_LINEAR[octets[at]]
    return len(octets)


@compiled
def encode_ulaw(samples: Array, out: Array) -> int:
    """Samples (int16) as μ-law octets (uint8); how many. `out` has room for as many as there are samples."""
    for at in range(samples.shape[0]):
        out[at] = LINEAR_TO_ULAW[samples[at] & 0xFFFF]
    return len(samples)


@compiled
def encode_alaw(samples: Array, out: Array) -> int:
    """Samples (int16) as A-law octets (uint8); how many. `out` has room for as many as there are samples."""
    for at in range(samples.shape[0]):
        out[at] = LINEAR_TO_ALAW[samples[at] & 0xFFFF]
    return len(samples)
