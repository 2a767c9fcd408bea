"""What the reactor asks of the loop, as it is written: records of COMMAND, one for each thing asked."""

import struct
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pbx.errors import MisuseError
from pbx.media import layout, mixtables
from pbx.media.layout import COMMAND, COMMAND_BYTES
from pbx.media.values import LegAudio, LegId
from pbx.remembered import Remembered

_HIGHEST_CLOCK_RATE: Final = 384_000
_PACKET_MS: Final = (10, 20, 30, 40, 60)
# The first three fields of a command.
_HEAD: Final = struct.Struct("=qqq")
_NO_REST: Final = bytes(COMMAND_BYTES - _HEAD.size)
# And a leg's with the other leg's after it; a bridge and its generation.
_PAIR: Final = struct.Struct("=qqqqq")
_BRIDGE: Final = struct.Struct("=qq")
_BRIDGE_AT: Final = layout.offset(COMMAND, "bridge")
_DIRECTIONS: Final = struct.Struct("=qqq")
_DIRECTIONS_AT: Final = layout.offset(COMMAND, "has_remote")
_REMOTE_AT: Final = layout.offset(COMMAND, "remote")

Pairs = tuple[tuple[int, int], ...]
_Audio = tuple[tuple[tuple[int, str], ...], str | None, int, int | None, int]


def plain(operation: int, leg: LegId) -> bytes:
    """A command that says nothing but what it is, and for whom."""
    return _HEAD.pack(operation, leg.row, leg.generation) + _NO_REST


def command(operation: int, row: int, generation: int) -> Any:
    """A command record with only its head filled in."""
    octets = bytearray(COMMAND_BYTES)
    _HEAD.pack_into(octets, 0, operation, row, generation)
    return np.ndarray((), COMMAND, octets)


def bridging(a: LegId, b: LegId, row: int, generation: int) -> bytearray:
    """A BRIDGE command: two legs hear each other, in this row of the thread's bridges."""
    octets = bytearray(COMMAND_BYTES)
    _PAIR.pack_into(octets, 0, layout.BRIDGE, a.row, a.generation, b.row, b.generation)
    _BRIDGE.pack_into(octets, _BRIDGE_AT, row, generation)
    return octets


def configuration(
    leg: LegId,
    remote: bytes | None,
    receive: bool,
    send: bool,
    payload_map: Mapping[int, int],
    clock_rates: Mapping[int, int],
    audio: LegAudio | None,
) -> bytearray:
    """A CONFIGURE command; `remote` is a packed address, None for nobody. Raises MisuseError."""
    octets = bytearray(_agreed[tuple(payload_map.items()), tuple(clock_rates.items()), _of(audio)])
    _HEAD.pack_into(octets, 0, layout.CONFIGURE, leg.row, leg.generation)
    known = remote is not None
    _DIRECTIONS.pack_into(octets, _DIRECTIONS_AT, known, receive, send and known)
    if remote is not None:
        octets[_REMOTE_AT : _REMOTE_AT + len(remote)] = remote
    return octets


def _of(audio: LegAudio | None) -> _Audio | None:
    if audio is None:
        return None
    return (
        tuple(audio.decode.items()),
        audio.encode,
        audio.payload_type,
        audio.telephone_event,
        audio.ptime_ms,
    )


def _write_agreed(payload_map: Pairs, clock_rates: Pairs, audio: _Audio | None) -> bytes:
    """The part of a CONFIGURE command that calls of the same codecs have in common."""
    record = command(layout.CONFIGURE, 0, 0)
    record["payload_map"] = layout.NOT_AGREED
    rates = dict(clock_rates)
    for accepted, given in payload_map:
        rate = rates.get(accepted, 8000)
        if not (0 <= accepted < 128 and 0 <= given < 128 and 0 < rate <= _HIGHEST_CLOCK_RATE):
            raise MisuseError(f"no payload type or clock rate: {accepted} to {given} at {rate}")
        record["payload_map"][accepted] = given
        record["clock_rates"][accepted] = rate
    record["event_type"] = -1
    record["packet_ms"] = mixtables.FRAME_MS
    if audio is not None:
        _write_audio(record, audio, rates)
    return bytes(record.tobytes())


_agreed: Final = Remembered(_write_agreed)


def _write_audio(record: Any, audio: _Audio, rates: Mapping[int, int]) -> None:
    """What the matrix has to know of the leg."""
    decode, encode, encoded_type, telephone_event, ptime_ms = audio
    for payload_type, name in decode:
        codec = mixtables.CODEC_NUMBERS.get(name)
        if codec is None or not 0 <= payload_type < layout.PAYLOAD_TYPES:
            raise MisuseError(f"the matrix knows no codec {name} as payload type {payload_type}")
        record["decode"][payload_type] = codec
        record["clock_rates"][payload_type] = rates.get(payload_type, 8000)
    if ptime_ms not in _PACKET_MS or not 0 <= encoded_type < layout.PAYLOAD_TYPES:
        raise MisuseError(f"no packets of {ptime_ms} ms as payload type {encoded_type}")
    record["audio"] = 1
    record["packet_ms"] = ptime_ms
    if encode is not None:
        record["codec"] = mixtables.CODEC_NUMBERS[encode]
        record["payload_type"] = encoded_type
        record["clock_rates"][encoded_type] = rates.get(encoded_type, 8000)
    if telephone_event is not None:
        record["event_type"] = telephone_event
        record["clock_rates"][telephone_event] = rates.get(telephone_event, 8000)
