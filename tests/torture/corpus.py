"""The messages of RFC 4475: the RFC's own bytes where they are at hand, and ours for the same faults."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RFC4475: Final = Path(__file__).parents[3] / "shared" / "corpora" / "rfc4475"
ABSENT: Final = f"RFC 4475's own messages are not at {RFC4475}"
OURS: Final = Path(__file__).parents[1] / "sip" / "torture" / "messages.json"

# §20.14 of RFC 3261: on a stream a message without Content-Length cannot be taken, whatever else it says.
ON_A_STREAM: Final = {"inv2543": frozenset({400})}
NEVER_ACCEPTED: Final = frozenset({"esc02", "regbadct", "unksm2", "regaut01"})
REQUESTS_READ_IN_FULL: Final = frozenset({100, *range(180, 184)})


@dataclass(frozen=True)
class Torture:
    """A message, and the final answers that are right for it; None among them is no answer at all."""

    name: str
    section: str
    octets: bytes
    right: frozenset[int | None]
    note: str

    def right_on(self, transport: str) -> frozenset[int | None]:
        return ON_A_STREAM.get(self.name, self.right) if transport == "tcp" else self.right


def rfc4475() -> list[Torture]:
    """The 49 messages of the RFC with the verdicts beside them; none when they are not at hand."""
    if not RFC4475.is_dir():
        return []
    verdicts = json.loads((RFC4475 / "verdicts.json").read_text("utf-8"))
    return [
        Torture(
            name,
            entry["section"],
            (RFC4475 / f"{name}.dat").read_bytes(),
            frozenset(entry["ok"]) - REQUESTS_READ_IN_FULL,
            entry["note"],
        )
        for name, entry in verdicts.items()
    ]
