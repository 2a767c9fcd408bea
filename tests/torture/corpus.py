"""The messages of RFC 4475: the RFC's own bytes where they are at hand, and ours for the same faults."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RFC4475: Final = Path(__file__).parents[3] / "shared" / "corpora" / "rfc4475"
ABSENT: Final = f"RFC 4475's own messages are not at {RFC4475}"
_OURS: Final = Path(__file__).parents[1] / "sip" / "torture" / "messages.json"

NEVER_ACCEPTED: Final = frozenset({"esc02", "regbadct", "unksm2", "regaut01"})

# RFC 3261 §20.14: on a stream a message without Content-Length cannot be taken, whatever else it says, and
# one that is not complete waits for the rest.
_ON_A_STREAM: Final[dict[str, frozenset[int | None]]] = {
    "inv2543": frozenset({400}),
    "rfc-2543": frozenset({400}),
    "length-too-large": frozenset({None}),
    "no-empty-line": frozenset({None}),
}

# What our own messages, where the parser finds nothing wrong, are answered; unlike the RFC's they come from
# no domain of ours, so INVITEs go the public way and REGISTERs are challenged.
_OURS_ANSWERED: Final[dict[str, frozenset[int | None]]] = {
    "spacing": frozenset({481}),
    "odd-characters": frozenset({501}),
    "escapes": frozenset({200, 401, 403}),
    "escaped-method": frozenset({501}),
    "display-against-bracket": frozenset({200}),
    "long-values": frozenset({200, 401, 403}),
    "semicolon-user": frozenset({200}),
    "transports": frozenset({200}),
    "binary-body": frozenset({405}),
    "odd-reason": frozenset({None}),
    "no-reason": frozenset({None}),
    "other-time-zone": frozenset({200, 401, 403}),
    "cookie-only": frozenset({200}),
    "unknown-options": frozenset({420}),
    "unknown-body": frozenset({415}),
    "broadcast-via": frozenset({None}),
    "max-forwards-0": frozenset({200, 483}),
    "accept-without-sdp": frozenset({406}),
    "rfc-2543": frozenset({200, 401, 403}),
}
_CHALLENGED: Final[frozenset[int | None]] = frozenset({401})


@dataclass(frozen=True)
class Torture:
    """A message, and the final answers that are right for it; None among them is no answer at all."""

    name: str
    section: str
    octets: bytes
    right: frozenset[int | None]

    def right_on(self, transport: str) -> frozenset[int | None]:
        return _ON_A_STREAM.get(self.name, self.right) if transport == "tcp" else self.right


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
            frozenset(status for status in entry["ok"] if status is None or status >= 200),
        )
        for name, entry in verdicts.items()
    ]


def ours() -> list[Torture]:
    """The project's own messages for the same faults."""
    return [
        Torture(
            entry["name"],
            entry["section"],
            # One branch each, for a service that remembers the others (§17.2.3).
            "\r\n".join(entry["lines"])
            .replace("z9hG4bK-torture", f"z9hG4bK-torture-{entry['name']}")
            .encode("utf-8", "surrogateescape"),
            _right(entry["name"], entry["verdict"]),
        )
        for entry in json.loads(_OURS.read_text("utf-8"))
    ]


def _right(name: str, verdict: str | int) -> frozenset[int | None]:
    if verdict == "valid":
        return _OURS_ANSWERED.get(name, _CHALLENGED)
    return frozenset({verdict if isinstance(verdict, int) else None})
