"""Draws docs/states.md from the state tables of the code: `python docs/generate_states.py`.

A table is `{(state, input): (action, new state)}`. Add one to `TABLES` to have it drawn;
tests/sip/test_state_diagrams.py fails when the document and the tables differ.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "states.md"

Cells = Mapping[tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class Drawing:
    """A table, where it is, and what the reader should know of it.

    `initial` has the values of the states it starts in, by default the state of its first cell.
    """

    title: str
    module: str
    attribute: str
    text: str
    initial: tuple[str, ...] = ()


TABLES = (
    Drawing(
        "INVITE client transaction",
        "pbx.sip.transaction_tables",
        "INVITE_CLIENT",
        "RFC 3261 §17.1.1, RFC 6026 §7.2. An INVITE of ours. Timer B runs in Calling only, so a phone may "
        "ring for as long as the caller has patience.",
    ),
    Drawing(
        "Non-INVITE client transaction",
        "pbx.sip.transaction_tables",
        "NON_INVITE_CLIENT",
        "RFC 3261 §17.1.2. Any other request of ours, CANCEL included.",
    ),
    Drawing(
        "INVITE server transaction",
        "pbx.sip.transaction_tables",
        "INVITE_SERVER",
        "RFC 3261 §17.2.1, RFC 6026 §7.1. An INVITE received; 1xx, 2xx and 300-699 are given by its user.",
    ),
    Drawing(
        "Non-INVITE server transaction",
        "pbx.sip.transaction_tables",
        "NON_INVITE_SERVER",
        "RFC 3261 §17.2.2. Any other request received.",
    ),
    Drawing(
        "INVITE session",
        "pbx.sip.session_table",
        "SESSION",
        "RFC 3261 §13 to §15. One leg; a session that we start begins in idle, the others in received.",
        ("idle", "received"),
    ),
    Drawing(
        "Offers and answers of a session",
        "pbx.sip.session_table",
        "OFFERS",
        "RFC 3264 §4, RFC 3261 §14, RFC 3311. Who owes whom an answer, beside the session's own state.",
        ("first sent", "first received"),
    ),
    Drawing(
        "Call",
        "pbx.call.table",
        "TABLE",
        "The two legs together: who is rung, who talks with whom, and what ends it. A call that we make "
        "for somebody begins with ringing its caller.",
        ("deciding", "originating"),
    ),
)

HEAD = """# State diagrams

Drawn from the tables by `python docs/generate_states.py`; do not edit. An arrow reads *input / action*. What
has no arrow changes nothing: the tests name the rule by which it is absorbed, discarded or refused.
"""


def diagram(cells: Cells, initial: tuple[str, ...] = ()) -> str:
    """A mermaid state diagram, its arrows in the order of the table."""
    states = list(dict.fromkeys(state for (state, _), (_, to) in cells.items() for state in (state, to)))
    left = {state for state, _ in cells}
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state}" as {identifier(state)}' for state in states]
    lines += [f"    [*] --> {identifier(state)}" for state in states if str(state) in (initial or states[:1])]
    for (state, what), (action, to) in cells.items():
        lines.append(f"    {identifier(state)} --> {identifier(to)} : {label(what)} / {label(action)}")
    lines += [f"    {identifier(state)} --> [*]" for state in states if state not in left]
    return "\n".join(lines)


def identifier(state: str) -> str:
    """A state's name as mermaid wants it."""
    return state.upper().replace(" ", "_")


def label(text: str) -> str:
    """Text without the two characters that end a mermaid label."""
    return text.replace(": ", ", ").replace(":", ",").replace(";", ",")


def document() -> str:
    """The whole of docs/states.md."""
    parts = [HEAD]
    for drawing in TABLES:
        cells: Cells = getattr(import_module(drawing.module), drawing.attribute)
        text = f"{drawing.text} (`{drawing.module}.{drawing.attribute}`)"
        drawn = diagram(cells, drawing.initial)
        parts.append(f"## {drawing.title}\n\n{text}\n\n```mermaid\n{drawn}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    DOCUMENT.write_text(document(), encoding="utf-8")
