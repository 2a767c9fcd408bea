"""Rows of the shared tables as octets: written and read in one piece by the reactor, not field by field."""

import base64
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from pbx.media import layout
from pbx.media.layout import LEG, Array, Shared, names, place
from pbx.media.values import Family

Row = tuple[int, ...]
"""The values of one row, in the order of its fields."""

RANDOM_OCTETS: Final = 22
"""What a new row's identifiers are made of."""

_WORD: Final = struct.Struct("q")
_NUMBERS: Final = struct.Struct(">IIH12s")


class Words:
    """A table whose fields are 64-bit numbers all."""

    def __init__(self, table: Array) -> None:
        self._row = struct.Struct(f"{len(names(table.dtype))}q")
        self._octets = _octets(table)

    def read(self, row: int) -> Row:
        """All values of a row."""
        return self._row.unpack_from(self._octets, row * self._row.size)

    def word(self, row: int, place: int) -> int:
        """One value of a row."""
        word: int = _WORD.unpack_from(self._octets, row * self._row.size + place * _WORD.size)[0]
        return word

    def write(self, row: int, values: Sequence[int]) -> None:
        """Set all values of a row."""
        self._row.pack_into(self._octets, row * self._row.size, *values)


class Rows:
    """The shared tables of all legs: a row is the reactor's until ACTIVATE, then the loop's."""

    def __init__(self, shared: Shared) -> None:
        self._legs = Words(shared.legs)
        self._addresses = _octets(shared.addresses)
        self._payload_map = _octets(shared.payload_map)
        self._clock_rates = _octets(shared.clock_rates)
        self._cnames = _octets(shared.cnames)
        self._envelopes = _octets(shared.envelopes)

    def fill_in(self, row: int, generation: int, family: Family, rtp: int, rtcp: int, octets: bytes) -> None:
        """Begin a row anew for sockets of its own; the stream to its peer gets random numbers of `octets`."""
        ssrc, timestamp, highest, name = _NUMBERS.unpack(octets)
        values = _FRESH[family].copy()
        values[_GENERATION] = generation
        values[_RTP] = rtp
        values[_RTCP] = rtcp
        values[_SSRC] = ssrc
        values[_TIMESTAMP] = timestamp
        # In the lower half, so that it does not wrap at once (RFC 3711 §3.3.1).
        values[_HIGHEST] = highest & 0x7FFF
        self._legs.write(row, values)
        _put(self._addresses, row, _NO_ADDRESSES)
        _put(self._payload_map, row, _NOTHING_AGREED)
        _put(self._clock_rates, row, _NO_RATES)
        _put(self._envelopes, row, _SILENCE)
        # A short-term persistent name of 96 random bits (RFC 7022 §4.2).
        _put(self._cnames, row, base64.b64encode(name))

    def version(self, row: int) -> int:
        """Odd while the loop writes to the row."""
        return self._legs.word(row, _VERSION)

    def read(self, row: int) -> Row:
        """All values of a row of LEG."""
        return self._legs.read(row)

    def proven(self, row: int) -> bytes:
        """The address where a leg's packets come from, as the kernel has it."""
        at = (row * layout.ADDRESSES + layout.PROVEN) * layout.ADDRESS_BYTES
        return bytes(self._addresses[at : at + layout.ADDRESS_BYTES])


def _octets(table: Array) -> memoryview:
    return table.reshape(-1).view(np.uint8).data


def _put(table: memoryview, row: int, octets: bytes) -> None:
    size = len(octets)
    table[row * size : (row + 1) * size] = octets


def _fresh(address_length: int) -> list[int]:
    """A row that nobody has used, but for what differs from leg to leg."""
    values = dict.fromkeys(names(LEG), 0)
    values.update(address_length=address_length, peer=layout.NOBODY, connectable=1)
    values.update(bad_sequence=-1, round_trip=-1, heard_jitter=-1)
    return list(values.values())


_FRESH: Final[dict[Family, list[int]]] = {4: _fresh(layout.SOCKADDR_IN), 6: _fresh(layout.SOCKADDR_IN6)}
_VERSION, _GENERATION, _RTP, _RTCP, _SSRC, _TIMESTAMP, _HIGHEST = (
    place(LEG, name)
    for name in (
        "version",
        "generation",
        "rtp_descriptor",
        "rtcp_descriptor",
        "stream_ssrc",
        "stream_timestamp",
        "stream_highest",
    )
)
_NO_ADDRESSES: Final = bytes(layout.ADDRESSES * layout.ADDRESS_BYTES)
_NOTHING_AGREED: Final = bytes([layout.NOT_AGREED]) * layout.PAYLOAD_TYPES
_NO_RATES: Final = bytes(4 * layout.PAYLOAD_TYPES)
_SILENCE: Final = bytes(8 * layout.ENVELOPE)
