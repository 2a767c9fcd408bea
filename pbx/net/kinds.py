"""The order in which messages that wait together are served: kind by kind.

A message goes through the same code as the one before it when both are of a kind, and finds that code and its
data in the processor's nearer caches; between two INVITEs a 200, an ACK and a BYE would have pushed them out.
So the more messages wait, the less each of them costs (docs/decisions/kind-by-kind.md).
"""

import re
from collections.abc import Iterable
from typing import TypeVar

from pbx.sip.flow import Flow

Datagram = tuple[bytes, Flow]
Kind = tuple[bytes, bytes]
"""A method; or a status with the method that it answers."""

# The usual course of a call. These are looked for and not parsed: what is not found only costs the grouping.
_starts = re.compile(rb"(INVITE|ACK|BYE) |SIP/2\.0 ([1-6][0-9][0-9]) ").match
_cseq = re.compile(rb"[\r\n]CSeq[ \t]*:[ \t]*[0-9]+[ \t]+([A-Z]+)", re.IGNORECASE).search
_call_id = re.compile(rb"[\r\n](?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE).search

_Waiting = TypeVar("_Waiting", bound=tuple[bytes, object])


def by_kind(waiting: Iterable[_Waiting]) -> list[_Waiting]:
    """The same messages, those of a kind together.

    Those of one call (Call-ID) stay in the order in which they came. What belongs to no usual course of a
    call stays after all that came before it and before all that came after it.
    """
    waves: list[dict[Kind, list[_Waiting]]] = []
    # The wave before the first that is open, and the last with a message of each call.
    closed = -1
    last: dict[bytes, int] = {}
    for each in waiting:
        data = each[0]
        kind = _kind(data)
        if kind is None:
            waves.append({(b"", b""): [each]})
            closed = len(waves) - 1
            last.clear()
            continue
        found = _call_id(data)
        call_id = b"" if found is None else found[1]
        wave = last[call_id] = last.get(call_id, closed) + 1
        if wave == len(waves):
            waves.append({})
        waves[wave].setdefault(kind, []).append(each)
    return [each for wave in waves for together in wave.values() for each in together]


def _kind(data: bytes) -> Kind | None:
    start = _starts(data)
    if start is None:
        return None
    method, status = start.groups(b"")
    if method:
        return method, b""
    answered = _cseq(data)
    return status, b"" if answered is None else answered[1]
