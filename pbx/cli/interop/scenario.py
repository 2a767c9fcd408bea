"""Scenarios: SIPp's XML, in which `<include file="…"/>` stands for what several of them share."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pbx.errors import OperatorError

_INCLUDE = re.compile(r"[ \t]*<include file=\"([^\"]*)\"/>[ \t]*\n?")
_DEPTH = 4

# What a phone offers and answers with: the word [sdp] of a scenario.
_SDP = """\
v=0
o=phone 1 1 IN IP{family} {address}
s=-
c=IN IP{family} {address}
t=0 0
m=audio {port} RTP/AVP {codec} 101
a=rtpmap:{codec} {name}/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv"""


def sdp(address: str, port: int, codec: int = 0, name: str = "PCMU") -> str:
    """A phone's audio: a codec and telephone-events. The scenario ends the last line, or goes on after it."""
    family = 6 if ":" in address else 4
    text = _SDP.format(family=family, address=address, port=port, codec=codec, name=name)
    return text.replace("\n", "\r\n")


def fill(text: str, keys: Mapping[str, str]) -> str:
    """A scenario with `[key]` replaced by a case's own values, wherever it stands.

    SIPp's own `-key` reaches messages only, not the length of a pause.
    """
    for key, value in keys.items():
        text = text.replace(f"[{key}]", value)
    return text


def find(name: str, places: Sequence[Path]) -> Path | None:
    """The file `name` in the first of these directories that has it."""
    return next((place / name for place in places if (place / name).is_file()), None)


def expand(path: Path, places: Sequence[Path], depth: int = _DEPTH) -> str:
    """The text of a scenario with its includes, looked for in `places`. Raises OperatorError."""
    text = path.read_text(encoding="utf-8")

    def included(found: re.Match[str]) -> str:
        part = find(found[1], places)
        if part is None or not depth:
            why = "it is not there" if part is None else "its includes go round in a circle"
            raise OperatorError(f"{path.name} cannot include {found[1]!r}: {why}", f"it is in {path.parent}")
        return expand(part, places, depth - 1)

    return _INCLUDE.sub(included, text)
