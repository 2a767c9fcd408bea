"""Plugins that hear calls and talk with callers, seen from scripted phones."""

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import pbx.testing
from pbx import Call, Continue, Decision, Dial, Handler, Samples, Side, Talk, Tap
from pbx.dialplan.compiler import compile_dialplan
from pbx.dialplan.plugins import Plugins, plugin_of
from pbx.dialplan.scope import KnownNames
from pbx.documents import loads
from pbx.errors import ResourcesExhausted
from pbx.media.values import SinkId, SourceId
from pbx.service.plugins import PluginLife
from pbx.service.taps import CallTaps
from tests.call.media import FEED
from tests.dialplan.test_plugins_service import InstantReactor
from tests.service.house import House
from tests.service.phone import Phone
from tests.service.test_answering import ALICE, BOB, CAROL, calling, registered, taken

DIALPLAN = """
timezone: UTC
entry:
  - {from: users, chain: internal}
chains:
  internal:
    - ear: {}
    - routing:
        - {to: "600", goto: bot}
        - {to: "601", goto: bot-then-carol}
        - {to: "602", reject: 486}
        - {to: "603", echo: {}}
        - {to: "604", goto: recorded}
        - {to: "1XXX", dial: user, ring: 20s}
  bot:
    - bot: {}
  bot-then-carol:
    - bot: {}
    - routing:
        - {to: "*", dial: user/1003}
  recorded:
    - record: {what: both, name: x}
    - routing:
        - {to: "*", dial: user/1002}
"""


class Heard(Tap):
    """Remembers; the last one that was made is `Heard.last`."""

    made: "list[Heard]" = []  # noqa: RUF012  # emptied before each test

    def __init__(self, call: Call, sides: str) -> None:
        self.call = call
        self.sides = sides  # type: ignore[assignment]  # tests name a side
        self.log: list[str] = []
        self.heard: dict[Side, int] = {}
        self.fails: Callable[[], None] = lambda: None
        self.made.append(self)

    def began(self) -> None:
        self.log.append("began")

    def hear(self, side: Side, samples: Samples) -> None:
        self.heard[side] = self.heard.get(side, 0) + int(samples[0])
        self.fails()

    def pressed(self, digit: str) -> None:
        self.log.append(digit)
        if digit == "#":
            self.line.leave()

    def ended(self) -> None:
        self.log.append("ended")


class Ear(Handler):
    """Hears as its options say; `sides: none` hears nothing, `broken` has no tap that can be used."""

    name = "ear"

    class Options(Handler.Options):
        sides: str = "both"
        dial: bool = False

    options: Options

    def decide(self, call: Call) -> Decision:
        return Dial("user/1002") if self.options.dial else Continue()

    def tap(self, call: Call) -> Tap | None:
        if self.options.sides == "broken":
            raise OSError("no disk")
        return None if self.options.sides == "none" else Heard(call, self.options.sides)


class Bot(Handler):
    """Talks."""

    name = "bot"

    class Options(Handler.Options):
        there: bool = True

    options: Options

    def decide(self, call: Call) -> Decision:
        return Talk()

    def tap(self, call: Call) -> Tap | None:
        return Heard(call, "caller") if self.options.there else None


class TappedHouse(House):
    """A PBX in memory with these two plugins; taps hear when a test says so."""

    def __init__(self, dialplan: str = DIALPLAN) -> None:
        super().__init__()
        self.reactor = InstantReactor()
        self.plugins = Plugins([plugin_of(Ear), plugin_of(Bot)])
        self.life = PluginLife(self.reactor, self.plugins, self.metrics, self.router.used)
        known = KnownNames(frozenset({"1001", "1002", "1003"}), frozenset({"carrier"}), self.plugins)
        self.router.generation = compile_dialplan(loads(dialplan, "test.yaml"), known, 1, Path())
        self.clock = pbx.testing.Clock()
        self.taps = CallTaps(
            self.media,
            lambda act: act(),
            lambda call_id, act: self.carry_out(
                self.switch.tell(call_id, lambda call: act(call, self.now), self.now)
            ),
            self.clock,
        )
        self.switch.shared.taps = self.taps
        self.router.serve_taps(self.taps)

    def hear(self) -> None:
        """Everything is carried and heard."""
        for _ in range(3):
            self.taps.turn()
            for carried in list(self.taps._carried.values()):
                if carried.began:
                    carried.tap.wait()
        self.taps.turn()

    def sink(self) -> SinkId:
        (sink,) = self.media.sinks
        return sink

    def feed(self) -> SourceId:
        (feed,) = self.media.fed
        return feed

    def page(self) -> str:
        return self.metrics.render()[0].decode()

    def nothing_left(self) -> None:
        self.assert_nothing_left()
        self.hear()
        assert self.taps.active == 0
        assert self.taps._asked == {}
        assert self.plugins.host.tapping() == dict.fromkeys(self.plugins.host.tapping(), 0)


@pytest.fixture(name="house")
def a_house() -> Iterator[TappedHouse]:
    Heard.made.clear()
    house = TappedHouse()
    yield house
    house.plugins.host.stop_blocking()


def other_house(**options: object) -> TappedHouse:
    """One whose ear has these options."""
    text = ", ".join(f"{key}: {str(value).lower()}" for key, value in options.items())
    return TappedHouse(DIALPLAN.replace("- ear: {}", f"- ear: {{{text}}}"))


@pytest.fixture(name="alice")
def an_alice(house: TappedHouse) -> Phone:
    return registered(house, "1001", 11, ALICE)


@pytest.fixture(name="bob")
def a_bob(house: TappedHouse) -> Phone:
    return registered(house, "1002", 12, BOB)


def frame(value: int) -> Samples:
    return np.full(160, value, np.int16)


# -- two who talk --------------------------------------------------------------------------------------------


def test_two_who_talk_are_overheard_apart(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    call = alice.invite("1002")
    (ear,) = Heard.made
    assert house.media.sinks == {}, "nobody talks yet"
    taken(bob)
    call.ack()
    assert (house.media.heard_by(ALICE), house.media.heard_by(BOB)) == ({BOB}, {ALICE})
    assert house.media.sinks[house.sink()].kind == "stereo"
    house.media.hear(house.sink(), np.stack((frame(3), frame(5)), 1))
    house.hear()
    assert (ear.log, ear.heard) == (["began"], {"caller": 3, "callee": 5})
    assert (ear.call.called, ear.line.talks) == ("1002", False)
    assert 'pbx_plugin_taps_active{handler="ear"} 1.0' in house.page()
    house.media.hear(house.sink(), np.stack((frame(4), frame(6)), 1))
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    assert (ear.log, ear.heard) == (["began", "ended"], {"caller": 7, "callee": 11})
    page = house.page()
    assert 'pbx_plugin_frames_total{cause="heard",handler="ear"} 4.0' in page
    assert 'pbx_plugin_taps_active{handler="ear"} 0.0' in page


@pytest.mark.parametrize(
    ("sides", "kind"), [("caller", "one"), ("callee", "one"), ("mix", "mix"), ("both", "stereo")]
)
def test_sides(sides: str, kind: str) -> None:
    house = other_house(sides=sides)
    alice, bob = registered(house, "1001", 11, ALICE), registered(house, "1002", 12, BOB)
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    sink = house.media.sinks[house.sink()]
    of = {"caller": ALICE, "callee": BOB}.get(sides)
    assert (sink.kind, sink.left if of is None else house.media.leg_to(of)) == (kind, sink.left)
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    house.plugins.host.stop_blocking()


def test_where_nothing_wants_to_hear_two_are_relayed() -> None:
    house = other_house(sides="none")
    alice, bob = registered(house, "1001", 11, ALICE), registered(house, "1002", 12, BOB)
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    assert (house.media.sinks, house.media.bridges) == ({}, {})
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    house.plugins.host.stop_blocking()


def test_a_plugin_that_dials_hears_too() -> None:
    Heard.made.clear()
    house = other_house(dial=True)
    alice, bob = registered(house, "1001", 11, ALICE), registered(house, "1002", 12, BOB)
    call = alice.invite("9")
    taken(bob)
    call.ack()
    house.hear()
    assert Heard.made[0].log == ["began"]
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    house.plugins.host.stop_blocking()


def test_a_tap_that_leaves_lets_the_two_be_relayed(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    house.hear()
    assert house.media.bridges != {}
    Heard.made[0].line.leave()
    house.hear()
    assert (house.media.bridges, house.media.sinks, house.taps.active) == ({}, {}, 0)
    assert Heard.made[0].log == ["began", "ended"]
    assert house.media.heard_by(ALICE) == {BOB}
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()


def test_one_that_keeps_failing_hears_no_more_and_the_call_goes_on(
    house: TappedHouse, alice: Phone, bob: Phone
) -> None:
    call = alice.invite("1002")
    taken(bob)
    call.ack()

    def fail() -> None:
        raise OSError

    Heard.made[0].fails = fail
    house.media.hear(house.sink(), np.stack((frame(1),) * 2, 1).repeat(9, 0))
    house.hear()
    assert 'pbx_plugin_failures_total{cause="exception",handler="ear"} 5.0' in house.page()
    assert (house.media.sinks, house.media.heard_by(BOB)) == ({}, {ALICE})
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()


def test_overruns_are_lost_frames(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    house.media.sinks[house.sink()].overruns = 1600
    house.hear()
    assert 'pbx_plugin_frames_total{cause="lost",handler="ear"} 10.0' in house.page()
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()


def test_no_sink_is_left(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    open_sink = house.media.open_sink

    def none(**_: object) -> SinkId:
        raise ResourcesExhausted("sinks", 2)

    house.media.open_sink = none  # type: ignore[method-assign]  # there is none left
    call = alice.invite("1002")
    taken(bob)
    call.ack()
    assert house.media.heard_by(ALICE) == {BOB}
    assert 'pbx_plugin_failures_total{cause="overload",handler="ear"} 1.0' in house.page()
    assert house.switch.reached["media-sinks"] == 1
    house.media.open_sink = open_sink  # type: ignore[method-assign]  # as it was
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()


def test_a_tap_that_cannot_be_made_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    house = other_house(sides="broken")
    alice, bob = registered(house, "1001", 11, ALICE), registered(house, "1002", 12, BOB)
    with caplog.at_level(logging.WARNING):
        call = alice.invite("1002")
    taken(bob)
    call.ack()
    assert house.media.heard_by(ALICE) == {BOB}
    assert "the plugin ear does not hear call" in caplog.text
    assert 'pbx_plugin_failures_total{cause="exception",handler="ear"} 1.0' in house.page()
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    house.plugins.host.stop_blocking()


def test_a_recorded_call_is_overheard_too(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    call = alice.invite("604")
    taken(bob)
    call.ack()
    assert len(house.media.sinks) == 2
    assert house.recorder.hears() == {ALICE, BOB}
    (ours,) = house.switch.calls.values()
    ours.record_as(None)
    assert len(house.media.sinks) == 1
    assert house.media.bridges != {}
    call.bye()
    bob.answer_last(200, "BYE")
    house.nothing_left()
    assert Heard.made[0].log == ["began", "ended"]


@pytest.mark.parametrize("to", ["602", "1002", "603"])
def test_a_call_that_nobody_talks_in_is_heard_by_nobody(house: TappedHouse, alice: Phone, to: str) -> None:
    call = alice.invite(to)
    if alice.response().status == 200:
        call.ack()
        call.bye()
    else:
        call.acknowledge_refusal()
    house.nothing_left()
    assert all(ear.log == [] for ear in Heard.made)


def test_a_caller_who_hangs_up_before_anybody_answers(house: TappedHouse, alice: Phone, bob: Phone) -> None:
    call = alice.invite("1002")
    bob.answer_last(180)
    assert house.taps.active == 1
    call.cancel()
    call.acknowledge_refusal()
    bob.answer_last(200, "CANCEL")
    bob.answer_last(487)
    house.nothing_left()
    assert Heard.made[0].log == []


# -- a plugin as the other side ------------------------------------------------------------------------------


def bot_of(house: TappedHouse) -> Heard:
    return next(each for each in Heard.made if each.line.talks)


def test_a_bot_hears_the_caller_and_is_heard(house: TappedHouse, alice: Phone) -> None:
    call = calling(alice, "600")
    house.hear()
    bot = bot_of(house)
    assert (bot.log, house.media.heard_by(ALICE)) == (["began"], {f"♪{FEED}"})
    house.media.hear(house.sink(), frame(9))
    house.hear()
    assert bot.heard == {"caller": 9}
    said = np.arange(1000, dtype=np.int16)
    bot.line.say(said)
    house.hear()
    # 40 ms of silence for a start, then no more ahead than 80 ms.
    first = house.media.heard_of(house.feed())
    assert (len(first), int(np.abs(first[:320]).max())) == (320 + 640, 0)
    house.hear()
    assert np.array_equal(np.concatenate((first[320:], house.media.heard_of(house.feed())[320:])), said)
    assert bot.line.waiting_s == 0
    call.bye()
    house.nothing_left()
    assert bot.log == ["began", "ended"]
    assert 'pbx_plugin_frames_total{cause="said",handler="bot"} 6.0' in house.page()


def test_a_bot_waits_for_the_answer_to_a_late_offer(house: TappedHouse, alice: Phone) -> None:
    call = alice.invite("600", body="")
    assert alice.response().status == 200
    assert house.media.sinks == {}
    call.ack(alice.sdp())
    house.hear()
    assert (bot_of(house).log, house.media.heard_by(ALICE)) == (["began"], {f"♪{FEED}"})
    call.bye()
    house.nothing_left()


def test_keys_reach_it_and_it_leaves_to_the_next_handler(house: TappedHouse, alice: Phone) -> None:
    carol = registered(house, "1003", 13, CAROL)
    call = calling(alice, "601")
    house.hear()
    bot = bot_of(house)
    house.press(ALICE, "12")
    house.hear()
    assert bot.log == ["began", "1", "2"]
    house.press(ALICE, "#")
    house.hear()
    assert bot.log == ["began", "1", "2", "#", "ended"]
    assert (house.media.sinks, house.media.fed) == ({}, {})
    taken(carol)
    assert house.media.heard_by(ALICE) == {CAROL}
    # The ear, which the call had passed, hears the two.
    house.hear()
    assert [ear.log for ear in Heard.made if ear is not bot] == [["began"]]
    call.bye()
    carol.answer_last(200, "BYE")
    house.nothing_left()


def test_without_a_tap_the_next_handler_is_asked() -> None:
    house = TappedHouse(DIALPLAN.replace("- bot: {}", "- bot: {there: false}"))
    alice = registered(house, "1001", 11, ALICE)
    call = alice.invite("600")
    assert alice.response().status == 404
    call.acknowledge_refusal()
    house.nothing_left()
    house.plugins.host.stop_blocking()


def test_a_bot_that_breaks_leaves(house: TappedHouse, alice: Phone) -> None:
    call = calling(alice, "600")
    house.hear()

    def fail() -> None:
        raise OSError

    bot_of(house).fails = fail
    house.media.hear(house.sink(), frame(1).repeat(9))
    house.hear()
    assert alice.methods() == ["BYE"]
    alice.answer_last(200, "BYE")
    house.nothing_left()
    assert call.remote


def test_without_a_feed_the_call_goes_on(house: TappedHouse, alice: Phone) -> None:
    house.media.most_sources = 0
    carol = registered(house, "1003", 13, CAROL)
    call = calling(alice, "601")
    assert carol.methods() == ["INVITE"]
    taken(carol)
    assert house.media.heard_by(ALICE) == {CAROL}
    call.bye()
    carol.answer_last(200, "BYE")
    house.nothing_left()


def test_a_generation_is_needed_until_its_taps_are_over(house: TappedHouse, alice: Phone) -> None:
    tree = house.router.generation
    call = calling(alice, "600")
    house.hear()
    house.router.generation = compile_dialplan(loads(DIALPLAN, "test.yaml"), tree.known, 2, Path())
    call.bye()
    assert house.router.used(tree)
    house.hear()
    assert not house.router.used(tree)
    house.nothing_left()


def test_the_thread_is_there_while_something_is_carried(house: TappedHouse, alice: Phone) -> None:
    house.taps.start()
    bob = registered(house, "1002", 12, BOB)
    ringing = alice.invite("1002")
    assert "taps" not in [each.name for each in threading.enumerate()]
    taken(bob)
    ringing.ack()
    (thread,) = (each for each in threading.enumerate() if each.name == "taps")
    ringing.bye()
    bob.answer_last(200, "BYE")
    thread.join(10)
    assert house.taps.active == 0
    assert not thread.is_alive()
    assert Heard.made[0].log == ["began", "ended"]
    house.nothing_left()


def test_stopping_ends_everything(house: TappedHouse, alice: Phone) -> None:
    calling(alice, "600")
    house.hear()
    bot = bot_of(house)
    house.taps.stop()
    house.hear()
    assert (house.media.sinks, bot.log) == ({}, ["began", "ended"])
    assert bot.line.say(frame(1)) == 0
