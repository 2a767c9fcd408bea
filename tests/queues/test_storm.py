"""What must hold whatever happens: 200 storms here, 10,000 by `make soak`."""

import os

import pytest

from tests.queues.storm import Storm

SEEDS = int(os.environ.get("PBX_STORMS", "200"))
STEPS = 120


@pytest.mark.parametrize("block", range(20))
def test_no_storm_breaks_an_invariant(block: int) -> None:
    joined = 0
    for seed in range(block, SEEDS, 20):
        storm = Storm(seed)
        try:
            storm.run(STEPS)
        except AssertionError as error:
            raise AssertionError(f"storm {seed} at {storm.now}") from error
        joined += storm.joined
    assert joined > 100
