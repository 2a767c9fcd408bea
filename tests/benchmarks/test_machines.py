"""The PBX in memory that `benchmarks.machines` measures carries its calls, and the same ones every time."""

import os
import resource
import threading
import time
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.machines import cost_ms, give, made, recorded


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


class TestAKernelThatDoesNotTell:
    """Figures are 0, and what is measured goes on."""

    @pytest.fixture(autouse=True)
    def proc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(machine, "_PROC", tmp_path)
        return tmp_path

    def test_nothing(self) -> None:
        assert machine.stolen_s(0) == machine.stolen_s(None) == 0
        assert machine.runnable_s(threading.get_native_id()) == 0
        assert machine.datagrams_dropped({5060}) == 0

    def test_less(self, proc: Path) -> None:
        (proc / "stat").write_text("cpu  1 2 3 4\ncpu0 1 2 3 4\n\nintr 5\n", encoding="ascii")
        assert machine.stolen_s(0) == machine.stolen_s(None) == machine.stolen_s(7) == 0
        (proc / "net").mkdir()
        (proc / "net/udp").write_text("  sl  local_address inode\n 1: 0100007F:13C4 9\n", encoding="ascii")
        assert machine.datagrams_dropped({5060}) == 0

    def test_all(self, proc: Path) -> None:
        hertz = os.sysconf("SC_CLK_TCK")
        (proc / "stat").write_text(f"cpu  0 0 0 0 0 0 0 {3 * hertz} 0\n", encoding="ascii")
        assert machine.stolen_s(None) == 3
        (proc / "net").mkdir()
        (proc / "net/udp").write_text(
            "  sl  local_address drops\n 1: 0100007F:13C4 9\n 2: 0100007F:13C5 8\n", encoding="ascii"
        )
        assert machine.datagrams_dropped({5060}) == 9
        thread = proc / "self/task/77"
        thread.mkdir(parents=True)
        (thread / "schedstat").write_text("5 2000000000 3\n", encoding="ascii")
        assert machine.runnable_s(77) == 2


def test_who_may_not_choose_its_cores_or_memory_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    monkeypatch.setattr(resource, "prlimit", refused)
    with machine.pinned(0):
        machine.limit_memory(os.getpid(), machine.GIB)


def test_cpu_time_is_told_by_another_file_when_there_is_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int) -> int:
        raise OSError(22, "Invalid argument")

    measured = machine.cpu_seconds(os.getpid())
    monkeypatch.setattr(time, "clock_gettime_ns", refused)
    assert machine.cpu_seconds(os.getpid()) >= measured - 0.02
