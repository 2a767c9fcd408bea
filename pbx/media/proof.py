"""Where a leg's packets come from: the signalled address, or one learned once (no bleed, no injection).

The signalled address proves itself with its first valid packet. Any other source must send `PROBATION`
packets in sequence, of one SSRC, over at least `PROBATION_SPAN`, before the signalled address is heard. After
that nobody else is believed until a new address is signalled.
"""

from typing import Any, Final

from pbx.media.compiling import compiled
from pbx.media.layout import ADDRESS_BYTES, CANDIDATE, FORMER, PROVEN, SIGNALLED, Array
from pbx.media.reception import same_address

PROBATION: Final = 4
PROBATION_SPAN: Final = 40_000
# A candidate that was quiet for so long gives its place to another; so does one that sends out of sequence.
CANDIDATE_QUIET: Final = 200_000
# After a new address was signalled, the old source goes on sending for a while and must not be learned again.
FORMER_BARRED: Final = 2_000_000

STRANGER: Final = 0
KNOWN: Final = 1
NEWLY_PROVEN: Final = 2


@compiled
def copy_address(target: Array, source: Array) -> None:
    """Copy one sockaddr."""
    for at in range(ADDRESS_BYTES):
        target[at] = source[at]


@compiled
def prove(leg: Any, places: Array, sender: Array, sequence: int, ssrc: int, now: int) -> int:
    """Whether a valid packet from `sender` is from the leg's source: STRANGER, KNOWN or NEWLY_PROVEN.

    `places` are the leg's addresses. A newly proven source is written to its place PROVEN.
    """
    length = leg.address_length
    if leg.proven != 0:
        return KNOWN if same_address(sender, places[PROVEN], length) else STRANGER
    if leg.configured == 0:
        return STRANGER
    if not same_address(sender, places[SIGNALLED], length) and not _learned(
        leg, places, sender, sequence, ssrc, now
    ):
        return STRANGER
    copy_address(places[PROVEN], sender)
    leg.proven = 1
    leg.candidate_count = 0
    return NEWLY_PROVEN


@compiled
def _learned(leg: Any, places: Array, sender: Array, sequence: int, ssrc: int, now: int) -> bool:
    length = leg.address_length
    if now < leg.former_until and same_address(sender, places[FORMER], length):
        return False
    if leg.candidate_count > 0 and same_address(sender, places[CANDIDATE], length):
        if sequence == (leg.candidate_sequence + 1) & 0xFFFF and ssrc == leg.candidate_ssrc:
            leg.candidate_count += 1
        else:
            leg.candidate_count = 0
            return False
    elif leg.candidate_count == 0 or now - leg.candidate_at > CANDIDATE_QUIET:
        copy_address(places[CANDIDATE], sender)
        leg.candidate_count = 1
        leg.candidate_since = now
    else:
        return False
    leg.candidate_sequence = sequence
    leg.candidate_ssrc = ssrc
    leg.candidate_at = now
    return bool(leg.candidate_count >= PROBATION and now - leg.candidate_since >= PROBATION_SPAN)


@compiled
def forget_source(leg: Any, places: Array, now: int) -> None:
    """A new address was signalled: nobody is proven any more, and the old source is barred for a while."""
    if leg.proven != 0:
        copy_address(places[FORMER], places[PROVEN])
        leg.former_until = now + FORMER_BARRED
    leg.proven = 0
    leg.settled = 0
    leg.connectable = 1
    leg.candidate_count = 0
