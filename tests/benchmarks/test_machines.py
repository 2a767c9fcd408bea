"""The PBX in memory that `benchmarks.machines` measures carries its calls, and the same ones every time."""

from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.machines import cost_ms, give, made, recorded


def test_calls_side_by_side_say_the_same_message_one_after_the_other() -> None:
    starts = [step[0].split(b" ", 2)[:2] for step in recorded(5, together=2)]
    kinds = [start[1] if start[0] == b"SIP/2.0" else start[0] for start in starts]
    one = [b"INVITE", b"180", b"200", b"ACK", b"BYE", b"200"]
    assert kinds == [kind for kind in one for _ in range(2)] * 2 + one


def test_the_messages_of_a_call_lead_to_the_same_answers_when_they_are_given_again() -> None:
    steps = recorded(3)
    answers = []
    for _ in range(2):
        house, core = made()
        answers.append([sent.data for step in steps for sent in give(house, core, step)])
        assert len(house.switch.calls) == 0
    assert answers[0] == answers[1]
    starts = [data.split(b" ", 2)[:2] for data in answers[0][:8]]
    assert [start[1] if start[0] == b"SIP/2.0" else start[0] for start in starts] == [
        b"100", b"INVITE", b"180", b"ACK", b"200", b"200", b"BYE", b"100",
    ]  # fmt: skip


def test_a_cost_is_charged_to_the_calls_after_the_warming() -> None:
    assert cost_ms(recorded(2), 1) > 0


@pytest.mark.parametrize(
    ("content", "left"), [("/autogroup-7 nice 5\n", "5"), ("", "0")], ids=["a group", "no group"]
)
def test_a_session_is_put_first_and_back(
    content: str, left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "autogroup"
    group.write_text(content, encoding="ascii")
    monkeypatch.setattr(machine, "_AUTOGROUP", group)
    with machine.session_first():
        assert group.read_text(encoding="ascii") == "-20"
    assert group.read_text(encoding="ascii") == left


def test_a_kernel_without_groups_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_AUTOGROUP", tmp_path / "missing" / "autogroup")
    with machine.session_first():
        pass
    assert list(tmp_path.iterdir()) == []
