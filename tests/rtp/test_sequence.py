import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.rtp.sequence import (
    MAX_DROPOUT,
    MAX_MISORDER,
    MIN_SEQUENTIAL,
    SequenceCounter,
    Verdict,
    difference,
    timestamp_difference,
)


def _believed(first: int = 1) -> SequenceCounter:
    """A counter whose source is off probation: `first` is its base, one packet is counted."""
    counter = SequenceCounter()
    counter.receive((first - 1) & 0xFFFF)
    assert counter.receive(first) == "next"
    assert (counter.base_sequence, counter.received, counter.lost) == (first, 1, 0)
    return counter


def test_differences_go_round() -> None:
    assert difference(1, 65535) == 2
    assert difference(65535, 1) == -2
    assert difference(0x8000, 0) == -0x8000
    assert difference(0x7FFF, 0) == 0x7FFF
    assert timestamp_difference(5, 0xFFFFFFFF) == 6
    assert timestamp_difference(0xFFFFFFFF, 5) == -6


@given(st.integers(0, 65535), st.integers(-0x8000, 0x7FFF))
def test_difference_is_the_inverse_of_adding(start: int, step: int) -> None:
    assert difference((start + step) & 0xFFFF, start) == step


@pytest.mark.parametrize("first", [0, 1, 5000, 65534, 65535])
def test_a_source_is_believed_after_two_packets_in_a_row(first: int) -> None:
    assert MIN_SEQUENTIAL == 2
    counter = SequenceCounter()
    assert (counter.extended, counter.expected, counter.lost) == (0, 0, 0)
    assert counter.receive(first) == "probation"
    assert (counter.extended, counter.received) == (0, 0)
    assert counter.receive((first + 1) & 0xFFFF) == "next"
    assert (counter.extended, counter.received, counter.expected) == ((first + 1) & 0xFFFF, 1, 1)


def test_probation_begins_again_with_every_jump() -> None:
    counter = SequenceCounter()
    assert [counter.receive(number) for number in (10, 12, 12, 9, 30000, 30001)] == ["probation"] * 5 + [
        "next"
    ]
    assert counter.base_sequence == 30001


@pytest.mark.parametrize(
    ("ahead", "verdict"),
    [
        (0, "repeated"),
        (1, "next"),
        (2, "next"),
        (MAX_DROPOUT - 1, "next"),
        (MAX_DROPOUT, "suspect"),
        (0x8000, "suspect"),
        (0x10000 - MAX_MISORDER, "suspect"),
        (0x10000 - MAX_MISORDER + 1, "late"),
        (-1, "late"),
    ],
)
@pytest.mark.parametrize("start", [1, 40000, 65535])
def test_every_kind_of_step(start: int, ahead: int, verdict: Verdict) -> None:
    counter = _believed(start)
    assert counter.receive((start + ahead) & 0xFFFF) == verdict
    assert counter.received == (1 if verdict == "suspect" else 2)
    assert counter.extended == start + (ahead if verdict == "next" else 0)


def test_a_jump_is_believed_when_the_next_packet_follows_it() -> None:
    counter = _believed(100)
    assert counter.receive(20000) == "suspect"
    assert counter.receive(101) == "next"
    assert counter.receive(30000) == "suspect"
    assert counter.receive(30001) == "restarted"
    assert (counter.base_sequence, counter.received, counter.lost, counter.cycles) == (30001, 1, 0, 0)
    assert counter.receive(30002) == "next"


def test_a_jump_to_the_last_number_is_followed_by_zero() -> None:
    counter = _believed(30000)
    assert [counter.receive(number) for number in (65535, 0)] == ["suspect", "restarted"]


def test_loss_is_what_was_expected_and_never_came() -> None:
    counter = _believed(65000)
    for number in range(65001, 65001 + 2000):
        if number % 10:
            counter.receive(number & 0xFFFF)
    assert counter.cycles == 65536
    assert counter.expected == 2000
    assert counter.lost == 199  # the multiples of ten in between


def test_repeats_can_make_loss_negative() -> None:
    counter = _believed(1)
    for _ in range(3):
        counter.receive(1)
    assert counter.lost == -3


def test_a_late_packet_is_not_lost() -> None:
    counter = _believed(1)
    verdicts = [counter.receive(number) for number in (2, 4, 3, 5)]
    assert verdicts == ["next", "next", "late", "next"]
    assert counter.lost == 0


def test_fraction_lost_is_of_the_interval() -> None:
    counter = _believed(0)
    assert counter.fraction_lost() == 0
    for number in (2, 4):  # 1 and 3 lost: two of four
        counter.receive(number)
    assert counter.fraction_lost() == 128
    assert counter.fraction_lost() == 0
    counter.receive(1)
    assert counter.fraction_lost() == 0
    for number in range(5, 9):
        counter.receive(number)
    assert counter.fraction_lost() == 0
    counter.receive(1008)
    assert counter.fraction_lost() == 255


@given(st.integers(0, 65535), st.lists(st.integers(1, 50), max_size=300))
def test_in_order_streams_are_counted_exactly(first: int, steps: list[int]) -> None:
    counter = _believed(first)
    for step in steps:
        assert counter.receive((counter.max_sequence + step) & 0xFFFF) == "next"
    assert counter.extended == first + sum(steps)
    assert counter.received == 1 + len(steps)
    assert counter.lost == sum(steps) - len(steps)


@given(st.lists(st.integers(0, 65535), max_size=200))
def test_any_numbers_keep_the_counts_sane(numbers: list[int]) -> None:
    counter = SequenceCounter()
    for number in numbers:
        counter.receive(number)
        assert 0 <= counter.fraction_lost() <= 255
        assert counter.received <= len(numbers)
        assert counter.expected >= 0
