"""docs/states.md is what the tables say."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from pbx.sip.transaction_tables import NON_INVITE_SERVER, ServerAction, State

SCRIPT = Path(__file__).parents[2] / "docs" / "generate_states.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_file_location("generate_states", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_up_to_date(script: ModuleType) -> None:
    written = script.DOCUMENT.read_text(encoding="utf-8")
    assert written == script.document(), "run: python docs/generate_states.py"


def test_a_changed_cell_changes_the_document(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {
        key: (ServerAction.MOVE, State.TRYING) if to is State.TERMINATED else (action, to)
        for key, (action, to) in NON_INVITE_SERVER.items()
    }
    before = script.document()
    monkeypatch.setattr("pbx.sip.transaction_tables.NON_INVITE_SERVER", changed)
    assert script.document() != before


def test_every_cell_has_its_arrow(script: ModuleType) -> None:
    drawn = script.diagram(NON_INVITE_SERVER)
    arrows = re.findall(r"^    (\w+) --> (\w+) : ([^:;\n]+) / ([^:;\n]+)$", drawn, re.MULTILINE)
    expected = [
        (state.name, to.name, what.value, action.value)
        for (state, what), (action, to) in NON_INVITE_SERVER.items()
    ]
    assert arrows == expected
    assert "    [*] --> TRYING\n" in drawn
    assert drawn.endswith("    TERMINATED --> [*]")


def test_labels_hold_nothing_that_ends_them(script: ModuleType) -> None:
    assert script.label("timer: late; again:") == "timer, late, again,"
