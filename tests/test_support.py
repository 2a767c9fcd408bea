"""The helpers that other tests rely on."""

import pytest

from tests.support import Dice, advance_to, seeded_bytes, seeded_ids


def test_a_number_below_a_bound_is_any_of_them() -> None:
    ids = seeded_ids()
    assert {ids.below(5) for _ in range(200)} == {0, 1, 2, 3, 4}


class Doubling:
    """Due at 1, 3, 7, …"""

    def __init__(self) -> None:
        self.due: float | None = 1.0
        self.interval = 1.0

    def next_deadline(self) -> float | None:
        return self.due

    def handle_timer(self, now: float) -> list[float]:
        self.interval *= 2
        self.due = now + self.interval
        return [now]


class Stuck:
    """Due, and due again."""

    def next_deadline(self) -> float | None:
        return 0.0

    def handle_timer(self, now: float) -> list[float]:
        return [now]


def test_advance_to_stops_at_every_deadline() -> None:
    machine = Doubling()
    assert advance_to(machine, 7.0) == [(1.0, 1.0), (3.0, 3.0), (7.0, 7.0)]
    assert machine.due == 15.0
    assert advance_to(machine, 14.9) == []


def test_advance_to_ends_when_nothing_is_due() -> None:
    machine = Doubling()
    machine.due = None
    assert advance_to(machine, 1e9) == []


def test_advance_to_does_not_hang_on_a_machine_that_stays_due() -> None:
    with pytest.raises(AssertionError, match="still due"):
        advance_to(Stuck(), 1.0)


def test_seeds_repeat_and_differ() -> None:
    assert seeded_bytes(1)(100) == seeded_bytes(1)(100)
    assert seeded_bytes(1)(100) != seeded_bytes(2)(100)
    assert len(seeded_bytes(1)(33)) == 33
    read = seeded_bytes(1)
    assert read(32) != read(32)
    assert seeded_ids(1).branch() == seeded_ids(1).branch()


def test_dice() -> None:
    dice = Dice(1)
    assert all(2.0 <= dice.between(2.0, 3.0) < 3.0 for _ in range(100))
    assert {dice.choose("ab") for _ in range(100)} == {"a", "b"}
    assert not dice.chance(0.0)
    assert dice.chance(1.0)
