"""What follows from two legs' format lists alone, each worked out once (RFC 3264 §6, §7)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pbx.remembered import Remembered
from pbx.sdp.errors import NothingFits
from pbx.sdp.formats import REDUNDANCY, TELEPHONE_EVENT, Format, counterpart


def _pass(formats: tuple[Format, ...], names: frozenset[str] | None) -> tuple[Format, ...]:
    """The formats that may pass. RED never: its parameters name payload types of its own leg (RFC 2198)."""
    return tuple(
        [
            known
            for known in formats
            if known.encoding != REDUNDANCY
            and (names is None or known.encoding in names or known.encoding == TELEPHONE_EVENT)
        ]
    )


def _choose(offered: tuple[Format, ...], wanted: tuple[Format, ...] | None) -> tuple[Format, ...]:
    """The formats of an answer, numbered as offered; empty when there is no codec among them."""
    chosen: dict[int, Format] = {}
    if wanted is None:
        chosen = {known.payload_type: known for known in offered if known.encoding != REDUNDANCY}
    else:
        for known in wanted:
            match = counterpart(known, offered)
            if match is not None and match.payload_type not in chosen and match.encoding != REDUNDANCY:
                number = match.payload_type
                chosen[number] = known if known.payload_type == number else known.numbered(number)
    formats = tuple(chosen.values())
    for known in formats:
        if known.is_codec:
            return formats
    return ()


def _tokens(formats: tuple[Format, ...]) -> tuple[str, ...]:
    return tuple([str(known.payload_type) for known in formats])


PASSED: Final = Remembered(_pass)
CHOSEN: Final = Remembered(_choose)
TOKENS: Final = Remembered(_tokens)


class Common(NamedTuple):
    """What two format lists have in common, in order of preference: as the peer has it, and as we do."""

    formats: tuple[Format, ...]
    received_as: tuple[int, ...]
    telephone_event: Format | None


def _in_their_order(theirs: tuple[Format, ...], ours: tuple[Format, ...]) -> Common:
    pairs: list[tuple[Format, Format]] = []
    used: set[int] = set()
    for known in theirs:
        own = counterpart(known, ours)
        if own is not None and own.payload_type not in used:
            used.add(own.payload_type)
            pairs.append((known, own))
    return _common(pairs)


def _in_our_order(theirs: tuple[Format, ...], ours: tuple[Format, ...]) -> Common:
    pairs: list[tuple[Format, Format]] = []
    for own in ours:
        known = counterpart(own, theirs)
        if known is not None:
            pairs.append((known, own))
    return _common(pairs)


def _common(pairs: Sequence[tuple[Format, Format]]) -> Common:
    """`pairs` has each format as (the peer's, ours). Raises NothingFits."""
    codec = next((known for known, _ in pairs if known.is_codec), None)
    if codec is None:
        raise NothingFits("No Common Codec")
    event: Format | None = None
    for known, _ in pairs:
        if known.encoding == TELEPHONE_EVENT and (event is None or known.clock_rate == codec.clock_rate):
            event = known
            if known.clock_rate == codec.clock_rate:
                break
    return Common(tuple([known for known, _ in pairs]), tuple([own.payload_type for _, own in pairs]), event)


ACCEPTED: Final = Remembered(_in_their_order)
ANSWERED: Final = Remembered(_in_our_order)


def _payload_map(
    formats: tuple[Format, ...], receive_types: tuple[int, ...], others: tuple[Format, ...]
) -> dict[int, int]:
    mapped: dict[int, int] = {}
    also: list[tuple[int, int]] = []
    for known, received_as in zip(formats, receive_types, strict=True):
        target = counterpart(known, others)
        if target is not None:
            mapped.setdefault(received_as, target.payload_type)
            if known.payload_type != received_as:
                also.append((known.payload_type, target.payload_type))
    for number, target_number in also:
        if number not in receive_types:
            mapped.setdefault(number, target_number)
    return mapped


def _clock_rates(formats: tuple[Format, ...], receive_types: tuple[int, ...]) -> dict[int, int]:
    rates = {known.payload_type: known.clock_rate for known in formats}
    for known, number in zip(formats, receive_types, strict=True):
        rates[number] = known.clock_rate
    return rates


PAYLOAD_MAPS: Final = Remembered(_payload_map)
CLOCK_RATES: Final = Remembered(_clock_rates)
