"""Who hears what in one call, in any order of events; rooms."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pbx.call.rooms import Rooms
from pbx.call.stage import Stage
from pbx.errors import ResourcesExhausted
from pbx.media.values import LegId
from tests.call.media import FakeMedia, a_sound


def legs(media: FakeMedia, count: int) -> list[LegId]:
    """Legs that send and receive; leg number n has its phone's port at n."""
    made = []
    for number in range(count):
        leg, _ = media.open()
        media.configure(
            leg, remote=("192.0.2.1", number), receive=True, send=True, payload_map={}, clock_rates={}
        )
        made.append(leg)
    return made


class Stages(RuleBasedStateMachine):
    """Legs come and go, sounds and sinks begin and end; what is heard is always what it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.media = FakeMedia()
        self.legs = legs(self.media, 2)
        self.stage = Stage(self.media)
        self.seated: tuple[int, ...] = ()
        self.sound: str | None = None
        self.deaf: int | None = None

    @rule(who=st.sampled_from([(0,), (1,), (0, 1)]))
    def seat(self, who: tuple[int, ...]) -> None:
        if self.deaf is not None:
            self.silence()
        self.stage.seat(*[self.legs[number] for number in who])
        self.seated = who

    @precondition(lambda self: self.seated)
    @rule(number=st.integers(1, 9), deaf=st.booleans())
    def play(self, number: int, deaf: bool) -> None:
        self.deaf = 0 if deaf and len(self.seated) == 2 else None
        self.stage.play(
            [a_sound(number)], loops=True, deaf=None if self.deaf is None else self.legs[self.deaf]
        )
        self.sound = f"♪{number}"

    @rule()
    def silence(self) -> None:
        self.stage.silence()
        self.sound = self.deaf = None

    @precondition(lambda self: self.stage.sink is None)
    @rule()
    def listen(self) -> None:
        self.stage.listen("stereo", *self.legs)

    @precondition(lambda self: self.stage.sink is not None)
    @rule()
    def unlisten(self) -> None:
        assert self.stage.sink is not None
        self.media.close_sink(self.stage.sink)
        self.stage.unlisten()

    @precondition(lambda self: len(self.stage.taps) < 3)
    @rule()
    def tap(self) -> None:
        self.stage.tap("mix", None, None, 8000)

    @precondition(lambda self: self.stage.taps)
    @rule()
    def untap(self) -> None:
        self.media.close_sink(self.stage.taps.pop())
        self.stage.settle()

    @invariant()
    def sinks_hear_what_is_said(self) -> None:
        if self.seated:
            mixed = {member for members in self.media.bridges.values() for member in members}
            assert set(self.media.sinks) <= mixed

    @invariant()
    def everybody_hears_what_they_should(self) -> None:
        for number in (0, 1):
            expected: set[int | str] = set()
            if number in self.seated and number != self.deaf:
                expected = {other for other in self.seated if other not in {number, self.deaf}}
                if self.sound is not None:
                    expected.add(self.sound)
            assert self.media.heard_by(number) == expected

    @invariant()
    def nothing_is_mixed_without_need(self) -> None:
        mixed = self.seated and (
            self.sound is not None
            or self.stage.sink is not None
            or len(self.stage.taps) > 0
            or len(self.seated) != 2
        )
        assert len(self.media.bridges) == (1 if mixed else 0)
        assert len(self.media.sources) == (self.sound is not None)

    def teardown(self) -> None:
        if self.stage.sink is not None:
            self.media.close_sink(self.stage.sink)
        self.stage.clear()
        assert not self.media.bridges
        assert not self.media.sources
        assert not self.media.gains


TestStages = Stages.TestCase
TestStages.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


@pytest.mark.parametrize("what", ["sources", "bridges"])
def test_sounds_that_cannot_be_had_leave_everything_as_it_was(what: str) -> None:
    media = FakeMedia()
    one, other = legs(media, 2)
    stage = Stage(media)
    stage.seat(one, other)
    setattr(media, f"most_{what}", 0)
    with pytest.raises(ResourcesExhausted):
        stage.play([a_sound()], loops=True, deaf=one)
    assert (stage.source, stage.deaf) == (None, None)
    assert (media.heard_by(0), media.heard_by(1)) == ({1}, {0})
    stage.clear()
    assert (media.sources, media.bridges, media.gains) == ({}, {}, {})


def test_another_sound_that_cannot_be_had_ends_the_one_before() -> None:
    media = FakeMedia()
    one, other = legs(media, 2)
    stage = Stage(media)
    stage.seat(one, other)
    stage.play([a_sound(1)], loops=True, deaf=one)
    media.most_sources = 0
    with pytest.raises(ResourcesExhausted):
        stage.play([a_sound(2)], loops=True, deaf=other)
    assert (media.heard_by(0), media.heard_by(1)) == ({1}, {0})
    assert (media.sources, media.bridges, media.gains) == ({}, {}, {})


def test_a_sink_that_hears_nobody_is_closed() -> None:
    media = FakeMedia()
    one, other = legs(media, 2)
    stage = Stage(media)
    stage.seat(one, other)
    media.most_bridges = 0
    with pytest.raises(ResourcesExhausted):
        stage.listen("stereo", one, other)
    assert (stage.sink, media.sinks) == (None, {})
    assert media.heard_by(0) == {1}


def test_without_room_for_a_relay_two_legs_stay_mixed() -> None:
    media = FakeMedia()
    one, other = legs(media, 2)
    stage = Stage(media)
    stage.seat(one, other)
    stage.play([a_sound()], loops=True)
    media.most_bridges = 1
    stage.silence()
    assert (media.heard_by(0), media.heard_by(1)) == ({1}, {0})
    assert len(media.bridges) == 1
    media.most_bridges = 2
    stage.seat(one, other)
    assert len(media.bridges) == 0
    assert media.heard_by(0) == {1}


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["a", "b", ""])), max_size=30))
def test_rooms_open_with_the_first_and_close_with_the_last(moves: list[tuple[int, str]]) -> None:
    media = FakeMedia()
    rooms = Rooms(media)
    members = legs(media, 5)
    where: dict[int, str] = {}
    for who, room in moves:
        if who in where:
            rooms.leave(where.pop(who), members[who])
        if room:
            rooms.join(room, members[who], muted=who == 0)
            where[who] = room
        assert set(rooms.open) == set(where.values())
        assert len(media.bridges) == len(rooms.open)
        for other in range(5):
            together = {each for each in where if where[each] == where.get(other)} - {other, 0}
            assert media.heard_by(other) == (together if other in where else set())


@pytest.mark.parametrize("name", ["a", "nowhere"])
def test_to_leave_a_room_that_one_is_not_in(name: str) -> None:
    media = FakeMedia()
    rooms = Rooms(media)
    one, other = legs(media, 2)
    rooms.join("a", one)
    rooms.leave(name, other)
    assert rooms.members("a") == 1
    assert rooms.members("nowhere") == 0
