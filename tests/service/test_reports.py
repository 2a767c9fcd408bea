"""What calls are shown as."""

from typing import get_args

import pytest

from pbx.api.models import CallState
from pbx.call.table import State
from pbx.service.reports import call_state


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("answered", [False, True])
def test_every_state_of_a_call_can_be_shown(state: State, answered: bool) -> None:
    assert call_state(state, answered=answered) in get_args(CallState)


@pytest.mark.parametrize("state", ["playing", "collecting"])
def test_sounds_before_the_answer_are_early_media(state: State) -> None:
    assert call_state(state, answered=False) == "early"
    assert call_state(state, answered=True) == "answered"


@pytest.mark.parametrize("state", ["waiting", "conferring", "echoing", "talking"])
def test_a_call_in_a_queue_or_a_room_is_answered(state: State) -> None:
    assert call_state(state, answered=True) == "answered"
