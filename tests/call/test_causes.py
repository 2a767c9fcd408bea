"""Outcomes, causes and the policies that decide what the caller is told."""

from typing import get_args

import pytest

from pbx.call.causes import (
    CAUSE_OF_OUTCOME,
    HIDE,
    OUTCOMES,
    PASS,
    STATUS_OF_OUTCOME,
    Cause,
    DialOutcome,
    Outcome,
    better,
    cause_of,
    outcome_of,
)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (486, "busy"), (600, "busy"), (480, "unavailable"), (404, "unavailable"), (410, "unavailable"),
        (408, "timeout"), (603, "rejected"), (403, "rejected"), (401, "rejected"), (500, "failed"),
        (503, "failed"), (488, "failed"), (606, "failed"), (302, "failed"),
    ],
)  # fmt: skip
def test_outcome_of_a_final_code(status: int, outcome: Outcome) -> None:
    assert outcome_of(status) == outcome


@pytest.mark.parametrize("status", range(300, 700))
def test_every_final_code_has_a_cause_and_a_legal_answer(status: int) -> None:
    assert cause_of(status) in get_args(Cause)
    for policy in (PASS, HIDE):
        assert 400 <= policy.final_code(status) <= 699
        assert policy.final_code(status) not in {401, 407}, "a challenge is never the caller's"


@pytest.mark.parametrize("status", range(400, 700))
def test_hiding_shows_nothing_but_the_kind_of_failure(status: int) -> None:
    assert HIDE.final_code(status) in {404, 480, 486, 488, 500, 603}


def test_every_outcome_has_a_code_and_a_cause() -> None:
    assert set(get_args(Outcome)) == set(STATUS_OF_OUTCOME) == set(CAUSE_OF_OUTCOME)
    assert set(OUTCOMES) == set(get_args(DialOutcome))


@pytest.mark.parametrize(
    ("one", "other", "best"),
    [(404, 486, 486), (486, 404, 486), (480, 603, 603), (500, 486, 486), (503, 480, 480), (404, 480, 404)],
)
def test_the_better_of_two_refusals(one: int, other: int, best: int) -> None:
    """RFC 3261 §16.7 step 6."""
    assert better(one, other) == best
