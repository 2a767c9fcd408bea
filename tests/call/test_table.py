"""Every cell of the call's table, the absent ones too."""

from itertools import product
from typing import get_args

import pytest

from pbx.call import call as module
from pbx.call.audio import Audio
from pbx.call.call import Call
from pbx.call.causes import PASS
from pbx.call.leg import Leg
from pbx.call.record import CallRecord
from pbx.call.settings import DEFAULT_FORMATS, CallSettings, Shared
from pbx.call.table import ABSENT, TABLE, Action, Input, State
from pbx.ids import Ids
from pbx.sip.flow import Flow
from pbx.sip.session import InviteSession
from pbx.sip.timers import Timers
from pbx.sip.uri import Uri
from tests.call.media import FakeMedia, FakeRecorder
from tests.support import seeded_ids

STATES: tuple[State, ...] = get_args(State)
INPUTS: tuple[Input, ...] = get_args(Input)


def a_call(ids: Ids) -> Call:
    """A call whose caller's leg exists and has said nothing."""
    media = FakeMedia()
    session = InviteSession.outgoing(
        target=Uri.parse("sip:a@192.0.2.1"),
        from_="<sip:a@x>",
        to="<sip:b@x>",
        contact="<sip:c@x>",
        ids=ids,
        timers=Timers(),
        allow="INVITE",
        server="pbx",
    )
    leg = Leg(session, Audio(media, "192.0.2.2", 1), flow=Flow("udp", ("", 1), ("", 2)), label="users")
    record = CallRecord("1", "a", "b", "users", 0.0)
    settings = CallSettings(Timers(), "INVITE", "pbx", PASS, DEFAULT_FORMATS)
    return Call(leg, record, Shared(settings, media, ids, FakeRecorder(media)), None)


@pytest.mark.parametrize(("state", "what"), list(product(STATES, INPUTS)))
def test_cell(state: State, what: Input, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Action] = []
    for action in module.ACTIONS:
        monkeypatch.setitem(module.ACTIONS, action, lambda *_, action=action: done.append(action))
    call = a_call(seeded_ids(1))
    call.state = state
    call.happen(what, call.caller, None, 0.0)
    cell = TABLE.get((state, what))
    if cell is None:
        assert ABSENT[what]
        assert (call.state, done) == (state, [])
    else:
        assert (call.state, done) == (cell[1], [cell[0]])


def test_every_action_is_carried_out_by_something() -> None:
    assert set(module.ACTIONS) == set(get_args(Action)) == {action for action, _ in TABLE.values()}


def test_every_state_is_left_but_the_last() -> None:
    assert {state for state, _ in TABLE} == set(STATES) - {"ended"}


def test_every_input_that_can_be_ignored_says_why() -> None:
    ignored = {what for state, what in product(STATES, INPUTS) if (state, what) not in TABLE}
    assert ignored == set(ABSENT)
