"""Taps of plugins: what waits for them, where they run, and what becomes of those that fail."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pbx.testing
from pbx import Call, Continue, Decision, Defer, Handler, Line, Reject, Samples, Side, Talk, Tap
from pbx.dialplan.plugin_answers import Cause, FrameKind
from pbx.dialplan.plugin_taps import FAILURES, MOST_WAITING, OpenTap, WrongTap, checked_tap
from pbx.dialplan.plugin_workers import Job
from pbx.dialplan.tap import MOST_SAID_S
from pbx.dialplan.words import as_json, said
from pbx.errors import DocumentError, MisuseError, ResourcesExhausted
from tests.dialplan.calls import call, decide, generation
from tests.dialplan.plugin_files import deciding, known, loaded


def some(count: int, first: int = 0) -> Samples:
    return np.arange(first, first + count, dtype=np.int16)


class Done(Future[None]):
    """A job that a test ends."""

    @property
    def future(self) -> "Future[None]":
        return self

    def give_up(self) -> None:
        self.given_up = True

    given_up = False


class Place:
    """Runs taps at once, or not before a test says so."""

    def __init__(self) -> None:
        self.held: list[tuple[OpenTap, Done]] = []
        self.holds = False
        self.full = False

    def deliver(self, tap: OpenTap) -> Job[None]:
        if self.full:
            raise ResourcesExhausted("threads")
        job = Done()
        if self.holds:
            self.held.append((tap, job))
        else:
            self._run(tap, job)
        return job

    def _run(self, tap: OpenTap, job: Done) -> None:
        tap.deliver_now(lambda _: None)
        job.set_result(None)

    def release(self) -> None:
        held, self.held = self.held, []
        for tap, job in held:
            self._run(tap, job)


class Ear(Tap):
    """Remembers what it heard."""

    def __init__(self, sides: str = "caller", rate: int = 8000) -> None:
        self.sides = sides  # type: ignore[assignment]  # any text, for the checks
        self.rate = rate  # type: ignore[assignment]  # any number, likewise
        self.log: list[str] = []
        self.heard: list[tuple[Side, Samples]] = []
        self.fails: Callable[[], None] = lambda: None

    def began(self) -> None:
        self.log.append("began")

    def hear(self, side: Side, samples: Samples) -> None:
        self.heard.append((side, samples))
        self.fails()

    def pressed(self, digit: str) -> None:
        self.log.append(digit)

    def ended(self) -> None:
        self.log.append("ended")


class Desk:
    """One open tap, by hand."""

    def __init__(self, ear: Ear | None = None, *, talks: bool = False) -> None:
        self.ear = ear or Ear()
        self.place = Place()
        self.clock = pbx.testing.Clock()
        self.frames: dict[FrameKind, int] = {"heard": 0, "lost": 0, "said": 0}
        self.failures: list[Cause] = []
        line = Line(pbx.testing.call(), self.ear.rate, talks=talks)
        self.open = OpenTap(
            self.ear, line, self.place, name="mine", budget_s=1.0, clock=self.clock, observer=self
        )

    def plugin_failed(self, plugin: str, cause: Cause, seconds: float | None) -> None:
        assert (plugin, seconds) == ("mine", None)
        self.failures.append(cause)

    def plugin_frames(self, plugin: str, kind: FrameKind, frames: int) -> None:
        assert plugin == "mine"
        self.frames[kind] += frames


# -- what is heard -------------------------------------------------------------------------------------------


@given(st.sampled_from([(8000, 160), (16000, 320)]), st.lists(st.integers(0, 700), max_size=8))
def test_whatever_comes_is_heard_in_frames_of_20_ms_in_order(kind: tuple[int, int], sizes: list[int]) -> None:
    rate, frame = kind
    desk = Desk(Ear(rate=rate))
    everything = some(sum(sizes))
    at = 0
    for size in sizes:
        desk.open.put("caller", everything[at : at + size])
        at += size
        desk.open.turn()
    assert all(side == "caller" and len(samples) == frame for side, samples in desk.ear.heard)
    heard = np.concatenate([some(0), *(samples for _, samples in desk.ear.heard)])
    assert np.array_equal(heard, everything[: len(everything) // frame * frame])
    assert desk.frames == {"heard": len(heard) // frame, "lost": 0, "said": 0}


def test_frames_are_the_taps_own() -> None:
    desk = Desk()
    samples = some(160)
    desk.open.put("caller", samples)
    desk.open.turn()
    desk.ear.heard[0][1][:] = 7
    assert samples[1] == 1


@pytest.mark.parametrize(
    ("sides", "talks", "expected"),
    [
        ("caller", False, ("caller",)),
        ("callee", False, ("callee",)),
        ("both", False, ("caller", "callee")),
        ("mix", False, ("mix",)),
        ("both", True, ("caller",)),
    ],
)
def test_sides(sides: str, talks: bool, expected: tuple[Side, ...]) -> None:
    assert Desk(Ear(sides), talks=talks).open.sides == expected


def test_it_begins_and_ends_once_around_everything() -> None:
    desk = Desk()
    desk.open.turn()
    assert desk.ear.log == ["began"]
    desk.open.put("caller", some(160))
    desk.open.press("5")
    desk.open.finish()
    assert not desk.open.over
    for _ in range(3):
        desk.open.put("caller", some(160))
        desk.open.turn()
    assert (desk.ear.log, len(desk.ear.heard), desk.open.over) == (["began", "5", "ended"], 1, True)


def test_a_slow_tap_loses_the_oldest_and_what_waits_is_bounded() -> None:
    desk = Desk(Ear("both"))
    desk.place.holds = True
    for number in range(3 * MOST_WAITING):
        desk.open.put("caller", np.full(160, number, np.int16))
        desk.open.put("callee", np.full(160, number, np.int16))
        desk.open.turn()
    assert len(desk.place.held) == 1
    desk.place.release()
    desk.open.turn()
    numbers = [int(samples[0]) for side, samples in desk.ear.heard if side == "callee"]
    assert numbers == list(range(2 * MOST_WAITING, 3 * MOST_WAITING))
    assert desk.frames == {"heard": 2 * MOST_WAITING, "lost": 4 * MOST_WAITING, "said": 0}
    assert not desk.open.broken


def test_where_no_thread_is_free_frames_wait() -> None:
    desk = Desk()
    desk.place.full = True
    desk.open.put("caller", some(160))
    desk.open.turn()
    assert desk.ear.heard == []
    desk.place.full = False
    desk.open.turn()
    assert len(desk.ear.heard) == 1


def test_what_still_waits_at_the_end_can_be_lost() -> None:
    desk = Desk()
    desk.place.holds = True
    desk.open.put("caller", some(1600))
    desk.open.press("1")
    desk.open.finish()
    desk.open.hurry()
    desk.open.turn()
    desk.place.release()
    desk.open.turn()
    assert (desk.ear.log, desk.frames["lost"], desk.open.over) == (["began", "ended"], 10, True)


# -- failures ------------------------------------------------------------------------------------------------


def fail() -> None:
    raise OSError("no server")


def test_an_exception_costs_a_frame_and_many_in_a_row_the_rest() -> None:
    desk = Desk()
    desk.ear.fails = fail
    for _ in range(FAILURES - 1):
        desk.open.put("caller", some(160))
        desk.open.turn()
    desk.ear.fails = lambda: None
    desk.open.put("caller", some(160))
    desk.open.turn()
    assert (desk.failures, desk.open.broken) == (["exception"] * (FAILURES - 1), False)
    desk.ear.fails = fail
    for _ in range(2 * FAILURES):
        desk.open.put("caller", some(160))
        desk.open.turn()
    assert desk.open.broken
    assert len(desk.failures) == 2 * FAILURES - 1
    assert len(desk.ear.heard) == 2 * FAILURES
    # It can still let go of what it holds.
    desk.open.turn()
    assert desk.ear.log == ["began", "ended"]
    assert "OSError: no server" in desk.open.fault


def test_one_that_takes_too_long_is_given_up() -> None:
    desk = Desk()
    desk.place.holds = True
    desk.open.put("caller", some(160))
    desk.open.turn()
    ((tap, job),) = desk.place.held
    # What waits for a thread takes no time.
    desk.clock.advance(5)
    desk.open.turn()
    assert not job.given_up
    tap._next()
    desk.clock.advance(0.9)
    desk.open.turn()
    assert not job.given_up
    desk.clock.advance(0.2)
    desk.open.turn()
    desk.open.turn()
    assert [each.given_up for _, each in desk.place.held] == [True]
    assert (desk.failures, desk.open.broken, desk.open.over) == (["timeout"], True, False)
    job.set_exception(OSError("interrupted"))
    desk.place.holds = False
    desk.open.turn()
    desk.open.turn()
    assert (desk.ear.log, desk.open.over, desk.failures) == (["ended"], True, ["timeout"])


def test_one_that_never_comes_back_is_left_behind() -> None:
    desk = Desk()
    desk.place.holds = True
    desk.open.turn()
    desk.open.abandon()
    assert desk.open.over
    assert desk.place.held[0][1].given_up


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        (3, "its tap is of type int, expected a pbx.Tap or None"),
        (Ear("all"), "the sides of its tap are 'all', expected caller, callee, both, mix"),
        (Ear(rate=44100), "the rate of its tap is 44100, expected 8000 or 16000"),
    ],
)
def test_wrong_taps(given_: object, message: str) -> None:
    with pytest.raises(WrongTap, match=message):
        checked_tap(given_)


# -- what is said --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 400), max_size=6), st.lists(st.integers(0, 500), max_size=12))
def test_what_is_said_comes_out_whole_and_in_order(said_: list[int], taken: list[int]) -> None:
    line = Line(pbx.testing.call(), 8000, talks=True)
    everything = some(sum(said_))
    at = 0
    for size in said_:
        assert line.say(everything[at : at + size]) == size
        at += size
    pieces = [line.take(most) for most in taken]
    assert all(len(piece) <= most for piece, most in zip(pieces, taken, strict=True))
    rest = line.take(1 << 30)
    assert np.array_equal(np.concatenate([some(0), *pieces, rest]), everything)
    assert line.waiting_s == 0


def test_there_is_room_for_a_minute() -> None:
    line = Line(pbx.testing.call(), 16000, talks=True)
    most = round(MOST_SAID_S * 16000)
    assert line.say(np.zeros(most - 100, np.int16)) == most - 100
    assert line.say(some(160)) == 100
    assert line.waiting_s == MOST_SAID_S
    line.hush()
    assert (line.waiting_s, len(line.take(9))) == (0, 0)
    assert line.say(some(160)) == 160
    line.close()
    assert (line.say(some(160)), line.waiting_s) == (0, 0)


def test_what_cannot_be_said() -> None:
    line = Line(pbx.testing.call(), 8000, talks=True)
    for wrong in (np.zeros((160, 2), np.int16), np.zeros(160), np.zeros(160, np.uint8)):
        with pytest.raises(MisuseError, match="say takes"):
            line.say(wrong)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(MisuseError, match="this one overhears two"):
        Line(pbx.testing.call(), 8000, talks=False).say(some(160))


# -- plugins with taps ---------------------------------------------------------------------------------------


class Bot(Handler):
    name = "bot"

    async def decide(self, call: Call) -> Decision:
        return Talk()

    async def tap(self, call: Call) -> Tap | None:
        return None if call.called == "1" else Awaits(asyncio.get_running_loop())


class Awaits(Tap):
    """Lives on its plugin's loop."""

    rate = 16000

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def hear(self, side: Side, samples: Samples) -> None:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is self._loop
        self.line.say(samples)

    async def pressed(self, digit: str) -> None:
        raise LookupError(digit)


def test_an_async_tap_runs_on_the_loop_of_its_plugin() -> None:
    bot = pbx.testing.make(Bot)
    with pbx.testing.hearing(bot, pbx.testing.call(), talks=True) as line:
        heard = pbx.testing.tone(440, 2.5, rate=16000)
        line.hear(heard)
        assert np.array_equal(line.said(), heard)
        with pytest.raises(pbx.testing.Failed, match="LookupError: 7"):
            line.press("7")
        with pytest.raises(pbx.testing.Failed, match="does not hear the callee"):
            line.hear(heard, "callee")
    with (
        pytest.raises(pbx.testing.Failed, match="its tap is None"),
        pbx.testing.hearing(bot, pbx.testing.call(to="1")),
    ):
        pass


class Stuck(Handler):
    name = "stuck"

    def decide(self, call: Call) -> Decision:
        return Talk()

    def tap(self, call: Call) -> Tap:
        return Busy()


class Busy(Tap):
    def hear(self, side: Side, samples: Samples) -> None:
        while True:
            pass


def test_a_tap_that_is_busy_is_interrupted() -> None:
    stuck = pbx.testing.make(Stuck)
    with (
        pbx.testing.hearing(stuck, pbx.testing.call(), timeout=0.05) as line,
        pytest.raises(pbx.testing.Failed, match=r"it took longer than 0\.05 s"),
    ):
        line.hear(pbx.testing.tone(440, 0.02))


def test_talk_in_words() -> None:
    assert (said(Talk()), as_json(Talk("why"))) == ("talk", {"kind": "talk", "reason": "why"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return Talk()", "it gave Talk, but Mine has no tap"),
        ("return Dial('user/1001', on={'busy': Talk()})", "Talk cannot follow an outcome"),
    ],
)
def test_who_cannot_talk(tmp_path: Path, body: str, reason: str) -> None:
    tree = deciding(tmp_path, f"from pbx import Talk\n{body}")
    verdict = decide(tree, call("1"))
    assert verdict.decision == Reject(480)
    assert reason in verdict.path[0].decision.reason


HEARS = """
from pbx import Tap
class Mine(Handler):
    name = "mine"
    def decide(self, call):
        return Continue()
    def tap(self, call):
        return None
"""


def test_a_process_of_its_own_cannot_hear(tmp_path: Path) -> None:
    plugins = loaded(tmp_path, HEARS)
    chains = "  main:\n    - {{mine: {{}}, isolate: {}}}\n    - reject: 480\n"
    generation(chains.format("thread"), known=known(plugins))
    with pytest.raises(DocumentError, match="mine hears calls, which a process of its own cannot"):
        generation(chains.format("process"), known=known(plugins))


def test_a_deferred_talk_is_a_talk() -> None:
    class Later(Bot):
        name = "later"

        async def decide(self, call: Call) -> Decision:
            async def later() -> Decision:
                return Talk()

            return Defer(later()) if call.called == "2" else Continue()

    later = pbx.testing.make(Later)
    assert pbx.testing.decide(later, pbx.testing.call(to="2")) == Talk()
