"""What may go live: a dialplan that compiles, has no errors by lint, and passes its tests."""

from pathlib import Path

import pytest

from pbx.dialplan.check import load_checked
from pbx.dialplan.scope import KnownNames
from pbx.errors import DocumentError

LIVE = """
entry: [{from: users, chain: internal}]
chains:
  internal:
    - routing:
        - {to: "600", echo: {}}
tests:
  - {name: the echo, call: {user: "1001", to: "600"}, expect: WHAT}
"""


def test_what_goes_live_has_passed_its_tests(tmp_path: Path) -> None:
    path = tmp_path / "dialplan.yaml"
    path.write_text(LIVE.replace("WHAT", "echo"))
    assert load_checked(path, KnownNames(frozenset({"1001"}), frozenset()), 7).number == 7
    path.write_text(LIVE.replace("WHAT", "{reject: 486}"))
    with pytest.raises(DocumentError, match=r"dialplan\.yaml:8:\d+: the test .* failed"):
        load_checked(path, KnownNames(frozenset({"1001"}), frozenset()), 8)
